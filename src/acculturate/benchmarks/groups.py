"""Scores and tests of the same shape for every benchmark: on all, by country, on the target, on all others.

In: which questions or countries belong together, and how such a group is scored. Out: rows and tests of a
`Result`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from acculturate.benchmarks.result import Change, MethodScore, Part, Test

Group = TypeVar("Group")


@dataclass(frozen=True)
class Groups(Generic[Group]):
    """Questions, or countries, that are scored together.

    Attributes:
        whole: Those of the score that a method is quoted by.
        countries: Those of each country.
        target: Those of the tuned country; None where there are none.
        others: All others, likewise.
    """

    whole: Group
    countries: Mapping[str, Group]
    target: Group | None
    others: Group | None

    def row(self, method: str, part: Callable[[Group], Part], unanswered: int) -> MethodScore:
        """Score a method on each group."""
        whole = part(self.whole)
        return MethodScore(
            method=method,
            score=whole.score,
            low=whole.low,
            high=whole.high,
            by_country={name: part(group) for name, group in self.countries.items()},
            target=None if self.target is None else part(self.target),
            others=None if self.others is None else part(self.others),
            unanswered=unanswered,
        )

    def test(self, against: str, change: Callable[[Group], Change | None]) -> Test:
        """Compare the tuned model with another method on each group."""
        whole = change(self.whole) or Change(math.nan, math.nan, math.nan, None)
        return Test(
            **vars(whole),
            against=against,
            target=None if self.target is None else change(self.target),
            others=None if self.others is None else change(self.others),
        )
