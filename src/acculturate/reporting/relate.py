"""Survey losses and downstream scores of many runs, from their files alone.

In: run directories with summary.json, benchmarks/*.json, behaviour.json and ratings.json under evaluation/.
Out: `Related`: the pairs, and their correlations within countries and over all. Nothing is asked of a model.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acculturate.arguments import Seed, checked
from acculturate.benchmarks import Result
from acculturate.errors import UsageError
from acculturate.metrics import Correlation, Interval, correlate
from acculturate.metrics.correlation import SAMPLES
from acculturate.runs import RunRecords, read_run

LOSSES = {"tuning": "loss on the tuning forms", "held-out": "loss on the held-out forms"}
SCORES = {
    "all": "score on all questions",
    "own": "score on the target's own questions",
    "towards": "shift of choices towards the target",
    "wins": "share of wins over the untouched model, as people judge",
}
BEHAVIOUR = "behaviour"
"""Stands among the benchmarks; its score is the shift of choices by words, 0 untouched."""
RATINGS = "ratings"
"""Likewise; its score is the share of wins in what is more typical of the country, 0.5 untouched."""


@dataclass(frozen=True)
class Point:
    """A run's losses and its scores in one benchmark.

    Attributes:
        run: Its directory's name.
        group: Its country, and its model and survey where the runs differ in them.
        loss: Of the tuned model, by the keys of `LOSSES`.
        naive_loss: Of the untouched one.
        score: Of the tuned model, by the keys of `SCORES`: "towards" of behaviour; "wins" of ratings; "all"
            of a benchmark, and "own" only where it has the country.
        naive_score: Of the untouched one.
        interval: 95% interval of the score on all questions, or of the shift, or None.
    """

    run: str
    group: str
    loss: dict[str, float]
    naive_loss: dict[str, float]
    score: dict[str, float]
    naive_score: dict[str, float]
    interval: Interval | None


@dataclass(frozen=True)
class Relation:
    """The correlations of a loss and a score over runs.

    Attributes:
        loss: A key of `LOSSES`.
        score: A key of `SCORES`.
        pooled: Over all runs, each group's mean taken off.
        groups: Within each group.
    """

    loss: str
    score: str
    pooled: Correlation
    groups: dict[str, Correlation]


@dataclass(frozen=True)
class Benchmark:
    """One benchmark over the runs that were asked it.

    Attributes:
        name: Its key, `BEHAVIOUR` or `RATINGS`.
        questions: How many questions or situations it has; the same benchmark with another number of them
            stands by itself.
        points: The runs.
        relations: Every loss with every score.
    """

    name: str
    questions: int
    points: tuple[Point, ...]
    relations: tuple[Relation, ...]


@dataclass(frozen=True)
class Related:
    """Benchmarks of many runs, and the runs left out.

    Attributes:
        benchmarks: One for each benchmark.
        left_out: Name of each run that was left out, and the reason.
        seed: Of the bootstrap.
        samples: Of the bootstrap over runs.
    """

    benchmarks: tuple[Benchmark, ...]
    left_out: dict[str, str]
    seed: int
    samples: int = SAMPLES

    def to_dict(self) -> dict[str, Any]:
        """Return it as a value for JSON."""
        return asdict(self)


@checked
def relate(directories: Sequence[str | Path], seed: Seed = 0) -> Related:
    """Relate the survey losses of runs to their scores in benchmarks and to their behaviour.

    Args:
        directories: Run directories; one that is given twice counts once.
        seed: Of the bootstrap. Every correlation has a stream of its own.

    Raises:
        UsageError: A directory is no run, or none of the runs was asked a benchmark or how it would behave.
        FailureError: A file of a run is damaged.
    """
    runs = [
        read_run(path) for path in {Path(path).resolve(): path for path in directories}.values()
    ]
    left_out: dict[str, str] = {}
    kept: dict[int, list[_Asked]] = {}
    for number, run in enumerate(runs):
        asked = list(_asked(run))
        if run.done is None or run.evaluation is None:
            left_out[str(run.path)] = "it is not finished"
        elif len(_losses(run, "tuned")) < len(LOSSES) or len(_losses(run, "naive")) < len(LOSSES):
            left_out[str(run.path)] = "its losses are not finite"
        elif not asked:
            left_out[str(run.path)] = "it was asked no benchmark and not how it would behave"
        else:
            kept[number] = asked
    if not kept:
        why = "; ".join(f"{path}: {reason}" for path, reason in left_out.items()) or "none given"
        raise UsageError(
            f"no run to relate ({why})",
            "Ask them first: `acculturate evaluate RUN`, or with --on BENCHMARK.",
        )
    groups = _groups([runs[number] for number in kept])
    points_of: dict[tuple[str, int, int], list[Point]] = {}
    for (number, asked), group in zip(kept.items(), groups, strict=True):
        for each in asked:
            point = _point(runs[number], group, each)
            points_of.setdefault((each.name, each.questions, each.orders), []).append(point)
    benchmarks = tuple(
        Benchmark(name, questions, tuple(points), _relations(points, seed, index))
        for index, ((name, questions, _), points) in enumerate(sorted(points_of.items()))
    )
    return Related(benchmarks, left_out, seed)


@dataclass(frozen=True)
class _Asked:
    """The scores of one run in one benchmark, or its behaviour."""

    name: str
    questions: int
    orders: int
    tuned: dict[str, float]
    naive: dict[str, float]
    interval: Interval | None


def _asked(run: RunRecords) -> Iterator[_Asked]:
    """Yield what a run was asked beside the survey and answered with finite scores, untouched and tuned."""
    for result in run.checks.benchmarks:
        tuned, naive, row = _scores(result, "tuned"), _scores(result, "naive"), result.row("tuned")
        if row and "all" in tuned and "all" in naive:
            ends = (row.low, row.high) if np.isfinite(row.low + row.high) else None
            yield _Asked(result.benchmark, result.questions, result.orders, tuned, naive, ends)
    choices = run.checks.behaviour.row("words") if run.checks.behaviour else None
    if choices and choices.counts and choices.towards:
        towards = choices.towards
        scores = {"towards": towards.value}, {"towards": 0.0}
        yield _Asked(BEHAVIOUR, choices.situations, 1, *scores, towards.interval)
    rated = run.checks.ratings
    wins = rated.against("naive") if rated else None
    if rated and wins:
        scores = {"wins": wins.typical.value}, {"wins": 0.5}
        yield _Asked(RATINGS, rated.questions, 1, *scores, wins.typical.interval)


def _point(run: RunRecords, group: str, asked: _Asked) -> Point:
    return Point(
        run=run.name,
        group=group,
        loss=_losses(run, "tuned"),
        naive_loss=_losses(run, "naive"),
        score=asked.tuned,
        naive_score=asked.naive,
        interval=asked.interval,
    )


def _scores(result: Result, method: str) -> dict[str, float]:
    """Return a method's finite scores by the keys of `SCORES`."""
    row = result.row(method)
    scores = {"all": row.score} if row else {}
    if row and row.target:
        scores["own"] = row.target.score
    return {key: score for key, score in scores.items() if np.isfinite(score)}


def _losses(run: RunRecords, method: str) -> dict[str, float]:
    row = run.method(method)
    cells = {"tuning": row.tuning, "held-out": row.held_out} if row else {}
    return {key: cell.loss for key, cell in cells.items() if cell and cell.loss is not None}


def _groups(runs: Sequence[RunRecords]) -> list[str]:
    """Return each run's country, and whatever else makes losses incomparable and is not the same in all."""
    facts = [
        (
            *(survey.country, run.config.model.name, survey.instrument, survey.table),
            *(survey.aggregate, str(survey.anchor), survey.variant or "", survey.reading),
            *(survey.language, survey.labels),
        )
        for run in runs
        for survey in [run.config.survey]
    ]
    differs = [
        len(set(column)) > 1 or not place for place, column in enumerate(zip(*facts, strict=True))
    ]
    return [", ".join(itertools.compress(parts, differs)) for parts in facts]


def _relations(points: Sequence[Point], seed: int, benchmark: int) -> tuple[Relation, ...]:
    relations: list[Relation] = []
    for x, loss in enumerate(LOSSES):
        for y, score in enumerate(SCORES):
            groups: dict[str, list[tuple[float, float]]] = {}
            for point in points:
                if score in point.score:
                    pair = point.loss[loss], point.score[score]
                    groups.setdefault(point.group, []).append(pair)
            if not groups:
                continue
            root = np.random.SeedSequence(seed, spawn_key=(benchmark, x, y))
            first, *others = map(np.random.default_rng, root.spawn(len(groups) + 1))
            pairs = {name: np.array(values) for name, values in groups.items()}
            within = {
                name: correlate([values], rng)
                for (name, values), rng in zip(pairs.items(), others, strict=True)
            }
            relations.append(Relation(loss, score, correlate(list(pairs.values()), first), within))
    return tuple(relations)
