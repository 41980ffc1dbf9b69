"""GDE3: Differential Evolution that minimises objective and secondary together.

S. Kukkonen, J. Lampinen (2005), "GDE3: The Third Evolution Step of Generalized Differential Evolution",
IEEE Congress on Evolutionary Computation, 443-450. Strategy rand/1/bin; with a second objective that is
the same for all it is plain Differential Evolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
from jaxtyping import Float

from acculturate.search.dominance import Frontier, secondary_of, survivors, weakly_dominates
from acculturate.search.fitness import Fitness, Requirement
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import (
    Bounds,
    Setting,
    bounds_setting,
    check_bounds,
    check_whole,
    check_within,
)
from acculturate.search.state import State, damaged, entry
from acculturate.search.variation import (
    SMALLEST_POPULATION,
    Parents,
    as_column,
    draw_others,
    make_trials,
    refuse_outside,
)

LARGEST_FRONTIER = 100
"""How many candidates `GDE3.frontier` keeps."""


@final
class GDE3(Optimizer):
    """Generalised Differential Evolution, third version.

    A trial that is nowhere worse than its parent takes its place, one that is worse is dropped, and where
    neither dominates both stay; the population is then cut back to its size by non-dominated sorting
    and crowding.

    Args:
        population: NP, candidates a generation, at least 4.
        F: Scale of a difference, 0.001 to 2. The paper leaves it and CR to the user; in thousands of
            entries a small F did best.
        CR: Share of a trial's entries that come from the mutant, 0 to 1.
        bounds: Lowest and highest value of every entry, or None.

    Raises:
        UsageError: A setting is out of range.
    """

    def __init__(
        self,
        population: int = 20,
        F: float = 0.3,
        CR: float = 0.9,
        bounds: Bounds | None = None,
    ) -> None:
        check_whole("population", population, SMALLEST_POPULATION, "a parent with three others")
        check_within("F", F, 1e-3, 2.0)
        check_within("CR", CR, 0.0, 1.0)
        super().__init__(population)
        self._F, self._CR = float(F), float(CR)
        self._bounds = check_bounds(bounds)
        self._parents = Parents.none()
        self._frontier = Frontier(np.empty((0, 0)), np.empty(0), np.empty(0))

    @property
    def name(self) -> str:
        """See `Optimizer.name`."""
        return "gde3"

    @property
    def requires(self) -> frozenset[Requirement]:
        """See `Optimizer.requires`: the secondary."""
        return frozenset({"secondary"})

    def settings(self) -> dict[str, Setting]:
        """See `Optimizer.settings`."""
        return {
            "population": self.population_size,
            "F": self._F,
            "CR": self._CR,
        } | bounds_setting(self._bounds)

    def frontier(self) -> Frontier:
        """The candidates told so far, within the limit, that none of the others dominates; a copy.

        Past `LARGEST_FRONTIER` the most crowded ones leave; the ends stay. Of two with the same objective and
        secondary the earlier is there.
        """
        best = self._frontier
        return Frontier(best.vectors.copy(), best.objective.copy(), best.secondary.copy())

    def _sample(self) -> Float[np.ndarray, "candidate entry"]:
        x, rng = self._parents.x, self._rng
        F = as_column(np.full(len(x), self._F), x)
        r1, r2, r3 = draw_others(rng, len(x), 3)

        def mutate(i: slice) -> np.ndarray:
            return x[r1[i]] + F[i] * (x[r2[i]] - x[r3[i]])

        return make_trials(x, mutate, np.full(len(x), self._CR), self._bounds, rng)

    def _initialise(
        self, population: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        fitness = _sound(fitness)
        self._parents = Parents(population, fitness)
        self._frontier = Frontier(population[:0], np.empty(0), np.empty(0))
        self._frontier = self._frontier.extended(population, fitness, LARGEST_FRONTIER)

    def _update(self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        fitness = _sound(fitness)
        parents = self._parents
        wins = fitness.valid & weakly_dominates(fitness, parents.fitness)
        loses = weakly_dominates(parents.fitness, fitness)
        besides = np.flatnonzero(fitness.feasible & parents.fitness.feasible & ~wins & ~loses)
        parents.replace(wins, candidates, fitness)
        if len(besides):
            both = _joined(parents.fitness, fitness.take(besides))
            x = np.concatenate([parents.x, candidates[besides]])
            self._parents = Parents(x, both)
            self._parents.keep(survivors(both, self.population_size))
        self._frontier = self._frontier.extended(candidates, fitness, LARGEST_FRONTIER)

    def _dump(self) -> State:
        frontier = self.frontier()
        return self._parents.dump() | {
            "secondary": secondary_of(self._parents.fitness).copy(),
            "frontier_vectors": frontier.vectors,
            "frontier_objective": frontier.objective,
            "frontier_secondary": frontier.secondary,
        }

    def _load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        loaded = Parents.load(state, self.population_size, width)
        secondary = entry(state, "secondary", (len(loaded),))
        fitness = Fitness(loaded.fitness.objective, loaded.fitness.violation, secondary=secondary)
        self._parents = Parents(loaded.x, fitness)
        vectors = entry(state, "frontier_vectors", (None, width))
        if len(vectors) > LARGEST_FRONTIER:
            raise damaged(f"`frontier_vectors` holds {len(vectors)}, more than {LARGEST_FRONTIER}")
        self._frontier = Frontier(
            vectors,
            entry(state, "frontier_objective", (len(vectors),)),
            entry(state, "frontier_secondary", (len(vectors),)),
        )

    def _check_first(self, population: Float[np.ndarray, "candidate entry"]) -> None:
        refuse_outside(population, self._bounds)


def _sound(fitness: Fitness) -> Fitness:
    """Keep the objectives alone; a second one that is not finite makes its candidate invalid."""
    secondary = secondary_of(fitness).astype(np.float64)
    secondary[~np.isfinite(secondary)] = np.inf
    return Fitness(
        fitness.objective + np.where(np.isinf(secondary), np.inf, 0),
        fitness.violation,
        secondary=secondary,
    )


def _joined(one: Fitness, other: Fitness) -> Fitness:
    secondary = np.concatenate([secondary_of(one), secondary_of(other)])
    return Fitness(
        np.concatenate([one.objective, other.objective]),
        np.concatenate([one.violation, other.violation]),
        secondary=secondary,
    )
