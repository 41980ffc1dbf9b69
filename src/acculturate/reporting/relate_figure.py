"""Losses against scores over many runs: a chart for each benchmark and kind of score."""

from __future__ import annotations

from dataclasses import replace

from acculturate.drawing import Chart, Mark, look_of, scatter
from acculturate.formatting import loss_text, short
from acculturate.reporting.relate import SCORES, Benchmark, Related
from acculturate.reporting.relate_narrative import coefficient_text

_LOSS = "held-out"


def relate_charts(related: Related) -> tuple[Chart, ...]:
    """Return the charts: a mark a run, a colour and a shape a country, hollow for the untouched models."""
    return tuple(
        _chart(benchmark, score)
        for benchmark in related.benchmarks
        for score in SCORES
        if any(score in point.score for point in benchmark.points)
    )


def _chart(benchmark: Benchmark, score: str) -> Chart:
    points = [point for point in benchmark.points if score in point.score]
    groups = list(dict.fromkeys(point.group for point in points))
    marks: dict[Mark, None] = {}
    for point in points:
        name, look = short(point.group, 40), look_of(groups.index(point.group))
        x, y = point.loss[_LOSS], point.score[score]
        marks[name, look, x, y, f"{point.run}: {_mark_text(x, y)}"] = None
        if score in point.naive_score:
            name, look = f"{name}, untouched", replace(look, hollow=True)
            x, y = point.naive_loss[_LOSS], point.naive_score[score]
            marks[name, look, x, y, _mark_text(x, y)] = None
    title = f"{short(benchmark.name, 50)}: {SCORES[score]}"
    return Chart(
        f"relate-{score}",
        title,
        "loss on the held-out forms (left is nearer to the target)",
        f"{title}\n{_note(benchmark, score)}",
        scatter(list(marks)),
        zoomed=True,
    )


def _mark_text(loss: float, score: float) -> str:
    return f"loss {loss_text(loss)}, score {loss_text(score, 3)}"


def _note(benchmark: Benchmark, score: str) -> str:
    """Return the pooled coefficients, or why there are none."""
    pooled = next(r.pooled for r in benchmark.relations if (r.loss, r.score) == (_LOSS, score))
    spearman, pearson = coefficient_text(pooled.spearman), coefficient_text(pooled.pearson)
    return pooled.why or f"within countries: Spearman {spearman}, Pearson {pearson}"
