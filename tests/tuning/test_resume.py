"""A run that was stopped, by Ctrl-C or by a crash at any write, equals one that never was."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tuning_runs import (
    HIDDEN,
    TOYLAND,
    contents,
    read_history,
    read_json,
    resumes,
    same,
    tune_toy,
)

from acculturate.model import FakeModel, Query
from acculturate.search import OPTIMIZERS, RandomSearch
from acculturate.survey import load_instrument
from acculturate.tuning import record as run_module
from acculturate.tuning import tune
from edited_toy import edited_toy
from tiny_models import tiny_model

VARIATIONS: dict[str, dict[str, Any]] = {
    "sampled": {"reading": "sampled", "respondents": 7},
    "modal": {"reading": "modal"},
    "limit": {"max_divergence": 0.15},
    "tokens": {"init": "tokens", "init_scale": 0.1},
    "text": {"init": "text", "init_text": "people of Toyland, in Türkiye's neighbourhood"},
    "after-bos": {"placement": "after-bos"},
    "sum": {"aggregate": "sum", "anchor": {"planning": 3.5, "company": -2.0}},
    "target": {"target_loss": 12.0, "budget": 300},
    "stall": {"stall": 6, "budget": 300},
    "odd budget": {"budget": 29},
    "valid mass": {"min_valid_mass": 0.95},
    "weight": {"divergence_weight": 10.0},
    "sample": {"sample": True},
    "sample of respondents": {"sample": True, "forms": 16, "reading": "sampled", "respondents": 5},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_stopped_after_every_generation(name: str, tmp_path):
    assert resumes(tmp_path, name) == len(read_history(tmp_path / "whole"))


@pytest.mark.parametrize("name", ["adam", "gde3"])
def test_newer_optimisers_under_limits_in_a_space(name: str, tmp_path):
    """With everything that they are told: gradients through a space, violation and divergence."""
    settings = {"space": "mixture:5", "max_divergence": 0.1, "divergence_weight": 5.0}
    assert resumes(tmp_path, name, 2, budget=60, sample=True, **settings) > 1


@pytest.mark.parametrize("generations", [2, 3, 4])
def test_stopped_after_several_generations(generations: int, tmp_path):
    assert resumes(tmp_path, "de", generations, budget=60) == 10 // generations


@pytest.mark.parametrize("settings", VARIATIONS.values(), ids=VARIATIONS)
def test_whatever_the_settings(settings: dict[str, Any], tmp_path):
    assert resumes(tmp_path, **settings) > 0


def test_stopped_in_the_middle_of_a_generation(tmp_path):
    """Ctrl-C while the model answers: at each call it gets, the baselines after the search included."""
    whole = tune_toy(tmp_path / "whole", max_divergence=0.2)
    expected = contents(whole.directory)
    stop_at = 1
    while True:
        calls: list[int] = []

        class Interrupted(FakeModel):
            def ask(self, *arguments: Any, **options: Any) -> Any:
                calls.append(1)  # noqa: B023
                if len(calls) == stop_at:  # noqa: B023
                    raise KeyboardInterrupt
                return super().ask(*arguments, **options)

        out = tmp_path / f"run-{stop_at}"
        try:
            tune_toy(out, Interrupted(HIDDEN), max_divergence=0.2)
        except KeyboardInterrupt:
            tune_toy(out, max_divergence=0.2, resume=True)
            same(out, expected)
            stop_at += 4
        else:
            break
    assert stop_at > 20


class Counter(FakeModel):
    """Counts the calls of all sessions, and stops at every second one behind the search."""

    calls: ClassVar[list[str]] = []

    def ask(self, prompts: Any, query: Query) -> Any:
        self.count("ask", prompts is None or len(prompts) == 1)
        return super().ask(prompts, query)

    def continue_text(self, *arguments: Any, **options: Any) -> str:
        self.count("write", True)
        return super().continue_text(*arguments, **options)

    def count(self, what: str, alone: bool) -> None:
        self.calls.append(what)
        if alone and len(self.calls) % 2:
            raise KeyboardInterrupt


def test_what_was_asked_for_the_table_is_not_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(Counter, "calls", [])
    whole = tune_toy(tmp_path / "whole", sample=True)
    sessions = 0
    while not (tmp_path / "run" / "DONE.json").is_file():
        sessions += 1
        assert sessions < 60
        with suppress(KeyboardInterrupt):
            tune_toy(tmp_path / "run", Counter(HIDDEN), sample=True, resume=True)
    same(tmp_path / "run", contents(whole.directory))
    assert sessions > 10
    assert len(Counter.calls) < 3 * sessions
    assert not (tmp_path / "run" / "evaluation" / "answers.npz").exists()


def test_stopped_while_the_table_is_measured(tmp_path, monkeypatch):
    whole = tune_toy(tmp_path / "whole")

    def interrupt(*_: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run_module, "summarise", interrupt)
        with pytest.raises(KeyboardInterrupt):
            tune_toy(tmp_path / "run")
    assert not (tmp_path / "run" / "DONE.json").exists()
    tune_toy(tmp_path / "run", resume=True)
    same(tmp_path / "run", contents(whole.directory))


@pytest.mark.filterwarnings("ignore:The teacher makes")
@pytest.mark.parametrize(
    "settings", [{"optimizer": RandomSearch(2), "forms": 4}, {"distillation": 1.0}]
)
def test_the_table_is_the_same_to_the_last_bit_whatever_was_asked_before(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of words that begin alike the last bits hang on whether their valid mass was asked for."""
    words = (
        '"Agree", "Undecided", "Disagree"],\n  ["Y',
        '"I agree", "I waver", "I disagree"],\n  ["Y',
    )
    toy = load_instrument(str(edited_toy(tmp_path, words)))
    given: dict[str, Any] = {"tokens": 3, "budget": 6, "space": "full", "guard": "sentences"}

    def tuning(out: str, **more: Any) -> dict[str, Any]:
        model = tiny_model("llama", max_position_embeddings=4096)
        chosen = given | settings | more
        chosen["optimizer"] = deepcopy(settings.get("optimizer"))
        tune(model, toy, TOYLAND, out=tmp_path / out, **chosen)
        return read_json(tmp_path / out / "evaluation" / "summary.json")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("acculturate.tuning.run.measure_result", interrupt)
        with pytest.raises(KeyboardInterrupt):
            tuning("run")
    assert tuning("run", resume=True) == tuning("whole")


class Killed(BaseException):
    """Stands for kill -9: nothing of the process runs after it."""


def die_at(monkeypatch: pytest.MonkeyPatch, write: int, after: bool) -> list[str]:
    """Lets the process die at the so-manieth write, before or after the file gets its name."""
    written: list[str] = []
    dead: list[bool] = []
    replace, unlink = Path.replace, Path.unlink

    def dying_replace(self: Path, target: Path) -> Path:
        written.append(target.name)
        if len(written) != write:
            return replace(self, target)
        if after:
            replace(self, target)
        dead.append(True)
        raise Killed

    def dead_unlink(self: Path, missing_ok: bool = False) -> None:
        if not dead:
            unlink(self, missing_ok)

    monkeypatch.setattr(Path, "replace", dying_replace)
    monkeypatch.setattr(Path, "unlink", dead_unlink)
    return written


@pytest.mark.parametrize("after", [False, True], ids=["unnamed", "named"])
def test_killed_at_every_write(after: bool, tmp_path, monkeypatch):
    whole = tune_toy(tmp_path / "whole", budget=18)
    expected = contents(whole.directory)
    # Settings, provenance, own answers for the guard, untouched answers with their content, three files in
    # each of three generations, what else is asked for the table, it, the end.
    order = ["config.toml", "provenance.json", "guard.json", *["answers.npz"] * 2, "content.json"]
    order += ["history.jsonl", "best.safetensors", "state.npz"] * 3
    order += ["answers.npz"] * 41 + ["summary.json", "DONE.json"]
    for write in range(1, len(order) + 1):
        out = tmp_path / f"{write}"
        with monkeypatch.context() as patched:
            written = die_at(patched, write, after)
            with pytest.raises(Killed):
                tune_toy(out, budget=18)
            assert written == order[:write]
        left = [p.name for p in out.rglob(".*-*")]
        assert len(left) == (0 if after else 1), "the dead process should leave its unnamed file"
        tune_toy(out, budget=18, resume=True)
        same(out, expected)


@pytest.mark.parametrize("after", [False, True], ids=["unnamed", "named"])
def test_killed_again_and_again(after: bool, tmp_path, monkeypatch):
    """Every session dies at its third write; each gets one generation further all the same."""
    whole = tune_toy(tmp_path / "whole", budget=36)
    sessions = 0
    while sessions < 100:
        sessions += 1
        with monkeypatch.context() as patched:
            die_at(patched, 4 if after else 5, after)
            try:
                tune_toy(tmp_path / "run", budget=36, resume=True)
            except Killed:
                continue
        break
    assert 3 <= sessions < 100
    same(tmp_path / "run", contents(whole.directory))


def test_a_run_killed_before_its_settings_were_written_starts_without_resume(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        die_at(patched, 1, after=False)
        with pytest.raises(Killed):
            tune_toy(tmp_path / "run")
    assert [p.name for p in (tmp_path / "run").iterdir() if p.name != ".lock"]
    tune_toy(tmp_path / "run")
    same(tmp_path / "run", contents(tune_toy(tmp_path / "whole").directory))


def test_a_finished_run_is_read_and_not_run_again(tmp_path):
    first = tune_toy(tmp_path)
    before = contents(tmp_path)
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}

    class Silent(FakeModel):
        def ask(self, *_: Any, **__: Any) -> Any:
            raise AssertionError("a finished run asks nothing")

    again = tune_toy(tmp_path, Silent(HIDDEN), resume=True)
    assert again.outcome == first.outcome
    assert again.summary == first.summary
    same(tmp_path, before)
    assert times == {
        p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file() and p.name != ".lock"
    } | {tmp_path / ".lock": times[tmp_path / ".lock"]}


def test_resume_in_a_new_directory_starts_a_run(tmp_path):
    run = tune_toy(tmp_path / "a" / "b" / "c", resume=True)
    same(run.directory, contents(tune_toy(tmp_path / "whole").directory))
