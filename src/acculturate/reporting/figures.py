"""Where everything stands in the figures; the templates draw it.

In: a `Run`. Out: positions as percentages of a figure's width and height, so that a figure fits any
page while its text keeps its size. Curves, which SVG cannot place in percent, live in a square of
`SIDE` units that the template stretches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from acculturate.reporting.run_reader import Evaluation, Generation, Outcome, Run
from acculturate.reporting.story import divergence_text, loss_text

SIDE = 1000
_LINE_OF_TEXT = 17  # pixels
_OUTER_CUT = 1.35
_LABELLED_END = 60  # percent; right of it stand the labels of the reference lines


@dataclass(frozen=True)
class Scale:
    """A linear axis.

    Attributes:
        low: Value at 0 %.
        high: Value at 100 %.
        ticks: Round values within.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def percent(self, value: float) -> float:
        """Place of a value, in percent, kept on the axis."""
        span = self.high - self.low
        return round(min(100.0, max(0.0, 100 * (value - self.low) / span)), 3)


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis, in percent."""

    at: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Lane:
    """One form set in a dimension's strip: from the untouched to the tuned score.

    Attributes:
        key: "tuning" or "held-out".
        naive: Place of the untouched model's score, in percent.
        tuned: Place of the tuned model's score.
        naive_interval: Ends of its interval.
        tuned_interval: Ends of its interval.
        hover: The numbers, in words.
    """

    key: str
    naive: float | None
    tuned: float | None
    naive_interval: tuple[float, float] | None
    tuned_interval: tuple[float, float] | None
    hover: str


@dataclass(frozen=True)
class Strip:
    """A dimension: its target and two lanes."""

    key: str
    name: str
    low: str
    high: str
    target: float | None
    target_label: str
    lanes: tuple[Lane, ...]
    description: str


@dataclass(frozen=True)
class ScoreFigure:
    """All dimensions on one axis."""

    strips: tuple[Strip, ...]
    ticks: tuple[Tick, ...]


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
class Spot:
    """A run in the picture of loss against price."""

    x: float
    y: float
    label: str
    anchor: str
    untouched: bool


@dataclass(frozen=True)
class Tradeoff:
    """Held-out loss against divergence, a spot a run."""

    spots: tuple[Spot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    description: str


def scale_for(values: Iterable[float], count: int = 5) -> Scale:
    """An axis over values that begins and ends on round numbers.

    Args:
        values: What has to fit; at least one.
        count: About how many steps.
    """
    found = list(values)
    low, high = min(found), max(found)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    step = _round_step((high - low) / count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(first * step, last * step, tuple(i * step for i in range(first, last + 1)))


def score_figure(evaluation: Evaluation) -> ScoreFigure | None:
    """The scores beside the target's; None where no method was scored."""
    naive, tuned = evaluation.method("naive"), evaluation.method("tuned")
    values: list[float] = [0.0, 100.0, *evaluation.target.values()]
    outcomes = [
        outcome
        for row in (naive, tuned)
        if row is not None
        for outcome in (row.tuning, row.held_out)
        if outcome is not None
    ]
    if not outcomes:
        return None
    for outcome in outcomes:
        values.extend(outcome.scores.values())
        values.extend(end for pair in outcome.intervals.values() for end in pair)
    scale = scale_for(values, 6)
    strips: list[Strip] = []
    for dimension in evaluation.dimensions:
        key = dimension.key
        pairs = (
            ("tuning", naive and naive.tuning, tuned and tuned.tuning),
            ("held-out", naive and naive.held_out, tuned and tuned.held_out),
        )
        lanes = tuple(_lane(name, key, scale, one, two) for name, one, two in pairs)
        target = evaluation.target.get(key)
        strips.append(
            Strip(
                key=key,
                name=dimension.name,
                low=dimension.low,
                high=dimension.high,
                target=None if target is None else scale.percent(target),
                target_label=f"target {loss_text(target)}",
                lanes=lanes,
                description=f"Target {loss_text(target)}. "
                + " ".join(f"{lane.hover}." for lane in lanes),
            )
        )
    return ScoreFigure(tuple(strips), _x_ticks(scale, "{:.0f}"))


def loss_curve(run: Run) -> Curve | None:
    """The loss against evaluations with what it has to beat; None where nothing was evaluated."""
    levels: list[tuple[str, float, str]] = []
    evaluation = run.evaluation
    naive = evaluation.method("naive") if evaluation else None
    naive_loss = naive.tuning.loss if naive and naive.tuning else None
    if naive_loss is None and run.done:
        naive_loss = run.done.naive_loss
    if naive_loss is not None:
        levels.append(("naive", naive_loss, f"untouched {loss_text(naive_loss)}"))
    if evaluation and evaluation.constant_answer_loss is not None:
        constant = evaluation.constant_answer_loss
        levels.append(("constant", constant, f"constant answer {loss_text(constant)}"))
    if evaluation and evaluation.floor is not None:
        levels.append(("floor", evaluation.floor, f"floor {loss_text(evaluation.floor)}"))
    values = [line.best_loss for line in run.history]
    bands = [line.quantiles for line in run.history]
    return _curve(run, values, bands, levels, loss_text, "Loss on the tuning forms", 300)


def divergence_curve(run: Run) -> Curve | None:
    """The best candidate's divergence against evaluations; None where it was not measured."""
    values = [line.best_divergence for line in run.history]
    limit = run.config.max_divergence
    levels = [] if limit is None else [("limit", limit, f"limit {divergence_text(limit)}")]
    empty: list[tuple[float, ...] | None] = [None] * len(values)
    what = "Divergence of the best candidate"
    return _curve(run, values, empty, levels, divergence_text, what, 150)


def tradeoff(runs: Sequence[Run]) -> Tradeoff | None:
    """Held-out loss against divergence over several runs; None for fewer than two that have both."""
    found: list[tuple[float, float, str]] = []
    untouched: list[float] = []
    for run in runs:
        tuned = run.evaluation.method("tuned") if run.evaluation else None
        naive = run.evaluation.method("naive") if run.evaluation else None
        loss = tuned.held_out.loss if tuned and tuned.held_out else None
        if tuned is not None and loss is not None and tuned.divergence is not None:
            found.append((tuned.divergence, loss, run.name))
        if naive and naive.held_out and naive.held_out.loss is not None:
            untouched.append(naive.held_out.loss)
    if len(found) < 2:
        return None
    across = scale_for([0.0, *(x for x, _, _ in found)], 4)
    up = scale_for([0.0, *(y for _, y, _ in found), *untouched], 4)
    spots = [Spot(0.0, 100 - up.percent(loss), "", "start", True) for loss in untouched]
    for x, y, label in found:
        place = across.percent(x)
        anchor = "end" if place > 60 else "start"
        spots.append(Spot(place, 100 - up.percent(y), label, anchor, False))
    described = "; ".join(
        f"{label}: divergence {divergence_text(x)}, held-out loss {loss_text(y)}"
        for x, y, label in found
    )
    return Tradeoff(tuple(spots), _x_ticks(across, "{:g}"), _y_ticks(up), described)


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
    ceiling = max(wanted) * _OUTER_CUT
    up = scale_for([*wanted, min(highest, ceiling)], 4)
    best, beyond = _best_paths(points, across, up)
    # x of a band is the end of its generation, like that of the best so far.
    known = [(line, band) for line, band in zip(run.history, bands, strict=True) if band]
    last_line, last = points[-1]
    end = (across.percent(last_line.evaluations), 100 - up.percent(last))
    named = [*levels, ("best", last, f"best {text(last)}")]
    return Curve(
        best=best,
        beyond=beyond,
        median=_line([(line.evaluations, band[2]) for line, band in known], across, up),
        inner=_outline([(line.evaluations, band[1], band[3]) for line, band in known], across, up),
        outer=_outline([(line.evaluations, band[0], band[4]) for line, band in known], across, up),
        levels=_levels(named, up, 100 * _LINE_OF_TEXT / height, end[0] > _LABELLED_END),
        end=end,
        height=height,
        x_ticks=_x_ticks(
            Scale(0.0, across.high, scale_for([0.0, across.high], 4).ticks), "{:,.0f}"
        ),
        y_ticks=_y_ticks(up),
        cut=highest > up.high,
        description=f"{what}: {text(points[0][1])} after {points[0][0].evaluations} evaluations, "
        f"{text(last)} after {last_line.evaluations}."
        + "".join(f" Line: {label}." for _, _, label in levels),
    )


def _best_paths(
    points: Sequence[tuple[Generation, float]], across: Scale, up: Scale
) -> tuple[str, str]:
    """Steps of the best so far, split where the best comes within the guard's limit."""
    split = next((i for i, (line, _) in enumerate(points) if line.best_excess <= 0), len(points))
    beyond = [(line.evaluations, value) for line, value in points[: split + 1]]
    best = [(line.evaluations, value) for line, value in points[split:]]
    return _steps(best, across, up), _steps(beyond, across, up) if split else ""


def _steps(points: Sequence[tuple[float, float]], across: Scale, up: Scale) -> str:
    if not points:
        return ""
    places = [_place(x, y, across, up) for x, y in points]
    path = f"M{places[0][0]} {places[0][1]}"
    return path + "".join(f"H{x}V{y}" for x, y in places[1:])


def _line(points: Sequence[tuple[float, float]], across: Scale, up: Scale) -> str:
    places = [_place(x, y, across, up) for x, y in points]
    return "M" + "L".join(f"{x} {y}" for x, y in places) if len(places) > 1 else ""


def _outline(points: Sequence[tuple[float, float, float]], across: Scale, up: Scale) -> str:
    if len(points) < 2:
        return ""
    top = [_place(x, high, across, up) for x, _, high in points]
    bottom = [_place(x, low, across, up) for x, low, _ in reversed(points)]
    return "M" + "L".join(f"{x} {y}" for x, y in [*top, *bottom]) + "Z"


def _place(x: float, y: float, across: Scale, up: Scale) -> tuple[float, float]:
    share = SIDE / 100
    return round(share * across.percent(x), 1), round(share * (100 - up.percent(y)), 1)


def _levels(
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
            top, bottom = baseline - line_of_text, baseline + 0.2 * line_of_text
            clear = all(
                not top < other.at < bottom
                and (not together or abs(other.label_at - baseline) >= line_of_text)
                for other in others
            )
            if clear and top >= 0 and bottom <= 100:
                return baseline
    return at - 0.4 * line_of_text


def _lane(name: str, key: str, scale: Scale, naive: Outcome | None, tuned: Outcome | None) -> Lane:
    before = naive.scores.get(key) if naive else None
    after = tuned.scores.get(key) if tuned else None
    spans = [
        outcome.intervals.get(key) if outcome is not None else None for outcome in (naive, tuned)
    ]
    whiskers = [
        None if span is None else (scale.percent(span[0]), scale.percent(span[1])) for span in spans
    ]
    hover = f"{name.capitalize()} forms: untouched {loss_text(before)}{_span(spans[0])}, "
    hover += f"tuned {loss_text(after)}{_span(spans[1])}"
    return Lane(
        key=name,
        naive=None if before is None else scale.percent(before),
        tuned=None if after is None else scale.percent(after),
        naive_interval=whiskers[0],
        tuned_interval=whiskers[1],
        hover=hover,
    )


def _span(span: tuple[float, float] | None) -> str:
    return "" if span is None else f" ({loss_text(span[0])} to {loss_text(span[1])})"


def _x_ticks(scale: Scale, form: str) -> tuple[Tick, ...]:
    ticks: list[Tick] = []
    for value in scale.ticks:
        if value > scale.high + 1e-9:
            continue
        at = scale.percent(value)
        label = form.format(value + 0.0).replace("-", "−")
        ticks.append(Tick(at, label, "end" if at > 97 and len(label) > 4 else "middle"))
    return tuple(ticks)


def _y_ticks(scale: Scale) -> tuple[Tick, ...]:
    return tuple(
        Tick(100 - scale.percent(value), f"{value:g}".replace("-", "−")) for value in scale.ticks
    )


def _round_step(step: float) -> float:
    power = 10 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * 0.999)
