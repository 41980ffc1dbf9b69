"""`acculturate evaluate`: finished runs, asked what their search never saw."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import acculturate as ac
from acculturate import display, progress_bars
from acculturate.commands.loading import load
from acculturate.commands.options import DeviceOption, JsonOption, RunModelOption, TrustOption
from acculturate.errors import UsageError
from acculturate.runs import read_run

if TYPE_CHECKING:
    from acculturate.benchmarks import Exam, Known
    from acculturate.model import AnswerModel

FLUENCY = "fluency"
"""The name of ordinary texts and everyday questions; all others are benchmarks."""

_RunsArgument = Annotated[list[Path], typer.Argument(help="Directories of finished runs.")]
_LanguagesOption = Annotated[
    str, typer.Option(help="Other languages to ask in: all, none, or codes such as ar,hi.")
]
_RespondentsOption = Annotated[
    int,
    typer.Option(
        help="Number of simulated respondents, personas who answer every question once; 0 asks none."
    ),
]
_GeneratedOption = Annotated[
    bool,
    typer.Option(
        "--generated/--no-generated",
        help="Compare answers that the model writes with probabilities.",
    ),
]
_OnOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Evaluate on these alone, separated by commas: fluency (ordinary text), or benchmarks by name "
        "or as NAME=FILE or FILE.toml: culturalbench-easy, culturalbench-hard, global-opinions, "
        "acculturate-culture-easy, acculturate-culture-hard (docs/benchmarks.md)."
    ),
]
_TextsOption = Annotated[
    Path | None, typer.Option(help="File of ordinary texts, one a line, to read with --on fluency.")
]
_PermuteOption = Annotated[
    int,
    typer.Option(
        help="Random orders of the options that a benchmark's scores are averaged over; 0 keeps the order "
        "of its file."
    ),
]
_WrittenOption = Annotated[
    bool, typer.Option("--written", help="Let the model write its answers to benchmarks too.")
]
_InstrumentOption = Annotated[
    str | None,
    typer.Option(
        "--instrument",
        "-i",
        help="TOML file of the runs' questionnaire, where it does not come with the package.",
    ),
]
_TableOption = Annotated[
    str | None,
    typer.Option(
        "--table",
        "-t",
        help="CSV file of the runs' country scores, where they do not come with the package.",
    ),
]


def evaluate(
    runs: _RunsArgument,
    languages: _LanguagesOption = "all",
    respondents: _RespondentsOption = 0,
    generated: _GeneratedOption = True,
    on: _OnOption = None,
    texts: _TextsOption = None,
    permute: _PermuteOption = 0,
    written: _WrittenOption = False,
    model: RunModelOption = None,
    instrument: _InstrumentOption = None,
    table: _TableOption = None,
    device: DeviceOption = "auto",
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Evaluate finished runs on what their search never saw.

    Their results go into the run directories, where `acculturate report` finds them.
    """
    from acculturate.evaluation.evaluate import made_with
    from acculturate.reporting import run_comparison

    loaded = [ac.Run.load(run) for run in runs]
    outside = _read_outside(on, texts, permute, written)
    ask = (
        outside.ask
        if outside
        else partial(
            _ask_other_ways,
            instrument=None if instrument is None else ac.load_instrument(instrument),
            table=None if table is None else ac.load_countries(table),
            languages={"all": None, "none": []}.get(languages, languages.split(",")),
            generated=generated,
            respondents=respondents,
        )
    )
    load_once = cache(partial(load, device=device, trust_remote_code=trust_remote_code))
    results: list[dict[str, Any]] = []
    for run in loaded:
        name, revision, dtype = made_with(run)
        results.append(ask(run, load_once(model or name, revision, dtype)))
        if not as_json:
            display.show_evaluation(read_run(run.directory), results[-1])
    shown: dict[str, Any] = {"runs": results}
    sentences: list[str] = []
    if outside is None:
        records = [read_run(run.directory) for run in loaded]
        matrices, seeds = run_comparison.confusions(records), run_comparison.spreads(records)
        shown["confusions"] = [asdict(shared.matrix) for shared in matrices]
        shown["seeds"] = [asdict(shared.spread) for shared in seeds]
        sentences = [shared.words for shared in (*matrices, *seeds)]
    display.print_result(as_json, shown, lambda: display.show_lines(sentences))
    if not as_json:
        paths = shlex.join(str(run) for run in runs)
        display.say(f"`acculturate report {paths}` shows all of it.")


def _ask_other_ways(run: ac.Run, model: AnswerModel, **options: Any) -> dict[str, Any]:
    with progress_bars.step(f"evaluating {run.directory}") as progress:
        return ac.evaluate(run, model, **options, progress=progress).to_dict()


@dataclass(frozen=True)
class _Outside:
    """Questions and texts outside the survey.

    Attributes:
        exam: Benchmarks, or None.
        texts: The user's own ordinary texts; None where none are read, not even those of the package.
        known: Answers by what they depend on, so that the untouched model is asked once for all runs.
    """

    exam: Exam | None
    texts: tuple[str, ...] | None
    known: Known = field(default_factory=dict)

    def ask(self, run: ac.Run, model: AnswerModel) -> dict[str, Any]:
        """Ask a finished run and return its results for JSON."""
        from acculturate.evaluation.fluency import evaluate_fluency

        result: dict[str, Any] = {"run": str(run.directory)}
        if self.texts is not None:
            title = f"reading texts under the prompt of {run.directory}"
            with progress_bars.step(title) as progress:
                result |= evaluate_fluency(
                    run, model, texts=self.texts, progress=progress
                ).to_dict()
        if self.exam is not None:
            with progress_bars.question_bar() as asking:
                examined = ac.examine(run, model, self.exam, known=self.known, progress=asking)
            result["benchmarks"] = examined.to_dict()
        return result


def _read_outside(
    on: Sequence[str] | None, texts: Path | None, permute: int, written: bool
) -> _Outside | None:
    """Read --on, --texts, --permute and --written; None without --on.

    Raises:
        UsageError: A name is unknown, or an option belongs to something that is not asked.
        FailureError: A benchmark cannot be fetched from the hub.
    """
    from acculturate.benchmarks import Exam, benchmark_names, load_benchmarks
    from acculturate.evaluation.fluency import read_own_texts

    known = ", ".join(benchmark_names())
    names = [part.strip() for given in on or () for part in given.split(",") if part.strip()]
    if on is not None and not names:
        raise UsageError("--on names nothing", f"Known: {FLUENCY}, {known}, or a .toml file.")
    benchmarks = [name for name in names if name != FLUENCY]
    if texts is not None and FLUENCY not in names:
        raise UsageError("texts are read for their fluency alone", "Use --on fluency --texts FILE.")
    if (permute or written) and not benchmarks:
        raise UsageError(
            f"{'--permute' if permute else '--written'} is about benchmarks, and none is given",
            f"Give some with --on: {known}, or a .toml file.",
        )
    if on is None:
        return None
    own = () if texts is None else read_own_texts(texts)
    exam = None
    if benchmarks:
        with progress_bars.step("loading the benchmarks") as progress:
            exam = Exam(load_benchmarks(benchmarks, progress), permute, written)
    return _Outside(exam, own if FLUENCY in names else None)
