"""`acculturate tune`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

import acculturate as ac
from acculturate import display, progress_bars
from acculturate.commands import options as opt
from acculturate.commands.loading import load
from acculturate.commands.options import advanced, read_anchor, read_config, takes_settings
from acculturate.formatting import slug
from acculturate.search import OPTIMIZERS, Optimizer, by_name, takes

_OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Run directory [runs/COUNTRY-SEED].")
]
_ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Continue the run in the run directory.")
]
_ConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="TOML file of further options, such as max_divergence = 0.2; the command line wins.",
        callback=read_config,
        is_eager=True,
    ),
]
_OptimizerOption = Annotated[
    str,
    typer.Option(
        help=f"Search algorithm: {', '.join(OPTIMIZERS)}; all but adam do without gradients."
    ),
]
_PopulationOption = Annotated[
    int | None,
    advanced(help="Candidates per generation; by default the search algorithm's own number."),
]


@takes_settings(basic=("budget", "seed", "tokens", "max_divergence", "language"))
def tune(
    *,
    country: opt.CountryOption,
    model: opt.ModelOption = "embedded",
    out: _OutOption = None,
    resume: _ResumeOption = False,
    config: _ConfigOption = None,  # noqa: ARG001  # its callback reads it
    optimizer: _OptimizerOption = "adam",
    instrument: opt.InstrumentOption = "vsm13",
    table: opt.TableOption = "hofstede-insights",
    device: opt.DeviceOption = "auto",
    as_json: opt.JsonOption = False,
    population: _PopulationOption = None,
    revision: opt.RevisionOption = None,
    dtype: opt.DtypeOption = "auto",
    trust_remote_code: opt.TrustOption = False,
    **settings: Any,
) -> None:
    """Tune a soft prompt towards a country's survey scores.

    It stands in the model's context; no weight is changed. The run directory holds it with its results.
    """
    from acculturate.tuning import make_task

    survey, countries = ac.load_instrument(instrument), ac.load_countries(table)
    target = countries[country]
    settings["anchor"] = read_anchor(settings["anchor"])
    chosen = _make_optimizer(optimizer, population, settings["budget"])
    resolved = ac.Settings(**settings).resolved(chosen)
    make_task(survey, target, resolved)
    folder = out or Path("runs") / f"{slug(target.name)}-{resolved.seed}"
    answering = load(model, revision, dtype, device, trust_remote_code)
    try:
        with progress_bars.progress_bar(resolved.budget) as on_generation:
            run = ac.tune(
                answering,
                survey,
                target,
                out=folder,
                table=countries,
                optimizer=chosen,
                resume=resume,
                on_generation=on_generation,
                command=shlex.join(["acculturate", *sys.argv[1:]]),
                **settings,
            )
    except KeyboardInterrupt:
        done = "What is done" if (folder / "state.npz").is_file() else "Nothing but the settings"
        display.say(f"Stopped. {done} is in {folder}; the same command with --resume goes on.")
        raise typer.Exit(130) from None
    value = {"run": str(run.directory), **asdict(run.outcome)}
    display.print_result(as_json, value, lambda: display.show_run(run))


def _make_optimizer(name: str, population: int | None, budget: int) -> Optimizer:
    own = {} if population is None else {"population": population}
    return by_name(name, **own, **({"budget": budget} if takes(name, "budget") else {}))
