"""`acculturate experiment`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import acculturate.experiment as ex
from acculturate import display, progress_bars, terminal
from acculturate.commands.loading import load, say_warnings
from acculturate.errors import FailureError, UsageError
from acculturate.formatting import slug

if TYPE_CHECKING:
    from acculturate.model import AnswerModel


def experiment(
    file: str | None = None,
    *,
    out: Path | None = None,
    presets: bool = False,
    dry_run: bool = False,
    ray: str | None = None,
    workers: Annotated[int | None, typer.Option(min=1)] = None,
    gpus_per_worker: Annotated[float, typer.Option(min=0.0)] = 0.0,
    device: str = "auto",
    trust_remote_code: bool = False,
    as_json: bool = False,
) -> None:
    """Compare methods over models, countries and seeds, up to a report.

    Every cell, a method with a model for a country with a seed, is a run. The same command goes on where it
    was stopped, however it was stopped.

    Options:
        file: TOML file of the experiment, or a preset's name.
        out: Experiment directory [runs/NAME].
        presets: List the experiments that come with the package.
        dry_run: List the cells with their evaluations, load no model and run none.
        ray: Run cells in Ray workers: local, or the address of a cluster whose machines all see the
            experiment directory.
        workers: Number of Ray workers [one per GPU share, else one per machine].
        gpus_per_worker: GPUs of each Ray worker; 0.5 lets two share one.
    """
    if presets:
        _list(as_json)
        return
    if file is None:
        raise UsageError(
            "no experiment is given", "Give a TOML file or a preset; --list shows the presets."
        )
    if ray is None and (workers or gpus_per_worker):
        raise UsageError("--workers and --gpus-per-worker are Ray's", "Add --ray local.")
    plan = ex.load_experiment(file)
    prepared = _prepare(plan, fetch=not dry_run)
    if plan.search is not None:
        ex.needs_optuna()
    folder = out or Path("runs") / slug(plan.name)
    if dry_run:
        _show_cells(ex.planned_cells(prepared, folder), plan, as_json)
        return
    loading = partial(_load, device=device, trust_remote_code=trust_remote_code)
    options = None if ray is None else ex.RayOptions(ray, workers, gpus_per_worker)
    published = _run(prepared, folder, loading, options)
    paths = {"report": str(published.report), "results": str(published.results)}
    value = paths | {"failed": published.failed, "sentences": published.sentences}
    display.print_result(as_json, value, lambda: display.show_experiment(published))
    if published.failed:
        name, why = next(iter(published.failed.items()))
        raise FailureError(
            f"{len(published.failed)} cells failed twice; first {name}: {why}",
            f"See failures.json in {folder}. The same command tries them again.",
        )


def _prepare(plan: ex.Experiment, fetch: bool) -> ex.PreparedExperiment:
    prepared = ex.prepare(plan, fetch=fetch)
    for table in prepared.tables.values():
        say_warnings(table.warnings_for(prepared.instrument))
    return prepared


def _load(choice: ex.ModelChoice, device: str, trust_remote_code: bool) -> AnswerModel:
    return load(**choice.model_dump(), device=device, trust_remote_code=trust_remote_code)


def _run(
    prepared: ex.PreparedExperiment,
    folder: Path,
    loading: Callable[[ex.ModelChoice], AnswerModel],
    ray: ex.RayOptions | None,
) -> ex.Published:
    """Run an experiment behind a bar; Ctrl-C ends it with a sentence."""
    try:
        with progress_bars.experiment_bar(prepared.cell_count, prepared.experiment.budget) as bar:
            return ex.run_experiment(
                prepared,
                folder,
                load=loading,
                ray=ray,
                listener=bar,
                command=shlex.join(["acculturate", *sys.argv[1:]]),
            )
    except KeyboardInterrupt:
        terminal.say(f"Stopped. What is done is in {folder}; the same command goes on.")
        raise


def _list(as_json: bool) -> None:
    abouts = {name: ex.load_experiment(name).about for name in ex.preset_names()}
    lines = (f"{name}: {about} ({ex.PRESETS / f'{name}.toml'})" for name, about in abouts.items())
    display.print_result(as_json, abouts, lambda: display.show_lines(lines))


def _show_cells(cells: Sequence[ex.PlannedCell], plan: ex.Experiment, as_json: bool) -> None:
    value = [asdict(planned) | {"cell": str(planned.cell.folder)} for planned in cells]
    trials = plan.search.trials if plan.search else 0
    display.print_result(as_json, value, lambda: display.show_cells(cells, trials))
