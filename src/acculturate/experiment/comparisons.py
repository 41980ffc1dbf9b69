"""Methods against the untouched model, pair by pair, with a correction for the number of comparisons.

In: measured cells. Out: mean differences with intervals and p-values. A pair is a cell, a country with a seed,
and the untouched model on the very forms of that cell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from acculturate.experiment.results import Measured
from acculturate.metrics import bootstrap_means, holm, interval_of, sign_flip_test

SAMPLES = 10_000
LOSS = "held_out_loss"


@dataclass(frozen=True)
class Difference:
    """A method minus the untouched model.

    Attributes:
        method: Label of the method.
        measure: `LOSS`, where below 0 is better, or "benchmark:KEY", where above 0 is better.
        pairs: Number of pairs.
        better: Pairs in which the method is better.
        mean: Mean difference.
        p: Two-sided p-value of a sign-flip test over pairs; None for fewer than two.
        corrected: The same after Holm's correction for all comparisons of the experiment.
        low: Lower end of its 95% bootstrap interval over pairs; None for fewer than two.
        high: Upper end.
    """

    method: str
    measure: str
    pairs: int
    better: int
    mean: float
    p: float | None
    corrected: float | None
    low: float | None
    high: float | None


def differences(measured: Sequence[Measured]) -> tuple[Difference, ...]:
    """Compare every method with the untouched model: held-out loss, and each benchmark."""
    pairs: dict[tuple[str, str], list[float]] = {}
    untouched = {
        cell.cell.place: cell.benchmarks for cell in measured if cell.cell.method == "naive"
    }
    for cell in measured:
        if cell.cell.method == "naive":
            continue
        if cell.change is not None:
            pairs.setdefault((cell.cell.method, LOSS), []).append(cell.change)
        before = untouched.get(cell.cell.place, {})
        for key in (key for key in cell.benchmarks if key in before):
            change = cell.benchmarks[key].score - before[key].score
            pairs.setdefault((cell.cell.method, f"benchmark:{key}"), []).append(change)
    compared = [_difference(method, measure, each) for (method, measure), each in pairs.items()]
    corrected = iter(holm([each.p for each in compared if each.p is not None]))
    return tuple(
        each if each.p is None else replace(each, corrected=next(corrected)) for each in compared
    )


def _difference(method: str, measure: str, changes: Sequence[float]) -> Difference:
    values = np.array(changes)
    digest = hashlib.sha256(f"{method}\0{measure}".encode()).digest()
    seeds = np.random.SeedSequence(int.from_bytes(digest[:8], "little"))
    resampling, flipping = (np.random.default_rng(seed) for seed in seeds.spawn(2))
    low = high = None
    if len(values) > 1:
        columns = [[range(len(values))]]
        low, high = interval_of(bootstrap_means(values, columns, SAMPLES, resampling)[:, 0])
    return Difference(
        method,
        measure,
        pairs=len(values),
        better=int(((-values if measure == LOSS else values) > 0).sum()),
        mean=float(values.mean()),
        p=sign_flip_test(values, flipping),
        corrected=None,
        low=low,
        high=high,
    )
