"""Benchmarks outside the survey, asked of a finished run: RUN/evaluation/benchmarks/KEY.json.

In: a finished run, its model, an `Exam`. Out: a result for each benchmark, and beside it KEY.npz, the
answers behind it by the hash of all that they depend on: what is there is not asked again. Each benchmark
fails alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acculturate.arguments import checked
from acculturate.benchmarks import AskedBenchmark, Exam, Known, Prompting, Result, Shares
from acculturate.errors import FailureError
from acculturate.io import lock_folder, remove_leftovers, write_bytes
from acculturate.model.answers import AnswerModel
from acculturate.record_files import dump_arrays, read_arrays, write_record
from acculturate.runs import BENCHMARKS, SUMMARY, Memo, Refusal, Run, check_model


@dataclass(frozen=True)
class Examined:
    """The results of a run in some benchmarks.

    Attributes:
        directory: The run directory.
        results: One a benchmark and way of reading, in the order they were asked for.
        computed: Keys of those for which the model was asked by this call.
        refused: Benchmarks that could not be asked, and why.
    """

    directory: Path
    results: tuple[Result, ...]
    computed: tuple[str, ...]
    refused: tuple[Refusal, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the results by their keys, as a value for JSON."""
        return {result.benchmark: asdict(result) for result in self.results}


@checked
def examine(
    run: Run | str | Path,
    model: AnswerModel,
    exam: Exam,
    *,
    known: Known | None = None,
) -> Examined:
    """Ask the untouched model, the baselines and the tuned one questions outside the survey.

    Args:
        run: A finished run, or its directory.
        model: The model it was tuned on; never changed.
        exam: Questions and the ways of asking them.
        known: Answers by what they depend on; filled by this call. Given to several calls, the untouched
            model is asked once for all runs.

    Returns:
        The contents of the files.

    Raises:
        UsageError: The run is not finished, or the model is another one.
        FailureError: A file of the run is damaged, or a result cannot be written.
    """
    loaded = run if isinstance(run, Run) else Run.load(run)
    weights_hash = check_model(loaded.directory, loaded.soft_prompt, model)
    known = {} if known is None else known
    methods, country = _methods(loaded), loaded.summary.target.country
    results: list[Result] = []
    computed: list[str] = []
    folder, memo = loaded.directory / BENCHMARKS, Memo(loaded.directory / "evaluation")
    with lock_folder(loaded.directory):
        memo.forget("unread")
        for name, error in exam.unread.items():
            with memo.attempt(f"unread:{name}", name):
                raise error
        for sheet in exam.sheets():
            with memo.attempt(f"benchmark:{sheet.key}", sheet.title):
                path = folder / f"{sheet.key}.npz"
                asked, marks = _answers(sheet, path, model, weights_hash, methods, known)
                computed += [sheet.key] if asked else []
                result = sheet.result(marks, known, country)
                results.append(result)
                write_record(folder / f"{sheet.key}.json", result)
    memo.finish()
    return Examined(loaded.directory, tuple(results), tuple(computed), tuple(memo.refused))


def _methods(run: Run) -> tuple[Prompting, ...]:
    """Return the untouched model, the run's own baselines in words, and the tuned one, in this order."""
    lines = run.summary.baselines
    if not {"persona", "in_context"} <= set(lines):
        raise FailureError(
            f"{run.directory / SUMMARY} has no baselines",
            "Restore it from a copy, or tune again with another --out.",
        )
    return (
        Prompting("naive"),
        Prompting("persona", line=lines["persona"]),
        Prompting("in-context", line=lines["in_context"]),
        Prompting("tuned", prompt=run.soft_prompt),
    )


def _answers(
    sheet: AskedBenchmark,
    path: Path,
    model: AnswerModel,
    weights_hash: str,
    methods: tuple[Prompting, ...],
    known: Known,
) -> tuple[bool, dict[str, str]]:
    """Ask what neither the run nor this session knows; return whether there was any, and the marks."""
    kept = _read(path)
    for mark, shares in kept.items():
        known.setdefault(mark, shares)
    fresh: list[str] = []

    def keep(mark: str) -> None:
        fresh.append(mark)
        kept[mark] = known[mark]
        _write(path, kept)

    marks = sheet.answer(model, weights_hash, methods, known, keep)
    kept |= {mark: known[mark] for mark in marks.values()}
    _write(path, kept)
    return bool(fresh), marks


def _read(path: Path) -> dict[str, Shares]:
    """Return the answers in a file; none where there is no file that can be read: they are then asked anew."""
    try:
        arrays = read_arrays(path)
    except ValueError:
        return {}
    return {mark: a for mark, a in arrays.items() if a.ndim == 2 and a.dtype == np.float64}


def _write(path: Path, answers: Mapping[str, Shares]) -> None:
    """Write answers to a file, unless it holds them already."""
    content = dump_arrays(answers)
    remove_leftovers(path)
    if not path.is_file() or path.read_bytes() != content:
        write_bytes(path, content)
