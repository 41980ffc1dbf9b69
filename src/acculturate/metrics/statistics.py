"""Bootstrap samples, intervals and tests; knows no survey.

In: values, and which of them belong together. Out: weights of bootstrap samples, percentile intervals,
p-values. Scores, losses and ratios of a sample are weighted means over its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from acculturate.record_files import Interval, NanIfNull, OptionalInterval


@dataclass(frozen=True)
class Quantity:
    """A number and its 95% bootstrap interval; None where it has none, as over one text alone."""

    value: NanIfNull
    interval: OptionalInterval


def bootstrap_weights(
    strata: Sequence[Sequence[int]], samples: int, rng: np.random.Generator
) -> Float[np.ndarray, "sample member"]:
    """Draw bootstrap samples: every stratum's members are drawn anew with replacement.

    B. Efron, R. Tibshirani (1993), An Introduction to the Bootstrap, chapter 8 (several samples). Of n
    members n - 1 are drawn, which gives the mean the variance that n - 1 in the denominator gives it
    (J. N. K. Rao, C. F. J. Wu 1988, Resampling inference with complex survey data); with the two forms that
    an item often has in an order, drawing two would halve it.

    Args:
        strata: Indices of the members of each stratum, which together count from 0; none is empty.
        samples: Their number.
        rng: Draws them.

    Returns:
        How much each member weighs in each sample; the weights of a stratum sum to 1.
    """
    weights = np.zeros((samples, sum(map(len, strata))))
    rows = np.arange(samples)[:, None]
    for members in strata:
        size = max(1, len(members) - 1)
        np.add.at(weights, (rows, rng.choice(members, size=(samples, size))), 1 / size)
    return weights


def bootstrap_means(
    values: Float[np.ndarray, " member"],
    columns: Sequence[Sequence[Sequence[int]]],
    samples: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "sample column"]:
    """Return bootstrap means of several columns, such as the items of a survey.

    Args:
        values: One value a member.
        columns: The strata of each column; each counts by its size. A column without any has NaN.
        samples: Bootstrap samples.
        rng: Draws them.
    """
    weights = bootstrap_weights([members for strata in columns for members in strata], samples, rng)
    means = np.full((samples, len(columns)), np.nan)
    for column, strata in enumerate(columns):
        members = [index for stratum in strata for index in stratum]
        if members:
            sizes = np.array([len(stratum) for stratum in strata for _ in stratum])
            counted = values[members] * (sizes * len(strata) / len(members))
            means[:, column] = weights[:, members] @ counted / len(strata)
    return means


def weighted_means(
    weights: Float[np.ndarray, "sample member"], values: Float[np.ndarray, "member column"]
) -> Float[np.ndarray, "sample column"]:
    """Return the weighted means of the values that are not NaN; NaN in a sample that has none of them."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ np.where(known, values, 0.0)) / (weights @ known.astype(np.float64))


def percentile_interval(
    samples: Float[np.ndarray, "sample column"], level: float = 0.95
) -> Float[np.ndarray, "column 2"]:
    """Return the percentile interval of each column."""
    tail = (1 - level) / 2
    return np.quantile(samples, [tail, 1 - tail], axis=0).T


def interval_of(samples: Float[np.ndarray, " sample"]) -> Interval:
    """Return the 95% percentile interval of one quantity."""
    with np.errstate(invalid="ignore"):  # between infinite losses of answers that are not finite
        low, high = percentile_interval(samples[:, None])[0]
    return float(low), float(high)


def interval_around(samples: Float[np.ndarray, " sample"], value: float) -> Interval:
    """Return the 95% interval of a value made of absolute values, the samples' median moved onto it.

    Noise in scores raises a distance, and resampling adds the noise of the forms once more: all samples
    can lie above the distance they were drawn for. What they are off by is their bias, and is taken off
    (Efron & Tibshirani 1993, chapter 10).

    Args:
        samples: Bootstrap values.
        value: That of all forms.
    """
    with np.errstate(invalid="ignore"):
        return interval_of(samples - (np.median(samples) - value))


def loss_interval(samples: Float[np.ndarray, " sample"], loss: float) -> Interval:
    """Return `interval_around` for a loss, which is not below 0."""
    low, high = interval_around(samples, loss)
    return max(0.0, low), high


def sign_flip_test(
    differences: Float[np.ndarray, " pair"], rng: np.random.Generator
) -> float | None:
    """Return the two-sided p-value of a mean difference, as likely with its sign as with the other one.

    R. A. Fisher (1935), The Design of Experiments, section 21. With up to 14 pairs all signs are tried, with
    more as many are drawn. With n pairs it cannot fall below 2 / 2**n.

    Args:
        differences: One a pair.
        rng: Draws signs.

    Returns:
        None for fewer than two pairs.
    """
    if len(differences) < 2:
        return None
    from scipy.stats import permutation_test

    tested = permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=2**14, rng=rng
    )
    return float(tested.pvalue)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values corrected for how many there are.

    S. Holm (1979), A simple sequentially rejective multiple test procedure: the smallest is multiplied by
    their number, the next by one less, and none comes out smaller than one before it.
    """
    p = np.array(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return tuple(corrected.tolist())
