"""Figures of a run, and of several: scores beside the target, the search, what it costs on ordinary text.

In: a `Run`. Out: drawings, each with its caption and its content in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from acculturate.drawing import (
    Chart,
    Dot,
    Drawing,
    Lane,
    Level,
    Look,
    Series,
    Strip,
    Strips,
    look_of,
)
from acculturate.formatting import divergence_text, loss_text, short
from acculturate.metrics.side_effects import Reach
from acculturate.runs.records import Evaluation, Outcome, Run

TUNING, HELD_OUT = Look("blue", "o"), Look("vermilion", "D")
UNTOUCHED, UNTOUCHED_HELD_OUT = Look("grey", "o", hollow=True), Look("grey", "D", hollow=True)
TARGET = Look("ink", line="-")
INTERVAL = Look("grey", line="-", width=4, opacity=0.28)
UNTOUCHED_LINE, CONSTANT_LINE, FLOOR_LINE = (Look("grey", line=line) for line in ("-", "--", ":"))
_LIMIT_LINE = Look("red", line="--")
_ACROSS = "candidates evaluated"
_OUTER_CUT = 1.2  # how far past everything else the outer band may stretch the axis
_HEADROOM = 1.04

Text = Callable[[float | None], str]


def figures_of(run: Run) -> tuple[Drawing, ...]:
    """Return every figure of a run."""
    effects = run.checks.side_effects
    reaches = effects.reaches if effects else ()
    drawn = (
        score_strips(run.evaluation) if run.evaluation else None,
        loss_chart(run),
        divergence_chart(run),
        frontier_chart(run),
        *(reach_chart(reach) for reach in reaches),
    )
    return tuple(drawing for drawing in drawn if drawing is not None)


def score_strips(evaluation: Evaluation) -> Strips | None:
    """Return the scores beside the target's; None where no method was scored."""
    naive, tuned = evaluation.method("naive"), evaluation.method("tuned")
    forms = (
        ("Tuning", naive and naive.tuning, tuned and tuned.tuning, UNTOUCHED, TUNING),
        (
            "Held-out",
            naive and naive.held_out,
            tuned and tuned.held_out,
            UNTOUCHED_HELD_OUT,
            HELD_OUT,
        ),
    )
    if not any(before or after for _, before, after, *_ in forms):
        return None
    strips: list[Strip] = []
    for dimension in evaluation.dimensions:
        key, target = dimension.key, evaluation.target.get(dimension.key)
        lanes: list[Lane] = []
        for name, before, after, *looks in forms:
            pairs = list(zip((before, after), looks, strict=True))
            dots = [dot for outcome, look in pairs if (dot := _dot(outcome, key, look))]
            texts = [_score_text(outcome, key, evaluation.text) for outcome, _ in pairs]
            lanes.append(Lane(tuple(dots), f"{name} forms: untouched {texts[0]}, tuned {texts[1]}"))
        name = f"{short(dimension.name, 40)} ({short(key.upper(), 12)})"
        target_text = f"target {evaluation.text(target)}"
        ends = short(dimension.low, 90), short(dimension.high, 90)
        arrows = (
            ends[0] and f"←\N{NO-BREAK SPACE}{ends[0]}",
            ends[1] and f"{ends[1]}\N{NO-BREAK SPACE}→",
        )
        strips.append(Strip(name, tuple(lanes), target, target_text, *arrows))
    legend = {
        "target": TARGET,
        "untouched": UNTOUCHED,
        "tuned, tuning forms": TUNING,
        "tuned, held-out forms": HELD_OUT,
    }
    dots = [dot for strip in strips for lane in strip.lanes for dot in lane.dots]
    if any(dot.interval for dot in dots):
        legend["95 % interval"] = INTERVAL
    return Strips(
        "scores",
        f"Scores beside those published for {short(evaluation.country)}",
        "A line runs from the untouched model to the tuned one: in the upper lane on the forms it was "
        "tuned on, in the lower lane on forms it never saw. The closer its end to the target’s line, the "
        "better.",
        strip_description(strips),
        "",
        tuple(strips),
        legend,
        usual_range(evaluation),
    )


def usual_range(evaluation: Evaluation) -> tuple[float, float] | None:
    """Return the range that scores usually lie in, or None where they lie on a map."""
    return (0.0, 100.0) if evaluation.digits == 1 else None


def strip_description(strips: Sequence[Strip]) -> str:
    """Return the numbers of some strips in words."""
    return " ".join(
        f"{strip.name}: {strip.target_text}. " + " ".join(f"{lane.hover}." for lane in strip.lanes)
        for strip in strips
    )


def loss_chart(run: Run) -> Chart | None:
    """Return the loss against evaluations with the lines to beat; None where nothing was evaluated."""
    levels: list[Level] = []
    evaluation = run.evaluation
    naive = evaluation.method("naive") if evaluation else None
    naive_loss = naive.tuning.loss if naive and naive.tuning else None
    if naive_loss is None and run.done:
        naive_loss = run.done.naive_loss
    constant = evaluation.constant_answer_loss if evaluation else None
    floor = evaluation.floor if evaluation else None
    for name, value, look in (
        ("untouched", naive_loss, UNTOUCHED_LINE),
        ("constant answer", constant, CONSTANT_LINE),
        ("floor", floor, FLOOR_LINE),
    ):
        if value is not None:
            levels.append(Level(f"{name} {run.text(value)}", value, look))
    return _search_chart(
        run,
        "loss",
        "Loss on the tuning forms while the search went on",
        "The search sees only these forms; that its loss falls is no result in itself.",
        "loss on the tuning forms",
        [line.best_loss for line in run.history],
        levels,
        run.text,
        bands=True,
    )


def divergence_chart(run: Run) -> Chart | None:
    """Return the best candidate's divergence against evaluations; None where it was not measured."""
    limit = run.config.max_divergence
    levels = [] if limit is None else [Level(f"limit {divergence_text(limit)}", limit, _LIMIT_LINE)]
    return _search_chart(
        run,
        "divergence",
        "Divergence of the best candidate while the search went on",
        "How the search’s best candidate of the moment changed ordinary text.",
        "divergence, nats a token",
        [line.best_divergence for line in run.history],
        levels,
        divergence_text,
        bands=False,
    )


def _search_chart(
    run: Run,
    key: str,
    title: str,
    meaning: str,
    y_label: str,
    values: Sequence[float | None],
    levels: Sequence[Level],
    text: Text,
    *,
    bands: bool,
) -> Chart | None:
    pairs = zip(run.history, values, strict=True)
    points = [(line, value) for line, value in pairs if value is not None]
    if not points:
        return None
    split = next((i for i, (line, _) in enumerate(points) if line.best_violation <= 0), len(points))
    best_name = f"best so far {text(points[-1][1])}"
    series: list[Series] = []
    beyond, within = points[: split + 1], points[split:]
    dotted, solid = Look("blue", "o", line=":", width=1.8), Look("blue", "o", line="-", width=1.8)
    for name, look, part in (
        ("nothing within the limit yet" if within else best_name, dotted, beyond if split else ()),
        (best_name, solid, within),
    ):
        if part:
            xs, ys = zip(*((float(line.evaluations), value) for line, value in part), strict=True)
            series.append(Series(name, look, xs, ys, steps=True, only_last=part[-1] is points[-1]))
    known = [line for line in run.history if bands and line.quantiles]
    quantiles = list(zip(*(line.quantiles or () for line in known), strict=True))
    wanted = [0.0, *(value for _, value in points), *(level.value for level in levels)]
    wanted += quantiles[3] if quantiles else ()
    highest = max(quantiles[4]) if quantiles else 0.0
    top = (max(*wanted, min(highest, max(wanted) * _OUTER_CUT)) * _HEADROOM) or 1.0
    if len(known) > 1:
        cut = [min(value, top) for value in quantiles[4]]
        spread = (quantiles[0], cut), (quantiles[1], quantiles[3])
        median = Look("blue", line="-", width=0.8, opacity=0.75)
        at = [float(line.evaluations) for line in known]
        series.insert(0, Series("median of a generation", median, at, quantiles[2], spread))
    unfinished = run.done is None and run.config.budget is not None
    reach = max(run.config.budget or 0 if unfinished else 0, run.history[-1].evaluations, 1)
    described = f"{text(points[0][1])} after {points[0][0].evaluations} evaluations, "
    described += f"{text(points[-1][1])} after {points[-1][0].evaluations}."
    return Chart(
        key,
        title,
        " ".join(
            filter(None, (_search_caption(split > 0, len(known) > 1, highest > top), meaning))
        ),
        f"{y_label}: {described}" + "".join(f" Line: {level.name}." for level in levels),
        _ACROSS,
        y_label,
        tuple(series),
        tuple(levels),
        x_range=(0.0, float(reach)),
        y_range=(0.0, top),
    )


def _search_caption(beyond: bool, bands: bool, cut: bool) -> str:
    parts = [
        "Thick line: the best so far"
        + (", dotted where nothing was within the divergence limit yet" if beyond else ""),
        "Bands: the middle half and the middle 90 % of each generation" if bands else "",
    ]
    return ". ".join(filter(None, parts)) + (", cut off at the top." if cut else ".")


def frontier_chart(run: Run) -> Chart | None:
    """Return what a search of loss and divergence together found; None for other searches."""
    if not run.frontier:
        return None
    series: list[Series] = []
    for name, look, points in (
        (
            "tuning",
            replace(TUNING, line="-", width=0.8),
            [(p.divergence, p.loss) for p in run.frontier],
        ),
        ("held-out", HELD_OUT, [(p.held_out_divergence, p.held_out_loss) for p in run.frontier]),
    ):
        known = [(x, y) for x, y in points if x is not None and y is not None]
        hovers = [f"{name}: loss {run.text(y)}, divergence {divergence_text(x)}" for x, y in known]
        xs, ys = [x for x, _ in known], [y for _, y in known]
        series.append(Series(f"{name} forms and texts", look, xs, ys, hovers=hovers))
    return Chart(
        "frontier",
        "Loss against divergence on the frontier",
        "Each mark is a prompt that no other one beat in both loss and divergence. The line joins them as the "
        "search saw them; diamonds are the same prompts on forms and texts it never saw.",
        "; ".join(hover for part in series for hover in part.hovers) + ".",
        "divergence, nats a token",
        "loss",
        tuple(series),
        x_range=from_zero([x for part in series for x in part.x]),
        y_range=from_zero([y for part in series for y in part.y]),
    )


def reach_chart(reach: Reach) -> Chart | None:
    """Return divergence by position; None for fewer than two positions, or one that is not finite."""
    values = [*reach.divergence, *reach.low, *reach.high]
    length = len(reach.divergence)
    if length < 2 or not all(map(math.isfinite, values)):
        return None
    marks = sorted({1, max(1, length // 2), length})
    described = ", ".join(
        f"{divergence_text(reach.divergence[mark - 1])} nats at token {mark}" for mark in marks
    )
    label = short(reach.label)
    bands = ((reach.low, reach.high),) if reach.low else ()
    band_text = "; band: its 95 % bootstrap interval over texts" if reach.low else ""
    mean = Look("blue", line="-", width=1.8)
    return Chart(
        f"reach-{reach.key}",
        f"How far into a text the prompt reaches: {label}",
        f"Line: mean over {reach.texts} texts{band_text}.",
        f"Mean divergence over {reach.texts} texts: {described}.",
        "tokens behind the place of the prompt",
        "divergence, nats",
        (Series("", mean, range(1, length + 1), reach.divergence, bands),),
        x_range=(1.0, float(length)),
        y_range=from_zero(values),
    )


def tradeoff_chart(runs: Sequence[Run]) -> Chart | None:
    """Return held-out loss against divergence, a mark a run; None for fewer than two that have both."""
    series: list[Series] = []
    untouched: list[float] = []
    digits = max((run.digits for run in runs), default=1)
    for run in runs:
        tuned = run.evaluation.method("tuned") if run.evaluation else None
        naive = run.evaluation.method("naive") if run.evaluation else None
        loss = tuned.held_out.loss if tuned and tuned.held_out else None
        if tuned is not None and loss is not None and tuned.divergence is not None:
            name, numbers = short(run.name, 40), (loss_text(loss, digits), tuned.divergence)
            hover = f"{name}: divergence {divergence_text(numbers[1])}, held-out loss {numbers[0]}"
            look = look_of(len(series))
            series.append(Series(name, look, [tuned.divergence], [loss], hovers=[hover]))
        if naive and naive.held_out and naive.held_out.loss is not None:
            untouched.append(naive.held_out.loss)
    if len(series) < 2:
        return None
    if untouched:
        series.insert(0, Series("untouched", UNTOUCHED, [0.0] * len(untouched), untouched))
    return Chart(
        "tradeoff",
        "Gain and cost of each run",
        "Lower is nearer to the target, further left leaves ordinary text more as it was. Hollow marks are "
        "the untouched models.",
        "; ".join(hover for part in series for hover in part.hovers) + ".",
        "divergence on ordinary text, nats a token",
        "loss on held-out forms",
        tuple(series),
        x_range=from_zero([x for part in series for x in part.x]),
        y_range=from_zero([y for part in series for y in part.y]),
    )


def from_zero(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis that holds 0 and some values."""
    return min(0.0, *values), max(0.0, *values) * _HEADROOM or 1.0


def _dot(outcome: Outcome | None, key: str, look: Look) -> Dot | None:
    if outcome is None or key not in outcome.scores:
        return None
    return Dot(outcome.scores[key], look, outcome.intervals.get(key))


def _score_text(outcome: Outcome | None, key: str, text: Text) -> str:
    score = outcome.scores.get(key) if outcome else None
    return text(score) + span_text(outcome.intervals.get(key) if outcome else None, text)


def span_text(span: tuple[float, float] | None, text: Text) -> str:
    """Return an interval in brackets; empty for none."""
    return "" if span is None else f" ({text(span[0])} to {text(span[1])})"
