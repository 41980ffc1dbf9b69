"""Methods against the untouched model, and models against the first one, with a correction for all comparisons.

In: measured cells. Out: mean differences with intervals and p-values. A pair is a cell, a country with a seed,
and the untouched model on the very forms of that cell, or the same cell of the first model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from acculturate.experiment.plan import ModelChoice
from acculturate.experiment.prepared import BASELINE_CELL, PreparedExperiment, name_with
from acculturate.experiment.results import Measured
from acculturate.experiment.worker import UNTOUCHED
from acculturate.metrics import (
    ModelComparison,
    Profile,
    bootstrap_means,
    compare_profiles,
    holm,
    interval_of,
    sign_flip_test,
)
from acculturate.record_files import read_record

SAMPLES = 10_000
LOSS = "held_out_loss"
_Key = tuple[str, str, ModelChoice | None, ModelChoice | None]
"""The method, measure, model and `against` of a difference."""


@dataclass(frozen=True)
class Difference:
    """A method minus the untouched model, or minus the same method with another model.

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
        model: Its model; None where the experiment has one.
        against: The other model; None for a difference from its own untouched model.
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
    model: ModelChoice | None = None
    against: ModelChoice | None = None

    @property
    def name(self) -> str:
        """Its method, with its model where there are several."""
        return name_with(self.model, self.method)


def differences(measured: Sequence[Measured]) -> tuple[Difference, ...]:
    """Compare every method with the untouched model, and every model with the first.

    By their held-out losses, and their scores in each benchmark.
    """
    pairs: dict[_Key, list[float]] = {}
    for key, change in (*_from_untouched(measured), *_from_first_model(measured)):
        pairs.setdefault(key, []).append(change)
    compared = [_difference(key, changes) for key, changes in pairs.items()]
    corrected = iter(holm([each.p for each in compared if each.p is not None]))
    return tuple(
        each if each.p is None else replace(each, corrected=next(corrected)) for each in compared
    )


def untouched_models(prepared: PreparedExperiment, out: Path) -> tuple[ModelComparison, ...]:
    """Compare the untouched models with the first one: their scores on the same held-out forms.

    Raises:
        FailureError: A file is damaged.
    """
    place = prepared.places[0]  # whose target the answers know nothing of
    files = {
        cell.model: out / cell.folder / UNTOUCHED
        for cell in prepared.cells
        if cell.place == place and cell.method == BASELINE_CELL
    }
    known = [
        replace(read_record(Profile, file), model=model.shown)
        for model, file in files.items()
        if model is not None and file.is_file()
    ]
    settings = prepared.shared
    scoring = prepared.task(*place, settings).scoring
    return tuple(
        compare_profiles(known[0], other, prepared.instrument, scoring=scoring, seed=settings.seed)
        for other in known[1:]
    )


def _from_untouched(measured: Sequence[Measured]) -> Iterator[tuple[_Key, float]]:
    untouched = {cell.cell.origin: cell for cell in measured if cell.cell.method == "naive"}
    for cell in measured:
        method, model = cell.cell.method, cell.cell.model
        if method == "naive":
            continue
        if cell.change is not None:
            yield (method, LOSS, model, None), cell.change
        for key, change in _in_benchmarks(cell, untouched.get(cell.cell.origin)):
            yield (method, key, model, None), change


def _from_first_model(measured: Sequence[Measured]) -> Iterator[tuple[_Key, float]]:
    """Yield the changes from the first model; the same answer to everything is the same with all."""
    moving = [cell for cell in measured if cell.cell.method != "constant"]
    first = {
        (cell.cell.place, cell.cell.method, cell.cell.seed): cell
        for cell in moving
        if cell.cell.base == Path()
    }
    for cell in moving:
        before = first.get((cell.cell.place, cell.cell.method, cell.cell.seed))
        if before is None or before is cell:
            continue
        where = cell.cell.model, before.cell.model
        if cell.held_out is not None and before.held_out is not None:
            yield (cell.cell.method, LOSS, *where), cell.held_out - before.held_out
        for key, change in _in_benchmarks(cell, before):
            yield (cell.cell.method, key, *where), change


def _in_benchmarks(cell: Measured, before: Measured | None) -> Iterator[tuple[str, float]]:
    known = before.benchmarks if before else {}
    for key in (key for key in cell.benchmarks if key in known):
        yield f"benchmark:{key}", cell.benchmarks[key].score - known[key].score


def _difference(key: _Key, changes: Sequence[float]) -> Difference:
    method, measure, model, against = key
    values = np.array(changes)
    named = [name_with(model, method), measure, *([against.label] if against else [])]
    digest = hashlib.sha256("\0".join(named).encode()).digest()
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
        model=model,
        against=against,
    )
