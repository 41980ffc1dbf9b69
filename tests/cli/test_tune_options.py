"""The options of `acculturate tune`: which are shown first, and those in a file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer.main
from cli_runs import CommandLine

from acculturate.cli import app
from acculturate.search import OPTIMIZERS
from acculturate.tuning import setting_fields

FILE = """
country = "China"
model = "fake"
optimizer = "de"
population = 6
budget = 12
sample = false
max_divergence = 1
anchor = { pdi = 1, idv = 2, mas = 3, uai = 4, lto = 5, ivr = 6 }
out = "run"
"""


def test_what_a_newcomer_needs_is_shown_first(cli: CommandLine):
    first, advanced = cli("tune", "--help").out.split("Advanced:")
    options = re.compile(r"^  (?:-\w, )?--([\w-]+)", re.MULTILINE)
    assert len(options.findall(first)) <= 16
    shown = {name.replace("-", "_") for name in options.findall(first + advanced)}
    assert set(setting_fields()) <= shown
    assert "Advanced:" in cli("measure", "--help").out
    assert all(name in re.sub(r"\s", "", first) for name in OPTIMIZERS)


def test_every_option_of_every_command_has_a_help_text(cli: CommandLine):
    for name, command in typer.main.get_command(app).commands.items():
        for parameter in getattr(command, "commands", {name: command}).values():
            assert all(option.help.endswith(".") for option in parameter.params), name


def test_options_in_a_file_and_the_command_line_wins(cli: CommandLine):
    Path("mine.toml").write_text(FILE)
    assert cli("tune", "--config", "mine.toml", "--budget", 6, "--placement", "after-bos").code == 0
    config = tomllib.loads(Path("run/config.toml").read_text())
    assert config["survey"]["country"] == "China"
    assert config["survey"]["anchor"] == dict(zip(FILE_KEYS, range(1, 7), strict=True))
    assert "sample" not in config["survey"]
    assert config["search"]["optimizer"] == "de/best/1"
    assert config["search"]["settings"]["population"] == 6
    assert (config["search"]["budget"], config["search"]["max_divergence"]) == (6, 1.0)
    assert config["search"]["placement"] == "after-bos"


FILE_KEYS = ("pdi", "idv", "mas", "uai", "lto", "ivr")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tokns = 3", ("tokns", "Did you mean tokens?")),
        ("elephants = 2", ("elephants", "Known here: country, ")),
        ('tokens = "8"', ("tokens is '8'", "whole number")),
        ("sample = 1", ("sample is 1", "true or false")),
        ('init = "nothing"', ("nothing", "gaussian, tokens, text, run")),
        ('anchor = "middle"', ("middle", "midpoint")),
        ("tokens = 0", ("tokens 0", "--tokens")),
        ('config = "other.toml"', ("config is not known",)),
        ("tokens = ", ("TOML",)),
    ],
)
def test_a_file_that_does_not_fit(line: str, words: tuple[str, ...], cli: CommandLine):
    Path("mine.toml").write_text(f'country = "us"\nmodel = "fake"\nout = "run"\n{line}\n')
    message = cli("tune", "--config", "mine.toml").message(2)
    for word in words:
        assert word in message, message
    assert not Path("run").exists()
    assert "missing.toml" in cli("tune", "--config", "missing.toml").message(2)
