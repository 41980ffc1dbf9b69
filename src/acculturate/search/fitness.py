"""How good each candidate of a population is, and which of two is better.

In: an objective and the amount by which a limit is exceeded. Out: an order. An evaluation may show more than
that: what an optimiser asks for in `Optimizer.requires` comes along. This file knows neither what the
objective measures nor what the limit is on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

Requirement = Literal["secondary", "gradient"]
"""What an evaluation may show beside objective and violation; see `Fitness`."""


@dataclass(frozen=True)
class Fitness:
    """Objectives of a population, compared feasible first.

    The three rules of Deb (2000, "An efficient constraint handling method for genetic algorithms",
    Computer Methods in Applied Mechanics and Engineering 186, section 3): of two candidates within
    the limit the smaller objective wins; one within beats one beyond; of two beyond it the smaller
    violation wins, and at the same violation the smaller objective. A candidate whose objective or
    violation is not finite is the worst there is: both become infinity, so it never beats or ties a finite one.

    Attributes:
        objective: To be minimised, any finite number.
        violation: Amount past the limit; 0 within it.
        secondary: A second thing to be minimised, which the limit is on; or None.
        gradient: Of what a search by gradients descends, in the entries of the candidate; or None.

    Raises:
        ValueError: The parts differ in length, are not of the right shape, or a violation is negative.
    """

    objective: Float[np.ndarray, " candidate"]
    violation: Float[np.ndarray, " candidate"]
    secondary: Float[np.ndarray, " candidate"] | None = None
    gradient: Float[np.ndarray, "candidate entry"] | None = None

    def __post_init__(self) -> None:
        objective = np.array(self.objective, dtype=np.float64)
        violation = np.array(self.violation, dtype=np.float64)
        if objective.ndim != 1 or objective.shape != violation.shape:
            raise ValueError(
                f"objective {objective.shape} and violation {violation.shape} must be vectors of one length"
            )
        for name, axes in (("secondary", 1), ("gradient", 2)):
            part = getattr(self, name)
            if part is not None and (part.ndim != axes or len(part) != len(objective)):
                raise ValueError(
                    f"{name} {part.shape} do not belong to {len(objective)} candidates"
                )
        if np.any(violation < 0):
            raise ValueError(
                f"a violation is at least 0, not {violation.min()}: clip it at the limit"
            )
        broken = ~(np.isfinite(objective) & np.isfinite(violation))
        objective[broken] = np.inf
        violation[broken] = np.inf
        objective.setflags(write=False)
        violation.setflags(write=False)
        object.__setattr__(self, "objective", objective)
        object.__setattr__(self, "violation", violation)

    @staticmethod
    def unconstrained(objective: Float[np.ndarray, " candidate"]) -> Fitness:
        """A population under no limit: every violation is 0."""
        return Fitness(objective, np.zeros(np.shape(objective)))

    def __len__(self) -> int:
        return len(self.objective)

    @property
    def valid(self) -> Bool[np.ndarray, " candidate"]:
        """Whether objective and violation are finite."""
        return np.isfinite(self.objective)

    @property
    def feasible(self) -> Bool[np.ndarray, " candidate"]:
        """Whether a candidate is within the limit."""
        return self.violation == 0

    def order(self) -> Int[np.ndarray, " candidate"]:
        """Indices from best to worst; ties stay in the order of the population."""
        return np.lexsort((self.objective, self.violation))

    def better(self, other: Fitness) -> Bool[np.ndarray, " candidate"]:
        """Whether each candidate strictly beats the one at its place in `other`."""
        same_violation = self.violation == other.violation
        return (self.violation < other.violation) | (
            same_violation & (self.objective < other.objective)
        )

    def not_worse(self, other: Fitness) -> Bool[np.ndarray, " candidate"]:
        """Whether each candidate beats or ties the one at its place in `other`."""
        return ~other.better(self)

    def take(self, index: Int[np.ndarray, " chosen"]) -> Fitness:
        """The candidates at `index`, in that order."""
        return self._each(lambda part, _: part[index], self)

    @staticmethod
    def where(mask: Bool[np.ndarray, " candidate"], chosen: Fitness, other: Fitness) -> Fitness:
        """`chosen` where the mask holds, `other` elsewhere."""

        def choose(one: np.ndarray, two: np.ndarray) -> np.ndarray:
            return np.where(mask if one.ndim == 1 else mask[:, None], one, two)

        return chosen._each(choose, other)

    def _each(
        self, change: Callable[[np.ndarray, np.ndarray], np.ndarray], other: Fitness
    ) -> Fitness:
        """Every part that both have, changed; the others are left out."""
        parts: dict[str, np.ndarray] = {}
        for name, mine in vars(self).items():
            theirs = getattr(other, name)
            if mine is not None and theirs is not None:
                parts[name] = change(mine, theirs)
        return Fitness(**parts)
