"""Panels of a figure as one SVG file that stands alone: axes, lines, labels at the right edge."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from acculturate.reporting.scales import scale_for

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 340, 56, 270, 44, 44
_LINE_OF_TEXT = 15
# Okabe and Ito's colours, which most colour-blind readers tell apart, and dashes when they are used up.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
DASHES = ("", "6 3", "2 3", "9 3 2 3")

Point = tuple[float, float]


class Panel:
    """One pair of axes, from 0, and what is drawn between them.

    Args:
        title: Above it.
        note: Below the title: what to see.
        x_label: Below the horizontal axis.
        xs: Values that have to fit on the horizontal axis.
        ys: On the vertical one.
    """

    def __init__(
        self, title: str, note: str, x_label: str, xs: Sequence[float], ys: Sequence[float]
    ) -> None:
        self._across, self._up = scale_for([0.0, *xs], 4), scale_for([0.0, *ys], 5)
        self._right, self._bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        self._labels: list[tuple[float, str, str]] = []
        self._parts = [
            f'<text x="{_LEFT}" y="18" font-size="14" font-weight="600">{escape(title)}</text>',
            f'<text x="{_LEFT}" y="34" fill="#555">{escape(note)}</text>',
            f'<text x="{(_LEFT + self._right) / 2}" y="{self._bottom + 36}" text-anchor="middle">'
            f"{escape(x_label)}</text>",
        ]
        for tick in self._up.ticks:
            y = self.at(0.0, tick)[1]
            self.add(f'<path d="M{_LEFT} {y}H{self._right}" stroke="#ddd"/>')
            self.add(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
        for tick in self._across.ticks:
            x = self.at(tick, 0.0)[0]
            self.add(f'<text x="{x}" y="{self._bottom + 18}" text-anchor="middle">{tick:g}</text>')

    def at(self, x: float, y: float) -> Point:
        """The place of a point, in units of the drawing; kept between the axes."""
        across = _LEFT + (self._right - _LEFT) * self._across.percent(x) / 100
        up = self._bottom + (_TOP - self._bottom) * self._up.percent(y) / 100
        return round(across, 1), round(up, 1)

    def add(self, element: str) -> None:
        """Draws an element, which has to be escaped already."""
        self._parts.append(element)

    def line(self, points: Sequence[Point], colour: str, dash: str, width: float) -> None:
        """Draws a line through points."""
        if points:
            self.add(
                f'<path d="{self._path(points)}" fill="none" stroke="{colour}" '
                f'stroke-width="{width}" stroke-dasharray="{dash}"/>'
            )

    def band(self, low: Sequence[Point], high: Sequence[Point], colour: str) -> None:
        """Fills what lies between two lines."""
        if low and high:
            outline = self._path([*high, *reversed(low)])
            self.add(f'<path d="{outline}Z" fill="{colour}" opacity="0.12"/>')

    def label(self, y: float, text: str, colour: str) -> None:
        """Writes at the right edge, at the height of a value or a little below, where it is free."""
        self._labels.append((self.at(0.0, y)[1], text, colour))

    def text(self) -> str:
        """Everything drawn."""
        parts, lowest = list(self._parts), 0.0
        for y, text, colour in sorted(self._labels):
            lowest = max(y, lowest + _LINE_OF_TEXT)
            parts.append(
                f'<text x="{self._right + 8}" y="{lowest + 4}" fill="{colour}">{escape(text)}</text>'
            )
        return "".join(parts)

    def _path(self, points: Sequence[Point]) -> str:
        return "M" + "L".join(f"{x} {y}" for x, y in (self.at(*point) for point in points))


def document(panels: Sequence[Panel], description: str) -> str:
    """Panels below one another as SVG text."""
    height = _HEIGHT * len(panels)
    drawn = "".join(
        f'<g transform="translate(0 {number * _HEIGHT})">{panel.text()}</g>'
        for number, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(description)}" font-family="system-ui, sans-serif" font-size="12">'
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>{drawn}</svg>\n'
    )
