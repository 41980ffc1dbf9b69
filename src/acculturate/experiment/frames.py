"""Results of runs and experiments as a pandas data frame, in the columns of the tidy table.

In: directories. Out: one row a measure.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acculturate.arguments import checked
from acculturate.errors import UsageError
from acculturate.experiment.plan import PLAN
from acculturate.experiment.prepared import Cell
from acculturate.experiment.results import (
    COLUMNS,
    NUMBERS,
    RESULTS,
    Measured,
    benchmark_scores,
    numbers_of,
)
from acculturate.record_files import read_text
from acculturate.runs import SUMMARY, Checks, RunRecords, read_run
from acculturate.tables import data_frame


@dataclass(frozen=True)
class _RunOfItsOwn(Cell):
    """A run that is no cell of an experiment."""

    directory: Path = Path()

    @property
    def folder(self) -> Path:
        """See `Cell.folder`."""
        return self.directory


@checked
def results(paths: str | Path | Sequence[str | Path]) -> Any:
    """Return the results of runs and experiments as a pandas data frame, a row a measure.

    Its columns are those of an experiment's results.csv (docs/experiments.md). The methods of a run are the
    rows of its result table: "tuned", "naive" for the untouched model, and the baselines.

    Args:
        paths: A directory of a finished run or of an experiment, or several of them.

    Raises:
        UsageError: There is no result in a directory yet, or pandas is not installed.
        FailureError: A file is damaged.
    """
    several = (paths,) if isinstance(paths, str | Path) else paths
    return data_frame(COLUMNS, [row for path in several for row in _rows(Path(path))])


def _rows(path: Path) -> Iterator[tuple[Any, ...]]:
    if not (path / PLAN).is_file():
        yield from _rows_of_run(read_run(path))
        return
    if not (path / RESULTS).is_file():
        raise UsageError(
            f"the experiment in {path} has no {RESULTS} yet", "Wait for its end, or start it again."
        )
    for row in csv.DictReader(io.StringIO(read_text(path / RESULTS))):
        values: dict[str, Any] = {key: text or None for key, text in row.items()}
        values |= {key: float(row[key]) for key in NUMBERS if row[key]}
        values["seed"] = int(row["seed"]) if row["seed"] else None
        values["source"] = str(path / row["source"])
        yield tuple(values.get(name) for name in COLUMNS)


def _rows_of_run(run: RunRecords) -> Iterator[tuple[Any, ...]]:
    if run.evaluation is None:
        raise UsageError(
            f"the run in {run.path} has no result yet",
            "Repeat its tune command with --resume first.",
        )
    seed = next((int(each.value) for each in run.config.settings if each.key == "seed"), None)
    target, source = run.evaluation.target, run.path / SUMMARY
    for row in run.evaluation.rows:
        tuned = row.method == "tuned"
        checks = run.checks if tuned else Checks()
        cell = _RunOfItsOwn(target.table, target.country, row.method, seed, directory=run.path)
        naive, own = run.method("naive"), run if tuned else None
        scores = benchmark_scores({cell: run}, row.method)
        measured = Measured(cell, row, naive, run.evaluation, own, checks, scores, source)
        where = run.name, run.config.model.name, *cell.place, row.method, seed
        yield from ((*where, *number) for number in numbers_of(measured))
