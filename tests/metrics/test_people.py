"""Scores of people: the formulas of the models' scores, on the means of those who answered."""

import math
from pathlib import Path

import numpy as np
import pytest

from acculturate.metrics import score
from acculturate.survey import Scoring, load_countries, load_instrument

VSM13 = load_instrument("vsm13")
TOY = load_instrument("toy")
ITEMS = [item.id for item in VSM13.items]


def write(path: Path, people: list[dict[str, object]], *extra: str) -> Path:
    columns = [*ITEMS, *extra]
    lines = [",".join(str(person.get(column, 3)) for column in columns) for person in people]
    file = path / "people.csv"
    file.write_text("\n".join([",".join(columns), *lines]), encoding="utf-8")
    return file


def test_scores_computed_by_hand(tmp_path: Path):
    first = {"m07": 2, "m02": 1, "m20": 4, "m23": 2, "m05": 1, "m03": 5, "w": 3}
    other = {"m07": 4, "m02": 9, "m20": "", "m23": 2, "m05": 2, "m03": 5, "w": 1}
    file = write(tmp_path, [first, other], "w")
    (group,) = score(file, VSM13).groups
    # Means over those who answered: m07 3, m02 1, m20 4, m23 2, m05 1.5, m03 5.
    assert group.scores == {
        "pdi": 35 * (3 - 1) + 25 * (4 - 2) + 50,
        "idv": 50,
        "mas": 35 * (1.5 - 5) + 50,
        "uai": 50,
        "lto": 50,
        "ivr": 50,
    }
    assert (group.respondents, group.answered["m02"], group.answered["m07"]) == (2, 1, 2)
    (group,) = score(file, VSM13, weight="w", scoring=Scoring(VSM13, "zero")).groups
    assert group.item_means["m07"] == 2.5
    assert group.scores["pdi"] == 35 * (2.5 - 1) + 25 * (4 - 2)
    assert group.scores["mas"] == 35 * (1.25 - 5)
    assert group.group == "all respondents"


def test_a_row_for_each_group(tmp_path: Path):
    people = [
        {"m07": 4, "country": "Korea Rep."},
        {"m07": 5, "country": "S. Korea"},
        {"country": "no"},
    ]
    found = score(write(tmp_path, people, "country"), VSM13, by="country", table=load_countries())
    korea, norway = found.groups
    assert (korea.group, norway.group) == ("South Korea", "Norway")
    assert (korea.scores["pdi"], norway.scores["pdi"]) == (35 * 1.5 + 50, 50)
    assert (korea.respondents, norway.intervals) == (2, {})
    assert len(korea.nearest) == 5
    assert found.anchor == dict.fromkeys(korea.scores, 50)
    assert found.warnings[-1].startswith("Fewer than 20 respondents: South Korea (2), Norway (1).")


def test_the_interval_is_that_of_the_standard_error(tmp_path: Path):
    rng = np.random.default_rng(3)
    answers = rng.integers(1, 6, 200)
    found = score(write(tmp_path, [{"m07": answer} for answer in answers]), VSM13, seed=5)
    (group,) = found.groups
    error = 35 * answers.std(ddof=1) / math.sqrt(200)
    low, high = group.intervals["pdi"]
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.12)
    assert low < group.scores["pdi"] < high
    assert group.intervals["idv"] == (50, 50)
    assert found.warnings == ()
    assert score(found.file, VSM13, seed=5) == found != score(found.file, VSM13, seed=6)


def test_many_respondents_are_drawn_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = write(tmp_path, [{"m07": 1 + number % 5} for number in range(30)])
    whole = score(file, VSM13)
    monkeypatch.setattr("acculturate.metrics.people._CELLS", 30 * 7)
    assert score(file, VSM13) == whole


def test_a_dimension_that_nobody_answered_has_no_score(tmp_path: Path):
    file = tmp_path / "people.csv"
    file.write_text("plans,whims,crowd\n1,5,3\n1,3,1\n", encoding="utf-8")
    (group,) = score(file, TOY).groups
    assert group.scores["planning"] == 12.5 * (4 - 1) + 50
    assert math.isnan(group.scores["company"])
    assert list(group.intervals) == ["planning"]
    assert group.nearest == ()
