"""Written answers, strictly read."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acculturate.metrics import ComparisonSettings, compare_written_answers
from acculturate.metrics.written_answers import cohens_kappa, is_readable_answer, read_texts
from acculturate.model import FakeModel, Query, SoftPrompt
from acculturate.survey import Scoring, all_forms, balanced_forms, load_countries, load_instrument
from acculturate.survey.parsing import REFUSALS, parse_answer

VSM13 = load_instrument("vsm13")
FORM = next(f for f in all_forms(VSM13) if f.order == "reversed" and f.item == "m01")
LETTERS = next(f for f in all_forms(VSM13, labels="letters") if f.item == "m01")


@pytest.mark.parametrize(
    "text",
    ["2", " 2", "2.", "2)", "(2)", "[2].", "**2**", '"2"', "2:", "2\n3\n4", "2. Slightly important",
     "2 Slightly important.", "2. Slightly imp", "2 - slightly important", "2 – Slightly important!",
     "2。", "2、", "2：Slightly important", "（2）", "«2»", "“2”", "2।", "2\u200b"],
)  # fmt: skip
def test_valid(text):
    assert FORM.text.count("2. Slightly important") == 1
    parsed = parse_answer(text, FORM)
    assert (parsed.kind, parsed.option) == ("valid", 3)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "\n", "22", "2.5", "2, 3", "2 or 3", "2 and 3", "0", "6", "-2", "two", "I would say 2",
     "Slightly important", "2. Very important", "2 Slightly important because", "2a", "Option 2", "2/5", "2%"],
)  # fmt: skip
def test_unparsable(text):
    assert parse_answer(text, FORM).kind == "unparsable"
    assert parse_answer(text, FORM).option is None


@pytest.mark.parametrize(
    "text", ["As an AI language model, I", "I cannot answer", "I’m sorry, but", "Sorry, I do not"]
)
def test_refusals(text):
    assert parse_answer(text, FORM).kind == "refusal"


def test_refusals_are_as_they_are_compared():
    assert all(phrase == phrase.casefold() and "’" not in phrase for phrase in REFUSALS)


def test_words_are_read_behind_any_quotation_mark_and_in_any_alphabet():
    words = next(f for f in all_forms(VSM13, labels="words") if f.item == "m01")
    german = replace(words, labels=("Immer", "Regelmäßig", "Oft", "Selten", "Nie"))
    for text in ("Regelmäßig", "„Regelmäßig“.", "REGELMÄSSIG", "「Regelmäßig」"):
        assert parse_answer(text, german).option == german.options[1]
    assert parse_answer("Immerhin", german).kind == "unparsable"
    other = replace(words, labels=("دائمًا", "总是", "बहुत कम", "Rarely", "Never"))
    for place, text in enumerate(("دائماً", "总是这样", "बहुत कम।")):
        assert parse_answer(text, other).option == other.options[place]
    assert parse_answer("دائما", other).option == other.options[0]
    assert parse_answer("बहुत कमी", other).kind == "unparsable", "the word goes on"


def test_letters_are_read_as_they_are_shown():
    assert parse_answer("B", LETTERS).option == LETTERS.options[1]
    assert parse_answer("B. Very important", LETTERS).option == LETTERS.options[1]
    for text in ("b", "Because", "BB", "A boss"):
        assert parse_answer(text, LETTERS).kind == "unparsable"


@given(st.text(max_size=30))
def test_any_text_can_be_read(text):
    parsed = parse_answer(text, FORM)
    assert (parsed.option is not None) == (parsed.kind == "valid")


def test_kappa():
    assert cohens_kappa([]) is None
    assert cohens_kappa([(1, 1)] * 5) is None
    assert cohens_kappa([(0, 0), (1, 1), (2, 2)]) == 1.0
    # Two by two, 20 5 / 10 15: observed 0.7, by chance 0.5.
    pairs = [(0, 0)] * 20 + [(0, 1)] * 5 + [(1, 0)] * 10 + [(1, 1)] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    assert cohens_kappa([(0, 1), (1, 0)]) == pytest.approx(-1.0)


@pytest.fixture(scope="module")
def question():
    return ComparisonSettings(Scoring(VSM13), load_countries()["India"].vector(VSM13))


def test_the_fake_model_writes_what_it_thinks(question):
    forms = balanced_forms(VSM13, "held-out")
    soft = SoftPrompt(np.random.default_rng(0).normal(size=(2, 16)), "front", "fake")
    found = compare_written_answers(FakeModel(), soft, forms, question)
    assert found.forms == 48
    for state in (found.naive, found.tuned):
        assert state.counts == {"valid": 48, "refusal": 0, "unparsable": 0}
        assert state.agreement == 1
        assert state.kappa == 1
        assert state.unread == ()
    drawn = compare_written_answers(FakeModel(), soft, forms, question, seed=0)
    assert 0 < drawn.tuned.agreement < 1


def test_what_cannot_be_read_is_counted_and_is_no_number(question):
    forms = balanced_forms(VSM13, "held-out")
    answers = FakeModel().ask(None, Query(forms))
    texts = list(FakeModel().generate_answers(forms))
    whole = read_texts(texts, answers, question)
    texts[0], texts[3] = "I cannot", "maybe"
    part = read_texts(texts, answers, question)
    assert part.counts == {"valid": 46, "refusal": 1, "unparsable": 1}
    assert part.unread == ("I cannot", "maybe")
    assert part.agreement == 1
    assert whole.loss is not None and part.loss is not None
    none = read_texts(["?"] * 48, answers, question)
    assert (none.loss, none.agreement, none.kappa) == (None, None, None)
    texts[:2] = ["?", "?"]  # both forms of the first item
    assert read_texts(texts, answers, question).loss is None


def test_an_answer_in_words_begins_with_those_of_an_option(vsm13) -> None:
    form = all_forms(vsm13, ("en",), "tuning", labels="words")[0]
    last, second = form.labels[4], form.labels[1]
    assert parse_answer(f" {last}, I think.", form).option == form.options[4]
    assert parse_answer(f'"{second.upper()}"', form).option == form.options[1]
    assert parse_answer(f"{last}ly", form).option is None
    prose = "It depends on what one wants from work."
    assert parse_answer(prose, form).kind == "unparsable"
    assert is_readable_answer(prose, form) and not is_readable_answer("work work work " * 9, form)
    listed = next(iter(all_forms(vsm13, ("en",), "tuning")))
    assert not is_readable_answer(prose, listed) and is_readable_answer("2", listed)
