"""The distance between countries that one method moved a model to: as far apart as they are, or one mean.

In: the shift of each country's answers and the shift that was wanted. Out: a `Separation`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Separation:
    """The place of countries among one another.

    Attributes:
        spread: Spread of the shifts around their mean over that of the wanted ones; 0 where all are alike.
        ranks: Rank of each country's own wanted shift among all of them, by mean absolute difference to its
            shift; 1 where its own is the nearest.
    """

    spread: float
    ranks: tuple[int, ...]

    @property
    def text(self) -> str:
        """Both in a sentence."""
        nearest = self.ranks.count(1)
        ranks = ", ".join(map(str, self.ranks))
        return (
            f"Countries are {self.spread:.2f} times as far apart as their targets; {nearest} of "
            f"{len(self.ranks)} are nearest to their own (ranks {ranks}), by the untouched scores on the "
            "measured tuning forms."
        )


def separate(
    shifts: Float[np.ndarray, "country dimension"], wanted: Float[np.ndarray, "country dimension"]
) -> Separation:
    """Measure how far apart the shifts of several countries are.

    Args:
        shifts: Scores less the untouched model's in the same way of asking, all finite.
        wanted: Scores to reach less the untouched model's on the tuning forms.
    """
    apart = [np.sqrt(((x - x.mean(axis=0)) ** 2).sum()) for x in (shifts, wanted)]
    distances = np.abs(shifts[:, None] - wanted[None]).mean(axis=2)
    ranks = 1 + (distances < np.diag(distances)[:, None]).sum(axis=1)
    return Separation(float(apart[0] / apart[1]) if apart[1] else np.nan, tuple(ranks.tolist()))
