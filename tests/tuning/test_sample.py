"""A sample of forms: the same for all candidates of a generation, another one for the next."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tuning_runs import (
    HIDDEN,
    TOY,
    TOYLAND,
    Recorder,
    by_digits,
    optimizer,
    read_history,
    tune_toy,
)

from acculturate.errors import UsageError
from acculturate.search import LSHADE
from acculturate.survey import Form, all_forms, balanced_forms, load_countries
from acculturate.tuning import Objective, Settings, make_task

POOL = all_forms(TOY, split="tuning")
MEASURED = make_task(TOY, TOYLAND, by_digits(sample=True)).measured


def objective(model: Recorder, asked: tuple[Form, ...], **settings: Any) -> Objective:
    return Objective(model, replace(make_task(TOY, TOYLAND, by_digits(**settings)), forms=asked))


def compared(model: Recorder) -> list[np.ndarray]:
    """The prompts that were asked the forms that a result is measured on, each once."""
    return [
        call.prompts[0]
        for call in model.record
        if call.prompts is not None and not call.gradient and call.answers.forms == MEASURED
    ]


def drawn(model: Recorder, candidates: int) -> list[tuple[Form, ...]]:
    """The forms of each generation, after checking that all its candidates were asked the same."""
    assert len(compared(model)) == 3, "the last two leaders, and the random start"
    calls = [call.answers.forms for call in model.searched]
    asked = sum(len(call.prompts) for call in model.searched if call.prompts is not None)
    each = len(calls) * candidates // asked  # calls a generation: a descent asks one by one
    generations = [calls[at : at + each] for at in range(0, len(calls), each)]
    assert all(len(set(calls)) == 1 for calls in generations)
    return [calls[0] for calls in generations]


@pytest.mark.parametrize(("name", "starts"), [("de", 6), ("random", 6), ("adam", 3), ("pso", 6)])
def test_a_generation_has_one_sample_and_the_next_another(name: str, starts: int, tmp_path):
    model = Recorder(HIDDEN)
    chosen = optimizer(name) if name != "adam" else type(optimizer(name))(36, starts)
    tune_toy(tmp_path, model, sample=True, optimizer=chosen, budget=36, measured_forms=24)
    samples = drawn(model, starts)
    assert len(samples) == (4 if name == "adam" else 6)
    for forms in samples:
        assert len(set(forms)) == 8
        assert set(forms) <= set(POOL)
        assert Counter((form.item, form.order) for form in forms) == {
            (item.id, order): 1 for item in TOY.items for order in ("forward", "reversed")
        }
    assert len(set(samples)) > len(samples) // 2


def test_the_samples_come_from_the_seed(tmp_path):
    found = []
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        model = Recorder(HIDDEN)
        tune_toy(tmp_path / out, model, sample=True, seed=seed, measured_forms=24)
        found.append(drawn(model, 6))
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("limit", [0.02, 0.1])
def test_a_leader_within_the_limit_stays_before_later_ones_that_are_not(limit: float, tmp_path):
    model = Recorder(HIDDEN)
    chosen = optimizer("adam", budget=60)
    tune_toy(tmp_path, model, budget=60, optimizer=chosen, sample=True, max_divergence=limit)
    least = np.inf
    for line, call in zip(read_history(tmp_path), model.searched, strict=False):
        assert call.answers.divergence is not None
        least = min(least, max(0.0, float(call.answers.divergence[0]) - limit))
        assert line["best_violation"] == pytest.approx(least)


def test_a_descent_draws_its_forms_unless_losses_are_compared():
    descent, other = optimizer("adam"), optimizer("de")
    assert Settings().resolved(descent).sample is True
    assert Settings().resolved(other).sample is False
    assert Settings(sample=True).resolved(other).sample is True
    for changes in ({"forms": 8}, {"stall": 9}, {"target_loss": 1.0}):
        assert Settings(**changes).resolved(descent).sample is False
    assert Settings(forms=16, sample=True).sample_size(TOY) == 16


def test_the_pool_is_every_tuning_form_where_they_are_sampled():
    settings = by_digits(sample=False)
    for changes, forms in (
        ({}, balanced_forms(TOY, "tuning")),
        ({"sample": True}, POOL),
        ({"forms": 16}, balanced_forms(TOY, "tuning", 16)),
    ):
        assert make_task(TOY, TOYLAND, replace(settings, **changes)).forms == forms
    assert len(POOL) > 16


def test_a_result_is_measured_in_every_frame_and_order():
    """A part of the pool: asking all of it takes longer than a short search."""
    pairs = {(form.item, form.frame, form.order) for form in POOL}
    assert Counter((form.item, form.frame, form.order) for form in MEASURED) == dict.fromkeys(
        pairs, 1
    )
    assert {(form.item, form.wording) for form in MEASURED} == {
        (form.item, form.wording) for form in POOL
    }
    assert set(MEASURED) < set(POOL)
    for count in (None, 16):
        task = make_task(TOY, TOYLAND, by_digits(sample=False, forms=count))
        assert task.measured == task.forms


@pytest.mark.parametrize(("budget", "forms"), [(12, 8), (60, 16), (90, 24), (400, 24)])
def test_a_result_takes_a_quarter_of_the_run_at_most(budget: int, forms: int):
    """Forms asked for the result, of five rows on tuning and of four on held-out forms."""
    task = make_task(TOY, TOYLAND, by_digits(budget=budget, sample=True))
    assert len(task.measured) == forms
    asked = 5 * forms + 4 * len(task.held_out)
    assert asked <= budget * 8 / 3 or forms == 8, "each item once in each order at least"
    chosen = make_task(TOY, TOYLAND, by_digits(budget=budget, sample=True, measured_forms=48))
    assert len(chosen.measured) == 48
    with pytest.raises(UsageError, match="measured on the forms of the search"):
        Settings(measured_forms=16).resolved(optimizer("de"))


def test_of_the_last_leaders_the_best_on_the_same_forms_is_taken(tmp_path):
    model = Recorder(HIDDEN)
    run = tune_toy(tmp_path, model, sample=True, budget=60, measured_forms=24)
    leaders = compared(model)[:2]
    scores = [
        objective(model, MEASURED).evaluate(prompt[None], np.random.default_rng(0)).loss[0]
        for prompt in leaders
    ]
    best = leaders[int(np.argmin(scores))]
    assert np.array_equal(run.soft_prompt.embeddings, best)
    assert run.outcome.best_loss == pytest.approx(min(scores))


def test_the_table_and_the_outcome_are_of_the_same_forms(tmp_path):
    """The sample is what the search sees; what the run says in the end it measured elsewhere."""
    run = tune_toy(tmp_path, sample=True, budget=60, measured_forms=24)
    assert run.summary.forms.tuning == len(MEASURED)
    whole = objective(Recorder(HIDDEN), MEASURED).evaluate(
        run.soft_prompt.embeddings[None], np.random.default_rng(0)
    )
    assert run.outcome.best_loss == pytest.approx(whole.loss[0])


def test_an_objective_without_a_sample_asks_everything():
    model = Recorder(HIDDEN)
    prompts = np.zeros((2, 2, HIDDEN))

    def forms_of(**settings: Any) -> int:
        objective(model, POOL, **settings).evaluate(prompts, np.random.default_rng(0))
        return len(model.record[-1].splits)

    assert forms_of() == len(POOL)
    assert forms_of(sample=True, forms=16) == 16


@pytest.mark.parametrize(
    "asked", [{"labels": "digits", "languages": "en,es"}, {"labels": "words,digits"}]
)
def test_the_same_forms_all_the_time_are_in_everything_that_is_named(asked: Any, vsm13):
    china = load_countries()["China"]
    settings = Settings(**asked).resolved(LSHADE(400))
    task = make_task(vsm13, china, settings)
    ways = Counter((form.language, form.label_kind) for form in task.forms)
    assert len(ways) == 2 and len(set(ways.values())) <= 2
    with pytest.raises(UsageError, match="leave out") as caught:
        make_task(vsm13, china, replace(settings, forms=48))
    assert caught.value.hint == "Give --forms 96 or more, or --sample."


def test_a_questionnaire_with_a_single_way_of_asking_is_asked_once(toy):
    text = toy.language("en")
    one = replace(
        text,
        frames=(text.frames[0], *(frame for frame in text.frames if frame.held_out)),
        wordings={item: texts[-2:] for item, texts in text.wordings.items()},
        held_out_wordings=(1,),
        words={scale: sets[:1] for scale, sets in text.words.items()},
    )
    single = replace(toy, languages={"en": one})
    for search in (LSHADE(400), optimizer("adam")):
        task = make_task(single, TOYLAND, Settings().resolved(search))
        assert len(task.forms) == len(task.measured) == len(toy.items)
