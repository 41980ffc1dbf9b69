"""The fake model keeps what it promises."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acculturate.errors import UsageError
from acculturate.model import AnswerModel, FakeModel, Query, load_model
from acculturate.survey import (
    Form,
    Instrument,
    LabelKind,
    all_forms,
    balanced_forms,
    crossed_forms,
    item_means,
    item_values,
    load_instrument,
)

LABELS: tuple[LabelKind, ...] = get_args(LabelKind)


def means_of(model: AnswerModel, prompt: np.ndarray, instrument: Instrument) -> dict[str, float]:
    forms = balanced_forms(instrument, "held-out")
    values = item_values(model.ask(prompt[None], Query(forms)).probabilities, "expected")
    means = item_means(values, forms, instrument)[0]
    return {item.id: float(mean) for item, mean in zip(instrument.items, means, strict=True)}


def test_it_is_loaded_by_name() -> None:
    model = load_model("fake")
    assert isinstance(model, FakeModel) and isinstance(model, AnswerModel)
    assert model.name == "fake"
    assert set(model.provenance()) == {
        "name", "revision", "weights_hash", "dtype", "device", "licence",
    }  # fmt: skip


@settings(max_examples=20)
@given(
    st.lists(st.floats(1.01, 4.99), min_size=24, max_size=24), st.integers(2, 6), st.integers(0, 9)
)
def test_its_optimum_reaches_the_means_wanted(wanted: list[float], tokens: int, seed: int) -> None:
    vsm13 = load_instrument("vsm13")
    model = FakeModel(seed=seed, form_effect=0)
    asked = {item.id: mean for item, mean in zip(vsm13.items, wanted, strict=True)}
    reached = means_of(model, model.optimum(asked, tokens), vsm13)
    assert reached == pytest.approx(asked, abs=1e-6)


def test_its_optimum_on_a_scale_of_three(toy: Instrument) -> None:
    model = FakeModel(form_effect=0)
    reached = means_of(model, model.optimum({"crowd": 1.25, "alone": 2.5}, 2, options=3), toy)
    assert [reached["crowd"], reached["alone"]] == pytest.approx([1.25, 2.5], abs=1e-6)


@pytest.mark.parametrize("mean", [1.0, 5.0, 0.0, 6.0, float("nan")])
def test_a_mean_outside_the_scale_is_refused(mean: float) -> None:
    with pytest.raises(UsageError, match="item plans"):
        FakeModel().optimum({"plans": mean}, 2)


def test_options_sum_to_one_and_missing_ones_hold_zero(
    fake: FakeModel, toy_forms: tuple[Form, ...]
) -> None:
    prompts = np.random.default_rng(0).normal(size=(4, 2, fake.hidden_size)) * 100
    answers = fake.ask(prompts, Query(toy_forms)).probabilities
    assert answers.shape == (4, len(toy_forms), 5)
    np.testing.assert_allclose(answers.sum(axis=2), 1, atol=1e-12)
    for column, form in enumerate(toy_forms):
        assert (answers[:, column, len(form.options) :] == 0).all()


def test_forms_differ_by_the_form_effect_alone(toy_forms: tuple[Form, ...]) -> None:
    same = [k for k, form in enumerate(toy_forms) if form.item == "plans"]
    steady = FakeModel(form_effect=0).ask(None, Query(toy_forms)).probabilities[0, same]
    moved = FakeModel(form_effect=0.5).ask(None, Query(toy_forms)).probabilities[0, same]
    assert np.ptp(steady, axis=0).max() == 0
    assert np.ptp(moved, axis=0).max() > 0.01


def test_it_is_repeatable_and_its_seed_matters(toy_forms: tuple[Form, ...]) -> None:
    first, again, other = (FakeModel(seed=seed) for seed in (0, 0, 1))
    answers = [model.ask(None, Query(toy_forms)).probabilities for model in (first, again, other)]
    assert answers[0].tobytes() == answers[1].tobytes() != answers[2].tobytes()
    assert first.provenance() == again.provenance() != other.provenance()
    assert first.embed_text("a b a").tolist() == again.embed_text("a b a").tolist()
    assert first.embed_text("a b a").shape == (3, first.hidden_size)


def test_a_broken_candidate_breaks_nobody_else(
    fake: FakeModel, toy_forms: tuple[Form, ...]
) -> None:
    prompts = np.zeros((3, 2, fake.hidden_size))
    prompts[1, 0, 0] = np.nan
    answers = fake.ask(prompts, Query(toy_forms, texts=("a",)))
    assert answers.divergence is not None
    assert np.isnan(answers.divergence).tolist() == [False, True, False]
    assert np.isnan(answers.probabilities).any(axis=(1, 2)).tolist() == [False, True, False]


def test_its_guard_is_the_mean_square(fake: FakeModel) -> None:
    prompts = np.stack([np.full((2, fake.hidden_size), size) for size in (0.0, 1.0, 2.0)])
    answers = fake.ask(prompts, Query(texts=("a text",)))
    assert answers.divergence is not None and answers.perplexity is not None
    assert answers.divergence.tolist() == pytest.approx([0, 0.2, 0.8])
    assert answers.perplexity.tolist() == pytest.approx((17 * np.exp([0, 0.2, 0.8])).tolist())
    assert fake.ask(prompts, Query()).divergence is None


def test_the_untouched_model_is_a_single_candidate(
    fake: FakeModel, toy_forms: tuple[Form, ...]
) -> None:
    untouched = fake.ask(None, Query(toy_forms, valid_mass=True))
    nothing = fake.ask(np.zeros((1, 3, fake.hidden_size)), Query(toy_forms))
    assert untouched.probabilities.tolist() == nothing.probabilities.tolist()
    assert untouched.valid_mass is not None
    assert untouched.valid_mass.shape == (1, len(toy_forms))


def test_effects_that_are_not_asked_for_change_nothing(toy_forms: tuple[Form, ...]) -> None:
    plain, same = FakeModel(), FakeModel(item_effect=1.0, order_effect=0.0)
    answers = [model.ask(None, Query(toy_forms)).probabilities for model in (plain, same)]
    assert answers[0].tobytes() == answers[1].tobytes()
    assert plain.model_hash() == same.model_hash() != FakeModel(order_effect=0.1).model_hash()
    assert plain.model_hash() != FakeModel(item_effect=0.5).model_hash()


@pytest.mark.parametrize("facet", ["wording", "frame", "order", "labels"])
def test_an_effect_moves_what_it_is_named_after(toy: Instrument, facet: str) -> None:
    effects: dict[str, Any] = {"form_effect": 0.0, f"{facet}_effect": 0.5}
    forms = [
        form for kind in LABELS for form in all_forms(toy, labels=kind) if form.item == "plans"
    ]
    answers = FakeModel(**effects).ask(None, Query(forms)).probabilities[0]
    levels = {
        "wording": [form.wording for form in forms],
        "frame": [form.frame for form in forms],
        "order": [(form.options, form.word_set is None) for form in forms],
        "labels": [form.answer_kind for form in forms],
    }[facet]
    by_level = {
        level: {p.tobytes() for p, own in zip(answers, levels, strict=True) if own == level}
        for level in levels
    }
    assert all(len(different) == 1 for different in by_level.values())
    assert len(set.union(*by_level.values())) == len(by_level) > 1


def test_other_words_are_another_form(vsm13: Instrument) -> None:
    forms = crossed_forms(vsm13, "tuning", "tuning", labels="words")
    answers = tuple(f"{answer}, I think" for answer in forms[0].labels)
    sets = (forms[:1], (replace(forms[0], labels=answers),))
    first, second = (FakeModel().ask(None, Query(asked)).probabilities for asked in sets)
    assert np.abs(first - second).max() > 1e-3
    assert FakeModel().generate_answers(forms)[0] in forms[0].labels
