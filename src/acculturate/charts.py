"""Charts as plain data: names, numbers and looks, which `acculturate.drawing` draws.

In: what a reader is to see. Out: `Chart`s, and their content in words.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

COLOURS = {
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "black": "#333333",
    "grey": "#6d717a",
    "red": "#a3242b",
    "ink": "#1c1e22",
    "soft": "#595d66",
    "rule": "#dddad3",
    "paper": "#ffffff",
}
"""Colours by name. The first seven, which colour-blind readers tell apart (Okabe and Ito 2008), are for series;
on a page, the colour `blue` is the variable `--figure-blue` of its style sheet."""

_MARKERS = "oDs^vP"
_LONGEST_DESCRIPTION = 4000


@dataclass(frozen=True)
class Look:
    """Colour, marker and line of a series, the same wherever the series is shown.

    Attributes:
        colour: A key of `COLOURS`.
        marker: A marker of matplotlib; empty for none.
        hollow: Whether the marker is an outline.
        line: Solid "-", dashed "--" or dotted ":"; empty for none.
        width: Of the line, in points.
        opacity: Of the line.
    """

    colour: str
    marker: str = ""
    hollow: bool = False
    line: str = ""
    width: float = 1.5
    opacity: float = 1.0


@dataclass(frozen=True)
class Series:
    """Points of a chart, with or without a line through them.

    Attributes:
        name: In the legend; empty for none.
        x: Places from left to right; a line breaks where one is not a number.
        texts: The points in words: shown when a pointer rests on a marker, and read out.
        bands: Low and high ends of bands around a line, the widest first.
        steps: Whether the line keeps its height until the next point.
        only_last: Whether the last point alone has a marker.
        labels: Short texts that stand at the points, such as codes of countries, one each; or none.
    """

    name: str
    look: Look
    x: Sequence[float]
    y: Sequence[float]
    texts: Sequence[str] = ()
    bands: tuple[tuple[Sequence[float], Sequence[float]], ...] = ()
    steps: bool = False
    only_last: bool = False
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Row:
    """Texts around the lanes of a row.

    Attributes:
        name: Above the lanes, on the left.
        note: Above the lanes, on the right.
        low: Meaning of the left end of the axis; empty for none.
        high: Meaning of the right end.
    """

    name: str
    note: str
    low: str = ""
    high: str = ""


@dataclass(frozen=True)
class Chart:
    """Series between two axes that begin at 0.

    Attributes:
        key: Name of its file, without the ending.
        title: Of the caption.
        x_end: A value that the horizontal axis has to reach.
        y_end: A value that the vertical axis has to reach.
        zoomed: Whether the vertical axis begins near the least value instead.
        rows: Instead of a vertical axis, rows of lanes below one another; see `lane`.
        lanes: How many lanes a row has.
        titled_below: Whether there is room for texts below the lanes of a row.
        height: Height of the axes, in points, where there are no rows.
    """

    key: str
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    x_end: float = 0.0
    y_end: float = 0.0
    zoomed: bool = False
    rows: tuple[Row, ...] = ()
    lanes: int = 0
    titled_below: bool = True
    height: float = 110.0

    @property
    def description(self) -> str:
        """Its content in words, for readers who do not see it."""
        parts = [(series.name, "; ".join(series.texts)) for series in self.series]
        text = ". ".join(": ".join(filter(None, part)) for part in parts if any(part)) + "."
        return textwrap.shorten(text, _LONGEST_DESCRIPTION, placeholder="; and more.")


def look_of(number: int) -> Look:
    """Return colour and marker of a numbered series; the first 42 differ."""
    colours = tuple(COLOURS)[:7]
    return Look(colours[number % len(colours)], _MARKERS[number % len(_MARKERS)])


def outline_of(number: int) -> Look:
    """Return a grey outline; the first six differ."""
    return Look("grey", _MARKERS[number % len(_MARKERS)], hollow=True)


def lane(row: int, number: float, lanes: int, *, titled_below: bool = True) -> float:
    """Return the vertical place of a lane of a row; of 0 and `lanes` halves the edges of the lanes."""
    return row * row_height(lanes, titled_below) + 1.4 + number


def merge(parts: Iterable[Series]) -> tuple[Series, ...]:
    """Return one series for all parts of the same name and look, in the order of their first ones.

    Lines of different parts are not joined.
    """
    groups: dict[tuple[str, Look], list[Series]] = {}
    for part in parts:
        groups.setdefault((part.name, part.look), []).append(part)
    return tuple(
        Series(
            *group,
            [x for part in members for x in (*part.x, math.nan)],
            [y for part in members for y in (*part.y, math.nan)],
            [text for part in members for text in part.texts],
            labels=[label for part in members if part.labels for label in (*part.labels, "")],
        )
        for group, members in groups.items()
    )


def row_height(lanes: int, titled_below: bool) -> float:
    """Return the height of a row of lanes with its texts, in lanes."""
    return lanes + (3.5 if titled_below else 1.7)
