"""`acculturate relate`."""

import json
from pathlib import Path

from cli_runs import CommandLine

from fake_run import write_benchmark


def asked(cli: CommandLine, name: str, seed: int, score: float) -> None:
    cli.tune("--out", name, "--seed", seed)
    write_benchmark(Path(name), "quiz", {"naive": 0.3, "tuned": score})


def test_relate(cli: CommandLine):
    names = [f"run-{seed}" for seed in range(5)]
    for seed, name in enumerate(names):
        asked(cli, name, seed, 0.3 + 0.01 * seed)
    shown = cli("relate", *names, "--out", "all")
    assert shown.code == 0
    for words in ("quiz, 60 questions", "United States", "all, pooled", "Bland and Altman 1995"):
        assert words in shown.out
    assert Path("all/relate.svg").read_text().startswith("<svg")
    whole = cli("relate", *names, "--json").json
    assert whole == json.loads(Path("all/relate.json").read_text())
    assert len(whole["benchmarks"][0]["points"]) == 5
    assert cli("relate", *names, "--json", "--seed", 1).json != whole
    assert "too few" in cli("relate", *names[:2]).out


def test_nothing_to_relate(cli: CommandLine):
    cli.tune("--out", "run")
    assert "asked no benchmark" in cli("relate", "run").message(2)
    assert "no run in" in cli("relate", "nowhere").message(2)
