"""Two models on the same forms: differences of scores and their paired intervals."""

from __future__ import annotations

import numpy as np
import pytest

import acculturate as ac
from acculturate.survey import Instrument


def test_differences_and_their_intervals(vsm13: Instrument):
    china = ac.load_countries()["China"]
    first, second = (ac.measure(ac.FakeModel(seed=seed), vsm13, target=china) for seed in (0, 1))
    compared = ac.compare_profiles(first, second, vsm13, target=china)
    for key, difference in compared.differences.items():
        assert difference.value == pytest.approx(second.scores[key] - first.scores[key])
        assert difference.interval is not None
        low, high = difference.interval
        assert low < difference.value < high
    assert compared.loss_difference is not None
    assert first.loss is not None
    assert second.loss is not None
    assert compared.loss_difference.value == pytest.approx(second.loss - first.loss)
    other_way = ac.compare_profiles(second, first, vsm13, target=china)
    for key, difference in other_way.differences.items():
        back = compared.differences[key]
        assert difference.value == pytest.approx(-back.value)
        assert difference.interval == pytest.approx([-end for end in reversed(back.interval or ())])


def test_a_model_does_not_differ_from_itself(vsm13: Instrument):
    same = ac.measure(ac.FakeModel(), vsm13)
    compared = ac.compare_profiles(same, same, vsm13)
    assert all(
        each.value == 0 and each.interval == (0, 0) for each in compared.differences.values()
    )
    assert {row[-1] for row in compared.rows()} == {"not shown"}
    assert compared.loss_difference is None


def test_pairs_are_surer_than_two_samples(vsm13: Instrument):
    """A nudge that forms give both models alike cancels in a difference."""
    shared = {"form_effect": 0.0, "wording_effect": 0.6}
    first = ac.measure(ac.FakeModel(seed=3, **shared), vsm13)
    moved = ac.measure(
        ac.FakeModel(seed=3, **shared),
        vsm13,
        soft_prompt=ac.SoftPrompt(np.full((1, 16), 0.05, np.float32), "front", "fake"),
    )
    compared = ac.compare_profiles(first, moved, vsm13)
    for key, difference in compared.differences.items():
        low, high = difference.interval or (0, 0)
        apart = sum(b - a for a, b in (first.intervals[key], moved.intervals[key]))
        assert high - low < apart / 2


def test_what_cannot_be_compared(vsm13: Instrument):
    model = ac.FakeModel()
    words = ac.measure(model, vsm13)
    digits = ac.measure(model, vsm13, forms=ac.all_forms(vsm13))
    with pytest.raises(ac.UsageError, match="not asked the same forms"):
        ac.compare_profiles(words, digits, vsm13)
    modal = ac.measure(model, vsm13, reading="modal")
    with pytest.raises(ac.UsageError, match="not read and scored alike"):
        ac.compare_profiles(words, modal, vsm13)
    china, summed = ac.load_countries()["China"], ac.Scoring(vsm13, aggregate="sum")
    by_sum = ac.measure(model, vsm13, target=china, scoring=summed)
    with pytest.raises(ac.UsageError, match="losses of fake and fake are of another kind"):
        ac.compare_profiles(by_sum, by_sum, vsm13, target=china)
    assert ac.compare_profiles(by_sum, by_sum, vsm13, target=china, scoring=summed)


def test_in_a_notebook(vsm13: Instrument):
    profile = ac.measure(ac.FakeModel(), vsm13)
    page = ac.compare_profiles(profile, profile, vsm13)._repr_html_()
    assert page.count("<tr>") == 1 + len(vsm13.dimensions)
