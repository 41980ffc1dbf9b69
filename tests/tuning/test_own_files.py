"""Tables and surveys of the user's own, and what happens when they change during a run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tuning_runs import HIDDEN, Interrupter, files, read_json, tune_toy

from acculturate.errors import FailureError
from acculturate.model import FakeModel
from acculturate.runs import Run
from acculturate.survey import load_countries, load_instrument
from acculturate.survey.instrument import DATA
from acculturate.tuning import tune


def tune_table(out: Path, table: Path, survey: Path, **settings: Any) -> Run:
    countries = load_countries(table)
    return tune(
        FakeModel(HIDDEN),
        load_instrument(survey),
        countries["Toyland"],
        out=out,
        table=countries,
        budget=40,
        tokens=2,
        **settings,
    )


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, Path]:
    """A table and a survey of the user's own."""
    table, survey = tmp_path / "mine.csv", tmp_path / "mine.toml"
    table.write_text("country,planning,company\nToyland,80,20\nElsewhere,10,90\nGap,1,\n")
    shutil.copy(DATA / "toy.toml", survey)
    return table, survey


def test_a_table_and_a_survey_of_ones_own(own: tuple[Path, Path], tmp_path):
    run = tune_table(tmp_path / "run", *own)
    assert [name for name, _ in run.summary.nearest["tuned"]] == ["Toyland", "Elsewhere"]
    assert run.summary.target.table == "mine"
    assert read_json(tmp_path / "run" / "provenance.json")["table"] == {
        "key": "mine",
        "source": str(own[0]),
        "terms": "the user's own",
    }


def test_a_country_of_ones_own_without_a_table(tmp_path):
    run = tune_toy(tmp_path)
    assert run.summary.nearest == {"naive": (), "tuned": ()}
    assert read_json(tmp_path / "provenance.json")["table"]["key"] == "toy-table"


@pytest.mark.parametrize(
    ("which", "edit", "words"),
    [
        (0, ("80", "81"), 'target\'s scores are not those .* .*"planning": 80.*"planning": 81'),
        (1, ("plans = -12.5", "plans = -12"), "instrument's contents are not those"),
        (1, ("Do you like to be alone?", "Do you like being alone?"), "are not those"),
    ],
)
def test_a_table_or_survey_that_changed_since(
    which: int, edit: tuple[str, str], words: str, own: tuple[Path, Path], tmp_path
):
    with pytest.raises(KeyboardInterrupt):
        tune_table(tmp_path / "run", *own, on_generation=Interrupter(1))
    text = own[which].read_text()
    assert edit[0] in text
    own[which].write_text(text.replace(*edit))
    before = files(tmp_path / "run")
    with pytest.raises(FailureError, match=words) as caught:
        tune_table(tmp_path / "run", *own, resume=True)
    assert caught.value.hint
    assert files(tmp_path / "run") == before
