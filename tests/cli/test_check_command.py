"""`acculturate check`."""

from __future__ import annotations

from typing import Any

import pytest
from cli_runs import CommandLine

from acculturate import UsageError
from acculturate.metrics import responsiveness


def test_check_as_json(cli: CommandLine):
    checked = cli("check", "fake", "--json").json
    assert set(checked) == {"model", "instrument", "readings", "refused", "fit", "sentence"}
    assert list(checked["readings"]) == ["digits", "letters", "words"]
    for reading in checked["readings"].values():
        assert reading["content"]["coefficient"] > 0.5
        assert reading["responsiveness"]["value"] < 0.25
        assert len(reading["responsiveness"]["dimensions"]) == 6
    assert checked["fit"] == []
    assert cli("check", "fake", "--json", "--labels", "words").json["readings"].keys() == {"words"}


def test_check_as_a_table(cli: CommandLine):
    shown = cli("check", "fake", "--labels", "digits", "--labels", "letters", "--instrument", "toy")
    assert shown.code == 0
    assert shown.out.startswith("fake is not fit to be measured (by digits content cannot be told")
    assert "responsiveness" in shown.out
    assert "letters: moves" in shown.out


def test_what_cannot_be_checked(cli: CommandLine):
    assert "'digits' or 'letters' or 'words'" in cli("check", "fake", "--labels", "x").message(2)
    assert 'has no language "xx"' in cli("check", "fake", "--language", "xx").message(2)


def test_measure_says_that_a_model_does_not_answer_as_told(cli: CommandLine):
    shown = cli("measure", "--model", "fake", "--forms", "held-out")
    assert "This model does not answer as it is told to" in shown.out
    found = cli("measure", "--model", "fake", "--json", "--labels", "words").json
    assert found["responsiveness"]["ways"] == 4


def test_a_measurement_stands_where_the_model_cannot_be_told(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any, **options: Any) -> None:
        raise UsageError("the text is too long")

    monkeypatch.setattr(responsiveness, "measure_responsiveness", refuse)
    shown = cli("measure", "--model", "fake", "--json")
    assert shown.json["responsiveness"] is None
    assert "the text is too long" in shown.err
