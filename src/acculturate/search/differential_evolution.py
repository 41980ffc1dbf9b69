"""Differential Evolution with fixed settings.

R. Storn, K. Price (1997), "Differential Evolution - A Simple and Efficient Heuristic for Global
Optimization over Continuous Spaces", Journal of Global Optimization 11, 341-359, whose names the
strategies bear; the crossover is binomial. With CR = 1 no trial leaves the affine hull of the first
population, so that population decides the search.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, final, get_args

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.search.fitness import Fitness
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import (
    Bounds,
    Setting,
    bounds_setting,
    check_bounds,
    check_whole,
    check_within,
)
from acculturate.search.state import State
from acculturate.search.variation import (
    SMALLEST_POPULATION,
    Parents,
    as_column,
    draw_others,
    make_trials,
    refuse_outside,
)

Strategy = Literal["best/1", "rand/1", "current-to-best/1"]

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

_SMALLEST_F, _LARGEST_F = 1e-3, 2.0


@final
class DifferentialEvolution(Optimizer):
    """Differential Evolution: best/1/bin, rand/1/bin and current-to-best/1/bin.

    Args:
        population: Candidates a generation, at least 4.
        strategy: How a mutant is made.
        F: Scale of a difference, 0.001 to 2; a pair (low, high) draws one anew for every
            trial (dither).
        CR: Share of a trial's entries that come from the mutant, 0 to 1.
        bounds: Lowest and highest value of every entry, or None.

    Raises:
        UsageError: A setting is out of range, the strategy is unknown, or the population is too
            small.
    """

    def __init__(
        self,
        population: int = 20,
        strategy: Strategy = "best/1",
        F: float | tuple[float, float] = 0.5,
        CR: float = 0.9,
        bounds: Bounds | None = None,
    ) -> None:
        if strategy not in STRATEGIES:
            raise UsageError(
                f"there is no strategy {strategy!r} of differential evolution",
                hint=f"Choose one of {', '.join(STRATEGIES)}.",
            )
        check_whole("population", population, SMALLEST_POPULATION, "a parent with three others")
        self._F = F if isinstance(F, tuple) else (F, F)
        check_within("F", self._F[0], _SMALLEST_F, _LARGEST_F)
        check_within("F", self._F[1], self._F[0], _LARGEST_F)
        check_within("CR", CR, 0.0, 1.0)
        super().__init__(population)
        self._strategy: Strategy = strategy
        self._CR = float(CR)
        self._bounds = check_bounds(bounds)
        self._parents = Parents.none()

    @property
    def name(self) -> str:
        """See `Optimizer.name`: "de/" and the strategy."""
        return f"de/{self._strategy}"

    def settings(self) -> dict[str, Setting]:
        """See `Optimizer.settings`."""
        low, high = (float(end) for end in self._F)
        settings: dict[str, Setting] = {
            "population": self.population_size,
            "F": low if low == high else [low, high],
            "CR": self._CR,
        }
        return settings | bounds_setting(self._bounds)

    def parents(self) -> Fitness | None:
        """See `Optimizer.parents`."""
        return self._parents.competitors()

    def _sample(self) -> Float[np.ndarray, "candidate entry"]:
        x, best, rng = self._parents.x, self._parents.best(), self._rng
        low, high = self._F
        F = as_column(np.full(len(x), low) if low == high else rng.uniform(low, high, len(x)), x)
        r1, r2, r3 = draw_others(rng, len(x), 3)

        def mutate(i: slice) -> np.ndarray:
            match self._strategy:
                case "rand/1":
                    return x[r1[i]] + F[i] * (x[r2[i]] - x[r3[i]])
                case "best/1":
                    return x[best] + F[i] * (x[r1[i]] - x[r2[i]])
                case "current-to-best/1":
                    return x[i] + F[i] * (x[best] - x[i] + x[r1[i]] - x[r2[i]])

        return make_trials(x, mutate, np.full(len(x), self._CR), self._bounds, rng)

    def _initialise(
        self, population: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        self._parents = Parents(population, fitness)

    def _update(self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        self._parents.replace(self._parents.succeeds(fitness), candidates, fitness)

    def _dump(self) -> State:
        return self._parents.dump()

    def _load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        self._parents = Parents.load(state, self.population_size, width)

    def _check_first(self, population: Float[np.ndarray, "candidate entry"]) -> None:
        refuse_outside(population, self._bounds)
