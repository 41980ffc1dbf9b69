"""`acculturate evaluate --on`: tables, JSON, a second call, and requests that cannot be met."""

import pytest

from acculturate.errors import UsageError
from acculturate.model import FakeModel
from answering import EASY, easy_row, write_csv


@pytest.fixture
def tuned(cli, tmp_path):
    assert cli.tune("--out", "us").code == 0
    assert cli.tune("--out", "other", "--seed", 3).code == 0
    write_csv(tmp_path / "easy.csv", EASY, [easy_row(k, "A", "China") for k in range(5)])
    return cli


def test_tables_and_json(tuned, tmp_path):
    named = "acculturate-culture-easy,culturalbench-easy=easy.csv"
    shown = tuned("evaluate", "us", "--on", named, "--permute", 2)
    assert shown.code == 0
    assert "acculturate-culture, one of four, 60 questions" in shown.out
    assert "CulturalBench-Easy, 5 questions" in shown.out
    assert "None of them is about United States." in shown.out
    assert "asking 120 forms: acculturate-culture-easy, naive" in shown.err
    again = tuned("evaluate", "us", "other", "--on", named, "--permute", 2, "--json")
    assert again.code == 0, again.err
    first, second = again.json["runs"]
    assert set(first["benchmarks"]) == {"acculturate-culture-easy", "culturalbench-easy"}
    assert first["benchmarks"]["culturalbench-easy"]["orders"] == 2
    naive = [run["benchmarks"]["culturalbench-easy"]["rows"][0] for run in (first, second)]
    assert naive[0] == naive[1]
    # Nothing but the other run's own prompt is new.
    assert again.err.count("forms: acculturate-culture") == 1
    page = tuned("report", "us")
    assert "Outside the survey: CulturalBench-Easy" in (tmp_path / "us" / "report.html").read_text()
    assert page.code == 0


def test_written_answers(tuned):
    found = tuned("evaluate", "us", "--on", "acculturate-culture-easy", "--written", "--json")
    assert list(found.json["runs"][0]["benchmarks"]) == [
        "acculturate-culture-easy",
        "acculturate-culture-easy-written",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--on", "culturalbenhc-easy"], "no benchmark 'culturalbenhc-easy'"),
        (["--on", "culturalbench-easy=gone.csv"], "gone.csv does not exist"),
        (["--on", ","], "--on names nothing"),
        (["--permute", 3], "--permute is about benchmarks"),
        (["--on", "fluency", "--respondents", 2], "--respondents is about the survey"),
        (["--on", "fluency", "--languages", "none"], "--languages is about the survey"),
        (["--written"], "--written is about benchmarks"),
        (["--on", "acculturate-culture-easy", "--permute", -1], "-1 option orders"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is(tuned, tmp_path, arguments, words):
    found = tuned("evaluate", "us", *arguments)
    assert words in found.message(2)
    assert not (tmp_path / "us" / "evaluation" / "held_out.json").exists()


def test_a_benchmark_that_cannot_be_read_leaves_the_others(tuned, tmp_path):
    named = "culturalbench-easy=gone.csv,acculturate-culture-easy"
    found = tuned("evaluate", "us", "--on", named)
    assert found.code == 0
    assert "Not asked: culturalbench-easy=gone.csv: " in found.out and "does not exist" in found.out
    assert "acculturate-culture, one of four, 60 questions" in found.out
    value = tuned("evaluate", "us", "--on", named, "--json").json["runs"][0]
    assert list(value["benchmarks"]) == ["acculturate-culture-easy"]
    assert [refusal["label"] for refusal in value["refused"]] == ["culturalbench-easy=gone.csv"]


def test_nothing_that_can_be_asked_is_an_error(tuned, monkeypatch):
    def refuse(*_arguments, **_options):
        raise UsageError("no such tokens")

    monkeypatch.setattr(FakeModel, "ask", refuse)
    found = tuned("evaluate", "us", "--on", "acculturate-culture-easy")
    assert found.code == 1
    assert "nothing could be asked; first acculturate-culture, one of four: no such" in found.err
