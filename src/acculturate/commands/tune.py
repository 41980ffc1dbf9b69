"""`acculturate tune`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

import acculturate as ac
from acculturate import display, terminal, tuning
from acculturate.commands.loading import load, load_survey
from acculturate.commands.options import Dtype, read_anchor, read_config, takes_settings
from acculturate.formatting import slug
from acculturate.model import Chat
from acculturate.search import Optimizer, by_name, takes


@takes_settings()
def tune(
    *,
    country: str,
    model: str = "embedded",
    out: Path | None = None,
    resume: bool = False,
    config: Annotated[Path | None, typer.Option(callback=read_config, is_eager=True)] = None,  # noqa: ARG001
    optimizer: str = "adam",
    instrument: str = "vsm13",
    table: str = "hofstede-insights",
    device: str = "auto",
    as_json: bool = False,
    population: int | None = None,
    revision: str | None = None,
    dtype: Dtype = "auto",
    chat: Chat = "auto",
    trust_remote_code: bool = False,
    embeddings: str | None = None,
    **settings: Any,
) -> None:
    """Tune a soft prompt towards a country's survey scores.

    It stands in the model's context; no weight is changed. The run directory holds it with its results.

    Options:
        country: Name or ISO code of the country to tune towards.
        out: Run directory [runs/COUNTRY-SEED].
        resume: Continue the run in the run directory.
        config: TOML file of further options, such as max_divergence = 0.2; the command line wins.
        optimizer: Search algorithm: adam, by gradients; l-shade, pso, cma-es, sep-cma-es, gde3, random,
            de/best/1, de/rand/1, de/current-to-best/1 or de, without them.
        population: Candidates per generation; by default the search algorithm's own number.
    """
    survey, countries = load_survey(instrument, table)
    target = countries[country]
    settings["anchor"] = read_anchor(settings["anchor"])
    chosen = _make_optimizer(optimizer, population, settings["budget"])
    resolved = ac.Settings(**settings).resolved(chosen)
    tuning.make_task(survey, target, resolved)
    folder = out or Path("runs") / f"{slug(target.name)}-{resolved.seed}"
    answering = load(model, revision, dtype, device, trust_remote_code, chat, embeddings)
    try:
        run = ac.tune(
            answering,
            survey,
            target,
            out=folder,
            table=countries,
            optimizer=chosen,
            resume=resume,
            command=shlex.join(["acculturate", *sys.argv[1:]]),
            **settings,
        )
    except KeyboardInterrupt:
        done = "What is done" if (folder / "state.npz").is_file() else "Nothing but the settings"
        terminal.say(f"Stopped. {done} is in {folder}; the same command with --resume goes on.")
        raise
    value = {"run": str(run.directory), **asdict(run.outcome)}
    display.print_result(as_json, value, lambda: display.show_run(run))


def _make_optimizer(name: str, population: int | None, budget: int) -> Optimizer:
    own = {} if population is None else {"population": population}
    return by_name(name, **own, **({"budget": budget} if takes(name, "budget") else {}))
