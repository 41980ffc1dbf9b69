"""`acculturate evaluate --on`: questions to a finished run outside the survey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acculturate import display, progress_bars
from acculturate.commands.shared import Models, print_json, say_report
from acculturate.errors import UsageError

if TYPE_CHECKING:
    from acculturate.benchmarks import Exam, Known
    from acculturate.runs import Run

FLUENCY = "fluency"
"""The name of ordinary texts and everyday questions; all others are benchmarks."""


@dataclass(frozen=True)
class Asked:
    """The value of --on.

    Attributes:
        exam: Benchmarks, or None.
        fluency: Whether ordinary texts are read.
        texts: The user's own among them.
    """

    exam: Exam | None
    fluency: bool
    texts: tuple[str, ...]


def read_on(
    on: Sequence[str] | None, texts: Path | None, permute: int, written: bool
) -> Asked | None:
    """Read --on, --texts, --permute and --written; None without --on.

    Raises:
        UsageError: A name is unknown, or an option belongs to something that is not asked.
        FailureError: A benchmark cannot be fetched from the hub.
    """
    from acculturate.benchmarks import Exam, benchmark_names, load_benchmarks
    from acculturate.evaluation.fluency import read_own_texts

    known = ", ".join([FLUENCY, *benchmark_names()])
    names = [part.strip() for given in on or () for part in given.split(",") if part.strip()]
    if on is not None and not names:
        raise UsageError("--on names nothing", f"Known: {known}, or a .toml file.")
    fluency, benchmarks = FLUENCY in names, [name for name in names if name != FLUENCY]
    if texts is not None and not fluency:
        raise UsageError("texts are read for their fluency alone", "Use --on fluency --texts FILE.")
    if (permute or written) and not benchmarks:
        raise UsageError(
            f"{'--permute' if permute else '--written'} is about benchmarks, and none is given",
            f"Give some with --on: {', '.join(benchmark_names())}, or a .toml file.",
        )
    if on is None:
        return None
    exam = None
    own = () if texts is None else read_own_texts(texts)
    if benchmarks:
        with progress_bars.step("loading the benchmarks") as progress:
            exam = Exam(load_benchmarks(benchmarks, progress), permute, written)
    return Asked(exam, fluency, own)


def evaluate_on(runs: Sequence[Run], asked: Asked, models: Models, as_json: bool) -> None:
    """Ask finished runs and print the results."""
    import acculturate as ac
    from acculturate.evaluation.fluency import evaluate_fluency
    from acculturate.reporting import benchmarks_narrative, side_effects_narrative
    from acculturate.runs import read_run

    known: Known = {}
    results: list[dict[str, Any]] = []
    for run in runs:
        model = models.of(run)
        result: dict[str, Any] = {"run": str(run.directory)}
        if asked.fluency:
            title = f"reading texts under the prompt of {run.directory}"
            with progress_bars.step(title) as progress:
                measured = evaluate_fluency(run, model, texts=asked.texts, progress=progress)
            result |= measured.to_dict()
            effects = read_run(run.directory).checks.side_effects
            if effects is not None and not as_json:
                sentences = side_effects_narrative.sentences(effects)
                display.show_side_effects(run.directory, effects, sentences)
        if asked.exam is not None:
            with progress_bars.question_bar() as progress:
                examined = ac.examine(run, model, asked.exam, known=known, progress=progress)
            result["benchmarks"] = examined.to_dict()
            if not as_json:
                display.show_examined(examined, benchmarks_narrative.sentences)
        results.append(result)
    if as_json:
        print_json({"runs": results})
    else:
        say_report([run.directory for run in runs])
