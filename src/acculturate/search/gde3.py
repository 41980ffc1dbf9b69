"""GDE3: Differential Evolution that minimises objective and secondary together.

S. Kukkonen, J. Lampinen (2005), "GDE3: The Third Evolution Step of Generalized Differential Evolution",
IEEE Congress on Evolutionary Computation, 443-450. Strategy rand/1/bin; with a second objective that is
the same for all it is plain Differential Evolution.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from acculturate.search.differential_evolution import LARGEST_F, SMALLEST_F
from acculturate.search.dominance import (
    LARGEST_FRONTIER,
    Frontier,
    secondary_of,
    survivors,
    weakly_dominates,
)
from acculturate.search.fitness import Fitness, Vectors
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import BOUNDS, Bounds, within
from acculturate.search.variation import POPULATION, Parents, cross, draw_others


@final
@dataclass
class GDE3State:
    """The population, and the frontier of all candidates told."""

    parents: Parents
    frontier: Frontier

    def __post_init__(self) -> None:
        secondary_of(self.parents.fitness)
        if len(self.frontier) > LARGEST_FRONTIER:
            raise ValueError(f"a frontier of {len(self.frontier)}, more than {LARGEST_FRONTIER}")


@final
@dataclass(eq=False)
class GDE3(Optimizer):
    """Differential evolution that minimises two objectives together and keeps their frontier.

    A trial that is nowhere worse than its parent takes its place, one that is worse is dropped, and where
    neither dominates both stay; the population is then cut back to its size by non-dominated sorting
    and crowding.

    >>> import numpy as np
    >>> from acculturate.search import GDE3, Fitness
    >>> optimizer = GDE3(population=12)
    >>> rng = np.random.default_rng(0)
    >>> optimizer.start(rng.normal(size=(12, 2)), rng)
    >>> for generation in range(50):
    ...     x = optimizer.ask()
    ...     here, there = (((x - point) ** 2).sum(axis=1) for point in (-1, 1))
    ...     optimizer.tell(Fitness(here, np.zeros(12), secondary=there))
    >>> frontier = optimizer.frontier()
    >>> bool(frontier.objective[0] < 0.01 and frontier.secondary[-1] < 0.01)
    True

    Args:
        population: NP, candidates a generation, at least 4.
        F: Scale of a difference, 0.001 to 2. The paper leaves it and CR to the user; in thousands of
            entries a small F did best.
        CR: Share of a trial's entries that come from the mutant, 0 to 1.
        bounds: Lowest and highest value of every entry, or None.

    Raises:
        UsageError: A setting is out of range.
    """

    name = "gde3"
    requires = frozenset({"secondary"})

    population: int = field(default=20, metadata=POPULATION)
    F: float = field(default=0.3, metadata=within(SMALLEST_F, LARGEST_F))
    CR: float = field(default=0.9, metadata=within(0.0, 1.0))
    bounds: Bounds | None = field(default=None, metadata=BOUNDS)
    _state: GDE3State = field(init=False, repr=False)

    def frontier(self) -> Frontier:
        """Return the candidates told so far, within the limit, that none of the others dominates; a copy.

        Past `LARGEST_FRONTIER` the most crowded ones leave; the ends stay. Of two with the same objective
        and secondary the earlier is there. Before anything was told there are none.
        """
        if self._best is None:
            return Frontier(np.empty((0, 0)), np.empty(0), np.empty(0))
        best = self._state.frontier
        return Frontier(best.vectors.copy(), best.objective.copy(), best.secondary.copy())

    def _initialise(self, population: Vectors, fitness: Fitness) -> None:
        fitness = _sound(fitness)
        none = Frontier(population[:0], np.empty(0), np.empty(0))
        frontier = none.extended(population, fitness)
        self._state = GDE3State(Parents(population, fitness), frontier)

    def _sample(self) -> Vectors:
        x = self._state.parents.population
        r1, r2, r3 = draw_others(self._rng, len(x), 3)
        return cross(x, x[r1] + self.F * (x[r2] - x[r3]), self.CR, self.bounds, self._rng)

    def _update(self, candidates: Vectors, fitness: Fitness) -> None:
        fitness, parents = _sound(fitness), self._state.parents
        wins = fitness.valid & weakly_dominates(fitness, parents.fitness)
        loses = weakly_dominates(parents.fitness, fitness)
        besides = np.flatnonzero(fitness.feasible & parents.fitness.feasible & ~wins & ~loses)
        parents.replace(wins, candidates, fitness)
        if len(besides):
            parents.population = np.concatenate([parents.population, candidates[besides]])
            parents.fitness = parents.fitness.joined(fitness.take(besides))
            parents.keep(survivors(parents.fitness, self.population))
        frontier = self._state.frontier
        self._state.frontier = frontier.extended(candidates, fitness)


def _sound(fitness: Fitness) -> Fitness:
    """Make a candidate whose second objective is not finite invalid."""
    secondary = secondary_of(fitness).astype(np.float64)
    secondary[~np.isfinite(secondary)] = np.inf
    objective = fitness.objective + np.where(np.isinf(secondary), np.inf, 0)
    return Fitness(objective, fitness.violation, secondary=secondary)
