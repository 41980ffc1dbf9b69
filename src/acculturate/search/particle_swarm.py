"""Particle swarm with a global best and the coefficients of the constriction.

M. Clerc, J. Kennedy (2002), "The Particle Swarm - Explosion, Stability, and Convergence in a
Multidimensional Complex Space", IEEE Transactions on Evolutionary Computation 6(1), 58-73; what the
paper leaves open follows D. Bratton, J. Kennedy (2007), "Defining a Standard for Particle Swarm
Optimization", IEEE Swarm Intelligence Symposium, 120-127.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from acculturate.search.fitness import Fitness, Vectors
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import BOUNDS, Bounds, whole
from acculturate.search.variation import Parents

# chi = 2 / |2 - phi - sqrt(phi^2 - 4 phi)| with phi = 4.1 multiplies the whole velocity; written with
# an inertia, w = chi and c_1 = c_2 = chi phi / 2.
_W, _C = 0.7298, 1.49618


@final
@dataclass
class Swarm:
    """Particles with their velocities and personal bests."""

    position: Vectors
    velocity: Vectors
    bests: Parents


@final
@dataclass(eq=False)
class ParticleSwarm(Optimizer):
    """Particle swarm with a global best and constriction.

    All particles start at rest in the first population. As in the standard, a personal best gives
    way to a strictly better position alone: the particle itself moves over a plateau anyway. A
    particle that holds the best of the swarm and is at rest there is asked again where it stands.

    >>> import numpy as np
    >>> from acculturate.search import Fitness, ParticleSwarm
    >>> optimizer = ParticleSwarm(population=10)
    >>> rng = np.random.default_rng(0)
    >>> optimizer.start(rng.normal(size=(10, 2)), rng)
    >>> for generation in range(50):
    ...     x = optimizer.ask()
    ...     optimizer.tell(Fitness.unconstrained((x**2).sum(axis=1)))
    >>> bool(optimizer.best.objective < 1e-4)
    True

    Args:
        population: Particles, at least 2.
        bounds: Lowest and highest value of every entry, or None. A particle that would leave stops
            at the bound, and its velocity across it becomes 0.

    Raises:
        UsageError: The population is too small or the bounds are not two numbers.
    """

    name = "pso"

    population: int = field(default=20, metadata=whole(2, "a swarm"))
    bounds: Bounds | None = field(default=None, metadata=BOUNDS)
    _state: Swarm = field(init=False, repr=False)

    def parents(self) -> Fitness | None:
        """See `Optimizer.parents`: each particle's personal best."""
        return None if self._best is None else self._state.bests.fitness

    def _initialise(self, population: Vectors, fitness: Fitness) -> None:
        bests = Parents(population.copy(), fitness)
        self._state = Swarm(population, np.zeros_like(population), bests)

    def _sample(self) -> Vectors:
        # v = w v + c_1 r_1 (p - x) + c_2 r_2 (g - x), r_1 and r_2 from [0, 1) for each entry; x = x + v
        swarm = self._state
        x, p, g = swarm.position, swarm.bests.population, swarm.bests.population[swarm.bests.best()]
        r = self._rng.random((len(x), 2, x.shape[1]), dtype=np.float32)
        v = _W * swarm.velocity + _C * (r[:, 0] * (p - x) + r[:, 1] * (g - x))
        x = x + v
        if self.bounds is not None:
            v[(x < self.bounds[0]) | (x > self.bounds[1])] = 0
            np.clip(x, *self.bounds, out=x)
        swarm.position, swarm.velocity = x, v
        return x

    def _update(self, candidates: Vectors, fitness: Fitness) -> None:
        bests = self._state.bests
        bests.replace(fitness.better(bests.fitness), candidates, fitness)
