"""Intervals and tests of benchmark scores. numpy only; knows no question.

In: rights and wrongs, or one value a question. Out: intervals and p-values.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from acculturate.metrics.statistics import interval_of

SAMPLES = 2000
"""Of every bootstrap."""
_Z = 1.959963984540054
"""97.5% quantile of the standard normal distribution."""


def wilson(share: float, count: float) -> tuple[float, float]:
    """95% interval of a share.

    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference.

    Args:
        share: Of rights, 0 to 1.
        count: Questions; with weights, how many they amount to.

    Returns:
        Its ends; 0 to 1 without a question.
    """
    if count <= 0:
        return 0.0, 1.0
    scale = 1 + _Z**2 / count
    middle = (share + _Z**2 / (2 * count)) / scale
    half = _Z / scale * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def amount(weights: Float[np.ndarray, " question"]) -> float:
    """How many questions of equal weight tell as much.

    L. Kish (1965), Survey Sampling: the effective sample size, (sum w)^2 / sum w^2.
    """
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def mcnemar(gained: int, lost: int) -> float:
    """Whether two methods get equally many of the same questions right: the exact two-sided p-value.

    Q. McNemar (1947); exact by the binomial distribution with rate one half, as a sign test.

    Args:
        gained: Questions that the second alone gets right.
        lost: Questions that the first alone gets right.
    """
    count = gained + lost
    tail = sum(math.comb(count, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**count)


def draws(questions: int, seed: int) -> Float[np.ndarray, "sample question"]:
    """How often each question is drawn in each bootstrap sample; the same for every method, so in pairs."""
    rng = np.random.default_rng(seed)
    even = np.full(questions, 1 / questions)
    return rng.multinomial(questions, even, size=SAMPLES).astype(np.float64)


def resampled(
    drawn: Float[np.ndarray, "sample question"],
    values: Float[np.ndarray, "question column"],
    weights: Float[np.ndarray, " question"] | None = None,
) -> Float[np.ndarray, "sample column"]:
    """Weighted bootstrap means of what has a value; NaN in a sample that drew nothing of it.

    Args:
        drawn: See `draws`.
        values: NaN where a question has none.
        weights: Of the questions; all alike if None.
    """
    counted = drawn if weights is None else drawn * weights
    known = np.isfinite(values)
    given = counted @ known.astype(np.float64)
    total = counted @ np.where(known, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / given


def bootstrap_interval(samples: Float[np.ndarray, " sample"]) -> tuple[float, float] | None:
    """95% percentile interval of the samples that have a value; None without one.

    B. Efron, R. Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    known = samples[np.isfinite(samples)]
    return interval_of(known) if len(known) else None


def bootstrap_p(samples: Float[np.ndarray, " sample"]) -> float | None:
    """Two-sided p-value that a difference is 0: twice the share of samples on its lesser side.

    The observed value counts as one more sample, so that no p-value is 0: A. C. Davison, D. V. Hinkley (1997),
    Bootstrap Methods and their Application, section 4.2.

    Returns:
        None without a sample that has a value.
    """
    known = samples[np.isfinite(samples)]
    if not len(known):
        return None
    least = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (1 + least) / (1 + len(known)))
