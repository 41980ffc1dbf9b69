"""Adam: descent along the gradient, for a model whose weights are at hand.

D. P. Kingma, J. Ba (2015), "Adam: A Method for Stochastic Optimization", ICLR, algorithm 1, whose names
are used here. The step size falls along half a cosine to zero over the budget (Loshchilov & Hutter 2017,
"SGDR", ICLR, equation 5, without restarts), so that the last candidates settle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
from jaxtyping import Float

from acculturate.search.fitness import Fitness, Requirement
from acculturate.search.optimizer import COST_OF_A_GRADIENT, Optimizer
from acculturate.search.settings import Setting, check_budget, check_whole, check_within
from acculturate.search.state import State, entry

_EPSILON = 1e-8


@final
class Adam(Optimizer):
    """Adam, from one start or several side by side.

    Args:
        budget: Evaluations of the whole search; a candidate with its gradient counts for three.
        population: Independent starts.
        step: First step size, in standard deviations of the first population's entries.
        beta1: Decay of the mean gradient.
        beta2: Decay of the mean squared gradient.

    Raises:
        UsageError: A setting is out of range.
    """

    def __init__(
        self,
        budget: int,
        population: int = 1,
        step: float = 0.05,
        beta1: float = 0.9,
        beta2: float = 0.99,
    ) -> None:
        check_whole("population", population, 1, "a descent")
        check_budget(budget, COST_OF_A_GRADIENT * population, "one step of every start")
        check_within("step", step, 1e-6, 100.0)
        check_within("beta1", beta1, 0.0, 0.9999)
        check_within("beta2", beta2, 0.0, 0.9999)
        super().__init__(population)
        self._budget, self._step = int(budget), float(step)
        self._beta1, self._beta2 = float(beta1), float(beta2)
        self._t, self._unit = 0, 1.0
        self._theta = self._m = self._v = np.empty((0, 0))

    @property
    def name(self) -> str:
        """See `Optimizer.name`."""
        return "adam"

    @property
    def requires(self) -> frozenset[Requirement]:
        """See `Optimizer.requires`."""
        return frozenset({"gradient"})

    def settings(self) -> dict[str, Setting]:
        """See `Optimizer.settings`."""
        return {
            "budget": self._budget,
            "population": self.population_size,
            "step": self._step,
            "beta1": self._beta1,
            "beta2": self._beta2,
        }

    def _initialise(
        self, population: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        self._unit = float(population.std()) or 1.0
        self._theta = population.astype(np.float64)
        self._m, self._v = np.zeros_like(self._theta), np.zeros_like(self._theta)
        self._update(population, fitness)

    def _sample(self) -> Float[np.ndarray, "candidate entry"]:
        return self._theta.astype(self._dtype)

    def _update(self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        assert fitness.gradient is not None
        self._dtype = candidates.dtype
        sound = fitness.valid & np.isfinite(fitness.gradient).all(axis=1)
        g = np.where(sound[:, None], fitness.gradient, 0.0)
        self._t += 1
        self._m = self._beta1 * self._m + (1 - self._beta1) * g
        self._v = self._beta2 * self._v + (1 - self._beta2) * g**2
        m_hat = self._m / (1 - self._beta1**self._t)
        v_hat = self._v / (1 - self._beta2**self._t)
        steps = self._budget // (COST_OF_A_GRADIENT * self.population_size)
        left = 0.5 * (1 + np.cos(np.pi * min(self._t / steps, 1.0)))
        self._theta -= self._step * self._unit * left * m_hat / (np.sqrt(v_hat) + _EPSILON)

    def _dump(self) -> State:
        return {
            "theta": self._theta.copy(),
            "m": self._m.copy(),
            "v": self._v.copy(),
            "t": np.array(self._t),
            "unit": np.array(self._unit),
            "dtype": np.array(self._dtype.str),
        }

    def _load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        shape = (self.population_size, width)
        self._theta, self._m, self._v = (entry(state, key, shape) for key in ("theta", "m", "v"))
        self._t = int(entry(state, "t", (), "i"))
        self._unit = float(entry(state, "unit", ()))
        self._dtype = np.dtype(str(entry(state, "dtype", (), "U")))

    def _check_first(self, population: Float[np.ndarray, "candidate entry"]) -> None:
        """See `Optimizer._check_first`: any will do."""
