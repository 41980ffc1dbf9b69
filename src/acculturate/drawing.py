"""Charts and strips of dots, drawn from plain data for a page or a paper.

In: `Chart`s and `Strips`: names, numbers and looks. Out: a file for a paper as PDF, SVG or PNG, or SVG text for
an HTML page, whose colours are variables of the page's style sheet. The same data give the same bytes.
"""

from __future__ import annotations

import io
import re
import textwrap
import threading
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

Format = Literal["pdf", "svg", "png"]

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

_SERIES_COLOURS, _MARKERS = tuple(COLOURS)[:7], "oDs^vP"
_WIDTH, _HEIGHT = 3.4, 2.1  # inches: a column of a paper, and a chart without its legend
_POINTS = 72  # an inch
_FONT, _SMALL_FONT, _CHARACTER = 8.0, 7.0, 4.2  # points; the last is the width of a character
_NAME_LINE, _END_LINE, _STRIP_GAP, _LANE = 14.0, 8.5, 7.0, 10.0  # points
_LEGEND_LINE, _LONGEST_NAME, _END_WIDTH = 11.5, 44, 31
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"


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
        bands: Low and high ends of bands around a line, the widest first.
        steps: Whether the line keeps its height until the next point.
        only_last: Whether the last point alone has a marker.
        hovers: Text shown when a pointer rests on a marker, one a marker.
    """

    name: str
    look: Look
    x: Sequence[float]
    y: Sequence[float]
    bands: tuple[tuple[Sequence[float], Sequence[float]], ...] = ()
    steps: bool = False
    only_last: bool = False
    hovers: Sequence[str] = ()


@dataclass(frozen=True)
class Level:
    """A horizontal reference line."""

    name: str
    value: float
    look: Look


@dataclass(frozen=True)
class Chart:
    """Series between two axes.

    Attributes:
        key: Name of its file, without the ending.
        title: Of the caption.
        caption: How it is read.
        description: Its content in words, for readers who do not see it.
        note: A second line below the name of the vertical axis.
        diagonal: Whether the line where both axes are equal is drawn.
        x_range: Ends of the horizontal axis; None for those of the data.
        y_range: Ends of the vertical axis.
    """

    key: str
    title: str
    caption: str
    description: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()
    note: str = ""
    diagonal: bool = False
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Dot:
    """A value with its interval."""

    value: float
    look: Look
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Lane:
    """Dots on one line, joined in their order."""

    dots: tuple[Dot, ...]
    hover: str


@dataclass(frozen=True)
class Strip:
    """Lanes beside a target.

    Attributes:
        low: Meaning of the axis' left end; empty for none.
        high: Meaning of its right end.
    """

    name: str
    lanes: tuple[Lane, ...]
    target: float | None
    target_text: str
    low: str = ""
    high: str = ""


@dataclass(frozen=True)
class Strips:
    """Strips below one another, on one axis.

    Attributes:
        key: Name of its file, without the ending.
        title: Of the caption.
        caption: How it is read.
        description: Its content in words, for readers who do not see it.
        heading: Above the strips; empty for none.
        legend: Names and looks.
        x_range: Values the axis has to hold beside those shown.
    """

    key: str
    title: str
    caption: str
    description: str
    heading: str
    strips: tuple[Strip, ...]
    legend: Mapping[str, Look]
    x_range: tuple[float, float] | None = None


Drawing = Chart | Strips
Hovers = dict[str, Sequence[str]]


def look_of(number: int) -> Look:
    """Return colour and marker of a numbered series; the first 42 differ."""
    colours, markers = _SERIES_COLOURS, _MARKERS
    return Look(colours[number % len(colours)], markers[number % len(markers)])


def outline_of(number: int) -> Look:
    """Return a grey outline; the first six differ."""
    return Look("grey", _MARKERS[number % len(_MARKERS)], hollow=True)


def draw(drawings: Sequence[Drawing], kind: Format) -> bytes:
    """Return the content of a file with drawings below one another, as wide as a column of a paper.

    Args:
        drawings: At least one.
        kind: PDF with embedded fonts, SVG with text as text, or PNG with 300 dots an inch.
    """
    content, hovers = _render(drawings, kind, visible_paper=True)
    if kind != "svg":
        return content
    root = _tidy(content, hovers)
    root.set("xmlns", _SVG.strip("{}"))
    _describe(root, drawings, drawings[0].key)
    return ElementTree.tostring(root, encoding="utf-8") + b"\n"


def inline_svg(drawing: Drawing, key: str) -> str:
    """Return an SVG element for an HTML page, which sets its colours and its font.

    Args:
        drawing: What is drawn.
        key: Beginning of the ids of its title and its description, unique on the page.
    """
    names = {colour: name for name, colour in COLOURS.items()}
    root = _tidy(*_render([drawing], "svg", visible_paper=False))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    for element in root.iter():
        if "style" in element.attrib:
            style = re.sub(r"font-family:[^;]*;? ?", "", element.attrib["style"])
            element.attrib["style"] = re.sub(
                "#[0-9a-f]{6}", lambda found: f"var(--figure-{names[found[0]]})", style
            )
    _describe(root, [drawing], key)
    return ElementTree.tostring(root, encoding="unicode")


def _render(
    drawings: Sequence[Drawing], kind: Format, *, visible_paper: bool
) -> tuple[bytes, Hovers]:
    hovers: Hovers = {}
    with _matplotlib_defaults():
        from matplotlib.figure import Figure

        heights = [_height(drawing) for drawing in drawings]
        figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
        figure.patch.set_visible(visible_paper)
        parts: Any = figure.subfigures(len(drawings), 1, squeeze=False, height_ratios=heights)
        for part, drawing in zip(parts[:, 0], drawings, strict=True):
            part.patch.set_visible(visible_paper)
            if isinstance(drawing, Chart):
                _draw_chart(part, drawing, hovers)
            else:
                _draw_strips(part, drawing, hovers)
        buffer = io.BytesIO()
        no_date = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[kind]
        figure.savefig(buffer, format=kind, dpi=300, metadata=no_date)
    return buffer.getvalue(), hovers


_DRAWING = threading.Lock()


@contextmanager
def _matplotlib_defaults() -> Generator[None]:
    """Set matplotlib's own defaults and ours for a while, whatever a user's settings say."""
    import matplotlib

    with _DRAWING, matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name may hold letters that no font has
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.family": list(_font_families()),
                "font.size": _FONT,
                "pdf.fonttype": 42,
                "svg.fonttype": "none",
                "svg.hashsalt": "acculturate",
                "text.parse_math": False,
                "text.color": COLOURS["soft"],
                "figure.constrained_layout.h_pad": 0.03,
                "figure.constrained_layout.w_pad": 0.03,
            }
        )
        yield


@cache
def _font_families() -> tuple[str, ...]:
    """Return the font that comes with matplotlib, and installed ones for other scripts."""
    from matplotlib.font_manager import fontManager

    others = ("Noto Sans", "Noto Sans CJK SC", "Noto Sans Arabic", "Noto Sans Devanagari")
    installed = set(fontManager.get_font_names())
    return "DejaVu Sans", *(name for name in others if name in installed)


def _height(drawing: Drawing) -> float:
    """Return the height of a drawing in inches."""
    lines = _LEGEND_LINE * -(-len(_legend(drawing)) // _columns(drawing))
    if isinstance(drawing, Chart):
        return _HEIGHT + (lines + (_FONT + 2) * bool(drawing.note)) / _POINTS
    heading = 14 * bool(drawing.heading)
    return (sum(map(_strip_height, drawing.strips)) + 22 + heading + lines) / _POINTS


def _legend(drawing: Drawing) -> dict[str, Look]:
    if isinstance(drawing, Strips):
        return dict(drawing.legend)
    named = (*drawing.series, *drawing.levels)
    return {_clean(part.name): part.look for part in named if part.name}


def _columns(drawing: Drawing) -> int:
    """Return how many names of the legend stand side by side."""
    longest = max((min(len(name), _LONGEST_NAME) for name in _legend(drawing)), default=1)
    return max(1, int((_WIDTH * _POINTS - 4) // (longest * _CHARACTER + 26)))


def _draw_legend(part: Figure | SubFigure, drawing: Drawing) -> None:
    from matplotlib.lines import Line2D

    legend = _legend(drawing)
    if not legend:
        return
    part.legend(
        [Line2D([], [], **_style(look)) for look in legend.values()],
        [_clean(name) for name in legend],
        loc="outside lower left",
        ncols=_columns(drawing),
        frameon=False,
        handlelength=1.8,
        columnspacing=1.0,
        borderpad=0.2,
        labelspacing=0.35,
    )


def _draw_chart(part: Figure | SubFigure, chart: Chart, hovers: Hovers) -> None:
    axes = part.add_subplot()
    _prepare_axes(axes)
    axes.grid(axis="y", color=COLOURS["rule"], linewidth=0.6)
    axes.set_xlabel(_clean(chart.x_label), loc="right", color=COLOURS["soft"])
    heading = "\n".join(filter(None, (_clean(chart.y_label), _clean(chart.note))))
    axes.set_title(heading, loc="left", fontsize=_FONT, color=COLOURS["soft"])
    for series in chart.series:
        line_shape: Any = {"drawstyle": "steps-post" if series.steps else "default"}
        for low, high in series.bands:
            colour = COLOURS[series.look.colour]
            axes.fill_between(series.x, low, high, color=colour, alpha=0.14, linewidth=0)
        (line,) = axes.plot(
            series.x,
            series.y,
            clip_on=False,
            markevery=[len(series.x) - 1] if series.only_last else None,
            **_style(series.look),
            **line_shape,
        )
        _add_hovers(line, series.hovers, hovers)
    for level in chart.levels:
        axes.axhline(level.value, zorder=1.5, **_style(level.look))
    axes.set_xlim(chart.x_range)
    axes.set_ylim(chart.y_range)
    if chart.diagonal:
        low = max(axes.get_xlim()[0], axes.get_ylim()[0])
        high = min(axes.get_xlim()[1], axes.get_ylim()[1])
        axes.plot([low, high], [low, high], zorder=1.5, **_style(Look("grey", line="--", width=1)))
    _draw_legend(part, chart)


def _strip_height(strip: Strip) -> float:
    lines = max(len(_wrap(strip.low)), len(_wrap(strip.high)))
    return _NAME_LINE + _LANE * max(1, len(strip.lanes)) + _END_LINE * lines + _STRIP_GAP


def _draw_strips(part: Figure | SubFigure, drawing: Strips, hovers: Hovers) -> None:
    axes = part.add_subplot()
    _prepare_axes(axes)
    axes.set_ylim(sum(map(_strip_height, drawing.strips)), 0)
    axes.set_yticks([])
    low, high = _extent(drawing)
    axes.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    if drawing.heading:
        heading = _clean(drawing.heading)
        axes.set_title(heading, loc="left", fontsize=_FONT, color=COLOURS["soft"])
    top = 0.0
    for strip in drawing.strips:
        _draw_strip(axes, strip, top, hovers)
        top += _strip_height(strip)
    _draw_legend(part, drawing)


def _extent(drawing: Strips) -> tuple[float, float]:
    """Return the least and the largest value shown."""
    dots = [dot for strip in drawing.strips for lane in strip.lanes for dot in lane.dots]
    values = [dot.value for dot in dots] + [end for dot in dots for end in dot.interval or ()]
    values += [strip.target for strip in drawing.strips if strip.target is not None]
    values += drawing.x_range or ()
    return min(values, default=0.0), max(values, default=1.0)


def _draw_strip(axes: Axes, strip: Strip, top: float, hovers: Hovers) -> None:
    across = axes.get_yaxis_transform()  # x from 0 to 1
    text: dict[str, Any] = {"transform": across, "va": "top"}
    ink: dict[str, Any] = {**text, "color": COLOURS["ink"]}
    axes.text(0, top + 2, _clean(strip.name), weight="bold", **ink)
    axes.text(1, top + 2, _clean(strip.target_text), ha="right", **ink)
    first = top + _NAME_LINE
    bottom = first + _LANE * max(1, len(strip.lanes))
    left, right = sorted(axes.get_xlim())
    for tick in axes.get_xticks():
        if left <= tick <= right:
            axes.plot([tick, tick], [first, bottom], color=COLOURS["rule"], linewidth=0.6)
    if strip.target is not None:
        axes.plot([strip.target] * 2, [first, bottom], color=COLOURS["ink"], linewidth=1.5)
    for number, lane in enumerate(strip.lanes):
        y = first + _LANE * (number + 0.5)
        values = [dot.value for dot in lane.dots]
        axes.plot(values, [y] * len(values), color=COLOURS["grey"], linewidth=0.8)
        for dot in lane.dots:
            if dot.interval is not None:
                interval = Look(dot.look.colour, line="-", width=4, opacity=0.28)
                axes.plot(dot.interval, [y, y], **_style(interval))
            (mark,) = axes.plot([dot.value], [y], **_style(dot.look))
            _add_hovers(mark, [lane.hover], hovers)
    for x, end, align in ((0, strip.low, "left"), (1, strip.high, "right")):
        for number, line in enumerate(_wrap(end)):
            y = bottom + 1 + _END_LINE * number
            axes.text(x, y, line, ha=align, fontsize=_SMALL_FONT, **text)
    end = top + _strip_height(strip) - _STRIP_GAP / 3
    axes.plot([0, 1], [end, end], transform=across, color=COLOURS["rule"], linewidth=0.6)


def _prepare_axes(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.patch.set_visible(False)
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(COLOURS["rule"])
    axes.set_axisbelow(True)
    axes.tick_params(bottom=False, left=False, labelcolor=COLOURS["soft"])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(_tick_text))


def _tick_text(value: float, _: object) -> str:
    return f"{value:,.10g}".replace("-", "−")


def _style(look: Look) -> dict[str, Any]:
    colour = COLOURS[look.colour]
    return {
        "color": colour,
        "linestyle": look.line or "none",
        "linewidth": look.width,
        "alpha": None if look.opacity == 1 else look.opacity,
        "marker": look.marker or "none",
        "markersize": 5,
        "markerfacecolor": COLOURS["paper"] if look.hollow else colour,
        "markeredgewidth": 1.1,
        "solid_capstyle": "round",
    }


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(_clean(text), _END_WIDTH, max_lines=3, placeholder="…")


def _clean(text: str) -> str:
    """Return a text without letters that XML does not have."""
    return re.sub("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", " ", text)


def _add_hovers(line: Line2D, texts: Sequence[str], hovers: Hovers) -> None:
    if texts:
        key = f"hover-{len(hovers)}"
        line.set_gid(key)
        hovers[key] = texts


def _tidy(content: bytes, hovers: Hovers) -> ElementTree.Element:
    """Return matplotlib's SVG without ids, links, style sheet and metadata, and with texts on markers."""
    root = ElementTree.fromstring(content)
    shapes = {element.get("id"): element for element in root.iter(f"{_SVG}path")}
    for parent in list(root.iter()):
        for number, child in enumerate(list(parent)):
            if child.tag == f"{_SVG}use":
                shape = ElementTree.Element(f"{_SVG}path", style=child.get("style", ""))
                shape.set("d", shapes[child.get(_LINK, "#")[1:]].get("d", ""))
                shape.set("transform", f"translate({child.get('x')} {child.get('y')})")
                parent[number] = shape
    for parent in list(root.iter()):
        for child in [c for c in parent if c.tag in (f"{_SVG}metadata", f"{_SVG}defs")]:
            parent.remove(child)
    for group in root.iter(f"{_SVG}g"):
        texts = hovers.get(group.get("id", ""), ())
        marks = [p for p in group.iter(f"{_SVG}path") if "translate" in p.get("transform", "")]
        for mark, text in zip(marks, texts, strict=False):
            ElementTree.SubElement(mark, f"{_SVG}title").text = _clean(text)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.tail = "\n"
        if not (element.text or "").strip():
            element.text = None
        for name in ("id", "clip-path"):
            element.attrib.pop(name, None)
        for name in ("d", "x", "y", "transform"):
            if name in element.attrib:
                element.attrib[name] = _shorten(element.attrib[name])
        if element.get("transform", "").startswith("rotate(-0 "):
            element.attrib.pop("transform")
    return root


def _shorten(numbers: str) -> str:
    joined = re.sub(r"\s*\n\s*", "", numbers)
    return re.sub(
        r"\d+\.\d+", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), joined
    )


def _describe(root: ElementTree.Element, drawings: Sequence[Drawing], key: str) -> None:
    """Add title and description as an image's alternative text."""
    root.set("role", "img")
    root.set("aria-labelledby", f"{key}-t {key}-d")
    texts = [". ".join(drawing.title for drawing in drawings)]
    texts.append(" ".join(drawing.description for drawing in drawings))
    for place, (tag, end, text) in enumerate(zip(("title", "desc"), "td", texts, strict=True)):
        element = ElementTree.Element(tag, id=f"{key}-{end}")
        element.text = _clean(text)
        root.insert(place, element)
