"""Profiles of the fake model against hand-made sums."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import acculturate
from acculturate.display import show_profile
from acculturate.errors import UsageError
from acculturate.metrics import Profile, profile
from acculturate.metrics.measure import measure
from acculturate.metrics.scores import nearest_countries
from acculturate.model import Answers, FakeModel, Query, SoftPrompt
from acculturate.survey import (
    CountryTable,
    Form,
    Instrument,
    LabelKind,
    Scoring,
    all_forms,
    balanced_forms,
    load_countries,
)
from acculturate.survey.countries import default_table
from acculturate.survey.selection import choose_forms

PUBLISHED = {"pdi": 40, "idv": 91, "mas": 62, "uai": 46, "lto": 26, "ivr": 68}


@pytest.fixture(scope="session")
def table() -> CountryTable:
    return load_countries("hofstede-insights")


@pytest.fixture(scope="session")
def toy_table(tmp_path_factory: pytest.TempPathFactory) -> CountryTable:
    path = tmp_path_factory.mktemp("tables") / "toyland.csv"
    path.write_text("country,planning,company\nFrance,60,40\nJapan,40,55\nPeru,,50\n")
    return load_countries(str(path))


def steady(means: dict[str, float]) -> tuple[FakeModel, SoftPrompt]:
    """A fake model without form effects, and the prompt under which its items have these means."""
    model = FakeModel(form_effect=0)
    return model, SoftPrompt(model.optimum(means, tokens=2), "front", "fake")


def answered(forms: tuple[Form, ...], chosen: dict[str, list[float]]) -> Answers:
    """Answers that give every form of an item the same probabilities."""
    probabilities = np.zeros((1, len(forms), 5))
    for row, form in enumerate(forms):
        probabilities[0, row, : len(chosen[form.item])] = chosen[form.item]
    return Answers(forms, probabilities, valid_mass=np.full((1, len(forms)), 0.5))


def vsm13_means(**changes: float) -> dict[str, float]:
    return {f"m{k:02d}": 3.0 for k in range(1, 25)} | changes


def test_scores_are_the_hand_computed_ones(vsm13: Instrument, table: CountryTable) -> None:
    means = vsm13_means(
        m07=4.5, m02=2.25, m20=3.5, m23=1.5, m04=1.25, m18=4.75, m15=4.0, m13=2.0, m17=1.5
    )
    model, prompt = steady(means)
    found = measure(
        model,
        vsm13,
        soft_prompt=prompt,
        forms=choose_forms(vsm13, "tuning", labels="digits"),
        target=table["United States"],
    )
    expected = {
        "pdi": 35 * (4.5 - 2.25) + 25 * (3.5 - 1.5) + 50,
        "idv": 35 * (1.25 - 3) + 50,
        "mas": 50.0,
        "uai": 40 * (4.75 - 4) + 50,
        "lto": 40 * (2 - 3) + 50,
        "ivr": 40 * (1.5 - 3) + 50,
    }
    assert found.scores == pytest.approx(expected, abs=1e-3)
    assert found.item_means == pytest.approx(means, abs=1e-5)
    loss = np.mean([abs(expected[key] - PUBLISHED[key]) for key in PUBLISHED])
    assert found.loss == pytest.approx(loss, abs=1e-3)
    # Without form effects nothing hangs on the way of asking.
    assert found.intervals["pdi"] == pytest.approx((expected["pdi"],) * 2, abs=1e-3)
    assert found.loss_interval == pytest.approx((loss, loss), abs=1e-3)
    constant = np.mean([abs(50 - score) for score in PUBLISHED.values()])
    assert found.constant_answer_loss == pytest.approx(constant)
    assert found.constant_answer_loss == pytest.approx(18.2, abs=0.05)
    assert (found.floor, found.forms, found.valid_mass) == (None, 2880, pytest.approx(0.9))


def test_the_anchor_moves_scores_alone(vsm13: Instrument, fake: FakeModel) -> None:
    target = load_countries()["China"]
    half = measure(fake, vsm13, forms="held-out", target=target)
    zero = measure(
        fake, vsm13, forms="held-out", target=target, scoring=Scoring(vsm13, anchor="zero")
    )
    own = measure(
        fake,
        vsm13,
        forms="held-out",
        scoring=Scoring(vsm13, anchor={**dict.fromkeys(PUBLISHED, 0), "mas": 7}),
    )
    assert half.scores == pytest.approx({key: zero.scores[key] + 50 for key in zero.scores})
    assert own.anchor == {**dict.fromkeys(PUBLISHED, 0), "mas": 7}
    assert half.item_means == zero.item_means == own.item_means
    assert half.anchor == dict.fromkeys(PUBLISHED, 50)


def test_readings_by_hand(toy: Instrument) -> None:
    forms = balanced_forms(toy, "tuning")
    answers = answered(
        forms,
        {
            "plans": [0.5, 0, 0, 0, 0.5],
            "whims": [0, 0, 0.6, 0.4, 0],
            "crowd": [0.2, 0.3, 0.5],
            "alone": [1, 0, 0],
        },
    )
    scoring = Scoring(toy)
    expected = profile(answers, "x", scoring, target=None, table=None)
    assert expected.item_means == pytest.approx(
        {"plans": 3, "whims": 3.4, "crowd": 2.3, "alone": 1}
    )
    assert expected.scores == pytest.approx(
        {"planning": 12.5 * 0.4 + 50, "company": 25 * (1 - 2.3) + 50}
    )
    modal = profile(answers, "x", scoring, target=None, table=None, reading="modal")
    assert modal.item_means == {"plans": 1, "whims": 3, "crowd": 3, "alone": 1}
    assert expected.valid_mass == 0.5
    many = profile(
        answers, "x", scoring, target=None, table=None, reading="sampled", respondents=20000
    )
    assert many.item_means == pytest.approx(expected.item_means, abs=0.05)


def test_sampled_respondents_are_repeatable(toy: Instrument, fake: FakeModel) -> None:
    found = [
        measure(fake, toy, reading="sampled", respondents=10, seed=seed).item_means
        for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]
    drawn = 10 * len(all_forms(toy)) / len(toy.items)
    sums = np.array(list(found[0].values())) * drawn
    np.testing.assert_allclose(sums, sums.round(), atol=1e-6)


def test_the_floor_is_there_for_whole_answers_alone(vsm13: Instrument, fake: FakeModel) -> None:
    target = load_countries("hofstede-2015")["us"]
    forms = balanced_forms(vsm13, "tuning")
    found = {
        reading: measure(fake, vsm13, forms=forms, target=target, reading=reading).floor
        for reading in ("expected", "modal", "sampled")
    }
    # Two forms an item: means move in halves. By hand, 0 + 6 + 5.5 + 1 + 1 + 0.5 over six dimensions.
    assert found == {"expected": None, "modal": pytest.approx(14 / 6), "sampled": None}
    one = measure(
        fake,
        vsm13,
        forms=[f for f in forms if f.order == "forward"],
        target=target,
        reading="modal",
    )
    assert one.floor == pytest.approx(3.67, abs=0.005)


def test_intervals_hang_on_the_forms_and_the_seed_alone(vsm13: Instrument) -> None:
    model = FakeModel(form_effect=0.3)
    target = load_countries()["India"]
    first, again, other = (
        measure(model, vsm13, forms="tuning", target=target, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert first.scores == other.scores and first.intervals != other.intervals
    assert first.loss_interval is not None and first.loss is not None
    for key, (low, high) in first.intervals.items():
        assert low < first.scores[key] < high
        assert other.intervals[key] == pytest.approx((low, high), abs=2)
    assert first.loss_interval[0] < first.loss < first.loss_interval[1]


def test_more_forms_give_narrower_intervals(vsm13: Instrument) -> None:
    model = FakeModel(form_effect=0.3)
    few = measure(model, vsm13, forms=balanced_forms(vsm13, "tuning", 96))
    many = measure(model, vsm13, forms=choose_forms(vsm13, "tuning", labels="digits"))
    widths = [
        np.mean([high - low for low, high in found.intervals.values()]) for found in (few, many)
    ]
    assert widths[1] < 0.7 * widths[0]


def test_intervals_cover_the_score_over_all_forms(vsm13: Instrument) -> None:
    """The score over few forms is a sample of the score over all; its interval mostly holds that."""
    held = total = 0
    for seed in range(10):
        model = FakeModel(seed=seed, form_effect=0.3)
        few = measure(model, vsm13, forms=balanced_forms(vsm13, "tuning", 144))
        whole = measure(model, vsm13, forms=choose_forms(vsm13, "tuning", labels="digits"))
        for key, (low, high) in few.intervals.items():
            held += low <= whole.scores[key] <= high
            total += 1
    assert held / total > 0.8


def test_nearest_countries_are_in_order(vsm13: Instrument, table: CountryTable) -> None:
    scoring = Scoring(vsm13)
    target = table["Japan"]
    found = nearest_countries(target.vector(vsm13), scoring, table)
    assert found[0] == ("Japan", 0.0)
    assert [loss for _, loss in found] == sorted(loss for _, loss in found)
    assert {name for name, _ in found} == {country.name for country in table.complete()}
    by_name = dict(found)
    france = table["France"].vector(vsm13)
    assert by_name["France"] == pytest.approx(np.abs(france - target.vector(vsm13)).mean())


def test_a_model_at_a_country_is_nearest_to_it(vsm13: Instrument, table: CountryTable) -> None:
    target = table["United States"]
    means = vsm13_means(
        m07=3 - 10 / 35, m04=3 + 41 / 35, m05=3 + 12 / 35, m18=3 - 4 / 40, m13=3 - 24 / 40,
        m17=3 + 18 / 40,
    )  # fmt: skip
    model, prompt = steady(means)
    found = measure(
        model,
        vsm13,
        soft_prompt=prompt,
        forms=choose_forms(vsm13, "held-out", labels="digits"),
        target=target,
    )
    assert found.loss == pytest.approx(0, abs=1e-4)
    assert found.nearest[0] == ("United States", pytest.approx(0, abs=1e-4))
    assert len(found.nearest) == 5
    assert found.table == "hofstede-insights"


def test_countries_with_a_missing_score_are_never_nearest(
    toy: Instrument, fake: FakeModel, toy_table: CountryTable
) -> None:
    found = measure(fake, toy, table=toy_table)
    assert {name for name, _ in found.nearest} == {"France", "Japan"}
    assert found.table == "toyland"


def test_the_table_is_the_targets(vsm13: Instrument, toy: Instrument) -> None:
    china = load_countries("hofstede-2015")["China"]
    chosen = default_table(vsm13, china)
    assert chosen is not None and chosen.key == "hofstede-2015"
    chosen = default_table(vsm13, None)
    assert chosen is not None and chosen.key == "hofstede-insights"
    assert default_table(toy, None) is None


def test_a_target_from_a_table_of_ones_own(
    toy: Instrument, fake: FakeModel, toy_table: CountryTable
) -> None:
    found = measure(fake, toy, target=toy_table["France"], table=toy_table)
    planning, company = found.scores["planning"], found.scores["company"]
    assert found.loss == pytest.approx((abs(planning - 60) + abs(company - 40)) / 2)
    assert found.country == "France"


def test_a_target_of_ones_own_needs_no_table(
    toy: Instrument, fake: FakeModel, toy_table: CountryTable
) -> None:
    found = measure(fake, toy, target=toy_table["Japan"])
    assert found.loss is not None
    assert (found.table, found.nearest) == (None, ())


ALWAYS = {
    "model", "instrument", "table", "content", "anchor", "reading", "forms", "scores", "intervals",
    "item_means", "valid_mass", "nearest", "warnings", "responsiveness",
}  # fmt: skip
WITH_A_TARGET = {"loss", "floor", "constant_answer_loss"}


def test_the_keys_of_a_profile(vsm13: Instrument, toy: Instrument, fake: FakeModel) -> None:
    forms = balanced_forms(vsm13, "tuning")
    plain = measure(fake, vsm13, forms=forms).to_dict()
    assert set(plain) == ALWAYS
    aimed = measure(fake, vsm13, forms=forms, target=load_countries()["us"]).to_dict()
    assert set(aimed) == ALWAYS | WITH_A_TARGET | {"country", "loss_interval"}
    assert set(measure(fake, toy).to_dict()) == ALWAYS


def test_a_profile_is_json(vsm13: Instrument, fake: FakeModel) -> None:
    found = measure(fake, vsm13, forms="tuning", target=load_countries()["us"]).to_dict()
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again["scores"] == found["scores"]
    assert again["nearest"] == [list(pair) for pair in found["nearest"]]
    assert again["intervals"] == {key: list(pair) for key, pair in found["intervals"].items()}
    assert (again["model"], again["instrument"], again["reading"]) == ("fake", "vsm13", "expected")


@pytest.mark.parametrize(("choice", "split"), [("tuning", "tuning"), ("held-out", "held-out")])
def test_forms_of_one_split(toy: Instrument, choice: str, split: str) -> None:
    assert choose_forms(toy, choice) == tuple(
        f for f in all_forms(toy, labels="words") if f.split == split
    )
    assert choose_forms(toy, "all") == all_forms(toy, labels="words")


def test_an_unknown_choice_of_forms(toy: Instrument) -> None:
    with pytest.raises(UsageError, match="no forms called 'most'"):
        choose_forms(toy, "most")


def test_a_soft_prompt_is_put_where_it_was_made_for(toy: Instrument) -> None:
    class Listening(FakeModel):
        heard: str | None = None

        def ask(self, prompts: Any, query: Query) -> Answers:
            self.heard = query.placement
            return super().ask(prompts, query)

    model = Listening()
    measure(
        model,
        toy,
        forms=all_forms(toy),
        soft_prompt=SoftPrompt(np.ones((2, 16), np.float32), "after-bos", "fake"),
    )
    assert model.heard == "after-bos"


def test_a_broken_candidate_has_no_scores_and_an_infinite_loss(
    vsm13: Instrument, fake: FakeModel
) -> None:
    prompt = SoftPrompt(np.full((1, 16), np.nan, np.float32), "front", "fake")
    found = measure(
        fake, vsm13, soft_prompt=prompt, forms="held-out", target=load_countries()["us"]
    )
    assert all(np.isnan(score) for score in found.scores.values())
    assert found.loss == np.inf


def test_a_dimension_whose_items_were_not_asked_has_no_score(
    toy: Instrument, fake: FakeModel, toy_table: CountryTable
) -> None:
    twice = balanced_forms(toy, "tuning", 16)
    forms = tuple(form for form in twice if form.item in ("plans", "whims"))
    found = measure(fake, toy, forms=forms, target=toy_table["France"])
    assert np.isfinite(found.scores["planning"]) and np.isnan(found.scores["company"])
    assert np.isfinite(found.intervals["planning"]).all()
    single = measure(fake, toy, forms=balanced_forms(toy, "tuning"), target=toy_table["France"])
    assert (single.intervals, single.loss_interval) == ({}, None)
    assert np.isnan(found.intervals["company"]).all()
    assert np.isnan(found.item_means["crowd"])
    assert found.loss == np.inf


def test_the_profile_of_another_candidate(vsm13: Instrument, fake: FakeModel) -> None:
    forms = balanced_forms(vsm13, "tuning")
    prompts = np.random.default_rng(0).normal(size=(3, 2, 16)).astype(np.float32)
    answers = fake.ask(prompts, Query(forms, valid_mass=True))
    second = profile(answers, "fake", Scoring(vsm13), target=None, table=None, candidate=1)
    alone = measure(fake, vsm13, soft_prompt=SoftPrompt(prompts[1], "front", "fake"), forms=forms)
    assert second.scores == pytest.approx(alone.scores)


def test_it_is_a_public_name(tmp_path: Path) -> None:
    assert acculturate.measure is measure
    assert acculturate.Profile is Profile


@pytest.mark.parametrize(("labels", "of_places"), [("digits", True), ("words", False)])
def test_the_first_line_says_where_answers_are_about_places(
    labels: LabelKind, of_places: bool, vsm13: Instrument, capsys: pytest.CaptureFixture[str]
) -> None:
    model = FakeModel(item_effect=0.3, order_effect=1.0)
    found = measure(model, vsm13, forms=choose_forms(vsm13, "held-out", labels=labels))
    show_profile(found, vsm13, None)
    assert found.content is not None
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("These answers are about places in the list") == of_places
    name = f"fake in {vsm13.title}: content {found.content.coefficient:.2f}"
    assert name in (others[1] if of_places else first)
    assert others[0].startswith("Do not read the scores") == of_places
    assert found.to_dict()["content"]["coefficient"] == found.content.coefficient
    assert f"content {found.content.coefficient:.2f}" in repr(found)
