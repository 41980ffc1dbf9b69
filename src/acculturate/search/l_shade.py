"""L-SHADE: SHADE with a population that shrinks linearly.

R. Tanabe, A. Fukunaga (2014), "Improving the Search Performance of SHADE Using Linear Population
Size Reduction", IEEE Congress on Evolutionary Computation, 1658-1665. Equation numbers are its.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
from jaxtyping import Float

from acculturate.search.fitness import Fitness
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import (
    Bounds,
    Setting,
    bounds_setting,
    check_bounds,
    check_budget,
    check_whole,
    check_within,
)
from acculturate.search.state import State, damaged, entry
from acculturate.search.success_history import (
    Archive,
    Memory,
    current_to_pbest_1,
    success_weights,
)
from acculturate.search.variation import SMALLEST_POPULATION, Parents, refuse_outside

FIRST_POPULATION = 10
"""Measured at 150, 400 and 2,000 evaluations beside 20 and 40 or 50; see docs/log.md."""


@final
class LSHADE(Optimizer):
    """L-SHADE: adapts F and CR to what succeeded, with an archive; its population shrinks.

    Args:
        budget: MAX_NFE, candidates in the whole search; the population is smallest when they are
            used up.
        population: N_init, candidates in the first generation. The paper takes 18 a dimension; with
            a budget of hundreds that leaves no generations.
        smallest: N_min, candidates in the last generation, at least 4.
        memory: H, how many means of successful settings are kept.
        p: Share of the best that pbest is drawn from.
        archive: Size of the archive as a multiple of the population.
        bounds: Lowest and highest value of every entry, or None.

    Raises:
        UsageError: A setting is out of range.
    """

    def __init__(
        self,
        budget: int,
        population: int = FIRST_POPULATION,
        smallest: int = SMALLEST_POPULATION,
        memory: int = 6,
        p: float = 0.11,
        archive: float = 2.6,
        bounds: Bounds | None = None,
    ) -> None:
        check_whole("smallest", smallest, SMALLEST_POPULATION, "a parent with three others")
        check_whole("population", population, smallest, "a population that shrinks")
        check_budget(budget, population, "one population")
        check_whole("memory", memory, 1, "the memory")
        check_within("p", p, 0.0, 1.0)
        check_within("archive", archive, 0.0, 100.0)
        super().__init__(population)
        self._budget, self._first, self._smallest = int(budget), int(population), int(smallest)
        self._p, self._archive_rate = float(p), float(archive)
        self._bounds = check_bounds(bounds)
        self._told = 0
        self._parents = Parents.none()
        self._memory = Memory(int(memory))
        self._archive = Archive(self._archive_capacity())
        self._trial_settings = np.zeros((2, self.population_size))

    @property
    def name(self) -> str:
        """See `Optimizer.name`."""
        return "l-shade"

    def settings(self) -> dict[str, Setting]:
        """See `Optimizer.settings`."""
        return {
            "budget": self._budget,
            "population": self._first,
            "smallest": self._smallest,
            "memory": len(self._memory),
            "p": self._p,
            "archive": self._archive_rate,
        } | bounds_setting(self._bounds)

    def parents(self) -> Fitness | None:
        """See `Optimizer.parents`."""
        return self._parents.competitors()

    def _sample(self) -> Float[np.ndarray, "candidate entry"]:
        N, rng = self.population_size, self._rng
        F, CR = self._trial_settings = self._memory.draw(N, rng)  # (1), (2)
        chosen = rng.integers(max(2, round(self._p * N)), size=N)
        return current_to_pbest_1(  # (3) to (5)
            self._parents, self._archive, chosen, F, CR, self._bounds, rng
        )

    def _initialise(
        self, population: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        self._parents = Parents(population, fitness)
        self._told = len(population)
        self._reduce()

    def _update(self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        parents = self._parents
        success = fitness.better(parents.fitness)
        weights = success_weights(fitness, parents.fitness, success)
        self._archive.add(parents.x[success], self._rng)
        self._memory.record(self._trial_settings[:, success], weights)  # (7) to (9)
        parents.replace(parents.succeeds(fitness), candidates, fitness)  # (6)
        self._told += len(candidates)
        self._reduce()

    def _reduce(self) -> None:
        # (10): N = round((N_min - N_init) NFE / MAX_NFE + N_init); the worst leave.
        used = min(self._told / self._budget, 1.0)
        size = round((self._smallest - self._first) * used + self._first)
        if size < len(self._parents):
            self._parents.keep(np.sort(self._parents.fitness.order()[:size]))
            self._size = size
            self._archive.shrink(self._archive_capacity(), self._rng)

    def _archive_capacity(self) -> int:
        return round(self._archive_rate * self.population_size)

    def _dump(self) -> State:
        return (
            self._parents.dump()
            | self._memory.dump()
            | self._archive.dump(self._parents.x)
            | {
                "told": np.array(self._told),
                "trial_settings": self._trial_settings.copy(),
            }
        )

    def _load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        self._parents = Parents.load(state, None, width)
        if not self._smallest <= len(self._parents) <= self._first:
            raise damaged(f"`population` holds {len(self._parents)} vectors")
        self._size = len(self._parents)
        self._told = int(entry(state, "told", (), "i"))
        self._memory.load(state)
        self._archive = Archive(self._archive_capacity())
        self._archive.load(state, width)
        waiting = self._size if "pending" in state else None
        self._trial_settings = entry(state, "trial_settings", (2, waiting))

    def _check_first(self, population: Float[np.ndarray, "candidate entry"]) -> None:
        refuse_outside(population, self._bounds)
