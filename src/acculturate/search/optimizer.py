"""The interface of every optimiser: ask it for candidates, tell it their fitness.

In: a first population, then a fitness a generation. Out: the candidates to evaluate next, and the
best so far. An optimiser knows no objective: it never evaluates anything, and it counts no budget
for the loop.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast, final, get_type_hints

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.search.fitness import Fitness, Requirement, Vectors
from acculturate.search.settings import Bounds, Setting
from acculturate.search.state import State, damaged, dump, load

COST_OF_A_GRADIENT = 3
"""Evaluations that a candidate with its gradient counts for: a pass forward, and one back of twice its work."""


_BUDGET = re.compile(r'"budget": \d+, ')
"""The budget among the settings of an optimiser, as JSON."""


@final
@dataclass(frozen=True)
class Best:
    """The best candidate told so far; ties leave the earlier one in place."""

    vector: Float[np.ndarray, " entry"]
    objective: float
    violation: float


@final
@dataclass(frozen=True)
class SavedProgress:
    """All of a search but what its algorithm learns.

    Attributes:
        optimizer: Name and settings.
        generator: Draws every random choice of the search.
        pending: Candidates that wait for their fitness, or None.
        best: None until a fitness is told.
    """

    optimizer: str
    generator: np.random.Generator
    pending: Vectors | None
    best: Best | None


class Optimizer(ABC):
    """Chooses candidates, a whole population at a time.

    The cycle is `start`, then `ask` and `tell` in turn. The first `ask` returns the first
    population itself. The same first population, generator and fitness give the same candidates,
    bit for bit.

    An algorithm is a final subclass: a dataclass whose fields are its settings, checked in
    `__post_init__`, and whose field `_state` is annotated with the dataclass of all that it learns.
    It fills in `_initialise`, `_sample` and `_update`. Saving, restoring and checking are done here
    and follow from the annotations of the state.

    Attributes:
        name: The name that `by_name` knows it by.
        requires: Parts that a fitness told must hold beside objective and violation.
        population: Candidates of the first generation.
        bounds: Lowest and highest value of every entry, or None.
    """

    name: str
    requires: frozenset[Requirement] = frozenset()
    population: int
    bounds: Bounds | None = None
    _state: Any
    _stream: np.random.Generator | None = None
    _pending: Vectors | None = None
    _best: Best | None = None
    _unit: float = 1.0

    def __post_init__(self) -> None:
        for setting in fields(cast("Any", self)):
            if "check" in setting.metadata:
                value = setting.metadata["check"](setting.name, getattr(self, setting.name))
                setattr(self, setting.name, value)

    @property
    @final
    def evaluations_per_candidate(self) -> int:
        """Return how many evaluations a candidate counts for."""
        return COST_OF_A_GRADIENT if "gradient" in self.requires else 1

    @property
    def population_size(self) -> int:
        """Return how many candidates the current or next `ask` returns."""
        return self.population

    def settings(self) -> dict[str, Setting]:
        """Return what `by_name` needs besides the name to make it again; never None, as in TOML."""
        given = ((f.name, getattr(self, f.name)) for f in fields(cast("Any", self)) if f.init)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in given if v is not None}

    def parents(self) -> Fitness | None:
        """Return the fitness that each candidate of the current `ask` competes with, or None.

        None: there are no parents yet, or candidates compete with each other.
        """
        return None

    @final
    def start(self, population: Vectors, rng: np.random.Generator, *, unit: float = 1.0) -> None:
        """Take the first population; its dtype is the dtype of the whole search.

        Args:
            population: float32 or float64, copied.
            rng: The stream of this search and nothing else's; used in place.
            unit: Size of an entry's steps where the vectors do not differ.

        Raises:
            UsageError: The population is not finite or not within the bounds, the algorithm cannot begin with
                it, or the search was started before.
            ValueError: The population has another shape or dtype.
        """
        self._check_not_started()
        size = self.population_size
        if population.ndim != 2 or len(population) != size or population.shape[1] == 0:
            raise ValueError(f"the first population must be {size} vectors, not {population.shape}")
        if population.dtype.type not in (np.float32, np.float64):
            raise ValueError(f"the population must be float32 or float64, not {population.dtype}")
        if not np.isfinite(population).all():
            raise UsageError(
                "the first population has entries that are not finite",
                hint="Start from a narrower population: a smaller --init-scale.",
            )
        self._check_first(population)
        self._stream, self._unit = rng, unit
        self._pending = np.array(population, order="C")

    @final
    def ask(self) -> Vectors:
        """Return the candidates to evaluate, a copy; the same ones until they are told.

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
        """Take the fitness of the candidates of the last `ask`, in its order.

        Raises:
            ValueError: There are more or fewer fitness values than candidates, or the fitness lacks
                a part that `requires` names.
            RuntimeError: No candidates are waiting.
        """
        if self._pending is None:
            raise RuntimeError("ask for candidates before telling their fitness")
        asked = len(self._pending)
        if len(fitness) != asked:
            raise ValueError(f"{asked} candidates were asked for and {len(fitness)} told")
        missing = [name for name in self.requires if getattr(fitness, name) is None]
        if missing:
            raise ValueError(f"{self.name} learns from {sorted(missing)}, which was not told")
        fitness = replace(fitness, **dict.fromkeys({"secondary", "gradient"} - self.requires))
        candidates, self._pending = self._pending, None
        learn = self._initialise if self._best is None else self._update
        self._keep_best(candidates, fitness)
        learn(candidates, fitness)

    @property
    @final
    def best(self) -> Best:
        """Return the best candidate told so far, a copy.

        Raises:
            RuntimeError: Nothing was told yet.
        """
        if self._best is None:
            raise RuntimeError("nothing was told yet")
        return replace(self._best, vector=self._best.vector.copy())

    @final
    def state(self) -> State:
        """Return everything needed to go on bit for bit, the generator and waiting candidates included.

        Raises:
            RuntimeError: The search was not started.
        """
        progress = dump(SavedProgress(self._identity(), self._rng, self._pending, self._best))
        return progress if self._best is None else progress | dump(self._state)

    @final
    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a `state`, instead of `start`; the optimiser is made with the same settings.

        Its budget may be another one: what is planned with it goes on by the new one from where it is.

        Raises:
            UsageError: The state is another optimiser's or of other settings, or the search was started before.
            FailureError: The state is damaged.
        """
        self._check_not_started()
        lengths: dict[str, int] = {}
        saved = load(SavedProgress, state, lengths)
        if _BUDGET.sub("", saved.optimizer) != _BUDGET.sub("", self._identity()):
            raise UsageError(
                f"the saved search is {saved.optimizer}, this one is {self._identity()}",
                hint="Resume with the settings the run was started with.",
            )
        self._best, self._pending = saved.best, saved.pending
        if saved.best is not None:
            self._state = load(get_type_hints(type(self))["_state"], state, lengths)
        elif saved.pending is None:
            raise damaged("it holds no population")
        if lengths.get("candidate", self.population_size) != self.population_size:
            raise damaged(f"it holds {lengths['candidate']} candidates, not {self.population_size}")
        self._stream = saved.generator

    def _check_first(self, population: Vectors) -> None:
        """Refuse a first population that the algorithm cannot begin with.

        Raises:
            UsageError: It is not within the bounds.
        """
        low, high = self.bounds or (-np.inf, np.inf)
        if np.any(population < low) or np.any(population > high):
            raise UsageError(
                f"the first population reaches from {population.min():g} to {population.max():g}, "
                f"past the bounds {low:g} to {high:g}",
                hint="Widen the bounds, or start from a narrower population.",
            )

    @abstractmethod
    def _initialise(self, population: Vectors, fitness: Fitness) -> None:
        """Make the state from the first population, evaluated."""

    @abstractmethod
    def _sample(self) -> Vectors:
        """Return new candidates, `population_size` of them."""

    @abstractmethod
    def _update(self, candidates: Vectors, fitness: Fitness) -> None:
        """Learn from the last candidates, evaluated."""

    @property
    def _rng(self) -> np.random.Generator:
        """Return the stream that every random choice of the search is drawn from."""
        if self._stream is None:
            raise RuntimeError("start the search first")
        return self._stream

    @property
    def _dtype(self) -> type[np.float32] | type[np.float64]:
        """Return the type of the entries of all candidates."""
        return np.float32 if self.best.vector.dtype == np.float32 else np.float64

    def _check_not_started(self) -> None:
        if self._stream is not None:
            raise UsageError("a search is started once", hint="Make a new optimiser.")

    def _identity(self) -> str:
        return json.dumps({"name": self.name, **self.settings()}, sort_keys=True)

    def _keep_best(self, candidates: Vectors, fitness: Fitness) -> None:
        leader = int(fitness.order()[0])
        rank = float(fitness.violation[leader]), float(fitness.objective[leader])
        if self._best is None or rank < (self._best.violation, self._best.objective):
            self._best = Best(candidates[leader].copy(), rank[1], rank[0])
