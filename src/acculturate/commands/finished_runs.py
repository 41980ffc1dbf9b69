"""What is done with a finished run: `acculturate evaluate`, `report` and `export`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from acculturate import display, progress_bars
from acculturate.commands.options import DeviceOption, JsonOption, TrustOption
from acculturate.commands.shared import Models, load, print_json, say_report
from acculturate.errors import UsageError

if TYPE_CHECKING:
    from acculturate.evaluation.evaluate import RunEvaluation
    from acculturate.model.language_model import LanguageModel


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
            help="Ask only this, separated by commas: fluency (ordinary text), or benchmarks by name or as "
            "NAME=FILE or FILE.toml: culturalbench-easy, culturalbench-hard, global-opinions, "
            "acculturate-culture-easy, acculturate-culture-hard (docs/benchmarks.md)."
        ),
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="Ordinary texts to read with --on fluency, one a line.")
    ] = None,
    permute: Annotated[
        int, typer.Option(help="Random option orders to average in benchmarks; 0 keeps their own.")
    ] = 0,
    written: Annotated[
        bool, typer.Option("--written", help="Let the model write its answers to benchmarks too.")
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
    from acculturate.commands.evaluate_on import evaluate_outside, read_outside
    from acculturate.reporting import checks_narrative, run_comparison
    from acculturate.runs import read_run

    loaded = [ac.Run.load(run) for run in runs]
    outside = read_outside(on, texts, permute, written)
    models = Models(model, device, trust_remote_code)
    if outside is not None:
        evaluate_outside(loaded, outside, models, as_json)
        return
    survey = None if instrument is None else ac.load_instrument(instrument)
    countries = None if table is None else ac.load_countries(table)
    codes = {"all": None, "none": []}.get(languages, languages.split(","))
    found: list[RunEvaluation] = []
    for run in loaded:
        answering = models.of(run)
        with progress_bars.step(f"evaluating {run.directory}") as progress:
            found.append(
                ac.evaluate(
                    run,
                    answering,
                    instrument=survey,
                    table=countries,
                    languages=codes,
                    generated=generated,
                    respondents=respondents,
                    progress=progress,
                )
            )
    read = [read_run(run.directory) for run in loaded]
    matrices, seeds = run_comparison.confusions(read), run_comparison.spreads(read)
    if as_json:
        print_json(
            {
                "runs": [one.to_dict() for one in found],
                "confusions": [shared.matrix.to_dict() for shared in matrices],
                "seeds": [asdict(shared.spread) for shared in seeds],
            }
        )
    else:
        for run in read:
            display.show_evaluation(run, checks_narrative.sentences(run))
        for shared in (*matrices, *seeds):
            display.show_line(shared.words)
        say_report(runs)


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
    from acculturate.runs import read_run

    if format != "peft":
        raise UsageError(f"unknown format {format!r}", "Use --format peft.")
    read = read_run(run)
    name, revision = read.config.model.name, read.config.model.revision or None
    answering = load(model or name, revision, "float32", device, trust_remote_code)
    path = ac.export_peft(run, cast("LanguageModel", answering), out)
    if as_json:
        print_json({"adapter": str(path), "format": format})
    else:
        print(path)
