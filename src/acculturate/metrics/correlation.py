"""Correlation of two quantities over runs; knows no run.

In: pairs of values in groups. Out: a `Correlation` with an interval, or the reason why there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from acculturate.metrics.statistics import Quantity, interval_of

SAMPLES = 2000
FEWEST = 5
"""Runs of one group that a number takes; of several groups, as many more as there are other groups."""
_MOST_DEGENERATE = 0.2

Pairs = Float[np.ndarray, "_ 2"]


@dataclass(frozen=True)
class Correlation:
    """The correlation of two quantities.

    Intervals are percentiles of a bootstrap over runs, drawn within their groups; None where too many of the
    drawn samples have no spread.

    Attributes:
        runs: Number of pairs.
        groups: Number of groups.
        pearson: Linear, after every group's mean was taken off; None where `why` says why.
        spearman: Of the ranks of the same values, likewise.
        why: Why there is no number, or None.
    """

    runs: int
    groups: int
    pearson: Quantity | None
    spearman: Quantity | None
    why: str | None = None


def correlate(groups: Sequence[Pairs], rng: np.random.Generator) -> Correlation:
    """Correlate pairs within groups.

    Groups differ in level for reasons of their own: every group's mean is taken off first, and the
    centred values of all groups are correlated together, as in J. M. Bland, D. G. Altman (1995),
    Calculating correlation coefficients with repeated observations: part 1, correlation within subjects,
    BMJ 310:446. For Spearman the centred values are ranked over all groups, ties by their mean rank. One
    group gives the ordinary coefficients. Intervals: B. Efron, R. Tibshirani (1993), An Introduction to the
    Bootstrap, chapter 13; runs are drawn with replacement within their groups, both quantities together.

    Args:
        groups: Finite pairs; a group of one pair says nothing and is left out.
        rng: Draws runs.
    """
    kept = [group for group in groups if len(group) > 1]
    runs = sum(map(len, kept))
    needed = FEWEST + max(0, len(kept) - 1)
    if runs < needed:
        why = f"{runs} runs are too few, it takes {needed}" if kept else "no country has two runs"
        return Correlation(runs, len(kept), None, None, why)
    whole = _coefficients(kept)
    if not np.isfinite(whole).all():
        return Correlation(runs, len(kept), None, None, "one of the two is the same in all runs")
    samples = np.array(
        [
            _coefficients([group[rng.integers(len(group), size=len(group))] for group in kept])
            for _ in range(SAMPLES)
        ]
    )
    coefficients: list[Quantity] = []
    for value, column in zip(whole, samples.T, strict=True):
        fine = column[np.isfinite(column)]
        enough = len(fine) >= (1 - _MOST_DEGENERATE) * SAMPLES
        coefficients.append(Quantity(float(value), interval_of(fine) if enough else None))
    return Correlation(runs, len(kept), coefficients[0], coefficients[1])


def _coefficients(groups: Sequence[Pairs]) -> Float[np.ndarray, " coefficient"]:
    """Return Pearson's and Spearman's coefficients of centred values; NaN where there is no spread."""
    from scipy.stats import rankdata

    # Rounding keeps values that are equal but for their centring from getting ranks of their own.
    pairs = np.concatenate([group - group.mean(axis=0) for group in groups]).round(12)
    return np.array([_pearson(*pairs.T), _pearson(*rankdata(pairs, axis=0).T)])


def _pearson(x: Float[np.ndarray, " run"], y: Float[np.ndarray, " run"]) -> float:
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip(x @ y / spread, -1, 1)) if spread > 0 else float("nan")
