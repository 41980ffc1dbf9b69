"""How good each candidate of a population is, and which of two is better.

In: a loss and the amount by which a limit is exceeded. Out: an order. This file knows neither what
the loss measures nor what the limit is on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


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

    Raises:
        ValueError: The two differ in length, are not vectors, or an excess is negative.
    """

    loss: Float[np.ndarray, " candidate"]
    excess: Float[np.ndarray, " candidate"]

    def __post_init__(self) -> None:
        loss = np.array(self.loss, dtype=np.float64)
        excess = np.array(self.excess, dtype=np.float64)
        if loss.ndim != 1 or loss.shape != excess.shape:
            raise ValueError(
                f"loss {loss.shape} and excess {excess.shape} must be vectors of one length"
            )
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
        return Fitness(self.loss[index], self.excess[index])

    @staticmethod
    def where(mask: Bool[np.ndarray, " candidate"], chosen: Fitness, other: Fitness) -> Fitness:
        """`chosen` where the mask holds, `other` elsewhere."""
        return Fitness(
            np.where(mask, chosen.loss, other.loss), np.where(mask, chosen.excess, other.excess)
        )
