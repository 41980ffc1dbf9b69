"""The words of an instrument in one language: labels, wordings and the frames around them.

In: the language's table of an instrument file, the scales' sizes and the items' ids. Out: a checked
`LanguageText`, or a `UsageError` that names what is wrong. This file knows no scoring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from acculturate.survey.files import Table

Split = Literal["tuning", "held-out"]
Direction = Literal["ltr", "rtl"]


@dataclass(frozen=True)
class Frame:
    """The text around a question.

    Attributes:
        key: Short name.
        held_out: Whether it is kept from tuning.
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
        validated: Whether the wordings were validated against the original.
        labels: Scale to its option labels, in the scale's own order.
        frames: Tuning and held-out frames, at least one of each.
        wordings: Item to its wordings, the same number for every item.
        held_out_wordings: Indices of the wordings held out, the last ones; empty where there is
            only one wording, which then serves both splits.
        source: Whose the words are.
        answer_cue: What stands before the answer.
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
        """The frames of a split; the two splits share none."""
        return tuple(frame for frame in self.frames if frame.held_out == (split == "held-out"))

    def wordings_of(self, split: Split) -> tuple[int, ...]:
        """Indices of the wordings of a split; the splits share none unless there is only one."""
        count = len(next(iter(self.wordings.values())))
        if split == "held-out" and self.held_out_wordings:
            return self.held_out_wordings
        return tuple(index for index in range(count) if index not in self.held_out_wordings)


def read_language(
    code: str, table: Table, scales: Mapping[str, int], items: Sequence[str]
) -> LanguageText:
    """Reads one language of an instrument file.

    Args:
        code: Language code.
        table: Its table.
        scales: Scale to its number of options.
        items: Ids of the items, each of which needs its wordings.

    Raises:
        UsageError: Something is missing, empty, repeated, of the wrong number, or not held out.
    """
    table.only(
        "direction",
        "validated",
        "source",
        "answer_cue",
        "held_out_wordings",
        "labels",
        "frames",
        "wordings",
    )
    direction = cast("Direction", table.choice("direction", ("ltr", "rtl")))
    validated = table.flag("validated", False)
    source, answer_cue = table.text("source"), table.text("answer_cue")
    labels = _labels(table.table("labels"), scales)
    frames = _frames(table)
    wordings = _wordings(table, items)
    return LanguageText(
        code=code,
        direction=direction,
        validated=validated,
        labels=labels,
        frames=frames,
        wordings=wordings,
        held_out_wordings=_held_out_wordings(table, len(wordings[items[0]])),
        source=source,
        answer_cue=answer_cue,
    )


def _labels(table: Table, scales: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    table.only(*scales)
    labels: dict[str, tuple[str, ...]] = {}
    for key, options in scales.items():
        texts = _one_line_each(table, key)
        if len(texts) != options:
            raise table.error(
                key,
                f"has {len(texts)} labels; scale {key} has {options} options",
                "Write one label an option, in the order of the scale.",
            )
        labels[key] = _distinct(table, key, texts)
    return labels


def _wordings(table: Table, items: Sequence[str]) -> dict[str, tuple[str, ...]]:
    texts = table.table("wordings")
    texts.only(*items)
    wordings: dict[str, tuple[str, ...]] = {}
    for item in items:
        wordings[item] = _distinct(texts, item, _one_line_each(texts, item))
        expected = len(wordings[items[0]])
        if len(wordings[item]) != expected:
            raise texts.error(
                item,
                f"has {len(wordings[item])} wordings and {items[0]} has {expected}",
                "Give every item the same number of wordings.",
            )
    return wordings


def _held_out_wordings(table: Table, count: int) -> tuple[int, ...]:
    held_out = table.whole("held_out_wordings", min(1, count - 1))
    if count == 1 and held_out <= 1:
        return ()
    if not 1 <= held_out < count:
        raise table.error(
            "held_out_wordings",
            f"is {held_out} of {count} wordings",
            "Hold out at least one wording and leave at least one for tuning.",
        )
    return tuple(range(count - held_out, count))


def _frames(table: Table) -> tuple[Frame, ...]:
    frames = tuple(_frame(key, frame) for key, frame in table.tables("frames"))
    for held_out, kind in ((False, "tuning"), (True, "held-out")):
        if not any(frame.held_out == held_out for frame in frames):
            raise table.error(
                "frames",
                f"has no {kind} frame",
                f"Give at least one frame held_out = {str(held_out).lower()}.",
            )
    _distinct(table, "frames", tuple(frame.template for frame in frames))
    return frames


def _frame(key: str, table: Table) -> Frame:
    table.only("held_out", "template", "letters")
    return Frame(
        key,
        table.flag("held_out", False),
        _template(table, "template"),
        _template(table, "letters") if "letters" in table else None,
    )


def _template(table: Table, key: str) -> str:
    template = table.text(key)
    for placeholder in ("{question}", "{options}"):
        if template.count(placeholder) != 1:
            raise table.error(
                key,
                f"has {placeholder} {template.count(placeholder)} times",
                "Write {question} and {options} once each.",
            )
    return template


def _one_line_each(table: Table, key: str) -> tuple[str, ...]:
    texts = table.texts(key)
    for number, text in enumerate(texts, start=1):
        if len(text.splitlines()) > 1:
            raise table.error(f"{key}[{number}]", "has a line break", "Write it on one line.")
    return texts


def _distinct(table: Table, key: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    for number, text in enumerate(texts, start=1):
        if text in texts[: number - 1]:
            raise table.error(f"{key}[{number}]", f'repeats "{text}"', "Write a different one.")
    return texts
