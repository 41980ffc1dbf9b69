"""The map of a survey with two dimensions."""

from __future__ import annotations

from dataclasses import replace

from acculturate.drawing import draw, inline_svg
from acculturate.reporting.figures import figures_of
from acculturate.reporting.map_figure import TUNED, UNTOUCHED, Place, map_chart
from acculturate.runs import Dimension, read_run
from acculturate.survey import load_countries, load_instrument
from fake_run import write_fake_run
from tuning.tuning_runs import tune_toy

MAP = load_instrument("inglehart-welzel")
DIMENSIONS = [Dimension(d.key, d.name, d.low, d.high) for d in MAP.dimensions]
START = Place("untouched", UNTOUCHED, {"expression": 0.5, "secular": 0.25}, {})
PLACES = [
    START,
    Place(
        "tuned",
        TUNED,
        {"expression": 1.5, "secular": 1.25},
        {"expression": (1.25, 1.75), "secular": (1.0, 1.5)},
        START,
    ),
]


def test_countries_the_target_and_the_models_way():
    table = load_countries("inglehart-welzel-2024")
    japan = table["Japan"]
    chart = map_chart(DIMENSIONS, PLACES, table.key, japan.name, japan.scores)
    assert chart is not None
    by_name = {series.name: series for series in chart.series if series.name}
    assert list(by_name) == ["Japan", "untouched", "tuned"]
    at = by_name["Japan"]
    assert (at.x[0], at.y[0]) == (japan.scores["expression"], japan.scores["secular"])
    assert by_name["tuned"].texts == ["1.50, 1.25; 95\N{NO-BREAK SPACE}%: 1.25 to 1.75; "
                                      "95\N{NO-BREAK SPACE}%: 1.00 to 1.50"]  # fmt: skip
    labels = [label for series in chart.series for label in series.labels if label]
    assert {"CN", "US", "SE"} <= set(labels)
    assert "JP" not in labels, "it is the target"
    way = next(series for series in chart.series if list(series.x[:2]) == [0.5, 1.5])
    assert list(way.y[:2]) == [0.25, 1.25]
    bars = [list(series.x[:2]) for series in chart.series if series.look.opacity == 0.5]
    assert bars == [[1.25, 1.75]]
    assert "China (CN)" in chart.description
    assert draw([chart], "pdf").startswith(b"%PDF")
    page = inline_svg(chart, "m")
    assert ">SE</text>" in page
    assert "#595d66" not in page, "its colours are the page's"


def test_without_countries_and_without_a_target():
    chart = map_chart(DIMENSIONS, PLACES[:1], None)
    assert chart is not None
    assert [series.name for series in chart.series if series.name] == ["untouched"]


def test_surveys_of_other_dimensions_have_no_map(tmp_path):
    assert map_chart(DIMENSIONS[:1], PLACES, None) is None
    assert map_chart([replace(DIMENSIONS[0], key="x"), DIMENSIONS[1]], PLACES, None) is None
    run = read_run(write_fake_run(tmp_path / "run"))
    assert "map" not in [chart.key for chart in figures_of(run)]


def test_the_map_of_a_run_stands_in_its_report(tmp_path):
    from acculturate.reporting import render_report

    run = read_run(tune_toy(tmp_path / "run").directory)
    (chart,) = (chart for chart in figures_of(run) if chart.key == "map")
    assert [series.name for series in chart.series if series.name] == [
        "Toyland",
        "untouched",
        "tuned",
    ]
    assert chart.title in render_report([run])
