"""Judgements of blind pairs by people: a run's record of what they came to.

In: nothing; filled by `acculturate.rating`. Out: `Rated`, the record that reports and `relate` read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from acculturate.metrics.statistics import Quantity


@dataclass(frozen=True)
class Wins:
    """Wins of one variant's answers over another's, ties as half.

    Attributes:
        variant: The one.
        against: The other.
        judgements: Their number.
        ties: Share of them that are ties, in what is more typical.
        typical: Share of wins in what is more typical of the country.
        better: Share of wins in what is better written.
        needed: Judgements that would show the difference asked for in four of five studies; None where it
            cannot be told.
    """

    variant: str
    against: str
    judgements: int
    ties: float
    typical: Quantity
    better: Quantity
    needed: int | None

    def turned(self) -> Wins:
        """Return the wins of the other over the one."""
        return replace(
            self,
            variant=self.against,
            against=self.variant,
            typical=_rest(self.typical),
            better=_rest(self.better),
        )


def _rest(share: Quantity) -> Quantity:
    ends = share.interval
    return Quantity(1 - share.value, None if ends is None else (1 - ends[1], 1 - ends[0]))


@dataclass(frozen=True)
class Rated:
    """The judgements of a run's answers: evaluation/ratings.json.

    Attributes:
        country: The country that answers were to be typical of.
        raters: Number of people, or of their codes.
        questions: Number of questions.
        wins: Of the run's answers, against each other variant.
        marked: Share of its answers that were marked as stereotyped or offensive.
        naive_marked: The same of the untouched model.
        alpha: Krippendorff's alpha of what is more typical; None for a single rater.
        floor: Share of wins of the untouched model over itself in what is more typical: 0.5 but for noise.
    """

    country: str
    raters: int
    questions: int
    wins: tuple[Wins, ...]
    marked: Quantity
    naive_marked: Quantity
    alpha: float | None
    floor: Quantity | None

    def against(self, variant: str) -> Wins | None:
        """Return the wins against another variant, or None where the two were not compared."""
        return next((wins for wins in self.wins if wins.against == variant), None)
