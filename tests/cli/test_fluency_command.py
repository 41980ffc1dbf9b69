"""`acculturate evaluate --on fluency`."""

from pathlib import Path

from cli_runs import CommandLine


def test_fluency(cli: CommandLine):
    cli.tune("--out", "run")
    Path("mine.txt").write_text("The kettle is on.\nThe door is open.\n")
    shown = cli("evaluate", "run", "--on", "fluency", "--texts", "mine.txt")
    assert shown.code == 0
    for words in (
        "run: ordinary text",
        "Chinese",
        "Own texts",
        "ratio",
        "- On ordinary sentences in 5",
    ):
        assert words in shown.out
    assert "acculturate report run" in shown.err
    assert not Path("run/evaluation/held_out.json").exists()
    (found,) = cli("evaluate", "run", "--on", "fluency", "--json").json["runs"]
    assert found["computed"] == []
    assert [one["key"] for one in found["fluency"]["sets"]][-1] == "own"
    assert cli("report", "run").code == 0


def test_what_cannot_be_asked(cli: CommandLine):
    cli.tune("--out", "run")
    assert "'humour'" in cli("evaluate", "run", "--on", "fluency,humour").message(2)
    assert "fluency" in cli("evaluate", "run", "--on", ",").message(2)
    Path("mine.txt").write_text("")
    assert "--on fluency" in cli("evaluate", "run", "--texts", "mine.txt").message(2)
    given = ("evaluate", "run", "--on", "fluency", "--texts")
    assert "is empty" in cli(*given, "mine.txt").message(2)
    assert "does not exist" in cli(*given, "none.txt").message(2)
