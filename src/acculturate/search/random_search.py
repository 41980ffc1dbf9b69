"""Random search: what every optimiser has to beat at the same budget.

J. Bergstra, Y. Bengio (2012), "Random Search for Hyper-Parameter Optimization", Journal of Machine
Learning Research 13. Nothing is learned from a fitness; the best candidate is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

import numpy as np
from jaxtyping import Float

from acculturate.search.fitness import Fitness
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import Setting, check_whole
from acculturate.search.state import State, entry

Sampler = Callable[[int, np.random.Generator], np.ndarray]
"""Draws as many candidates as the number says, from the generator it is given."""


@final
class RandomSearch(Optimizer):
    """Draws every generation anew.

    Args:
        population: Candidates a generation.
        sampler: Draws them; None draws each entry from a Gaussian with that entry's mean and
            standard deviation over the first population. Give it where the first population came
            from a sampler, so that later generations come from the very same one. A sampler is not
            saved: give it again before `restore`.

    Raises:
        UsageError: The population is smaller than 2.
    """

    def __init__(self, population: int = 20, sampler: Sampler | None = None) -> None:
        check_whole("population", population, 2, "random search")
        super().__init__(population)
        self._sampler = sampler
        self._mean = self._deviation = np.empty(0)

    @property
    def name(self) -> str:
        """See `Optimizer.name`."""
        return "random"

    def settings(self) -> dict[str, Setting]:
        """See `Optimizer.settings`."""
        return {"population": self.population_size}

    def _check_first(self, population: Float[np.ndarray, "candidate entry"]) -> None:
        """Any population will do."""

    def _sample(self) -> Float[np.ndarray, "candidate entry"]:
        size, width, dtype = self.population_size, len(self._mean), self._mean.dtype
        if self._sampler is not None:
            drawn = np.array(self._sampler(size, self._rng), dtype=dtype)
            if drawn.shape != (size, width):
                raise ValueError(f"the sampler drew {drawn.shape}, not {(size, width)}")
            return drawn
        kind = np.float32 if dtype == np.float32 else np.float64
        drawn = self._rng.standard_normal((size, width), dtype=kind)
        drawn *= self._deviation
        drawn += self._mean
        return drawn

    def _initialise(
        self, population: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        del fitness
        self._mean = population.mean(axis=0)
        self._deviation = population.std(axis=0, ddof=1)

    def _update(self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        """Nothing is learned."""

    def _dump(self) -> State:
        return {"mean": self._mean.copy(), "deviation": self._deviation.copy()}

    def _load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        self._mean = entry(state, "mean", (width,))
        self._deviation = entry(state, "deviation", (width,))
