"""Behaviour: models that follow the survey, ignore it or go the other way; the judge; numbers by hand."""

import math

import numpy as np
import pytest
from scipy.special import expit

from acculturate.errors import UsageError
from acculturate.metrics.behaviour import (
    BehaviourSettings,
    JudgeCheck,
    _alpha,
    measure_choices,
    measure_writing,
)
from acculturate.metrics.scenarios import load_scenarios
from acculturate.model import Answers, FakeModel, SoftPrompt
from acculturate.survey import Line

WANTED = {"pdi": 30.0, "idv": -50.0, "mas": 10.0, "uai": -10.0, "lto": 40.0, "ivr": -40.0}
SETTINGS = BehaviourSettings(WANTED, {"tuned": WANTED, "persona": {"pdi": 3.0, "idv": -2.0}})
PROMPT = SoftPrompt(np.ones((2, 16)), "front", model="fake")


@pytest.fixture(scope="module")
def scenarios(vsm13):
    return load_scenarios(vsm13)


class Acting(FakeModel):
    """Moves the log-odds of the high pole by `gain` for a point of the survey's shift."""

    def __init__(self, scenarios, gain=0.02, noise=0.0, place=0.0, judges=True):
        super().__init__()
        self.scenarios, self.gain, self.noise, self.place = scenarios, gain, noise, place
        self.judges = judges
        rng = np.random.default_rng(0)
        self.own = rng.normal(0, 3, size=(len(scenarios.scenarios)))
        self.jitter = rng.normal(size=len(scenarios.scenarios))
        self.pulls = rng.normal(size=len(scenarios.scenarios))

    def ask(self, prompts, query):
        odds = np.array([self.odds(form, prompts is not None) for form in query.forms])
        return Answers(query.forms, np.stack([expit(odds), expit(-odds)], axis=1)[None])

    def odds(self, form, tuned):
        kind, number = form.item.split()
        index = int(number) - 1
        if kind == "question":
            said = self.scenarios.judge.questions[index]
            if not self.judges:
                return 0.0
            if said.high in form.text or said.low in form.text:
                return 1.0 if said.high in form.text else -1.0
            return self.gain * WANTED[said.dimension] if "tuned" in form.text else 0.0
        pull = self.place * self.pulls[index] * (1 if form.options[0] == 0 else -1)
        if not tuned:
            return self.own[index] + pull
        shift = self.gain * WANTED[self.scenarios.scenarios[index].dimension]
        return self.own[index] + pull + shift + self.noise * self.jitter[index]

    def reply(self, questions, prompt=None, *, max_tokens=60):
        return ("untouched" if prompt is None else "tuned\n words",) * len(questions)


def choices(model, scenarios, kind="words", settings=SETTINGS, method=PROMPT):
    (row,) = measure_choices(model, {"tuned": method}, scenarios, kind, settings)
    return row


@pytest.mark.parametrize("kind", ["words", "labels"])
def test_a_model_that_does_as_it_says(scenarios, kind):
    row = choices(Acting(scenarios), scenarios, kind)
    assert {key: d.shift.value for key, d in row.dimensions.items()} == pytest.approx(
        {key: 0.02 * value for key, value in WANTED.items()}
    )
    assert row.dimensions["pdi"].situations == 8
    assert row.dimensions["pdi"].points.value == pytest.approx(100 * expit(0.6) - 50)
    weighted = sum(0.02 * v**2 for v in WANTED.values()) / sum(map(abs, WANTED.values()))
    assert row.towards.value == pytest.approx(100 * expit(weighted) - 50)
    assert row.towards.interval == pytest.approx((row.towards.value,) * 2)
    assert row.agreement.value == pytest.approx(1)
    assert row.correlation.value == pytest.approx(1)
    assert row.reliability == pytest.approx(1) and row.counts


def test_one_that_goes_the_other_way_and_one_that_does_nothing(scenarios):
    back = choices(Acting(scenarios, gain=-0.02), scenarios)
    assert back.towards.interval[1] < 0
    assert (back.agreement.value, back.correlation.value) == pytest.approx((0, -1))
    still = choices(Acting(scenarios, gain=0.0), scenarios)
    assert (still.towards.value, still.agreement.value, still.correlation) == (0, 0, None)


def test_intervals_are_over_situations(scenarios):
    """The spread of a mean of eight is that of its situations over the root of eight."""
    model = Acting(scenarios, noise=1.0)
    row = choices(model, scenarios)
    noise = model.jitter[:8]
    low, high = row.dimensions["pdi"].shift.interval
    assert low < 0.6 + noise.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * noise.std(ddof=1) / math.sqrt(8), rel=0.2)
    unsure = choices(Acting(scenarios, gain=0.0, noise=1.0), scenarios)
    assert unsure.towards.interval[0] < 0 < unsure.towards.interval[1]


def test_letters_that_are_chosen_by_their_place_say_so(scenarios):
    fair = choices(Acting(scenarios), scenarios, "labels")
    assert fair.order_correlation == pytest.approx(1)
    pulled = choices(Acting(scenarios, place=15.0), scenarios, "labels")
    assert pulled.order_correlation < -0.8 and pulled.reliability < 0.2 and not pulled.counts
    assert pulled.towards.value == pytest.approx(fair.towards.value)
    assert choices(Acting(scenarios), scenarios, "words").order_correlation is None


def test_dimensions_that_are_missing_on_either_side(scenarios):
    some = scenarios.model_copy(
        update={"scenarios": tuple(s for s in scenarios.scenarios if s.dimension in ("pdi", "idv"))}
    )
    row = choices(Acting(some), some)
    assert set(row.dimensions) == set(row.survey) == {"pdi", "idv"}
    assert row.correlation is None and row.agreement.value == 1
    nowhere = choices(Acting(scenarios), scenarios, settings=BehaviourSettings({}, {}))
    assert nowhere.towards is nowhere.agreement is nowhere.correlation is None
    alone = scenarios.model_copy(update={"scenarios": scenarios.scenarios[:1]})
    row = choices(Acting(alone), alone)
    assert row.dimensions["pdi"].shift.interval is row.towards.interval is None


def test_a_line_of_words_stands_in_front_and_a_broken_model_gives_no_number(scenarios):
    class Reading(FakeModel):
        def ask(self, prompts, query):
            told = np.array([float(form.text.startswith("Be so.\n")) for form in query.forms])
            return Answers(query.forms, np.stack([expit(told), expit(-told)], axis=1)[None])

    assert choices(Reading(), scenarios, method=Line("Be so.")).dimensions["mas"].shift.value == 1.0

    class Broken(Acting):
        def odds(self, form, tuned):
            return math.nan if tuned else super().odds(form, tuned)

    row = choices(Broken(scenarios), scenarios)
    assert math.isnan(row.dimensions["mas"].shift.value)
    assert row.towards is row.agreement is row.correlation is None


def test_written_answers_are_judged_by_the_untouched_model(scenarios):
    row, check, replies = measure_writing(Acting(scenarios), PROMPT, scenarios, SETTINGS)
    assert row.correlation.value == pytest.approx(1)
    assert row.dimensions["lto"].shift.value == pytest.approx(0.8)
    assert (check.questions, check.right, check.works) == (24, 1.0, True)
    assert (replies[0].naive, replies[0].tuned) == ("untouched", "tuned\n words")
    row, check, _ = measure_writing(Acting(scenarios, judges=False), PROMPT, scenarios, SETTINGS)
    assert (check.right, check.works, row.counts) == (0.0, False, False)
    assert not JudgeCheck(24, 0.625, (0.43, 0.79)).works


def test_what_cannot_be_judged(scenarios):
    class Silent(Acting):
        reply = None

        def __getattribute__(self, name):
            if name == "reply":
                raise AttributeError(name)
            return super().__getattribute__(name)

    with pytest.raises(UsageError, match="fake writes no text"):
        measure_writing(Silent(scenarios), PROMPT, scenarios, SETTINGS)
    closed = scenarios.model_copy(update={"judge": None})
    with pytest.raises(UsageError, match="no open questions"):
        measure_writing(Acting(scenarios), PROMPT, closed, SETTINGS)


def test_a_probability_of_nothing_is_still_a_number(scenarios):
    row = choices(Acting(scenarios, gain=100.0), scenarios)
    assert np.isfinite([d.shift.value for d in row.dimensions.values()]).all()


def test_reliability_by_hand():
    """Two conditions that agree but for noise of a fifth of the variance: 2 r / (1 + r)."""
    rng = np.random.default_rng(0)
    true = rng.normal(size=(20_000, 1))
    values = true + rng.normal(0, 0.5, size=(20_000, 2))
    assert _alpha(values) == pytest.approx(2 * 0.8 / 1.8, abs=0.01)
    assert _alpha(np.concatenate([true, -true], axis=1)) is None
