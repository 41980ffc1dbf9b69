"""Limits on the degradation that alignment may cause: divergence on ordinary text, share of valid answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

Column = Float[np.ndarray, " candidate"]


@dataclass(frozen=True)
class Constraints:
    """Limits on degradation, and the weight of the divergence in the objective.

    Attributes:
        max_divergence: Limit on the divergence [nats per token], or None.
        min_valid_mass: Least mean share of the next-token probability that the options take, or None.
        divergence_weight: Weight of the divergence [points of loss per nat].
        barrier: Slope past a limit, for a search by gradients [points of loss per nat or whole share].
            Feasible first is an order, which has no gradient; this one leads back within the limits.
    """

    max_divergence: float | None = None
    min_valid_mass: float | None = None
    divergence_weight: float = 0.0
    barrier: float = 100.0

    def times(self, factor: float) -> Constraints:
        """Return the same limits, with all that is added to the loss multiplied."""
        return replace(
            self,
            divergence_weight=factor * self.divergence_weight,
            barrier=factor * self.barrier,
        )

    @property
    def reads_guard(self) -> bool:
        """True where guard texts have to be read for every candidate."""
        return self.max_divergence is not None or self.divergence_weight > 0

    @property
    def reads_mass(self) -> bool:
        """True where the valid mass has to be known for every candidate."""
        return self.min_valid_mass is not None

    def violation(self, divergence: Column | None, mass: Column | None, count: int) -> Column:
        """Return the amount past the limits, nats and shares added; infinite where not finite."""
        total = np.zeros(count)
        if self.max_divergence is not None and divergence is not None:
            total += np.maximum(0.0, divergence - self.max_divergence)
        if self.min_valid_mass is not None and mass is not None:
            total += np.maximum(0.0, self.min_valid_mass - mass)
        return np.where(np.isfinite(total), total, np.inf)

    def objective(self, loss: Column, divergence: Column | None) -> Column:
        """Return the objective within the limits: the loss plus the weighted divergence."""
        if not self.divergence_weight or divergence is None:
            return loss
        return loss + self.divergence_weight * divergence

    def gradient(self, divergence: float | None, mass: float | None) -> tuple[float, float]:
        """Return the derivatives of the descended quantity in divergence and in valid mass."""
        in_divergence, in_mass = self.divergence_weight, 0.0
        if self.max_divergence is not None and divergence is not None:
            in_divergence += self.barrier * (divergence > self.max_divergence)
        if self.min_valid_mass is not None and mass is not None:
            in_mass -= self.barrier * (mass < self.min_valid_mass)
        return in_divergence, in_mass
