"""CMA-ES, with the whole covariance or with its diagonal alone.

N. Hansen (2016), "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772; R. Ros, N. Hansen (2008), "A
Simple Modification in CMA-ES Achieving Linear Time and Space Complexity", Parallel Problem Solving from
Nature X, 296-305. The library `cmaes` adapts mean, step size and covariance; this file gives it our first
population, our random stream, ranks feasible first, and a state of plain arrays.

Candidates are `x = m + sigma C^(1/2) z` with `z` from N(0, I) and `C^(1/2) = B D B^T` from the eigenvectors B
and the roots D of the eigenvalues; unlike the tutorial's `B D z` it does not depend on the eigenvectors' signs,
which differ between machines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.search.fitness import Fitness, Vectors
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import whole

LARGEST_WIDTH = 1_000
"""Entries of a vector up to which `CMAES` adapts their covariance."""

# The library takes entries below 1e32: a search that is this far out has diverged and goes no farther.
_FARTHEST = 1e30

# Stands for a variance below 0, in the library too.
_SMALLEST_VARIANCE = 1e-8


# What of the library's state is kept whatever the covariance; the library has an underscore before each.
_SHARED = ("mean", "sigma", "p_sigma", "pc", "g")


@dataclass
class Gaussian(ABC):
    """The distribution N(mean, sigma^2 C) that candidates are drawn from, and its evolution paths."""

    mean: Float[np.ndarray, " entry"]
    sigma: float
    p_sigma: Float[np.ndarray, " entry"]
    pc: Float[np.ndarray, " entry"]
    g: int

    @abstractmethod
    def sample(self, z: Vectors) -> np.ndarray:
        """Return the candidates that standard normal vectors stand for."""

    @abstractmethod
    def adapt(self, ranked: Vectors) -> None:
        """Adapt everything to candidates, the best first; the library is imported here: it takes seconds."""

    def _adapted_by(self, library: Any, ranked: Vectors) -> np.ndarray:
        """Adapt all but the covariance, by a library's optimiser that has this one; return its new one."""
        inside = vars(library)
        inside |= {f"_{name}": getattr(self, name) for name in _SHARED}
        library.tell([(x, float(rank)) for rank, x in enumerate(ranked)])
        for name in _SHARED:
            setattr(self, name, inside[f"_{name}"])
        return inside["_C"]


@final
@dataclass
class FullGaussian(Gaussian):
    """With `C = B D^2 B^T`: axes B and lengths D."""

    axes: Float[np.ndarray, "entry entry"]
    lengths: Float[np.ndarray, " entry"]

    def sample(self, z: Vectors) -> np.ndarray:
        """See `Gaussian.sample`."""
        return self.mean + self.sigma * (z @ self.axes * self.lengths) @ self.axes.T

    def adapt(self, ranked: Vectors) -> None:
        """See `Gaussian.adapt`."""
        from cmaes import CMA

        library = CMA(self.mean, self.sigma, population_size=len(ranked))
        # As the library does it, to the last bit.
        covariance = np.dot(np.dot(self.axes, np.diag(self.lengths**2)), self.axes.T)
        vars(library).update(_B=self.axes, _D=self.lengths, _C=covariance)
        covariance = self._adapted_by(library, ranked)
        variances, self.axes = np.linalg.eigh((covariance + covariance.T) / 2)
        self.lengths = np.sqrt(np.where(variances < 0, _SMALLEST_VARIANCE, variances))


@final
@dataclass
class DiagonalGaussian(Gaussian):
    """With the diagonal of C alone."""

    variances: Float[np.ndarray, " entry"]

    def sample(self, z: Vectors) -> np.ndarray:
        """See `Gaussian.sample`."""
        variances = np.where(self.variances < 0, _SMALLEST_VARIANCE, self.variances)
        return self.mean + self.sigma * np.sqrt(variances) * z

    def adapt(self, ranked: Vectors) -> None:
        """See `Gaussian.adapt`."""
        from cmaes import SepCMA

        library = SepCMA(self.mean, self.sigma, population_size=len(ranked))
        inside = vars(library)
        inside["_C"] = self.variances
        # A large population in a few dimensions must not give the old variances a weight below 0.
        inside["_cmu"] = min(inside["_cmu"], 1 - inside["_c1"])
        self.variances = self._adapted_by(library, ranked)


@dataclass(eq=False)
class CovarianceAdaptation(Optimizer):
    """CMA-ES, whatever it keeps of the covariance.

    The first population is the first sample: its mean is the first m, the root of its mean variance
    the first sigma, and being told its fitness is the first update. Starting at its best candidate
    instead throws the rest of that generation away, and measured no better.
    """

    population: int = field(default=20, metadata=whole(4, "a weighted mean of the better half"))

    @abstractmethod
    def _gaussian(self, mean: np.ndarray, sigma: float) -> Gaussian:
        """Return the first distribution, with C = I."""

    def _initialise(self, population: Vectors, fitness: Fitness) -> None:
        mean = population.mean(axis=0, dtype=np.float64)
        self._state = self._gaussian(mean, _spread(population))
        self._update(population, fitness)

    def _sample(self) -> Vectors:
        shape = self.population, len(self._state.mean)
        x = self._state.sample(self._rng.standard_normal(shape, self._dtype))
        return np.clip(x, -_FARTHEST, _FARTHEST).astype(self._dtype)

    def _update(self, candidates: Vectors, fitness: Fitness) -> None:
        # Only the order counts, and of a generation without a finite fitness there is none.
        if fitness.valid.any():
            self._state.adapt(candidates[fitness.order()].astype(np.float64))

    def _check_first(self, population: Vectors) -> None:
        if _spread(population) == 0:
            raise UsageError(
                f"the first population of {self.name} is {len(population)} times the same vector",
                hint="Start from a population with a spread: it is the first step size.",
            )


@final
@dataclass(eq=False)
class CMAES(CovarianceAdaptation):
    """CMA-ES with the whole covariance, for spaces of up to 1,000 entries.

    Its memory grows with population times width squared, its time with width cubed.

    >>> import numpy as np
    >>> from acculturate.search import CMAES, Fitness
    >>> optimizer = CMAES(population=10)
    >>> rng = np.random.default_rng(0)
    >>> optimizer.start(rng.normal(size=(10, 2)), rng)
    >>> for generation in range(50):
    ...     x = optimizer.ask()
    ...     optimizer.tell(Fitness.unconstrained((x**2).sum(axis=1)))
    >>> bool(optimizer.best.objective < 1e-4)
    True

    Args:
        population: lambda, candidates a generation, at least 4.

    Raises:
        UsageError: The population is too small.
    """

    name = "cma-es"

    _state: FullGaussian = field(init=False, repr=False)

    def _gaussian(self, mean: np.ndarray, sigma: float) -> Gaussian:
        zeros, ones = np.zeros(len(mean)), np.ones(len(mean))
        return FullGaussian(mean, sigma, zeros, zeros, 0, np.eye(len(mean)), ones)

    def _check_first(self, population: Vectors) -> None:
        width = population.shape[1]
        if width > LARGEST_WIDTH:
            raise UsageError(
                f"cma-es adapts the covariance of every two entries, too much for {width} entries",
                f"Search at most {LARGEST_WIDTH}, such as mixture:8, or use sep-cma-es.",
            )
        super()._check_first(population)


@final
@dataclass(eq=False)
class SepCMAES(CovarianceAdaptation):
    """CMA-ES with the diagonal of the covariance: linear in the width, for the full space.

    >>> import numpy as np
    >>> from acculturate.search import Fitness, SepCMAES
    >>> optimizer = SepCMAES(population=10)
    >>> rng = np.random.default_rng(0)
    >>> optimizer.start(rng.normal(size=(10, 2)), rng)
    >>> for generation in range(50):
    ...     x = optimizer.ask()
    ...     optimizer.tell(Fitness.unconstrained((x**2).sum(axis=1)))
    >>> bool(optimizer.best.objective < 1e-4)
    True

    Args:
        population: lambda, candidates a generation, at least 4.

    Raises:
        UsageError: The population is too small.
    """

    name = "sep-cma-es"

    _state: DiagonalGaussian = field(init=False, repr=False)

    def _gaussian(self, mean: np.ndarray, sigma: float) -> Gaussian:
        zeros, ones = np.zeros(len(mean)), np.ones(len(mean))
        return DiagonalGaussian(mean, sigma, zeros, zeros, 0, ones)

    def _check_first(self, population: Vectors) -> None:
        if population.shape[1] == 1:
            raise UsageError("sep-cma-es searches at least 2 entries, not 1", "Use cma-es.")
        super()._check_first(population)


def _spread(population: Vectors) -> float:
    """Return one standard deviation for all entries: the root of their mean variance."""
    return float(np.sqrt(population.var(axis=0, ddof=1, dtype=np.float64).mean()))
