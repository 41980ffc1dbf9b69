"""The library `cmaes`, with what a resumable search of many candidates needs of it.

It is imported when a search begins: where scipy is installed, the library takes seconds to load it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
from cmaes import CMA, SepCMA
from jaxtyping import Float

from acculturate.search.state import State, entry


@final
class Full(CMA):
    """The library's CMA-ES, sampling many candidates at once, its covariance saved as B and D."""

    def __init__(self, mean: np.ndarray, sigma: float, population: int) -> None:
        super().__init__(mean, sigma, population_size=population)

    def sample(self, z: Float[np.ndarray, "candidate entry"]) -> np.ndarray:
        """See `cma_es.Sampler`."""
        B, D = self._eigen_decomposition()
        return self._mean + self._sigma * (z @ B * D) @ B.T

    def covariance(self) -> State:
        """See `cma_es.Sampler`."""
        B, D = self._eigen_decomposition()
        return {"axes": B.copy(), "lengths": D.copy()}

    def set_covariance(self, state: Mapping[str, np.ndarray]) -> None:
        """See `cma_es.Sampler`."""
        self._B = entry(state, "axes", (self.dim, self.dim))
        self._D = entry(state, "lengths", (self.dim,))
        # As the library does it, to the last bit.
        self._C = np.dot(np.dot(self._B, np.diag(self._D**2)), self._B.T)


@final
class Diagonal(SepCMA):
    """The library's separable CMA-ES, sampling many candidates at once."""

    def __init__(self, mean: np.ndarray, sigma: float, population: int) -> None:
        super().__init__(mean, sigma, population_size=population)
        # A large population in a few dimensions must not give the old variances a weight below 0.
        self._cmu = min(self._cmu, 1 - self._c1)

    def sample(self, z: Float[np.ndarray, "candidate entry"]) -> np.ndarray:
        """See `cma_es.Sampler`."""
        return self._mean + self._sigma * self._eigen_decomposition() * z

    def covariance(self) -> State:
        """See `cma_es.Sampler`."""
        return {"variances": self._C.copy()}

    def set_covariance(self, state: Mapping[str, np.ndarray]) -> None:
        """See `cma_es.Sampler`."""
        self._C = entry(state, "variances", (self.dim,))
