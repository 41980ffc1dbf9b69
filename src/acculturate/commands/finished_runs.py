"""Commands on finished runs: `acculturate evaluate`, `report` and `export`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from acculturate import display, progress_bars
from acculturate.commands.options import DeviceOption, JsonOption, TrustOption
from acculturate.commands.shared import Models, load, print_json, say_report
from acculturate.errors import UsageError

if TYPE_CHECKING:
    from acculturate.evaluation.evaluate import RunEvaluation
    from acculturate.model.language_model import LanguageModel


OnOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Ask only this, separated by commas: fluency (ordinary text), or benchmarks by name or as "
        "NAME=FILE or FILE.toml: culturalbench-easy, culturalbench-hard, global-opinions, "
        "acculturate-culture-easy, acculturate-culture-hard (docs/benchmarks.md)."
    ),
]
LanguagesOption = Annotated[
    str, typer.Option(help="Other languages to ask in: all, none, or codes such as ar,hi.")
]
RespondentsOption = Annotated[
    int, typer.Option(help="Personas who answer every question once; 0 asks none. 24 answers each.")
]
GeneratedOption = Annotated[
    bool, typer.Option("--generated/--no-generated", help="Let the model write its answers too.")
]
TextsOption = Annotated[
    Path | None, typer.Option(help="Ordinary texts to read with --on fluency, one a line.")
]
PermuteOption = Annotated[
    int, typer.Option(help="Random option orders to average in benchmarks; 0 keeps their own.")
]
WrittenOption = Annotated[
    bool, typer.Option("--written", help="Let the model write its answers to benchmarks too.")
]
MovedModelOption = Annotated[
    str | None, typer.Option("--model", "-m", help="The runs' model, if it is elsewhere now.")
]
OwnInstrumentOption = Annotated[
    str | None, typer.Option("--instrument", "-i", help="The runs' questionnaire, if it is a file.")
]
OwnTableOption = Annotated[
    str | None, typer.Option("--table", "-t", help="The runs' country table, if it is a file.")
]


def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="Directories of finished runs.")],
    languages: LanguagesOption = "all",
    respondents: RespondentsOption = 0,
    generated: GeneratedOption = True,
    on: OnOption = None,
    texts: TextsOption = None,
    permute: PermuteOption = 0,
    written: WrittenOption = False,
    model: MovedModelOption = None,
    instrument: OwnInstrumentOption = None,
    table: OwnTableOption = None,
    device: DeviceOption = "auto",
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask finished runs what their search never saw; `acculturate report` shows it."""
    import acculturate as ac
    from acculturate.commands.evaluate_on import evaluate_on, read_on

    loaded = [ac.Run.load(run) for run in runs]
    asked = read_on(on, texts, permute, written)
    models = Models(model, device, trust_remote_code)
    if asked is not None:
        evaluate_on(loaded, asked, models, as_json)
        return
    options: dict[str, Any] = {
        "instrument": None if instrument is None else ac.load_instrument(instrument),
        "table": None if table is None else ac.load_countries(table),
        "languages": {"all": None, "none": []}.get(languages, languages.split(",")),
        "generated": generated,
        "respondents": respondents,
    }
    evaluations: list[RunEvaluation] = []
    for run in loaded:
        answering = models.of(run)
        with progress_bars.step(f"evaluating {run.directory}") as progress:
            evaluations.append(ac.evaluate(run, answering, progress=progress, **options))
    _show_evaluations(evaluations, as_json)


def _show_evaluations(evaluations: Sequence[RunEvaluation], as_json: bool) -> None:
    from acculturate.reporting import checks_narrative, run_comparison
    from acculturate.runs import read_run

    runs = [read_run(evaluation.directory) for evaluation in evaluations]
    matrices, seeds = run_comparison.confusions(runs), run_comparison.spreads(runs)
    if as_json:
        shown = {
            "runs": [evaluation.to_dict() for evaluation in evaluations],
            "confusions": [asdict(shared.matrix) for shared in matrices],
            "seeds": [asdict(shared.spread) for shared in seeds],
        }
        print_json(shown)
        return
    for run in runs:
        display.show_evaluation(run, checks_narrative.sentences(run))
    for shared in (*matrices, *seeds):
        display.show_line(shared.words)
    say_report([run.path for run in runs])


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
    format: Annotated[Literal["peft"], typer.Option(help="Format of the adapter.")] = "peft",
    model: MovedModelOption = None,
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
