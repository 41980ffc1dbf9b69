"""What the cells of an experiment hold, as one tidy table: a row a cell and measure.

In: complete cells. Out: `Measured`, one a method, country and seed, and `TidyRow`s, written as CSV and Parquet.
Times are left out: they are no result, and would differ from one run to the next.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from acculturate.experiment.benchmarks import Score, read_scores
from acculturate.experiment.prepared import BASELINE_CELL, Cell
from acculturate.experiment.robustness import Robustness
from acculturate.experiment.worker import LINES, SUMMARY, checks_folder, is_complete
from acculturate.io import write_bytes, write_text
from acculturate.runs.checks import NO_CHECKS, Checks, read_checks
from acculturate.runs.reader import read_run, read_summary
from acculturate.runs.records import Evaluation, Method, Outcome, Run

Interval = tuple[float, float]


@dataclass(frozen=True)
class TidyRow:
    """One number.

    Attributes:
        experiment: Its name.
        table: Key of the country table.
        country: The target.
        method: Label of the method.
        seed: None where nothing is random.
        measure: What was measured; docs/experiments.md lists them.
        value: The number.
        low: Lower end of its 95% interval, or None.
        high: Upper end.
        source: The file it was read from, in the experiment's directory.
    """

    experiment: str
    table: str
    country: str
    method: str
    seed: int | None
    measure: str
    value: float
    low: float | None
    high: float | None
    source: str


@dataclass(frozen=True)
class Measured:
    """A method towards one country, with one seed.

    Attributes:
        cell: The cell; of a baseline without a seed, its method the baseline's own name.
        row: Its row of the result table.
        naive: The untouched model's row on the same forms.
        evaluation: The whole result table.
        run: The run, or None where nothing was searched.
        elsewhere: What it was asked in other ways.
        benchmarks: Scores by benchmark.
        source: The file its row was read from, in the experiment's directory.
    """

    cell: Cell
    row: Method
    naive: Method | None
    evaluation: Evaluation
    run: Run | None
    elsewhere: Robustness
    benchmarks: Mapping[str, Score]
    source: Path

    @property
    def held_out(self) -> float | None:
        """Loss on the held-out forms."""
        return self.row.held_out.loss if self.row.held_out else None

    @property
    def tuning(self) -> float | None:
        """Loss on the tuning forms."""
        return self.row.tuning.loss if self.row.tuning else None

    @property
    def change(self) -> float | None:
        """Held-out loss minus the untouched model's on the same forms; below 0 is nearer."""
        before = self.naive.held_out.loss if self.naive and self.naive.held_out else None
        return None if before is None or self.held_out is None else self.held_out - before


def collect(out: Path, cells: Sequence[Cell], baselines: Sequence[str]) -> tuple[Measured, ...]:
    """Reads the cells that are complete.

    Args:
        out: The experiment's directory.
        cells: All cells.
        baselines: Which methods of a cell of baselines are wanted.

    Raises:
        FailureError: A file is damaged.
    """
    found: list[Measured] = []
    checked: dict[tuple[str, str], Checks] = {}
    known: dict[tuple[str, str], dict[str, dict[str, Score]]] = {}
    for cell in cells:
        if cell.method != BASELINE_CELL and is_complete(cell, out):
            found.append(_tuned(cell, out))
            run = found[-1].run
            if run is not None and run.checks.rows:
                checked.setdefault((cell.table, cell.country), run.checks)
            by_method = known.setdefault((cell.table, cell.country), {})
            for score in read_scores(out / cell.folder):
                by_method.setdefault(score.method, {}).setdefault(score.benchmark, score)
    still = [c for c in cells if c.method == BASELINE_CELL and is_complete(c, out)]
    for cell in still:
        source = cell.folder / SUMMARY
        evaluation = read_summary(out / source)
        scores = known.get((cell.table, cell.country), {})
        naive = evaluation.method("naive")
        asked = {line: read_checks(out / checks_folder(cell, line)) for line in LINES}
        # Everything that was asked was compared with the untouched model.
        shared = (*asked.values(), checked.get((cell.table, cell.country), NO_CHECKS))
        untouched = Robustness(next((c for c in shared if c.rows), NO_CHECKS), naive=True)
        for name in baselines:
            row = evaluation.method(name)
            if row is not None:
                own = Cell(cell.table, cell.country, name)
                theirs = scores.get(name, {})
                beside = Robustness(asked.get(name, NO_CHECKS)) if name != "naive" else untouched
                found.append(Measured(own, row, naive, evaluation, None, beside, theirs, source))
    order = {
        (cell.table, cell.country): place
        for place, cell in enumerate({(c.table, c.country): c for c in cells}.values())
    }
    first = {name: place for place, name in enumerate(baselines)}
    place = {cell: number for number, cell in enumerate(cells)}

    def key(one: Measured) -> tuple[int, int]:
        where = order[one.cell.table, one.cell.country]
        return where, first.get(one.cell.method, len(first) + place.get(one.cell, 0))

    return tuple(sorted(found, key=key))


def rows(experiment: str, measured: Sequence[Measured], out: Path) -> tuple[TidyRow, ...]:
    """The tidy table."""
    made: list[TidyRow] = []
    for one in measured:
        cell = one.cell
        for measure, value, interval, source in _numbers(one, out):
            if value is not None and math.isfinite(value):
                low, high = interval or (None, None)
                where = cell.table, cell.country, cell.method, cell.seed
                made.append(
                    TidyRow(experiment, *where, measure, value, low, high, source.as_posix())
                )
    return tuple(made)


def write_rows(found: Sequence[TidyRow], out: Path) -> None:
    """Writes results.csv, and results.parquet where pyarrow is installed.

    Raises:
        FailureError: A file cannot be written.
    """
    names = [field.name for field in fields(TidyRow)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(["" if v is None else v for v in astuple(row)] for row in found)
    write_text(out / "results.csv", text.getvalue())
    if find_spec("pyarrow") is not None:
        write_bytes(out / "results.parquet", _parquet(found, names))


def _parquet(found: Sequence[TidyRow], names: Sequence[str]) -> bytes:
    import pyarrow as pa  # pyright: ignore[reportMissingImports]
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingImports]

    kinds: dict[str, Any] = {"seed": pa.int64()}
    kinds |= dict.fromkeys(("value", "low", "high"), pa.float64())
    columns = {
        name: pa.array([getattr(row, name) for row in found], kinds.get(name, pa.string()))
        for name in names
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _tuned(cell: Cell, out: Path) -> Measured:
    run = read_run(out / cell.folder)
    assert run.evaluation is not None
    row = run.evaluation.method("tuned")
    assert row is not None
    scores = {s.benchmark: s for s in read_scores(run.path) if s.method == "tuned"}
    source = cell.folder / "evaluation" / "summary.json"
    naive = run.evaluation.method("naive")
    return Measured(cell, row, naive, run.evaluation, run, Robustness(run.checks), scores, source)


def _numbers(one: Measured, out: Path) -> Iterator[tuple[str, float | None, Interval | None, Path]]:
    row, source = one.row, one.source
    yield "tuning_loss", one.tuning, _interval(row.tuning), source
    yield "held_out_loss", one.held_out, _interval(row.held_out), source
    if one.naive is not None:
        for name, outcome in (("tuning", one.naive.tuning), ("held_out", one.naive.held_out)):
            loss = outcome.loss if outcome else None
            yield f"naive_{name}_loss", loss, _interval(outcome), source
    for name in ("divergence", "perplexity", "held_out_divergence", "held_out_perplexity"):
        yield name, getattr(row, name), None, source
    for name, outcome in (("tuning", row.tuning), ("held_out", row.held_out)):
        if outcome is not None:
            yield f"{name}_valid_mass", outcome.valid_mass, None, source
            for key, score in outcome.scores.items():
                yield f"{name}_score:{key}", score, outcome.intervals.get(key), source
    for key, score in one.evaluation.target.items():
        yield f"target:{key}", score, None, source
    if row.evaluations is not None:
        yield "evaluations", float(row.evaluations), None, source
    for key, score in one.benchmarks.items():
        yield f"benchmark:{key}", score.score, score.interval, score.source.relative_to(out)
    yield from _elsewhere(one)


def _interval(outcome: Outcome | None) -> Interval | None:
    return None if outcome is None else outcome.interval


def _elsewhere(one: Measured) -> Iterator[tuple[str, float | None, Interval | None, Path]]:
    """What it was asked in other ways; of the untouched model the losses stand beside every run."""
    folder = one.cell.folder / "evaluation"
    if one.run is None:
        folder = checks_folder(replace(one.cell, method=BASELINE_CELL), one.cell.method)
    if one.elsewhere.naive:
        return
    for check in one.elsewhere.checks.rows:
        asked = folder / "held_out.json"
        yield f"asked:{check.key}:loss", check.tuned.loss, check.tuned.interval, asked
        yield f"asked:{check.key}:naive_loss", check.naive.loss, check.naive.interval, asked
        yield f"asked:{check.key}:gain", check.gain, check.gain_interval, asked
    for survey in one.elsewhere.checks.surveys:
        asked, key = folder / "other_surveys.json", survey.instrument
        yield f"survey:{key}:loss", survey.tuned.loss, survey.tuned.interval, asked
        yield f"survey:{key}:naive_loss", survey.naive.loss, survey.naive.interval, asked
        yield f"survey:{key}:gain", survey.gain, survey.gain_interval, asked
    if one.elsewhere.rank is not None:
        yield "rank", float(one.elsewhere.rank), None, folder / "specificity.json"
