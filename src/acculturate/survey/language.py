"""The words of an instrument in one language: labels, wordings and the frames around them.

In: the language's table of an instrument file. Out: a checked `LanguageText`. This file knows no scoring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from acculturate.formatting import suggestion
from acculturate.schema import Flag, Section, Text, Whole, fault

Split = Literal["tuning", "held-out"]
Direction = Literal["ltr", "rtl"]


@dataclass(frozen=True)
class Frame:
    """The text around a question.

    Attributes:
        key: Short name.
        held_out: True for a frame that is kept from tuning.
        template: Holds `{question}` and `{options}` once each.
        letters_template: The same for options labelled with letters, where it speaks of numbers;
            None where one text serves both.
    """

    key: str
    held_out: bool
    template: str
    letters_template: str | None = None


@dataclass(frozen=True)
class LanguageText:
    """Everything that is shown in one language.

    Attributes:
        code: Language code, such as "en".
        direction: Writing direction.
        validated: True for wordings that were validated against the original.
        labels: Scale to its option labels, in the scale's own order.
        frames: Tuning and held-out frames, at least one of each.
        wordings: Item to its wordings, the same number for every item.
        held_out_wordings: Indices of the wordings held out, the last ones; empty where there is
            only one wording, which then serves both splits.
        source: The author of the words.
        answer_cue: The text before the answer.
    """

    code: str
    direction: Direction
    validated: bool
    labels: Mapping[str, tuple[str, ...]]
    frames: tuple[Frame, ...]
    wordings: Mapping[str, tuple[str, ...]]
    held_out_wordings: tuple[int, ...]
    source: str
    answer_cue: str

    def frames_of(self, split: Split) -> tuple[Frame, ...]:
        """Return the frames of a split; the two splits share none."""
        return tuple(frame for frame in self.frames if frame.held_out == (split == "held-out"))

    def wordings_of(self, split: Split) -> tuple[int, ...]:
        """Return the indices of a split's wordings; the splits share none unless there is only one."""
        count = len(next(iter(self.wordings.values())))
        if split == "held-out" and self.held_out_wordings:
            return self.held_out_wordings
        return tuple(index for index in range(count) if index not in self.held_out_wordings)


def _check_line(text: str) -> str:
    if len(text.splitlines()) > 1:
        raise fault("has a line break", "Write it on one line.")
    return text


def _check_different(texts: tuple[str, ...]) -> tuple[str, ...]:
    for index, text in enumerate(texts):
        if text in texts[:index]:
            raise fault(f'repeats "{text}"', "Write a different one.", index)
    return texts


def _check_template(template: str) -> str:
    for placeholder in ("{question}", "{options}"):
        if template.count(placeholder) != 1:
            raise fault(
                f"has {placeholder} {template.count(placeholder)} times",
                "Write {question} and {options} once each.",
            )
    return template


Line = Annotated[Text, AfterValidator(_check_line)]
Lines = Annotated[tuple[Line, ...], Field(min_length=1), AfterValidator(_check_different)]
Template = Annotated[Text, AfterValidator(_check_template)]


class FrameSection(Section):
    """A frame as a file has it."""

    held_out: Flag = False
    template: Template
    letters: Template | None = None


def _check_frames(frames: dict[str, FrameSection]) -> dict[str, FrameSection]:
    for held_out, kind in ((False, "tuning"), (True, "held-out")):
        if not any(frame.held_out == held_out for frame in frames.values()):
            raise fault(
                f"has no {kind} frame",
                f"Give at least one frame held_out = {str(held_out).lower()}.",
            )
    _check_different(tuple(frame.template for frame in frames.values()))
    return frames


class LanguageSection(Section):
    """A language as a file has it."""

    direction: Direction
    validated: Flag
    source: Text
    answer_cue: Text
    held_out_wordings: Whole | None = None
    labels: dict[str, Lines]
    frames: Annotated[dict[str, FrameSection], AfterValidator(_check_frames)]
    wordings: Annotated[dict[str, Lines], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_wordings(self) -> LanguageSection:
        first, count = self._first_wordings()
        for item, wordings in self.wordings.items():
            if len(wordings) != count:
                raise fault(
                    f"has {len(wordings)} wordings and {first} has {count}",
                    "Give every item the same number of wordings.",
                    *("wordings", item),
                )
        held_out = self.held_out_wordings
        if held_out is not None and not ((count == 1 and held_out <= 1) or 1 <= held_out < count):
            raise fault(
                f"is {held_out} of {count} wordings",
                "Hold out at least one wording and leave at least one for tuning.",
                "held_out_wordings",
            )
        return self

    def check_structure(self, scales: Mapping[str, int], items: Sequence[str], *at: str) -> None:
        """Check that every scale has its labels and every item its wordings.

        Args:
            scales: Scale to its number of options.
            items: Ids of the items.
            at: The place of the language in the file.
        """
        _check_keys(self.labels, tuple(scales), *at, "labels")
        _check_keys(self.wordings, items, *at, "wordings")
        for key, labels in self.labels.items():
            if len(labels) != scales[key]:
                raise fault(
                    f"has {len(labels)} labels; scale {key} has {scales[key]} options",
                    "Write one label an option, in the order of the scale.",
                    *(*at, "labels", key),
                )

    def build(self, code: str) -> LanguageText:
        """Return the text of a language of this code."""
        _, count = self._first_wordings()
        held_out = 1 if self.held_out_wordings is None else self.held_out_wordings
        return LanguageText(
            code=code,
            frames=tuple(
                Frame(key, frame.held_out, frame.template, frame.letters)
                for key, frame in self.frames.items()
            ),
            held_out_wordings=tuple(range(count - held_out, count)) if count > 1 else (),
            **self.model_dump(exclude={"frames", "held_out_wordings"}),
        )

    def _first_wordings(self) -> tuple[str, int]:
        item, wordings = next(iter(self.wordings.items()))
        return item, len(wordings)


def _check_keys(given: Mapping[str, object], needed: Sequence[str], *at: str) -> None:
    for key in given:
        if key not in needed:
            raise fault("is not known", suggestion(key, needed, "Known here"), *at, key)
    for key in needed:
        if key not in given:
            raise fault("is missing", f"Add it; present here: {', '.join(given)}.", *at, key)
