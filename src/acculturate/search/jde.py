"""jDE: Differential Evolution in which every candidate carries its own F and CR.

J. Brest, S. Greiner, B. Boskovic, M. Mernik, V. Zumer (2006), "Self-Adapting Control Parameters in
Differential Evolution: A Comparative Study on Numerical Benchmark Problems", IEEE Transactions on
Evolutionary Computation 10(6), 646-657. Strategy rand/1/bin.
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
from acculturate.search.variation import (
    SMALLEST_POPULATION,
    Parents,
    as_column,
    draw_others,
    make_trials,
    refuse_outside,
)

# The paper's constants: F is drawn from [F_L, F_L + F_U], each of F and CR with a chance of TAU.
_F_L, _F_U = 0.1, 0.9
_TAU = 0.1
_FIRST_F, _FIRST_CR = 0.5, 0.9


@final
class JDE(Optimizer):
    """jDE, rand/1/bin.

    Args:
        population: Candidates a generation, at least 4.
        bounds: Lowest and highest value of every entry, or None.

    Raises:
        UsageError: The population is too small or the bounds are not two numbers.
    """

    def __init__(self, population: int = 20, bounds: Bounds | None = None) -> None:
        check_whole("population", population, SMALLEST_POPULATION, "a parent with three others")
        super().__init__(population)
        self._bounds = check_bounds(bounds)
        self._parents = Parents.none()
        first = np.array([[_FIRST_F], [_FIRST_CR]])
        self._settings = self._trial_settings = np.repeat(first, population, axis=1)

    @property
    def name(self) -> str:
        """See `Optimizer.name`."""
        return "jde"

    def settings(self) -> dict[str, Setting]:
        """See `Optimizer.settings`."""
        return {"population": self.population_size} | bounds_setting(self._bounds)

    def thresholds(self) -> Fitness | None:
        """See `Optimizer.thresholds`."""
        return self._parents.thresholds()

    def _sample(self) -> Float[np.ndarray, "candidate entry"]:
        x, rng = self._parents.x, self._rng
        # F' = F_L + rand_1 F_U where rand_2 < tau_1; CR' = rand_3 where rand_4 < tau_2.
        rand = rng.random((4, len(x)))
        drawn = np.stack([_F_L + rand[0] * _F_U, rand[2]])
        self._trial_settings = np.where(rand[[1, 3]] < _TAU, drawn, self._settings)
        scale = as_column(self._trial_settings[0], x)
        r1, r2, r3 = draw_others(rng, len(x), 3)

        def mutate(i: slice) -> np.ndarray:
            return x[r1[i]] + scale[i] * (x[r2[i]] - x[r3[i]])

        return make_trials(x, mutate, self._trial_settings[1], self._bounds, rng)

    def _initialise(
        self, population: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        self._parents = Parents(population, fitness)

    def _update(self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        accepted = self._parents.succeeds(fitness)
        self._parents.replace(accepted, candidates, fitness)
        self._settings = np.where(accepted, self._trial_settings, self._settings)

    def _dump(self) -> State:
        return self._parents.dump() | {
            "settings": self._settings.copy(),
            "trial_settings": self._trial_settings.copy(),
        }

    def _load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        self._parents = Parents.load(state, self.population_size, width)
        self._settings = entry(state, "settings", (2, self.population_size))
        self._trial_settings = entry(state, "trial_settings", (2, self.population_size))

    def _check_first(self, population: Float[np.ndarray, "candidate entry"]) -> None:
        refuse_outside(population, self._bounds)
