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
from typing import Any, cast

import tomli_w

from acculturate.arguments import checked
from acculturate.errors import AcculturateError
from acculturate.experiment.plan import PLAN, Experiment, ModelChoice
from acculturate.experiment.prepared import Cell, PreparedExperiment, prepare
from acculturate.experiment.ray_workers import RayOptions, ray_workers
from acculturate.experiment.report import Published, publish
from acculturate.experiment.settings_search import Trial, search_settings
from acculturate.experiment.worker import (
    CellFailure,
    CellWorker,
    Execute,
    Job,
    ProgressListener,
    check_inputs,
    is_complete,
    lacks_checks,
)
from acculturate.io import json_text, write_text
from acculturate.model.answers import AnswerModel
from acculturate.runs import open_directory

_FAILURES = "failures.json"


class _SilentListener(ProgressListener):
    """A listener that shows nothing."""


@checked
def run_experiment(
    experiment: Experiment | PreparedExperiment,
    out: str | Path,
    *,
    load: Callable[[ModelChoice], AnswerModel] | None = None,
    ray: RayOptions | None = None,
    listener: ProgressListener | None = None,
    command: str = "",
) -> Published:
    """Run what is missing of an experiment and make its tables, figures and report.

    Args:
        experiment: As `load_experiment` read it, or prepared already.
        out: Its directory: new, or with this experiment in it, or with fewer models, seeds, countries or
            methods of it.
        load: Returns a model of the file, where a cell has to run on it; `ModelChoice.load` if None.
        ray: Ray workers to run cells in; None runs them here, one after the other.
        listener: Receives the progress of cells.
        command: The command line, for the record.

    Returns:
        Where everything is and what it says. Cells that failed twice are named in it and stop nothing.

    Raises:
        UsageError: Something cannot be run, or the directory holds another experiment, or cells that were
            made with other scores of a country or another questionnaire.
        FailureError: The disk is full, or a file is damaged.
        KeyboardInterrupt: Ctrl-C; the same call goes on.
    """
    prepared = prepare(experiment) if isinstance(experiment, Experiment) else experiment
    plan, folder, heard = prepared.experiment, Path(out), listener or _SilentListener()
    worker = CellWorker(prepared, load or ModelChoice.load, folder, command)
    failures: dict[Cell, CellFailure] = {}
    trials: list[Trial] = []
    settings = tomli_w.dumps(plan.to_dict())
    additions = partial(_without_additions, prepared)
    with open_directory(folder, PLAN, "experiment", settings, additions):
        try:
            with _executor(worker, ray, heard) as execute:
                run = partial(_run_missing, prepared, folder, execute, heard, failures)
                run([(cell, prepared.method(cell)) for cell in prepared.cells])
                search_settings(prepared, folder, run, trials)
        except (KeyboardInterrupt, AcculturateError):
            publish(prepared, folder, failures, trials)
            raise
        finally:
            if failures:
                _write_failures(folder, failures)
        if not failures:  # those of an earlier session are mended
            (folder / _FAILURES).unlink(missing_ok=True)
        return publish(prepared, folder, failures, trials)


def _without_additions(prepared: PreparedExperiment, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an experiment less the cells that a saved one did not have yet.

    Nothing may be added to a search over settings, which looks at all cells, nor a baseline to those that were
    measured together; countries that are tuned together are one search.
    """
    plan, asked = prepared.experiment, prepared.experiment.to_dict()
    if plan.search:
        return asked
    together = any(prepared.settings(m, plan.seeds[0]).together for m in plan.methods)
    growing = ["models", "seeds", *([] if together else ["countries"])]
    if set(plan.baselines) <= set(saved.get("methods", ())):
        growing.append("methods")
    same = {k: saved[k] for k in growing if k in saved and _contains(asked.get(k), saved[k])}
    # The first model is not among these: it stands alone where there is one.
    added = {"models"} - saved.keys()
    return {key: value for key, value in (asked | same).items() if key not in added}


def _contains(larger: Any, smaller: Any) -> bool:
    """Return whether a list or table of settings holds all of another one."""
    if isinstance(larger, dict) and isinstance(smaller, dict):
        table = cast("dict[str, Any]", larger)
        return all(table.get(k) == v for k, v in cast("dict[str, Any]", smaller).items())
    lists = isinstance(larger, list) and isinstance(smaller, list)
    return lists and all(each in larger for each in cast("list[Any]", smaller))


def _run_missing(
    prepared: PreparedExperiment,
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
        check_inputs(prepared, cell, out)
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
    """Write the cells that failed."""
    entries = [{"cell": str(cell.folder), **asdict(why)} for cell, why in failures.items()]
    write_text(out / _FAILURES, json_text({"failed": entries}))
