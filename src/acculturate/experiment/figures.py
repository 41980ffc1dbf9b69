"""Figures of an experiment: scores beside targets, losses against evaluations and each other, benchmarks.

In: measured cells. Out: places in percent and paths, which the templates draw on the page and in SVG files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from acculturate.experiment.plan import BASELINES
from acculturate.experiment.results import Measured
from acculturate.formatting import loss_text, short
from acculturate.reporting.curves import (
    LINE_OF_TEXT,
    Level,
    level_places,
    line_path,
    outline_path,
)
from acculturate.reporting.scales import Scale, Tick, scale_for, x_ticks, y_ticks

COLOURS = 8
"""Colours that the style sheet has; further methods begin again with other shapes."""

_LANE = 14  # pixels
_ABOVE = 24
_TALL = 300


@dataclass(frozen=True)
class Series:
    """A method in every figure: always the same colour and shape.

    Attributes:
        name: Label of the method.
        mark: Class of its mark: "b0" ... for what searches nothing, "s0" ... for what searches.
        shape: Number of its shape.
    """

    name: str
    mark: str
    shape: int


@dataclass(frozen=True)
class Dot:
    """A method's score on a dimension, in percent of the axis."""

    series: Series
    y: int
    at: float
    span: tuple[float, float] | None
    hover: str


@dataclass(frozen=True)
class DotStrip:
    """A dimension: its target and a lane a method."""

    key: str
    name: str
    low: str
    high: str
    target: float | None
    target_label: str
    dots: tuple[Dot, ...]
    description: str


@dataclass(frozen=True)
class ScoreDots:
    """The held-out scores of every method beside one country's."""

    name: str
    country: str
    strips: tuple[DotStrip, ...]
    ticks: tuple[Tick, ...]
    series: tuple[Series, ...]
    height: int


@dataclass(frozen=True)
class Trace:
    """A method's loss against evaluations: mean over seeds, and their range."""

    series: Series
    path: str
    band: str
    end: tuple[float, float]
    hover: str


@dataclass(frozen=True)
class Point:
    """A cell in a scatter."""

    series: Series
    x: float
    y: float
    hover: str


@dataclass(frozen=True)
class Chart:
    """Two axes with traces, levels and points.

    Attributes:
        name: Of the SVG file, without its ending.
        title: What it shows.
        across: Name of the horizontal axis.
        up: Name of the vertical axis.
        diagonal: Path of the line where both axes are equal, or empty.
    """

    name: str
    title: str
    across: str
    up: str
    series: tuple[Series, ...]
    traces: tuple[Trace, ...]
    levels: tuple[Level, ...]
    points: tuple[Point, ...]
    diagonal: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    height: int
    description: str


def series_of(measured: Sequence[Measured]) -> Mapping[str, Series]:
    """A colour and a shape for each method, by its label."""
    methods = dict.fromkeys(one.cell.method for one in measured)
    found: dict[str, Series] = {}
    for number, name in enumerate(name for name in methods if name in BASELINES):
        found[name] = Series(name, f"b{number}", number)
    for number, name in enumerate(name for name in methods if name not in BASELINES):
        found[name] = Series(name, f"s{number % COLOURS}", number + number // COLOURS)
    return found


def score_dots(measured: Sequence[Measured], slugs: Mapping[str, str]) -> tuple[ScoreDots, ...]:
    """The scores of every method beside the target's, a figure a country.

    Args:
        measured: All cells.
        slugs: A file name for each place; see `place_of`.
    """
    series = series_of(measured)
    return tuple(
        _score_dots(place, members, series, slugs[place])
        for place, members in by_place(measured).items()
    )


def loss_charts(
    measured: Sequence[Measured], budget: int, slugs: Mapping[str, str]
) -> tuple[Chart, ...]:
    """The best loss so far against evaluations, a chart a country."""
    series = series_of(measured)
    searches = {
        place: search
        for place, members in by_place(measured).items()
        if (search := _search(members)).bands
    }
    # One scale for all, so that countries can be compared by eye.
    values = [0.0]
    for search in searches.values():
        values += [value for _, value, _ in search.levels]
        values += [float(np.max(band[1:])) for band in search.bands.values()]
    up = scale_for(values, 5)
    return tuple(
        _loss_chart(place, search, series, budget, up, slugs[place])
        for place, search in searches.items()
    )


def held_out_chart(measured: Sequence[Measured]) -> Chart | None:
    """Loss on tuning forms against loss on held-out forms, a point a cell; None for no cell."""
    found = [
        (one, one.tuning, one.held_out)
        for one in measured
        if one.tuning is not None and one.held_out is not None and one.cell.method != "constant"
    ]
    if not found:
        return None
    return _scatter(
        "held-out",
        "Held-out loss against tuning loss",
        "loss on tuning forms",
        "Loss on held-out forms",
        [(one, float(x), float(y)) for one, x, y in found],
        ("tuning loss", "held-out loss"),
        series_of(measured),
        equal=True,
    )


def benchmark_charts(measured: Sequence[Measured]) -> tuple[Chart, ...]:
    """Held-out loss against a benchmark's accuracy in percent, a chart a benchmark."""
    keys = dict.fromkeys(key for one in measured for key in one.benchmarks)
    charts: list[Chart] = []
    for number, key in enumerate(keys):
        found = [
            (one, float(one.held_out), 100 * one.benchmarks[key].score)
            for one in measured
            if one.held_out is not None and key in one.benchmarks
        ]
        if found:
            charts.append(
                _scatter(
                    f"benchmark-{number}",
                    f"Accuracy in {short(key)} against held-out loss",
                    "loss on held-out forms",
                    f"Right answers in {short(key)}, %",
                    found,
                    ("held-out loss", "right answers"),
                    series_of(measured),
                    equal=False,
                )
            )
    return tuple(charts)


def place_of(one: Measured, several: bool) -> str:
    """A cell's country, with its table where there are several."""
    return f"{one.cell.country} ({one.cell.table})" if several else one.cell.country


def by_place(measured: Sequence[Measured]) -> Mapping[str, Sequence[Measured]]:
    """The cells of each country."""
    several = len({one.cell.table for one in measured}) > 1
    found: dict[str, list[Measured]] = {}
    for one in measured:
        found.setdefault(place_of(one, several), []).append(one)
    return found


def _score_dots(
    place: str, members: Sequence[Measured], series: Mapping[str, Series], name: str
) -> ScoreDots:
    evaluation = members[0].evaluation
    scored = [one for one in members if one.row.held_out is not None and one.row.held_out.scores]
    methods = list(dict.fromkeys(one.cell.method for one in scored))
    values = [*evaluation.target.values()] + ([0.0, 100.0] if evaluation.digits == 1 else [])
    values += [s for one in scored if one.row.held_out for s in one.row.held_out.scores.values()]
    scale = scale_for(values, 6)
    text = evaluation.text
    strips: list[DotStrip] = []
    for dimension in evaluation.dimensions:
        dots: list[Dot] = []
        for lane, method in enumerate(methods):
            own = [one for one in scored if one.cell.method == method]
            dot = _dot(own, dimension.key, series[method], _ABOVE + _LANE * lane, scale)
            if dot is not None:
                dots.append(dot)
        target = evaluation.target.get(dimension.key)
        strips.append(
            DotStrip(
                key=dimension.key,
                name=dimension.name,
                low=dimension.low,
                high=dimension.high,
                target=None if target is None else scale.percent(target),
                target_label=f"target {text(target)}",
                dots=tuple(dots),
                description=f"Target {text(target)}. " + " ".join(f"{dot.hover}." for dot in dots),
            )
        )
    height = _ABOVE + _LANE * max(1, len(methods))
    shown = tuple(series[method] for method in methods)
    return ScoreDots(f"scores-{name}", place, tuple(strips), x_ticks(scale, "{:g}"), shown, height)


def _dot(members: Sequence[Measured], key: str, series: Series, y: int, scale: Scale) -> Dot | None:
    """A method's mean over seeds with their range, or one score with its interval over forms."""
    cells = [one.row.held_out for one in members if one.row.held_out]
    scores = [cell.scores[key] for cell in cells if key in cell.scores]
    if not scores:
        return None
    text = members[0].evaluation.text
    mean = float(np.mean(scores))
    span = cells[0].intervals.get(key) if members[0].cell.seed is None else None
    if len(scores) > 1:
        span = min(scores), max(scores)
    words = "" if span is None else f" ({text(span[0])} to {text(span[1])})"
    ends = None if span is None else (scale.percent(span[0]), scale.percent(span[1]))
    return Dot(series, y, scale.percent(mean), ends, f"{short(series.name)}: {text(mean)}{words}")


@dataclass(frozen=True)
class _Search:
    """One country's searches: by method how many seeds and a `_band`, and the lines they have to beat."""

    bands: Mapping[str, tuple[np.ndarray, ...]]
    seeds: Mapping[str, int]
    levels: tuple[tuple[str, float, str], ...]
    text: Callable[[float | None], str]


def _search(members: Sequence[Measured]) -> _Search:
    searched: dict[str, list[Measured]] = {}
    for one in members:
        if one.run is not None:
            searched.setdefault(one.cell.method, []).append(one)
    first, text = members[0], members[0].evaluation.text
    levels: list[tuple[str, float, str]] = []
    if first.naive and first.naive.tuning and first.naive.tuning.loss is not None:
        before = first.naive.tuning.loss
        levels.append(("naive", before, f"untouched {text(before)}"))
    if first.evaluation.constant_answer_loss is not None:
        constant = first.evaluation.constant_answer_loss
        levels.append(("constant", constant, f"constant answer {text(constant)}"))
    bands = {method: band for method, own in searched.items() if (band := _band(own)) is not None}
    seeds = {method: len(own) for method, own in searched.items()}
    return _Search(bands, seeds, tuple(levels), text)


def _loss_chart(
    place: str, search: _Search, series: Mapping[str, Series], budget: int, up: Scale, name: str
) -> Chart:
    text, levels = search.text, search.levels
    across = Scale(0.0, float(budget), scale_for([0.0, float(budget)], 4).ticks)
    traces: list[Trace] = []
    for method, (steps, mean, low, high) in search.bands.items():
        last = float(mean[-1])
        seeds = search.seeds[method]
        words = f", {text(low[-1])} to {text(high[-1])} over {seeds} seeds" if seeds > 1 else ""
        hover = f"{short(method)}: {text(last)} after {int(steps[-1])} evaluations{words}"
        traces.append(
            Trace(
                series=series[method],
                path=line_path(list(zip(steps, mean, strict=True)), across, up),
                band=outline_path(list(zip(steps, low, high, strict=True)), across, up)
                if seeds > 1
                else "",
                end=(across.percent(float(steps[-1])), 100 - up.percent(last)),
                hover=hover,
            )
        )
    return Chart(
        name=f"loss-{name}",
        title=f"Loss against evaluations, {place}",
        across="evaluations",
        up=f"{place}: best loss so far, tuning forms",
        series=tuple(trace.series for trace in traces),
        traces=tuple(traces),
        levels=level_places(levels, up, 100 * LINE_OF_TEXT / 220, False),
        points=(),
        diagonal="",
        x_ticks=x_ticks(across, "{:,.0f}"),
        y_ticks=y_ticks(up),
        height=220,
        description=". ".join([*(trace.hover for trace in traces), *(w for _, _, w in levels)])
        + ".",
    )


def _band(members: Sequence[Measured]) -> tuple[np.ndarray, ...] | None:
    """Evaluations, and mean, least and largest best loss so far where every seed has one."""
    lines = [
        [(g.evaluations, g.best_loss) for g in one.run.history if g.best_loss is not None]
        for one in members
        if one.run is not None
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
    return steps.astype(np.float64), stacked.mean(0), stacked.min(0), stacked.max(0)


def _scatter(
    name: str,
    title: str,
    across_name: str,
    up_name: str,
    found: Sequence[tuple[Measured, float, float]],
    words: tuple[str, str],
    series: Mapping[str, Series],
    *,
    equal: bool,
) -> Chart:
    several = len({one.cell.table for one, _, _ in found}) > 1
    xs, ys = [x for _, x, _ in found], [y for _, _, y in found]
    both = [0.0, *xs, *ys]
    across = scale_for(both if equal else [0.0, *xs], 5)
    up = scale_for(both if equal else ys, 5)
    points: list[Point] = []
    for one, x, y in found:
        seed = "" if one.cell.seed is None else f", seed {one.cell.seed}"
        told = f"{place_of(one, several)}, {short(one.cell.method)}{seed}: "
        told += f"{words[0]} {loss_text(x, one.evaluation.digits)}, {words[1]} "
        told += loss_text(y, one.evaluation.digits if equal else 1) + ("" if equal else " %")
        at = across.percent(x), 100 - up.percent(y)
        points.append(Point(series[one.cell.method], *at, told))
    shown = {one.cell.method: series[one.cell.method] for one, _, _ in found}
    least = max(across.low, up.low)
    most = min(across.high, up.high)
    diagonal = line_path([(least, least), (most, most)], across, up) if equal else ""
    return Chart(
        name=name,
        title=title,
        across=across_name,
        up=up_name,
        series=tuple(shown.values()),
        traces=(),
        levels=(),
        points=tuple(points),
        diagonal=diagonal,
        x_ticks=x_ticks(across, "{:g}"),
        y_ticks=y_ticks(up),
        height=_TALL,
        description=_summary(points),
    )


def _summary(points: Sequence[Point]) -> str:
    shown = "; ".join(point.hover for point in points[:40])
    more = len(points) - 40
    return shown + (f"; and {more} more" if more > 0 else "") + "."
