"""Several runs together: the losses of each to the targets of all, and the spread over seeds.

In: losses of runs that were evaluated before. Out: a `Confusion`, and intervals with the tuning seed as the
outer level. Knows no model and no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from acculturate.metrics.statistics import Interval, interval_of

SAMPLES = 1000


@dataclass(frozen=True)
class Confusion:
    """Each run's loss to the targets of all runs, on held-out forms.

    Attributes:
        runs: Names of the runs.
        targets: The target of each run.
        columns: The different targets, in the order of the runs.
        losses: A row a run, a column a target; None where the table has no such country.
        nearest: The column that each row is nearest to; None where it has none.
    """

    runs: tuple[str, ...]
    targets: tuple[str, ...]
    columns: tuple[str, ...]
    losses: tuple[tuple[float | None, ...], ...]
    nearest: tuple[str | None, ...]


@dataclass(frozen=True)
class SeedSpread:
    """Runs that differ in their seed.

    Attributes:
        country: Their target.
        over: The units that a run's own samples were drawn over, in words.
        runs: Their names.
        naive: Mean loss of the untouched model.
        tuned: Mean loss of the tuned ones.
        interval: 95% interval of `tuned`: runs drawn with replacement, all in the same bootstrap sample, as
            they share what they were asked; None where a run has no samples.
        least: The least loss of a run.
        most: The largest.
    """

    country: str
    over: str
    runs: tuple[str, ...]
    naive: float
    tuned: float
    interval: Interval | None
    least: float
    most: float


def confusion(
    names: Sequence[str], targets: Sequence[str], losses: Sequence[Mapping[str, float]]
) -> Confusion:
    """Return the confusion matrix of several runs.

    Args:
        names: Of the runs.
        targets: The target of each.
        losses: Of each, the tuned model's loss to every country, all of one table and instrument.
    """
    columns = tuple(dict.fromkeys(targets))
    known = [[(row[name], name) for name in columns if name in row] for row in losses]
    return Confusion(
        tuple(names),
        tuple(targets),
        columns,
        tuple(tuple(row.get(name) for name in columns) for row in losses),
        tuple(min(pairs)[1] if pairs else None for pairs in known),
    )


def seed_spread(
    country: str,
    over: str,
    names: Sequence[str],
    naive: Sequence[float],
    tuned: Sequence[float],
    samples: Sequence[Sequence[float]],
) -> SeedSpread:
    """Summarise the runs of one country.

    Args:
        country: Their target.
        over: The units that the samples were drawn over, in words.
        names: Of the runs, at least one.
        naive: Each one's loss of the untouched model.
        tuned: Each one's loss of the tuned model.
        samples: Each one's bootstrap losses of the tuned model, in the same order of draws where they were
            asked the same; empty where it has none.
    """
    interval: Interval | None = None
    if len(names) > 1 and all(map(len, samples)):
        rng = np.random.default_rng(0)
        arrays = [np.array(values, np.float64) for values in samples]
        # One run fewer than there are, as with forms: see `bootstrap_weights`.
        drawn = rng.integers(len(arrays), size=(SAMPLES, len(arrays) - 1))
        # Drawing forms anew adds noise, and noise adds to a distance: that is not the runs' own spread.
        shared = min(map(len, arrays))
        centred = np.array(
            [
                array[:shared] - array.mean() + loss
                for array, loss in zip(arrays, tuned, strict=True)
            ]
        )
        sample = rng.integers(shared, size=(SAMPLES, 1))
        interval = interval_of(centred[drawn, sample].mean(axis=1))
    means = (float(np.mean(naive)), float(np.mean(tuned)))
    return SeedSpread(country, over, tuple(names), *means, interval, min(tuned), max(tuned))
