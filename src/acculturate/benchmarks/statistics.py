"""Intervals and tests of benchmark scores; knows no question.

In: rights and wrongs, or bootstrap samples. Out: intervals and p-values.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from acculturate.metrics.statistics import (
    Interval,
    bootstrap_weights,
    interval_of,
    weighted_means,
)

SAMPLES = 2000
PAIRED_BOOTSTRAP = "paired bootstrap over questions (two-sided)"
"""Name of the test that `bootstrap_p` makes."""
_Z = 1.959963984540054
"""97.5% quantile of the standard normal distribution."""


def wilson(share: float, count: float) -> Interval:
    """Return the 95% interval of a share.

    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference. Unlike
    scipy's, it takes a fraction of a question, which weights can amount to.

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


def effective_count(weights: Float[np.ndarray, " question"]) -> float:
    """Return how many questions of equal weight tell as much.

    L. Kish (1965), Survey Sampling: the effective sample size, (sum w)^2 / sum w^2.
    """
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def mcnemar(gained: int, lost: int) -> float:
    """Return the exact two-sided p-value that two methods get equally many of the same questions right.

    Q. McNemar (1947); exact by the binomial distribution with rate one half, as a sign test.

    Args:
        gained: Questions that the second alone gets right.
        lost: Questions that the first alone gets right.
    """
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def draw_questions(questions: int, seed: int) -> Float[np.ndarray, "sample question"]:
    """Return the weights of the bootstrap samples, the same for every method, so in pairs."""
    return bootstrap_weights([range(questions)], SAMPLES, np.random.default_rng(seed))


def resampled_means(
    drawn: Float[np.ndarray, "sample question"], values: Float[np.ndarray, " question"]
) -> Float[np.ndarray, " sample"]:
    """Return the mean of each bootstrap sample over the questions that have a value.

    Returns:
        NaN where fewer than two questions have one: every sample would be the same.
    """
    if np.isfinite(values).sum() < 2:
        return np.full(len(drawn), np.nan)
    return weighted_means(drawn, values[:, None])[:, 0]


def known_interval(samples: Float[np.ndarray, " sample"]) -> Interval:
    """Return the 95% percentile interval of the samples that have a value; NaN without one.

    B. Efron, R. Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    known = samples[np.isfinite(samples)]
    return interval_of(known) if len(known) else (math.nan, math.nan)


def bootstrap_p(samples: Float[np.ndarray, " sample"], questions: int) -> float | None:
    """Return the two-sided p-value that a difference is 0: twice the share of samples on its lesser side.

    The observed value counts as one more sample, so that no p-value is 0: A. C. Davison, D. V. Hinkley (1997),
    Bootstrap Methods and their Application, section 4.2. Signs alone cannot be less likely than 2 / 2**n of n
    questions, and few questions that agree do not say more.

    Args:
        samples: The difference in each sample.
        questions: Number of questions that have a value.

    Returns:
        None without a sample that has a value.
    """
    known = samples[np.isfinite(samples)]
    if not len(known):
        return None
    least = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, max(2.0 ** (1 - questions), 2 * (1 + least) / (1 + len(known))))
