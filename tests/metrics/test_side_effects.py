"""What a soft prompt does to ordinary text, on readings with known answers."""

import json
import re
from dataclasses import asdict

import numpy as np
import pytest

from acculturate.errors import UsageError
from acculturate.io import json_text
from acculturate.metrics import (
    HELD_OUT_TEXTS,
    TUNING_TEXTS,
    measure_side_effects,
    reach,
    read_guard,
)
from acculturate.metrics.prose import is_readable
from acculturate.metrics.side_effects import check_writing
from acculturate.metrics.texts import HELD_OUT_PASSAGES, QUESTIONS, SENTENCES, TUNING_PASSAGES
from acculturate.model import Exchange, FakeModel, SoftPrompt, TextReading
from acculturate.reporting.side_effects_narrative import sentences
from acculturate.survey import Instrument
from tiny_models import shared_model


class Scripted(FakeModel):
    """Reads what it is told to: naive surprise 1 a word, tuned 2, divergence 0.8 then 0.2."""

    def read_texts(self, texts, prompt=None, *, placement="front"):
        made = []
        for text in texts:
            if isinstance(text, Exchange) and not text.answer:
                made.append(TextReading(np.empty(0), np.empty(0)))
                continue
            count = len(" ".join(text).split() if isinstance(text, Exchange) else text.split())
            moved = np.where(np.arange(count) < count // 2, 0.8, 0.2) * (prompt is not None)
            made.append(TextReading(moved, np.full(count, 1.0 if prompt is None else 2.0)))
        return tuple(made)

    def reply(self, questions, prompt=None, *, max_tokens=60, seed=None):
        said = "I cannot say." if prompt is not None else "Soak it in cold water."
        return (said,) * len(questions)


@pytest.fixture
def prompt():
    return SoftPrompt(np.full((2, 16), 2.0, np.float32), "front", "fake")


def test_texts_are_many_and_new(vsm13: Instrument):
    assert set(SENTENCES) == set(vsm13.languages)
    assert SENTENCES["en"] is HELD_OUT_TEXTS
    sentences = (text for texts in SENTENCES.values() for text in texts)
    everything = [*HELD_OUT_PASSAGES, *QUESTIONS, *sentences]
    assert len(set(everything)) == len(everything)
    assert all(len(texts) == len(HELD_OUT_TEXTS) for texts in SENTENCES.values())

    def runs(texts):
        words = [re.findall(r"\w+", text.lower()) for text in texts]
        return {tuple(w[k : k + 5]) for w in words for k in range(len(w) - 4)}

    assert not runs(everything) & runs([*TUNING_TEXTS, *TUNING_PASSAGES])
    assert len(TUNING_PASSAGES) == 3 * len(HELD_OUT_PASSAGES) == 24
    assert min(len(text.split()) for text in (*TUNING_PASSAGES, *HELD_OUT_PASSAGES)) > 90


def test_known_readings_give_known_numbers(prompt):
    own = ("one two three four", "one two")
    found = measure_side_effects(Scripted(), prompt, own=own)
    sets = {one.key: one for one in found.sets}
    assert list(sets) == [*SENTENCES, "passages", "answers", "own"]
    mine = sets["own"]
    assert (mine.texts, mine.tokens) == (2, 6)
    assert mine.divergence.value == pytest.approx(0.5)
    assert (mine.naive.value, mine.tuned.value) == pytest.approx((np.e, np.e**2))
    for one in found.sets:
        assert one.ratio.value == pytest.approx(np.e)
        assert one.ratio.interval == pytest.approx((np.e, np.e))
    (_, of_mine) = found.reaches
    assert of_mine.texts == 2
    assert of_mine.divergence == pytest.approx((0.8, 0.5))
    assert found.naive.refusals == 0 and found.tuned.refusals == 1
    assert found.replies[0].tuned == "I cannot say."
    assert len(found.replies) == len(QUESTIONS) >= 12


def test_where_the_effect_wears_off():
    rng = np.random.default_rng(0)
    texts = [np.exp(-np.arange(40) / 8) + 0.1 * rng.random(40) for _ in range(12)]
    found = reach("own", "x", [*texts, np.ones(3), np.empty(0)], np.random.default_rng(1))
    assert found.texts == 12
    np.testing.assert_allclose(found.divergence, np.mean(texts, axis=0))
    assert found.early.value == pytest.approx(np.mean([text[:8] for text in texts]))
    assert found.late.value == pytest.approx(np.mean([text[-8:] for text in texts]))
    assert found.faded.value == pytest.approx(found.early.value - found.late.value)
    assert found.faded.interval[0] > 0
    flat = reach("own", "x", list(rng.normal(1, 0.2, (12, 40))), np.random.default_rng(1))
    assert flat.faded.interval[0] < 0 < flat.faded.interval[1]
    for low, value, high in zip(found.low, found.divergence, found.high, strict=True):
        assert low <= value <= high


def test_intervals_cover_what_they_should():
    """Texts drawn anew from one population: the mean is inside 95% of the intervals, or nearly."""
    inside, trials = 0, 200
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        texts = [np.full(5, value) for value in rng.normal(1, 0.3, 8)]
        low, high = reach("own", "x", texts, rng).early.interval
        inside += low <= 1 <= high
    assert 0.87 <= inside / trials <= 0.99


def test_one_text_has_no_interval_and_short_ones_are_refused(prompt):
    found = measure_side_effects(FakeModel(), prompt, own=("abc",))
    assert found.sets[-1].divergence.interval is None
    assert found.reaches[-1].low == found.reaches[-1].high == ()
    assert found.reaches[-1].faded.value == 0
    with pytest.raises(UsageError, match="two tokens"):
        measure_side_effects(FakeModel(), prompt, own=("a", "b"))


def test_english_sentences_are_the_guards_held_out_texts():
    model = shared_model("llama")
    soft = SoftPrompt(
        np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32), "after-bos", "llama"
    )
    found = measure_side_effects(model, soft)
    guard = read_guard(model, soft.embeddings, soft.placement)
    assert found.sets[0].divergence.value == pytest.approx(guard.divergence, rel=1e-5)
    assert found.sets[0].tuned.value == pytest.approx(guard.perplexity, rel=1e-5)
    untouched = read_guard(model, None, soft.placement).perplexity
    assert found.sets[0].naive.value == pytest.approx(untouched, rel=1e-5)
    low, high = found.sets[0].divergence.interval
    assert 0 < low < found.sets[0].divergence.value < high


def test_a_seed_repeats_and_users_texts_change_nothing_else(prompt):
    soft = SoftPrompt(np.random.default_rng(0).normal(size=(2, 32)), "front", "llama")
    model = shared_model("llama")
    first, with_own = (
        measure_side_effects(model, soft),
        measure_side_effects(model, soft, own=("One more text.",)),
    )
    assert first.sets == with_own.sets[:-1]
    assert measure_side_effects(model, soft, seed=1).sets[0].divergence != first.sets[0].divergence


def test_a_broken_prompt_gives_no_numbers(prompt):
    broken = SoftPrompt(np.full((2, 16), np.nan, np.float32), "front", "fake")
    found = measure_side_effects(FakeModel(), broken)
    assert np.isnan(found.sets[0].divergence.value)
    assert json.loads(json_text(asdict(found)))["sets"][0]["tuned"]["value"] is None


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("Soak it in cold water, then wash it as usual.", True),
        ("* Soak it:\n  1. in cold water\n  2. with soap", True),
        ("", False),
        ("...", False),
        ("the the the the the the the the the the", False),
        ("Мойте холодной водой.", False),
        ("Soak \ufffd\ufffd it \x00 in <<>> ||", False),
    ],
)
def test_readable_text(text, readable):
    assert is_readable(text, "How do I get a stain out of a shirt?") == readable


def test_a_writer_that_broke_fails_the_written_guard_and_one_that_did_not_holds_it(prompt):
    class Writer(FakeModel):
        """The tuned model writes `said`; junk surprises the untouched one."""

        def __init__(self, said):
            super().__init__()
            self.said = said

        def reply(self, questions, soft=None, **options):
            said = "Take cold water and some soap, and wait." if soft is None else self.said
            return tuple(f"{said} {place} stains need more." for place in "abcdefghijkl")

        def read_texts(self, texts, soft=None, **options):
            junk = ["gur" in " ".join(text) for text in texts]
            return tuple(TextReading(np.zeros(4), np.full(4, 9.0 if bad else 2.0)) for bad in junk)

    broken = measure_side_effects(Writer("gur " * 20), prompt)
    assert [check.key for check in broken.checks] == ["readable", "fresh", "fluency"]
    assert all(check.worse for check in broken.checks)
    readable, _, fluency = broken.checks
    assert (readable.naive, readable.tuned) == (1, 0)
    assert readable.difference.value == -1 and fluency.difference.value == -7
    assert "The written guard fails: less readable answers and runs" in sentences(broken)[-1]
    whole = measure_side_effects(Writer("Warm water and soap will do, my friend."), prompt)
    assert not any(check.worse for check in whole.checks)
    assert "The written guard holds" in sentences(whole)[-1]
    assert "nats a token on longer texts" in sentences(whole)[1]


def test_answers_without_words_have_no_other_quality(prompt):
    (readable,) = check_writing(Scripted(), ["Why?"], [""], [""], 0)
    assert (readable.key, readable.naive, readable.worse) == ("readable", 0, False)
