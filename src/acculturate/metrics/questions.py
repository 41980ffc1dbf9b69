"""Open questions whose answers are rated.

In: "everyday", which comes with the package, or a TOML file. Out: checked questions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from acculturate.io import parse_toml, read_bytes
from acculturate.schema import Section, Text, fault, validated
from acculturate.survey.language import Line

EVERYDAY = "everyday"
_OWN = Path(__file__).parent / "data" / "everyday.toml"
_WHAT = "file of questions"


class OpenQuestion(Section):
    """A question to answer in one's own words, and the part of life that it is about."""

    text: Line
    domain: Text


class Questions(Section):
    """Open questions in one language.

    Attributes:
        language: Language code.
        licence: Of the texts.
        source: Who wrote them.
        questions: The questions.
    """

    language: Text
    licence: Text
    source: Text
    questions: Annotated[tuple[OpenQuestion, ...], Field(min_length=1, max_length=1000)]

    @model_validator(mode="after")
    def _check(self) -> Questions:
        texts = [question.text for question in self.questions]
        for index, text in enumerate(texts):
            if text in texts[:index]:
                hint = "Write another one."
                raise fault("repeats an earlier question", hint, "questions", index, "text")
        return self


def load_questions(name: str) -> Questions:
    """Load open questions.

    Args:
        name: "everyday", or a TOML file.

    Raises:
        UsageError: There is no such file, or it is wrong; the message names the place.
    """
    path = _OWN if name == EVERYDAY else Path(name)
    return validated(Questions, parse_toml(read_bytes(path, _WHAT), path, _WHAT), path)
