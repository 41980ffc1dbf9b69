import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acculturate.errors import UsageError
from acculturate.survey import (
    Scoring,
    balanced_forms,
    item_means,
    item_values,
    load_countries,
    load_instrument,
)
from acculturate.survey.instrument import DATA

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


# Projection of the Inglehart-Welzel map: center, scale, weights (expression, secular), and an answer in
# the surveys' own numbers, where Y003 runs from -2 to 2.
IW = {
    "a008": (1.8943346824, 0.71428942794, -0.23807309806, 0.49269801609, 2.0),
    "a165": (1.7249291681, 0.44655054645, -0.2251712732, 0.1488361647, 1.4),
    "e018": (1.5375948814, 0.72791694544, -0.014293231158, 0.32860123575, 3.0),
    "e025": (2.1269639031, 0.82373260626, -0.27281863433, 0.12800336475, 1.5),
    "f063": (7.1949652909, 3.2116353258, -0.18470853804, -0.21524790046, 3.5),
    "f118": (3.9094104719, 3.3945220392, 0.31012187775, -0.010659178321, 9.0),
    "f120": (3.8423957313, 3.0616139885, 0.2628449143, 0.090593025901, 6.0),
    "g006": (1.5694507646, 0.73247264575, -0.082774181417, 0.49177541639, 2.5),
    "y002": (1.7972968314, 0.61878304245, 0.1796722504, -0.080708482322, 3.0),
    "y003": (0.19721005786, 1.1374858635, 0.15181160734, 0.18147842385, 1.0),
}


def test_a_place_on_the_inglehart_welzel_map_computed_by_hand():
    instrument = load_instrument("inglehart-welzel")
    expression = 0.38 + 1.81 * sum((x - c) / d * w for c, d, w, _, x in IW.values())
    secular = -0.01 + 1.61 * sum((x - c) / d * w for c, d, _, w, x in IW.values())
    asked = {item: x + 3 if item == "y003" else x for item, (*_, x) in IW.items()}
    at = np.array([[asked[item.id] for item in instrument.items]])
    scoring = Scoring(instrument)
    assert scoring.scores(at)[0] == pytest.approx([expression, secular], abs=1e-5)
    center = {item: c + 3 if item == "y003" else c for item, (c, *_) in IW.items()}
    at = np.array([[center[item.id] for item in instrument.items]])
    assert scoring.scores(at)[0] == pytest.approx([0.38, -0.01], abs=1e-5)


def test_answers_move_a_place_the_way_the_map_is_read():
    instrument = load_instrument("inglehart-welzel")
    middle = np.array([[(instrument.options_of(item) + 1) / 2 for item in instrument.items]])
    base = Scoring(instrument).scores(middle)[0]
    for item, expression, secular in (
        ("a165", -1, 1),  # careful with people: towards survival
        ("e018", 0, 1),  # respect for authority is bad: secular
        ("f063", -1, -1),  # God is important: traditional
        ("f118", 1, 0),  # homosexuality is justified: self-expression
        ("g006", 0, 1),  # not proud: secular
        ("y002", 1, 0),  # postmaterialist: self-expression
        ("y003", 1, 1),  # independence instead of obedience: both
    ):
        at = middle.copy()
        at[0, [other.id for other in instrument.items].index(item)] += 0.5
        moved = Scoring(instrument).scores(at)[0] - base
        if expression:
            assert np.sign(moved[0]) == expression, item
        if secular:
            assert np.sign(moved[1]) == secular, item


def test_distance_is_the_instruments_own_aggregate():
    instrument = load_instrument("inglehart-welzel")
    places = np.array([[1.0, 2.0], [math.nan, 0.0]])
    target = np.array([4.0, -2.0])
    assert Scoring(instrument).aggregate == "distance"
    assert Scoring(VSM13).aggregate == Scoring(TOY).aggregate == "mean"
    assert Scoring(instrument).loss(places, target).tolist() == [5, math.inf]
    assert Scoring(instrument, aggregate="sum").loss(places, target)[0] == 7
    assert Scoring(instrument, aggregate="mean").loss(places, target)[0] == 3.5
    assert Scoring(TOY, aggregate="distance").lattice_floor(np.array([93.0, 120.0])) == (
        pytest.approx(math.hypot(5.5, 20))
    )


def test_centred_value_scores_computed_by_hand():
    instrument = load_instrument("portrait-values")
    assert len(instrument.items) == 21
    answers = {item.id: 3.0 for item in instrument.items}
    answers |= {"sd1": 6.0, "sd2": 5.0, "un1": 1.0, "un2": 2.0, "un3": 4.5, "po2": 1.0}
    mean = (15 * 3 + 6 + 5 + 1 + 2 + 4.5 + 1) / 21
    at = np.array([[answers[item.id] for item in instrument.items]])
    keys = [dimension.key for dimension in instrument.dimensions]
    found = dict(zip(keys, Scoring(instrument).scores(at)[0], strict=True))
    wanted = {"sd": 5.5, "un": 2.5, "po": 2.0}
    assert found == pytest.approx({key: wanted.get(key, 3.0) - mean for key in found}, abs=1e-12)
    alike = np.full((1, 21), 4.0)
    assert Scoring(instrument).scores(alike)[0] == pytest.approx(np.zeros(10), abs=1e-12)
    assert Scoring(instrument).scores(at + 1) == pytest.approx(Scoring(instrument).scores(at))


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
    with pytest.raises(UsageError, match="1000000000"):
        item_values(probabilities, "sampled", np.random.default_rng(0), 10**9)
