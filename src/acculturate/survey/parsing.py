"""Written answers to forms, strictly read.

In: the text that a model wrote and the form that it answers. Out: the option it means, or the kind of what
cannot be read, which is counted and never turned into a number.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from acculturate.survey.forms import Form

Kind = Literal["valid", "refusal", "unparsable"]

REFUSALS = (
    "as an ai",
    "as a language model",
    "as a large language model",
    "i am an ai",
    "i'm an ai",
    "i cannot",
    "i can't",
    "i can not",
    "i am unable",
    "i'm unable",
    "i am not able",
    "i'm not able",
    "i do not have personal",
    "i don't have personal",
    "i do not have feelings",
    "i don't have feelings",
    "i'm sorry",
    "i am sorry",
    "sorry, ",
    "i prefer not",
    "i'd rather not",
)
"""Beginnings that count as a refusal, in lower case and with a straight apostrophe: English alone. A refusal
in another language counts as unparsable."""

_VOWELS = re.compile("[\u064b-\u0652]")
"""Short vowels of Arabic, which may be written or not, and at a word's end before or behind its alef."""

_OPENING = "([*\"'" + "“‘«„（［【「『" + "\u200b\u200e\u200f\ufeff"
_CLOSING = ")]*\"'.:,;!–—-" + "”’»“）］】」』。．、：，；！।॥،؛۔" + "\u200b\u200e\u200f\ufeff"
"""Signs around a label or an answer's words, those of the languages that questionnaires come in too, and marks
that are not seen."""


@dataclass(frozen=True)
class Parsed:
    """The meaning of a written answer.

    Attributes:
        kind: "valid", "refusal" or "unparsable".
        option: 0-based index in the item's own order of the option answered, or None.
    """

    kind: Kind
    option: int | None = None


def parse_answer(text: str, form: Form) -> Parsed:
    """Read one written answer, strictly.

    Valid is the first line where it is a label alone, or a label followed by punctuation, or by the
    words of its own option, which may be cut off. A label with anything else behind it is not. Of a form
    that lists no options valid is a line that begins with the words of one.

    Args:
        text: The text of the model.
        form: The form that it answers.
    """
    line = text.strip().split("\n")[0].strip()
    if form.word_set is not None:
        said = _plain(line.lstrip(_OPENING))
        begun = [
            (len(words), option)
            for words, option in zip(map(_plain, form.labels), form.options, strict=True)
            if said.startswith(words) and not _goes_on(words, said[len(words) :])
        ]
        if begun:
            return Parsed("valid", max(begun)[1])
        return Parsed("refusal" if is_refusal(line) else "unparsable")
    for label, option in zip(form.labels, form.options, strict=True):
        match = re.fullmatch(
            rf"[{re.escape(_OPENING)}]*{label}(?![\w])(?!\.\d)[\s{re.escape(_CLOSING)}]*(.*)", line
        )
        if match and _is_option(match[1].strip(), _words(form, label)):
            return Parsed("valid", option)
    return Parsed("refusal" if is_refusal(line) else "unparsable")


def is_refusal(text: str) -> bool:
    """Return whether a text begins as an English refusal does."""
    return text.strip().replace("’", "'").casefold().startswith(REFUSALS)


def _plain(text: str) -> str:
    return _VOWELS.sub("", text.casefold())


def _goes_on(words: str, rest: str) -> bool:
    """Return whether the last word is longer than that; Chinese writes words without spaces."""
    if "\u3400" <= words[-1:] <= "\u9fff":
        return False
    return bool(rest) and unicodedata.category(rest[0])[0] in "LMN"


def _words(form: Form, label: str) -> str:
    """Return the words that a form shows behind a label."""
    match = re.search(rf"^{label}\. (.*)$", form.text, re.MULTILINE)
    return match[1].strip().casefold() if match else ""


def _is_option(rest: str, words: str) -> bool:
    """Return whether what follows a label is nothing, its option's words, or their beginning."""
    shown = rest.casefold()
    if not shown or words.startswith(shown):
        return True
    return shown.startswith(words) and bool(words) and not re.search(r"\w", shown[len(words) :])
