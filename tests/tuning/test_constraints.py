"""What alignment may cost: limits, weights, and the slopes that lead back within the limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tuning_runs import HIDDEN, Recorder, optimizer, read_history, tune_toy

from acculturate.model import Answers, Query
from acculturate.tuning import Constraints

DIVERGENCE = np.array([0.1, 0.5, 0.5, np.nan, np.inf])
MASS = np.array([0.9, 0.9, 0.2, 0.9, 0.9])


class Reluctant(Recorder):
    """Gives the options a mass that grows with the prompt's first entry."""

    def ask(self, prompts: Any, query: Query) -> Answers:
        answers = super().ask(prompts, query)
        if prompts is None or answers.valid_mass is None:
            return answers
        mass = 1 / (1 + np.exp(-prompts[:, 0, 0].astype(np.float64)))
        answers = replace(answers, valid_mass=np.tile(mass[:, None], len(query.forms)))
        self.record[-1] = self.record[-1]._replace(answers=answers)
        return answers


def test_excesses_add_up_and_what_is_not_finite_is_past_every_limit():
    free = Constraints().violation(DIVERGENCE, MASS, 5)
    assert free.tolist() == [0, 0, 0, 0, 0]
    nats = Constraints(max_divergence=0.3).violation(DIVERGENCE, MASS, 5)
    assert nats == pytest.approx([0, 0.2, 0.2, np.inf, np.inf])
    shares = Constraints(min_valid_mass=0.8).violation(DIVERGENCE, MASS, 5)
    assert shares == pytest.approx([0, 0, 0.6, 0, 0])
    both = Constraints(max_divergence=0.3, min_valid_mass=0.8).violation(DIVERGENCE, MASS, 5)
    assert both == pytest.approx([0, 0.2, 0.8, np.inf, np.inf])
    unread = Constraints(max_divergence=0.3, min_valid_mass=0.8).violation(None, None, 2)
    assert unread.tolist() == [0, 0]


def test_the_cost_is_the_loss_and_the_weighted_divergence():
    loss = np.array([10.0, 3.0])
    assert Constraints().objective(loss, DIVERGENCE[:2]) is loss
    assert Constraints(max_divergence=0.3).objective(loss, DIVERGENCE[:2]) is loss
    assert Constraints(divergence_weight=20).objective(loss, None) is loss
    assert Constraints(divergence_weight=20).objective(loss, DIVERGENCE[:2]).tolist() == [
        12.0,
        13.0,
    ]


def test_the_slopes_lead_back_where_a_limit_is_passed():
    constraints = Constraints(max_divergence=0.3, min_valid_mass=0.8, divergence_weight=5.0)
    assert constraints.gradient(0.2, 0.9) == (5.0, 0.0)
    steep, none = constraints.gradient(0.4, 0.9)
    assert steep > 50 and none == 0
    assert constraints.gradient(0.4, 0.9)[0] - 5.0 == -constraints.gradient(0.2, 0.7)[1] > 0
    assert Constraints().gradient(9.0, 0.0) == (0.0, 0.0)
    assert constraints.gradient(None, None) == (5.0, 0.0)
    (weighted, none), (past, below) = (
        constraints.times(2).gradient(*at) for at in ((0, 1), (1, 0))
    )
    assert (weighted, none) == (10.0, 0.0)
    assert past - weighted == -below == 2 * (steep - 5.0)


@pytest.mark.parametrize(
    ("constraints", "guard", "mass"),
    [
        (Constraints(), False, False),
        (Constraints(max_divergence=0.0), True, False),
        (Constraints(divergence_weight=0.1), True, False),
        (Constraints(min_valid_mass=0.0), False, True),
    ],
)
def test_it_says_what_has_to_be_read(constraints: Constraints, guard: bool, mass: bool):
    assert (constraints.reads_guard, constraints.reads_mass) == (guard, mass)


@pytest.mark.parametrize("name", ["de", "l-shade", "random"])
@pytest.mark.parametrize("least", [0.5, 0.8])
def test_a_limit_on_the_valid_mass_is_feasible_first(name: str, least: float, tmp_path):
    model = Reluctant(HIDDEN)
    run = tune_toy(
        tmp_path, model, budget=60, optimizer=optimizer(name, budget=60), min_valid_mass=least
    )
    best, within = (np.inf, np.inf), False
    for (_, answers), line in zip(model.populations, read_history(tmp_path), strict=True):
        assert answers.valid_mass is not None
        mass = answers.valid_mass.mean(axis=1)
        within = within or bool((mass >= least).any())
        assert (line["best_violation"] == 0) == within
        assert (line["best_violation"], line["best_loss"]) <= best
        best = line["best_violation"], line["best_loss"]
    assert within
    mass = 1 / (1 + np.exp(-run.soft_prompt.embeddings[0, 0].astype(np.float64)))
    assert mass >= least
    assert any(  # or else the limit changed nothing
        (answers.valid_mass.mean(axis=1) < least).any() for _, answers in model.populations
    )


def test_without_a_limit_the_valid_mass_is_not_computed(tmp_path):
    model = Recorder(HIDDEN)
    tune_toy(tmp_path, model)
    assert all(answers.valid_mass is None for _, answers in model.populations)


@pytest.mark.parametrize("name", ["de", "adam"])
def test_the_weighted_divergence_is_minimised_and_best_loss_stays_the_loss(name: str, tmp_path):
    runs, lines = {}, {}
    for weight in (0.0, 100.0):
        out = tmp_path / str(weight)
        runs[weight] = tune_toy(
            out,
            budget=120,
            optimizer=optimizer(name, budget=120),
            divergence_weight=weight,
            sample=False,
        )
        lines[weight] = read_history(out)
    for line in lines[100.0]:
        cost = line["best_loss"] + 100 * line["best_divergence"]
        assert line["best_objective"] == pytest.approx(cost, rel=1e-6)
        differences = [
            abs(line["scores"][k] - {"planning": 80, "company": 20}[k]) for k in line["scores"]
        ]
        assert line["best_loss"] == pytest.approx(np.mean(differences))
    costs = [line["best_objective"] for line in lines[100.0]]
    assert costs == sorted(costs, reverse=True)
    free, priced = runs[0.0].outcome, runs[100.0].outcome
    assert priced.divergence < free.divergence
    assert priced.best_loss == pytest.approx(lines[100.0][-1]["best_loss"], rel=1e-6)
    assert priced.best_loss + 100 * priced.divergence < free.best_loss + 100 * free.divergence
