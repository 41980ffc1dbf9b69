"""Responsiveness of a model that reacts to statements as it was planted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import acculturate as ac
from acculturate import UsageError
from acculturate.metrics import Responsiveness, measure_responsiveness
from acculturate.metrics.responsiveness import ENOUGH, responsiveness_of
from acculturate.model import Answers, FakeModel, Query, SoftPrompt
from acculturate.survey import Instrument, Scoring, load_instrument

VSM13, TOY = load_instrument("vsm13"), load_instrument("toy")


class ToldModel(FakeModel):
    """A model that moves by a planted share of each range from the low to the high pole of a dimension.

    Args:
        reaction: Dimension told x dimension scored.
        noise: Standard deviation of what a way of asking adds to each share.
    """

    def __init__(self, reaction: Any, instrument: Instrument = VSM13, noise: float = 0.0) -> None:
        super().__init__()
        scoring = Scoring(instrument)
        ranges = [d.range[1] - d.range[0] for d in scoring.dimensions]
        self._reaction, self._noise, self._items = reaction, noise, instrument.items
        self._back = np.linalg.pinv(scoring.weights) * ranges
        self._poles = [
            (line, number, sign)
            for number, ends in enumerate(instrument.language("en").poles.values())
            for line, sign in ((ends.low, -0.5), (ends.high, 0.5))
        ]

    def ask(self, prompts: Any, query: Query) -> Answers:
        widest = max(len(form.options) for form in query.forms)
        p = np.zeros((1, len(query.forms), widest))
        for column, form in enumerate(query.forms):
            shift = np.zeros(len(self._back))
            for line, number, sign in self._poles:
                if form.told and form.line == line and form.text.startswith(f"{line}\n"):
                    way = self._stream(line, str(form.word_set), form.frame, form.order)
                    noise = self._noise * way.normal(size=self._back.shape[1]) / np.sqrt(0.5)
                    shift = self._back @ (sign * np.asarray(self._reaction)[number] + noise / 2)
            at = [item.id for item in self._items].index(form.item)
            count = len(form.options)
            high = 0.5 + shift[at] / (count - 1)
            assert 0 <= high <= 1
            p[0, column, 0], p[0, column, count - 1] = 1 - high, high
        mass = np.ones(p.shape[:2]) if query.valid_mass else None
        return Answers(tuple(query.forms), p, valid_mass=mass)


def told(reaction: Any, **options: Any) -> Responsiveness:
    found = measure_responsiveness(ToldModel(reaction, **options), VSM13)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("reaction", "value"),
    [
        (np.zeros((6, 6)), 0.0),
        (np.full((6, 6), 0.3), 0.0),
        (-np.eye(6), 0.0),
        (np.eye(6), 1.0),
        (np.eye(6) * 0.4, 0.4),
        (np.eye(6) * 0.5 + np.roll(np.eye(6), 1, axis=1) * -0.5, 0.4),
    ],
    ids=["none", "alike", "against", "perfect", "partly", "beside"],
)
def test_a_planted_reaction_is_found(reaction: Any, value: float) -> None:
    found = told(reaction)
    assert found.value == pytest.approx(value)
    assert found.interval == pytest.approx((value, value))
    assert found.ways == 4
    assert found.passed == (found.warning is None) == (value >= ENOUGH)
    for number, dimension in enumerate(found.dimensions.values()):
        assert dimension.points == pytest.approx(100 * reaction[number, number])
        assert dimension.share == pytest.approx(reaction[number, number])
        assert dimension.spread == pytest.approx(0)
        others = np.abs(np.delete(reaction[number], number)).mean()
        assert dimension.others == pytest.approx(others)
    if value:
        assert {d.consistency for d in found.dimensions.values()} == {1.0}


def test_the_warning_says_how_far_it_moves():
    warning = told(np.full((6, 6), 0.12)).warning
    assert warning is not None
    assert (
        "by 12\N{NO-BREAK SPACE}% of the dimension's range and by 12\N{NO-BREAK SPACE}% on"
        in warning
    )


def test_ways_that_differ_give_an_interval():
    found = told(np.eye(6) * 0.5, noise=0.1)
    low, high = found.interval or (0, 0)
    assert 0 < low < found.value < high < 1
    assert all(d.spread > 0 for d in found.dimensions.values())


@pytest.mark.parametrize(("dimensions", "most"), [(2, 0.07), (6, 0.01)])
def test_reactions_at_random_seldom_pass(dimensions: int, most: float) -> None:
    scoring = Scoring({2: TOY, 6: VSM13}[dimensions])
    rng = np.random.default_rng(0)
    passed = [
        responsiveness_of(rng.normal(size=(1, dimensions, dimensions)) * 50, scoring).passed
        for _ in range(2000)
    ]
    assert np.mean(passed) < most


def test_intervals_hold_the_planted_value_at_their_level():
    planted = np.diag([50.0] * 6) + 5 * (1 - np.eye(6))
    rng, held = np.random.default_rng(0), []
    for _ in range(400):
        noise = rng.normal(size=(4, 6, 6)) * 5
        found = responsiveness_of(planted + noise, Scoring(VSM13))
        assert found.interval is not None
        own = [d.interval for d in found.dimensions.values() if d.interval is not None]
        held.append(
            (found.interval[0] <= 0.45 <= found.interval[1], *(a <= 50 <= b for a, b in own))
        )
    value, *own = np.mean(held, axis=0)
    assert 0.9 < value < 0.99
    assert 0.93 < np.mean(own) < 0.97


@pytest.mark.parametrize("labels", ["digits", "letters", "words"])
@pytest.mark.parametrize("name", ["vsm13", "inglehart-welzel", "portrait-values"])
def test_every_way_is_a_whole_questionnaire(name: str, labels: Any) -> None:
    """What only differs between ways differs in all items of a way: no score moves."""
    instrument = load_instrument(name)

    class ByWay(FakeModel):
        def ask(self, prompts: Any, query: Query) -> Answers:
            p = np.zeros((1, len(query.forms), 10))
            for column, form in enumerate(query.forms):
                share = self._stream(form.line, form.frame, form.order, str(form.word_set))
                high = share.uniform()
                p[0, column, 0], p[0, column, 1] = 1 - high, high
            return Answers(tuple(query.forms), p[:, :, : max(len(f.options) for f in query.forms)])

    found = measure_responsiveness(ByWay(), instrument, labels=labels)
    assert found is not None
    if name != "inglehart-welzel":  # whose weights do not sum to nothing
        assert [d.points for d in found.dimensions.values()] == pytest.approx(
            [0] * len(found.dimensions)
        )


def test_without_poles_there_is_nothing_to_tell():
    english = replace(TOY.language("en"), poles={})
    silent = replace(TOY, languages={"en": english})
    assert measure_responsiveness(FakeModel(), silent) is None
    with pytest.raises(UsageError, match='"toy" has no poles in "en"') as caught:
        ac.check(FakeModel(), silent)
    assert "[languages.en.poles]" in str(caught.value.hint)


def test_a_check_says_by_which_reading_a_model_is_fit():
    class OnlyByLetters(ToldModel):
        def ask(self, prompts: Any, query: Query) -> Answers:
            if query.forms[0].word_set is not None:
                raise UsageError("no words here")
            lettered = query.forms[0].labels[0] == "A"
            answers = super().ask(prompts, query)
            if lettered:
                return answers
            p = np.full_like(answers.probabilities, 0.2)
            return replace(answers, probabilities=p)

    checked = ac.check(OnlyByLetters(np.eye(6)), VSM13)
    assert not checked.readings["digits"].passed
    assert checked.readings["letters"].responsiveness.value == pytest.approx(1)
    assert checked.refused == {"words": "no words here"}
    assert checked.to_dict()["readings"]["letters"]["responsiveness"]["value"] > 0.9


def test_a_model_that_nothing_moves_is_not_fit():
    checked = ac.check(FakeModel(), VSM13, labels=["digits"])
    assert checked.fit == ()
    assert "nothing about a culture" in checked.sentence
    assert "by digits content" in checked.sentence


def test_a_prompt_with_a_persona_line_is_told_with_it():
    class Listening(FakeModel):
        def ask(self, prompts: Any, query: Query) -> Answers:
            heard.extend(form.text for form in query.forms)
            return super().ask(prompts, query)

    heard: list[str] = []
    prompt = SoftPrompt(np.zeros((1, 16), np.float32), "front", "fake", line="Be from Toyland.")
    measure_responsiveness(Listening(), TOY, soft_prompt=prompt)
    assert heard and all("Be from Toyland." in text for text in heard)


def test_answers_that_are_not_finite_are_no_zero():
    broken = responsiveness_of(np.full((4, 6, 6), np.nan), Scoring(VSM13))
    assert np.isnan(broken.value) and not broken.passed
