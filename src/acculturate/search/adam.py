"""Adam: descent along the gradient, for a model whose weights are at hand.

D. P. Kingma, J. Ba (2015), "Adam: A Method for Stochastic Optimization", ICLR, algorithm 1, whose names
are used here. The step size falls along half a cosine to zero over the budget (Loshchilov & Hutter 2017,
"SGDR", ICLR, equation 5, without restarts), so that the last candidates settle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from acculturate.search.fitness import Fitness, Vectors
from acculturate.search.optimizer import COST_OF_A_GRADIENT, Optimizer
from acculturate.search.settings import check_budget, whole, within

_EPSILON = 1e-8


@final
@dataclass
class AdamState:
    """The candidates and the moments of their gradients.

    Attributes:
        theta: The candidates.
        m: Decaying mean of each one's gradients.
        v: Decaying mean of their squares.
        t: Steps done.
        unit: Standard deviation of the first population's entries, or the space's own unit.
    """

    theta: Vectors
    m: Vectors
    v: Vectors
    t: int
    unit: float


@final
@dataclass(eq=False)
class Adam(Optimizer):
    """Descent along the gradient, from one start or several; the steps fall to zero over the budget.

    >>> import numpy as np
    >>> from acculturate.search import Adam, Fitness
    >>> optimizer = Adam(budget=300, step=0.1)
    >>> optimizer.start(np.array([[3.0, -2.0]]), np.random.default_rng(0))
    >>> for step in range(100):
    ...     x = optimizer.ask()
    ...     optimizer.tell(Fitness((x**2).sum(axis=1), np.zeros(1), gradient=2 * x))
    >>> bool(optimizer.best.objective < 1e-3)
    True

    Args:
        budget: Evaluations of the whole search; a candidate with its gradient counts for three.
        population: Independent starts.
        step: First step size, in standard deviations of the first population's entries.
        beta1: Decay of the mean gradient.
        beta2: Decay of the mean squared gradient.

    Raises:
        UsageError: A setting is out of range.
    """

    name = "adam"
    requires = frozenset({"gradient"})

    budget: int = field(metadata=whole(1, "a search"))
    population: int = field(default=1, metadata=whole(1, "a descent"))
    step: float = field(default=0.05, metadata=within(1e-6, 100.0))
    beta1: float = field(default=0.9, metadata=within(0.0, 0.9999))
    beta2: float = field(default=0.99, metadata=within(0.0, 0.9999))
    _state: AdamState = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        least = COST_OF_A_GRADIENT * self.population
        check_budget(self.budget, least, "one step of every start")

    def _initialise(self, population: Vectors, fitness: Fitness) -> None:
        theta = population.astype(np.float64)
        unit = float(population.std()) or self._unit
        self._state = AdamState(theta, np.zeros_like(theta), np.zeros_like(theta), 0, unit)
        self._update(population, fitness)

    def _sample(self) -> Vectors:
        return self._state.theta.astype(self._dtype)

    def _update(self, candidates: Vectors, fitness: Fitness) -> None:
        assert fitness.gradient is not None
        del candidates
        state = self._state
        sound = fitness.valid & np.isfinite(fitness.gradient).all(axis=1)
        g = np.where(sound[:, None], fitness.gradient, 0.0)
        state.t += 1
        state.m = self.beta1 * state.m + (1 - self.beta1) * g
        state.v = self.beta2 * state.v + (1 - self.beta2) * g**2
        m_hat = state.m / (1 - self.beta1**state.t)
        v_hat = state.v / (1 - self.beta2**state.t)
        steps = self.budget // (COST_OF_A_GRADIENT * self.population)
        left = 0.5 * (1 + np.cos(np.pi * min(state.t / steps, 1.0)))
        state.theta -= self.step * state.unit * left * m_hat / (np.sqrt(v_hat) + _EPSILON)
