"""Differential Evolution with fixed settings.

R. Storn, K. Price (1997), "Differential Evolution - A Simple and Efficient Heuristic for Global
Optimization over Continuous Spaces", Journal of Global Optimization 11, 341-359, whose names the
strategies bear; the crossover is binomial. With CR = 1 no trial leaves the affine hull of the first
population, so that population decides the search.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast, final, get_args

import numpy as np

from acculturate.errors import UsageError
from acculturate.search.fitness import Fitness, Vectors
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import BOUNDS, Bounds, Setting, check_within, within
from acculturate.search.variation import POPULATION, Parents, cross, draw_others

Strategy = Literal["best/1", "rand/1", "current-to-best/1"]

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

SMALLEST_F, LARGEST_F = 1e-3, 2.0


def check_scale(name: str, value: float | tuple[float, float]) -> float | tuple[float, float]:
    """Return a scale, or a pair with the lower one first.

    Raises:
        UsageError: It is out of range.
    """
    ends = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value, value)
    if len(ends) != 2:
        raise UsageError(
            f"{name} {ends!r} is not a number or a pair", f"Give {name} one or two numbers."
        )
    low, high = ends
    low = check_within(name, low, SMALLEST_F, LARGEST_F)
    high = check_within(name, high, low, LARGEST_F)
    return low if low == high else (low, high)


@final
@dataclass(eq=False)
class DifferentialEvolution(Optimizer):
    """Differential evolution with binomial crossover: best/1, rand/1 or current-to-best/1.

    >>> import numpy as np
    >>> from acculturate.search import DifferentialEvolution, Fitness
    >>> optimizer = DifferentialEvolution(population=10, strategy="rand/1")
    >>> rng = np.random.default_rng(0)
    >>> optimizer.start(rng.normal(size=(10, 2)), rng)
    >>> for generation in range(50):
    ...     x = optimizer.ask()
    ...     optimizer.tell(Fitness.unconstrained((x**2).sum(axis=1)))
    >>> bool(optimizer.best.objective < 1e-4)
    True

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

    population: int = field(default=20, metadata=POPULATION)
    strategy: Strategy = "best/1"
    F: float | tuple[float, float] = field(default=0.5, metadata={"check": check_scale})
    CR: float = field(default=0.9, metadata=within(0.0, 1.0))
    bounds: Bounds | None = field(default=None, metadata=BOUNDS)
    _state: Parents = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.strategy not in STRATEGIES:
            raise UsageError(
                f"there is no strategy {self.strategy!r} of differential evolution",
                hint=f"Choose one of {', '.join(STRATEGIES)}.",
            )
        self.name = f"de/{self.strategy}"

    def settings(self) -> dict[str, Setting]:
        """See `Optimizer.settings`; the strategy is in the name."""
        return {name: v for name, v in super().settings().items() if name != "strategy"}

    def parents(self) -> Fitness | None:
        """See `Optimizer.parents`."""
        return None if self._best is None else self._state.fitness

    def _initialise(self, population: Vectors, fitness: Fitness) -> None:
        self._state = Parents(population, fitness)

    def _sample(self) -> Vectors:
        x, best, rng = self._state.population, self._state.best(), self._rng
        drawn = rng.uniform(*self.F, len(x)) if isinstance(self.F, tuple) else self.F
        F = np.broadcast_to(np.asarray(drawn, x.dtype), len(x))[:, None]
        r1, r2, r3 = draw_others(rng, len(x), 3)
        match self.strategy:
            case "rand/1":
                v = x[r1] + F * (x[r2] - x[r3])
            case "best/1":
                v = x[best] + F * (x[r1] - x[r2])
            case "current-to-best/1":
                v = x + F * (x[best] - x + x[r1] - x[r2])
        return cross(x, v, self.CR, self.bounds, rng)

    def _update(self, candidates: Vectors, fitness: Fitness) -> None:
        self._state.select(candidates, fitness)
