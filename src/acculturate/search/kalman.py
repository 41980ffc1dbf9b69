"""Ensemble Kalman inversion: the scores say where to go, not their distance alone.

M. A. Iglesias, K. J. H. Law, A. M. Stuart (2013), "Ensemble Kalman methods for inverse problems", Inverse
Problems 29, 045001. A candidate x with residuals r(x), all zero at a perfect one, is moved by
`x - C_xr (C_rr + A)^-1 r(x)`, where C_xr and C_rr are covariances over the ensemble: a Gauss-Newton step
with a Jacobian regressed from the ensemble, in the ensemble's span (their section 2), so that one
generation learns as many directions as there are residuals.

Under a limit the violation is one more residual.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
from jaxtyping import Float

from acculturate.search.fitness import Fitness, Requirement
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import Setting, check_whole, check_within
from acculturate.search.state import State, entry

SMALLEST_ENSEMBLE = 4


@final
class KalmanInversion(Optimizer):
    """Ensemble Kalman inversion with the best candidate kept.

    Args:
        population: Candidates of the ensemble.
        step: Share of the Kalman step that is taken.
        damping: Size of A, as a share of the mean variance of the residuals.
        noise: Standard deviation of what is added to every entry, as a share of the first
            population's; it keeps the ensemble from collapsing into the span it started with.

    Raises:
        UsageError: A setting is out of range.
    """

    def __init__(
        self, population: int = 40, step: float = 0.7, damping: float = 0.1, noise: float = 0.05
    ) -> None:
        check_whole("population", population, SMALLEST_ENSEMBLE, "a covariance")
        check_within("step", step, 0.01, 2.0)
        check_within("damping", damping, 1e-6, 100.0)
        check_within("noise", noise, 0.0, 1.0)
        super().__init__(population)
        self._step, self._damping, self._noise = float(step), float(damping), float(noise)
        self._x, self._unit = np.empty((0, 0)), 1.0
        self._r = np.empty((0, 0))

    @property
    def name(self) -> str:
        """See `Optimizer.name`."""
        return "eki"

    @property
    def requires(self) -> frozenset[Requirement]:
        """See `Optimizer.requires`."""
        return frozenset({"residuals"})

    def settings(self) -> dict[str, Setting]:
        """See `Optimizer.settings`."""
        return {
            "population": self.population_size,
            "step": self._step,
            "damping": self._damping,
            "noise": self._noise,
        }

    def _initialise(
        self, population: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        self._unit = float(population.std()) or 1.0
        self._update(population, fitness)

    def _update(self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        assert fitness.residuals is not None
        ok = fitness.valid & np.isfinite(fitness.residuals).all(axis=1)
        r = np.column_stack([fitness.residuals, fitness.violation])
        # A candidate that broke the model says nothing: the best one stands in its place, if any did not.
        order = fitness.order()
        best = order[ok[order]][:1]
        stand_in = np.where(ok | (len(best) == 0), np.arange(len(ok)), best.sum())
        self._x, self._r = candidates[stand_in], np.where(np.isfinite(r), r, 0.0)[stand_in]

    def _sample(self) -> Float[np.ndarray, "candidate entry"]:
        x, r = self._x, self._r
        spread = r.std(axis=0)
        # The violation is in another unit than the scores: it weighs as much as they do together.
        unit = np.append(np.full(r.shape[1] - 1, spread[:-1].mean() or 1.0), spread[-1] or 1.0)
        r = r / unit
        deviation = r - r.mean(axis=0)
        members = len(x) - 1
        covariance = deviation.T @ deviation / members
        A = self._damping * np.eye(r.shape[1])
        gain = np.linalg.solve(covariance + A, r.T).T @ deviation.T / members
        moved = -self._step * (gain @ (x - x.mean(axis=0)))
        moved += self._noise * self._unit * self._rng.normal(size=x.shape)
        return (x + moved).astype(x.dtype)

    def _dump(self) -> State:
        return {"x": self._x.copy(), "r": self._r.copy(), "unit": np.array(self._unit)}

    def _load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        self._x = entry(state, "x", (self.population_size, width))
        self._r = entry(state, "r", (self.population_size, None))
        self._unit = float(entry(state, "unit", ()))

    def _check_first(self, population: Float[np.ndarray, "candidate entry"]) -> None:
        """See `Optimizer._check_first`: any will do."""
