"""Particle swarm with a global best and the coefficients of the constriction.

M. Clerc, J. Kennedy (2002), "The Particle Swarm - Explosion, Stability, and Convergence in a
Multidimensional Complex Space", IEEE Transactions on Evolutionary Computation 6(1), 58-73; what the
paper leaves open follows D. Bratton, J. Kennedy (2007), "Defining a Standard for Particle Swarm
Optimization", IEEE Swarm Intelligence Symposium, 120-127.
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
from acculturate.search.variation import Parents, refuse_outside, row_blocks

# chi = 2 / |2 - phi - sqrt(phi^2 - 4 phi)| with phi = 4.1 multiplies the whole velocity; written with
# an inertia, w = chi and c_1 = c_2 = chi phi / 2.
_W, _C = 0.7298, 1.49618


@final
class ParticleSwarm(Optimizer):
    """Particle swarm, global best.

    All particles start at rest in the first population. As in the standard, a personal best gives
    way to a strictly better position alone: the particle itself moves over a plateau anyway. A
    particle that holds the best of the swarm and is at rest there is asked again where it stands.

    Args:
        population: Particles, at least 2.
        bounds: Lowest and highest value of every entry, or None. A particle that would leave stops
            at the bound, and its velocity across it becomes 0.

    Raises:
        UsageError: The population is too small or the bounds are not two numbers.
    """

    def __init__(self, population: int = 20, bounds: Bounds | None = None) -> None:
        check_whole("population", population, 2, "a swarm")
        super().__init__(population)
        self._bounds = check_bounds(bounds)
        self._bests = Parents.none()
        self._x = self._v = self._bests.x

    @property
    def name(self) -> str:
        """See `Optimizer.name`."""
        return "pso"

    def settings(self) -> dict[str, Setting]:
        """See `Optimizer.settings`."""
        return {"population": self.population_size} | bounds_setting(self._bounds)

    def parents(self) -> Fitness | None:
        """See `Optimizer.parents`: each particle's personal best."""
        return self._bests.competitors()

    def _sample(self) -> Float[np.ndarray, "candidate entry"]:
        # v = w v + c_1 r_1 (p - x) + c_2 r_2 (g - x), r_1 and r_2 from [0, 1) for each entry; x = x + v
        p, g = self._bests.x, self._bests.x[self._bests.best()]
        x, v = np.empty_like(self._x), self._v
        for rows in row_blocks(*x.shape):
            here = self._x[rows]
            r = self._rng.random((len(here), 2, x.shape[1]), dtype=np.float32)
            v[rows] *= _W
            v[rows] += _C * (r[:, 0] * (p[rows] - here) + r[:, 1] * (g - here))
            there = here + v[rows]
            if self._bounds is not None:
                v[rows][(there < self._bounds[0]) | (there > self._bounds[1])] = 0
                np.clip(there, *self._bounds, out=there)
            x[rows] = there
        self._x = x
        return x

    def _initialise(
        self, population: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        self._bests = Parents(population.copy(), fitness)
        self._x, self._v = population, np.zeros_like(population)

    def _update(self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        self._bests.replace(fitness.better(self._bests.fitness), candidates, fitness)

    def _dump(self) -> State:
        return self._bests.dump() | {"position": self._x.copy(), "velocity": self._v.copy()}

    def _load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        self._bests = Parents.load(state, self.population_size, width)
        self._x = entry(state, "position", (self.population_size, width))
        self._v = entry(state, "velocity", (self.population_size, width))

    def _check_first(self, population: Float[np.ndarray, "candidate entry"]) -> None:
        refuse_outside(population, self._bounds)
