"""Losses against scores over many runs: a chart for each benchmark and kind of score."""

from __future__ import annotations

from dataclasses import replace

from acculturate.drawing import Chart, Series, look_of
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
    series: list[Series] = []
    for number, group in enumerate(dict.fromkeys(point.group for point in points)):
        members = [point for point in points if point.group == group]
        untouched = sorted(
            {(p.naive_loss[_LOSS], p.naive_score[score]) for p in members if score in p.naive_score}
        )
        tuned = [(point.loss[_LOSS], point.score[score]) for point in members]
        names = [f"{point.run} ({group})" for point in members]
        look = look_of(number)
        for name, shape, places, texts in (
            ("", replace(look, hollow=True), untouched, [f"{group}, untouched"] * len(untouched)),
            (short(group, 40), look, tuned, names),
        ):
            pairs = zip(texts, places, strict=True)
            hovers = [
                f"{text}: loss {loss_text(x)}, score {loss_text(y, 3)}" for text, (x, y) in pairs
            ]
            series.append(
                Series(name, shape, [x for x, _ in places], [y for _, y in places], hovers=hovers)
            )
    note = _note(benchmark, score)
    title = f"{short(benchmark.name, 50)}: {SCORES[score]}"
    return Chart(
        f"relate-{short(benchmark.name)}-{score}",
        title,
        note,
        f"{title}, {len(points)} runs: {note}.",
        "loss on the held-out forms (left is nearer to the target)",
        title,
        tuple(series),
        note=note,
    )


def _note(benchmark: Benchmark, score: str) -> str:
    """Return the pooled coefficients, or why there are none."""
    pooled = next(r.pooled for r in benchmark.relations if (r.loss, r.score) == (_LOSS, score))
    if pooled.why is not None:
        return pooled.why
    return (
        f"within countries: Spearman {coefficient_text(pooled.spearman)}, "
        f"Pearson {coefficient_text(pooled.pearson)}; hollow: untouched"
    )
