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


_EXACT = 14
_FLIPS = 10_000


def sign_flip_test(
    differences: Float[np.ndarray, " pair"], rng: np.random.Generator
) -> float | None:
    """Two-sided p-value of a mean difference: as likely with its sign as with the other one?

    R. A. Fisher (1935), The Design of Experiments, section 21. With up to 14 pairs all signs are tried, with
    more 10,000 are drawn, the observed ones among them. With n pairs it cannot fall below 2 / 2**n.

    Args:
        differences: One a pair.
        rng: Draws signs.

    Returns:
        None for fewer than two pairs.
    """
    count = len(differences)
    if count < 2:
        return None
    if count <= _EXACT:
        bits = np.arange(2**count)[:, None] >> np.arange(count)
        signs = 1.0 - 2.0 * (bits & 1)
    else:
        signs = rng.choice([-1.0, 1.0], size=(_FLIPS, count))
        signs[0] = 1.0
    observed = abs(differences.sum())
    # A hair below, so that the same sum in another order counts as the same.
    return float((np.abs(signs @ differences) >= observed * (1 - 1e-12)).mean())


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """P-values corrected for how many there are.

    S. Holm (1979), A simple sequentially rejective multiple test procedure: the smallest is multiplied by
    their number, the next by one less, and none comes out smaller than one before it.
    """
    order = np.argsort(np.array(p_values), kind="stable")
    left = len(p_values) - np.arange(len(p_values))
    corrected = np.empty(len(p_values))
    corrected[order] = (
        np.minimum(1.0, np.maximum.accumulate(np.array(p_values)[order] * left))
        if len(p_values)
        else []
    )
    return tuple(float(p) for p in corrected)
