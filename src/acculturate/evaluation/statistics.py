"""Intervals. numpy only; knows no survey.

In: values by form and which forms belong together. Out: bootstrap samples and percentile intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int


def resampled_means(
    values: Float[np.ndarray, " form"],
    groups: Sequence[Int[np.ndarray, " _"]],
    samples: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "sample group"]:
    """Bootstrap means within groups: every group's members are drawn anew with replacement.

    B. Efron, R. Tibshirani (1993), An Introduction to the Bootstrap, chapter 8 (several samples). Of n
    members n - 1 are drawn, which gives the mean the variance that n - 1 in the denominator gives it
    (J. N. K. Rao, C. F. J. Wu 1988, Resampling inference with complex survey data); with the two forms that
    an item often has in an order, drawing two would halve it.

    Args:
        values: One value a form.
        groups: Indices into `values`, one array a group.
        samples: Bootstrap samples.
        rng: Draws them.
    """
    means = np.empty((samples, len(groups)))
    for column, members in enumerate(groups):
        if len(members) == 0:
            means[:, column] = np.nan
            continue
        drawn = rng.choice(members, size=(samples, max(1, len(members) - 1)))
        means[:, column] = values[drawn].mean(axis=1)
    return means


def percentile_interval(
    samples: Float[np.ndarray, "sample column"], level: float = 0.95
) -> Float[np.ndarray, "column 2"]:
    """Percentile interval of each column."""
    tail = (1 - level) / 2
    return np.quantile(samples, [tail, 1 - tail], axis=0).T


def interval_of(samples: Float[np.ndarray, " sample"]) -> tuple[float, float]:
    """95% percentile interval of one quantity."""
    with np.errstate(invalid="ignore"):  # between infinite losses of answers that are not finite
        low, high = percentile_interval(samples[:, None])[0]
    return float(low), float(high)


def interval_around(samples: Float[np.ndarray, " sample"], value: float) -> tuple[float, float]:
    """95% interval of what is made of absolute values: its samples', moved so that their median is the value.

    Noise in scores raises a distance, and resampling adds the noise of the forms once more: all samples
    can lie above the distance they were drawn for. What they are off by is their bias, and is taken off
    (Efron & Tibshirani 1993, chapter 10).

    Args:
        samples: Bootstrap values.
        value: That of all forms.
    """
    with np.errstate(invalid="ignore"):
        return interval_of(samples - (np.median(samples) - value))


def loss_interval(samples: Float[np.ndarray, " sample"], loss: float) -> tuple[float, float]:
    """`interval_around` for a loss, which is not below 0."""
    low, high = interval_around(samples, loss)
    return max(0.0, low), high
