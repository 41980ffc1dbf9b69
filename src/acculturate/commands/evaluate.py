"""`acculturate evaluate`: finished runs, asked what their search never saw."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import acculturate as ac
from acculturate import display, terminal
from acculturate.commands.loading import load, load_table
from acculturate.errors import AcculturateError, FailureError, UsageError

if TYPE_CHECKING:
    from acculturate.benchmarks import Exam, Known
    from acculturate.model import AnswerModel

FLUENCY = "fluency"
"""The name of ordinary texts and everyday questions; all others are benchmarks."""


def evaluate(
    runs: list[Path],
    *,
    languages: str = "all",
    respondents: int = 0,
    generated: bool = True,
    on: list[str] | None = None,
    texts: Path | None = None,
    permute: int = 0,
    written: bool = False,
    model: str | None = None,
    instrument: str | None = None,
    table: str | None = None,
    scenarios: Path | None = None,
    device: str = "auto",
    trust_remote_code: bool = False,
    any_model: bool = False,
    embeddings: str | None = None,
    as_json: bool = False,
) -> None:
    """Evaluate finished runs on what their search never saw.

    Their results go into the run directories, where `acculturate report` finds them.

    Options:
        runs: Directories of finished runs.
        languages: Other languages to ask in: all, none, or codes such as ar,hi.
        respondents: Number of simulated respondents, personas who answer every question once; 0 asks none.
        generated: Compare answers that the model writes with its probabilities.
        on: Evaluate on these alone, separated by commas: fluency (ordinary text), or benchmarks by name or as
            NAME=FILE or FILE.toml: culturalbench-easy, culturalbench-hard, global-opinions,
            acculturate-culture-easy, acculturate-culture-hard (docs/benchmarks.md).
        texts: File of ordinary texts, one a line, to read with --on fluency.
        permute: Random option orders to average a benchmark's scores over; 0 keeps the order of its file.
        written: Let the model write its answers to benchmarks too.
        model: Name or path of the model, where it is not the one in the runs' settings.
        instrument: TOML file of the runs' questionnaire, where it does not come with the package.
        table: CSV file of the runs' country scores, where they do not come with the package.
        scenarios: TOML file of everyday situations, where none come with the package (docs/behaviour.md).
    """
    survey_alone = {
        "--languages": languages != "all",
        "--respondents": respondents,
        "--no-generated": not generated,
        "--scenarios": scenarios,
    }
    for name, given in survey_alone.items():
        if given and on is not None:
            raise UsageError(
                f"{name} is about the survey, and --on asks other questions alone",
                "Leave it out, or evaluate a second time without --on.",
            )
    loaded = [ac.Run.load(run, any_model=any_model) for run in runs]
    ask = _read_outside(on, texts, permute, written) or partial(
        _ask_other_ways,
        instrument=None if instrument is None else ac.load_instrument(instrument),
        table=None if table is None else load_table(table),
        languages={"all": None, "none": []}.get(languages, _parts([languages])),
        generated=generated,
        respondents=respondents,
        scenarios=scenarios,
    )
    load_once = _keeping_the_last(
        partial(load, device=device, trust_remote_code=trust_remote_code, embeddings=embeddings)
    )
    results = _ask_runs(loaded, ask, model, load_once, quiet=as_json)
    compared, sentences = _compare(loaded) if on is None else ({}, [])
    value = {"runs": results, **compared}
    display.print_result(as_json, value, lambda: display.show_lines(sentences))
    _check_asked(results)
    if not as_json:
        folders = {run.directory.resolve().parent for run in loaded}
        out = ["--out", "report.html"] if len(folders) > 1 else []
        showing = shlex.join(["acculturate", "report", *map(str, runs), *out])
        terminal.say(f"`{showing}` shows all of it.")


def _ask_runs(
    runs: Sequence[ac.Run],
    ask: Callable[[ac.Run, AnswerModel], dict[str, Any]],
    model: str | None,
    load_once: Callable[..., AnswerModel],
    quiet: bool,
) -> list[dict[str, Any]]:
    """Ask the model of each run, and show what came of it."""
    from acculturate.evaluation.evaluate import made_with
    from acculturate.runs import read_run

    results: list[dict[str, Any]] = []
    for run in runs:
        name, revision, dtype, chat = made_with(run, model)
        try:
            results.append(ask(run, load_once(name, revision, dtype, chat=chat)))
        except KeyboardInterrupt:
            terminal.say(
                "Stopped. What was asked is in the run directories; the same command goes on."
            )
            raise
        if not quiet:
            display.show_evaluation(read_run(run.directory), results[-1])
    return results


def _keeping_the_last(load: Callable[..., AnswerModel]) -> Callable[..., AnswerModel]:
    """Load a model once for all runs in a row that are of it, and never hold two."""
    kept: dict[tuple[Any, ...], AnswerModel] = {}

    def once(*named: Any, chat: str) -> AnswerModel:
        if (*named, chat) not in kept:
            kept.clear()
            kept[*named, chat] = load(*named, chat=chat)
        return kept[*named, chat]

    return once


def _check_asked(results: Sequence[dict[str, Any]]) -> None:
    """Refuse a result in which nothing could be asked."""
    from acculturate.runs import CHECKS

    if not any(result.keys() & {*CHECKS, FLUENCY, "benchmarks"} for result in results):
        first = results[0]["refused"][0]
        raise FailureError(
            f"nothing could be asked; first {first['label']}: {first['reason']}",
            f"{results[0]['run']}/evaluation/refused.json names the rest; the same command tries again.",
        )


def _ask_other_ways(run: ac.Run, model: AnswerModel, **options: Any) -> dict[str, Any]:
    return ac.evaluate(run, model, **options).to_dict()


def _ask_outside(
    run: ac.Run,
    model: AnswerModel,
    exam: Exam | None,
    texts: tuple[str, ...] | None,
    known: Known,
) -> dict[str, Any]:
    """Ask a finished run questions and texts outside the survey.

    Args:
        run: The run.
        model: Its model.
        exam: Benchmarks, or None.
        texts: The user's own ordinary texts; None where none are read, not even those of the package.
        known: Answers by what they depend on, so that the untouched model is asked once for all runs.

    Returns:
        The results for JSON.
    """
    from acculturate.evaluation.fluency import evaluate_fluency

    results: dict[str, Any] = {"run": str(run.directory), "refused": []}
    if texts is not None:
        results |= evaluate_fluency(run, model, texts=texts).to_dict()
    if exam is not None:
        examined = ac.examine(run, model, exam, known=known)
        results["refused"] += [asdict(each) for each in examined.refused]
        if examined.results:
            results["benchmarks"] = examined.to_dict()
    return results


def _compare(runs: Sequence[ac.Run]) -> tuple[dict[str, Any], list[str]]:
    """Return what evaluated runs say together, for JSON and in sentences."""
    from acculturate.reporting import run_comparison
    from acculturate.runs import read_run

    records = [read_run(run.directory) for run in runs]
    matrices, seeds = run_comparison.confusions(records), run_comparison.spreads(records)
    value = {
        "confusions": [asdict(shared.matrix) for shared in matrices],
        "seeds": [asdict(shared.spread) for shared in seeds],
    }
    return value, [shared.words for shared in (*matrices, *seeds)]


def _parts(lists: Iterable[str]) -> list[str]:
    """Return the parts of lists with commas."""
    return [part.strip() for given in lists for part in given.split(",") if part.strip()]


def _read_outside(
    on: Sequence[str] | None, texts: Path | None, permute: int, written: bool
) -> Callable[[ac.Run, AnswerModel], dict[str, Any]] | None:
    """Return the questions of --on, --texts, --permute and --written to a run; None without --on.

    Raises:
        AcculturateError: An option belongs to something that is not asked, or nothing can be loaded.
    """
    from acculturate.benchmarks import Exam, benchmark_names, load_benchmarks
    from acculturate.evaluation.fluency import read_own_texts

    known = ", ".join(benchmark_names())
    names = _parts(on or ())
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
        unread: dict[str, AcculturateError] = {}
        loaded = load_benchmarks(benchmarks, unread)
        exam = Exam(loaded, permute, written, unread=unread)
        if not loaded and FLUENCY not in names:
            raise next(iter(unread.values()))
    read = own if FLUENCY in names else None
    return partial(_ask_outside, exam=exam, texts=read, known={})
