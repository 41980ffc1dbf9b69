"""A measured profile as files and as a data frame."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

import acculturate as ac
from acculturate.survey import Instrument


@pytest.fixture(scope="module")
def measured() -> ac.Profile:
    survey = ac.load_instrument("toy")
    target = ac.Country("A & B_1", "own", {d.key: 50.0 for d in survey.dimensions}, None)
    return ac.measure(ac.FakeModel(), survey, target=target)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as content:
        return list(csv.DictReader(content))


def test_the_answer_to_every_form(measured: ac.Profile, toy: Instrument):
    assert [answer.form for answer in measured.answers] == list(ac.all_forms(toy, labels="words"))
    for answer in measured.answers:
        assert len(answer.probabilities) == len(answer.form.labels)
        expected = sum(place * p for place, p in enumerate(answer.probabilities, 1))
        assert answer.value == pytest.approx(expected)
    assert "answers" not in measured.to_dict()
    assert "FormAnswer" not in repr(measured)


def test_a_data_frame_has_a_row_a_measure(measured: ac.Profile):
    frame = measured.to_frame().set_index("measure")
    assert set(frame["country"]) == {"A & B_1"}
    for key, score in measured.scores.items():
        assert frame.loc[f"score:{key}", "value"] == score
        assert (frame.loc[f"score:{key}", "low"], frame.loc[f"score:{key}", "high"]) == (
            measured.intervals[key]
        )
    assert frame.loc["loss", "value"] == measured.loss
    assert frame.filter(like="item:", axis=0)["value"].tolist() == [*measured.item_means.values()]


def test_files(measured: ac.Profile, toy: Instrument, tmp_path: Path):
    target = ac.Country("A & B_1", "own", {d.key: 50.0 for d in toy.dimensions}, None)
    written = ac.write_profile(measured, toy, tmp_path / "out", target)
    figures = [f"{key}.{kind}" for key in ("profile", "map") for kind in ("pdf", "svg", "png")]
    names = "profile.json", "answers.csv", "scores.csv", "profile.tex", *figures
    assert [path.name for path in written] == list(names)
    assert json.loads((tmp_path / "out" / "profile.json").read_text())["scores"] == measured.scores
    answers = rows(tmp_path / "out" / "answers.csv")
    assert [row["text"] for row in answers] == [a.form.text for a in measured.answers]
    assert {row["labels"] for row in answers} == {"words"}
    assert [float(row["p1"]) for row in answers] == [a.probabilities[0] for a in measured.answers]
    assert {row["p5"] for row in answers if row["p4"] == ""} == {""}, "three options only"
    assert len(rows(tmp_path / "out" / "scores.csv")) == len(measured.to_rows())
    table = (tmp_path / "out" / "profile.tex").read_text()
    assert r"A \& B\_1" in table
    assert table.count(r"\\") == 1 + len(toy.dimensions)
    assert (tmp_path / "out" / "profile.pdf").read_bytes().startswith(b"%PDF")
    svg = (tmp_path / "out" / "profile.svg").read_text()
    assert "A &amp; B_1" in svg


def test_only_files_of_an_earlier_profile_are_overwritten(
    measured: ac.Profile, toy: Instrument, tmp_path: Path
):
    (tmp_path / "answers.csv").write_text("country,m01\n")
    with pytest.raises(ac.UsageError, match="is of no earlier profile"):
        ac.write_profile(measured, toy, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["answers.csv"]
    ac.write_profile(measured, toy, tmp_path / "out")
    ac.write_profile(measured, toy, tmp_path / "out")


def test_a_profile_of_another_questionnaire(measured: ac.Profile, tmp_path: Path):
    with pytest.raises(ac.UsageError, match="of toy, not of vsm13"):
        ac.write_profile(measured, ac.load_instrument("vsm13"), tmp_path)


def test_without_pandas(measured: ac.Profile, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ac.UsageError, match="needs pandas") as caught:
        measured.to_frame()
    assert caught.value.hint == "pip install 'acculturate[pandas]'"
