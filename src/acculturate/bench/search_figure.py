"""A comparison of searches as a figure: best loss against evaluations, median and quartiles over seeds.

In: a `Comparison`. Out: one SVG file that stands alone, a panel for each country and limit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from acculturate.bench.search import Cell, Comparison
from acculturate.bench.svg import COLOURS, DASHES, Panel, Point, document

_STEPS = 100
_SHOWN = 0.98  # quantile of the losses that the axis reaches to: a first one may lie far above


def figure(comparison: Comparison) -> str:
    """The figure as SVG text."""
    places = list(dict.fromkeys((cell.country, cell.limit) for cell in comparison.cells))
    methods = list(dict.fromkeys(cell.method for cell in comparison.cells))
    panels: list[Panel] = []
    for country, limit in places:
        cells = [c for c in comparison.cells if (c.country, c.limit) == (country, limit)]
        title = f"{country}, {'no limit' if limit is None else f'divergence at most {limit:g}'}"
        panels.append(_panel(cells, methods, comparison.budget, title))
    return document(panels, f"Best loss against evaluations on {comparison.model}, by method")


def _panel(cells: Sequence[Cell], methods: Sequence[str], budget: int, title: str) -> Panel:
    steps = np.unique(np.linspace(0, budget, _STEPS + 1).round().astype(int)[1:])
    here = {cell.method for cell in cells}
    bands = {
        method: _quartiles([c for c in cells if c.method == method], steps)
        for method in methods
        if method in here
    }
    known = np.concatenate([band[np.isfinite(band)] for band in bands.values()])
    top = float(np.quantile(known, _SHOWN)) if len(known) else 1.0
    note = "best loss so far, median and quartiles over the seeds"
    panel = Panel(title, note, "evaluations", [float(budget)], [top])
    for number, method in enumerate(methods):
        if method not in here:
            continue
        colour = COLOURS[number % len(COLOURS)]
        low, median, high = (_points(steps, band) for band in bands[method])
        panel.band(low, high, colour)
        panel.line(median, colour, DASHES[number // len(COLOURS) % len(DASHES)], 1.8)
        if median:
            panel.label(median[-1][1], f"{method}: {median[-1][1]:.1f}", colour)
    return panel


def _points(steps: np.ndarray, values: np.ndarray) -> list[Point]:
    known = np.isfinite(values)
    return [(float(s), float(v)) for s, v in zip(steps[known], values[known], strict=True)]


def _quartiles(cells: Sequence[Cell], steps: np.ndarray) -> Float[np.ndarray, "3 step"]:
    """Quartiles of the best loss after each number of evaluations; NaN while a seed has none."""
    if not cells:
        return np.full((3, len(steps)), np.nan)
    values = np.array(
        [[np.nan if (b := cell.best_at(int(s))) is None else b for s in steps] for cell in cells]
    )
    return np.quantile(values, [0.25, 0.5, 0.75], axis=0)
