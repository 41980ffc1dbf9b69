"""A quantity against evaluations, with the lines to beat, and divergence against the position in a text.

In: a `Run`, or a `Reach`. Out: places in percent, and paths in a square of `SIDE` units that the template
stretches, since SVG cannot place a curve in percent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from acculturate.formatting import divergence_text
from acculturate.metrics.side_effects import Reach
from acculturate.reporting.scales import Scale, Tick, scale_for, x_ticks, y_ticks
from acculturate.runs.records import Generation, Run

SIDE = 1000
LINE_OF_TEXT = 17  # pixels
_OUTER_CUT = 1.2
_HEADROOM = 1.04
_LABELLED_END = 60  # percent; right of it stand the labels of the reference lines


@dataclass(frozen=True)
class Level:
    """A horizontal line with its label, and where the label stands after others made room."""

    key: str
    at: float
    label_at: float
    label: str


@dataclass(frozen=True)
class Curve:
    """A quantity against evaluations.

    Attributes:
        best: Path of the best so far within the guard's limit.
        beyond: Path of the best so far where nothing was within the limit yet.
        median: Path of the generations' median, or empty.
        inner: Outline of their middle half, or empty.
        outer: Outline of their middle 90 %, or empty.
        levels: Reference lines.
        end: Place of the last value, x and y in percent; its label is the level "best".
        height: Pixels.
        cut: Whether the outer band reaches past the top.
    """

    best: str
    beyond: str
    median: str
    inner: str
    outer: str
    levels: tuple[Level, ...]
    end: tuple[float, float]
    height: int
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    cut: bool
    description: str


@dataclass(frozen=True)
class ReachCurve:
    """Divergence against the position in a text.

    Attributes:
        label: Of the texts.
        texts: How many.
        line: Path of the mean.
        band: Outline of its interval, or empty.
        height: Pixels.
    """

    label: str
    texts: int
    line: str
    band: str
    height: int
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    description: str


def reach_curve(found: Reach) -> ReachCurve | None:
    """Divergence by position; None where there are fewer than two positions, or one is not finite."""
    values = [*found.divergence, *found.low, *found.high]
    length = len(found.divergence)
    if length < 2 or not all(map(math.isfinite, values)):
        return None
    up = scale_for([0.0, *values], 4)
    # Positions count from 1, and an axis that begins there has no round number at its end.
    steps = scale_for([0.0, float(length)], 5).ticks
    across = Scale(1.0, float(length), (1.0, *(tick for tick in steps if 1 < tick <= length)))
    at = [float(position) for position in range(1, length + 1)]
    marks = sorted({1, max(1, length // 2), length})
    described = ", ".join(
        f"{divergence_text(found.divergence[mark - 1])} nats at token {mark}" for mark in marks
    )
    return ReachCurve(
        label=found.label,
        texts=found.texts,
        line=line_path(list(zip(at, found.divergence, strict=True)), across, up),
        band=outline_path(list(zip(at, found.low, found.high, strict=True)), across, up)
        if found.low
        else "",
        height=150,
        x_ticks=x_ticks(across, "{:g}"),
        y_ticks=y_ticks(up),
        description=f"Mean divergence over {found.texts} texts: {described}.",
    )


def loss_curve(run: Run) -> Curve | None:
    """The loss against evaluations with what it has to beat; None where nothing was evaluated."""
    levels: list[tuple[str, float, str]] = []
    evaluation = run.evaluation
    naive = evaluation.method("naive") if evaluation else None
    naive_loss = naive.tuning.loss if naive and naive.tuning else None
    if naive_loss is None and run.done:
        naive_loss = run.done.naive_loss
    if naive_loss is not None:
        levels.append(("naive", naive_loss, f"untouched {run.text(naive_loss)}"))
    if evaluation and evaluation.constant_answer_loss is not None:
        constant = evaluation.constant_answer_loss
        levels.append(("constant", constant, f"constant answer {run.text(constant)}"))
    if evaluation and evaluation.floor is not None:
        levels.append(("floor", evaluation.floor, f"floor {run.text(evaluation.floor)}"))
    values = [line.best_loss for line in run.history]
    bands = [line.quantiles for line in run.history]
    return _curve(run, values, bands, levels, run.text, "Loss on the tuning forms", 300)


def divergence_curve(run: Run) -> Curve | None:
    """The best candidate's divergence against evaluations; None where it was not measured."""
    values = [line.best_divergence for line in run.history]
    limit = run.config.max_divergence
    levels = [] if limit is None else [("limit", limit, f"limit {divergence_text(limit)}")]
    empty: list[tuple[float, ...] | None] = [None] * len(values)
    what = "Divergence of the best candidate"
    return _curve(run, values, empty, levels, divergence_text, what, 150)


def _curve(
    run: Run,
    values: Sequence[float | None],
    bands: Sequence[tuple[float, ...] | None],
    levels: Sequence[tuple[str, float, str]],
    text: Callable[[float | None], str],
    what: str,
    height: int,
) -> Curve | None:
    points = [
        (line, value) for line, value in zip(run.history, values, strict=True) if value is not None
    ]
    if not points:
        return None
    unfinished = run.done is None and run.config.budget is not None
    reach = max(run.config.budget or 0 if unfinished else 0, run.history[-1].evaluations)
    across = Scale(0.0, float(max(reach, 1)), ())
    wanted = [0.0, *(value for _, value in points), *(level for _, level, _ in levels)]
    wanted += [band[3] for band in bands if band]
    highest = max((band[4] for band in bands if band), default=0.0)
    top = max(*wanted, min(highest, max(wanted) * _OUTER_CUT)) * _HEADROOM
    round_scale = scale_for([0.0, top], 5)
    up = Scale(
        0.0,
        min(top, round_scale.high) or 1.0,
        tuple(tick for tick in round_scale.ticks if tick <= top),
    )
    best, beyond = _best_paths(points, across, up)
    # x of a band is the end of its generation, like that of the best so far.
    known = [(line, band) for line, band in zip(run.history, bands, strict=True) if band]
    last_line, last = points[-1]
    end = (across.percent(float(last_line.evaluations)), 100 - up.percent(last))
    named = [*levels, ("best", last, f"best {text(last)}")]
    return Curve(
        best=best,
        beyond=beyond,
        median=line_path([(float(line.evaluations), band[2]) for line, band in known], across, up),
        inner=outline_path(
            [(float(line.evaluations), band[1], band[3]) for line, band in known], across, up
        ),
        outer=outline_path(
            [(float(line.evaluations), band[0], band[4]) for line, band in known], across, up
        ),
        levels=level_places(named, up, 100 * LINE_OF_TEXT / height, end[0] > _LABELLED_END),
        end=end,
        height=height,
        x_ticks=x_ticks(Scale(0.0, across.high, scale_for([0.0, across.high], 4).ticks), "{:,.0f}"),
        y_ticks=y_ticks(up),
        cut=highest > up.high,
        description=f"{what}: {text(points[0][1])} after {points[0][0].evaluations} evaluations, "
        f"{text(last)} after {last_line.evaluations}."
        + "".join(f" Line: {label}." for _, _, label in levels),
    )


def _best_paths(
    points: Sequence[tuple[Generation, float]], across: Scale, up: Scale
) -> tuple[str, str]:
    """Steps of the best so far, split where the best comes within the guard's limit."""
    split = next((i for i, (line, _) in enumerate(points) if line.best_violation <= 0), len(points))
    beyond = [(float(line.evaluations), value) for line, value in points[: split + 1]]
    best = [(float(line.evaluations), value) for line, value in points[split:]]
    return step_path(best, across, up), step_path(beyond, across, up) if split else ""


def step_path(points: Sequence[tuple[float, float]], across: Scale, up: Scale) -> str:
    """A path of steps through points, in a square of `SIDE` units."""
    if not points:
        return ""
    places = [place(x, y, across, up) for x, y in points]
    path = f"M{places[0][0]} {places[0][1]}"
    return path + "".join(f"H{x}V{y}" for x, y in places[1:])


def line_path(points: Sequence[tuple[float, float]], across: Scale, up: Scale) -> str:
    """A line through points; empty for fewer than two."""
    places = [place(x, y, across, up) for x, y in points]
    return "M" + "L".join(f"{x} {y}" for x, y in places) if len(places) > 1 else ""


def outline_path(points: Sequence[tuple[float, float, float]], across: Scale, up: Scale) -> str:
    """The outline of a band from x, low and high; empty for fewer than two."""
    if len(points) < 2:
        return ""
    top = [place(x, high, across, up) for x, _, high in points]
    bottom = [place(x, low, across, up) for x, low, _ in reversed(points)]
    return "M" + "L".join(f"{x} {y}" for x, y in [*top, *bottom]) + "Z"


def place(x: float, y: float, across: Scale, up: Scale) -> tuple[float, float]:
    """A point in a square of `SIDE` units, downwards."""
    share = SIDE / 100
    return round(share * across.percent(x), 1), round(share * (100 - up.percent(y)), 1)


def level_places(
    levels: Sequence[tuple[str, float, str]], up: Scale, line_of_text: float, together: bool
) -> tuple[Level, ...]:
    """Places labels above their lines, and below where the line above would be crossed.

    The curve's own label, "best", goes where it meets nothing: the curve comes from above, so below
    it first. `together` says whether it stands at the right end, where the other labels are.
    """
    placed: list[Level] = []
    lowest = -math.inf
    for key, value, label in sorted(levels, key=lambda level: -level[1]):
        if key == "best":
            continue
        at = 100 - up.percent(value)
        above = at - 0.3 * line_of_text
        fits = above - line_of_text >= lowest and above - line_of_text >= 0
        label_at = above if fits else max(at, lowest) + 0.9 * line_of_text
        lowest = max(at, label_at)
        placed.append(Level(key, round(at, 3), round(label_at, 3), label))
    for key, value, label in levels:
        if key == "best":
            at = 100 - up.percent(value)
            label_at = _free_place(at, placed, line_of_text, together)
            placed.append(Level(key, round(at, 3), round(label_at, 3), label))
    return tuple(placed)


def _free_place(at: float, others: Sequence[Level], line_of_text: float, together: bool) -> float:
    """The baseline nearest to `at`, below it first, that crosses no line and no other label."""
    for step in range(6):
        for baseline in (at + (1.1 + step) * line_of_text, at - (0.4 + step) * line_of_text):
            top, bottom = baseline - 0.7 * line_of_text, baseline + 0.2 * line_of_text
            clear = all(
                not top < other.at < bottom
                and (not together or abs(other.label_at - baseline) >= line_of_text)
                for other in others
            )
            if clear and top >= 0 and bottom <= 100:
                return baseline
    return at - 0.4 * line_of_text
