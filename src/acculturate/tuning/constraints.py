"""What alignment may cost: the divergence on ordinary text, and the share of valid answers.

In: a candidate's divergence and valid mass. Out: how far it is past its limits, what it has to minimise,
and the slopes of both for a search by gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Column = Float[np.ndarray, " candidate"]

_BARRIER = 100.0
"""Points of loss that a search by gradients gives up a nat, or a whole share, past a limit. Feasible
first is an order, which has no slope; this is the slope that leads back."""


@dataclass(frozen=True)
class Constraints:
    """Limits and weight.

    Attributes:
        max_divergence: Limit on the divergence, nats a token, or None.
        min_valid_mass: Least mean share of the next-token probability that the options take, or None.
        divergence_weight: Points of loss that a nat of divergence counts for.
    """

    max_divergence: float | None = None
    min_valid_mass: float | None = None
    divergence_weight: float = 0.0

    @property
    def reads_guard(self) -> bool:
        """Whether guard texts have to be read for every candidate."""
        return self.max_divergence is not None or self.divergence_weight > 0

    @property
    def reads_mass(self) -> bool:
        """Whether the valid mass has to be known for every candidate."""
        return self.min_valid_mass is not None

    def violation(self, divergence: Column | None, mass: Column | None, count: int) -> Column:
        """How far candidates are past their limits, nats and shares added; infinite where not finite."""
        total = np.zeros(count)
        if self.max_divergence is not None and divergence is not None:
            total += np.maximum(0.0, divergence - self.max_divergence)
        if self.min_valid_mass is not None and mass is not None:
            total += np.maximum(0.0, self.min_valid_mass - mass)
        return np.where(np.isfinite(total), total, np.inf)

    def objective(self, loss: Column, divergence: Column | None) -> Column:
        """What is minimised within the limits: the loss and the weighted divergence."""
        if not self.divergence_weight or divergence is None:
            return loss
        return loss + self.divergence_weight * divergence

    def slopes(self, divergence: float | None, mass: float | None) -> tuple[float, float]:
        """How the descended quantity changes with a candidate's divergence and with its valid mass."""
        of_divergence, of_mass = self.divergence_weight, 0.0
        if self.max_divergence is not None and divergence is not None:
            of_divergence += _BARRIER * (divergence > self.max_divergence)
        if self.min_valid_mass is not None and mass is not None:
            of_mass -= _BARRIER * (mass < self.min_valid_mass)
        return of_divergence, of_mass
