"""What is done with a finished run: `acculturate evaluate`, `report` and `export`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from acculturate import display
from acculturate.commands.options import DeviceOption, JsonOption, TrustOption
from acculturate.commands.shared import load, print_json, read_exam
from acculturate.errors import UsageError

if TYPE_CHECKING:
    from acculturate.benchmarks.exam import Known
    from acculturate.model.answers import AnswerModel
    from acculturate.model.language_model import LanguageModel
    from acculturate.tuning.examine import Examined


def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="Directories of finished runs.")],
    languages: Annotated[
        str, typer.Option(help="Other languages to ask in: all, none, or codes such as ar,hi.")
    ] = "all",
    respondents: Annotated[
        int,
        typer.Option(help="Personas who answer every question once; 0 asks none. 24 answers each."),
    ] = 0,
    generated: Annotated[
        bool,
        typer.Option("--generated/--no-generated", help="Let the model write its answers too."),
    ] = True,
    on: Annotated[
        list[str] | None,
        typer.Option(
            help="Benchmarks to ask too, by name or as NAME=FILE or FILE.toml, separated by commas: "
            "culturalbench-easy, culturalbench-hard, global-opinions, acculturate-culture-easy, "
            "acculturate-culture-hard (docs/benchmarks.md)."
        ),
    ] = None,
    permute: Annotated[
        int, typer.Option(help="Random option orders to average in them; 0 keeps their own.")
    ] = 0,
    written: Annotated[
        bool, typer.Option("--written", help="Let the model write its answers to them too.")
    ] = False,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The runs' model, if it is elsewhere now.")
    ] = None,
    instrument: Annotated[
        str | None,
        typer.Option("--instrument", "-i", help="The runs' questionnaire, if it is a file."),
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", "-t", help="The runs' country table, if it is a file.")
    ] = None,
    device: DeviceOption = "auto",
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask finished runs what their search never saw; `acculturate report` shows it."""
    import acculturate as ac
    from acculturate.reporting import benchmarks_story, checks_story, together
    from acculturate.reporting.run_reader import read_run
    from acculturate.tuning.evaluate import made_with

    survey = None if instrument is None else ac.load_instrument(instrument)
    countries = None if table is None else ac.load_countries(table)
    codes = {"all": None, "none": []}.get(languages, languages.split(","))
    loaded = [ac.Run.load(run) for run in runs]
    exam = read_exam(on, permute, written)
    known: Known = {}
    examined: list[Examined] = []
    models: dict[tuple[str, str | None, str], AnswerModel] = {}
    found: list[ac.RunEvaluation] = []
    for run in loaded:
        name, revision, dtype = made_with(run)
        key = (model or name, revision, dtype)
        if key not in models:
            models[key] = load(*key, device, trust_remote_code)
        with display.step(f"evaluating {run.directory}") as progress:
            found.append(
                ac.evaluate(
                    run,
                    models[key],
                    instrument=survey,
                    table=countries,
                    languages=codes,
                    generated=generated,
                    respondents=respondents,
                    progress=progress,
                )
            )
        if exam is not None:
            with display.question_bar() as asking:
                examined.append(ac.examine(run, models[key], exam, known=known, progress=asking))
    read = [read_run(run.directory) for run in loaded]
    matrices, seeds = together.confusions(read), together.spreads(read)
    if as_json:
        benchmarks = [{"benchmarks": one.to_dict()} for one in examined] or [{}] * len(found)
        print_json(
            {
                "runs": [one.to_dict() | own for one, own in zip(found, benchmarks, strict=True)],
                "confusions": [shared.matrix.to_dict() for shared in matrices],
                "seeds": [shared.spread.to_dict() for shared in seeds],
            }
        )
    else:
        for one, run in zip(found, read, strict=True):
            display.show_evaluation(one, checks_story.sentences(run))
        for one in examined:
            display.show_examined(one, benchmarks_story.sentences)
        for shared in (*matrices, *seeds):
            display.show_line(shared.words)
        shown = shlex.join(str(run) for run in runs)
        display.say(f"`acculturate report {shown}` shows all of it.")


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="HTML file [RUN/report.html].")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML file about one run or several."""
    import acculturate as ac

    path = ac.write_report(runs, out)
    if as_json:
        print_json({"report": str(path)})
    else:
        print(path)


def export(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the adapter.")],
    format: Annotated[Literal["peft"], typer.Option(help="Of the adapter.")] = "peft",
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The run's model, if it is elsewhere now.")
    ] = None,
    device: DeviceOption = "auto",
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a run's soft prompt as an adapter that others can serve, proved by loading it."""
    import acculturate as ac
    from acculturate.reporting.run_reader import read_run

    if format != "peft":
        raise UsageError(f"unknown format {format!r}", "Use --format peft.")
    read = read_run(run)
    name, revision = read.model_name, read.model_revision
    answering = load(model or name, revision, "float32", device, trust_remote_code)
    path = ac.export_peft(run, cast("LanguageModel", answering), out)
    if as_json:
        print_json({"adapter": str(path), "format": format})
    else:
        print(path)
