"""Small tunings of the fake model, and what of a run directory has to be the same after a resume."""

from __future__ import annotations

import json
import os
import signal
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from acculturate.errors import AcculturateError
from acculturate.model import Answers, Backward, FakeModel, Query
from acculturate.runs import Run
from acculturate.search import COST_OF_A_GRADIENT, DifferentialEvolution, Optimizer, by_name, takes
from acculturate.survey import Country, load_instrument
from acculturate.tuning import Progress, Settings, tune

TOY = load_instrument("toy")
TOYLAND = Country("Toyland", "toy-table", {"planning": 80.0, "company": 20.0}, None)
POPULATION, BUDGET, TOKENS, HIDDEN = 6, 30, 2, 4
# Optimisers whose candidates compete with each other and not each with a parent of its own.
WITHOUT_PARENTS = ("random", "cma-es", "sep-cma-es", "gde3", "adam")
# Optimisers that descend gradients, one candidate at a time.
DESCENTS = ("adam",)
# Most tests here are of runs by option labels, towards scores, in front of everything.
BY_DIGITS: dict[str, Any] = {"labels": "digits", "objective": "scores", "placement": "front"}
METHODS = ["naive", "persona", "in-context", "constant", "random start", "tuned"]


def optimizer(name: str = "de", population: int = POPULATION, budget: int = BUDGET) -> Optimizer:
    """One of a population that fits the toy runs; a descent has a single start."""
    own = {"budget": budget} if takes(name, "budget") else {}
    if name != "adam":
        own["population"] = population
    return by_name(name, **own)


def tune_toy(out: Path, model: Any = None, **settings: Any) -> Run:
    """A tuning that takes some hundredths of a second; `settings` are those of `tune`."""
    chosen: dict[str, Any] = {"budget": BUDGET, "tokens": TOKENS, "out": out}
    chosen |= BY_DIGITS | {"divergence_weight": 0.0} | settings
    chosen.setdefault("optimizer", DifferentialEvolution(POPULATION))
    if chosen["optimizer"].name in DESCENTS and "mixture" not in chosen.get("space", ""):
        chosen.setdefault("init", "tokens")
    if chosen["optimizer"].name not in DESCENTS:
        chosen.setdefault("init_scale", 1.0)  # words are no start of the fake model's
    return tune(model or FakeModel(HIDDEN), TOY, TOYLAND, **chosen)


def by_digits(**settings: Any) -> Settings:
    """Settings of such a run."""
    return Settings(**BY_DIGITS | settings)


def read_history(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "history.jsonl").read_text().splitlines()]


def read_json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text("utf-8"))


def contents(directory: Path) -> dict[str, Any]:
    """All that a run directory holds, wall times aside."""
    history = read_history(directory)
    for line in history:
        del line["seconds"], line["search_seconds"]
    with np.load(directory / "state.npz", allow_pickle=False) as saved:
        state = {
            name: (saved[name].dtype.str, saved[name].shape, saved[name].tobytes())
            for name in saved.files
            if name not in ("seconds", "history", "digest")
        }
    done = read_json(directory / "DONE.json")
    del done["seconds"]
    provenance = read_json(directory / "provenance.json")
    del provenance["started"], provenance["git"]
    return {
        "files": sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()),
        "config": tomllib.loads((directory / "config.toml").read_text("utf-8")),
        "provenance": provenance,
        "history": history,
        "state": state,
        "best": (directory / "best.safetensors").read_bytes(),
        "summary": read_json(directory / "evaluation" / "summary.json"),
        "done": done,
    }


def same(directory: Path, expected: dict[str, Any]) -> None:
    """Asserts that a finished run equals another one, part by part."""
    found = contents(directory)
    for part, value in expected.items():
        assert found[part] == value, part


class Interrupter:
    """Presses Ctrl-C after so many new generations, the same number in every session."""

    def __init__(self, generations: int = 1) -> None:
        self.left = self._generations = generations
        self.seen = 0

    def __call__(self, at: Progress) -> None:
        if at.evaluations > self.seen:
            self.seen = at.evaluations
            self.left -= 1
        if self.left == 0:
            self.left = self._generations
            raise KeyboardInterrupt


def tune_interrupted(tuning: Callable[..., Run], generations: int = 1) -> tuple[Run, int]:
    """Repeats a tuning with Ctrl-C after every so many generations until it is finished."""
    interrupter, interruptions = Interrupter(generations), 0
    while True:
        try:
            return tuning(resume=True, on_generation=interrupter), interruptions
        except KeyboardInterrupt:
            interruptions += 1
            assert interruptions < 100


def resumes(tmp_path: Path, name: str = "de", generations: int = 1, **settings: Any) -> int:
    """Asserts that a run stopped again and again equals a whole one; how often it was stopped."""
    budget = settings.get("budget", BUDGET)

    def tuning(out: str, **more: Any) -> Run:
        chosen = optimizer(name, budget=budget)
        return tune_toy(tmp_path / out, optimizer=chosen, **settings, **more)

    whole = tuning("whole")
    run, interruptions = tune_interrupted(lambda **m: tuning("run", **m), generations)
    same(run.directory, contents(whole.directory))
    return interruptions


class Asked(NamedTuple):
    """One call of a model: prompts, splits of the forms, answers, and whether a gradient was wanted."""

    prompts: np.ndarray | None
    splits: tuple[str, ...]
    answers: Answers
    gradient: bool

    @property
    def evaluations(self) -> int:
        """What the call takes off the budget."""
        count = 0 if self.prompts is None else len(self.prompts)
        return count * (COST_OF_A_GRADIENT if self.gradient else 1)


class Recorder(FakeModel):
    """Keeps what it was asked; the record is no part of the weights, so it is kept outside."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        _RECORDS[id(self)] = []

    @property
    def record(self) -> list[Asked]:
        """Every call, in order."""
        return _RECORDS[id(self)]

    @property
    def searched(self) -> list[Asked]:
        """The calls that evaluated candidates of the search, in order."""
        return [
            call
            for call in self.record
            if call.prompts is not None
            and set(call.splits) == {"tuning"}
            and (len(call.prompts) > 1 or call.gradient)
        ]

    @property
    def populations(self) -> list[tuple[np.ndarray, Answers]]:
        """Prompts and answers of these calls; a descent from one start has one each."""
        return [(call.prompts, call.answers) for call in self.searched if call.prompts is not None]

    def ask(self, prompts: Any, query: Query) -> Answers:
        answers = super().ask(prompts, query)
        kept = None if prompts is None else np.array(prompts)
        self.record.append(Asked(kept, tuple(form.split for form in query.forms), answers, False))
        return answers

    def ask_with_gradient(self, prompts: Any, query: Query) -> tuple[Answers, Backward]:
        answers, backward = super().ask_with_gradient(prompts, query)
        # The fake model asks itself, which was recorded.
        self.record[-1] = self.record[-1]._replace(gradient=True)
        return answers, backward


_RECORDS: dict[int, list[Asked]] = {}


class Broken(Recorder):
    """Answers NaN to every prompt whose first entry is above a threshold."""

    threshold = 0.0

    def ask(self, prompts: Any, query: Query) -> Answers:
        answers = super().ask(prompts, query)
        if prompts is not None and len(query.forms):
            probabilities = answers.probabilities.copy()
            probabilities[prompts[:, 0, 0] > self.threshold] = np.nan
            answers = replace(answers, probabilities=probabilities)
        return answers


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a folder but the lock."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name != ".lock"
    }


def refused(folder: Path, kind: type[AcculturateError], *words: str, **settings: Any) -> None:
    """Asserts that a tuning raises one message with a next step and changes no file."""
    before = files(folder) if folder.is_dir() else folder.read_bytes()
    with pytest.raises(kind) as caught:
        tune_toy(folder, **{"resume": True, **settings})
    assert type(caught.value) is kind
    for word in words:
        assert word in str(caught.value), str(caught.value)
    assert caught.value.hint
    assert (files(folder) if folder.is_dir() else folder.read_bytes()) == before


class Mortal(FakeModel):
    """Kills its own process at its so-manieth call."""

    def __init__(self, calls: int) -> None:
        super().__init__(HIDDEN)
        self.__dict__["_left"] = iter(range(calls))

    def provenance(self) -> dict[str, str]:
        return FakeModel(HIDDEN).provenance()

    def ask(self, *arguments: Any, **options: Any) -> Answers:
        if next(self._left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().ask(*arguments, **options)


def kills_until_done(
    work: Callable[[], object], fewer_than: int, after: Callable[[], object] = lambda: None
) -> int:
    """Do some work in a process of its own, again after each kill -9; return the number of kills.

    `after` is done here behind each of these processes.
    """
    kills = 0
    while True:
        child = os.fork()
        if child == 0:
            work()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        after()
        if status == 0:
            return kills
        assert os.WTERMSIG(status) == signal.SIGKILL
        kills += 1
        assert kills < fewer_than
