"""Fitness of a population, and which of two candidates is better.

In: an objective and the amount by which a limit is exceeded. Out: an order. An evaluation may show
more than that: the parts that an optimiser names in `Optimizer.requires` come along. This file knows
neither what the objective measures nor what the limit is on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

Vectors = Float[np.ndarray, "candidate entry"]
Values = Float[np.ndarray, " candidate"]
Mask = Bool[np.ndarray, " candidate"]

Requirement = Literal["secondary", "gradient"]
"""Parts of a `Fitness` beside objective and violation."""


@dataclass(frozen=True)
class Fitness:
    """Objectives of a population, compared feasible first.

    The three rules of Deb (2000, "An efficient constraint handling method for genetic algorithms",
    Computer Methods in Applied Mechanics and Engineering 186, section 3): of two candidates within
    the limit the smaller objective wins; one within beats one beyond; of two beyond it the smaller
    violation wins, and at the same violation the smaller objective. A candidate whose objective or
    violation is not finite is the worst there is: both become infinity, so it never beats or ties a
    finite one.

    Attributes:
        objective: To be minimised, any finite number.
        violation: Amount past the limit; 0 within it.
        secondary: A second objective to be minimised, which the limit is on; or None.
        gradient: Of what a search by gradients descends, in the entries of the candidate; or None.

    Raises:
        ValueError: The parts differ in length, are not of the right shape, or a violation is negative.
    """

    objective: Values
    violation: Values
    secondary: Values | None = None
    gradient: Vectors | None = None

    def __post_init__(self) -> None:
        objective = np.array(self.objective, dtype=np.float64)
        violation = np.array(self.violation, dtype=np.float64)
        parts = {**vars(self), "objective": objective, "violation": violation}
        for name, part in parts.items():
            axes = 2 if name == "gradient" else 1
            if part is not None and (part.ndim != axes or len(part) != len(objective)):
                raise ValueError(
                    f"{name} {part.shape} does not belong to {objective.shape} candidates"
                )
        if np.any(violation < 0):
            raise ValueError(
                f"a violation is at least 0, not {violation.min()}: clip it at the limit"
            )
        broken = ~(np.isfinite(objective) & np.isfinite(violation))
        for name, part in (("objective", objective), ("violation", violation)):
            part[broken] = np.inf
            part.setflags(write=False)
            object.__setattr__(self, name, part)

    @staticmethod
    def unconstrained(objective: Values) -> Fitness:
        """Make the fitness of a population under no limit: every violation is 0."""
        return Fitness(objective, np.zeros(np.shape(objective)))

    def __len__(self) -> int:
        return len(self.objective)

    @property
    def valid(self) -> Mask:
        """Return whether objective and violation are finite."""
        return np.isfinite(self.objective)

    @property
    def feasible(self) -> Mask:
        """Return whether each candidate is within the limit."""
        return self.violation == 0

    def order(self) -> Int[np.ndarray, " candidate"]:
        """Return indices from best to worst; ties stay in the order of the population."""
        return np.lexsort((self.objective, self.violation))

    def better(self, other: Fitness) -> Mask:
        """Return whether each candidate strictly beats the one at its place in `other`."""
        ahead = (self.violation == other.violation) & (self.objective < other.objective)
        return (self.violation < other.violation) | ahead

    def not_worse(self, other: Fitness) -> Mask:
        """Return whether each candidate beats or ties the one at its place in `other`."""
        return ~other.better(self)

    def take(self, index: Int[np.ndarray, " chosen"]) -> Fitness:
        """Return the candidates at `index`, in that order."""
        return self._with(self, lambda part, _: part[index])

    def joined(self, other: Fitness) -> Fitness:
        """Return these candidates, then the others."""
        return self._with(other, lambda mine, others: np.concatenate([mine, others]))

    @staticmethod
    def where(mask: Mask, chosen: Fitness, other: Fitness) -> Fitness:
        """Return `chosen` where the mask holds, `other` elsewhere."""
        return chosen._with(other, lambda one, two: np.where(mask, one, two))

    def _with(
        self, other: Fitness, change: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> Fitness:
        """Return objective, violation and, where both have one, the second objective, changed alike."""
        one, two = self.secondary, other.secondary
        return Fitness(
            change(self.objective, other.objective),
            change(self.violation, other.violation),
            None if one is None or two is None else change(one, two),
        )
