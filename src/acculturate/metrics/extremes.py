"""Scores far from the middle: arXiv 2503.16094 reports that tuning moves them inward.

In: comparisons on tuning and on held-out forms. Out: for each dimension the naive and the tuned score, the
target, and how far each is from the middle of the published range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from acculturate.metrics.comparison import Comparison
from acculturate.metrics.statistics import Interval, interval_around
from acculturate.record_files import NanIfNull, OptionalInterval


@dataclass(frozen=True)
class Extreme:
    """A dimension on a set of forms.

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
    naive: NanIfNull
    tuned: NanIfNull
    inward: NanIfNull
    inward_interval: OptionalInterval


@dataclass(frozen=True)
class Extremes:
    """All dimensions on both sets of forms.

    Attributes:
        tuning: On the forms that the search was asked.
        held_out: On forms that it never saw.
    """

    tuning: tuple[Extreme, ...]
    held_out: tuple[Extreme, ...]


def measure_extremes(comparison: Comparison) -> tuple[Extreme, ...]:
    """Measure the distance of each dimension's scores from the middle, before and after."""
    results: list[Extreme] = []
    for column, dimension in enumerate(comparison.settings.scoring.dimensions):
        middle = sum(dimension.range) / 2
        naive, tuned = comparison.scores[:, column].tolist()
        inward = abs(naive - middle) - abs(tuned - middle)
        interval: Interval | None = None
        if comparison.samples is not None:
            away = np.abs(comparison.samples[:, :, column] - middle)
            interval = interval_around(away[0] - away[1], inward)
        target = float(comparison.settings.target[column])
        results.append(
            Extreme(dimension.key, dimension.name, middle, target, naive, tuned, inward, interval)
        )
    return tuple(results)


def mean_distance(dimensions: Sequence[Extreme], which: str) -> float:
    """Return the mean distance from the middle of the scores called `which`: naive, tuned or target."""
    return float(np.mean([abs(getattr(extreme, which) - extreme.middle) for extreme in dimensions]))
