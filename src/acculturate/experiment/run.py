"""An experiment from its file to its report: missing cells are run, then everything is made from the cells.

In: an experiment and a directory. Out: the same directory, complete but for cells that failed twice. One
process writes to it at a time; kill -9 at any moment costs a generation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path

import tomli_w

from acculturate.arguments import checked
from acculturate.experiment.plan import Experiment
from acculturate.experiment.prepared import Cell, PreparedExperiment, prepare
from acculturate.experiment.ray_workers import RayOptions, ray_workers
from acculturate.experiment.report import Published, publish
from acculturate.experiment.settings_search import search_settings
from acculturate.experiment.worker import (
    CellFailure,
    CellWorker,
    Execute,
    Job,
    ProgressListener,
    is_complete,
    lacks_checks,
)
from acculturate.io import json_text, write_text
from acculturate.model.answers import AnswerModel
from acculturate.runs import open_directory

_PLAN = "experiment.toml"
_FAILURES = "failures.json"


class _SilentListener(ProgressListener):
    """A listener that shows nothing."""


@checked
def run_experiment(
    experiment: Experiment | PreparedExperiment,
    out: str | Path,
    *,
    load: Callable[[], AnswerModel] | None = None,
    ray: RayOptions | None = None,
    listener: ProgressListener | None = None,
    command: str = "",
) -> Published:
    """Run what is missing of an experiment and make its tables, figures and report.

    Args:
        experiment: As `load_experiment` read it, or prepared already.
        out: Its directory: new, or with this very experiment in it.
        load: Returns the model, where a cell has to run; by the name in the file if None.
        ray: Ray workers to run cells in; None runs them here, one after the other.
        listener: Receives the progress of cells.
        command: The command line, for the record.

    Returns:
        Where everything is and what it says. Cells that failed twice are named in it and stop nothing.

    Raises:
        UsageError: Something cannot be run, or the directory holds another experiment.
        FailureError: The disk is full, or a file is damaged.
        KeyboardInterrupt: Ctrl-C; the same call goes on.
    """
    prepared = prepare(experiment) if isinstance(experiment, Experiment) else experiment
    plan, folder, heard = prepared.experiment, Path(out), listener or _SilentListener()
    worker = CellWorker(prepared, load or plan.model.load, folder, command)
    failures: dict[Cell, CellFailure] = {}
    settings = tomli_w.dumps(plan.to_dict())
    with open_directory(folder, _PLAN, "experiment", settings):
        try:
            with _executor(worker, ray, heard) as execute:
                run = partial(_run_missing, folder, execute, heard, failures)
                run([(cell, prepared.method(cell)) for cell in prepared.cells])
                trials = search_settings(prepared, folder, run)
        except KeyboardInterrupt:
            publish(prepared, folder, failures)
            raise
        finally:
            _write_failures(folder, failures)
        return publish(prepared, folder, failures, trials)


def _run_missing(
    out: Path,
    execute: Execute,
    listener: ProgressListener,
    failures: dict[Cell, CellFailure],
    jobs: Sequence[Job],
) -> None:
    """Run those of some cells that are not complete, or lack a check, and note the failures."""
    done = (cell for cell, _ in jobs if is_complete(cell, out))
    complete = [cell for cell in done if not lacks_checks(cell, out)]
    for cell in complete:
        listener.on_end(cell, None, True)
    for cell, failure in execute([job for job in jobs if job[0] not in complete]):
        if failure is not None:
            failures[cell] = failure


def _executor(
    worker: CellWorker, ray: RayOptions | None, listener: ProgressListener
) -> AbstractContextManager[Execute]:
    if ray is not None:
        return ray_workers(worker, ray, listener)
    return nullcontext(
        lambda jobs: ((cell, worker.run(cell, method, listener)) for cell, method in jobs)
    )


def _write_failures(out: Path, failures: Mapping[Cell, CellFailure]) -> None:
    """Write the cells that failed, or remove the file of an earlier session."""
    if not failures:
        (out / _FAILURES).unlink(missing_ok=True)
        return
    entries = [{"cell": str(cell.folder), **asdict(why)} for cell, why in failures.items()]
    write_text(out / _FAILURES, json_text({"failed": entries}))
