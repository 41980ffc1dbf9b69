"""The attained shift: how much of the shift of scores that was wanted is there, and in its direction or not.

In: scores of the untouched and of the tuned model, asked in one way, and the shift that was wanted. Out: an
`AttainedShift`. Constants of a survey and priors of answers cancel, since every way of asking is compared
with its own untouched answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from acculturate.metrics.content import Content
from acculturate.metrics.statistics import Interval, Quantity, interval_around
from acculturate.record_files import OptionalInterval, finite

FEWEST_DIMENSIONS = 3
"""The fewest dimensions with a correlation: over two it is always 1 or -1."""
LEAST = 0.1
"""The least share of the wanted shift that is attained on the tuning forms, for a share of it to mean much."""


@dataclass(frozen=True)
class AttainedShift:
    """The shift of scores in one way of asking, against the wanted one.

    Attributes:
        attained: Projection of the shift on the wanted shift, over the squared length of that: 1 is all of
            it, 0 none, below 0 the other way. None where nothing was wanted or a score is not finite.
        interval: Its 95% bootstrap interval over the forms, both models on the same drawn forms; None where
            a form has no other beside it.
        correlation: Pearson's, over the dimensions; None for fewer than three, or shifts that do not vary.
        correlation_interval: Likewise.
        content: Of the untouched model's answers in this way; None where it cannot be estimated.
        counts: False where the coefficient of that is below 0.5: the answers are not about the questions.
    """

    attained: float | None
    interval: OptionalInterval
    correlation: float | None
    correlation_interval: OptionalInterval
    content: Content | None
    counts: bool


def attained_shift(
    shift: Float[np.ndarray, " dimension"],
    samples: Float[np.ndarray, "sample dimension"] | None,
    wanted: Float[np.ndarray, " dimension"],
    content: Content | None,
) -> AttainedShift:
    """Compare a shift of scores with the wanted one.

    Args:
        shift: Tuned minus untouched scores.
        samples: The same over bootstrap samples of the forms, or None.
        wanted: Target minus untouched scores on all tuning forms; taken as given, not as a sample.
        content: Of the untouched answers, or None.
    """
    attained, interval = _estimate(projections, shift, samples, wanted)
    correlation, ends = _estimate(correlations, shift, samples, wanted)
    return AttainedShift(
        attained=attained,
        interval=interval,
        correlation=correlation,
        correlation_interval=ends and (max(ends[0], -1.0), min(ends[1], 1.0)),
        content=content,
        counts=content is None or content.enough,
    )


_Samples = Sequence[float] | Float[np.ndarray, " sample"]


def carry_over(
    elsewhere: AttainedShift | None,
    tuning: AttainedShift | None,
    samples: tuple[_Samples, _Samples] = ((), ()),
) -> Quantity | None:
    """Return the share of the shift attained on the tuning forms that is attained elsewhere.

    The interval is that of the ratio over pairs of bootstrap samples, every one of either with every one of the
    other, as the forms of both are drawn independently.

    Args:
        elsewhere: The shift on other forms.
        tuning: The shift on the tuning forms.
        samples: Bootstrap samples of the attained shift on both; where one is empty there is no interval.

    Returns:
        None where one of the two is missing or does not count, or where the shift on the tuning forms is below
        a tenth of the wanted one or cannot be told from none.
    """
    if elsewhere is None or tuning is None or not (elsewhere.counts and tuning.counts):
        return None
    if elsewhere.attained is None or tuning.attained is None or tuning.attained < LEAST:
        return None
    if tuning.interval is not None and tuning.interval[0] <= 0:
        return None
    value, (numerators, denominators) = elsewhere.attained / tuning.attained, map(np.array, samples)
    if not (numerators.size and denominators.size):
        return Quantity(value, None)
    return Quantity(value, interval_around((numerators[:, None] / denominators).ravel(), value))


_Statistic = Callable[
    [Float[np.ndarray, "sample dimension"], Float[np.ndarray, " dimension"]],
    Float[np.ndarray, " sample"],
]


def _estimate(
    statistic: _Statistic,
    shift: Float[np.ndarray, " dimension"],
    samples: Float[np.ndarray, "sample dimension"] | None,
    wanted: Float[np.ndarray, " dimension"],
) -> tuple[float | None, Interval | None]:
    """Return a statistic of a shift, and its interval over samples that have one; None where undefined."""
    value = finite(float(statistic(shift[None], wanted)[0]))
    if value is None or samples is None:
        return value, None
    drawn = statistic(samples, wanted)
    return value, interval_around(drawn[np.isfinite(drawn)], value)


def projections(
    shifts: Float[np.ndarray, "sample dimension"], wanted: Float[np.ndarray, " dimension"]
) -> Float[np.ndarray, " sample"]:
    """Return projections on a vector, as shares of its length; NaN where it is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return shifts @ wanted / (wanted @ wanted)


def correlations(
    shifts: Float[np.ndarray, "sample dimension"], wanted: Float[np.ndarray, " dimension"]
) -> Float[np.ndarray, " sample"]:
    """Return Pearson correlations over dimensions; NaN for fewer than three, or where one is constant."""
    if len(wanted) < FEWEST_DIMENSIONS:
        return np.full(len(shifts), np.nan)
    rows, column = (each - each.mean(axis=-1, keepdims=True) for each in (shifts, wanted))
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(column)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(lengths > 1e-9, rows @ column / lengths, np.nan)
