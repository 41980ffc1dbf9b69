"""Everything that the cells of an experiment hold, as one tidy table: a row a cell and measure.

In: complete cells. Out: a `Measured` for each method, country and seed, and rows as CSV and Parquet. Times
are no result and differ from one run to the next: they are in a file of their own.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from acculturate.errors import FailureError
from acculturate.experiment.plan import Experiment
from acculturate.experiment.prepared import BASELINE_CELL, Cell, Origin
from acculturate.experiment.worker import SUMMARY, checks_folder, is_complete
from acculturate.io import write_bytes, write_text
from acculturate.metrics import AttainedShift, Interval, Quantity, State
from acculturate.record_files import MEND, read_record
from acculturate.runs import SUMMARY as RESULT_TABLE
from acculturate.runs import (
    Checks,
    Evaluation,
    Method,
    RunRecords,
    read_checks,
    read_run,
)
from acculturate.tables import csv_text

T = TypeVar("T")
K = TypeVar("K")


COLUMNS = (
    *("experiment", "model", "table", "country", "method", "seed"),
    *("measure", "value", "low", "high", "source"),
)
"""Columns of the tidy table; docs/experiments.md says what they hold."""
NUMBERS = ("value", "low", "high")
"""Those that are numbers."""
RESULTS = "results.csv"
"""File of the tidy table."""


@dataclass(frozen=True)
class Score:
    """A score in a benchmark: a share of right answers, or a similarity.

    Attributes:
        score: The number.
        similarity: Whether it is a similarity of opinions.
        interval: Its interval, or None.
        source: The file it was read from, in the experiment's directory.
    """

    score: float
    similarity: bool
    interval: Interval | None
    source: Path


@dataclass(frozen=True)
class Measured:
    """A method towards one country, with one seed.

    Attributes:
        cell: The cell; that of a baseline has the baseline's name as its method.
        row: Its row of the result table.
        naive: The untouched model's row on the same forms.
        evaluation: The whole result table.
        run: The run, or None where nothing was searched.
        checks: Other ways in which it was asked.
        benchmarks: Scores by benchmark.
        source: The file its row was read from, in the experiment's directory.
    """

    cell: Cell
    row: Method
    naive: Method | None
    evaluation: Evaluation
    run: RunRecords | None
    checks: Checks
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

    @property
    def ways(self) -> dict[str, State]:
        """Results in other ways of asking, by key."""
        return {row.key: self._own(row.naive, row.tuned) for row in self.checks.rows}

    @property
    def surveys(self) -> dict[str, State]:
        """Results on other questionnaires, by key."""
        return {s.instrument: self._own(s.naive, s.tuned) for s in self.checks.surveys}

    def shift(self, key: str) -> AttainedShift | None:
        """Return the shift attained in a way of asking, or on another questionnaire, where it counts."""
        asked = {row.key: row.shift for row in self.checks.rows}
        shift = (asked | {each.instrument: each.shift for each in self.checks.surveys}).get(key)
        return shift if shift and shift.counts and self.cell.method != "naive" else None

    @property
    def carry_over(self) -> Quantity | None:
        """Share of the shift attained on the tuning forms that is attained on the held-out ones."""
        share, interval = self.checks.carry_over, self.checks.carry_over_interval
        return None if self.cell.method == "naive" or share is None else Quantity(share, interval)

    @property
    def rank(self) -> int | None:
        """Rank of the target among the countries of its table, on held-out forms."""
        ranked = self.checks.specificity
        return None if ranked is None else self._own(ranked.naive, ranked.tuned).rank

    def _own(self, naive: T, tuned: T) -> T:
        """Return the part of a comparison with the untouched model that is about this method."""
        return naive if self.cell.method == "naive" else tuned

    def evaluations_to(self, goal: float) -> int | None:
        """Return the evaluations until the best loss, within the limits, was at most a goal."""
        history = self.run.history if self.run else ()
        reached = (
            generation.evaluations
            for generation in history
            if generation.best_loss is not None
            and generation.best_violation == 0
            and generation.best_loss <= goal
        )
        return next(reached, None)


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Return items by their key, in the order of their first ones."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def place_names(cells: Iterable[Cell]) -> dict[tuple[str, str], str]:
    """Return the name of every place: the country, with its table where there are several."""
    places = dict.fromkeys(cell.place for cell in cells)
    several = len({table for table, _ in places}) > 1
    return {at: f"{at[1]} ({at[0]})" if several else at[1] for at in places}


def collect(out: Path, cells: Sequence[Cell], baselines: Sequence[str]) -> tuple[Measured, ...]:
    """Read the cells that are complete, country by country.

    Args:
        out: The experiment's directory.
        cells: All cells.
        baselines: Wanted methods of a cell of baselines.

    Raises:
        FailureError: A file is damaged.
    """
    places = list(dict.fromkeys(cell.place for cell in cells))
    ordered = sorted(cells, key=lambda cell: places.index(cell.place))
    complete = [cell for cell in ordered if is_complete(cell, out)]
    runs = {c: read_run(out / c.folder) for c in complete if c.method != BASELINE_CELL}
    measured: list[Measured] = []
    for cell in complete:
        if cell.method == BASELINE_CELL:
            beside = {other: run for other, run in runs.items() if other.origin == cell.origin}
            measured += _baselines(out, cell, baselines, beside)
        else:
            measured.append(_tuned(cell, runs[cell]))
    return tuple(measured)


def _tuned(cell: Cell, run: RunRecords) -> Measured:
    row, naive, source = run.method("tuned"), run.method("naive"), cell.folder / RESULT_TABLE
    if run.evaluation is None or row is None or not run.history:
        raise FailureError(f"{run.path} lacks the tuned row of its summary, or its history", MEND)
    scores = benchmark_scores({cell: run}, "tuned")
    return Measured(cell, row, naive, run.evaluation, run, run.checks, scores, source)


def _baselines(
    out: Path, cell: Cell, baselines: Sequence[str], runs: Mapping[Cell, RunRecords]
) -> Iterator[Measured]:
    """Yield the baselines of a country; benchmarks asked them beside the runs towards it."""
    source = cell.folder / SUMMARY
    evaluation = read_record(Evaluation, out / source)
    naive = evaluation.method("naive")
    checks = {name: read_checks(out / checks_folder(cell, name)) for name in baselines}
    # Everything was compared with the untouched model, whose results stand in any of the files.
    everything = (*checks.values(), *(run.checks for run in runs.values()))
    checks["naive"] = next((each for each in everything if each.rows), Checks())
    for name in baselines:
        row = evaluation.method(name)
        if row is not None:
            own, known = replace(cell, method=name), checks.get(name, Checks())
            yield Measured(
                own, row, naive, evaluation, None, known, benchmark_scores(runs, name), source
            )


def benchmark_scores(runs: Mapping[Cell, RunRecords], method: str) -> dict[str, Score]:
    """Return a method's scores in the benchmarks of some runs; where several have one, the first's."""
    scores: dict[str, Score] = {}
    for cell, run in runs.items():
        for result in run.checks.benchmarks:
            file = cell.folder / "evaluation" / "benchmarks" / f"{result.benchmark}.json"
            for row in result.rows:
                if row.method == method and math.isfinite(row.score):
                    ends = (row.low, row.high) if math.isfinite(row.low + row.high) else None
                    score = Score(row.score, result.kind == "opinions", ends, file)
                    scores.setdefault(result.benchmark, score)
    return scores


def write_results(experiment: Experiment, measured: Sequence[Measured], out: Path) -> None:
    """Write results.csv, results.parquet where pyarrow is installed, and times.csv.

    Raises:
        FailureError: A file cannot be written.
    """
    goals = _goals(experiment.goal, measured)
    results: list[tuple[Any, ...]] = []
    times: list[tuple[Any, ...]] = []
    for result in measured:
        cell = result.cell
        model = (cell.model or experiment.every_model[0]).label
        where = experiment.name, model, *cell.place, cell.method, cell.seed
        results += [(*where, *each) for each in numbers_of(result, goals.get(cell.origin))]
        times += [(*where, *each) for each in _times(result)]
    write_text(out / RESULTS, csv_text(COLUMNS, results))
    write_text(out / "times.csv", csv_text(COLUMNS, times))
    if find_spec("pyarrow") is not None:
        write_bytes(out / "results.parquet", _parquet(results))


def _parquet(rows: Sequence[tuple[Any, ...]]) -> bytes:
    import pyarrow as pa  # pyright: ignore[reportMissingImports]
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingImports]

    kinds: dict[str, Any] = {"seed": pa.int64()}
    kinds |= dict.fromkeys(NUMBERS, pa.float64())
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    records = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records, schema), buffer)
    return buffer.getvalue()


Number = tuple[str, float, float | None, float | None, str]
"""Measure, value, both ends of an interval, and the file."""


def _number(
    measure: str, value: float | None, source: Path, interval: Interval | None = None
) -> Iterator[Number]:
    """Yield the number, if it is finite."""
    if value is not None and math.isfinite(value):
        low, high = interval or (None, None)
        yield measure, float(value), low, high, source.as_posix()


def numbers_of(result: Measured, goal: float | None = None) -> Iterator[Number]:
    """Yield a cell's results.

    Args:
        result: The cell.
        goal: The loss to reach, or None.
    """
    row, source, naive = result.row, result.source, result.naive
    outcomes = {"tuning": row.tuning, "held_out": row.held_out}
    losses = outcomes | {f"naive_{name}": getattr(naive, name, None) for name in outcomes}
    for name, outcome in losses.items():
        if outcome is not None:
            yield from _number(f"{name}_loss", outcome.loss, source, outcome.interval)
    for name in ("divergence", "perplexity", "held_out_divergence", "held_out_perplexity"):
        yield from _number(name, getattr(row, name), source)
    for name, outcome in outcomes.items():
        if outcome is not None:
            yield from _number(f"{name}_valid_mass", outcome.valid_mass, source)
            if (content := outcome.content) is not None:
                yield from _number(f"{name}_content", content.coefficient, source, content.interval)
            for key, score in outcome.scores.items():
                interval = outcome.intervals.get(key)
                yield from _number(f"{name}_score:{key}", score, source, interval)
    for key, score in result.evaluation.target.scores.items():
        yield from _number(f"target:{key}", score, source)
    yield from _number("evaluations", row.evaluations, source)
    yield from _number("tokens_in_front", row.tokens, source)
    if goal is not None:
        history = result.cell.folder / "history.jsonl"
        yield from _number("evaluations_to_goal", result.evaluations_to(goal), history)
    for key, score in result.benchmarks.items():
        yield from _number(f"benchmark:{key}", score.score, score.source, score.interval)
    yield from _other_ways(result)


def _other_ways(result: Measured) -> Iterator[Number]:
    """Yield other ways of asking; the untouched model's losses stand beside every run."""
    if result.cell.method == "naive":
        return
    folder = result.cell.folder / "evaluation"
    if result.run is None:
        folder = checks_folder(replace(result.cell, method=BASELINE_CELL), result.cell.method)
    asked = [(f"asked:{row.key}", row, "held_out.json") for row in result.checks.rows]
    asked += [(f"survey:{s.instrument}", s, "other_surveys.json") for s in result.checks.surveys]
    for key, row, file in asked:
        yield from _number(f"{key}:loss", row.tuned.loss, folder / file, row.tuned.interval)
        yield from _number(f"{key}:naive_loss", row.naive.loss, folder / file, row.naive.interval)
        yield from _number(f"{key}:gain", row.gain, folder / file, row.gain_interval)
        if (shift := row.shift) is not None:
            content, ends = shift.content, (shift.interval, shift.correlation_interval)
            yield from _number(f"{key}:attained", shift.attained, folder / file, ends[0])
            yield from _number(f"{key}:correlation", shift.correlation, folder / file, ends[1])
            if content is not None:
                coefficient = content.coefficient, folder / file, content.interval
                yield from _number(f"{key}:content", *coefficient)
    if (carried := result.carry_over) is not None:
        file = folder / "held_out.json"
        yield from _number("carry_over", carried.value, file, carried.interval)
    if (told := result.checks.responsiveness) is not None:
        file = folder / "responsiveness.json"
        yield from _number("responsiveness", told.value, file, told.interval)
    yield from _number("rank", result.rank, folder / "specificity.json")
    for row in result.checks.behaviour.rows if result.checks.behaviour else ():
        if row.method == "tuned" and row.counts and row.towards is not None:
            key = f"behaviour:{row.kind}"
            yield from _number(
                key, row.towards.value, folder / "behaviour.json", row.towards.interval
            )


def _times(result: Measured) -> Iterator[Number]:
    """Yield the seconds of a search, and the median of those that one ask and tell take."""
    if result.run is not None and result.run.done is not None:
        yield from _number("seconds", result.run.done.seconds, result.cell.folder / "DONE.json")
        seconds = float(np.median([each.search_seconds for each in result.run.history]))
        yield from _number("search_seconds", seconds, result.cell.folder / "history.jsonl")


def _goals(goal: str | float | None, measured: Sequence[Measured]) -> Mapping[Origin, float]:
    """Return the loss to reach with each model towards each country: given, or a method's median at its end."""
    goals: dict[Origin, float] = {}
    for origin, here in grouped(measured, lambda result: result.cell.origin).items():
        runs = [result for result in here if result.cell.method == goal]
        losses = [result.tuning for result in runs if result.tuning is not None]
        if isinstance(goal, int | float):
            goals[origin] = goal
        elif losses and all(
            result.run and not result.run.history[-1].best_violation for result in runs
        ):
            goals[origin] = float(np.median(losses))
    return goals
