"""Time the evaluation of soft prompts beside the usual ways to do it.

    python benchmarks/evaluator.py --model embedded --json

Four ways answer the same forms under the same soft prompts, in turn: `generate` (one form after another,
written and parsed), `single` (one forward a form), `padded` (one padded batch a candidate) and `population`
(what acculturate does). docs/performance.md explains the figures.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from acculturate.commands.options import Dtype, with_options
from acculturate.display import print_result
from acculturate.errors import AcculturateError, UsageError
from acculturate.model.language_model import LanguageModel
from acculturate.model.pretrained import load_language_model
from acculturate.progress import task
from acculturate.survey.forms import LabelKind
from acculturate.survey.instrument import Instrument, load_instrument
from measuring import scaling as growth
from measuring import ways
from measuring.random_weights import load_random_model
from measuring.scaling import Scaling
from measuring.setting import bench_forms
from measuring.ways import WAYS, Benchmark, Way

_LABELS: dict[Way, str] = {
    "generate": "(a) generate",
    "single": "(b) single",
    "padded": "(c) padded",
    "population": "(d) population",
}


app = typer.Typer(add_completion=False)


@app.command()
@with_options
def main(
    *,
    model: str | None = None,
    random_weights: Literal["llama-3-8b", "gemma-3-270m", "tiny"] | None = None,
    forms: int = 48,
    labels: LabelKind = "digits",
    candidates: int = 4,
    rounds: int = 3,
    only: list[str] | None = None,
    placement: Literal["front", "after-bos", "before-answer"] = "front",
    new_tokens: int = 4,
    scaling: bool = False,
    instrument: str = "vsm13",
    revision: str | None = None,
    dtype: Dtype = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
    as_json: bool = False,
) -> None:
    """Time the evaluation of soft prompts beside the usual ways to do it.

    Options:
        random_weights: A shape with random weights instead of --model; nothing is downloaded.
        forms: Tuning forms: one an item, or a multiple of twice the items.
        labels: Labels of the answer options; "words" are timed with --only population.
        candidates: Soft prompts, of 8 tokens each.
        rounds: Turns of every way; the fastest counts.
        only: Time generate, single, padded or population alone; may be repeated.
        placement: Place of the soft prompts.
        new_tokens: Tokens that generate writes at most.
        scaling: Time 24, 48, 96 forms x 10, 20, 40 candidates instead.
    """
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
    survey = load_instrument(instrument)
    asked = bench_forms(survey, forms, labels)
    with task("loading the model") as shown:
        answering = _load(
            model or "embedded", random_weights, survey, revision, dtype, device, trust_remote_code
        )
        if scaling:
            result: Scaling | Benchmark = growth.scaling(
                answering, survey, rounds=rounds, placement=placement, progress=shown.rename
            )
        else:
            result = ways.evaluate(
                answering,
                asked,
                candidates=candidates,
                rounds=rounds,
                ways=cast("list[Way]", only) or WAYS,
                placement=placement,
                new_tokens=new_tokens,
                progress=shown.rename,
            )
    show = _show_scaling if isinstance(result, Scaling) else _show
    print_result(as_json, result.to_dict(), lambda: show(cast("Any", result)))


def _load(
    model: str,
    random_weights: Any,
    survey: Instrument,
    revision: str | None,
    dtype: Any,
    device: str,
    trust_remote_code: bool,
) -> LanguageModel:
    if random_weights is not None:
        return load_random_model(random_weights, survey, dtype=dtype, device=device)
    if model == "fake":
        raise UsageError("the fake model costs nothing", "Give a language model.")
    return load_language_model(
        model, revision=revision, dtype=dtype, device=device, trust_remote_code=trust_remote_code
    )


def _show(result: Benchmark) -> None:
    table = Table(title=f"{escape(result.model)}: {result.forms} forms")
    table.add_column("", no_wrap=True)
    for name in ("candidates/s", "tokens each", "tokens/s", "population faster", "peak MB"):
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
        f"population: {result.work.computed / 1e9:,.1f} GFLOP a candidate, of them "
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
    table = Table(title=f"{escape(result.model)}: population over forms and candidates")
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


if __name__ == "__main__":
    try:
        app()
    except AcculturateError as error:
        raise SystemExit(f"{error}\n{error.hint or ''}".strip()) from None
