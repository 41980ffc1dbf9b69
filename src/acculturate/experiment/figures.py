"""Figures of an experiment: scores beside targets, losses against evaluations and each other, benchmarks.

In: measured cells. Out: charts in which a method has the same colour and shape everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from acculturate.drawing import Chart, Look, Mark, Series, look_of, outline_of, scatter
from acculturate.experiment.plan import BASELINES
from acculturate.experiment.results import Measured
from acculturate.formatting import divergence_text, loss_text, short, slug
from acculturate.reporting.figures import Scored, Span, level_lines, strips

Looks = Mapping[str, Look]


@dataclass(frozen=True)
class Figures:
    """All figures of an experiment, those that its cells have numbers for."""

    scores: tuple[Chart, ...]
    losses: tuple[Chart, ...]
    held_out: tuple[Chart, ...]
    frontier: tuple[Chart, ...]
    benchmarks: tuple[Chart, ...]

    @property
    def all(self) -> tuple[Chart, ...]:
        """All of them in a row."""
        return *self.scores, *self.losses, *self.held_out, *self.frontier, *self.benchmarks


def figures_of(measured: Sequence[Measured], budget: int) -> Figures:
    """Return every figure of cells whose searches have a budget of evaluations."""
    looks = _looks(measured)
    places: dict[str, list[Measured]] = {}
    for cell in measured:
        places.setdefault(_place(cell, measured), []).append(cell)
    files: dict[str, str] = {}
    for place in places:
        name = slug(place)
        files[place] = name if name not in files.values() else f"{name}-{len(files)}"
    losses = [_losses(place, cells, looks, budget, files[place]) for place, cells in places.items()]
    shown = [chart for chart in losses if chart.series]
    # One scale for all, so that countries can be compared by eye.
    lines = [series for chart in shown for series in chart.series]
    ends = [
        end
        for line in lines
        for end in (*line.y, *(high for band in line.bands for high in band[1]))
    ]
    keys = dict.fromkeys(key for cell in measured for key in cell.benchmarks)
    benchmarks = [_benchmark(key, number, measured, looks) for number, key in enumerate(keys)]
    frontier = _scatter(
        "frontier",
        "Held-out loss against divergence",
        (_DIVERGENCE, _HELD_OUT),
        [cell for cell in measured if cell.run is not None],
        looks,
    )
    return Figures(
        scores=tuple(_scores(place, own, looks, files[place]) for place, own in places.items()),
        losses=tuple(replace(chart, y_end=max(ends)) for chart in shown),
        held_out=tuple(chart for chart in [_held_out(measured, looks)] if chart.series),
        frontier=tuple(chart for chart in [frontier] if chart.series),
        benchmarks=tuple(chart for chart in benchmarks if chart.series),
    )


def _looks(measured: Sequence[Measured]) -> Looks:
    """Return an outline for each method that searches nothing and a colour for each that does."""
    methods = dict.fromkeys(cell.cell.method for cell in measured)
    still = [method for method in methods if method in BASELINES]
    searching = [method for method in methods if method not in BASELINES]
    outlines = {method: outline_of(number) for number, method in enumerate(still)}
    return outlines | {method: look_of(number) for number, method in enumerate(searching)}


def _place(cell: Measured, cells: Sequence[Measured]) -> str:
    """Return a cell's country, with its table where there are several."""
    several = len({other.cell.table for other in cells}) > 1
    return f"{cell.cell.country} ({cell.cell.table})" if several else cell.cell.country


def _by_method(cells: Sequence[Measured]) -> Mapping[str, Sequence[Measured]]:
    methods: dict[str, list[Measured]] = {}
    for cell in cells:
        methods.setdefault(cell.cell.method, []).append(cell)
    return methods


def _scores(place: str, members: Sequence[Measured], looks: Looks, file: str) -> Chart:
    """Return the mean over seeds with their range, or one score with its interval over forms."""
    lanes: list[list[Scored]] = []
    for method, cells in _by_method(members).items():
        outcomes = [cell.row.held_out for cell in cells if cell.row.held_out]
        means: dict[str, tuple[float, Span]] = {}
        for key in {key for outcome in outcomes for key in outcome.scores}:
            scores = [outcome.scores[key] for outcome in outcomes if key in outcome.scores]
            span = outcomes[0].intervals.get(key) if cells[0].cell.seed is None else None
            span = (min(scores), max(scores)) if len(scores) > 1 else span
            means[key] = float(np.mean(scores)), span
        if means:
            lanes.append([(short(method, 40), looks[method], means)])
    title = f"Scores on held-out forms beside the target of {short(place)}"
    heading = f"{short(place)}: scores on held-out forms"
    return strips(members[0].evaluation, lanes, f"scores-{file}", title, heading)


def _losses(place: str, members: Sequence[Measured], looks: Looks, budget: int, file: str) -> Chart:
    """Return the best loss so far against evaluations; empty where nothing was searched."""
    evaluation, naive = members[0].evaluation, members[0].naive
    text = evaluation.text
    series: list[Series] = []
    for method, cells in _by_method([cell for cell in members if cell.run is not None]).items():
        band = _band(cells)
        if band is not None:
            steps, mean, low, high = band
            words = f"{text(mean[-1])} after {steps[-1]:.0f} evaluations"
            if len(cells) > 1:
                words += f", {text(low[-1])} to {text(high[-1])} over {len(cells)} seeds"
            bands = ((low, high),) if len(cells) > 1 else ()
            look, name = replace(looks[method], line="-"), short(method, 40)
            series.append(Series(name, look, steps, mean, [words], bands, only_last=True))
    levels = {"untouched": naive.tuning.loss if naive and naive.tuning else None}
    levels["constant answer"] = evaluation.constant_answer_loss
    lines = level_lines(levels, text, float(budget)) if series else ()
    return Chart(
        f"loss-{file}",
        f"Loss against evaluations, {short(place)}",
        "evaluations",
        f"{short(place)}: best loss so far, tuning forms",
        (*series, *lines),
    )


def _band(cells: Sequence[Measured]) -> tuple[list[float], ...] | None:
    """Return evaluations, and mean, least and largest best loss so far where every seed has one."""
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


@dataclass(frozen=True)
class _Axis:
    """A quantity of a cell: the axis' label, its name and text beside a mark, and its value."""

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


def _held_out(measured: Sequence[Measured], looks: Looks) -> Chart:
    cells = [cell for cell in measured if cell.cell.method != "constant"]
    axes = _TUNING, _HELD_OUT
    chart = _scatter("held-out", "Tuning against held-out loss", axes, cells, looks)
    end = max((max(*series.x, *series.y) for series in chart.series), default=0.0)
    diagonal = Series("the same loss on both", Look("grey", line="--"), (0, end), (0, end))
    return replace(chart, series=(*chart.series, diagonal)) if chart.series else chart


def _benchmark(key: str, number: int, measured: Sequence[Measured], looks: Looks) -> Chart:
    accuracy = _Axis(
        f"right answers in {short(key, 30)}, %",
        "right answers",
        lambda cell: 100 * cell.benchmarks[key].score if key in cell.benchmarks else None,
        lambda _, percent: f"{loss_text(percent)} %",
    )
    title = f"Accuracy in {short(key)} against held-out loss"
    chart = _scatter(f"benchmark-{number}", title, (_HELD_OUT, accuracy), measured, looks)
    return replace(chart, zoomed=True)


def _scatter(
    key: str, title: str, axes: tuple[_Axis, _Axis], cells: Sequence[Measured], looks: Looks
) -> Chart:
    """Return a chart with a mark for each cell that has both numbers."""
    across, up = axes
    marks: list[Mark] = []
    for cell in cells:
        x, y = across.value(cell), up.value(cell)
        if x is not None and y is not None:
            seed = "" if cell.cell.seed is None else f", seed {cell.cell.seed}"
            place = f"{_place(cell, cells)}{seed}"
            text = f"{place}: {across.name} {across.text(cell, x)}, {up.name} {up.text(cell, y)}"
            marks.append((short(cell.cell.method, 40), looks[cell.cell.method], x, y, text))
    return Chart(key, title, across.label, up.label, scatter(marks))
