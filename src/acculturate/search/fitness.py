"""How good each candidate of a population is, and which of two is better.

In: a loss and the amount by which a limit is exceeded. Out: an order. An evaluation may show more than
that: what an optimiser asks for in `Optimizer.learns_from` comes along. This file knows neither what the
loss measures nor what the limit is on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

Evidence = Literal["residuals", "price", "gradient"]
"""What an evaluation may show beside loss and excess; see `Fitness`."""


@dataclass(frozen=True)
class Fitness:
    """Losses of a population, compared feasible first.

    The three rules of Deb (2000, "An efficient constraint handling method for genetic algorithms",
    Computer Methods in Applied Mechanics and Engineering 186, section 3): of two candidates within
    the limit the smaller loss wins; one within beats one beyond; of two beyond it the smaller
    excess wins, and at the same excess the smaller loss. A candidate whose loss or excess is not
    finite is the worst there is: both become infinity, so it never beats or ties a finite one.

    Attributes:
        loss: To be minimised, any finite number.
        excess: Amount past the limit; 0 within it.
        residuals: What the loss is made of: signed distances that would all be 0 at a perfect
            candidate; or None.
        price: A second thing to be minimised, which the limit is on; or None.
        gradient: Of what a search by gradients descends, in the entries of the candidate; or None.

    Raises:
        ValueError: The parts differ in length, are not of the right shape, or an excess is negative.
    """

    loss: Float[np.ndarray, " candidate"]
    excess: Float[np.ndarray, " candidate"]
    residuals: Float[np.ndarray, "candidate residual"] | None = None
    price: Float[np.ndarray, " candidate"] | None = None
    gradient: Float[np.ndarray, "candidate entry"] | None = None

    def __post_init__(self) -> None:
        loss = np.array(self.loss, dtype=np.float64)
        excess = np.array(self.excess, dtype=np.float64)
        if loss.ndim != 1 or loss.shape != excess.shape:
            raise ValueError(
                f"loss {loss.shape} and excess {excess.shape} must be vectors of one length"
            )
        for name, axes in (("residuals", 2), ("price", 1), ("gradient", 2)):
            part = getattr(self, name)
            if part is not None and (part.ndim != axes or len(part) != len(loss)):
                raise ValueError(f"{name} {part.shape} do not belong to {len(loss)} candidates")
        if np.any(excess < 0):
            raise ValueError(f"an excess is at least 0, not {excess.min()}: clip it at the limit")
        broken = ~(np.isfinite(loss) & np.isfinite(excess))
        loss[broken] = np.inf
        excess[broken] = np.inf
        loss.setflags(write=False)
        excess.setflags(write=False)
        object.__setattr__(self, "loss", loss)
        object.__setattr__(self, "excess", excess)

    @staticmethod
    def unconstrained(loss: Float[np.ndarray, " candidate"]) -> Fitness:
        """A population under no limit: every excess is 0."""
        return Fitness(loss, np.zeros(np.shape(loss)))

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def valid(self) -> Bool[np.ndarray, " candidate"]:
        """Whether loss and excess are finite."""
        return np.isfinite(self.loss)

    @property
    def feasible(self) -> Bool[np.ndarray, " candidate"]:
        """Whether a candidate is within the limit."""
        return self.excess == 0

    def order(self) -> Int[np.ndarray, " candidate"]:
        """Indices from best to worst; ties stay in the order of the population."""
        return np.lexsort((self.loss, self.excess))

    def better(self, other: Fitness) -> Bool[np.ndarray, " candidate"]:
        """Whether each candidate strictly beats the one at its place in `other`."""
        same_excess = self.excess == other.excess
        return (self.excess < other.excess) | (same_excess & (self.loss < other.loss))

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
