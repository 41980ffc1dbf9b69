"""Random search, the one to beat at the same budget.

J. Bergstra, Y. Bengio (2012), "Random Search for Hyper-Parameter Optimization", Journal of Machine
Learning Research 13. Nothing is learned from a fitness; the best candidate is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float

from acculturate.search.fitness import Fitness, Vectors
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import whole


@final
@dataclass
class Moments:
    """Mean and standard deviation of every entry over the first population."""

    mean: Float[np.ndarray, " entry"]
    deviation: Float[np.ndarray, " entry"]


@final
@dataclass(eq=False)
class RandomSearch(Optimizer):
    """Every generation drawn anew, from a Gaussian with the moments of the first population.

    >>> import numpy as np
    >>> from acculturate.search import Fitness, RandomSearch
    >>> optimizer = RandomSearch(population=10)
    >>> rng = np.random.default_rng(0)
    >>> optimizer.start(rng.normal(size=(10, 2)), rng)
    >>> for generation in range(50):
    ...     x = optimizer.ask()
    ...     optimizer.tell(Fitness.unconstrained((x**2).sum(axis=1)))
    >>> bool(optimizer.best.objective < 0.1)
    True

    Args:
        population: Candidates a generation, at least 2.

    Raises:
        UsageError: The population is too small.
    """

    name = "random"

    population: int = field(default=20, metadata=whole(2, "random search"))
    _state: Moments = field(init=False, repr=False)

    def _initialise(self, population: Vectors, fitness: Fitness) -> None:
        del fitness
        self._state = Moments(population.mean(axis=0), population.std(axis=0, ddof=1))

    def _sample(self) -> Vectors:
        mean, deviation = self._state.mean, self._state.deviation
        drawn = self._rng.standard_normal((self.population, len(mean)), dtype=self._dtype)
        drawn *= deviation
        drawn += mean
        return drawn

    def _update(self, candidates: Vectors, fitness: Fitness) -> None:
        """Learn nothing."""
