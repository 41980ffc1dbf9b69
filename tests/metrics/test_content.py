import time
from dataclasses import replace

import numpy as np
import pytest

from acculturate.metrics.content import content
from acculturate.model import FakeModel, Query
from acculturate.survey import (
    Form,
    Instrument,
    LabelKind,
    all_forms,
    balanced_forms,
    item_values,
    load_instrument,
)
from content_coverage import coverage

VSM13, TOY = load_instrument("vsm13"), load_instrument("toy")


def _answers(forms: tuple[Form, ...], seed: int, **spread: float) -> np.ndarray:
    """Draw answers whose items, and their interactions with facets, vary by given standard deviations."""
    rng, drawn = np.random.default_rng(seed), dict[tuple[object, ...], float]()

    def effect(name: str, *key: object) -> float:
        return drawn.setdefault((name, *key), float(rng.normal()) * spread.get(name, 0.0))

    return np.array(
        [
            effect("item", form.item)
            + effect("order", form.item, form.options)
            + effect("frame", form.item, form.frame)
            + effect("wording", form.item, form.wording)
            + effect("questionnaire", form.frame, form.order)
            + spread.get("rest", 0.0) * float(rng.normal())
            for form in forms
        ]
    )


@pytest.mark.parametrize(
    "forms", [balanced_forms(VSM13, "tuning", 960), all_forms(VSM13, split="held-out")]
)
def test_planted_components_are_found(forms: tuple[Form, ...]):
    planted = {"item": 0.8, "order": 0.6, "frame": 0.4, "rest": 0.5}
    found = [
        content(_answers(forms, s, questionnaire=2.0, **planted), forms, VSM13) for s in range(80)
    ]
    for name, spread in planted.items():
        mean = np.mean([one.components[name] for one in found if one is not None])
        assert mean == pytest.approx(spread**2, rel=0.2)


def test_the_coefficient_is_the_share_of_items_in_a_mean_over_forms():
    held_out = all_forms(VSM13, split="held-out")
    # In one wording an item has 2 frames x 2 orders.
    forms = tuple(form for form in held_out if form.wording == held_out[0].wording)
    found = content(_answers(forms, 1, item=1.0, order=0.5, rest=0.5), forms, VSM13)
    assert found is not None
    variance = found.components
    error = variance["order"] / 2 + variance["frame"] / 2 + variance["rest"] / 4
    assert found.coefficient == pytest.approx(variance["item"] / (variance["item"] + error))
    assert found.one_form == pytest.approx(variance["item"] / sum(variance.values()))
    assert found.coefficient > found.one_form
    assert found.one_wording
    all_four = content(_answers(held_out, 1, item=1.0, rest=0.5), held_out, VSM13)
    assert all_four is not None and not all_four.one_wording


def test_answers_that_follow_their_place_have_no_content():
    forms = all_forms(VSM13, split="held-out")
    pull = dict(zip([i.id for i in VSM13.items], np.linspace(-1, 1, 24), strict=True))
    places = np.array([(1 if form.order == "forward" else -1) * pull[form.item] for form in forms])
    found = content(3 + places, forms, VSM13)
    assert found is not None
    assert found.coefficient == pytest.approx(0, abs=1e-9)
    assert found.order_correlation == pytest.approx(-1)


def test_the_scale_an_item_stands_on_is_no_content():
    forms = balanced_forms(VSM13, "tuning", 144)
    place = {scale: index % 5 + 1.0 for index, scale in enumerate(VSM13.scales)}
    scale = {item.id: place[item.scale] for item in VSM13.items}
    values = np.array([scale[form.item] for form in forms])
    found = content(values + 0.1 * _answers(forms, 0, rest=1.0), forms, VSM13)
    assert found is not None
    assert found.coefficient < 0.5


@pytest.mark.parametrize(
    ("instrument", "forms"),
    [
        (VSM13, balanced_forms(VSM13, "tuning", labels="words")),  # every item once
        (TOY, all_forms(TOY)),  # two scales of two items
        (VSM13, tuple(form for form in all_forms(VSM13) if form.order == "forward")),
    ],
)
def test_too_few_forms_or_items_tell_nothing(instrument: Instrument, forms: tuple[Form, ...]):
    assert content(_answers(forms, 0, item=1.0), forms, instrument) is None


def test_answers_that_are_not_finite_tell_nothing():
    forms = all_forms(VSM13, split="held-out")
    assert content(np.full(len(forms), np.nan), forms, VSM13) is None


@pytest.mark.parametrize(
    ("labels", "rival"), [("digits", "places in the list"), ("words", "the words of the options")]
)
def test_little_content_is_said_in_a_sentence(labels: LabelKind, rival: str):
    forms = all_forms(VSM13, split="held-out", labels=labels)
    without, only = (
        content(_answers(forms, 0, **spread), forms, VSM13)
        for spread in ({"item": 0.1, "rest": 1.0}, {"item": 1.0, "rest": 0.1})
    )
    assert without is not None and only is not None
    assert without.warning is not None and f"about {rival}" in without.warning
    assert without.text in without.warning
    assert only.warning is None


@pytest.mark.parametrize("spread", [{"item": 0.3, "order": 1.0}, {"item": 1.0, "rest": 1.0}])
def test_the_interval_holds_the_coefficient(spread: dict[str, float]):
    forms = balanced_forms(VSM13, "tuning", 96)
    found = [content(_answers(forms, seed, **spread), forms, VSM13) for seed in range(20)]
    for one in found:
        assert one is not None
        assert 0 <= one.interval[0] <= one.coefficient <= one.interval[1] <= 1


def test_a_thousand_forms_are_quick():
    forms = all_forms(VSM13, labels="words")
    values, began = _answers(forms, 0, item=1.0, rest=1.0), time.process_time()
    assert content(values, forms, VSM13) is not None
    assert time.process_time() - began < 2


def test_answers_that_do_not_vary_have_no_content():
    forms = balanced_forms(VSM13, "tuning", 96)
    found = content(np.full(len(forms), 3.0), forms, VSM13)
    assert found is not None
    assert (found.coefficient, found.order_correlation) == (0, None)


@pytest.mark.parametrize(
    ("labels", "planted"), [("digits", 0.0), ("digits", 0.6), ("words", 0.6), ("words", 0.9)]
)
def test_the_interval_covers_what_a_fake_model_was_given(labels: LabelKind, planted: float):
    """benchmarks/content_coverage.py has more draws, forms and mixtures."""
    forms = all_forms(VSM13, split="held-out", labels=labels)
    effects = {"order": 0.2, "frame": 0.1, "form": 0.1}
    covered, _ = coverage(VSM13, forms, effects, planted, draws=30)
    assert covered >= 26 / 30


def test_a_pull_to_places_is_content_in_words_alone():
    model = FakeModel(form_effect=0.1, item_effect=0.3, order_effect=1.0)
    found = {}
    for labels in ("digits", "words"):
        forms = all_forms(VSM13, split="held-out", labels=labels)
        values = item_values(model.ask(None, Query(forms)).probabilities, "expected")[0]
        found[labels] = content(values, forms, VSM13)
    assert found["digits"] is not None and found["words"] is not None
    assert found["digits"].coefficient < 0.5 < found["words"].coefficient


def test_one_order_has_no_content_whatever_the_lengths_of_the_scales():
    survey = load_instrument("portrait-values")
    forms = tuple(form for form in all_forms(survey, split="tuning") if form.order == "forward")
    answers = _answers(forms, 0, item=1.0, rest=0.5)
    assert content(answers, forms, survey) is None
    half = {item.id for item in survey.items[::2]}
    mixed = tuple(
        replace(form, options=form.options[:5]) if form.item in half else form for form in forms
    )
    assert content(answers, mixed, survey) is None
