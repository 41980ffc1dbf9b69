"""One model held by many Ray workers, asked as if it were one.

In: how to load the model. Out: a `PooledModel`, an `AnswerModel` whose populations are spread over the
workers and joined again. Runs, their files and their random numbers stay in this process: a worker knows
nothing but the frozen model, so that one that dies is started anew and asked again. Populations are split
where the model itself would split them into chunks, so that every candidate is computed in the same company
as without Ray.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any, cast

import numpy as np
from jaxtyping import Float

from acculturate.errors import AcculturateError, FailureError, UsageError
from acculturate.experiment.stand_in import StandIn
from acculturate.model.answers import (
    AnswerModel,
    Answers,
    Backward,
    ChunkedModel,
    Cotangent,
    DifferentiableModel,
    Query,
    join_answers,
)

_RETRIES = 5
_WAYS_BACK = 4
"""Gradients a worker keeps the way back of; one that is lost is computed again."""


class Worker:
    """What runs in a Ray worker: the frozen model, loaded when it is first asked.

    Args:
        load: Gives the model.
    """

    def __init__(self, load: Callable[[], AnswerModel]) -> None:
        self._load = load
        self._model: AnswerModel | None = None
        self._ways_back: OrderedDict[int, Backward] = OrderedDict()

    def about(self) -> tuple[str, int, float]:
        """Name, hidden size and embedding scale."""
        model = self._loaded()
        return model.name, model.hidden_size, model.embedding_scale()

    def call(self, name: str, *given: Any, **named: Any) -> Any:
        """Calls a method of the model."""
        return getattr(self._loaded(), name)(*given, **named)

    def embed_random_tokens(self, count: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """The embeddings, and the state of the generator after them."""
        return self._loaded().embed_random_tokens(count, rng), rng.bit_generator.state

    def chunk(self, tokens: int, query: Query, gradient: bool) -> int:
        """Candidates that the model takes together."""
        model = self._loaded()
        return (
            model.chunk(tokens, query, gradient=gradient) if isinstance(model, ChunkedModel) else 1
        )

    def ask(self, prompts: Any, query: Query) -> Answers:
        """Answers without the forms, which the asker has."""
        return replace(self._loaded().ask(prompts, query), forms=())

    def ask_with_gradient(self, key: int, prompts: Any, query: Query) -> Answers:
        """The same; the way back is kept under the key."""
        model = cast("DifferentiableModel", self._loaded())
        answers, self._ways_back[key] = model.ask_with_gradient(prompts, query)
        while len(self._ways_back) > _WAYS_BACK:
            self._ways_back.popitem(last=False)
        return replace(answers, forms=())

    def backward(self, key: int, cotangent: Cotangent) -> np.ndarray | None:
        """The gradient; None where the way back is lost."""
        way = self._ways_back.pop(key, None)
        return None if way is None else way(cotangent)

    def _loaded(self) -> AnswerModel:
        if self._model is None:
            self._model = self._load()
        return self._model


class PooledModel(StandIn):
    """A model in many workers; see `ChunkedModel`, `DifferentiableModel` and `GeneratingModel`.

    Args:
        workers: Handles of Ray actors of `Worker`.
    """

    def __init__(self, workers: Sequence[Any]) -> None:
        self._workers = list(workers)
        self._busy = [0] * len(workers)
        self._lock = threading.Lock()
        self._keys = count()
        self._chunks: OrderedDict[object, int] = OrderedDict()
        self.name, self.hidden_size, self._scale = self._on_one("about")

    @property
    def size(self) -> int:
        """How many workers there are."""
        return len(self._workers)

    def pass_on(self, method: str, *given: Any, **named: Any) -> Any:
        """See `StandIn.pass_on`; to the worker that has the least to do."""
        return self._on_one("call", method, *given, **named)

    def embedding_scale(self) -> float:
        """See `AnswerModel.embedding_scale`."""
        return self._scale

    def embed_random_tokens(
        self, count: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "count hidden"]:
        """See `AnswerModel.embed_random_tokens`; the generator here goes on as if it had drawn."""
        found, rng.bit_generator.state = self._on_one("embed_random_tokens", count, rng)
        return found

    def ask(
        self,
        prompts: Float[np.ndarray, "candidate token hidden"] | None,
        query: Query,
    ) -> Answers:
        """See `AnswerModel.ask`."""
        forms = tuple(query.forms)
        if prompts is None or len(prompts) < 2:
            return replace(self._on_one("ask", prompts, query), forms=forms)
        size = self.chunk(prompts.shape[1], query)
        chunks = -(-len(prompts) // size)
        step = size * -(-chunks // len(self._workers))
        parts = [prompts[start : start + step] for start in range(0, len(prompts), step)]
        asked = [self._send("ask", part, query) for part in parts]
        return replace(join_answers([self._receive(one) for one in asked]), forms=forms)

    def ask_with_gradient(
        self,
        prompts: Float[np.ndarray, "candidate token hidden"],
        query: Query,
    ) -> tuple[Answers, Backward]:
        """See `DifferentiableModel.ask_with_gradient`."""
        key = next(self._keys)
        sent = self._send("ask_with_gradient", key, prompts, query)
        where = sent[0]
        answers = replace(self._receive(sent), forms=tuple(query.forms))

        def backward(cotangent: Cotangent) -> Float[np.ndarray, "candidate token hidden"]:
            for _ in range(_RETRIES):
                found = self._receive(self._send_to(where, "backward", key, cotangent))
                if found is not None:
                    return found
                self._receive(self._send_to(where, "ask_with_gradient", key, prompts, query))
            raise _died()

        return answers, backward

    def chunk(
        self,
        virtual_tokens: int,
        query: Query,
        *,
        gradient: bool = False,
    ) -> int:
        """See `ChunkedModel.chunk`; as the workers' model says."""
        key = virtual_tokens, query, gradient
        if key not in self._chunks:
            self._chunks[key] = self._on_one("chunk", virtual_tokens, query, gradient)
            while len(self._chunks) > 8 * self.size:
                self._chunks.popitem(last=False)
        return self._chunks[key]

    def _on_one(self, method: str, *given: Any, **named: Any) -> Any:
        return self._receive(self._send(method, *given, **named))

    def _send(self, method: str, *given: Any, **named: Any) -> tuple[int, Any]:
        """Gives work to the worker that has the least."""
        with self._lock:
            where = int(np.argmin(self._busy))
        return self._send_to(where, method, *given, **named)

    def _send_to(self, where: int, method: str, *given: Any, **named: Any) -> tuple[int, Any]:
        with self._lock:
            self._busy[where] += 1
        return where, getattr(self._workers[where], method).remote(*given, **named)

    def _receive(self, sent: tuple[int, Any]) -> Any:
        """Waits for an answer; a worker that died is started anew by Ray and asked again."""
        import ray  # pyright: ignore[reportMissingImports]
        from ray.exceptions import (  # pyright: ignore[reportMissingImports]
            RayActorError,
            RayError,
            RayTaskError,
        )

        where, reference = sent
        try:
            return ray.get(reference)
        except RayTaskError as error:
            cause: object = error.cause
            if isinstance(cause, AcculturateError):
                raise cause from None
            raise FailureError(f"a Ray worker failed: {cause}", "See Ray's logs.") from error
        except RayActorError as error:
            raise _died() from error
        except RayError as error:
            raise FailureError(
                f"Ray failed: {str(error).partition(chr(10))[0]}",
                "Is the same version of acculturate installed on every machine of the cluster?",
            ) from error
        finally:
            with self._lock:
                self._busy[where] -= 1


@contextmanager
def ray_workers(
    load: Callable[[], AnswerModel],
    address: str,
    *,
    workers: int | None = None,
    gpus_per_worker: float = 0.0,
) -> Generator[PooledModel]:
    """Starts Ray, or joins it, and loads the model in every worker.

    Args:
        load: Gives the model; it is called in the workers.
        address: "local" for workers on this machine, or the address of a running cluster.
        workers: How many; None for as many as the GPUs allow, or without GPUs one a machine.
        gpus_per_worker: Of each; parts of one let workers share it.

    Raises:
        UsageError: Ray is not installed, there is no cluster, or it has too few GPUs.
        FailureError: Ray does not start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UsageError("--ray needs Ray", "pip install 'acculturate[ray]'") from error
    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=40)
    except (ConnectionError, ValueError) as error:
        raise UsageError(
            f"there is no Ray at {address!r}: {error}", "Use local, or a cluster's address."
        ) from error
    except Exception as error:  # Ray raises bare ones where it does not come up in time
        ray.shutdown()
        raise FailureError(
            f"Ray did not start: {error}", "Try again when the machine is less busy."
        ) from error
    try:
        there = cast("dict[str, float]", ray.cluster_resources())
        wanted = workers or _as_many(there, gpus_per_worker, len(ray.nodes()))
        if wanted * gpus_per_worker > there.get("GPU", 0.0):
            raise UsageError(
                f"{wanted} workers with {gpus_per_worker:g} GPUs each need more than the "
                f"{there.get('GPU', 0.0):g} that Ray has",
                "Use fewer --workers, or a smaller --gpus-per-worker.",
            )
        cores = 1 if gpus_per_worker else max(1, int(there.get("CPU", 1.0)) // wanted)
        actor: Any = ray.remote(Worker)
        options = actor.options(
            num_cpus=min(cores, max(1, int(there.get("CPU", 1.0)))),
            num_gpus=gpus_per_worker,
            max_restarts=-1,
            max_task_retries=_RETRIES,
        )
        yield PooledModel([options.remote(load) for _ in range(wanted)])
    finally:
        ray.shutdown()


def _as_many(there: dict[str, float], gpus_per_worker: float, machines: int) -> int:
    if gpus_per_worker:
        return max(1, int(there.get("GPU", 0.0) / gpus_per_worker))
    return max(1, machines)


def _died() -> FailureError:
    return FailureError(
        f"a Ray worker died {_RETRIES} times with the same work",
        "It may be out of memory: use fewer --workers, or more --gpus-per-worker.",
    )
