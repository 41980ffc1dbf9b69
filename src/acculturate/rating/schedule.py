"""The order and the sides in which a rater sees pairs.

In: pairs and a rater's code. Out: what the rater is shown, the same whenever it is asked for. All is decided by
hashes, so that neither a restart nor another version of a library changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from acculturate.rating.folder import SHARE, Pair, mark_of


@dataclass(frozen=True)
class Shown:
    """A pair as one rater sees it.

    Attributes:
        pair: The pair.
        again: Whether it is shown for the second time, with the sides swapped.
        first_left: Whether its first answer stands left.
    """

    pair: Pair
    again: bool
    first_left: bool

    @property
    def answers(self) -> tuple[str, str]:
        """The left answer and the right one."""
        pair = self.pair
        return (pair.first, pair.second) if self.first_left else (pair.second, pair.first)


def schedule(pairs: Sequence[Pair], code: str) -> tuple[Shown, ...]:
    """Return everything that a rater is shown: all pairs, and a tenth of them once more.

    The pairs that come first are the ones shown again, spread over the second half.
    """
    mark = mark_of(pairs)

    def drawn(what: str, pair: Pair) -> int:
        text = f"{mark} {code} {what} {pair.id}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest())

    order = sorted(pairs, key=lambda pair: drawn("order", pair))
    shown = [Shown(pair, False, drawn("side", pair) % 2 == 0) for pair in order]
    repeated = [
        Shown(once.pair, True, not once.first_left)
        for once in shown[: max(1, round(SHARE * len(shown)))]
    ]
    half = len(shown) // 2
    for number, again in enumerate(repeated, 1):
        at = half + number * (len(order) - half) // len(repeated)
        shown.insert(at + number - 1, again)
    return tuple(shown)
