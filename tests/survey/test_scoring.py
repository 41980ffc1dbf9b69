import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acculturate.errors import UsageError
from acculturate.survey.countries import load_countries
from acculturate.survey.forms import balanced_forms
from acculturate.survey.instrument import DATA, load_instrument
from acculturate.survey.scoring import Scoring, item_means, item_values

VSM13 = load_instrument("vsm13")
TOY = load_instrument("toy")
INSIGHTS = load_countries("hofstede-insights")

means_of_24 = st.lists(st.floats(1, 5), min_size=24, max_size=24)


def means(**others: float) -> np.ndarray:
    return np.array([[others.get(item.id, 3.0) for item in VSM13.items]])


def test_scores_computed_by_hand():
    scores = Scoring(VSM13).scores(
        means(m07=2, m02=1.5, m20=3.2, m23=2.8, m05=1, m03=4, m08=5, m10=2, m18=4.5, m15=1)
    )
    # PDI 35(2-1.5)+25(3.2-2.8)+50; MAS 35(1-4)+35(5-2)+50; UAI 40(4.5-1)+50
    assert scores[0] == pytest.approx([77.5, 50, 50, 190, 50, 50])
    cat = Scoring(VSM13, "zero", variant="cat").scores(means(m05=1, m03=4, m08=5, m10=2))
    assert cat[0] == pytest.approx([0, 0, 35 * -3 + 25 * 3, 0, 0, 0])


def test_raw_ranges():
    weights = Scoring(VSM13, "zero").weights
    highest = np.where(weights > 0, 5, 1) * weights
    assert highest.sum(axis=1).tolist() == [240, 280, 280, 260, 260, 300]


@pytest.mark.parametrize(
    ("country", "floor", "floor_at_zero", "constant"),
    [
        ("United States", 3.67, 4.33, 18.2),
        ("China", 4.00, 3.67, 26.5),
        ("India", 2.00, 5.17, 11.7),
        ("Saudi Arabia", 2.50, 4.50, 17.3),
    ],
)
def test_floor_and_constant_answer(
    country: str, floor: float, floor_at_zero: float, constant: float
):
    target = INSIGHTS[country].vector(VSM13)
    scoring = Scoring(VSM13)
    assert scoring.lattice_floor(target) == pytest.approx(floor, abs=0.005)
    assert Scoring(VSM13, "zero").lattice_floor(target) == pytest.approx(floor_at_zero, abs=0.005)
    assert scoring.constant_answer_loss(target) == pytest.approx(constant, abs=0.05)
    total = Scoring(VSM13, aggregate="sum")
    assert total.constant_answer_loss(target) == pytest.approx(6 * constant, abs=0.3)
    assert total.lattice_floor(target) == pytest.approx(6 * floor, abs=0.03)


@settings(max_examples=30, deadline=None)
@given(answers=means_of_24, shift=st.floats(-2, 2))
def test_scores_do_not_change_with_a_shift_of_every_answer(answers: list[float], shift: float):
    scoring = Scoring(VSM13)
    at = np.array([answers])
    assert scoring.scores(at + shift) == pytest.approx(scoring.scores(at), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(answers=means_of_24)
def test_anchor_is_an_offset(answers: list[float]):
    at = np.array([answers])
    zero = Scoring(VSM13, "zero").scores(at)
    own = {"pdi": 1.0, "idv": 2.0, "mas": 3.0, "uai": 4.0, "lto": 5.0, "ivr": 6.0}
    assert Scoring(VSM13, own).scores(at) - zero == pytest.approx(np.arange(1.0, 7)[None])
    assert Scoring(VSM13).scores(at) - zero == pytest.approx(np.full((1, 6), 50.0))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=24, max_size=24))
def test_no_whole_number_answers_beat_the_floor(answers: list[int]):
    scoring, target = Scoring(VSM13), INSIGHTS["us"].vector(VSM13)
    loss = scoring.loss(scoring.scores(np.array([answers], dtype=float)), target)[0]
    assert loss >= (scoring.lattice_floor(target) or 0) - 1e-9


def test_floor_is_none_where_dimensions_share_items(tmp_path: Path):
    toy = (DATA / "toy.toml").read_text(encoding="utf-8")
    path = tmp_path / "shared.toml"
    path.write_text(toy.replace("crowd = -25", "plans = -25"), encoding="utf-8")
    assert Scoring(load_instrument(path)).lattice_floor(np.array([50.0, 50.0])) is None


def test_floor_knows_each_items_own_number_of_options():
    assert Scoring(TOY).lattice_floor(np.array([93.0, 120.0])) == pytest.approx((5.5 + 20) / 2)


def test_readings():
    probabilities = np.array([[[0.5, 0.0, 0.5], [0.1, 0.2, 0.7], [0.25, 0.5, 0.25]]])
    assert item_values(probabilities, "expected")[0] == pytest.approx([2, 2.6, 2])
    assert item_values(probabilities, "modal")[0].tolist() == [1, 3, 2]
    draw = [item_values(probabilities, "sampled", np.random.default_rng(7), 5) for _ in range(2)]
    assert np.array_equal(*draw)
    assert set(np.round(draw[0].ravel() * 5, 9) % 1) == {0}
    many = item_values(probabilities, "sampled", np.random.default_rng(7), 40_000)
    assert many[0] == pytest.approx([2, 2.6, 2], abs=0.03)
    single = item_values(probabilities.astype(np.float32), "sampled", np.random.default_rng(1), 3)
    assert np.isfinite(single).all()


@pytest.mark.parametrize("reading", ["expected", "modal", "sampled"])
def test_a_broken_candidate_stays_broken_and_never_wins(reading):
    forms = balanced_forms(TOY, "tuning")
    probabilities = np.zeros((2, len(forms), 5))
    probabilities[..., :3] = 1 / 3
    probabilities[1, 0] = np.nan
    values = item_values(probabilities, reading, np.random.default_rng(0), 10)
    assert np.isnan(values[1, 0])
    assert np.isfinite(values[1, 1:]).all()
    scoring = Scoring(TOY)
    scores = scoring.scores(item_means(values, forms, TOY))
    losses = scoring.loss(scores, np.array([50.0, 50.0]))
    assert np.isfinite(losses[0])
    assert losses[1] == math.inf
    assert np.isfinite(scores[1, 1])


def test_reversed_order_maps_back():
    forms = balanced_forms(VSM13, "tuning")
    answers = np.random.default_rng(0).dirichlet(np.ones(5), len(VSM13.items))
    index = {item.id: number for number, item in enumerate(VSM13.items)}
    shown = [answers[index[form.item]][list(form.options)] for form in forms]
    own = np.zeros((1, len(forms), 5))
    for number, form in enumerate(forms):
        own[0, number, list(form.options)] = shown[number]
    at = item_means(item_values(own, "expected"), forms, VSM13)
    assert at[0] == pytest.approx(answers @ np.arange(1, 6))


def test_an_item_without_a_form_is_nan_and_only_its_dimension_suffers():
    forms = [form for form in balanced_forms(VSM13, "tuning") if form.item != "m07"]
    at = item_means(np.full((1, len(forms)), 3.0), forms, VSM13)
    assert np.isnan(at[0, 6])
    scores = Scoring(VSM13).scores(at)
    assert np.isnan(scores[0, 0])
    assert scores[0, 1:].tolist() == [50] * 5


def test_constant_answer_is_the_best_of_all_where_weights_do_not_cancel():
    scoring = Scoring(TOY, "zero", variant="crowd-only")  # company = -50 x answer
    assert scoring.constant_answer_loss(np.array([0.0, -90.0])) == pytest.approx(5)


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"variant": "cats"}, "cats", "cat"),
        ({"anchor": {"pdi": 50.0}}, "idv, mas, uai, lto, ivr", "each"),
        ({"anchor": dict.fromkeys(("pdi", "idv", "mas", "uai", "lto", "irv"), 1.0)}, "irv", "ivr"),
        ({"anchor": {"pdi": math.nan}}, "nan", "finite"),
    ],
)
def test_settings_that_do_not_exist(settings, message: str, hint: str):
    with pytest.raises(UsageError) as caught:
        Scoring(VSM13, **settings)
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("settings", [{"anchor": "middle"}, {"aggregate": "max"}])
def test_words_that_do_not_exist(settings):
    word = next(iter(settings.values()))
    with pytest.raises((UsageError, TypeError), match=word):  # TypeError where types are checked
        Scoring(VSM13, **settings)
    with pytest.raises((UsageError, TypeError), match=word):
        item_values(np.full((1, 1, 2), 0.5), word)


def test_sampling_needs_a_generator_and_respondents():
    probabilities = np.full((1, 1, 2), 0.5)
    with pytest.raises(UsageError, match="generator"):
        item_values(probabilities, "sampled")
    with pytest.raises(UsageError, match="0"):
        item_values(probabilities, "sampled", np.random.default_rng(0), 0)
