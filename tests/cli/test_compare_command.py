"""`acculturate compare`."""

from __future__ import annotations

from cli_runs import CommandLine


def test_compare_as_json(cli: CommandLine):
    found = cli("compare", "fake", "fake", "-c", "china", "--forms", "held-out", "--json").json
    assert set(found) == {"first", "second", "differences", "loss_difference"}
    assert found["first"] == found["second"]
    assert found["loss_difference"]["value"] == 0
    assert {each["value"] for each in found["differences"].values()} == {0}
    assert cli("compare", "fake", "fake", "--json").json["loss_difference"] is None


def test_compare_as_a_table(cli: CommandLine):
    shown = cli("compare", "fake", "fake", "--country", "china")
    assert shown.code == 0
    assert "fake and fake in vsm13" in shown.out
    assert shown.out.count("not shown") == 6
    assert "fake: content 1.00" in shown.out
    assert "Loss to China: " in shown.out


def test_what_cannot_be_compared(cli: CommandLine):
    assert "there is no model" in cli("compare", "fake", "nowhere/nothing").err
