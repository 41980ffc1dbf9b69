"""A comparison of searches as a figure: best loss against evaluations, median and quartiles over seeds.

In: a `Comparison`. Out: one SVG file that stands alone, a panel for each country and limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import Float

from acculturate.bench.search import Cell, Comparison
from acculturate.reporting.scales import Scale, scale_for

_WIDTH, _PANEL, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 340, 56, 250, 44, 44
_GAP_OF_LABELS = 15
# Okabe and Ito's colours, told apart by most colour-blind readers, and dashes when they are used up.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
_DASHES = ("", "6 3", "2 3", "9 3 2 3")


def figure(comparison: Comparison) -> str:
    """The figure as SVG text."""
    panels = list(dict.fromkeys((cell.country, cell.limit) for cell in comparison.cells))
    methods = list(dict.fromkeys(cell.method for cell in comparison.cells))
    parts: list[str] = []
    for number, (country, limit) in enumerate(panels):
        cells = [c for c in comparison.cells if (c.country, c.limit) == (country, limit)]
        title = f"{country}, {'no limit' if limit is None else f'divergence at most {limit:g}'}"
        inner = _panel(cells, methods, comparison.budget, title)
        parts.append(f'<g transform="translate(0 {number * _PANEL})">{inner}</g>')
    height = _PANEL * len(panels)
    label = escape(f"Best loss against evaluations on {comparison.model}, by method")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{label}" font-family="system-ui, sans-serif" font-size="12">'
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _panel(cells: Sequence[Cell], methods: Sequence[str], budget: int, title: str) -> str:
    steps = np.unique(np.linspace(0, budget, 101).round().astype(int)[1:])
    here = {cell.method for cell in cells}
    bands = {
        method: _quartiles([c for c in cells if c.method == method], steps)
        for method in methods
        if method in here
    }
    known = np.concatenate([band[np.isfinite(band)] for band in bands.values()])
    up = scale_for([0.0, float(np.quantile(known, 0.98)) if len(known) else 1.0], 5)
    across = scale_for([0.0, float(budget)], 4)
    right, bottom = _WIDTH - _RIGHT, _PANEL - _BOTTOM
    parts = [f'<text x="{_LEFT}" y="20" font-size="14" font-weight="600">{escape(title)}</text>']
    for tick in up.ticks:
        y = _place(up, tick, bottom, _TOP)
        parts.append(f'<path d="M{_LEFT} {y}H{right}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    for tick in across.ticks:
        x = _place(across, tick, _LEFT, right)
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{tick:,.0f}</text>')
    middle = (_LEFT + right) / 2
    parts.append(
        f'<text x="{middle}" y="{bottom + 36}" text-anchor="middle">evaluations</text>'
        f'<text x="{_LEFT}" y="36" fill="#555">best loss so far, median and quartiles</text>'
    )
    ends: list[tuple[float, str, str]] = []
    for number, method in enumerate(methods):
        if method not in here:
            continue
        colour = _COLOURS[number % len(_COLOURS)]
        dash = _DASHES[number // len(_COLOURS) % len(_DASHES)]
        low, median, high = bands[method]
        xs = [_place(across, float(step), _LEFT, right) for step in steps]
        line = [(x, _place(up, v, bottom, _TOP)) for x, v in zip(xs, median, strict=True) if v == v]
        if not line:
            continue
        rim = [(x, _place(up, v, bottom, _TOP)) for x, v in zip(xs, high, strict=True) if v == v]
        back = [(x, _place(up, v, bottom, _TOP)) for x, v in zip(xs, low, strict=True) if v == v]
        parts.append(
            f'<path d="{_path([*rim, *reversed(back)])}Z" fill="{colour}" opacity="0.12"/>'
        )
        parts.append(
            f'<path d="{_path(line)}" fill="none" stroke="{colour}" stroke-width="1.8" '
            f'stroke-dasharray="{dash}"/>'
        )
        last = median[np.isfinite(median)][-1]
        ends.append((line[-1][1], f"{method}: {last:.1f}", colour))
    lowest = -np.inf
    for y, text, colour in sorted(ends):
        lowest = max(y, lowest + _GAP_OF_LABELS)
        parts.append(
            f'<text x="{right + 8}" y="{lowest + 4}" fill="{colour}">{escape(text)}</text>'
        )
    return "".join(parts)


def _quartiles(cells: Sequence[Cell], steps: np.ndarray) -> Float[np.ndarray, "3 step"]:
    """Quartiles of the best loss after each number of evaluations; NaN while a seed has none."""
    values = np.array(
        [[np.nan if (b := cell.best_at(int(s))) is None else b for s in steps] for cell in cells]
    )
    return np.quantile(values, [0.25, 0.5, 0.75], axis=0)


def _place(scale: Scale, value: float, low: float, high: float) -> float:
    return round(low + (high - low) * scale.percent(value) / 100, 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)
