"""What is counted about written text, against counts by hand."""

import pytest

from acculturate.metrics import measure_prose
from acculturate.metrics.prose import (
    distinct,
    is_readable,
    reading_ease,
    repetition,
    script,
    syllables,
    words,
)
from acculturate.survey.parsing import is_refusal


def test_words():
    assert words("It’s a well-known 8-bit  “trick” — isn't it?") == (
        "it’s", "a", "well-known", "8-bit", "trick", "isn't", "it",
    )  # fmt: skip
    assert words(" ... \n—") == ()


def test_repetition_is_the_share_of_runs_said_before():
    assert repetition(["a", "b", "c", "d", "a", "b", "c", "d"]) == pytest.approx(1 - 4 / 5)
    assert repetition(["a", "a", "a", "a", "a", "a"]) == pytest.approx(1 - 1 / 3)
    assert repetition(["a", "b", "c", "d", "e"]) == 0
    assert repetition(["a", "b", "c"]) is None
    assert repetition(["a", "b", "a", "b"], 2) == pytest.approx(1 - 2 / 3)


def test_distinct_runs_are_counted_over_all_texts_and_by_words():
    texts = [["the", "cat", "sat"], ["the", "cat", "ran"]]
    assert distinct(texts, 1) == pytest.approx(4 / 6)
    assert distinct(texts, 2) == pytest.approx(3 / 6)
    assert distinct([[], []], 1) is None


@pytest.mark.parametrize(
    ("word", "count"),
    [("the", 1), ("cat", 1), ("make", 1), ("rule", 1), ("table", 2), ("tables", 2), ("cakes", 1),
     ("boxes", 2), ("places", 2), ("watches", 2), ("walked", 1), ("wanted", 2), ("handled", 2),
     ("agreed", 2), ("window", 2), ("understanding", 4), ("Every", 3), ("hmm", 1), ("8", 1)],
)  # fmt: skip
def test_syllables(word, count):
    assert syllables(word) == count


def test_reading_ease_by_hand():
    """Two sentences, ten words, eleven syllables."""
    text = "The cat sat on the mat. It was a table."
    assert reading_ease([text]) == pytest.approx(206.835 - 1.015 * 10 / 2 - 84.6 * 11 / 10)
    assert reading_ease(["The cat sat on the mat.", "It was a table"]) == reading_ease([text])
    assert reading_ease(["It costs 3.5 more."]) == reading_ease(["It costs 3 5 more."])
    assert reading_ease(["?!", ""]) is None


def test_texts_together():
    found = measure_prose(["I’m sorry, but no.", "", "go go go go go go"])
    assert found.words == pytest.approx((4 + 0 + 6) / 3)
    assert found.repetition == pytest.approx((0 + 2 / 3) / 2)
    assert found.refusals == found.empty == pytest.approx(1 / 3)
    nothing = measure_prose(["", " \n"])
    assert (nothing.words, nothing.empty, nothing.refusals) == (0, 1, 0)
    assert nothing.repetition is nothing.distinct_1 is nothing.reading_ease is None


def test_a_refusal_is_a_beginning():
    assert is_refusal("  As an AI, I") and is_refusal("I can’t say")
    assert not is_refusal("You see, I cannot") and not is_refusal("")


def test_the_scripts_of_japanese_are_one():
    assert is_readable("それは大切な問題です。", "仕事以外の時間を大切に思いますか。")
    assert not is_readable("it matters", "仕事以外の時間を大切に思いますか。")
    assert script("4, 5") == ""
