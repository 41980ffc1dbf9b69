"""`acculturate experiment`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acculturate import display, progress_bars
from acculturate.commands.loading import load
from acculturate.commands.options import DeviceOption, JsonOption, TrustOption
from acculturate.errors import FailureError, UsageError

if TYPE_CHECKING:
    from acculturate.experiment import Estimate

_FileArgument = Annotated[
    str | None, typer.Argument(help="TOML file of the experiment, or a preset's name.")
]
_OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Experiment directory [runs/NAME].")
]
_ListOption = Annotated[
    bool, typer.Option("--list", help="List the experiments that come with the package.")
]
_DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="List the cells with evaluations, tokens and time; run none."),
]
_RayOption = Annotated[
    str | None,
    typer.Option(
        help="Run cells in Ray workers: local, or the address of a cluster whose machines all see the "
        "experiment directory."
    ),
]
_WorkersOption = Annotated[
    int | None,
    typer.Option(help="Number of Ray workers [one per GPU share, else one per machine].", min=1),
]
_GpusOption = Annotated[
    float, typer.Option(help="GPUs of each Ray worker; 0.5 lets two share one.", min=0.0)
]


def experiment(
    file: _FileArgument = None,
    out: _OutOption = None,
    presets: _ListOption = False,
    dry_run: _DryRunOption = False,
    ray: _RayOption = None,
    workers: _WorkersOption = None,
    gpus_per_worker: _GpusOption = 0.0,
    device: DeviceOption = "auto",
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run methods x countries x seeds from a file, up to a table, figures and a report.

    The same command goes on where it was stopped, however it was stopped.
    """
    from acculturate import experiment as ex
    from acculturate.formatting import slug

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
    prepared = ex.prepare(plan)
    if plan.search is not None:
        ex.needs_optuna()
    folder, model = out or Path("runs") / slug(plan.name), plan.model
    loading = partial(load, model.name, model.revision, model.dtype, device, trust_remote_code)
    if dry_run:
        trials = plan.search.trials if plan.search else 0
        _show_estimates(ex.estimate(prepared, loading(), folder), trials, as_json)
        return
    try:
        with progress_bars.experiment_bar(prepared.cell_count, plan.budget) as listener:
            published = ex.run_experiment(
                prepared,
                folder,
                load=loading,
                ray=None if ray is None else ex.RayOptions(ray, workers, gpus_per_worker),
                listener=listener,
                command=shlex.join(["acculturate", *sys.argv[1:]]),
            )
    except KeyboardInterrupt:
        display.say(f"Stopped. What is done is in {folder}; the same command goes on.")
        raise typer.Exit(130) from None
    paths = {"report": str(published.report), "results": str(published.results)}
    value = paths | {"failed": published.failed, "sentences": published.sentences}
    display.print_result(as_json, value, lambda: display.show_experiment(published))
    if published.failed:
        name, why = next(iter(published.failed.items()))
        raise FailureError(
            f"{len(published.failed)} cells failed twice; first {name}: {why}",
            f"See failures.json in {folder}. The same command tries them again.",
        )


def _list(as_json: bool) -> None:
    from acculturate.experiment import PRESETS, load_experiment, preset_names

    abouts = {name: load_experiment(name).about for name in preset_names()}
    lines = (f"{name}: {about} ({PRESETS / f'{name}.toml'})" for name, about in abouts.items())
    display.print_result(as_json, abouts, lambda: display.show_lines(lines))


def _show_estimates(cells: Sequence[Estimate], trials: int, as_json: bool) -> None:
    value = [asdict(cell) | {"cell": str(cell.cell.folder)} for cell in cells]
    display.print_result(as_json, value, lambda: display.show_estimates(cells, trials))
