"""What alignment costs, method by method: loss against divergence, one point a run.

In: a `Comparison`. Out: one SVG file that stands alone, a panel for each country. A filled point is the loss on
the tuning forms, a hollow one that of the same prompt on the held-out forms; divergence is read on the
held-out guard texts. A line joins what a method cannot be beaten at by its other runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from acculturate.bench.search import Cell, Comparison
from acculturate.bench.svg import COLOURS, Panel, document

Point = tuple[float, float]
_SPLITS = (("loss", True), ("held_out", False))


def frontier_figure(comparison: Comparison) -> str:
    """The figure as SVG text."""
    countries = list(dict.fromkeys(cell.country for cell in comparison.cells))
    methods = list(dict.fromkeys(cell.method for cell in comparison.cells))
    panels = [
        _panel([c for c in comparison.cells if c.country == country], methods, country)
        for country in countries
    ]
    return document(panels, f"Loss against divergence on {comparison.model}, by method")


def lower_left(points: Sequence[Point]) -> list[Point]:
    """Of some points those that no other one beats in both, from left to right."""
    kept: list[Point] = []
    for point in sorted(points):
        if not kept or point[1] < kept[-1][1]:
            kept.append(point)
    return kept


def _panel(cells: Sequence[Cell], methods: Sequence[str], country: str) -> Panel:
    panel = Panel(
        f"{country}: loss against divergence",
        "filled: tuning forms; hollow: held-out forms",
        "divergence, nats a token",
        [cell.divergence for cell in cells],
        [value for cell in cells for value in (cell.loss, cell.held_out)],
    )
    for number, method in enumerate(methods):
        own = [cell for cell in cells if cell.method == method]
        colour = COLOURS[number % len(COLOURS)]
        for name, filled in _SPLITS:
            points = [(cell.divergence, float(getattr(cell, name))) for cell in own]
            panel.line(lower_left(points), colour, "" if filled else "3 3", 1.2)
            for point in points:
                fill = colour if filled else "#fff"
                x, y = panel.at(*point)
                panel.add(
                    f'<circle cx="{x}" cy="{y}" r="4" fill="{fill}" stroke="{colour}">'
                    f"<title>{escape(f'{method}: {point[1]:.1f} at {point[0]:.2f}')}</title></circle>"
                )
        if own:
            panel.label(min(cell.loss for cell in own), method, colour)
    return panel
