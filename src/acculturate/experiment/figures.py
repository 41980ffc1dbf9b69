"""Figures of an experiment: scores beside targets, losses against evaluations and each other, benchmarks.

In: measured cells. Out: drawings in which a method has the same colour and shape everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

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
    outline_of,
)
from acculturate.experiment.plan import BASELINES
from acculturate.experiment.results import Measured
from acculturate.formatting import divergence_text, loss_text, short, slug
from acculturate.reporting.figures import (
    CONSTANT_LINE,
    TARGET,
    UNTOUCHED_LINE,
    from_zero,
    span_text,
    strip_description,
    usual_range,
)

Looks = Mapping[str, Look]

_DESCRIBED = 40
"""Marks that the description of a scatter lists."""


@dataclass(frozen=True)
class Figures:
    """All figures of an experiment."""

    scores: tuple[Strips, ...]
    losses: tuple[Chart, ...]
    held_out: Chart | None
    frontier: Chart | None
    benchmarks: tuple[Chart, ...]

    @property
    def all(self) -> tuple[Drawing, ...]:
        """All of them in a row."""
        single = (chart for chart in (self.held_out, self.frontier) if chart is not None)
        return *self.losses, *self.benchmarks, *single, *self.scores


def figures_of(measured: Sequence[Measured], budget: int) -> Figures:
    """Return every figure of cells whose searches have a budget of evaluations."""
    looks = _looks(measured)
    places = _by_place(measured)
    slugs: dict[str, str] = {}
    for place in places:
        name = slug(place)
        slugs[place] = name if name not in slugs.values() else f"{name}-{len(slugs)}"
    return Figures(
        scores=tuple(_scores(place, own, looks, slugs[place]) for place, own in places.items()),
        losses=_losses(places, looks, budget, slugs),
        held_out=_held_out(measured, looks),
        frontier=_frontier(measured, looks),
        benchmarks=_benchmarks(measured, looks),
    )


def _place_of(cell: Measured, several: bool) -> str:
    """Return a cell's country, with its table where there are several."""
    return f"{cell.cell.country} ({cell.cell.table})" if several else cell.cell.country


def _by_place(measured: Sequence[Measured]) -> Mapping[str, Sequence[Measured]]:
    """Return the cells of each country."""
    several = len({cell.cell.table for cell in measured}) > 1
    places: dict[str, list[Measured]] = {}
    for cell in measured:
        places.setdefault(_place_of(cell, several), []).append(cell)
    return places


def _looks(measured: Sequence[Measured]) -> Looks:
    """Return an outline for each method that searches nothing and a colour for each that does."""
    methods = list(dict.fromkeys(cell.cell.method for cell in measured))
    still = [method for method in methods if method in BASELINES]
    searching = [method for method in methods if method not in BASELINES]
    looks = {method: outline_of(number) for number, method in enumerate(still)}
    return looks | {method: look_of(number) for number, method in enumerate(searching)}


def _scores(place: str, members: Sequence[Measured], looks: Looks, file: str) -> Strips:
    evaluation = members[0].evaluation
    scored = [cell for cell in members if cell.row.held_out and cell.row.held_out.scores]
    methods = list(dict.fromkeys(cell.cell.method for cell in scored))
    strips: list[Strip] = []
    for dimension in evaluation.dimensions:
        target = evaluation.target.get(dimension.key)
        lanes: list[Lane] = []
        for method in methods:
            own = [cell for cell in scored if cell.cell.method == method]
            lane = _lane(own, dimension.key, looks[method])
            if lane is not None:
                lanes.append(lane)
        name = f"{short(dimension.name, 40)} ({short(dimension.key.upper(), 12)})"
        ends = short(dimension.low, 90), short(dimension.high, 90)
        arrows = (
            ends[0] and f"←\N{NO-BREAK SPACE}{ends[0]}",
            ends[1] and f"{ends[1]}\N{NO-BREAK SPACE}→",
        )
        strips.append(
            Strip(name, tuple(lanes), target, f"target {evaluation.text(target)}", *arrows)
        )
    return Strips(
        f"scores-{file}",
        f"Scores on held-out forms beside the target of {short(place)}",
        "",
        strip_description(strips),
        f"{short(place)}: scores on held-out forms",
        tuple(strips),
        {"target": TARGET} | {short(method, 40): looks[method] for method in methods},
        usual_range(evaluation),
    )


def _lane(members: Sequence[Measured], key: str, look: Look) -> Lane | None:
    """Return the mean over seeds with their range, or one score with its interval over forms."""
    outcomes = [cell.row.held_out for cell in members if cell.row.held_out]
    scores = [outcome.scores[key] for outcome in outcomes if key in outcome.scores]
    if not scores:
        return None
    text, cell = members[0].evaluation.text, members[0].cell
    mean = float(np.mean(scores))
    span = outcomes[0].intervals.get(key) if cell.seed is None else None
    if len(scores) > 1:
        span = min(scores), max(scores)
    hover = f"{short(cell.method)}: {text(mean)}{span_text(span, text)}"
    return Lane((Dot(mean, look, span),), hover)


def _losses(
    places: Mapping[str, Sequence[Measured]], looks: Looks, budget: int, slugs: Mapping[str, str]
) -> tuple[Chart, ...]:
    charts = [_loss(place, own, looks, budget, slugs[place]) for place, own in places.items()]
    shown = [chart for chart in charts if chart is not None]
    # One scale for all, so that countries can be compared by eye.
    tops = [chart.y_range[1] for chart in shown if chart.y_range]
    return tuple(replace(chart, y_range=(0.0, max(tops))) for chart in shown)


def _loss(
    place: str, members: Sequence[Measured], looks: Looks, budget: int, file: str
) -> Chart | None:
    """Return the best loss so far against evaluations; None where nothing was searched."""
    evaluation, naive = members[0].evaluation, members[0].naive
    text = evaluation.text
    series: list[Series] = []
    descriptions: list[str] = []
    for method in dict.fromkeys(cell.cell.method for cell in members if cell.run is not None):
        runs = [cell for cell in members if cell.cell.method == method and cell.run is not None]
        band = _band(runs)
        if band is None:
            continue
        steps, mean, low, high = band
        several = len(runs) > 1
        words = f", {text(low[-1])} to {text(high[-1])} over {len(runs)} seeds" if several else ""
        hover = f"{short(method)}: {text(mean[-1])} after {int(steps[-1])} evaluations{words}"
        bands = ((low, high),) if several else ()
        look = replace(looks[method], line="-")
        line = Series(short(method, 40), look, steps, mean, bands, only_last=True, hovers=[hover])
        series.append(line)
        descriptions.append(hover)
    if not series:
        return None
    untouched = naive.tuning.loss if naive and naive.tuning else None
    constant = evaluation.constant_answer_loss
    lines = ("untouched", untouched, UNTOUCHED_LINE), ("constant answer", constant, CONSTANT_LINE)
    levels = [
        Level(f"{n} {text(value)}", value, look) for n, value, look in lines if value is not None
    ]
    values = [end for line in series for ends in (line.y, *line.bands) for end in np.ravel(ends)]
    return Chart(
        f"loss-{file}",
        f"Loss against evaluations, {short(place)}",
        "",
        ". ".join([*descriptions, *(level.name for level in levels)]) + ".",
        "evaluations",
        f"{short(place)}: best loss so far, tuning forms",
        tuple(series),
        tuple(levels),
        x_range=(0.0, float(budget)),
        y_range=from_zero([*values, *(level.value for level in levels)]),
    )


def _band(members: Sequence[Measured]) -> tuple[list[float], ...] | None:
    """Return evaluations, and mean, least and largest best loss so far where every seed has one."""
    lines = [
        [(g.evaluations, g.best_loss) for g in cell.run.history if g.best_loss is not None]
        for cell in members
        if cell.run is not None
    ]
    if not lines or not all(lines):
        return None
    steps = np.unique([evaluations for line in lines for evaluations, _ in line])
    steps = steps[steps >= max(line[0][0] for line in lines)]
    losses: list[np.ndarray] = []
    for line in lines:
        at = np.array([evaluations for evaluations, _ in line])
        best = np.array([loss for _, loss in line], np.float64)
        losses.append(best[np.searchsorted(at, steps, side="right") - 1])
    stacked = np.stack(losses)
    columns = steps.astype(np.float64), stacked.mean(0), stacked.min(0), stacked.max(0)
    return tuple(column.tolist() for column in columns)


@dataclass(frozen=True)
class _Axis:
    """A quantity of a cell.

    Attributes:
        label: Beside the axis.
        name: In the text of a mark.
        value: The number, or None where the cell has none.
        text: The number as it is shown.
    """

    label: str
    name: str
    value: Callable[[Measured], float | None]
    text: Callable[[Measured, float], str]


def _loss_text(cell: Measured, loss: float) -> str:
    return cell.evaluation.text(loss)


_TUNING = _Axis("loss on tuning forms", "tuning loss", lambda cell: cell.tuning, _loss_text)
_HELD_OUT = _Axis("loss on held-out forms", "held-out loss", lambda cell: cell.held_out, _loss_text)
_DIVERGENCE = _Axis(
    "divergence on ordinary text, nats a token",
    "divergence",
    lambda cell: cell.row.divergence,
    lambda _, divergence: divergence_text(divergence),
)


def _held_out(measured: Sequence[Measured], looks: Looks) -> Chart | None:
    chart = _scatter(
        "held-out",
        "Tuning against held-out loss",
        "A mark is a cell: a country, a method, a seed. On the dashed line the loss is the same on forms the "
        "search saw and on forms it never saw; the further a mark stands above it, the more of its gain is a "
        "fit to the wording.",
        (_TUNING, _HELD_OUT),
        [cell for cell in measured if cell.cell.method != "constant"],
        looks,
    )
    if chart is None:
        return None
    both = from_zero([value for part in chart.series for value in (*part.x, *part.y)])
    return replace(chart, diagonal=True, x_range=both, y_range=both)


def _frontier(measured: Sequence[Measured], looks: Looks) -> Chart | None:
    return _scatter(
        "frontier",
        "Held-out loss against divergence",
        "A mark is a cell. Lower is nearer to the target, further left leaves ordinary text more as it was.",
        (_DIVERGENCE, _HELD_OUT),
        [cell for cell in measured if cell.run is not None],
        looks,
    )


def _benchmarks(measured: Sequence[Measured], looks: Looks) -> tuple[Chart, ...]:
    """Return a benchmark's accuracy in percent against held-out loss, a chart a benchmark."""
    charts = [
        _scatter(
            f"benchmark-{number}",
            f"Accuracy in {short(key)} against held-out loss",
            "A mark is a cell. If moving the survey moved what the benchmark asks, marks further left would "
            "stand higher.",
            (_HELD_OUT, _accuracy(key)),
            measured,
            looks,
        )
        for number, key in enumerate(
            dict.fromkeys(key for cell in measured for key in cell.benchmarks)
        )
    ]
    return tuple(chart for chart in charts if chart is not None)


def _accuracy(key: str) -> _Axis:
    return _Axis(
        f"right answers in {short(key, 30)}, %",
        "right answers",
        lambda cell: 100 * cell.benchmarks[key].score if key in cell.benchmarks else None,
        lambda _, share: f"{loss_text(share)} %",
    )


def _scatter(
    key: str,
    title: str,
    caption: str,
    axes: tuple[_Axis, _Axis],
    cells: Sequence[Measured],
    looks: Looks,
) -> Chart | None:
    """Return a chart with a mark a cell; None where no cell has both numbers."""
    several = len({cell.cell.table for cell in cells}) > 1
    marks: dict[str, list[tuple[float, float, str]]] = {}
    for cell in cells:
        values = [axis.value(cell) for axis in axes]
        numbers = [value for value in values if value is not None]
        if len(numbers) == len(axes):
            seed = "" if cell.cell.seed is None else f", seed {cell.cell.seed}"
            texts = [
                f"{axis.name} {axis.text(cell, x)}" for axis, x in zip(axes, numbers, strict=True)
            ]
            name = f"{_place_of(cell, several)}, {short(cell.cell.method)}{seed}"
            mark = numbers[0], numbers[1], f"{name}: {', '.join(texts)}"
            marks.setdefault(cell.cell.method, []).append(mark)
    if not marks:
        return None
    series: list[Series] = []
    for method, places in marks.items():
        xs, ys, hovers = zip(*places, strict=True)
        series.append(Series(short(method, 40), looks[method], xs, ys, hovers=hovers))
    hovers = [hover for part in series for hover in part.hovers]
    more = f"; and {len(hovers) - _DESCRIBED} more" if len(hovers) > _DESCRIBED else ""
    return Chart(
        key,
        title,
        caption,
        "; ".join(hovers[:_DESCRIBED]) + more + ".",
        axes[0].label,
        axes[1].label,
        tuple(series),
        x_range=from_zero([x for part in series for x in part.x]),
    )
