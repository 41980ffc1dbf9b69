"""Benchmarks in an experiment: the one place where they are run, and the reader of what they left.

In: a finished run. Out: RUN/evaluation/benchmarks/KEY.json, read back as scores of methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from acculturate.errors import UsageError
from acculturate.model.answers import AnswerModel
from acculturate.reporting.fields import read_json
from acculturate.tuning.run import Run


@dataclass(frozen=True)
class Score:
    """What a method scored in a benchmark.

    Attributes:
        benchmark: Key of the benchmark.
        method: "naive", "persona", "in-context" or "tuned".
        score: A share of right answers.
        interval: Its interval, or None.
        source: The file it was read from.
    """

    benchmark: str
    method: str
    score: float
    interval: tuple[float, float] | None
    source: Path


def check_benchmarks(names: Sequence[str]) -> None:
    """Refuses benchmarks that cannot be run, before anything runs.

    Raises:
        UsageError: They cannot.
    """
    if names:
        raise UsageError(
            f"benchmarks need `acculturate evaluate --on`, which this version lacks: {', '.join(names)}",
            "Leave benchmarks out of the experiment file.",
        )


def on_benchmarks(run: Run, model: AnswerModel, names: Sequence[str]) -> None:
    """Runs benchmarks on a finished run and writes their files into its directory.

    Args:
        run: A finished run.
        model: The model it was tuned on.
        names: Of the benchmarks.

    Raises:
        UsageError: A benchmark cannot be run.
    """
    del run, model
    check_benchmarks(names)


def read_benchmarks(run: Path) -> tuple[Score, ...]:
    """What benchmarks left in a run directory; empty where none was run.

    Raises:
        FailureError: A file is damaged.
    """
    found: list[Score] = []
    for file in sorted((run / "evaluation" / "benchmarks").glob("*.json")):
        record = read_json(file)
        key = record.text("benchmark")
        for row in record.records("rows"):
            low, high = row.optional_number("low"), row.optional_number("high")
            interval = None if low is None or high is None else (low, high)
            found.append(Score(key, row.text("method"), row.number("score"), interval, file))
    return tuple(found)
