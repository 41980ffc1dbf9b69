"""How methods fare where no search looked: other wordings, frames, orders, labels, languages, surveys.

In: the checks of a cell. Out: what they hold of one method, and columns of a table, each a text for some seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from acculturate.formatting import MISSING, loss_text
from acculturate.metrics.comparison import State
from acculturate.runs import NO_CHECKS, Checks

_DIGITS_OF_SURVEYS = 2


@dataclass(frozen=True)
class Robustness:
    """A method, asked in other ways.

    Attributes:
        checks: What was asked of it, and of the untouched model beside it.
        naive: Whether the method is the untouched model itself.
    """

    checks: Checks = NO_CHECKS
    naive: bool = False

    @property
    def ways(self) -> dict[str, State]:
        """By the key of a row of held_out.json."""
        return {one.key: one.naive if self.naive else one.tuned for one in self.checks.rows}

    @property
    def surveys(self) -> dict[str, State]:
        """By the key of another questionnaire, on its own scale."""
        found = self.checks.surveys
        return {one.instrument: one.naive if self.naive else one.tuned for one in found}

    @property
    def names(self) -> dict[str, str]:
        """What the keys of both are called."""
        names = {one.key: one.label for one in self.checks.rows}
        return names | {one.instrument: one.title for one in self.checks.surveys}

    @property
    def rank(self) -> int | None:
        """Of the target among the countries of its table, on held-out forms."""
        found = self.checks.specificity
        return None if found is None else (found.naive if self.naive else found.tuned).rank

    @property
    def countries(self) -> int:
        """How many those are."""
        return self.checks.specificity.countries if self.checks.specificity else 0


@dataclass(frozen=True)
class Columns:
    """The columns of a table: every way that a method was asked in.

    Attributes:
        ways: Keys of rows.
        surveys: Keys of questionnaires.
        names: What they are called.
    """

    ways: tuple[str, ...]
    surveys: tuple[str, ...]
    names: Mapping[str, str]

    @property
    def header(self) -> tuple[str, ...]:
        """Their heads, and that of the rank; empty where nothing was asked."""
        heads = tuple(self.names[key] for key in (*self.ways, *self.surveys))
        return (*heads, "Rank of the target") if heads else ()

    def texts(self, found: Sequence[Robustness], digits: int) -> tuple[str, ...]:
        """Means over some seeds, and the middle rank.

        Args:
            found: A method towards a country, one a seed.
            digits: Decimals of a loss.
        """
        ways = [_mean([one.ways[key] for one in found if key in one.ways]) for key in self.ways]
        surveys = [
            _mean([one.surveys[key] for one in found if key in one.surveys]) for key in self.surveys
        ]
        ranks = [one.rank for one in found if one.rank is not None]
        of = max((one.countries for one in found), default=0)
        return (
            *(loss_text(loss, digits) for loss in ways),
            *(loss_text(loss, _DIGITS_OF_SURVEYS) for loss in surveys),
            f"{np.median(ranks):g} of {of}" if ranks else MISSING,
        )


def columns(found: Sequence[Robustness]) -> Columns:
    """The columns for some methods, in the order in which they were asked."""
    names = {key: name for one in found for key, name in one.names.items()}
    ways = tuple(dict.fromkeys(key for one in found for key in one.ways))
    surveys = tuple(dict.fromkeys(key for one in found for key in one.surveys))
    return Columns(ways, surveys, names)


def _mean(states: Sequence[State]) -> float | None:
    return float(np.mean([state.loss for state in states])) if states else None
