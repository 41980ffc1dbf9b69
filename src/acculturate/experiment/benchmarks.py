"""Benchmarks of an experiment's cells, as scores of methods.

In: a finished run whose cell asked them. Out: what RUN/evaluation/benchmarks/KEY.json says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from acculturate.runs import read_benchmarks


@dataclass(frozen=True)
class Score:
    """What a method scored in a benchmark.

    Attributes:
        benchmark: Key of the benchmark.
        method: "naive", "persona", "in-context" or "tuned".
        score: A share of right answers, or a similarity.
        interval: Its interval, or None.
        source: The file it was read from.
    """

    benchmark: str
    method: str
    score: float
    interval: tuple[float, float] | None
    source: Path


def read_scores(run: Path) -> tuple[Score, ...]:
    """What benchmarks left in a run directory; empty where none was run.

    Raises:
        FailureError: A file is damaged.
    """
    folder = run / "evaluation" / "benchmarks"
    return tuple(
        Score(
            result.benchmark,
            row.method,
            row.score,
            (row.low, row.high) if math.isfinite(row.low + row.high) else None,
            folder / f"{result.benchmark}.json",
        )
        for result in read_benchmarks(folder)
        for row in result.rows
        if math.isfinite(row.score)
    )
