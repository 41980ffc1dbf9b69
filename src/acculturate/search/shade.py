"""SHADE: Differential Evolution that remembers which F and CR succeeded.

R. Tanabe, A. Fukunaga (2013), "Success-History Based Parameter Adaptation for Differential
Evolution", IEEE Congress on Evolutionary Computation, 71-78. Strategy current-to-pbest/1/bin with
archive, after JADE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
from jaxtyping import Float

from acculturate.search.fitness import Fitness
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import Bounds, Setting, bounds_setting, check_bounds, check_whole
from acculturate.search.state import State, entry
from acculturate.search.success_history import (
    Archive,
    Memory,
    arithmetic_mean,
    current_to_pbest_1,
    success_weights,
)
from acculturate.search.variation import SMALLEST_POPULATION, Parents, refuse_outside

_LARGEST_P = 0.2


@final
class SHADE(Optimizer):
    """SHADE, with an archive as large as the population.

    Args:
        population: N, candidates a generation, at least 4.
        memory: H, how many means of successful settings are kept; None for as many as candidates,
            as in the paper. Short searches want fewer: one entry is rewritten a generation.
        bounds: Lowest and highest value of every entry, or None.

    Raises:
        UsageError: A setting is out of range.
    """

    def __init__(
        self, population: int = 20, memory: int | None = None, bounds: Bounds | None = None
    ) -> None:
        check_whole("population", population, SMALLEST_POPULATION, "a parent with three others")
        size = population if memory is None else memory
        check_whole("memory", size, 1, "the memory")
        super().__init__(population)
        self._bounds = check_bounds(bounds)
        self._parents = Parents.none()
        self._memory = Memory(int(size), arithmetic_mean)
        self._archive = Archive(self.population_size)
        self._trial_settings = np.zeros((2, self.population_size))

    @property
    def name(self) -> str:
        """See `Optimizer.name`."""
        return "shade"

    def settings(self) -> dict[str, Setting]:
        """See `Optimizer.settings`."""
        return {
            "population": self.population_size,
            "memory": len(self._memory),
        } | bounds_setting(self._bounds)

    def thresholds(self) -> Fitness | None:
        """See `Optimizer.thresholds`."""
        return self._parents.thresholds()

    def _sample(self) -> Float[np.ndarray, "candidate entry"]:
        N, rng = self.population_size, self._rng
        F, CR = self._trial_settings = self._memory.draw(N, rng)
        # p_i = rand[2/N, 0.2]; pbest is one of the p_i N best, at least two.
        p = rng.uniform(min(2 / N, _LARGEST_P), _LARGEST_P, N)
        chosen = rng.integers(np.maximum(2, np.rint(p * N).astype(np.int64)))
        return current_to_pbest_1(self._parents, self._archive, chosen, F, CR, self._bounds, rng)

    def _initialise(
        self, population: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        self._parents = Parents(population, fitness)

    def _update(self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        parents = self._parents
        success = fitness.better(parents.fitness)
        weights = success_weights(fitness, parents.fitness, success)
        self._archive.add(parents.x[success], self._rng)
        self._memory.record(self._trial_settings[:, success], weights)
        parents.replace(parents.succeeds(fitness), candidates, fitness)

    def _dump(self) -> State:
        return (
            self._parents.dump()
            | self._memory.dump()
            | self._archive.dump(self._parents.x)
            | {"trial_settings": self._trial_settings.copy()}
        )

    def _load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        self._parents = Parents.load(state, self.population_size, width)
        self._memory.load(state)
        self._archive.load(state, width)
        self._trial_settings = entry(state, "trial_settings", (2, self.population_size))

    def _check_first(self, population: Float[np.ndarray, "candidate entry"]) -> None:
        refuse_outside(population, self._bounds)
