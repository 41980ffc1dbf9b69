"""Counts of written text: length, repetition, variety, readability, refusals.

In: texts. Out: `Prose`. Knows no model. Counting says whether a writer broke, not whether it is right.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from acculturate.survey.parsing import is_refusal

REPEATED = 4
"""Words of the runs whose repetition is counted."""
_MOST_REPEATED, _MOST_OTHER_SIGNS = 0.5, 0.1
"""Shares of repeated runs, and of signs that are no text, that a readable text has at most."""


@dataclass(frozen=True)
class Prose:
    """Properties of some texts.

    Attributes:
        words: Mean length in words.
        repetition: Mean share of the runs of `REPEATED` words that a text has said before; None where
            no text is that long.
        distinct_1: Different words of all texts, as a share of all words; None without a word.
        distinct_2: Different pairs of neighbouring words, as a share of all words; likewise.
        reading_ease: Flesch's score of all texts together, higher is easier; None without a word.
        refusals: Share of the texts that begin with a refusal.
        empty: Share of the texts without a word.
    """

    words: float
    repetition: float | None
    distinct_1: float | None
    distinct_2: float | None
    reading_ease: float | None
    refusals: float
    empty: float


def measure_prose(texts: Sequence[str]) -> Prose:
    """Measure texts, at least one."""
    worded = [words(text) for text in texts]
    repeated = [share for text in worded if (share := repetition(text)) is not None]
    return Prose(
        words=float(np.mean([len(text) for text in worded])),
        repetition=float(np.mean(repeated)) if repeated else None,
        distinct_1=distinct(worded, 1),
        distinct_2=distinct(worded, 2),
        reading_ease=reading_ease(texts),
        refusals=float(np.mean([is_refusal(text) for text in texts])),
        empty=float(np.mean([not text for text in worded])),
    )


def is_readable(text: str, question: str) -> bool:
    """Return whether an answer is text that somebody can read, whatever it says.

    It has words, in the script of the question; at most half of its runs of words were said before; and of
    ten signs at most one is neither letter, mark, digit, punctuation nor space.
    """
    signs = [unicodedata.category(sign)[0] not in "LMNPZ" for sign in text if not sign.isspace()]
    return (
        bool(words(text))
        and script(text) == script(question)
        and (repetition(words(text)) or 0.0) <= _MOST_REPEATED
        and sum(signs) <= _MOST_OTHER_SIGNS * len(signs)
    )


def script(text: str) -> str:
    """Return the first word of the Unicode name of most letters, such as LATIN; empty without a letter.

    Japanese is written in three scripts at once, which count as one.
    """
    scripts = (unicodedata.name(sign, "").split(" ")[0] for sign in text if sign.isalpha())
    kana = "HIRAGANA", "KATAKANA"
    names = Counter("CJK" if name in kana else name for name in scripts)
    return names.most_common(1)[0][0] if names else ""


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text in lower case; an apostrophe or a hyphen inside belongs to its word."""
    return tuple(re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text.casefold()))


def repetition(tokens: Sequence[str], length: int = REPEATED) -> float | None:
    """Return the share of a text's runs of words that were there before: seq-rep-n.

    S. Welleck et al. (2020), Neural Text Generation with Unlikelihood Training, section 6:
    1 - different n-grams / n-grams.

    Returns:
        0 where nothing is said twice; None for a text without a run.
    """
    runs = _runs(tokens, length)
    return 1 - len(set(runs)) / len(runs) if runs else None


def distinct(texts: Sequence[Sequence[str]], length: int) -> float | None:
    """Return the number of different runs of words in all texts, as a share of all their words: distinct-n.

    J. Li et al. (2016), A Diversity-Promoting Objective Function for Neural Conversation Models,
    section 5.

    Returns:
        A share; None without a word.
    """
    count = sum(len(tokens) for tokens in texts)
    runs = {run for tokens in texts for run in _runs(tokens, length)}
    return len(runs) / count if count else None


def reading_ease(texts: Sequence[str]) -> float | None:
    """Return how easy English texts are to read.

    R. Flesch (1948), A new readability yardstick, Journal of Applied Psychology 32:
    206.835 - 1.015 words a sentence - 84.6 syllables a word. A sentence ends at a stop, an exclamation or
    question mark, or with its line. Syllables are counted by `syllables`.

    Returns:
        About 0 (very hard) to 100 (very easy), not limited; None without a word.
    """
    sentences = [
        tokens
        for text in texts
        for part in re.split(r"[.!?]+\s|[.!?]+$|\n", text)
        if (tokens := words(part))
    ]
    tokens = [word for sentence in sentences for word in sentence]
    if not tokens:
        return None
    of_a_word = sum(map(syllables, tokens)) / len(tokens)
    return 206.835 - 1.015 * len(tokens) / len(sentences) - 84.6 * of_a_word


def syllables(word: str) -> int:
    """Count the syllables of an English word by rule: runs of vowels without a silent ending, one at least.

    A rule of thumb that is wrong for some words and the same for every text it compares.
    """
    word = word.casefold()
    count = len(re.findall(r"[aeiouy]+", word))
    silent = re.search(r"[^aeiouy](?:e|(?<![sxz])(?<!ch)(?<!sh)(?<!c)(?<!g)es|(?<![td])ed)$", word)
    if silent and not re.search(r"[^aeiouy]le[sd]?$", word):
        count -= 1
    return max(1, count)


def _runs(tokens: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[at : at + length]) for at in range(len(tokens) - length + 1)]
