"""Losses and scores over many runs: known correlations, what is left out, the figure."""

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from acculturate.drawing import draw
from acculturate.errors import FailureError, UsageError
from acculturate.record_files import write_record
from acculturate.reporting import relate_narrative
from acculturate.reporting.relate import relate
from acculturate.reporting.relate_figure import relate_charts
from fake_run import behaviour, write_benchmark, write_fake_run

SVG = "{http://www.w3.org/2000/svg}"


def set_losses(tuning, held_out):
    def change(values):
        row = next(row for row in values["rows"] if row["method"] == "tuned")
        row["tuning"]["loss"], row["held_out"]["loss"] = tuning, held_out

    return change


def benchmark(run, score, own=None, name="quiz", questions=60, country="United States"):
    rows = {"naive": 0.3, "persona": 0.31, "tuned": score}
    write_benchmark(run, name, rows, own=own, questions=questions, country=country)


def made(folder, count=6, country="United States", level=0.0, slope=-0.01, name="us"):
    """Runs whose score falls by `-slope` a point of held-out loss, and not at all with the tuning loss."""
    paths = []
    for k in range(count):
        loss = 10.0 + k + level
        tuning = [3.0, 1.0, 2.0][k % 3]
        run = write_fake_run(
            folder / f"{name}-{k}", country=country, change=set_losses(tuning, loss)
        )
        benchmark(run, 0.4 + slope * k + level / 20, 0.5 - slope * k, country=country)
        paths.append(run)
    return paths


def found(related, loss, score, benchmark=0):
    return next(
        one
        for one in related.benchmarks[benchmark].relations
        if (one.loss, one.score) == (loss, score)
    )


def test_a_lower_loss_that_goes_with_a_higher_score(tmp_path):
    related = relate(made(tmp_path))
    one = found(related, "held-out", "all")
    assert one.pooled.pearson.value == pytest.approx(-1)
    assert one.pooled.spearman.value == pytest.approx(-1)
    assert one.groups == {"United States": one.groups["United States"]}
    assert found(related, "held-out", "own").pooled.pearson.value == pytest.approx(1)
    assert abs(found(related, "tuning", "all").pooled.pearson.value) < 0.5
    said = relate_narrative.sentences(related)
    assert (
        "quiz, 6 runs in one group: a lower loss on the held-out forms goes with a higher score on all "
        "questions (Spearman −1.00, 95\xa0% −1.00 to −1.00)." in said
    )
    assert any(
        "a lower loss on the held-out forms goes with a lower score on the" in s for s in said
    )
    assert any("these runs do not tell whether a lower loss on the tuning forms" in s for s in said)
    (first, *_) = related.benchmarks[0].points
    assert (first.loss, first.score) == (
        {"tuning": 3.0, "held-out": 10.0},
        {"all": 0.4, "own": 0.5},
    )
    assert first.naive_score == {"all": 0.3, "own": 0.5}
    assert first.naive_loss["held-out"] > 0
    assert first.interval == pytest.approx((0.3, 0.5))


def test_countries_that_differ_in_level_are_pooled_within(tmp_path):
    """China is further away and scores higher: over all points a higher loss seems to go with it."""
    runs = made(tmp_path) + made(tmp_path, country="China", level=8.0, name="cn")
    related = relate(runs)
    points = related.benchmarks[0].points
    crude = np.corrcoef([(p.loss["held-out"], p.score["all"]) for p in points], rowvar=False)[0, 1]
    assert crude > 0.5
    one = found(related, "held-out", "all")
    assert one.pooled.pearson.value == pytest.approx(-1)
    assert (one.pooled.runs, one.pooled.groups) == (12, 2)
    assert set(one.groups) == {"United States", "China"}
    assert relate(runs) == related
    json.dumps(related.to_dict(), allow_nan=False)


def test_too_few_runs_say_so_and_give_no_number(tmp_path):
    related = relate(made(tmp_path, count=4))
    one = found(related, "held-out", "all")
    assert one.pooled.pearson is one.pooled.spearman is None
    assert relate_narrative.relation(related.benchmarks[0], one) == (
        "quiz: whether a lower loss on the held-out forms goes with a higher score on all questions cannot "
        "be said: 4 runs are too few, it takes 5."
    )
    assert all("too few" in chart.y_label for chart in relate_charts(related))


def test_the_same_run_counts_once_and_others_are_left_out_with_a_reason(tmp_path, monkeypatch):
    runs = made(tmp_path)
    monkeypatch.chdir(tmp_path)
    bare = write_fake_run(tmp_path / "bare")
    stopped = write_fake_run(tmp_path / "stopped", finished=False)
    broken = write_fake_run(tmp_path / "broken", change=set_losses(1.0, None))
    related = relate([*runs, tmp_path / "." / "us-0", bare, stopped, broken])
    assert len(related.benchmarks[0].points) == 6
    assert list(related.left_out.values()) == [
        "it was asked no benchmark and not how it would behave",
        "it is not finished",
        "its losses are not finite",
    ]
    with pytest.raises(UsageError, match="bare: it was asked no benchmark") as caught:
        relate([bare])
    assert "--on" in caught.value.hint


def test_benchmarks_models_and_surveys_are_kept_apart(tmp_path):
    runs = made(tmp_path)
    for run in runs[:2]:
        benchmark(run, 0.6, name="quiz", questions=10)
        benchmark(run, 0.7, name="other")
    config = runs[5] / "config.toml"
    config.write_text(config.read_text().replace('name = "embedded"', 'name = "gpt"'))
    related = relate(runs)
    names = [(one.name, one.questions, len(one.points)) for one in related.benchmarks]
    assert names == [("other", 60, 2), ("quiz", 10, 2), ("quiz", 60, 4)]
    assert {point.group for point in related.benchmarks[2].points} == {
        "United States, embedded",
        "United States, gpt",
    }


def test_behaviour_is_one_more_score(tmp_path):
    runs = [write_fake_run(tmp_path / str(k), change=set_losses(1.0, 10.0 + k)) for k in range(6)]
    for k, run in enumerate(runs):
        write_record(run / "evaluation" / "behaviour.json", behaviour(towards=8.0 - k))
    uncounted = write_fake_run(tmp_path / "places")
    write_record(uncounted / "evaluation" / "behaviour.json", behaviour(8.0, reliability=0.1))
    related = relate([*runs, uncounted])
    (only,) = related.benchmarks
    assert (only.name, only.questions, len(only.points)) == ("behaviour", 48, 6)
    point = only.points[0]
    assert (point.score, point.naive_score) == ({"towards": 8.0}, {"towards": 0.0})
    assert point.interval == (7.0, 9.0)
    assert found(related, "held-out", "towards").pooled.pearson.value == pytest.approx(-1)
    assert any(
        "a lower loss on the held-out forms goes with a higher shift of choices towards the target"
        in s
        for s in relate_narrative.sentences(related)
    )
    assert [chart.key for chart in relate_charts(related)] == ["relate-towards"]
    assert list(related.left_out.values()) == [
        "it was asked no benchmark and not how it would behave"
    ]


def test_the_figure_stands_alone_and_is_escaped(tmp_path):
    bad = "<script>alert('x')</script>"
    runs = made(tmp_path, country=bad)
    for run in runs:
        benchmark(run, 0.5, 0.4, name="quiz", country=bad)
    file = runs[0] / "evaluation" / "benchmarks" / "quiz.json"
    file.write_text(file.read_text().replace('"quiz"', json.dumps(bad)))
    text = draw(relate_charts(relate(runs)), "svg").decode()
    root = ET.fromstring(text)
    assert root.attrib["role"] == "img"
    ids = {element.attrib.get("id") for element in root.iter()}
    assert set(root.attrib["aria-labelledby"].split()) <= ids
    assert not list(root.iter(f"{SVG}script")) and "<script" not in text
    assert not re.search(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)", text)


def test_marks_stand_where_their_numbers_are(tmp_path):
    chart = relate_charts(relate(made(tmp_path)))[0]
    tuned, untouched = chart.series
    assert tuned.name == "United States" and untouched.look.hollow
    assert tuned.texts[0] == "us-0: loss 10.0, score 0.400"
    assert untouched.texts == ["United States, untouched: loss 21.7, score 0.300"]
    assert np.allclose(tuned.x[::2], np.arange(10, 16))
    assert np.allclose(tuned.y[::2], 0.4 - 0.01 * np.arange(6))


def test_a_damaged_benchmark_names_its_place(tmp_path):
    runs = made(tmp_path, count=1)
    file = runs[0] / "evaluation" / "benchmarks" / "quiz.json"
    values = json.loads(file.read_text())
    values["rows"][2]["score"] = "high"
    file.write_text(json.dumps(values))
    with pytest.raises(FailureError, match=r"rows\[3\].score is 'high'"):
        relate(runs)
