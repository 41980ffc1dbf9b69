"""The command line: parses, calls, prints.

Results go to standard output, as a table or with --json as JSON; progress and errors go to standard
error. Exit code 2 for a wrong request, 1 for a failure, 130 after Ctrl-C.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from acculturate import display
from acculturate.bench_cli import bench_app
from acculturate.errors import AcculturateError, UsageError
from acculturate.files import json_text
from acculturate.options import (
    AggregateOption,
    AnchorOption,
    DeviceOption,
    DtypeOption,
    InstrumentOption,
    JsonOption,
    LabelsOption,
    LanguageOption,
    ModelOption,
    ReadingOption,
    RespondentsOption,
    RevisionOption,
    TableOption,
    TrustOption,
    VariantOption,
)

if TYPE_CHECKING:
    from acculturate.model.answers import AnswerModel
    from acculturate.model.language_model import LanguageModel
    from acculturate.survey.scoring import Anchor

app = typer.Typer(
    name="acculturate",
    help="Measure the cultural values a language model shows, and move them without touching a weight.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
instrument_app = typer.Typer(help="Questionnaires.", no_args_is_help=True)
app.add_typer(instrument_app, name="instrument")
app.add_typer(bench_app, name="bench")


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Measure the cultural values a language model shows, and move them without touching a weight."""
    if version:
        import acculturate

        print(acculturate.__version__)
        raise typer.Exit


@app.command()
def measure(
    model: ModelOption = "embedded",
    country: Annotated[
        str | None, typer.Option("--country", "-c", help="Compare with this country.")
    ] = None,
    prompt: Annotated[
        Path | None,
        typer.Option("--prompt", "-p", help="A run directory, or a soft prompt's file."),
    ] = None,
    forms: Annotated[
        Literal["all", "tuning", "held-out"], typer.Option(help="What to ask.")
    ] = "all",
    language: LanguageOption = "en",
    labels: LabelsOption = "digits",
    instrument: InstrumentOption = "vsm13",
    table: TableOption = "hofstede-insights",
    anchor: AnchorOption = "midpoint",
    aggregate: AggregateOption = None,
    variant: VariantOption = None,
    reading: ReadingOption = "expected",
    respondents: RespondentsOption = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals and of sampled.")] = 0,
    revision: RevisionOption = None,
    dtype: DtypeOption = "auto",
    device: DeviceOption = "auto",
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the values a model shows in a survey."""
    import acculturate as ac
    from acculturate.evaluation.measure import choose_forms

    survey = ac.load_instrument(instrument)
    countries = ac.load_countries(table)
    asked = choose_forms(survey, forms, language, labels)
    target = None if country is None else countries[country]
    scoring = ac.Scoring(survey, _anchor(anchor), aggregate, variant)
    if target:
        target.vector(survey)
    soft_prompt = None
    if prompt is not None:
        soft_prompt = ac.SoftPrompt.load(prompt / "best.safetensors" if prompt.is_dir() else prompt)
    answering = _load(model, revision, dtype, device, trust_remote_code)
    has_all = {d.key for d in survey.dimensions} <= set(countries.dimensions)
    result = ac.measure(
        answering,
        survey,
        soft_prompt=soft_prompt,
        forms=asked,
        target=target,
        table=countries if has_all else None,
        scoring=scoring,
        reading=reading,
        respondents=respondents,
        seed=seed,
    )
    if as_json:
        _print_json(result.to_dict())
    else:
        display.show_profile(result, survey, target)


@app.command()
def tune(
    country: Annotated[str, typer.Option("--country", "-c", help="Where to move the model.")],
    model: ModelOption = "embedded",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run directory [runs/COUNTRY-SEED].")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    budget: Annotated[
        int, typer.Option(help="Evaluations; a candidate with its gradient counts for three.")
    ] = 400,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    optimizer: Annotated[
        str,
        typer.Option(
            help="adam (by gradients), adam+de, or by answers alone: de, de/rand/1, de/best/1, jde, shade, "
            "l-shade, pso, cma-es, sep-cma-es, eki, gde3, random."
        ),
    ] = "adam",
    population: Annotated[
        int | None, typer.Option(help="Candidates a generation [the optimiser's own].")
    ] = None,
    tokens: Annotated[int, typer.Option(help="Virtual tokens of the soft prompt.")] = 8,
    placement: Annotated[
        Literal["front", "after-bos", "before-answer"],
        typer.Option(help="Where the soft prompt goes."),
    ] = "front",
    space: Annotated[
        str,
        typer.Option(
            help="What is searched: full, ball:R, projection:N, low-rank:N, mixture:N, convex:N."
        ),
    ] = "full",
    init: Annotated[
        Literal["gaussian", "tokens", "text", "run"] | None,
        typer.Option(help="How the first population is made [by optimiser]."),
    ] = None,
    init_scale: Annotated[
        float | None,
        typer.Option(help="Its spread, in standard deviations of the embeddings [by optimiser]."),
    ] = None,
    init_text: Annotated[str | None, typer.Option(help="Start text of --init text.")] = None,
    init_run: Annotated[
        str | None, typer.Option(help="Run directory or soft prompt of --init run.")
    ] = None,
    max_divergence: Annotated[
        float | None, typer.Option(help="Limit on the divergence on ordinary text, nats a token.")
    ] = None,
    min_valid_mass: Annotated[
        float | None,
        typer.Option(help="Least share of the options in the next token's probability."),
    ] = None,
    divergence_weight: Annotated[
        float | None,
        typer.Option(help="Points of loss that a nat of divergence counts for [by optimiser]."),
    ] = None,
    target_loss: Annotated[float | None, typer.Option(help="Stop at this loss.")] = None,
    stall: Annotated[
        int | None, typer.Option(help="Stop after so many candidates without a better one.")
    ] = None,
    stages: Annotated[
        int, typer.Option(help="Ask in so many parts and drop a trial that is already beaten.")
    ] = 1,
    reject: Annotated[
        bool, typer.Option("--reject/--no-reject", help="With --stages: drop it, or only check.")
    ] = True,
    forms: Annotated[
        int | None, typer.Option(help="Tuning forms; a multiple of twice the items [that number].")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(help="Forms drawn anew for each generation [ask all].")
    ] = None,
    language: LanguageOption = "en",
    instrument: InstrumentOption = "vsm13",
    table: TableOption = "hofstede-insights",
    anchor: AnchorOption = "midpoint",
    aggregate: AggregateOption = None,
    variant: VariantOption = None,
    reading: ReadingOption = "expected",
    respondents: RespondentsOption = 100,
    revision: RevisionOption = None,
    dtype: DtypeOption = "auto",
    device: DeviceOption = "auto",
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Search a soft prompt that moves a model's survey scores towards a country's."""
    import acculturate as ac
    from acculturate.search.names import by_name, takes
    from acculturate.tuning.tune import tuning_forms

    survey = ac.load_instrument(instrument)
    countries = ac.load_countries(table)
    target = countries[country]
    target.vector(survey)
    own: dict[str, int] = {} if population is None else {"population": population}
    chosen = by_name(optimizer, **own, **({"budget": budget} if takes(optimizer, "budget") else {}))
    settings: dict[str, Any] = {
        "budget": budget,
        "seed": seed,
        "tokens": tokens,
        "placement": placement,
        "space": space,
        "init": init,
        "init_scale": init_scale,
        "init_text": init_text,
        "init_run": init_run,
        "forms": forms,
        "sample": sample,
        "language": language,
        "reading": reading,
        "respondents": respondents,
        "anchor": _anchor(anchor),
        "aggregate": aggregate,
        "variant": variant,
        "max_divergence": max_divergence,
        "min_valid_mass": min_valid_mass,
        "divergence_weight": divergence_weight,
        "target_loss": target_loss,
        "stall": stall,
        "stages": stages,
        "reject": reject,
    }
    asked = ac.Settings(**settings)
    asked.check(chosen)
    ac.Scoring(survey, settings["anchor"], aggregate, variant)
    tuning_forms(survey, asked)
    folder = out or Path("runs") / f"{_slug(target.name)}-{seed}"
    answering = _load(model, revision, dtype, device, trust_remote_code)
    try:
        with display.progress_bar(budget) as on_generation:
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
    if as_json:
        _print_json({"run": str(run.directory), **run.outcome})
    else:
        display.show_run(run)


@app.command()
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
    from acculturate.reporting import checks_story, together
    from acculturate.reporting.run_reader import read_run
    from acculturate.tuning.evaluate import made_with

    survey = None if instrument is None else ac.load_instrument(instrument)
    countries = None if table is None else ac.load_countries(table)
    codes = {"all": None, "none": []}.get(languages, languages.split(","))
    loaded = [ac.Run.load(run) for run in runs]
    models: dict[tuple[str, str | None, str], AnswerModel] = {}
    found: list[ac.RunEvaluation] = []
    for run in loaded:
        name, revision, dtype = made_with(run)
        key = (model or name, revision, dtype)
        if key not in models:
            models[key] = _load(*key, device, trust_remote_code)
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
    read = [read_run(run.directory) for run in loaded]
    matrices, seeds = together.confusions(read), together.spreads(read)
    if as_json:
        _print_json(
            {
                "runs": [one.to_dict() for one in found],
                "confusions": [shared.matrix.to_dict() for shared in matrices],
                "seeds": [shared.spread.to_dict() for shared in seeds],
            }
        )
    else:
        for one, run in zip(found, read, strict=True):
            display.show_evaluation(one, checks_story.sentences(run))
        for shared in (*matrices, *seeds):
            display.show_line(shared.words)
        shown = shlex.join(str(run) for run in runs)
        display.say(f"`acculturate report {shown}` shows all of it.")


@app.command()
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
        _print_json({"report": str(path)})
    else:
        print(path)


@app.command()
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
    answering = _load(model or name, revision, "float32", device, trust_remote_code)
    path = ac.export_peft(run, cast("LanguageModel", answering), out)
    if as_json:
        _print_json({"adapter": str(path), "format": format})
    else:
        print(path)


@app.command()
def countries(
    name: Annotated[str | None, typer.Argument(help="One country; all if left out.")] = None,
    table: TableOption = "hofstede-insights",
    as_json: JsonOption = False,
) -> None:
    """Show published country scores."""
    import acculturate as ac

    read = ac.load_countries(table)
    shown = list(read.countries) if name is None else [read[name]]
    if as_json:
        about = {"key": read.key, "title": read.title, "source": read.source, "terms": read.terms}
        _print_json({"table": about, "countries": [_plain(asdict(c)) for c in shown]})
    else:
        display.show_countries(read, shown)


@app.command()
def forms(
    instrument: InstrumentOption = "vsm13",
    split: Annotated[Literal["all", "tuning", "held-out"], typer.Option(help="Which.")] = "all",
    language: Annotated[list[str] | None, typer.Option(help="Language code [en].")] = None,
    labels: LabelsOption = "digits",
    as_json: JsonOption = False,
) -> None:
    """Print every form that can be asked: item, wording, frame, language, order, split, labels."""
    import acculturate as ac

    survey = ac.load_instrument(instrument)
    chosen = None if split == "all" else split
    shown = ac.all_forms(survey, tuple(language or ("en",)), chosen, labels)
    if as_json:
        _print_json([asdict(form) for form in shown])
    else:
        display.show_forms(shown)


@instrument_app.command()
def template(
    name: Annotated[str, typer.Argument(help="Name of a questionnaire.")] = "vsm13",
) -> None:
    """Print a file to fill in with the official wording."""
    from acculturate.survey.instrument import instrument_template

    print(instrument_template(name), end="")


@instrument_app.command("list")
def list_instruments(as_json: JsonOption = False) -> None:
    """List the questionnaires that come with the package."""
    import acculturate as ac
    from acculturate.survey.instrument import instrument_names

    read = [ac.load_instrument(name) for name in instrument_names()]
    if as_json:
        _print_json([{"key": i.key, "title": i.title, "items": len(i.items)} for i in read])
    else:
        for one in read:
            print(f"{one.key}: {one.title}, {len(one.items)} items")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; an error becomes one message and an exit code, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        given = sys.argv[1:] if arguments is None else list(arguments)
        _check_text(given)
        try:
            app(args=given, prog_name="acculturate")
        finally:
            sys.stdout.flush()
    except AcculturateError as error:
        display.say(f"Error: {error}", "bold red")
        if error.hint:
            display.say(error.hint)
        sys.exit(error.exit_code)
    except OSError as error:
        # What is left in the buffer of a broken or full output would fail once more at exit.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            display.say(f"Error: cannot write the output: {error.strerror or error}", "bold red")
            display.say("Check where it goes and that there is space.")
        sys.exit(1)


def _load(
    name: str, revision: str | None, dtype: str, device: str, trust_remote_code: bool
) -> AnswerModel:
    import acculturate as ac

    with display.step("loading the model") as progress:
        return ac.load_model(
            name,
            revision=revision,
            dtype=cast("Any", dtype),
            device=device,
            trust_remote_code=trust_remote_code,
            progress=progress,
        )


def _check_text(arguments: Sequence[str]) -> None:
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise UsageError(
                f"the argument {argument!a} is not UTF-8 text", "Rename the file."
            ) from error


def _anchor(given: str) -> Anchor:
    if given in ("midpoint", "zero"):
        return cast("Anchor", given)
    try:
        pairs = [part.split("=") for part in given.split(",")]
        return {key.strip().lower(): float(value) for key, value in pairs}
    except ValueError as error:
        raise UsageError(
            f"anchor {given!r} is not understood",
            "Use midpoint, zero, or a number for every dimension: pdi=50,idv=50,...",
        ) from error


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "run"


def _plain(country: dict[str, Any]) -> dict[str, Any]:
    return {**country, "scores": dict(country["scores"])}


def _print_json(value: object) -> None:
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    print(json_text(value, ascii_only=not unicode), end="")
