"""Cells in Ray workers: each runs whole in one worker, which writes into the experiment's directory.

In: a worker of cells, and where Ray is. Out: the cells as they finish. A worker that dies is started anew and
goes on with its cell from the last generation on disk, so that all machines have to see the directory.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from acculturate.errors import AcculturateError, FailureError, UsageError
from acculturate.experiment.prepared import Cell
from acculturate.experiment.worker import CellFailure, CellWorker, Execute, Job, ProgressListener

_RETRIES = 5
_PATIENCE = 10
"""Seconds for a cluster to take a connection."""
_POLL = 0.5
"""Seconds between two looks at the workers' messages."""


@dataclass(frozen=True)
class RayOptions:
    """Address and share of the Ray that is used.

    Attributes:
        address: "local" for workers on this machine, or the address of a running cluster.
        workers: How many; None for as many as the GPUs allow, or without GPUs one a machine.
        gpus_per_worker: Of each; parts of one let workers share it.
    """

    address: str = "local"
    workers: int | None = None
    gpus_per_worker: float = 0.0


@contextmanager
def ray_workers(
    worker: CellWorker, options: RayOptions, listener: ProgressListener
) -> Generator[Execute]:
    """Start Ray, or join it, with a copy of a worker in every process.

    Args:
        worker: Runs cells; its model is loaded anew in each process.
        options: Where Ray is.
        listener: Receives the progress of all cells in this process.

    Raises:
        UsageError: Ray is not installed, there is no cluster, or it has too few GPUs.
        FailureError: Ray does not start.
    """
    ray = _start(options.address)
    try:
        from ray.util.queue import Queue  # pyright: ignore[reportMissingImports]

        count, resources = _share(ray, options)
        messages = Queue(actor_options={"num_cpus": 0})
        actor = ray.remote(CellWorker).options(
            max_restarts=-1, max_task_retries=_RETRIES, **resources
        )
        given = worker.prepared, worker.load, worker.out.absolute(), worker.command
        actors = [actor.remote(*given) for _ in range(count)]
        yield partial(_run_in, ray, actors, messages, listener)
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Refuse an address where nobody listens: Ray itself would try it for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():
        return
    # Read where Ray is imported: tries of 15 seconds with something that is no Ray; 20 by default.
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "2")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"there is no Ray at {address!r}: {error}", "Use local, or a cluster's address."
        ) from error


def _start(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    _check_address(address)
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UsageError("--ray needs Ray", "pip install 'acculturate[ray]'") from error
    before = signal.getsignal(signal.SIGTERM)
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
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray puts its own in place, which ends the process
    return ray


def _share(ray: Any, options: RayOptions) -> tuple[int, dict[str, float]]:
    """Return the number of workers and the resources of each."""
    there = cast("dict[str, float]", ray.cluster_resources())
    gpus, each = there.get("GPU", 0.0), options.gpus_per_worker
    count = options.workers or max(1, int(gpus / each) if each else len(ray.nodes()))
    if count * each > gpus:
        raise UsageError(
            f"{count} workers with {each:g} GPUs each need more than the {gpus:g} that Ray has",
            "Use fewer --workers, or a smaller --gpus-per-worker.",
        )
    cores = 1 if each else max(1, int(there.get("CPU", 1.0)) // count)
    return count, {"num_cpus": cores, "num_gpus": each}


class _Messenger:
    """A listener in a worker that sends every call to the process that was started."""

    def __init__(self, messages: Any) -> None:
        self._messages = messages

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("on_"):
            return lambda *given: self._messages.put((name, given))
        raise AttributeError(name)


def _run_in(
    ray: Any, actors: Sequence[Any], messages: Any, listener: ProgressListener, jobs: Sequence[Job]
) -> Iterator[tuple[Cell, CellFailure | None]]:
    """See `Execute`."""
    idle, waiting = list(actors), deque(jobs)
    running: dict[Any, tuple[Any, Cell]] = {}
    while waiting or running:
        while idle and waiting:
            actor, (cell, method) = idle.pop(), waiting.popleft()
            running[actor.run.remote(cell, method, _Messenger(messages))] = actor, cell
        done, _ = ray.wait(list(running), timeout=_POLL)
        for name, given in messages.get_nowait_batch(messages.qsize()):
            getattr(listener, name)(*given)
        for reference in done:
            actor, cell = running.pop(reference)
            idle.append(actor)
            yield cell, _result(ray, reference, cell, listener)


def _result(ray: Any, reference: Any, cell: Cell, listener: ProgressListener) -> CellFailure | None:
    errors = ray.exceptions
    try:
        return ray.get(reference)
    except errors.RayTaskError as error:
        cause: object = error.cause
        if isinstance(cause, AcculturateError):
            raise cause from None
        raise FailureError(f"a Ray worker failed: {cause}", "See Ray's logs.") from error
    except errors.RayActorError as error:
        why = f"its Ray worker died {_RETRIES + 1} times; it may be out of memory: use fewer "
        why += "--workers, or more --gpus-per-worker"
        listener.on_end(cell, why, False)
        return CellFailure(why, str(error))
    except errors.RayError as error:
        raise FailureError(
            f"Ray failed: {str(error).partition(chr(10))[0]}",
            "Is the same version of acculturate installed on every machine of the cluster?",
        ) from error
