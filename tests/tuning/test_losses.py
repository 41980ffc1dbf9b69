"""What is minimised: scores, or the same shift in every questionnaire."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuning_runs import (
    DESCENTS,
    HIDDEN,
    TOKENS,
    TOY,
    TOYLAND,
    Recorder,
    by_digits,
    contents,
    optimizer,
    resumes,
    tune_toy,
)

from acculturate.errors import FailureError, UsageError
from acculturate.model import Answers, FakeModel, Query, ask_untouched
from acculturate.search import Adam
from acculturate.survey import (
    Country,
    Form,
    Scoring,
    all_forms,
    crossed_forms,
    item_values,
    load_countries,
    load_instrument,
)
from acculturate.survey.selection import limit_forms
from acculturate.tuning import (
    Aim,
    Objective,
    Settings,
    make_task,
    questionnaires,
    questionnaires_of_all_frames,
)

FORMS = all_forms(TOY, split="tuning", labels=("digits", "words"))
TARGET = TOYLAND.vector(TOY)
OBJECTIVES = ("scores", "shift", "mean-shift")


def aim(model: Any = None, forms: tuple[Form, ...] = FORMS, **settings: Any) -> Aim:
    task = make_task(TOY, TOYLAND, by_digits(**settings))
    return Aim(model or FakeModel(HIDDEN), replace(task, forms=forms, measured=forms))


def untouched() -> np.ndarray:
    return item_values(ask_untouched(FakeModel(HIDDEN), FORMS, FORMS)[None], "expected")


def test_a_questionnaire_is_all_items_asked_alike():
    groups = questionnaires(FORMS)
    assert sorted(np.concatenate(groups)) == list(range(len(FORMS)))
    for members in groups:
        asked = [FORMS[i] for i in members]
        assert len({(f.frame, f.order, f.word_set, f.label_kind) for f in asked}) == 1
        assert {form.item for form in asked} == {item.id for item in TOY.items}


def test_errors_that_cancel_between_questionnaires_count_in_a_shift():
    made = aim(objective="shift").losses(FORMS)
    shifted = untouched()
    means = aim(objective="shift").changes
    shifted += [means[[item.id for item in TOY.items].index(form.item)] for form in FORMS]
    np.testing.assert_allclose(made.minimised.value(shifted), 0, atol=1e-6)
    # The last item's answers are higher in one order by as much as they are lower in the other.
    sign = {"forward": 1.0, "reversed": -1.0, "unlisted": 0.0}
    leaning = shifted + [0.5 * sign[form.order] * (form.item == TOY.items[-1].id) for form in FORMS]
    np.testing.assert_allclose(made.of_means.value(leaning), 0, atol=1e-6)
    listed = np.mean([FORMS[members[0]].order != "unlisted" for members in questionnaires(FORMS)])
    lost = 0.5 * np.abs(Scoring(TOY).weights[:, -1]).mean() * listed
    np.testing.assert_allclose(made.minimised.value(leaning), lost, atol=1e-6)


def test_errors_of_frames_cancel_in_a_mean_shift_and_those_of_orders_do_not():
    groups = questionnaires_of_all_frames(FORMS)
    assert sorted(np.concatenate(groups)) == list(range(len(FORMS)))
    frames = [form.frame for form in FORMS]
    for members in groups:
        assert len({(FORMS[i].order, FORMS[i].word_set, FORMS[i].label_kind) for i in members}) == 1
        assert {frames[i] for i in members} == set(frames)
    made = aim(objective="mean-shift").losses(FORMS)
    means = aim(objective="shift").changes
    shifted = untouched() + [
        means[[item.id for item in TOY.items].index(form.item)] for form in FORMS
    ]
    first, last = frames[0], next(frame for frame in frames if frame != frames[0])
    lean = {first: 0.5, last: -0.5}
    is_last = np.array([form.item == TOY.items[-1].id for form in FORMS])
    own = shifted + is_last * [lean.get(frame, 0.0) for frame in frames]
    np.testing.assert_allclose(made.minimised.value(own), 0, atol=1e-6)
    assert aim(objective="shift").losses(FORMS).minimised.value(own)[0] > 1
    sign = {"forward": 0.5, "reversed": -0.5, "unlisted": 0.0}
    leaning = shifted + is_last * [sign[form.order] for form in FORMS]
    np.testing.assert_allclose(made.of_means.value(leaning), 0, atol=1e-6)
    assert made.minimised.value(leaning)[0] > 1


def test_losses_of_the_untouched_model_are_the_wanted_shift():
    """The same number whatever is minimised."""
    wanted = np.abs(aim(objective="shift").shift).mean()
    for objective in ("shift", "mean-shift"):
        made = aim(objective=objective).losses(FORMS)
        np.testing.assert_allclose(made.of_means.value(untouched()), wanted)
        np.testing.assert_allclose(made.minimised.value(untouched()), wanted)


def test_least_changes_make_the_shift_within_the_scales():
    vsm13 = Scoring(load_instrument("vsm13"))
    rng = np.random.default_rng(0)
    means = rng.uniform(2, 4, 24)
    shift = rng.uniform(-30, 30, 6)
    changes = vsm13.least_changes(means, shift)
    np.testing.assert_allclose(vsm13.weights @ changes, shift, atol=1e-3)
    np.testing.assert_allclose(changes, np.linalg.pinv(vsm13.weights) @ shift, atol=1e-5)
    # Items at the end of their scale leave the change to the others.
    means[0] = 1.0
    changes = vsm13.least_changes(means, np.array([0, 60.0, 0, 0, 0, 0]))
    assert means[0] + changes[0] >= 1 - 1e-9
    np.testing.assert_allclose(vsm13.weights @ changes, [0, 60, 0, 0, 0, 0], atol=1e-3)
    # What the scales do not reach is approached.
    far = vsm13.least_changes(means, np.full(6, 1e4))
    assert ((means + far >= 1 - 1e-9) & (means + far <= 5 + 1e-9)).all()
    assert np.isclose(means + far, 5).sum() + np.isclose(means + far, 1).sum() == 24


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("aggregate", ["mean", "sum", "distance"])
def test_the_gradient_is_that_of_the_loss(objective: str, aggregate: str):
    loss = aim(objective=objective, aggregate=aggregate).losses(FORMS).minimised
    values = 1 + 2 * np.random.default_rng(2).random((1, len(FORMS)))
    step = 1e-6 * np.eye(len(FORMS))
    by_difference = (loss.value(values + step) - loss.value(values - step)) / 2e-6
    np.testing.assert_allclose(loss.gradient(values), by_difference, atol=1e-6)


def test_each_questionnaire_is_asked_of_the_untouched_model_once():
    model = Recorder(HIDDEN)
    made = aim(model, objective="shift", labels="words,digits")
    few = FORMS[:8]
    first = made.losses(few).minimised
    count = len(model.record)
    second = made.losses(few).minimised
    assert len(model.record) == count
    asked = [call.answers.forms for call in model.record]
    for one in {form.questionnaire for form in few}:
        assert asked.count(tuple(form for form in FORMS if form.questionnaire == one)) == 1
    np.testing.assert_array_equal(first.value(untouched()[:, :8]), second.value(untouched()[:, :8]))
    assert not [call for call in model.record if call.prompts is not None]


def test_settings_that_nobody_resolved_have_the_default_objective():
    loss = aim(objective=None).losses(FORMS).minimised.value(untouched())
    np.testing.assert_array_equal(
        loss, aim(objective="shift").losses(FORMS).minimised.value(untouched())
    )


def test_no_untouched_answer_is_asked_for_scores():
    model = Recorder(HIDDEN)
    aim(model).losses(FORMS)
    assert not model.record


def test_an_untouched_model_without_answers_is_said():
    class Nothing(FakeModel):
        def ask(self, prompts: Any, query: Query) -> Any:
            answers = super().ask(prompts, query)
            return replace(answers, probabilities=np.full_like(answers.probabilities, np.nan))

    with pytest.raises(FailureError, match="not finite without any soft prompt"):
        aim(Nothing(HIDDEN), objective="shift").losses(FORMS)


def test_the_reported_loss_is_that_of_the_mean_scores():
    def evaluated(objective: Any):
        task = make_task(TOY, TOYLAND, by_digits(objective=objective))
        made = Objective(FakeModel(HIDDEN), replace(task, forms=FORMS, measured=FORMS))
        prompts = np.random.default_rng(1).normal(size=(4, TOKENS, HIDDEN))
        return made.evaluate(prompts, np.random.default_rng(0))

    scores, shift, mean_shift = (evaluated(objective) for objective in OBJECTIVES)
    np.testing.assert_array_equal(scores.objective, scores.loss)
    for other in (shift, mean_shift):
        np.testing.assert_allclose(other.loss, scores.loss, err_msg="of all measured forms")
    assert (shift.objective >= mean_shift.objective - 1e-9).all()
    assert (mean_shift.objective >= mean_shift.loss - 1e-9).all()


@pytest.mark.parametrize("objective", ["shift", "mean-shift"])
@pytest.mark.parametrize("name", ["de", *DESCENTS])
def test_a_run_in_words_and_digits(name: str, objective: str, tmp_path: Path):
    settings = {"objective": objective, "labels": "words, digits", "sample": True, "space": "full"}
    assert resumes(tmp_path, name, 3, budget=60, **settings) > 1
    found = contents(tmp_path / "whole")
    assert found["done"]["best_loss"] < found["done"]["naive_loss"]
    survey = found["config"]["survey"]
    assert (survey["objective"], survey["labels"]) == (objective, "words,digits")
    changed = settings | {"objective": "scores", "optimizer": optimizer(name, budget=60)}
    with pytest.raises(UsageError, match=f"objective is '{objective}' there and not set here"):
        tune_toy(tmp_path / "whole", budget=60, resume=True, **changed)


def test_the_table_of_a_run_in_words_is_asked_in_words(tmp_path: Path):
    model = Recorder(HIDDEN)
    run = tune_toy(tmp_path, model, labels="words", objective="shift")
    assert {f.label_kind for call in model.record for f in call.answers.forms} == {"words"}
    assert {f.split for call in model.record for f in call.answers.forms} == {"tuning", "held-out"}
    new = limit_forms(crossed_forms(TOY, "held-out", "held-out", labels="words"))
    assert run.summary.forms.held_out == len(new)
    assert {f.word_set for f in new} == {0}, "option words are a thing of their own"


def test_forms_of_several_languages_are_drawn_and_its_own_is_held_out():
    vsm13 = load_instrument("vsm13")
    country = Country(
        "Nowhere", "a table", dict.fromkeys(("pdi", "idv", "mas", "uai", "lto", "ivr"), 50.0), None
    )
    task = make_task(vsm13, country, Settings(languages="en, es", labels="words", sample=True))
    assert {form.language for form in task.forms} == {"en", "es"}
    assert {form.language for form in task.measured} == {"en", "es"}
    assert {form.word_set for form in task.forms} == {0, 1, 2}
    assert {form.word_set for form in task.measured} == {0}
    assert {form.language for form in task.held_out} == {"en"}
    assert len(task.held_out) == 96
    short = make_task(vsm13, country, Settings(labels="words,digits", sample=True, budget=30))
    assert {form.label_kind for form in short.measured} == {"words", "digits"}
    with pytest.raises(UsageError, match="xx"):
        make_task(vsm13, country, Settings(languages="en,xx"))


def test_what_a_search_without_the_new_settings_writes_down_has_none_of_them(tmp_path: Path):
    """So that runs of earlier versions go on."""
    run = tune_toy(tmp_path)
    config = (run.directory / "config.toml").read_text()
    assert not [name for name in ("objective", "labels", "languages") if name in config]


def test_an_objective_of_shifts_reads_expected_answers():
    with pytest.raises(UsageError, match="objective mean-shift compares expected answers"):
        Settings(objective="mean-shift", reading="modal").resolved(optimizer())


def test_leaders_are_compared_with_goals_that_are_calibrated_as_they_are():
    """A prompt that changes nothing is as far away as the wanted shift is large."""

    class Deaf(FakeModel):
        def ask(self, prompts: Any, query: Query) -> Answers:
            untouched = super().ask(None, query)
            count = 1 if prompts is None else len(prompts)
            return replace(untouched, probabilities=untouched.probabilities.repeat(count, axis=0))

    model = Deaf(HIDDEN, form_effect=0.3, wording_effect=0.5)
    settings = Settings(divergence_weight=0.0).resolved(Adam(400))
    task = make_task(load_instrument("vsm13"), load_countries()["China"], settings)
    objective = Objective(model, task)
    compared = objective.compare(np.zeros((1, 2, HIDDEN), np.float32), np.random.default_rng(0))
    assert compared.loss[0] == pytest.approx(np.abs(objective.aim.shift).mean())
