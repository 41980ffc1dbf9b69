"""Drawings hold the texts they are given, mean nothing else, and are the same bytes every time."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from acculturate.charts import COLOURS, Chart, Look, Row, Series, lane, look_of, merge, outline_of
from acculturate.drawing import draw, inline_svg

SVG = "{http://www.w3.org/2000/svg}"
BAD = "<script>alert('x')</script> & $x^{\\frac$ \x00\ud800 \"quoted\" 中文 قال हिन्दी"


def chart(name="adam", **changes):
    line = Look("blue", "o", line="-")
    bands = (((4, 3, 2), (6, 5, 4)),)
    values = {
        "key": "loss",
        "title": f"Loss, {name}",
        "x_label": "evaluations",
        "y_label": f"loss of {name}",
        "series": (
            Series(name, line, (1, 2, 3), (5, 4, 3), ["3.0 after 3"], bands, only_last=True),
            Series("points", look_of(1), (1, 2), (1, 2), ("first", f"second {name}")),
            Series("untouched 4.5", Look("grey", line="--"), (0, 3), (4.5, 4.5)),
        ),
        **changes,
    }
    return Chart(**values)


def rows(name="Power distance"):
    marks = [
        Series(f"{state} {name}", look, (x,), (lane(row, place + 0.5, 2),), (f"{name} {x}",))
        for row in range(2)
        for place in range(2)
        for state, look, x in (("untouched", outline_of(0), 63), ("tuned", look_of(0), 44))
    ]
    row = Row(name, "target 40.0", "low " * 30, f"high {name}")
    return chart(name, key="scores", series=merge(marks), x_end=100, rows=(row, row), lanes=2)


@pytest.mark.parametrize("drawing", [chart(), rows()])
@pytest.mark.parametrize(
    ("kind", "start"), [("pdf", b"%PDF"), ("svg", b"<svg"), ("png", b"\x89PNG")]
)
def test_the_same_drawing_gives_the_same_bytes(drawing, kind, start):
    content = draw([drawing], kind)
    assert content.startswith(start)
    assert draw([drawing], kind) == content


def test_settings_of_the_user_change_nothing():
    import matplotlib

    before = draw([chart()], "svg")
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert draw([chart()], "svg") == before
        assert matplotlib.rcParams["font.size"] == 30


def test_a_pdf_embeds_its_fonts_as_truetype():
    content = draw([chart()], "pdf")
    assert b"/FontFile2" in content and b"/Type3" not in content
    width = float(re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", content)[1])
    assert width == pytest.approx(3.4 * 72)


def test_texts_are_texts():
    root = ET.fromstring(draw([chart(), rows()], "svg"))
    shown = [element.text for element in root.iter(f"{SVG}text")]
    for text in ("adam", "loss of adam", "evaluations", "untouched 4.5", "target 40.0"):
        assert text in shown
    assert shown.count("Power distance") == 2
    assert root.attrib["role"] == "img"
    ids = {element.attrib.get("id") for element in root.iter()}
    assert set(root.attrib["aria-labelledby"].split()) <= ids
    assert root.find(f"{SVG}desc").text == (
        "adam: 3.0 after 3. points: first; second adam. untouched 4.5. "
        "untouched Power distance: " + "; ".join(["Power distance 63"] * 4) + ". "
        "tuned Power distance: " + "; ".join(["Power distance 44"] * 4) + "."
    )
    hovers = [mark.find(f"{SVG}title").text for mark in root.iter(f"{SVG}path") if len(mark)]
    assert hovers[:3] == ["3.0 after 3", "first", "second adam"]
    assert hovers.count("Power distance 63") == hovers.count("Power distance 44") == 4


def test_a_long_description_is_cut():
    texts = [f"mark {number}" for number in range(5000)]
    many = Series("many", look_of(0), range(5000), range(5000), texts)
    assert chart(series=(many,)).description.startswith("many: mark 0; mark 1;")
    assert chart(series=(many,)).description.endswith("; and more.")
    assert len(chart(series=(many,)).description) <= 4000


@pytest.mark.parametrize("drawing", [chart(BAD), rows(BAD)])
def test_a_name_means_nothing_else(drawing):
    for text in (draw([drawing], "svg").decode(), inline_svg(drawing, "a")):
        root = ET.fromstring(text)
        assert not [element for element in root.iter() if "script" in element.tag]
        assert "&lt;script&gt;alert" in text
        assert "中文 قال हिन्दी" in text and "$x^{\\frac$" in text
    assert draw([drawing], "pdf") and draw([drawing], "png")


def test_colours_on_a_page_are_variables_of_its_style_sheet():
    text = inline_svg(chart(), "run-1-loss")
    assert not re.search("#[0-9a-f]{3}", text)
    assert {"--figure-blue", "--figure-ink"} - set(re.findall(r"--figure-\w+", text)) == {
        "--figure-ink"
    }
    for left in ("url(", "http", "<style", "<use", "clip-path", "font-family"):
        assert left not in text
    assert re.findall(r' id="([^"]+)"', text) == ["run-1-loss-t", "run-1-loss-d"]


def test_marks_stand_where_their_numbers_are():
    series = Series("", look_of(0), (1, 2, 3), (10, 20, 30), ("a", "b", "c"))
    root = ET.fromstring(inline_svg(chart(series=(series,)), "a"))
    marks = {
        m.find("title").text: m.get("transform")
        for m in root.iter("path")
        if m.find("title") is not None
    }
    places = [tuple(map(float, re.findall(r"[\d.]+", marks[name]))) for name in "abc"]
    (x1, y1), (x2, y2), (x3, y3) = places
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.02) and x2 > x1
    assert y2 - y1 == pytest.approx(y3 - y2, abs=0.02) and y2 < y1


def test_many_series_differ():
    assert len({look_of(number) for number in range(42)}) == 42
    assert all(look_of(number).colour in COLOURS for number in range(99))


def test_matplotlib_is_loaded_when_something_is_drawn():
    code = (
        "import sys, acculturate, acculturate.drawing, acculturate.reporting.report;"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
