"""`acculturate bench search`: files, tables, JSON, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli_runs import CommandLine

SHORT = (
    *("bench", "search", "-c", "us", "-m", "fake", "--seeds", "1", "--budget", "30"),
    *("--limit", "none", "--method", "de,population=6"),
)
OPTIONS = (
    "--country --method --seeds --budget --limit --goal --out --model --instrument --table --reading "
    "--forms --revision --dtype --device --trust-remote-code --json"
)


def test_help(cli: CommandLine):
    shown = cli("bench", "search", "--help")
    assert shown.code == 0
    for word in OPTIONS.split():
        assert word in shown.out, word


def test_it_prints_a_table_and_writes_three_files(cli: CommandLine):
    shown = cli(*SHORT, "--out", "cells", "--goal", "de,population=6")
    assert shown.code == 0
    for word in ("United States", "limit none", "de,population=6", "random", "within limit"):
        assert word in shown.out, word
    assert "cells/comparison.svg" in shown.out
    ElementTree.parse("cells/comparison.svg")
    comparison = json.loads(Path("cells/comparison.json").read_text())
    assert [cell["method"] for cell in comparison["cells"]] == ["de,population=6", "random"]
    assert "| United States | none | de,population=6 | 1 of 1 |" in Path(
        "cells/comparison.md"
    ).read_text("utf-8")


def test_json_is_the_table(cli: CommandLine):
    table = cli(*SHORT, "--json").json
    assert {row["method"] for row in table} == {"de,population=6", "random"}
    assert set(table[0]) >= {"country", "limit", "loss", "within", "held_out", "divergence"}
    assert table[0]["loss"][1] <= table[1]["loss"][1]
    again = cli(*SHORT, "--json").json
    assert again == table  # times included: nothing was run again


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--method", "adm"), ("'adm'", "adam")),
        (("--method", "de,FF=1"), ("'FF'", "population")),
        (("--method", "de,tokens=many"), ("tokens", "'many'")),
        (("--method", "adam,budget=9"), ("budget", "adam,budget=9")),
        (("--limit", "low"), ("'low'", "none")),
        (("--limit", "-0.1"), ("-0.1",)),
        (("--limit", "nan"), ("nan",)),
        (("--country", "Germny"), ("Germny", "Did you mean Germany?")),
        (("--method", "eki,population=31"), ("budget of 30", "31")),
        (("--budget", "0"), ("--budget",)),
        (("--seeds", "0"), ("--seeds",)),
        (("--forms", "7"), ("7 tuning forms",)),
        (("--reading", "guess"), ("guess",)),
        (("--table", "nowhere"), ("nowhere", "hofstede")),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(
    arguments: tuple[str, ...], words: tuple[str, ...], cli: CommandLine
):
    message = cli(*SHORT, *arguments).message(2)
    for word in words:
        assert word in message, message
    assert not list(Path().iterdir())
