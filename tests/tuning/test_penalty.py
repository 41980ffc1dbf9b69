"""What is minimised when frames and orders are answered differently."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tuning_runs import DESCENTS, HIDDEN, TOKENS, TOY, TOYLAND, optimizer, read_json, tune_toy

from acculturate.model import FakeModel
from acculturate.survey import Scoring, all_forms
from acculturate.tuning import Objective, PenalisedLoss, Settings, make_task, questionnaires

FORMS = all_forms(TOY, split="tuning")
TARGET = TOYLAND.vector(TOY)
PENALTIES = ("mean", "worst", "spread")


def penalised(penalty: Any, aggregate: Any = "mean") -> PenalisedLoss:
    return PenalisedLoss(Scoring(TOY, aggregate=aggregate), TARGET, FORMS, penalty)


def test_a_questionnaire_is_one_frame_in_one_order():
    groups = questionnaires(FORMS)
    assert sorted(np.concatenate(groups)) == list(range(len(FORMS)))
    for members in groups:
        asked = [FORMS[i] for i in members]
        assert len({(form.frame, form.order) for form in asked}) == 1
        assert {form.item for form in asked} == {item.id for item in TOY.items}
    assert len(groups) == len({(form.frame, form.order) for form in FORMS})


def test_what_each_penalty_makes_of_errors_that_cancel():
    scoring = Scoring(TOY)
    values = np.full((1, len(FORMS)), 2.0)
    # The last item's answers are higher in one order by as much as they are lower in the other.
    item = TOY.items[-1].id
    sign = {"forward": 1.0, "reversed": -1.0}
    values[0] += [0.5 * sign[form.order] * (form.item == item) for form in FORMS]
    mean = scoring.loss(scoring.scores_of(values, FORMS), TARGET)
    weights = np.abs(scoring.weights[:, -1])
    losses = []
    for members in questionnaires(FORMS):
        asked = [FORMS[i] for i in members]
        losses.append(scoring.loss(scoring.scores_of(values[:, members], asked), TARGET)[0])
    np.testing.assert_allclose(penalised("mean").value(values), mean)
    np.testing.assert_allclose(penalised("worst").value(values), max(losses))
    np.testing.assert_allclose(penalised("spread").value(values), mean + 0.5 * weights.mean())


def test_answers_alike_everywhere_cost_no_more_than_their_mean():
    values = np.broadcast_to(
        [
            1.0 + TOY.items.index(next(i for i in TOY.items if i.id == form.item)) % 3
            for form in FORMS
        ],
        (2, len(FORMS)),
    )
    for penalty in PENALTIES:
        np.testing.assert_allclose(
            penalised(penalty).value(values), penalised("mean").value(values)
        )


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("aggregate", ["mean", "sum", "distance"])
def test_the_slope_is_that_of_the_cost(penalty: str, aggregate: str):
    made = penalised(penalty, aggregate)
    values = 1 + 3 * np.random.default_rng(2).random((1, len(FORMS)))
    step = 1e-6 * np.eye(len(FORMS))
    by_difference = (made.value(values + step) - made.value(values - step)) / 2e-6
    np.testing.assert_allclose(made.gradient(values), by_difference, atol=1e-6)


def test_the_reported_loss_stays_that_of_the_mean_scores():
    def evaluated(penalty: Any):
        task = replace(make_task(TOY, TOYLAND, Settings(penalty=penalty)), forms=FORMS)
        made = Objective(FakeModel(HIDDEN), task)
        prompts = np.random.default_rng(1).normal(size=(4, TOKENS, HIDDEN))
        return made.evaluate(prompts, np.random.default_rng(0))

    mean, worst, spread = (evaluated(penalty) for penalty in PENALTIES)
    np.testing.assert_array_equal(worst.loss, mean.loss)
    np.testing.assert_array_equal(mean.objective, mean.loss)
    assert (worst.objective >= mean.objective - 1e-9).all() and (
        spread.objective >= mean.objective
    ).all()


@pytest.mark.parametrize("name", ["de", *DESCENTS])
def test_a_run_with_a_penalty(name: str, tmp_path):
    run = tune_toy(tmp_path, optimizer=optimizer(name), budget=60, penalty="spread")
    assert run.outcome.best_loss < run.outcome.naive_loss
    assert 'penalty = "spread"' in (run.directory / "config.toml").read_text()
    assert read_json(run.directory / "DONE.json")["evaluations"] <= 60
