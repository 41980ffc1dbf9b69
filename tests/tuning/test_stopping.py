"""When a run ends and why; the budget counts candidates and is never exceeded."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tuning_runs import (
    DESCENTS,
    HIDDEN,
    TOKENS,
    Recorder,
    optimizer,
    read_history,
    read_json,
    tune_toy,
)

from acculturate.errors import UsageError
from acculturate.search import OPTIMIZERS, Adam
from acculturate.tuning import Settings


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("population", "budget"), [(5, 9), (6, 30)])
def test_the_budget_is_never_exceeded_and_never_left_unused(
    name: str, population: int, budget: int, tmp_path
):
    model = Recorder(HIDDEN)
    chosen = optimizer(name, population, budget)
    run = tune_toy(tmp_path, model, budget=budget, optimizer=chosen, sample=False)
    asked = sum(call.evaluations for call in model.searched)
    assert asked == run.outcome.evaluations <= budget
    assert asked + chosen.population_size * chosen.evaluations_per_candidate > budget
    assert any(call.gradient for call in model.searched) == (name in DESCENTS)
    assert run.outcome.stop_code == "budget"
    assert run.outcome.stop_reason == "the budget is used up"
    assert [line["evaluations"] for line in read_history(tmp_path)][-1] == asked


def test_the_search_asks_tuning_forms_alone(tmp_path):
    model = Recorder(HIDDEN)
    tune_toy(tmp_path, model, max_divergence=0.3)
    during = [call.splits for call in model.searched]
    assert len(during) == 5
    assert {split for splits in during for split in splits} == {"tuning"}


def test_it_stops_at_the_first_generation_with_the_target_loss(tmp_path):
    whole = tune_toy(tmp_path / "whole", budget=120)
    history = read_history(whole.directory)
    target = history[3]["best_loss"]
    first = next(n for n, line in enumerate(history, 1) if line["best_loss"] <= target)
    run = tune_toy(tmp_path / "run", budget=120, target_loss=target)
    assert run.outcome.stop_code == "target"
    assert run.outcome.stop_reason == "the target loss is reached"
    assert run.outcome.evaluations == 6 * first < 120


def test_a_candidate_past_the_limit_does_not_reach_the_target(tmp_path):
    run = tune_toy(tmp_path, target_loss=1000.0, max_divergence=0.0)
    assert run.outcome.stop_code == "budget"


@pytest.mark.parametrize("stall", [1, 6, 12, 20])
def test_it_stops_after_so_many_candidates_without_a_better_one(stall: int, tmp_path):
    run = tune_toy(tmp_path, budget=1200, stall=stall, optimizer=optimizer("random"))
    history = read_history(tmp_path)
    assert run.outcome.stop_code == "stall"
    assert run.outcome.stop_reason == "no better candidate for as long as was asked to wait"
    waited, best = 0, math.inf
    for number, line in enumerate(history, 1):
        waited = 0 if line["best_loss"] < best else waited + 6
        best = line["best_loss"]
        assert (waited >= stall) == (number == len(history))
    assert run.outcome.evaluations < 1200


def test_waiting_goes_on_after_a_resume(tmp_path):
    """The count of candidates without a better one is part of the saved state."""

    def settings(**more: Any) -> dict[str, Any]:
        return {"budget": 1200, "stall": 18, "optimizer": optimizer("random"), **more}

    whole = tune_toy(tmp_path / "whole", **settings())
    before = whole.outcome.evaluations - 6

    def interrupt(at: Any) -> None:
        if at.evaluations == before:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune_toy(tmp_path / "run", **settings(on_generation=interrupt))
    run = tune_toy(tmp_path / "run", **settings(resume=True))
    assert run.outcome.evaluations == whole.outcome.evaluations
    assert run.outcome.stop_code == "stall"


def test_progress_is_told_after_every_generation_and_first_of_all_on_resume(tmp_path):
    seen: list[tuple[int, int, float]] = []

    def watch(at: Any) -> None:
        seen.append((at.evaluations, at.budget, at.best_loss))
        if at.evaluations == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune_toy(tmp_path, on_generation=watch)
    tune_toy(
        tmp_path,
        resume=True,
        on_generation=lambda at: seen.append((at.evaluations, at.budget, at.best_loss)),
    )
    best = [line["best_loss"] for line in read_history(tmp_path)]
    assert [evaluations for evaluations, _, _ in seen] == [6, 12, 12, 18, 24, 30]
    assert {budget for _, budget, _ in seen} == {30}
    assert [loss for _, _, loss in seen] == [*best[:2], *best[1:]]


def test_time_spent_is_summed_over_sessions(tmp_path):
    def interrupt(at: Any) -> None:
        if at.evaluations == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune_toy(tmp_path, on_generation=interrupt)
    tune_toy(tmp_path, resume=True)
    seconds = [line["seconds"] for line in read_history(tmp_path)]
    assert read_json(tmp_path / "DONE.json")["seconds"] == pytest.approx(sum(seconds))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"budget": 5}, ("budget of 5", "population of 6")),
        ({"budget": 2, "optimizer": Adam(30)}, ("budget of 2", "population of 3 evaluations")),
        ({"sample": True, "forms": 7}, ("7 tuning forms",)),
        ({"min_valid_mass": -0.1}, ("min valid mass -0.1",)),
        ({"divergence_weight": math.nan}, ("divergence weight nan",)),
        ({"space": "cube"}, ("'cube'",)),
        ({"space": "mixture"}, ("'mixture'", "number")),
        ({"space": "projection:500"}, ("'projection:500'", "removed")),
        ({"space": "mixture:4", "init": "tokens"}, ("mixture:4", "real tokens")),
        ({"space": "mixture:4", "init_scale": 0.0}, ("init scale of 0", "mixture:4")),
        ({"init": "run"}, ("run",)),
        ({"init_run": "somewhere"}, ("init 'run'",)),
        ({"budget": 0}, ("budget of 0",)),
        ({"budget": -30}, ("budget of -30",)),
        ({"seed": -1}, ("seed -1",)),
        ({"tokens": 0}, ("tokens 0",)),
        ({"stall": 0}, ("stall 0",)),
        ({"respondents": 0, "reading": "sampled"}, ("respondents 0",)),
        ({"max_divergence": -0.1}, ("max divergence -0.1",)),
        ({"max_divergence": math.nan}, ("max divergence nan",)),
        ({"target_loss": math.inf}, ("target loss inf",)),
        ({"target_loss": -1.0}, ("target loss -1",)),
        ({"init_scale": math.nan}, ("init scale nan",)),
        ({"init_scale": -1.0}, ("init scale -1",)),
        ({"init_scale": 0.0}, ("init scale of 0", "mixture:64")),
        ({"init_scale": 0.0, "space": "full"}, ("init scale of 0", "gaussian")),
        ({"init": "text"}, ("text",)),
        ({"init": "text", "init_text": "  \n"}, ("text",)),
        ({"init_text": "words"}, ("text",)),
        ({"init_text": "words", "space": "mixture:4"}, ("start text", "init 'text'")),
        ({"forms": 7}, ("7 tuning forms",)),
        ({"forms": 10**6}, ("1000000 tuning forms",)),
        ({"language": "xx"}, ("xx",)),
        ({"variant": "nope"}, ("nope",)),
        ({"anchor": {"planning": 1.0}}, ("company",)),
        ({"anchor": {"planning": 1.0, "company": math.nan}}, ("company", "nan")),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_written(
    settings: dict[str, Any], words: tuple[str, ...], tmp_path
):
    with pytest.raises(UsageError) as caught:
        tune_toy(tmp_path / "run", **settings)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.hint
    assert not (tmp_path / "run").exists()


def test_the_smallest_of_everything(tmp_path):
    run = tune_toy(
        tmp_path,
        budget=4,
        optimizer=optimizer("de", 4),
        tokens=1,
        stall=1,
        init="tokens",
        init_scale=0.0,
    )
    assert run.outcome.evaluations == 4
    assert run.soft_prompt.embeddings.shape == (1, HIDDEN)
    assert Settings(tokens=TOKENS).tokens == TOKENS
