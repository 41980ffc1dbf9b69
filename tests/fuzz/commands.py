"""Right files and commands, which the fuzzing makes wrong."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main
from mutations import TEXTS

import acculturate as ac
from acculturate.cli import app, main
from acculturate.survey.instrument import DATA

_TABLE = "country,planning,company\nFrance,80,20\nChina,30,60\nNorway,10,90\n"
_PEOPLE = """\
plans,whims,crowd,alone,country,weight
1,2,1,3,France,1
2,4,2,2,China,0.5
5,1,3,1,China,2
9,,1,1,France,1
"""
_EXPERIMENT = """\
name = "tiny"
about = "a test"
model = { name = "fake", dtype = "float32" }
instrument = "toy.toml"
tables = ["t.csv"]
countries = ["China", "Norway"]
seeds = [0, 1]
budget = 20
evaluate = true
languages = []
benchmarks = ["quiz.toml"]
[settings]
tokens = 4
placement = "front"
[methods]
naive = {}
persona = {}
random = { population = 10 }
"de, 5" = { optimizer = "de", space = "mixture:2", population = 5, F = [0.4, 0.9] }
adam = { max_divergence = 0.3 }
"""
_QUIZ = """\
title = "Mine"
licence = "CC0"
file = "quiz.csv"
[columns]
question = "q"
options = ["a", "b"]
answer = "gold"
country = "land"
"""
_QUESTIONS = "q,a,b,gold,land\nWhich festival?,Diwali,Nowruz,B,Iran\nWhich of two?,this,that,A,\n"
_SETTINGS = """\
country = "China"
model = "fake"
instrument = "toy.toml"
table = "t.csv"
optimizer = "de"
population = 5
budget = 10
tokens = 2
max_divergence = 1
anchor = { planning = 1, company = 2 }
out = "new"
"""
_FAKE = ("-m", "fake", "-i", "toy.toml", "-t", "t.csv")
_SEARCH = ("--optimizer", "de", "--population", "5", "--tokens", "2", "--budget", "15")
_OWN = ("-i", "toy.toml", "-t", "t.csv")

Build = Callable[[random.Random], tuple[str, ...]]


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    Attributes:
        weight: How often it is drawn.
        files: Patterns of the files that are made wrong.
        commands: Commands that read them; one is drawn.
        is_long: Whether Ctrl-C ends what takes long: a search does what it is told.
    """

    weight: int
    files: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    is_long: bool = False


_TUNE = ("tune", *_FAKE, "-c", "France", *_SEARCH)
KINDS = {
    "instrument": Kind(
        20,
        ("toy.toml",),
        (
            ("forms", "-i", "toy.toml"),
            ("forms", "-i", "toy.toml", "--labels", "letters"),
            ("measure", *_FAKE, "-c", "France"),
            (*_TUNE, "--out", "new"),
        ),
        True,
    ),
    "table": Kind(
        16,
        ("t.csv",),
        (
            ("countries", "-t", "t.csv"),
            ("countries", "France", "-t", "t.csv", "--json"),
            ("measure", *_FAKE, "-c", "France"),
        ),
    ),
    "experiment": Kind(20, ("e.toml",), (("experiment", "e.toml", "--dry-run"),)),
    "questions": Kind(
        10,
        ("quiz.toml", "quiz.csv"),
        (
            ("evaluate", "run", "--on", "quiz.toml", *_OWN),
            ("evaluate", "run", "--on", "quiz.toml", "--permute", "2", "--written", *_OWN),
        ),
    ),
    "run": Kind(
        20,
        ("run/*", "run/evaluation/*.json", "run/evaluation/benchmarks/*"),
        (
            ("report", "run"),
            ("evaluate", "run", *_OWN),
            ("evaluate", "run", "--on", "quiz.toml,fluency", *_OWN),
            ("relate", "run", "half", "--out", "related"),
            ("measure", *_FAKE, "-p", "run"),
            (*_TUNE, "--out", "run", "--resume"),
            (*_TUNE, "--out", "new", "--init", "run", "--init-run", "run"),
            ("score", "people.csv", *_OWN, "--beside", "run", "--figure", "beside.svg"),
        ),
        True,
    ),
    "figures": Kind(
        1, ("run/*", "run/evaluation/*.json"), (("figures", "run", "--format", "svg"),)
    ),
    "unfinished": Kind(
        16, ("half/*",), ((*_TUNE, "--out", "half", "--resume"), ("report", "half")), True
    ),
    "prompt": Kind(
        8,
        ("prompt.safetensors",),
        (
            ("measure", *_FAKE, "-p", "prompt.safetensors"),
            (*_TUNE, "--out", "new", "--init", "run", "--init-run", "prompt.safetensors"),
        ),
    ),
    "respondents": Kind(
        10,
        ("people.csv",),
        (
            ("score", "people.csv", *_OWN),
            (
                "score",
                "people.csv",
                *_OWN,
                "--by",
                "country",
                "--weight",
                "weight",
                "--out",
                "scores.csv",
            ),
        ),
    ),
    "settings": Kind(12, ("settings.toml",), (("tune", "--config", "settings.toml"),), True),
    "texts": Kind(
        2, ("texts.txt",), (("evaluate", "run", "--on", "fluency", "--texts", "texts.txt", *_OWN),)
    ),
    "options": Kind(
        30,
        (),
        (
            ("measure", *_FAKE, "-c", "France", "--forms", "all", "--seed", "1"),
            (*_TUNE, "--out", "new"),
            ("forms", "-i", "toy.toml", "--language", "en"),
            ("countries", "France", "--table", "t.csv"),
            ("evaluate", "run", *_OWN, "--respondents", "3", "--languages", "none"),
            ("evaluate", "run", *_OWN, "--on", "fluency", "--permute", "2"),
            ("report", "run", "--out", "new.html"),
            ("relate", "run", "half", "--seed", "0"),
            ("experiment", "e.toml", "--dry-run", "--out", "new"),
            ("score", "people.csv", *_OWN, "--by", "country", "--weight", "weight", "--seed", "1"),
            ("instrument", "template", "vsm13"),
            ("instrument", "list"),
        ),
        True,
    ),
}
_NOT_ALONE = {"--model", "-m", "--ray", "--workers", "--gpus-per-worker"}
"""Options that load a model or start Ray."""


def write_corpus(folder: Path) -> None:
    """Write right files of every kind; the working folder has to be `folder`."""
    shutil.copy(DATA / "toy.toml", folder / "toy.toml")
    for name, text in {
        "t.csv": _TABLE,
        "people.csv": _PEOPLE,
        "e.toml": _EXPERIMENT,
        "quiz.toml": _QUIZ,
        "quiz.csv": _QUESTIONS,
        "settings.toml": _SETTINGS,
        "texts.txt": "The kettle is on.\nThe door is open.\n",
    }.items():
        (folder / name).write_text(text, "utf-8")
    for command in (
        (*_TUNE, "--out", "run"),
        ("evaluate", "run", *_OWN, "--respondents", "2"),
        ("evaluate", "run", *_OWN, "--on", "quiz.toml,fluency"),
    ):
        _right(command)
    (folder / "run/best.safetensors").rename(folder / "prompt.safetensors")
    shutil.copy(folder / "prompt.safetensors", folder / "run/best.safetensors")
    _stop_after_a_generation(folder)


def _right(command: tuple[str, ...]) -> None:
    try:
        main(command)
    except SystemExit as end:
        assert not end.code, f"acculturate {' '.join(command)} ended with {end.code}"


def _stop_after_a_generation(folder: Path) -> None:
    def stop(at: Any) -> None:
        if at.evaluations > 5:
            raise KeyboardInterrupt

    table = ac.load_countries("t.csv")
    try:
        ac.tune(
            ac.FakeModel(),
            ac.load_instrument("toy.toml"),
            table["France"],
            out=folder / "half",
            table=table,
            optimizer=ac.DifferentialEvolution(5),
            tokens=2,
            budget=15,
            on_generation=stop,
        )
    except KeyboardInterrupt:
        return
    raise AssertionError("the search was not stopped")


def wrong_arguments(command: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
    """Return a command with one to three arguments replaced, removed, doubled, swapped or added."""
    changed = list(command)
    known = [
        flag
        for parameter in typer.main.get_command(app).commands[command[0]].params  # type: ignore[attr-defined]
        for flag in parameter.opts
        if flag.startswith("-") and flag not in _NOT_ALONE
    ]
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = rng.randrange(1, len(changed)) if len(changed) > 1 else 0
        text = rng.choice(TEXTS).replace("\0", "")
        match rng.randrange(6):
            case 0 if changed[place - 1] not in _NOT_ALONE:
                changed[place] = text
            case 1 if place and changed[place] not in _NOT_ALONE | {"fake"}:
                del changed[place]
            case 2:
                changed.append(rng.choice(changed[1:] or ["x"]))
            case 3 if known:
                changed += [rng.choice(known), text]
            case 4 if known:
                changed.append(rng.choice(known))
            case 5 if known:
                changed += [f"{rng.choice(known)}={rng.choice(('1', '0', '-1', 'nan', text))}"]
            case _:
                changed.append(text)
    return tuple(changed)
