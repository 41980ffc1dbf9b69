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
WordSets = Literal["first", "tuning", "held-out"]
Direction = Literal["ltr", "rtl"]


LANGUAGES = {"ar": "Arabic", "en": "English", "es": "Spanish", "hi": "Hindi", "zh": "Chinese"}


@dataclass(frozen=True)
class Frame:
    """The text around a question.

    Attributes:
        key: Short name.
        held_out: True for a frame that is kept from tuning.
        template: Holds `{question}` and `{options}` once each.
        letters_template: The same for options labelled with letters, where it speaks of numbers;
            None where one text serves both.
        words_template: The text for answers in words, where no options are listed; holds
            `{question}` once. None where the frame is not for that.
    """

    key: str
    held_out: bool
    template: str
    letters_template: str | None = None
    words_template: str | None = None


@dataclass(frozen=True)
class Poles:
    """A person at each end of a dimension, described in the second person.

    Attributes:
        low: The person at the low end.
        high: The person at the high end.
    """

    low: str
    high: str


_BARE = "{question}"
_BARE_FRAMES = (
    Frame("bare", False, _BARE, words_template=_BARE),
    Frame("bare", True, _BARE, words_template=_BARE),
)
"""The frames for answers in words of a language that has none of its own: the question alone."""


@dataclass(frozen=True)
class LanguageText:
    """Everything that is shown in one language.

    Attributes:
        code: Language code, such as "en".
        direction: Writing direction.
        validated: True for wordings that were validated against the original.
        labels: Scale to its option labels, in the scale's own order.
        words: Scale to its sets of answers in words, each in the scale's own order; the same number
            of sets for every scale, of several the last is held out. A single set, which then serves
            both splits, holds the labels where the file gives no words.
        frames: Tuning and held-out frames, at least one of each.
        wordings: Item to its wordings, the same number for every item.
        held_out_wordings: Indices of the wordings held out, the last ones; empty where there is
            only one wording, which then serves both splits.
        source: The author of the words.
        answer_cue: The text before the answer.
        poles: Dimension to the people at its ends; empty where the file gives none.
    """

    code: str
    direction: Direction
    validated: bool
    labels: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[tuple[str, ...], ...]]
    frames: tuple[Frame, ...]
    wordings: Mapping[str, tuple[str, ...]]
    held_out_wordings: tuple[int, ...]
    source: str
    answer_cue: str
    poles: Mapping[str, Poles]

    def frames_of(self, split: Split) -> tuple[Frame, ...]:
        """Return the frames of a split; the two splits share none."""
        return tuple(frame for frame in self.frames if frame.held_out == (split == "held-out"))

    def words_frames_of(self, split: Split) -> tuple[Frame, ...]:
        """Return the frames of a split for answers in words; a language without any asks bare questions."""
        with_words = [frame for frame in self.frames if frame.words_template is not None]
        held_out = split == "held-out"
        own = tuple(frame for frame in with_words if frame.held_out == held_out)
        return own or (_BARE_FRAMES[held_out],)

    @property
    def has_new_words_frames(self) -> bool:
        """True where held-out questions for answers in words stand in other frames than tuning ones."""
        tuning, held_out = (
            {frame.words_template for frame in self.words_frames_of(split)}
            for split in ("tuning", "held-out")
        )
        return not tuning & held_out

    def word_sets_of(self, which: WordSets) -> tuple[int, ...]:
        """Return the indices of sets of words; the splits share none unless there is only one."""
        if which == "first":
            return (0,)
        return _of_split(len(next(iter(self.words.values()))), 1, which)

    def wordings_of(self, split: Split) -> tuple[int, ...]:
        """Return the indices of a split's wordings; the splits share none unless there is only one."""
        count = len(next(iter(self.wordings.values())))
        return _of_split(count, len(self.held_out_wordings), split)


def _of_split(count: int, held_out: int, split: Split) -> tuple[int, ...]:
    """Return indices of `count` texts of which the last ones are held out; of one alone, none is."""
    tuning = count - held_out if count > 1 else count
    return tuple(range(tuning, count) if split == "held-out" and tuning < count else range(tuning))


def _check_line(text: str) -> str:
    if len(text.splitlines()) > 1:
        raise fault("has a line break", "Write it on one line.")
    return text


def _check_different(texts: tuple[str, ...]) -> tuple[str, ...]:
    for index, text in enumerate(texts):
        if text in texts[:index]:
            raise fault(f'repeats "{text}"', "Write a different one.", index)
    return texts


def _check_beginnings(answers: tuple[str, ...]) -> tuple[str, ...]:
    for index, answer in enumerate(answers):
        for other in answers:
            if answer != other and answer.startswith(other):
                raise fault(
                    f'begins like "{other}"',
                    "Word them so that none begins another: a model that writes the longer one writes the "
                    "shorter one first.",
                    index,
                )
    return answers


def _check_template(template: str) -> str:
    for placeholder in ("{question}", "{options}"):
        if template.count(placeholder) != 1:
            raise fault(
                f"has {placeholder} {template.count(placeholder)} times",
                "Write {question} and {options} once each.",
            )
    return template


def _check_words_template(template: str) -> str:
    if template.count("{question}") != 1 or "{options}" in template:
        raise fault(
            "does not hold {question} once and no {options}",
            "Answers in words are given without a list of options: write {question} once.",
        )
    return template


Line = Annotated[Text, AfterValidator(_check_line)]
Lines = Annotated[tuple[Line, ...], Field(min_length=1), AfterValidator(_check_different)]
Answers = Annotated[Lines, AfterValidator(_check_beginnings)]
Template = Annotated[Text, AfterValidator(_check_template)]
WordsTemplate = Annotated[Text, AfterValidator(_check_words_template)]


class PolesSection(Section):
    """The ends of a dimension as a file has them."""

    low: Line
    high: Line

    @model_validator(mode="after")
    def _check_two(self) -> PolesSection:
        if self.low == self.high:
            raise fault("is the same at both ends", "Describe two people who differ in it.")
        return self


class FrameSection(Section):
    """A frame as a file has it."""

    held_out: Flag = False
    template: Template
    letters: Template | None = None
    words: WordsTemplate | None = None


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
    words: dict[str, Annotated[tuple[Answers, ...], Field(min_length=1)]] | None = None
    poles: dict[str, PolesSection] = Field(default_factory=dict[str, PolesSection])
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

    def check_structure(
        self, scales: Mapping[str, int], items: Sequence[str], dimensions: Sequence[str], *at: str
    ) -> None:
        """Check that every scale has its labels, every item its wordings and every dimension its poles.

        Args:
            scales: Scale to its number of options.
            items: Ids of the items.
            dimensions: Keys of the dimensions.
            at: The place of the language in the file.
        """
        _check_keys(self.labels, tuple(scales), *at, "labels")
        _check_keys(self.wordings, items, *at, "wordings")
        if self.poles:
            _check_keys(self.poles, dimensions, *at, "poles")
        for key, labels in self.labels.items():
            if len(labels) != scales[key]:
                raise fault(
                    f"has {len(labels)} labels; scale {key} has {scales[key]} options",
                    "Write one label an option, in the order of the scale.",
                    *(*at, "labels", key),
                )
        if self.words is not None:
            self._check_words(self.words, scales, *at, "words")

    def _check_words(
        self, words: Mapping[str, tuple[Lines, ...]], scales: Mapping[str, int], *at: str
    ) -> None:
        _check_keys(words, tuple(scales), *at)
        first = next(iter(words))
        for key, sets in words.items():
            if len(sets) != len(words[first]):
                raise fault(
                    f"has {len(sets)} sets of words and {first} has {len(words[first])}",
                    "Give every scale the same number of sets.",
                    *(*at, key),
                )
            for index, options in enumerate(sets):
                if len(options) != scales[key]:
                    raise fault(
                        f"has {len(options)} answers; scale {key} has {scales[key]} options",
                        "Write one answer an option, in the order of the scale.",
                        *(*at, key, index),
                    )

    def build(self, code: str) -> LanguageText:
        """Return the text of a language of this code."""
        _, count = self._first_wordings()
        held_out = 1 if self.held_out_wordings is None else self.held_out_wordings
        return LanguageText(
            code=code,
            frames=tuple(
                Frame(key, frame.held_out, frame.template, frame.letters, frame.words)
                for key, frame in self.frames.items()
            ),
            held_out_wordings=tuple(range(count - held_out, count)) if count > 1 else (),
            words=self.words or {key: (labels,) for key, labels in self.labels.items()},
            poles={key: Poles(ends.low, ends.high) for key, ends in self.poles.items()},
            **self.model_dump(exclude={"frames", "held_out_wordings", "words", "poles"}),
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


def language_name(code: str) -> str:
    """Return a language's name in English, or its code."""
    return LANGUAGES.get(code, code)
