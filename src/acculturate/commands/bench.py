"""`acculturate bench`: parses, calls, prints."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from acculturate import progress_bars
from acculturate.commands.options import (
    DeviceOption,
    DtypeOption,
    InstrumentOption,
    JsonOption,
    ModelOption,
    ReadingOption,
    RevisionOption,
    TableOption,
    TrustOption,
)
from acculturate.commands.shared import load, print_json
from acculturate.errors import UsageError
from acculturate.io import json_text, write_text

if TYPE_CHECKING:
    from acculturate.bench.evaluate import Benchmark, Way
    from acculturate.bench.scaling import Scaling

bench_app = typer.Typer(
    help="What asking costs, and which search gets furthest.", no_args_is_help=True
)

_SEARCHES = (
    "de/rand/1,space=full",
    "de",
    "jde",
    "shade",
    "l-shade",
    "pso",
    "sep-cma-es",
    "eki",
    "adam",
)

_LABELS = {
    "generate": "(a) generate",
    "single": "(b) single",
    "padded": "(c) padded",
    "population": "(d) ours",
}


@bench_app.callback()
def bench() -> None:
    """What asking costs, and which search gets furthest."""


@bench_app.command()
def evaluate(
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="embedded, a hub name, a folder, a .gguf file."),
    ] = None,
    random_weights: Annotated[
        Literal["llama-3-8b", "gemma-3-270m", "tiny"] | None,
        typer.Option(help="A shape with random weights instead: nothing is downloaded."),
    ] = None,
    forms: Annotated[
        int, typer.Option(help="Tuning forms: one an item, or a multiple of twice the items.")
    ] = 48,
    candidates: Annotated[int, typer.Option(help="Soft prompts, of 8 tokens each.")] = 4,
    rounds: Annotated[int, typer.Option(help="Turns of every way; the fastest counts.")] = 3,
    only: Annotated[
        list[str] | None,
        typer.Option(help="generate, single, padded or population alone; may be repeated."),
    ] = None,
    placement: Annotated[
        Literal["front", "after-bos", "before-answer"],
        typer.Option(help="Where the soft prompts go."),
    ] = "front",
    new_tokens: Annotated[int, typer.Option(help="Tokens that generate writes at most.")] = 4,
    scaling: Annotated[
        bool,
        typer.Option("--scaling", help="Ours over 24, 48, 96 forms and 10, 20, 40 candidates."),
    ] = False,
    instrument: InstrumentOption = "vsm13",
    revision: RevisionOption = None,
    dtype: DtypeOption = "auto",
    device: DeviceOption = "auto",
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Time the evaluation of soft prompts, beside the usual ways to do it."""
    if model is not None and random_weights is not None:
        raise UsageError(
            f"--model {model} and --random-weights {random_weights} are two models",
            "Give one of them.",
        )
    for way in only or ():
        if way not in _LABELS:
            raise UsageError(f"unknown way {way!r} of asking", f"Give {', '.join(_LABELS)}.")
    if min(forms, candidates, rounds, new_tokens) < 1:
        raise UsageError("forms, candidates, rounds and new tokens are at least 1", "Give more.")
    from acculturate.bench import evaluate as benchmark
    from acculturate.bench import scaling as growth
    from acculturate.bench.setting import bench_forms
    from acculturate.survey.instrument import load_instrument

    survey = load_instrument(instrument)
    asked = bench_forms(survey, forms)
    with progress_bars.step("loading the model") as progress:
        if random_weights is not None:
            from acculturate.bench.random_weights import load_random_model

            progress(f"drawing random weights: {random_weights}")
            answering = load_random_model(random_weights, survey, dtype=dtype, device=device)
        else:
            from acculturate.model.language_model import load_language_model

            if model == "fake":
                raise UsageError("the fake model costs nothing", "Give a language model.")
            answering = load_language_model(
                model or "embedded",
                revision=revision,
                dtype=dtype,
                device=device,
                trust_remote_code=trust_remote_code,
                progress=progress,
            )
        if scaling:
            result = growth.scaling(
                answering, survey, rounds=rounds, placement=placement, progress=progress
            )
        else:
            result = benchmark.evaluate(
                answering,
                asked,
                candidates=candidates,
                rounds=rounds,
                ways=cast("list[Way]", only) or benchmark.WAYS,
                placement=placement,
                new_tokens=new_tokens,
                progress=progress,
            )
    if as_json:
        print_json(result.to_dict())
    elif isinstance(result, growth.Scaling):
        _show_scaling(result)
    else:
        _show(result)


@bench_app.command()
def search(
    country: Annotated[
        list[str], typer.Option("--country", "-c", help="Where to move; may be repeated.")
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="An optimiser, and settings behind commas: de/rand/1,space=projection:500,F=0.7; may "
            "be repeated. Random search is always there."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of every method.")] = 3,
    budget: Annotated[int, typer.Option(min=1, help="Evaluations of every run.")] = 400,
    limit: Annotated[
        list[str] | None,
        typer.Option(help="On the divergence: none, or nats a token; may be repeated [none, 0.3]."),
    ] = None,
    goal: Annotated[
        str, typer.Option(help="Method whose median loss the others have to reach.")
    ] = "de/rand/1,space=full",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder; what is finished in it is not run again.")
    ] = Path("runs/bench-search"),
    model: ModelOption = "fake",
    instrument: InstrumentOption = "vsm13",
    table: TableOption = "hofstede-insights",
    reading: ReadingOption = "expected",
    forms: Annotated[int | None, typer.Option(help="Tuning forms, for all methods.")] = None,
    revision: RevisionOption = None,
    dtype: DtypeOption = "auto",
    device: DeviceOption = "auto",
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare searches at one budget: a table, and a figure of loss against evaluations."""
    import acculturate as ac
    from acculturate.bench.frontier_figure import frontier_figure
    from acculturate.bench.search import compare, parse_method
    from acculturate.bench.search_figure import figure
    from acculturate.bench.search_table import HEADER, markdown, rows

    survey, countries = ac.load_instrument(instrument), ac.load_countries(table)
    methods = [parse_method(text) for text in method or _SEARCHES]
    limits = [_limit(text) for text in limit or ("none", "0.3")]
    answering = load(model, revision, dtype, device, trust_remote_code)
    with progress_bars.step("comparing") as progress:
        result = compare(
            answering,
            survey,
            [countries[name] for name in country],
            methods,
            seeds=seeds,
            budget=budget,
            limits=limits,
            out=out,
            settings={"reading": reading, "forms": forms},
            progress=progress,
        )
    found = rows(result, goal)
    write_text(out / "comparison.json", json_text(result.to_dict()))
    write_text(out / "comparison.md", markdown(found))
    write_text(out / "comparison.svg", figure(result))
    write_text(out / "frontier.svg", frontier_figure(result))
    if as_json:
        print_json([asdict(row) for row in found])
        return
    console = Console()
    for (place, cap), group in groupby(found, key=lambda row: row.texts()[:2]):
        shown = Table(title=f"{escape(result.model)}, {escape(place)}, limit {escape(cap)}")
        for name in HEADER[2:]:
            shown.add_column(name, justify="left" if name == "method" else "right")
        for row in group:
            shown.add_row(*map(escape, row.texts()[2:]))
        console.print(shown)
    for name in ("comparison.svg", "frontier.svg"):
        console.print(str(out / name), highlight=False, markup=False, soft_wrap=True)


def _limit(text: str) -> float | None:
    if text.lower() == "none":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"the limit {text!r} is no number", "Give none or a number.") from error


def _show(result: Benchmark) -> None:
    table = Table(title=f"{escape(result.model)}: {result.forms} forms")
    table.add_column("")
    for name in ("candidates/s", "tokens each", "tokens/s", "ours faster", "peak MB"):
        table.add_column(name, justify="right")
    for way, label in _LABELS.items():
        if way not in result.seconds:
            continue
        ratio = result.ratio(way)
        table.add_row(
            label,
            _number(result.candidates_per_second(way), 3),
            _number(result.tokens_per_candidate[way]),
            _number(result.tokens_per_second(way)),
            "" if way == "population" or ratio is None else f"{ratio:.2f} x",
            _number(result.peak_memory_mb[way]),
        )
    console = Console()
    console.print(table)
    lines = [
        f"{result.candidates} candidates of {result.virtual_tokens} virtual tokens, {result.placement}; "
        f"generate writes {result.new_tokens} tokens; {_machine(result.about)}",
        f"matrix multiplication: {_number(result.matmul_gflops)} GFLOP/s ("
        + ", ".join(f"{shape}: {_number(rate)}" for shape, rate in result.matmul_shapes.items())
        + ")",
        f"ours: {result.work.computed / 1e9:,.1f} GFLOP a candidate, of them "
        f"{(result.work.computed - result.work.needed) / 1e9:,.1f} behind masks",
    ]
    if result.matmul_share is not None:
        lines[-1] += (
            f"; {_number(result.population_gflops)} GFLOP/s, "
            f"{result.matmul_share:.1%} of the matrix multiplication"
        )
    if result.largest_difference is not None:
        lines.append(
            f"option probabilities: largest difference between two ways {result.largest_difference:.1e}"
        )
    lines.append(f"memory before the first pass: {_number(result.loaded_memory_mb)} MB")
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _show_scaling(result: Scaling) -> None:
    table = Table(title=f"{escape(result.model)}: ours over forms and candidates")
    for name in ("forms", "candidates", "seconds", "ms a candidate", "tokens/s"):
        table.add_column(name, justify="right")
    for forms, candidates, seconds in result.seconds:
        tokens = result.tokens[forms] * candidates
        table.add_row(
            str(forms),
            str(candidates),
            f"{seconds:.2f}",
            f"{1000 * seconds / candidates:,.1f}",
            _number(tokens / seconds),
        )
    console = Console()
    console.print(table)
    console.print(f"{result.placement}; {_machine(result.about)}", highlight=False, markup=False)


def _machine(about: dict[str, Any]) -> str:
    return f"{about['device_name']}, {about['dtype']}, {about['threads']} threads"


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
