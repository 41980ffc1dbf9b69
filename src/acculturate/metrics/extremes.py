"""Do scores far from the middle move inward? arXiv 2503.16094 reports that tuning moderates extremes.

In: comparisons on tuning and on held-out forms. Out: for each dimension the naive and the tuned score, the
target, and how far each is from the middle of the published range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from acculturate.metrics.comparison import Comparison, Interval
from acculturate.metrics.statistics import interval_around


@dataclass(frozen=True)
class Extreme:
    """One dimension on one set of forms.

    Attributes:
        key: Of the dimension.
        name: In words.
        middle: Of the range of published scores; 50 in VSM 2013.
        target: The country's score.
        naive: The untouched model's score.
        tuned: The tuned model's.
        inward: By how much the score came nearer to the middle; negative where it went outward.
        inward_interval: Its 95% bootstrap interval over forms, both models on the same drawn forms.
    """

    key: str
    name: str
    middle: float
    target: float
    naive: float
    tuned: float
    inward: float
    inward_interval: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class Extremes:
    """All dimensions on both sets of forms.

    Attributes:
        tuning: On the forms that the search was asked.
        held_out: On forms that it never saw.
    """

    tuning: tuple[Extreme, ...]
    held_out: tuple[Extreme, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "tuning": [one.to_dict() for one in self.tuning],
            "held_out": [one.to_dict() for one in self.held_out],
        }


def extremes(comparison: Comparison) -> tuple[Extreme, ...]:
    """How far the scores of each dimension are from the middle, before and after."""
    found: list[Extreme] = []
    for column, dimension in enumerate(comparison.question.scoring.dimensions):
        middle = sum(dimension.range) / 2
        naive, tuned = comparison.scores[:, column].tolist()
        interval: Interval | None = None
        if comparison.samples is not None:
            away = np.abs(comparison.samples[:, :, column] - middle)
            interval = interval_around(away[0] - away[1], abs(naive - middle) - abs(tuned - middle))
        found.append(
            Extreme(
                dimension.key,
                dimension.name,
                middle,
                float(comparison.question.target[column]),
                naive,
                tuned,
                abs(naive - middle) - abs(tuned - middle),
                interval,
            )
        )
    return tuple(found)


def mean_distance(found: Sequence[Extreme], which: str) -> float:
    """Mean distance from the middle of the scores called `which`: naive, tuned or target."""
    return float(np.mean([abs(getattr(one, which) - one.middle) for one in found]))
