"""Scores beside the target's, and what several runs gained against what it cost.

In: runs. Out: places in percent; the templates draw them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from acculturate.formatting import divergence_text, loss_text
from acculturate.reporting.scales import Scale, Tick, scale_for, x_ticks, y_ticks
from acculturate.runs.records import Evaluation, Outcome, Run


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

    @property
    def intervals(self) -> bool:
        """Whether any score has one; forms asked once an item and order give none."""
        lanes = [lane for strip in self.strips for lane in strip.lanes]
        return any(lane.naive_interval or lane.tuned_interval for lane in lanes)


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


def score_figure(evaluation: Evaluation) -> ScoreFigure | None:
    """The scores beside the target's; None where no method was scored."""
    naive, tuned = evaluation.method("naive"), evaluation.method("tuned")
    usual = [0.0, 100.0] if evaluation.digits == 1 else []
    values: list[float] = [*usual, *evaluation.target.values()]
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
        lanes = tuple(
            _lane(name, key, scale, one, two, evaluation.text) for name, one, two in pairs
        )
        target = evaluation.target.get(key)
        strips.append(
            Strip(
                key=key,
                name=dimension.name,
                low=dimension.low,
                high=dimension.high,
                target=None if target is None else scale.percent(target),
                target_label=f"target {evaluation.text(target)}",
                lanes=lanes,
                description=f"Target {evaluation.text(target)}. "
                + " ".join(f"{lane.hover}." for lane in lanes),
            )
        )
    return ScoreFigure(tuple(strips), x_ticks(scale, "{:g}"))


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
    digits = max(run.digits for run in runs)
    across = scale_for([0.0, *(x for x, _, _ in found)], 4)
    up = scale_for([0.0, *(y for _, y, _ in found), *untouched], 4)
    spots = [Spot(0.0, 100 - up.percent(loss), "", "start", True) for loss in untouched]
    for x, y, label in found:
        place = across.percent(x)
        anchor = "end" if place > 60 else "start"
        spots.append(Spot(place, 100 - up.percent(y), label, anchor, False))
    described = "; ".join(
        f"{label}: divergence {divergence_text(x)}, held-out loss {loss_text(y, digits)}"
        for x, y, label in found
    )
    return Tradeoff(tuple(spots), x_ticks(across, "{:g}"), y_ticks(up), described)


def _lane(
    name: str,
    key: str,
    scale: Scale,
    naive: Outcome | None,
    tuned: Outcome | None,
    text: Callable[[float | None], str],
) -> Lane:
    before = naive.scores.get(key) if naive else None
    after = tuned.scores.get(key) if tuned else None
    spans = [
        outcome.intervals.get(key) if outcome is not None else None for outcome in (naive, tuned)
    ]
    whiskers = [
        None if span is None else (scale.percent(span[0]), scale.percent(span[1])) for span in spans
    ]
    hover = f"{name.capitalize()} forms: untouched {text(before)}{_span(spans[0], text)}, "
    hover += f"tuned {text(after)}{_span(spans[1], text)}"
    return Lane(
        key=name,
        naive=None if before is None else scale.percent(before),
        tuned=None if after is None else scale.percent(after),
        naive_interval=whiskers[0],
        tuned_interval=whiskers[1],
        hover=hover,
    )


def _span(span: tuple[float, float] | None, text: Callable[[float | None], str]) -> str:
    return "" if span is None else f" ({text(span[0])} to {text(span[1])})"
