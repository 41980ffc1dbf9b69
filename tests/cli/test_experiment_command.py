"""`acculturate experiment`: presets, dry runs, messages, exit codes."""

from __future__ import annotations

from pathlib import Path

from cli_runs import CommandLine

PLAN = """\
model = "fake"
instrument = "vsm13"
tables = ["hofstede-insights"]
countries = ["us"]
budget = 12
[settings]
tokens = 2
[methods]
naive = {}
de = { population = 6 }
"""
ON_HUB = 'benchmarks = ["culturalbench-easy", "acculturate-culture-easy"]\n'


def test_a_file_becomes_a_report(cli: CommandLine, tmp_path: Path):
    Path("plan.toml").write_text(PLAN)
    dry = cli("experiment", "plan.toml", "--dry-run", "--json").json
    assert [cell["evaluations"] for cell in dry] == [0, 12]
    assert all(cell["forms"] == 144 and not cell["complete"] for cell in dry)
    assert not Path("runs").exists()
    made = cli("experiment", "plan.toml", "--json")
    assert made.code == 0
    assert Path(made.json["report"]).is_file() and Path(made.json["results"]).is_file()
    assert made.json["report"] == "runs/plan/report.html"
    assert "de, seed 0" in made.err
    shown = cli("experiment", "plan.toml")
    assert "United States" in shown.out and "held-out" in shown.out
    assert "starts" not in shown.err
    Path("plan.toml").write_text(PLAN.replace("12", "18"))
    message = cli("experiment", "plan.toml").message(2)
    assert "budget is 12 there and 18 here" in message


def test_presets_are_listed(cli: CommandLine):
    assert set(cli("experiment", "--list", "--json").json) == {
        *(
            "multitask",
            "multitask-diverse",
            "multitask-new",
            "multitask-similar",
            "optimizers",
            "optimizers-embedded",
            "paper",
            "paper-embedded",
            "rivals",
            "smoke",
        )
    }


def test_what_cannot_be_is_refused(cli: CommandLine):
    assert "no experiment is given" in cli("experiment").message(2)
    assert "smoke" in cli("experiment", "smok").message(2)
    assert "--ray" in cli("experiment", "smoke", "--workers", 2).message(2)
    assert not Path("runs").exists()


def test_a_dry_run_needs_no_model_and_no_hub(cli: CommandLine):
    plan = PLAN.replace('"fake"', '"nobody/nothing"').replace("[settings]", ON_HUB + "[settings]")
    Path("plan.toml").write_text(plan)
    shown = cli("experiment", "plan.toml", "--dry-run")
    assert shown.code == 0
    assert "United States, de, seed 0 │          12 │           144 │ to run" in shown.out
    assert "2 of 2 cells to run: 12 evaluations." in shown.out
    Path("plan.toml").write_text(plan.replace("culturalbench-easy", "culturalbench-eazy"))
    assert "no benchmark 'culturalbench-eazy'" in cli(
        "experiment", "plan.toml", "--dry-run"
    ).message(2)
