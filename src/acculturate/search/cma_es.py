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

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.search.fitness import Fitness
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import Setting, check_whole
from acculturate.search.state import State, entry
from acculturate.search.variation import row_blocks

LARGEST_WIDTH = 1_000
"""Entries of a vector up to which `CMAES` adapts their covariance."""

# The library takes entries below 1e32: a search that is this far out has diverged and goes no farther.
_FARTHEST = 1e30

# The vectors of the library's state, by the names it gives them.
_VECTORS = {"mean": "_mean", "path_sigma": "_p_sigma", "path_c": "_pc"}


@runtime_checkable
class Sampler(Protocol):
    """The library's optimiser, with its covariance saved and many candidates sampled at once."""

    @property
    def dim(self) -> int:
        """Entries of a vector."""
        ...

    def tell(self, solutions: list[tuple[np.ndarray, float]]) -> None:
        """Takes candidates and what they are worth, the smaller the better."""
        ...

    def sample(self, z: Float[np.ndarray, "candidate entry"]) -> np.ndarray:
        """The candidates that standard normal vectors stand for."""
        ...

    def covariance(self) -> State:
        """The covariance, as a file keeps it."""
        ...

    def set_covariance(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes back what `covariance` gave."""
        ...


class _CovarianceAdaptation(Optimizer):
    """What both have in common.

    The first population is the first sample: its mean is the first m, the root of its mean variance
    the first sigma, and being told its fitness is the first update. Starting at its best candidate
    instead throws the rest of that generation away, and measured no better.
    """

    _model: Sampler  # there from the first tell on

    def __init__(self, population: int = 20) -> None:
        check_whole("population", population, 4, "a weighted mean of the better half")
        super().__init__(population)

    @abstractmethod
    def _make(self, mean: Float[np.ndarray, " entry"], sigma: float) -> Sampler:
        """The library's optimiser, with C = I."""

    @abstractmethod
    def _check_width(self, width: int) -> None:
        """Refuses vectors that are too long or too short, with a `UsageError`."""

    @final
    def settings(self) -> dict[str, Setting]:
        """See `Optimizer.settings`."""
        return {"population": self.population_size}

    @final
    def _sample(self) -> Float[np.ndarray, "candidate entry"]:
        dtype = np.float32 if self.best.vector.dtype == np.float32 else np.float64
        x = np.empty((self.population_size, self._model.dim), dtype)
        for rows in row_blocks(*x.shape):
            z = self._rng.standard_normal(x[rows].shape, dtype)
            x[rows] = np.clip(self._model.sample(z), -_FARTHEST, _FARTHEST)
        return x

    @final
    def _initialise(
        self, population: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        self._model = self._make(population.mean(axis=0, dtype=np.float64), _spread(population))
        self._update(population, fitness)

    @final
    def _update(self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        # Only the order counts, and of a generation without a finite fitness there is none.
        if fitness.valid.any():
            order = fitness.order()
            x = [candidates[place].astype(np.float64) for place in order]
            self._model.tell([(x_k, float(rank)) for rank, x_k in enumerate(x)])

    @final
    def _dump(self) -> State:
        inside = vars(self._model)
        return {
            "sigma": np.array(inside["_sigma"], np.float64),
            "updates": np.array(inside["_g"]),
            **{part: inside[name].copy() for part, name in _VECTORS.items()},
            **self._model.covariance(),
        }

    @final
    def _load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        self._model = self._make(np.zeros(width), 1.0)
        self._model.set_covariance(state)
        inside = vars(self._model)
        inside["_sigma"] = float(entry(state, "sigma", ()))
        inside["_g"] = int(entry(state, "updates", (), "i"))
        for part, name in _VECTORS.items():
            inside[name] = entry(state, part, (width,))

    @final
    def _check_first(self, population: Float[np.ndarray, "candidate entry"]) -> None:
        self._check_width(population.shape[1])
        if _spread(population) == 0:
            raise UsageError(
                f"the first population of {self.name} is {len(population)} times the same vector",
                hint="Start from a population with a spread: it is the first step size.",
            )


@final
class CMAES(_CovarianceAdaptation):
    """CMA-ES with the whole covariance, for spaces of up to 1,000 entries.

    Its memory grows with population times width squared, its time with width cubed.

    Args:
        population: lambda, candidates a generation, at least 4.

    Raises:
        UsageError: The population is too small.
    """

    @property
    def name(self) -> str:
        """See `Optimizer.name`."""
        return "cma-es"

    def _make(self, mean: Float[np.ndarray, " entry"], sigma: float) -> Sampler:
        from acculturate.search.covariance import Full

        return Full(mean, sigma, self.population_size)

    def _check_width(self, width: int) -> None:
        if width > LARGEST_WIDTH:
            raise UsageError(
                f"cma-es adapts the covariance of every two entries, too much for {width} entries",
                hint=f"Search a space of at most {LARGEST_WIDTH} entries, such as low-rank:1, or "
                "use sep-cma-es in the full space.",
            )


@final
class SepCMAES(_CovarianceAdaptation):
    """CMA-ES with the diagonal of the covariance: linear in the width, for the full space.

    Args:
        population: lambda, candidates a generation, at least 4.

    Raises:
        UsageError: The population is too small.
    """

    @property
    def name(self) -> str:
        """See `Optimizer.name`."""
        return "sep-cma-es"

    def _make(self, mean: Float[np.ndarray, " entry"], sigma: float) -> Sampler:
        from acculturate.search.covariance import Diagonal

        return Diagonal(mean, sigma, self.population_size)

    def _check_width(self, width: int) -> None:
        if width == 1:
            raise UsageError(
                "sep-cma-es searches vectors of at least 2 entries, not 1", hint="Use cma-es."
            )


def _spread(population: Float[np.ndarray, "candidate entry"]) -> float:
    """One standard deviation for all entries: the root of their mean variance."""
    return float(np.sqrt(population.var(axis=0, ddof=1, dtype=np.float64).mean()))
