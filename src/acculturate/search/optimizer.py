"""What every optimiser is: something that is asked for candidates and told their fitness.

In: a first population, then a fitness a generation. Out: the candidates to evaluate next, and the
best so far. An optimiser knows no objective: it never evaluates anything, and it counts no budget
for the loop.

An algorithm is a final subclass that fills in the hooks with an underscore. Everything they
share is here and is not overridden: the same candidates until they are told, the best so far, the
random generator, saving and restoring.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.search.fitness import Fitness, Requirement
from acculturate.search.settings import Setting
from acculturate.search.state import (
    State,
    damaged,
    entry,
    generator_from_text,
    generator_to_text,
)

COST_OF_A_GRADIENT = 3
"""Evaluations that a candidate with its gradient counts for: a pass forward, and one back of twice its work."""


class Best(NamedTuple):
    """The best candidate told so far, a copy; ties leave the earlier one in place."""

    vector: Float[np.ndarray, " entry"]
    objective: float
    violation: float


class Optimizer(ABC):
    """Chooses candidates, a whole population at a time.

    The cycle is `start`, then `ask` and `tell` in turn. The first `ask` returns the first
    population itself. The same first population, generator and fitness give the same candidates,
    bit for bit.
    """

    def __init__(self, population: int) -> None:
        self._size = int(population)
        self._stream: np.random.Generator | None = None
        self._pending: Float[np.ndarray, "candidate entry"] | None = None
        self._best: Best | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """The name that `by_name` knows it by."""

    @abstractmethod
    def settings(self) -> dict[str, Setting]:
        """What `by_name` needs besides the name to make it again; never None, as in TOML."""

    @property
    def requires(self) -> frozenset[Requirement]:
        """What the fitness told next has to hold beside objective and violation; nothing by default."""
        return frozenset()

    @property
    @final
    def evaluations_per_candidate(self) -> int:
        """Evaluations that a candidate of the current or next `ask` counts for."""
        return COST_OF_A_GRADIENT if "gradient" in self.requires else 1

    @property
    @final
    def population_size(self) -> int:
        """How many candidates the current or next `ask` returns."""
        return self._size

    @final
    def start(
        self, population: Float[np.ndarray, "candidate entry"], rng: np.random.Generator
    ) -> None:
        """Takes the first population; its dtype is the dtype of the whole search.

        Args:
            population: float32 or float64, copied.
            rng: The stream of this search and nothing else's; used in place.

        Raises:
            ValueError: The population has another shape or dtype, or is not finite.
            RuntimeError: The search was started before.
        """
        if self._stream is not None:
            raise RuntimeError("a search is started once; make a new optimiser")
        if population.ndim != 2 or len(population) != self._size or population.shape[1] == 0:
            raise ValueError(
                f"the first population must be {self._size} vectors, not {population.shape}"
            )
        if population.dtype.type not in (np.float32, np.float64):
            raise ValueError(f"the population must be float32 or float64, not {population.dtype}")
        if not np.isfinite(population).all():
            raise ValueError("the first population has entries that are not finite")
        self._check_first(population)
        self._stream = rng
        self._pending = np.array(population, order="C")

    @final
    def ask(self) -> Float[np.ndarray, "candidate entry"]:
        """The candidates to evaluate, a copy; the same ones until they are told.

        Raises:
            RuntimeError: The search was not started.
        """
        if self._stream is None:
            raise RuntimeError("start the search first")
        if self._pending is None:
            self._pending = self._sample()
        return self._pending.copy()

    @final
    def tell(self, fitness: Fitness) -> None:
        """Takes the fitness of the candidates of the last `ask`, in its order.

        Raises:
            ValueError: There are more or fewer fitness values than candidates, or the fitness lacks
                what `requires` names.
            RuntimeError: No candidates are waiting.
        """
        if self._pending is None:
            raise RuntimeError("ask for candidates before telling their fitness")
        if len(fitness) != len(self._pending):
            raise ValueError(
                f"{len(self._pending)} candidates were asked for and {len(fitness)} told"
            )
        missing = [name for name in self.requires if getattr(fitness, name) is None]
        if missing:
            raise ValueError(f"{self.name} learns from {sorted(missing)}, which was not told")
        candidates, self._pending = self._pending, None
        first = self._best is None
        self._keep_best(candidates, fitness)
        if first:
            self._initialise(candidates, fitness)
        else:
            self._update(candidates, fitness)

    @property
    @final
    def best(self) -> Best:
        """The best candidate told so far: vector, objective, violation.

        Raises:
            RuntimeError: Nothing was told yet.
        """
        if self._best is None:
            raise RuntimeError("nothing was told yet")
        return self._best._replace(vector=self._best.vector.copy())

    def parents(self) -> Fitness | None:
        """Return the fitness that each candidate of the current `ask` competes with, or None.

        None: there are no parents yet, or candidates compete with each other.
        """
        return None

    @final
    def state(self) -> State:
        """Everything needed to go on bit for bit, the generator and waiting candidates included.

        Raises:
            RuntimeError: The search was not started.
        """
        state: State = {
            "optimizer": np.array(self._identity()),
            "generator": np.array(generator_to_text(self._rng)),
        }
        if self._pending is not None:
            state["pending"] = self._pending.copy()
        if self._best is not None:
            state["best_vector"] = self._best.vector.copy()
            state["best_fitness"] = np.array([self._best.objective, self._best.violation])
            state |= self._dump()
        return state

    @final
    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from a `state`, instead of `start`; the optimiser is made with the same settings.

        Raises:
            UsageError: The state is another optimiser's, or of other settings.
            FailureError: The state is damaged.
            RuntimeError: The search was started before.
        """
        if self._stream is not None:
            raise RuntimeError("a search is started once; make a new optimiser")
        saved = str(entry(state, "optimizer", (), "U"))
        if saved != self._identity():
            raise UsageError(
                f"the saved search is {saved}, this one is {self._identity()}",
                hint="Resume with the settings the run was started with.",
            )
        rng = generator_from_text(str(entry(state, "generator", (), "U")))
        pending = entry(state, "pending", (None, None)) if "pending" in state else None
        best = None
        if "best_vector" in state:
            objective, violation = entry(state, "best_fitness", (2,))
            best = Best(entry(state, "best_vector", (None,)), float(objective), float(violation))
            self._load(state, len(best.vector))
        elif pending is None:
            raise damaged("it holds no population")
        if pending is not None:
            width = pending.shape[1] if best is None else len(best.vector)
            if pending.shape != (self._size, width):
                raise damaged(f"`pending` has shape {pending.shape}, not {(self._size, width)}")
        self._stream, self._pending, self._best = rng, pending, best

    @abstractmethod
    def _check_first(self, population: Float[np.ndarray, "candidate entry"]) -> None:
        """Refuses a first population that the settings rule out, with a `UsageError`."""

    @abstractmethod
    def _initialise(
        self, population: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        """Takes the first population, evaluated, for its own."""

    @abstractmethod
    def _sample(self) -> Float[np.ndarray, "candidate entry"]:
        """New candidates, `population_size` of them."""

    @abstractmethod
    def _update(self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        """Takes the last proposal, evaluated."""

    @abstractmethod
    def _dump(self) -> State:
        """The algorithm's own state, as copies; called only after `_initialise`."""

    @abstractmethod
    def _load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        """Takes back what `_dump` gave; `width` is the length of a vector."""

    @property
    @final
    def _rng(self) -> np.random.Generator:
        """The stream every random choice of the search is drawn from."""
        if self._stream is None:
            raise RuntimeError("start the search first")
        return self._stream

    def _identity(self) -> str:
        return json.dumps({"name": self.name, **self.settings()}, sort_keys=True)

    def _keep_best(
        self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        leader = int(fitness.order()[0])
        objective, violation = float(fitness.objective[leader]), float(fitness.violation[leader])
        if self._best is None or (violation, objective) < (
            self._best.violation,
            self._best.objective,
        ):
            self._best = Best(candidates[leader].copy(), objective, violation)
