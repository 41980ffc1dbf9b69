"""Methods against the untouched model, pair by pair, with a correction for how many are compared.

In: measured cells. Out: mean differences with intervals and p-values. A pair is one cell, a country with a
seed, and the untouched model on the very forms of that cell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
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
        pairs: How many.
        better: In how many the method is better.
        mean: Mean difference.
        interval: Its 95% bootstrap interval over pairs; None for fewer than two.
        p: Two-sided p-value of a sign-flip test over pairs; None for fewer than two.
        corrected: The same after Holm's correction for all comparisons of the experiment.
    """

    method: str
    measure: str
    pairs: int
    better: int
    mean: float
    interval: tuple[float, float] | None
    p: float | None
    corrected: float | None


def differences(measured: Sequence[Measured]) -> tuple[Difference, ...]:
    """Every method but the untouched model against it: held-out loss, and each benchmark."""
    pairs: dict[tuple[str, str], list[float]] = {}
    naive_scores: dict[tuple[str, str], Mapping[str, float]] = {
        (one.cell.table, one.cell.country): {k: s.score for k, s in one.benchmarks.items()}
        for one in measured
        if one.cell.method == "naive"
    }
    for one in measured:
        if one.cell.method == "naive":
            continue
        if one.change is not None:
            pairs.setdefault((one.cell.method, LOSS), []).append(one.change)
        before = naive_scores.get((one.cell.table, one.cell.country), {})
        for key, score in one.benchmarks.items():
            if key in before:
                at = one.cell.method, f"benchmark:{key}"
                pairs.setdefault(at, []).append(score.score - before[key])
    found = [_difference(method, measure, found) for (method, measure), found in pairs.items()]
    tested = [one.p for one in found if one.p is not None]
    corrected = iter(holm(tested))
    return tuple(one if one.p is None else replace(one, corrected=next(corrected)) for one in found)


def _difference(method: str, measure: str, found: Sequence[float]) -> Difference:
    values = np.array(found)
    digest = hashlib.sha256(f"{method}\0{measure}".encode()).digest()
    seeds = np.random.SeedSequence(int.from_bytes(digest[:8], "little"))
    resampling, flipping = (np.random.default_rng(seed) for seed in seeds.spawn(2))
    interval = None
    if len(values) > 1:
        columns = [[range(len(values))]]
        interval = interval_of(bootstrap_means(values, columns, SAMPLES, resampling)[:, 0])
    sign = -1 if measure == LOSS else 1
    return Difference(
        method,
        measure,
        len(values),
        int((sign * values > 0).sum()),
        float(values.mean()),
        interval,
        sign_flip_test(values, flipping),
        None,
    )
