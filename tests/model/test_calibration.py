from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acculturate.model import FakeModel, Query, ask, ask_untouched, ask_with_gradient
from acculturate.model.answers import Cotangent
from acculturate.model.calibration import calibrate, calibrate_backward, mean_answers, means_of
from acculturate.survey import (
    all_forms,
    balanced_forms,
    draw_forms,
    item_values,
    load_instrument,
    with_line,
)
from edited_toy import edited_toy
from tiny_models import tiny_model

VSM13 = load_instrument("vsm13")
FORMS = draw_forms(all_forms(VSM13, split="tuning", labels="words"), 96, np.random.default_rng(0))
RNG = np.random.default_rng(1)
UNTOUCHED = RNG.dirichlet(np.ones(5), len(FORMS))
MEANS = means_of(mean_answers(UNTOUCHED, FORMS), FORMS, 5)


def test_a_preference_for_options_that_all_items_share_is_taken_out():
    """Whatever a questionnaire adds to the log of an option's probability, on one scale."""
    scales = {item.id: item.scale for item in VSM13.items}
    drawn: dict[object, np.ndarray] = {}
    added = np.array(
        [
            drawn.setdefault((f.questionnaire, scales[f.item]), RNG.uniform(0.1, 10, 5))
            for f in FORMS
        ]
    )
    biased = UNTOUCHED * added / (UNTOUCHED * added).sum(1, keepdims=True)
    found = calibrate(biased[None], means_of(mean_answers(biased, FORMS), FORMS, 5))
    np.testing.assert_allclose(found, calibrate(UNTOUCHED[None], MEANS), atol=1e-12)
    np.testing.assert_allclose(found.sum(2), 1)


def test_a_scale_with_one_item_keeps_nothing_of_the_untouched_answer():
    values = item_values(calibrate(UNTOUCHED[None], MEANS), "expected")[0]
    health = [place for place, form in enumerate(FORMS) if form.item == "m18"]
    np.testing.assert_allclose(values[health], 3)
    assert np.std(values) > 0.1


def test_options_that_an_item_does_not_have_stay_without_probability():
    padded = np.pad(UNTOUCHED, ((0, 0), (0, 2)))
    found = calibrate(padded[None], means_of(mean_answers(padded, FORMS), FORMS, 7))
    assert (found[..., 5:] == 0).all()
    np.testing.assert_allclose(found[..., :5], calibrate(UNTOUCHED[None], MEANS))


def test_the_derivative():
    tuned = RNG.dirichlet(np.ones(5), (1, len(FORMS)))
    gradient = RNG.normal(size=tuned.shape)
    found = calibrate_backward(tuned, MEANS, gradient)
    for option in range(5):
        step = 1e-6 * (np.arange(5) == option)
        ahead, behind = (calibrate(tuned + sign * step, MEANS) for sign in (1, -1))
        expected = (gradient * (ahead - behind)).sum(2) / 2e-6
        np.testing.assert_allclose(found[..., option], expected, rtol=1e-5, atol=1e-6)


def test_asking_calibrates_answers_in_words_and_leaves_listed_options_alone():
    model = FakeModel(4)
    forms = draw_forms(
        all_forms(VSM13, split="tuning", labels=("words", "digits")), 96, np.random.default_rng(0)
    )
    prompts = np.random.default_rng(2).normal(size=(2, 3, 4)).astype(np.float32)
    raw = model.ask(prompts, Query(forms))
    untouched = model.ask(None, Query(forms)).probabilities[0]
    words = [i for i, form in enumerate(forms) if form.word_set is not None]
    means = mean_answers(untouched[words], [forms[i] for i in words])
    found = ask(model, prompts, Query(forms)).probabilities
    expected = calibrate(raw.probabilities, means_of(means, forms, 5))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    listed = [i for i, form in enumerate(forms) if form.word_set is None]
    np.testing.assert_allclose(found[:, listed], raw.probabilities[:, listed], rtol=1e-12)
    plain = ask(model, prompts, Query(forms, calibrated=False))
    np.testing.assert_array_equal(plain.probabilities, raw.probabilities)


def test_a_line_in_front_is_not_calibrated_away():
    model = FakeModel(4)
    forms = all_forms(VSM13, split="tuning", labels="words")[:48]
    told = ask(model, None, Query(with_line(forms, "Be somebody else."))).probabilities
    raw = model.ask(None, Query(with_line(forms, "Be somebody else."))).probabilities
    means = mean_answers(model.ask(None, Query(forms)).probabilities[0], forms)
    np.testing.assert_allclose(told, calibrate(raw, means_of(means, forms, 5)), rtol=1e-12)


def test_untouched_answers_are_the_same_whatever_was_asked_before():
    pool = all_forms(VSM13, split="tuning", labels=("words", "digits"), words="tuning")
    few = draw_forms(pool, 96, np.random.default_rng(0))
    one, other = FakeModel(4), FakeModel(4)
    ask_untouched(one, pool, pool)
    np.testing.assert_array_equal(ask_untouched(one, few, pool), ask_untouched(other, few, pool))


SHARED = (
    '["Agree", "Undecided", "Disagree"],\n  ["Yes',
    '["I agree", "I waver", "I disagree"],\n  ["Yes',
)
"""Option words that begin alike: only where their mass is asked for is the beginning one of each."""


@pytest.mark.parametrize("beside", [{"valid_mass": True}, {"texts": ["A cat sat."]}])
def test_answers_that_something_was_asked_beside_are_not_taken_for_untouched_ones(
    beside: dict[str, Any], tmp_path: Path
):
    toy = load_instrument(str(edited_toy(tmp_path, SHARED)))
    forms = [
        form for form in all_forms(toy, labels="words", words="first") if len(form.options) == 3
    ]
    forms = [form for form in forms if form.questionnaire == forms[0].questionnaire]
    one, other = tiny_model("llama"), tiny_model("llama")
    ask(one, None, Query(forms, **beside))
    np.testing.assert_array_equal(
        ask_untouched(one, forms, forms), ask_untouched(other, forms, forms)
    )


def test_the_gradient_is_that_of_calibrated_answers():
    model = FakeModel(4)
    forms = balanced_forms(VSM13, "tuning", labels="words")
    prompts = np.random.default_rng(3).normal(size=(1, 2, 4)) * 0.1
    weights = np.random.default_rng(4).normal(size=(1, len(forms), 5))
    _, backward = ask_with_gradient(model, prompts, Query(forms))
    gradient = backward(Cotangent(weights))
    step = np.zeros_like(prompts)
    step[0, 1, 2] = 1e-5
    ahead, behind = (
        (ask(model, prompts + sign * step, Query(forms)).probabilities * weights).sum()
        for sign in (1, -1)
    )
    assert gradient[0, 1, 2] == pytest.approx((ahead - behind) / 2e-5, rel=1e-4)
