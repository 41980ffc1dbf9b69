"""Every space and every start tunes, and goes on where it was stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuning_runs import (
    BUDGET,
    HIDDEN,
    TOKENS,
    TOY,
    TOYLAND,
    Interrupter,
    contents,
    optimizer,
    read_history,
    refused,
    resumes,
    same,
    tune_toy,
)

from acculturate.errors import FailureError, UsageError
from acculturate.model import FakeModel, SoftPrompt
from acculturate.search import SPACES, Adam
from acculturate.tuning import Objective, Settings, in_context_line, make_task, start_search

NAMED = ["full", "mixture:5"]
WORDS = "people of Toyland"
STARTS: dict[str, dict[str, Any]] = {
    "gaussian": {"init": "gaussian"},
    "tokens": {"init": "tokens", "init_scale": 0.3},
    "text": {"init": "text", "init_text": WORDS, "init_scale": 0.3},
    "run": {"init": "run", "init_scale": 0.3},
    "in-context": {"init": "in-context"},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run to start from."""
    return tune_toy(tmp_path_factory.mktemp("finished") / "run").directory


def begun(model: FakeModel, size: int = 6, name: str = "de", **settings: Any) -> tuple[Any, Any]:
    chosen = Settings(tokens=TOKENS, **settings).resolved(optimizer(name))
    return start_search(model, make_task(TOY, TOYLAND, chosen), size, np.random.default_rng(0))


def test_every_space_is_here():
    """All but those of test_shown_answers.py and test_multitask.py."""
    named = [space.partition(":")[0] for space in NAMED]
    assert [*named, "demonstrations", "multitask"] == list(SPACES)


@pytest.mark.parametrize("space", NAMED)
@pytest.mark.parametrize("name", ["de", "adam"])
def test_every_space_tunes_and_resumes(space: str, name: str, tmp_path):
    assert resumes(tmp_path, name, 3, space=space, budget=45) > 1
    prompt = SoftPrompt.load(tmp_path / "whole" / "best.safetensors").embeddings
    assert prompt.shape == (TOKENS, HIDDEN)


@pytest.mark.parametrize("space", NAMED)
def test_every_space_gets_better(space: str, tmp_path):
    run = tune_toy(tmp_path, space=space, budget=120)
    random = run.summary.method("random start")
    assert run.outcome.best_loss < random.tuning.loss


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("space", NAMED)
def test_every_start_tunes_and_resumes(space: str, start: str, tmp_path, finished: Path):
    if space == "mixture:5" and start in ("gaussian", "tokens"):
        with pytest.raises(UsageError, match="made of real tokens and starts from them"):
            tune_toy(tmp_path, space=space, **STARTS[start])
        return
    settings = STARTS[start] | ({"init_run": str(finished)} if start == "run" else {})
    assert resumes(tmp_path, "de", 2, space=space, **settings) > 1


@pytest.mark.parametrize("start", STARTS)
def test_a_descent_starts_anywhere_and_without_noise(start: str, tmp_path, finished):
    settings = {key: value for key, value in STARTS[start].items() if key != "init_scale"}
    if start == "run":
        settings["init_run"] = str(finished)
    assert resumes(tmp_path, "adam", 4, **settings) > 0


def test_a_start_at_a_run_is_its_soft_prompt(finished: Path):
    best = SoftPrompt.load(finished / "best.safetensors").embeddings
    for where in (finished, finished / "best.safetensors"):
        space, first = begun(FakeModel(HIDDEN), init="run", init_run=str(where), init_scale=0.2)
        prompts = space.prompts(first)
        assert np.array_equal(prompts[0], best)
        assert np.abs(prompts[1:] - best).max(axis=(1, 2)).min() > 0
        assert (prompts[1:] - best).std() == pytest.approx(0.2, rel=0.4)
    space, first = begun(FakeModel(HIDDEN), 1, "adam", init="run", init_run=str(finished))
    assert np.array_equal(space.prompts(first)[0], best)


@pytest.mark.parametrize("space", NAMED)
def test_a_space_around_a_run_that_has_changed_is_another_one(space: str, tmp_path, finished: Path):
    """The full space is the same around every run."""
    start = tmp_path / "start.safetensors"
    settings = {"space": space, "init": "run", "init_run": str(start), "init_scale": 0.3}
    prompt = SoftPrompt.load(finished / "best.safetensors")
    prompt.save(start)
    whole = contents(tune_toy(tmp_path / "whole", **settings).directory)
    with pytest.raises(KeyboardInterrupt):
        tune_toy(tmp_path / "run", on_generation=Interrupter(2), **settings)
    replace(prompt, embeddings=prompt.embeddings * np.float32(1.1)).save(start)
    if space != "full":
        refused(tmp_path / "run", UsageError, f"{start} has changed since", **settings)
        prompt.save(start)
    tune_toy(tmp_path / "run", resume=True, **settings)
    same(tmp_path / "run", whole)


@pytest.mark.parametrize("tokens", [2, 7, 90])
@pytest.mark.parametrize("space", NAMED)
def test_a_start_at_the_scores_of_the_country_in_words(tokens: int, space: str):
    """Cut or repeated to the number of tokens; a search by answers begins close around it."""
    model = FakeModel(HIDDEN)
    words = model.embed_text(in_context_line(TOYLAND, TOY.dimensions))
    line = np.tile(words, (tokens, 1))[:tokens].astype(np.float32)
    chosen = Settings(tokens=tokens, init="in-context", space=space)
    for name, size in (("adam", 1), ("de", 6)):
        task = make_task(TOY, TOYLAND, chosen.resolved(optimizer(name)))
        made, first = start_search(model, task, size, np.random.default_rng(0))
        prompts = made.prompts(first)
        assert np.array_equal(prompts[0], line)
        assert made.unit == (made.spread if space == "mixture:5" else 1.0)
        assert 0.02 < (prompts - line)[size > 1 :].std() < 0.2 or name == "adam"
    settings = chosen.resolved(optimizer("adam"))
    own = 0.1 if space == "mixture:5" else 0.0
    assert (settings.init_scale, chosen.resolved(optimizer()).init_scale) == (own, 0.1)


def test_a_run_that_cannot_be_started_from(tmp_path, finished: Path):
    wide = FakeModel(HIDDEN + 1)
    with pytest.raises(UsageError, match=f"{HIDDEN} wide, fake needs {HIDDEN + 1}") as caught:
        begun(wide, init="run", init_run=str(finished))
    assert "works only on the model" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="no soft prompt at"):
        begun(FakeModel(HIDDEN), init="run", init_run=str(tmp_path / "nowhere"))
    (tmp_path / "damaged").write_text("words")
    with pytest.raises(FailureError, match="damaged"):
        begun(FakeModel(HIDDEN), init="run", init_run=str(tmp_path / "damaged"))


@pytest.mark.parametrize("space", NAMED)
def test_the_same_stream_gives_the_same_space_and_start(space: str):
    model = FakeModel(HIDDEN)
    one, first = begun(model, space=space)
    two, again = begun(model, space=space)
    assert first.tobytes() == again.tobytes()
    assert one.prompts(first).tobytes() == two.prompts(again).tobytes()
    assert first.shape == (6, one.width)


def test_what_an_optimiser_leaves_open():
    """A descent starts at the scores in words, a search by answers at answered questions if there is room."""
    de, adam = optimizer("de"), optimizer("adam")
    shown, descended = Settings().resolved(de), Settings().resolved(adam)
    assert (shown.space, shown.init, shown.init_scale, shown.tokens) == (
        "demonstrations",
        None,
        1.0,
        640,
    )
    assert (descended.space, descended.tokens) == ("full", 64)
    assert (shown.objective, descended.objective) == ("mean-shift", "shift")
    assert Settings(space="demonstrations", tokens=300).resolved(de).tokens == 300
    assert Settings(space="demonstrations").resolved(adam).init_scale == 0
    assert Settings(tokens=64).resolved(de).space == "mixture:64"
    assert Settings(init="gaussian").resolved(de).space == "full"
    full = Settings(space="full").resolved(de)
    assert (full.init, full.init_scale) == ("gaussian", 1.0)
    descent = Settings().resolved(adam)
    assert (descent.init, descent.init_scale) == ("in-context", 0.0)
    assert (descent.labels, descent.objective, descent.placement) == ("words", "shift", "after-bos")
    for reading in ("modal", "sampled"):
        assert Settings(reading=reading).resolved(de).objective == "scores"
    noisy = Settings(init="gaussian").resolved(adam)
    assert (noisy.init, noisy.init_scale) == ("gaussian", 1.0)
    given = Settings(init="text", init_text="x", init_scale=0.5).resolved(adam)
    assert (given.init, given.init_scale) == ("text", 0.5)
    for mixing in (Settings(tokens=64).resolved(de), Settings(space="mixture:4").resolved(adam)):
        assert (mixing.init, mixing.init_scale) == ("in-context", 0.1)
    assert Settings(init="in-context").resolved(de).space == "mixture:64"


def test_several_starts_of_a_descent(tmp_path):
    """Every one at real tokens of its own, or around the scores in words or a text."""
    assert resumes(tmp_path / "a", "adam", 2) > 1  # a single one
    run = tune_toy(tmp_path / "b", optimizer=Adam(BUDGET, 3))
    assert run.outcome.evaluations == 27  # three generations of three that count for three
    with pytest.raises(UsageError, match="init scale of 0") as caught:
        tune_toy(
            tmp_path / "c", optimizer=Adam(BUDGET, 3), init="text", init_text=WORDS, init_scale=0.0
        )
    assert caught.value.hint
    around = Settings(init="text", init_text=WORDS).resolved(Adam(BUDGET, 3))
    assert around.init_scale == 1.0
    several = Settings().resolved(Adam(BUDGET, 3))
    assert (several.init, several.init_scale) == ("in-context", 0.1)
    assert tune_toy(tmp_path / "e", optimizer=Adam(BUDGET, 3), init="in-context").outcome.best_loss
    noisy = {"init": "text", "init_text": WORDS, "init_scale": 0.1}
    assert tune_toy(tmp_path / "d", optimizer=Adam(BUDGET, 3), **noisy).outcome.best_loss > 0


@pytest.mark.parametrize("name", ["de/rand/1", "de/best/1", "l-shade"])
def test_a_search_by_answers_around_words_makes_the_shift(name: str, tmp_path):
    settings = {"labels": "words", "objective": "shift", "placement": "after-bos"}
    run = tune_toy(
        tmp_path,
        optimizer=optimizer(name, budget=90),
        budget=90,
        space="mixture:5",
        init="in-context",
        **settings,
    )
    line = FakeModel(HIDDEN).embed_text(in_context_line(TOYLAND, TOY.dimensions))[:TOKENS]
    task = make_task(TOY, TOYLAND, Settings(tokens=TOKENS, **settings))
    words = Objective(FakeModel(HIDDEN), task).evaluate(line[None], np.random.default_rng(0))
    assert read_history(tmp_path)[-1]["best_objective"] < words.objective[0]
    assert run.soft_prompt.placement == "after-bos"
