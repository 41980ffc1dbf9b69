"""Losses against scores over many runs: a chart for each benchmark and kind of score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from acculturate.charts import Chart, Look, Series, look_of, merge
from acculturate.formatting import loss_text, short
from acculturate.reporting.relate import SCORES, Benchmark, Related
from acculturate.reporting.relate_narrative import coefficient_text

_LOSS = "held-out"
_ACROSS = "loss on the held-out forms (left is nearer to the target)"


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
    marks: dict[Series, None] = {}
    for point in points:
        name, look = short(point.group, 40), look_of(groups.index(point.group))
        marks[_mark(name, look, point.loss, point.score[score], point.run)] = None
        if score in point.naive_score:
            outline, naive = replace(look, hollow=True), point.naive_score[score]
            marks[_mark("", outline, point.naive_loss, naive, f"{name}, untouched")] = None
    title = f"{short(benchmark.name, 50)}: {SCORES[score]}"
    label = f"{title}\n{_note(benchmark, score)}"
    return Chart(f"relate-{score}", title, _ACROSS, label, merge(marks), zoomed=True)


def _mark(name: str, look: Look, losses: Mapping[str, float], score: float, words: str) -> Series:
    text = f"{words}: loss {loss_text(losses[_LOSS])}, score {loss_text(score, 3)}"
    return Series(name, look, (losses[_LOSS],), (score,), (text,))


def _note(benchmark: Benchmark, score: str) -> str:
    """Return the pooled coefficients, or why there are none."""
    pooled = next(r.pooled for r in benchmark.relations if (r.loss, r.score) == (_LOSS, score))
    spearman, pearson = coefficient_text(pooled.spearman), coefficient_text(pooled.pearson)
    return pooled.why or (
        f"within countries: Spearman {spearman}, Pearson {pearson}; hollow: untouched"
    )
