"""Figures of a run, and of several: scores beside the target, the search, what it costs on ordinary text.

In: `RunRecords`. Out: charts, whose texts say what they show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from acculturate.charts import Chart, Look, Row, Series, lane, look_of, merge, outline_of
from acculturate.formatting import digits_for, divergence_text, loss_text, short
from acculturate.metrics import Reach
from acculturate.reporting.map_figure import map_of_run
from acculturate.reporting.narrative import leader
from acculturate.reporting.ways_figure import ways_chart
from acculturate.runs import Dimension, Evaluation, RunRecords
from acculturate.search import COST_OF_A_GRADIENT, Adam

_TUNING, _HELD_OUT = Look("blue", "o"), Look("vermilion", "D")
_CURVE = Look("blue", "o", line="-", width=1.8)
_TARGET, _JOIN = Look("ink", line="-"), Look("grey", line="-", width=0.8)
_LINES = {
    "untouched": Look("grey", line="-"),
    "constant answer": Look("grey", line="--"),
    "floor": Look("grey", line=":"),
    "limit": Look("red", line="--"),
}
_LONGEST_KEY = 4  # of a dimension, beside its name
_OUTER_CUT = 1.2  # how far past everything else the outer band may stretch the axis

Text = Callable[[float | None], str]
Span = tuple[float, float] | None
Scored = tuple[str, Look, Mapping[str, tuple[float, Span]]]
"""Name and look of a series, and by dimension its score with an interval or None."""


def figures_of(run: RunRecords) -> tuple[Chart, ...]:
    """Return every figure of a run."""
    effects = run.checks.side_effects
    charts = (
        score_chart(run.evaluation) if run.evaluation else None,
        map_of_run(run),
        ways_chart(run),
        loss_chart(run),
        divergence_chart(run),
        frontier_chart(run),
        *(reach_chart(reach) for reach in (effects.reaches if effects else ())),
    )
    return tuple(chart for chart in charts if chart is not None)


def score_chart(evaluation: Evaluation) -> Chart | None:
    """Return the scores beside the target's; None where no method was scored."""
    lanes: list[list[Scored]] = []
    for name, forms, look in (("tuning", "tuning", _TUNING), ("held-out", "held_out", _HELD_OUT)):
        lanes.append([])
        for key, shape in (("naive", replace(look, colour="grey", hollow=True)), ("tuned", look)):
            row = evaluation.method(key)
            outcome = getattr(row, forms) if row else None
            if outcome is not None:
                scores = {k: (v, outcome.intervals.get(k)) for k, v in outcome.scores.items()}
                state = {"naive": "untouched", "tuned": "tuned"}[key]
                lanes[-1].append((f"{state} ({name})", shape, scores))
    if not any(lanes):
        return None
    title = f"Scores beside those published for {short(evaluation.target.country)}"
    return strips(evaluation.dimensions, evaluation.target.scores, lanes, "scores", title)


def strips(
    dimensions: Sequence[Dimension],
    targets: Mapping[str, float],
    lanes: Sequence[Sequence[Scored]],
    key: str,
    title: str,
    heading: str = "",
    target_name: str = "target",
) -> Chart:
    """Return a row a dimension with its target and lanes, each of which joins its scores."""
    rows: list[Row] = []
    parts: list[Series] = []
    shown = (score for states in lanes for *_, scores in states for score, _ in scores.values())
    digits = digits_for(targets.values() or shown)
    text_of = partial(loss_text, digits=digits)
    for number, dimension in enumerate(dimensions):
        name, target = short(dimension.name, 30), targets.get(dimension.key)
        low = dimension.low and f"←\N{NO-BREAK SPACE}{short(dimension.low, 90)}"
        high = dimension.high and f"{short(dimension.high, 90)}\N{NO-BREAK SPACE}→"
        label = f"{name} ({dimension.key.upper()})" if len(dimension.key) <= _LONGEST_KEY else name
        note = f"{target_name} {text_of(target)}" if targets else ""
        rows.append(Row(label, note, low, high))
        if target is not None:
            edges = tuple(lane(number, edge, len(lanes)) for edge in (0, len(lanes)))
            text = f"{label} {text_of(target)}"
            parts.append(Series(target_name, _TARGET, (target, target), edges, (text,)))
        for place, states in enumerate(lanes):
            y = lane(number, place + 0.5, len(lanes))
            known = [(n, look, *s[dimension.key]) for n, look, s in states if dimension.key in s]
            parts.append(Series("", _JOIN, [score for _, _, score, _ in known], [y] * len(known)))
            for state, look, score, span in known:
                text = f"{name} {text_of(score)}"
                if span is not None:
                    text += f" ({text_of(span[0])} to {text_of(span[1])})"
                    bar = Look(look.colour, line="-", width=4, opacity=0.28)
                    parts.append(Series("", bar, span, (y, y)))
                parts.append(Series(state, look, (score,), (y,), (text,)))
    usual = 100.0 if digits == 1 else 0.0
    series = merge(parts)
    return Chart(key, title, "", heading, series, usual, rows=tuple(rows), lanes=len(lanes))


def loss_chart(run: RunRecords) -> Chart | None:
    """Return the loss against evaluations with the lines to beat; None where nothing was evaluated."""
    levels = {"untouched": run.done.naive_loss if run.done else None}
    if run.evaluation:
        naive = run.evaluation.method("naive")
        if naive and naive.tuning and naive.tuning.loss is not None:
            levels["untouched"] = naive.tuning.loss
        levels["constant answer"] = run.evaluation.constant_answer_loss
        levels["floor"] = run.evaluation.floor
    losses = [line.best_loss for line in run.history]
    best = _steps(run, losses, run.text)
    lines = level_lines(levels, run.text, _end(run))
    series = (*_generations(run, (*best, *lines)), *best, *lines)
    forms = "tuning forms, drawn anew for every step" if run.sampled else "the tuning forms"
    title, label = "Loss on the tuning forms while the search went on", f"loss on {forms}"
    return Chart("loss", title, _evaluations(run), label, series) if best else None


def divergence_chart(run: RunRecords) -> Chart | None:
    """Return the best candidate's divergence against evaluations; None where it was not measured."""
    best = _steps(run, [line.best_divergence for line in run.history], divergence_text)
    limit = {"limit": run.config.search.max_divergence}
    series = (*best, *level_lines(limit, divergence_text, _end(run)))
    title = "Divergence while the search went on"
    labels = _evaluations(run), "divergence, nats a token"
    return Chart("divergence", title, *labels, series, _end(run)) if best else None


def level_lines(levels: Mapping[str, float | None], text: Text, end: float) -> tuple[Series, ...]:
    """Return reference lines up to the end of the horizontal axis, those that are known."""
    known = [(name, value) for name, value in levels.items() if value is not None]
    return tuple(
        Series(f"{name} {text(value)}", _LINES[name], (0.0, end), (value, value))
        for name, value in known
    )


def _end(run: RunRecords) -> float:
    """Return the evaluations of a run, or its budget while it goes on."""
    budget = run.config.search.budget if run.done is None else 0
    return float(max(budget, *(line.evaluations for line in run.history[-1:]), 1))


def _evaluations(run: RunRecords) -> str:
    """Return the label of an axis of evaluations."""
    by_gradients = run.config.search.optimizer == Adam.name
    return (
        f"evaluations (a gradient counts as {COST_OF_A_GRADIENT})"
        if by_gradients
        else "evaluations"
    )


def _steps(run: RunRecords, values: Sequence[float | None], text: Text) -> tuple[Series, ...]:
    """Return steps of the leader, dotted where nothing was within the limit yet; none for no value."""
    pairs = zip(run.history, values, strict=True)
    points = [(line, float(line.evaluations), value) for line, value in pairs if value is not None]
    split = next((i for i, p in enumerate(points) if p[0].best_violation == 0), len(points))
    series: list[Series] = []
    for name, line, part in (
        ("nothing within the limit yet", ":", points[: split + 1] if split else []),
        (leader(run), "-", points[split:]),
    ):
        if part:
            _, xs, ys = zip(*part, strict=True)
            texts = [f"{text(y)} after {x:.0f} evaluations" for x, y in zip(xs, ys, strict=True)]
            look, last = replace(_CURVE, line=line), part[-1] is points[-1]
            shown = f"{name} {text(ys[-1])}" if last else name
            ends = (texts[0], texts[-1])
            series.append(Series(shown, look, xs, ys, ends, steps=True, only_last=last))
    return tuple(series)


def _generations(run: RunRecords, others: Sequence[Series]) -> tuple[Series, ...]:
    """Return the quantiles of each generation, the outermost cut off far above the other series.

    None where a generation is a single candidate.
    """
    known = [(float(line.evaluations), line.quantiles) for line in run.history if line.quantiles]
    if len(known) < 2 or all(len(set(quantiles)) == 1 for _, quantiles in known):
        return ()
    q05, q25, q50, q75, q95 = zip(*(quantiles for _, quantiles in known), strict=True)
    top = _OUTER_CUT * max(*q75, *(y for series in others for y in series.y))
    bands = (q05, [min(value, top) for value in q95]), (q25, q75)
    look = Look("blue", line="-", width=0.8, opacity=0.75)
    return (
        Series("median objective of a generation", look, [x for x, _ in known], q50, bands=bands),
    )


def frontier_chart(run: RunRecords) -> Chart | None:
    """Return what a search of loss and divergence together found; None for other searches."""
    series: list[Series] = []
    for name, look, points in (
        ("tuning", replace(_TUNING, line="-"), [(p.divergence, p.loss) for p in run.frontier]),
        ("held-out", _HELD_OUT, [(p.held_out_divergence, p.held_out_loss) for p in run.frontier]),
    ):
        known = [(x, y) for x, y in points if x is not None and y is not None]
        texts = [f"loss {run.text(y)}, divergence {divergence_text(x)}" for x, y in known]
        xs, ys = [x for x, _ in known], [y for _, y in known]
        series.append(Series(f"{name} forms and texts", look, xs, ys, texts))
    title, label = "Loss against divergence on the frontier", "divergence, nats a token"
    return Chart("frontier", title, label, "loss", tuple(series)) if run.frontier else None


def reach_key(reach: Reach) -> str:
    """Return the key of a set of texts' figure."""
    return f"reach-{reach.key}"


def reach_chart(reach: Reach) -> Chart | None:
    """Return divergence by position; None for fewer than two positions, or one that is not finite."""
    values, length = reach.divergence, len(reach.divergence)
    if length < 2 or not all(map(math.isfinite, (*values, *reach.low, *reach.high))):
        return None
    marks = sorted({1, max(1, length // 2), length})
    texts = [f"{divergence_text(values[mark - 1])} nats at token {mark}" for mark in marks]
    bands = ((reach.low, reach.high),) if reach.low else ()
    look = replace(_CURVE, marker="")
    mean = Series(
        f"mean over {reach.texts} texts", look, range(1, length + 1), values, texts, bands
    )
    title = f"How far into a text the prompt reaches: {short(reach.label)}"
    x_label = "tokens behind the place of the prompt"
    return Chart(reach_key(reach), title, x_label, "divergence, nats", (mean,))


def tradeoff_chart(runs: Sequence[RunRecords]) -> Chart | None:
    """Return held-out loss against divergence, a mark a run.

    None for fewer than two that have both, and for runs on different questionnaires or losses, which share
    no scale.
    """
    if len({(run.config.survey.instrument, run.config.survey.aggregate) for run in runs}) > 1:
        return None
    untouched: list[Series] = []
    tuned: list[Series] = []
    for number, run in enumerate(runs):
        for row in run.evaluation.rows if run.evaluation else ():
            loss = row.held_out.loss if row.held_out else None
            text = f"held-out loss {run.text(loss)}"
            if row.method == "naive" and loss is not None:
                untouched.append(Series("untouched", outline_of(0), (0,), (loss,), (text,)))
            if row.method == "tuned" and loss is not None and row.divergence is not None:
                text = f"divergence {divergence_text(row.divergence)}, {text}"
                name, place = short(run.name, 40), ((row.divergence,), (loss,))
                tuned.append(Series(name, look_of(number), *place, (text,)))
    series = merge([*untouched, *tuned])
    x_label, y_label = "divergence on ordinary text, nats a token", "loss on held-out forms"
    title = "Gain and cost of each run"
    return Chart("tradeoff", title, x_label, y_label, series) if len(tuned) > 1 else None
