"""Figures of an experiment: scores beside targets, maps, losses against evaluations and each other, benchmarks.

In: measured cells. Out: charts in which a method, with a model, has the same colour and shape everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from acculturate.charts import Chart, Look, Series, look_of, merge, outline_of
from acculturate.experiment.plan import BASELINES
from acculturate.experiment.results import Measured, grouped, place_names
from acculturate.formatting import short, slug
from acculturate.reporting.figures import Scored, Span, level_lines, strips
from acculturate.reporting.map_figure import Place, map_chart

Looks = Mapping[str, Look]
Axis = tuple[str, Callable[[Measured], float | None]]
"""A label and the number of a cell, or None where it has none."""

_TUNING: Axis = ("loss on tuning forms", lambda cell: cell.tuning)
_HELD_OUT: Axis = ("loss on held-out forms", lambda cell: cell.held_out)
_DIVERGENCE: Axis = ("divergence, nats a token", lambda cell: cell.row.divergence)


def figures_of(measured: Sequence[Measured], budget: int) -> dict[str, tuple[Chart, ...]]:
    """Return every figure of cells whose searches have a budget of evaluations, by what it shows.

    The keys are scores, maps, losses, held_out, frontier and benchmarks; there are maps of surveys with two
    dimensions.
    """
    looks = _looks(measured)
    names = place_names(cell.cell for cell in measured)
    places = grouped(measured, lambda cell: names[cell.cell.place])
    files: dict[str, str] = {}
    for place in places:
        name = slug(place)
        files[place] = name if name not in files.values() else f"{name}-{len(files)}"
    losses = [_losses(place, cells, looks, budget, files[place]) for place, cells in places.items()]
    # One scale for all, so that countries can be compared by eye.
    lines = [series for chart in losses for series in chart.series]
    ends = [max([*line.y, *(y for _, high in line.bands for y in high)]) for line in lines]
    searching = [cell for cell in measured if cell.run is not None]
    title = "Held-out loss against divergence"
    keys = dict.fromkeys(key for cell in measured for key in cell.benchmarks)
    maps = [_map(place, own, looks, files[place]) for place, own in places.items()]
    figures = {
        "scores": [_scores(place, own, looks, files[place]) for place, own in places.items()],
        "maps": [chart for chart in maps if chart is not None],
        "losses": [replace(chart, y_end=max(ends)) for chart in losses if chart.series],
        "held_out": [_held_out(measured, looks)],
        "frontier": [_scatter("frontier", title, (_DIVERGENCE, _HELD_OUT), searching, looks)],
        "benchmarks": [_benchmark(key, i, measured, looks) for i, key in enumerate(keys)],
    }
    return {name: tuple(c for c in charts if c.series) for name, charts in figures.items()}


def _looks(measured: Sequence[Measured]) -> Looks:
    """Return an outline for each method that searches nothing and a colour for each that does."""
    names = {cell.cell.name: cell.cell.method for cell in measured}
    still = [name for name, method in names.items() if method in BASELINES]
    searching = [name for name, method in names.items() if method not in BASELINES]
    outlines = {name: outline_of(number) for number, name in enumerate(still)}
    return outlines | {name: look_of(number) for number, name in enumerate(searching)}


def _by_name(cells: Sequence[Measured]) -> Mapping[str, Sequence[Measured]]:
    return grouped(cells, lambda cell: cell.cell.name)


def _scores(place: str, members: Sequence[Measured], looks: Looks, file: str) -> Chart:
    """Return a lane for each method with its scores, those of several models side by side."""
    lanes: list[list[Scored]] = []
    for own in grouped(members, lambda cell: cell.cell.method).values():
        means = {name: _means(cells) for name, cells in _by_name(own).items()}
        lanes.append([(short(n, 40), looks[n], scores) for n, scores in means.items() if scores])
    title = f"Scores on held-out forms beside the target of {short(place)}"
    heading = f"{short(place)}: scores on held-out forms"
    shown, known = members[0].evaluation, [lane for lane in lanes if lane]
    return strips(shown.dimensions, shown.target.scores, known, f"scores-{file}", title, heading)


def _means(cells: Sequence[Measured]) -> dict[str, tuple[float, Span]]:
    """Return the mean over seeds with their range, or one score with its interval over forms."""
    outcomes = [cell.row.held_out for cell in cells if cell.row.held_out]
    means: dict[str, tuple[float, Span]] = {}
    for key in {key for outcome in outcomes for key in outcome.scores}:
        scores = [outcome.scores[key] for outcome in outcomes if key in outcome.scores]
        span = outcomes[0].intervals.get(key) if cells[0].cell.seed is None else None
        span = (min(scores), max(scores)) if len(scores) > 1 else span
        means[key] = float(np.mean(scores)), span
    return means


def _map(place: str, members: Sequence[Measured], looks: Looks, file: str) -> Chart | None:
    """Return the place of every method on the map, with a line from the untouched model."""
    places: list[Place] = []
    for own in grouped(members, lambda cell: cell.cell.model).values():
        start = None
        for name, cells in _by_name(own).items():
            means, method = _means(cells), cells[0].cell.method
            scores = {key: mean for key, (mean, _) in means.items()}
            spans = {key: span for key, (_, span) in means.items() if span}
            if method != "constant":
                places.append(Place(short(name, 40), looks[name], scores, spans, start))
            start = places[-1] if method == "naive" else start
    shown, cell = members[0].evaluation, members[0].cell
    chart = map_chart(shown.dimensions, places, cell.table, cell.country, shown.target.scores)
    title = f"Map with the target of {short(place)}"
    return chart and replace(chart, key=f"map-{file}", title=title)


def _losses(place: str, members: Sequence[Measured], looks: Looks, budget: int, file: str) -> Chart:
    """Return the loss on tuning forms against evaluations; empty where nothing was searched."""
    evaluation = members[0].evaluation
    text = evaluation.text
    series: list[Series] = []
    for name, cells in _by_name([cell for cell in members if cell.run is not None]).items():
        band = _band(cells)
        if band is not None:
            steps, mean, low, high = band
            words = f"{text(mean[-1])} after {steps[-1]:.0f} evaluations"
            if len(cells) > 1:
                words += f", {text(low[-1])} to {text(high[-1])} over {len(cells)} seeds"
            bands = ((low, high),) if len(cells) > 1 else ()
            look = replace(looks[name], line="-")
            line = Series(short(name, 40), look, steps, mean, [words], bands, only_last=True)
            series.append(line)
    lines = _levels(members, float(budget)) if series else ()
    return Chart(
        f"loss-{file}",
        f"Loss against evaluations, {short(place)}",
        "evaluations",
        f"{short(place)}: loss on tuning forms",
        (*series, *lines),
    )


def _levels(members: Sequence[Measured], end: float) -> tuple[Series, ...]:
    """Return the lines of the untouched models and of the constant answer."""
    evaluation, lines = members[0].evaluation, list[Series]()
    for model, own in grouped(members, lambda cell: cell.cell.model).items():
        naive = own[0].naive
        level = {"untouched": naive.tuning.loss if naive and naive.tuning else None}
        behind = f", {short(model.shown, 30)}" if model else ""
        for line in level_lines(level, evaluation.text, end):
            lines.append(replace(line, name=line.name + behind))
    constant = {"constant answer": evaluation.constant_answer_loss}
    return (*lines, *level_lines(constant, evaluation.text, end))


def _band(cells: Sequence[Measured]) -> tuple[list[float], ...] | None:
    """Return evaluations, and mean, least and largest loss where every seed has one."""
    lines = [
        [
            (line.evaluations, line.best_loss)
            for line in cell.run.history
            if line.best_loss is not None
        ]
        for cell in cells
        if cell.run is not None
    ]
    if not all(lines):
        return None
    steps = np.unique([evaluations for line in lines for evaluations, _ in line])
    steps = steps[steps >= max(line[0][0] for line in lines)]
    losses: list[np.ndarray] = []
    for line in lines:
        at, best = np.array(line, np.float64).T
        losses.append(best[np.searchsorted(at, steps, side="right") - 1])
    stacked = np.stack(losses)
    columns = steps.astype(np.float64), stacked.mean(0), stacked.min(0), stacked.max(0)
    return tuple(column.tolist() for column in columns)


def _held_out(measured: Sequence[Measured], looks: Looks) -> Chart:
    cells = [cell for cell in measured if cell.cell.method != "constant"]
    axes = _TUNING, _HELD_OUT
    chart = _scatter("held-out", "Tuning against held-out loss", axes, cells, looks)
    places = [value for series in chart.series for value in (*series.x, *series.y)]
    end = max((value for value in places if not np.isnan(value)), default=0.0)
    diagonal = Series("the same loss on both", Look("grey", line="--"), (0, end), (0, end))
    return replace(chart, series=(*chart.series, diagonal)) if chart.series else chart


def _benchmark(key: str, number: int, measured: Sequence[Measured], looks: Looks) -> Chart:
    similarity = any(cell.benchmarks[key].similarity for cell in measured if key in cell.benchmarks)

    def score(cell: Measured) -> float | None:
        known = cell.benchmarks.get(key)
        return known and known.score * (1 if similarity else 100)

    what, unit = ("similarity of opinions", "") if similarity else ("right answers", ", %")
    axes = _HELD_OUT, (f"{what} in {short(key, 30)}{unit}", score)
    title = f"{what.capitalize()} in {short(key)} against held-out loss"
    chart = _scatter(f"benchmark-{number}", title, axes, measured, looks)
    return replace(chart, zoomed=True)


def _scatter(
    key: str, title: str, axes: tuple[Axis, Axis], cells: Sequence[Measured], looks: Looks
) -> Chart:
    """Return a chart with a mark for each cell that has both numbers."""
    (x_label, x_of), (y_label, y_of) = axes
    marks: list[Series] = []
    names = place_names(cell.cell for cell in cells)
    for cell in cells:
        x, y = x_of(cell), y_of(cell)
        if x is not None and y is not None:
            name, seed = cell.cell.name, cell.cell.seed
            place = names[cell.cell.place] + ("" if seed is None else f", seed {seed}")
            text = f"{place}: {x_label} {x:.3g}, {y_label} {y:.3g}"
            marks.append(Series(short(name, 40), looks[name], (x,), (y,), (text,)))
    return Chart(key, title, x_label, y_label, merge(marks))
