"""`acculturate experiment`."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acculturate import display, progress_bars
from acculturate.commands.options import DeviceOption, JsonOption, TrustOption
from acculturate.commands.shared import load, print_json
from acculturate.errors import FailureError, UsageError

if TYPE_CHECKING:
    from acculturate.experiment.prepared import PreparedExperiment
    from acculturate.model.answers import AnswerModel


def experiment(
    file: Annotated[
        str | None, typer.Argument(help="TOML file of the experiment, or a preset's name.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Its directory [runs/NAME].")
    ] = None,
    presets: Annotated[
        bool, typer.Option("--list", help="List the experiments that come with the package.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="List the cells with evaluations, tokens and time; run none."
        ),
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Run cells in Ray workers: local, or a cluster's address, whose machines all have to see "
            "the directory."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Ray workers [one a GPU share, or one a machine].", min=1)
    ] = None,
    gpus_per_worker: Annotated[
        float, typer.Option(help="GPUs of each Ray worker; 0.5 lets two share one.", min=0.0)
    ] = 0.0,
    device: DeviceOption = "auto",
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run methods x countries x seeds from a file, up to a table, figures and a report.

    The same command goes on where it was stopped, however it was stopped.
    """
    from acculturate.experiment.plan import load_experiment
    from acculturate.experiment.prepared import prepare
    from acculturate.experiment.ray_workers import RayOptions
    from acculturate.experiment.run import run_experiment
    from acculturate.experiment.settings_search import needs_optuna
    from acculturate.formatting import slug

    if presets:
        _list(as_json)
        return
    if file is None:
        raise UsageError(
            "no experiment is given", "Give a TOML file or a preset; --list shows the presets."
        )
    if ray is None and (workers is not None or gpus_per_worker):
        raise UsageError("--workers and --gpus-per-worker are Ray's", "Add --ray local.")
    plan = load_experiment(file)
    prepared = prepare(plan)
    if plan.search is not None:
        needs_optuna()
    folder = out or Path("runs") / slug(plan.name)
    if dry_run:
        model = _load(prepared, device, trust_remote_code)
        _estimate(prepared, model, folder, as_json)
        return
    count = len(prepared.cells)
    if plan.search is not None:
        cells = len(plan.countries) * len(prepared.tables) * len(plan.seeds)
        count += plan.search.trials * cells
    with ExitStack() as stack:
        try:
            listener = stack.enter_context(progress_bars.experiment_bar(count, plan.budget))
            found = run_experiment(
                prepared,
                folder,
                load=partial(_load, prepared, device, trust_remote_code),
                ray=None if ray is None else RayOptions(ray, workers, gpus_per_worker),
                listener=listener,
                command=shlex.join(["acculturate", *sys.argv[1:]]),
            )
        except KeyboardInterrupt:
            stack.close()
            display.say(f"Stopped. What is done is in {folder}; the same command goes on.")
            raise typer.Exit(130) from None
    if as_json:
        print_json(
            {
                "report": str(found.report),
                "results": str(found.results),
                "failed": found.failed,
                "sentences": list(found.sentences),
            }
        )
    else:
        display.show_experiment(found)
    if found.failed:
        name, why = next(iter(found.failed.items()))
        raise FailureError(
            f"{len(found.failed)} cells failed twice; first {name}: {why}",
            f"See failures.json in {folder}. The same command tries them again.",
        )


def _load(prepared: PreparedExperiment, device: str, trust_remote_code: bool) -> AnswerModel:
    choice = prepared.experiment.model
    return load(choice.name, choice.revision, choice.dtype, device, trust_remote_code)


def _list(as_json: bool) -> None:
    from acculturate.experiment.plan import PRESETS, load_experiment, preset_names

    found = {name: load_experiment(name).about for name in preset_names()}
    if as_json:
        print_json(found)
        return
    for name, about in found.items():
        display.show_line(f"{name}: {about} ({PRESETS / f'{name}.toml'})")


def _estimate(
    prepared: PreparedExperiment, model: AnswerModel, folder: Path, as_json: bool
) -> None:
    from acculturate.experiment.estimate import estimate

    found = estimate(prepared, model, folder)
    if as_json:
        print_json(
            [
                {
                    "cell": str(one.cell.folder),
                    "evaluations": one.evaluations,
                    "tokens": one.tokens,
                    "seconds": one.seconds,
                    "complete": one.done,
                }
                for one in found
            ]
        )
        return
    search = prepared.experiment.search
    trials = f"; not counted: {search.trials} trials of the search" if search else ""
    display.show_estimates(found, f"on this machine, cell after cell{trials}.")
