"""`acculturate tune`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
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
from acculturate.reporting.separation import separation
from acculturate.search import Adam
from acculturate.survey import instrument_names, table_names


@takes_settings()
def tune(
    *,
    country: list[str],
    model: str = "embedded",
    out: Path | None = None,
    resume: bool = False,
    config: Annotated[Path | None, typer.Option(callback=read_config, is_eager=True)] = None,  # noqa: ARG001
    optimizer: str = "adam",
    instrument: str = "vsm13",
    table: str | None = None,
    device: str = "auto",
    as_json: bool = False,
    population: int | None = None,
    step: float | None = None,
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
        country: Name or ISO code of the country to tune towards; several are tuned together, each with as
            many evaluations.
        out: Run directory; of several countries, what they share, with a run directory of each in it
            [runs/COUNTRY-SEED].
        resume: Continue the run in the run directory; with a larger --budget, a finished one too.
        config: TOML file of further options, such as max_divergence = 0.2; the command line wins.
        optimizer: Search algorithm: adam, by gradients; l-shade, pso, cma-es, sep-cma-es, gde3, random,
            de/best/1, de/rand/1, de/current-to-best/1 or de, without them.
        population: Candidates per generation; by default the search algorithm's own number.
        step: First step of adam, in standard deviations of the start's entries [0.05]; 0.2 serves
            instruction-tuned models better.
    """
    survey, countries = load_survey(instrument, table)
    targets = [countries[name] for name in country]
    settings["anchor"] = read_anchor(settings["anchor"])
    if len(targets) > 1:
        settings["together"] = settings["together"] or "product"
    own = {k: v for k, v in (("population", population), ("step", step)) if v is not None}
    chosen = tuning.make_method(optimizer, optimizer, own).make(settings["budget"])
    resolved = ac.Settings(**settings).resolved(chosen)
    for target in targets:
        tuning.make_task(survey, target, resolved)
    name = "+".join(slug(target.name) for target in targets)
    folder = out or Path("runs") / f"{slug(name)}-{resolved.seed}"
    answering = load(model, revision, dtype, device, trust_remote_code, chat, embeddings)
    given: dict[str, Any] = {
        "out": folder,
        "table": countries,
        "resume": resume,
        "command": shlex.join(["acculturate", *sys.argv[1:]]),
        **settings,
    }
    try:
        if len(targets) > 1:
            assert isinstance(chosen, Adam)  # else `resolved` has refused
            runs = tuning.tune_together(answering, survey, targets, optimizer=chosen, **given)
        else:
            runs = (ac.tune(answering, survey, targets[0], optimizer=chosen, **given),)
    except KeyboardInterrupt:
        done = "What is done" if (folder / "state.npz").is_file() else "Nothing but the settings"
        terminal.say(f"Stopped. {done} is in {folder}; the same command with --resume goes on.")
        raise
    _show(runs, as_json)
    if not as_json:
        own = (("--instrument", instrument, instrument_names()), ("--table", table, table_names()))
        needed = [
            part
            for name, file, names in own
            if file is not None and file not in names
            for part in (name, file)
        ]
        needed += ["--embeddings", embeddings] if embeddings else []
        needed += ["--trust-remote-code"] if trust_remote_code else []
        asking = shlex.join(
            ["acculturate", "evaluate", *(str(run.directory) for run in runs), *needed]
        )
        terminal.say(f"`{asking}` asks what the search never saw.")


def _show(runs: Sequence[ac.Run], as_json: bool) -> None:
    values = [{"run": str(run.directory), **asdict(run.outcome)} for run in runs]
    found = separation([run.summary for run in runs])
    together = {"runs": values, "separation": found and asdict(found)}

    def show() -> None:
        for run in runs:
            display.show_run(run)
        display.show_lines([found.text] if found else [])

    display.print_result(as_json, together if len(runs) > 1 else values[0], show)
