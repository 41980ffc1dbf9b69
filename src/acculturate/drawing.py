"""Draws charts for a page or a paper.

In: `Chart`s. Out: a file for a paper as PDF, SVG or PNG, or SVG text for an HTML page, whose colours are
variables of the page's style sheet. The same data give the same bytes.
"""

from __future__ import annotations

import io
import json
import re
import textwrap
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

from acculturate.charts import COLOURS, Chart, Look, Series, row_height

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

Format = Literal["pdf", "svg", "png"]

_WIDTH, _POINTS = 3.4, 72  # inches, a column of a paper; points an inch
_SMALL_FONT, _LABEL_FONT, _CHARACTER, _LINE, _LANE = 7.0, 5.0, 4.4, 11.5, 10.0  # points
_HEADROOM = 1.04
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_STYLE, _LOCK = Path(__file__).with_suffix(".mplstyle"), threading.Lock()


def draw(charts: Sequence[Chart], kind: Format) -> bytes:
    """Return the content of a file with charts below one another, as wide as a column of a paper.

    Args:
        charts: At least one.
        kind: PDF with embedded fonts, SVG with text as text, or PNG with 300 dots an inch.
    """
    content = _render(charts, kind, paper=True)
    if kind != "svg":
        return content
    root = _tidy(content, charts, charts[0].key)
    root.set("xmlns", _SVG.strip("{}"))
    return ElementTree.tostring(root, encoding="utf-8") + b"\n"


def inline_svg(chart: Chart, key: str) -> str:
    """Return an SVG element for an HTML page, which sets its colours and its font.

    Args:
        chart: What is drawn.
        key: Beginning of the ids of its title and its description, unique on the page.
    """
    names = {colour: name for name, colour in COLOURS.items()}
    root = _tidy(_render([chart], "svg", paper=False), [chart], key)
    for name in ("width", "height", "version"):
        del root.attrib[name]
    for element in root.iter():
        style = re.sub("font-family:[^;]*;? ?", "", element.get("style", ""))
        for colour in re.findall("#[0-9a-f]{6}", style):
            style = style.replace(colour, f"var(--figure-{names[colour]})")
        if style:
            element.set("style", style)
    return ElementTree.tostring(root, encoding="unicode")


def _render(charts: Sequence[Chart], kind: Format, *, paper: bool) -> bytes:
    import matplotlib

    # The settings are ours, whatever a user's are; a name may hold letters that no font has.
    with _LOCK, matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matplotlib.rc_file(_STYLE)
        matplotlib.rcParams["font.family"] = _fonts()
        from matplotlib.figure import Figure

        heights = [sum(_heights(chart)) / _POINTS for chart in charts]
        figure = Figure(figsize=(_WIDTH, sum(heights)))
        parts: Any = figure.subfigures(len(charts), 1, squeeze=False, height_ratios=heights)
        for part in (figure, *parts[:, 0]):
            part.patch.set_visible(paper)
        for part, chart in zip(parts[:, 0], charts, strict=True):
            _draw_chart(part, chart)
        buffer = io.BytesIO()
        no_date = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[kind]
        figure.savefig(buffer, format=kind, metadata=no_date)
    return buffer.getvalue()


def _fonts() -> list[str]:
    """Return the font that comes with matplotlib, and installed ones for other scripts."""
    from matplotlib.font_manager import fontManager

    others = {"Noto Sans", "Noto Sans CJK SC", "Noto Sans Arabic", "Noto Sans Devanagari"}
    return ["DejaVu Sans", *sorted(others.intersection(fontManager.get_font_names()))]


def _heights(chart: Chart) -> tuple[float, float, float]:
    """Return the points below the axes of a chart, of its axes and above them."""
    legend_lines = -(-len(_legend(chart)) // _columns(chart))
    rows = len(chart.rows) * row_height(chart.lanes, chart.titled_below) * _LANE
    below = 22 + _LINE * (legend_lines + bool(chart.x_label))
    return below, rows or chart.height, 6 + _LINE * len(_heading(chart).splitlines())


def _heading(chart: Chart) -> str:
    return "\n".join(_wrap(line, 54) for line in chart.y_label.split("\n"))


def _legend(chart: Chart) -> dict[str, Look]:
    return {_clean(series.name): series.look for series in chart.series if series.name}


def _columns(chart: Chart) -> int:
    """Return how many names of the legend stand side by side."""
    longest = max(map(len, _legend(chart)), default=1)
    return max(1, int((_WIDTH * _POINTS - 4) // (longest * _CHARACTER + 22)))


def _draw_chart(part: SubFigure, chart: Chart) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes = part.add_subplot()
    axes.patch.set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(_tick_text))
    axes.set_title(_heading(chart))
    axes.set_xlabel(_clean(chart.x_label))
    for series in chart.series:
        _draw_series(axes, series)
    shown = axes.dataLim
    axes.set_xlim(min(0.0, shown.x0), max(chart.x_end, shown.x1) or 1.0)
    if chart.rows:
        _draw_rows(axes, chart)
    elif not chart.zoomed:
        axes.set_ylim(min(0.0, shown.y0), _HEADROOM * max(chart.y_end, shown.y1) or 1.0)
    below, height, above = _heights(chart)
    ticks = [] if chart.rows else [tick for tick in axes.get_yticks() if tick <= axes.get_ylim()[1]]
    left = max((_CHARACTER * len(_tick_text(tick, None)) for tick in ticks), default=0.0) + 9
    width, whole = _WIDTH * _POINTS, below + height + above
    axes.set_position((left / width, below / whole, 1 - (left + 12) / width, height / whole))
    legend = _legend(chart)
    marks = [Line2D([], [], **_style(look)) for look in legend.values()]
    part.legend(marks, list(legend), loc="lower left", ncols=_columns(chart))


def _tick_text(value: float, _: object) -> str:
    return f"{value:,.10g}".replace("-", "−")


def _draw_series(axes: Axes, series: Series) -> None:
    for low, high in series.bands:
        colour = COLOURS[series.look.colour]
        axes.fill_between(series.x, low, high, color=colour, alpha=0.14, linewidth=0)
    axes.plot(
        series.x,
        series.y,
        clip_on=False,
        zorder=3 if series.look.marker else 2,
        drawstyle="steps-post" if series.steps else "default",
        markevery=[len(series.x) - 1] if series.only_last else None,
        gid=json.dumps(series.texts[-1:] if series.only_last else series.texts),
        **_style(series.look),
    )
    for x, y, label in zip(series.x, series.y, series.labels, strict=bool(series.labels)):
        if label:
            side: Any = {"ha": "center", "va": "center", "fontsize": _LABEL_FONT}
            axes.text(x, y, _clean(label), color=COLOURS[series.look.colour], **side)


def _draw_rows(axes: Axes, chart: Chart) -> None:
    """Draw the texts of rows, and a vertical axis in lanes from the top down."""
    height = row_height(chart.lanes, chart.titled_below)
    axes.set_ylim(len(chart.rows) * height, 0)
    axes.set_yticks([height * number for number in range(1, len(chart.rows))], [])
    axes.grid(axis="x")
    for number, row in enumerate(chart.rows):
        top, bottom = height * number + 0.2, height * number + chart.lanes + 1.5
        side: Any = {"transform": axes.get_yaxis_transform(), "va": "top"}
        ink: Any = {**side, "color": COLOURS["ink"]}
        small: Any = {**side, "fontsize": _SMALL_FONT, "linespacing": 1.1}
        axes.text(0, top, _wrap(row.name, 40), weight="bold", **ink)
        axes.text(1, top, _wrap(row.note, 40), ha="right", **ink)
        axes.text(0, bottom, _wrap(row.low, 31), **small)
        axes.text(1, bottom, _wrap(row.high, 31), ha="right", **small)


def _style(look: Look) -> dict[str, Any]:
    colour = COLOURS[look.colour]
    return {
        "color": colour,
        "linestyle": look.line or "none",
        "linewidth": look.width,
        "alpha": look.opacity if look.opacity < 1 else None,
        "marker": look.marker or "none",
        "markerfacecolor": COLOURS["paper"] if look.hollow else colour,
    }


def _wrap(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(_clean(text), width, max_lines=2, placeholder="…"))


def _clean(text: str) -> str:
    """Return a text without letters that XML does not have."""
    return re.sub("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", " ", text)


def _tidy(content: bytes, charts: Sequence[Chart], key: str) -> ElementTree.Element:
    """Return matplotlib's SVG without ids, links and style sheets, and with texts for screen readers."""
    root = ElementTree.fromstring(content)
    shapes = {path.get("id"): path.get("d", "") for path in root.iter(f"{_SVG}path")}
    for group in root.iter(f"{_SVG}g"):
        marks, name = group.iter(f"{_SVG}use"), group.get("id", "")
        for mark, text in zip(
            marks, json.loads(name) if name.startswith("[") else (), strict=False
        ):
            _add_text(mark, "title", text)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}defs"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        if element.tag == "use":
            element.tag = "path"
            element.set("d", shapes[element.attrib.pop(_LINK)[1:]])
            place = element.attrib.pop("x"), element.attrib.pop("y")
            element.set("transform", f"translate({place[0]} {place[1]})")
        for name, value in list(element.items()):
            element.set(name, re.sub(r"(\.\d\d)\d+|\n", r"\1", value))
        for name in ("id", "clip-path"):
            element.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{key}-t {key}-d")
    _add_text(root, "desc", " ".join(chart.description for chart in charts), f"{key}-d")
    _add_text(root, "title", ". ".join(chart.title for chart in charts), f"{key}-t")
    return root


def _add_text(element: ElementTree.Element, tag: str, text: str, name: str = "") -> None:
    child = ElementTree.Element(tag, {"id": name} if name else {})
    child.text = _clean(text)
    element.insert(0, child)
