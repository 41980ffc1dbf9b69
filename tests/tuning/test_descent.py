"""The gradient that a descent follows is that of what it minimises."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tuning_runs import (
    DESCENTS,
    HIDDEN,
    TOKENS,
    TOY,
    TOYLAND,
    Broken,
    Recorder,
    by_digits,
    optimizer,
    tune_toy,
)

from acculturate.errors import UsageError
from acculturate.model import FakeModel
from acculturate.survey import all_forms
from acculturate.tuning import Objective, PopulationEvaluation, make_task, tune

LIMITS = {"max_divergence": 0.2, "min_valid_mass": 0.5, "divergence_weight": 3.0}
FORMS = all_forms(TOY, split="tuning")


def objective(model: Any = None, aggregate: Any = "mean", **settings: Any) -> Objective:
    task = make_task(TOY, TOYLAND, by_digits(aggregate=aggregate, **settings))
    return Objective(model or FakeModel(HIDDEN), replace(task, forms=FORMS))


def prompts(count: int = 3, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(4).normal(size=(count, TOKENS, HIDDEN)) * scale


def stream() -> np.random.Generator:
    return np.random.default_rng(0)


def differences(made: Objective, x: np.ndarray, of: Any) -> np.ndarray:
    """Central differences of a part of the evaluation in every entry of every prompt."""
    found = np.zeros_like(x)
    step = 1e-6
    for place in np.ndindex(*x.shape[1:]):
        moved = np.zeros_like(x)
        moved[:, *place] = step
        ahead, behind = (of(made.evaluate(x + sign * moved, stream())) for sign in (1, -1))
        found[:, *place] = (ahead - behind) / (2 * step)
    return found


@pytest.mark.parametrize("aggregate", ["mean", "sum", "distance"])
@pytest.mark.parametrize("weight", [0.0, 30.0])
def test_it_is_the_slope_of_the_cost(aggregate: str, weight: float):
    made = objective(aggregate=aggregate, divergence_weight=weight)
    x = prompts()
    evaluation = made.evaluate_with_gradient(x, stream())
    assert evaluation.gradient is not None
    expected = differences(made, x, lambda e: e.objective)
    np.testing.assert_allclose(evaluation.gradient, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected).max() > 0.1


def test_past_a_limit_the_excess_has_a_slope_too():
    made = objective(max_divergence=0.2)
    x = prompts(6)
    evaluation = made.evaluate_with_gradient(x, stream())
    assert 0 < (evaluation.violation > 0).sum() < 6

    def led_back(e: PopulationEvaluation) -> np.ndarray:
        return e.objective + 100 * e.violation

    np.testing.assert_allclose(
        evaluation.gradient, differences(made, x, led_back), rtol=1e-4, atol=1e-4
    )


def test_with_a_sample_it_is_the_slope_on_that_sample():
    made = objective(sample=True, forms=8)
    x = prompts()
    evaluation = made.evaluate_with_gradient(x, stream())
    expected = differences(made, x, lambda e: e.objective)  # every stream draws the same sample
    np.testing.assert_allclose(evaluation.gradient, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, LIMITS, {"sample": True, "forms": 8}])
def test_the_rest_of_the_evaluation_is_that_of_evaluate(settings: dict[str, Any]):
    x = prompts(5)
    one = objective(**settings).evaluate(x, stream())
    other = objective(**settings).evaluate_with_gradient(x, stream())
    for part in ("loss", "objective", "violation", "scores"):
        np.testing.assert_allclose(getattr(other, part), getattr(one, part), atol=1e-12)
    assert other.tokens == one.tokens
    assert one.gradient is None
    assert (one.divergence is None) == (other.divergence is None)


def test_a_reading_with_steps_descends_the_expected_answers():
    x = prompts()
    smooth = objective().evaluate_with_gradient(x, stream())
    modal = objective(reading="modal").evaluate_with_gradient(x, stream())
    assert np.array_equal(smooth.gradient, modal.gradient)
    assert not np.array_equal(smooth.loss, modal.loss)


class Opaque:
    """A model that answers and has no way back, such as one behind a service."""

    def __init__(self) -> None:
        self._inner = FakeModel(HIDDEN)

    def __getattr__(self, name: str) -> Any:
        if name == "ask_with_gradient":
            raise AttributeError(name)
        return getattr(self._inner, name)


@pytest.mark.parametrize("name", DESCENTS)
def test_a_model_without_gradients_is_refused_before_anything_is_written(name: str, tmp_path):
    with pytest.raises(UsageError, match=f"fake gives no gradients, which {re.escape(name)}") as it:
        tune_toy(tmp_path / "run", Opaque(), optimizer=optimizer(name))
    assert it.value.hint
    assert not (tmp_path / "run").exists()
    with pytest.raises(TypeError, match="gives no gradients"):
        objective(Opaque()).evaluate_with_gradient(prompts(), stream())
    assert (
        tune_toy(tmp_path / "run", Opaque(), optimizer=optimizer("l-shade")).outcome.best_loss > 0
    )


def test_a_descent_survives_broken_candidates(tmp_path):
    model = Broken(HIDDEN)
    model.threshold = 0.0
    run = tune_toy(
        tmp_path, model, budget=60, optimizer=type(optimizer("adam"))(60, 4), init="gaussian"
    )
    broken = sum(bool(call.prompts[0, 0, 0] > 0) for call in model.searched)
    assert 0 < broken < len(model.searched)
    assert np.isfinite(run.outcome.best_loss)
    assert run.soft_prompt.embeddings[0, 0] <= 0
    assert all(np.isfinite(call.prompts).all() for call in model.searched)


def test_a_descent_gets_further_than_random_search(tmp_path):
    model = Recorder(HIDDEN)
    descent = tune_toy(tmp_path / "a", model, budget=300, optimizer=optimizer("adam", budget=300))
    chance = tune_toy(tmp_path / "b", budget=300, optimizer=optimizer("random", budget=300))
    assert descent.outcome.best_loss < chance.outcome.best_loss / 2
    assert len(model.searched) == 100


@pytest.mark.parametrize(("budget", "population"), [(60, 10), (9, 9)])
def test_a_model_without_gradients_is_searched_by_answers(budget: int, population: int, tmp_path):
    """By L-SHADE, in mixtures of real tokens."""

    class AnswersAlone:
        def __init__(self) -> None:
            self._inner = FakeModel(HIDDEN)

        def __getattr__(self, name: str) -> Any:
            if name == "ask_with_gradient":
                raise AttributeError(name)
            return getattr(self._inner, name)

    run = tune(AnswersAlone(), TOY, TOYLAND, out=tmp_path / "run", budget=budget, tokens=TOKENS)
    settings = (run.directory / "config.toml").read_text()
    assert 'optimizer = "l-shade"' in settings and 'space = "mixture:64"' in settings
    assert f"population = {population}\n" in settings
    assert run.outcome.evaluations <= budget
