"""Forms of the items: every wording, frame and option order.

In: an `Instrument`. Out: `Form`s, each with the exact text shown and the map from shown labels back
to the item's own options. Tuning and held-out forms share no wording and no frame. This file knows
neither a model nor a score.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from acculturate.arguments import checked
from acculturate.errors import UsageError
from acculturate.io import fingerprint as fingerprint_of
from acculturate.survey.instrument import Instrument, Item
from acculturate.survey.language import Frame, LanguageText, Split, WordSets

Order = Literal["forward", "reversed", "shuffled", "unlisted"]
ORDERS: tuple[Order, Order] = ("forward", "reversed")
"""The orders of every pool that lists its options; "shuffled" is asked only where it is wanted, see
`crossed_forms`, and answers in words have none: "unlisted"."""
SPLITS: tuple[Split, Split] = ("tuning", "held-out")
LabelKind = Literal["digits", "letters", "words"]
"""Way an answer names its option: by a label in front of it in a list, or, with no list, in its words."""
MOST_DIGITS = 9
"""The most options that digits can label: a label is one digit, or else one letter."""


class Example(NamedTuple):
    """A question as a form puts it, and an answer to it."""

    question: str
    answer: str


@dataclass(frozen=True)
class Form:
    """One way of putting an item.

    Attributes:
        item: Id of the item.
        wording: 0-based index of its wording.
        frame: Key of the frame.
        language: Language code.
        order: "forward" lists the options in the item's own order, "shuffled" in one that keeps no
            two neighbours together, where there are enough of them, "unlisted" not at all.
        split: "tuning" or "held-out".
        text: Everything shown before the cue, without white space at its end.
        cue: The text before the answer, on a line of its own.
        labels: The answers: shown labels in shown order, ("1", "2", ...) or ("A", "B", ...), or
            unlisted words ("Always", "Usually", ...).
        options: `options[k]` is the 0-based index, in the item's own order, of the option that
            `labels[k]` stands for; (4, 3, 2, 1, 0) for a reversed scale of five.
        word_set: 0-based index of the set of words that the answers are from; None for labels.
        label_kind: Kind of the labels that were asked for; ten options and more have letters also as "digits".
        line: The lines that `with_line` put in front of the text, which begins with them; else empty.
        told: True where they tell the model what to be; a chat model finds them in the system message, where
            its template has one.
        examples: Answered questions in front of everything; earlier turns of a chat model.
    """

    item: str
    wording: int
    frame: str
    language: str
    order: Order
    split: Split
    text: str
    cue: str
    labels: tuple[str, ...]
    options: tuple[int, ...]
    word_set: int | None = None
    label_kind: LabelKind = "digits"
    line: str = ""
    told: bool = False
    examples: tuple[Example, ...] = ()

    @property
    def plain(self) -> Form:
        """The form without anything in front."""
        text = self.text.removeprefix(f"{self.line}\n") if self.line else self.text
        return replace(self, text=text, line="", told=False, examples=())

    @property
    def in_front(self) -> str:
        """Everything in front of the plain form, as one text; empty where there is nothing."""
        return self.dialogue + self.text.removesuffix(self.plain.text)

    @property
    def dialogue(self) -> str:
        """The examples as one text."""
        return "".join(f"{asked}\n{self.cue} {answer}\n\n" for asked, answer in self.examples)

    @property
    def answer_kind(self) -> tuple[str, str]:
        """Language and kind of answer: all items of a questionnaire share it."""
        kind = self.label_kind if self.word_set is None else f"words {self.word_set}"
        return self.language, kind

    @property
    def questionnaire(self) -> tuple[str, str, str, Order]:
        """The questionnaire that it is of: kind of answer, frame and order."""
        return *self.answer_kind, self.frame, self.order


@checked
def all_forms(
    instrument: Instrument,
    languages: Sequence[str] = ("en",),
    split: Split | None = None,
    labels: LabelKind | tuple[LabelKind, ...] = "digits",
    words: WordSets = "first",
) -> tuple[Form, ...]:
    """Return every form there is: all tuning forms, then all held-out forms.

    Args:
        instrument: The questionnaire.
        languages: Language codes, in the order of the result.
        split: The forms of one split alone.
        labels: Labels of the options, of one kind or several; more than nine always with letters.
        words: Sets of option words that answer, where labels are "words"; see `crossed_forms`.

    Raises:
        UsageError: The instrument has no such language, or there are no such labels.
    """
    kinds = (labels,) if isinstance(labels, str) else labels
    return tuple(
        form
        for part in (SPLITS if split is None else (split,))
        for language in languages
        for kind in kinds
        for form in crossed_forms(instrument, part, part, language, kind, words=words)
    )


def crossed_forms(
    instrument: Instrument,
    wordings: Split,
    frames: Split,
    language: str = "en",
    labels: LabelKind = "digits",
    shuffled: bool = False,
    words: WordSets = "first",
) -> tuple[Form, ...]:
    """Return the wordings of one split in the frames of one, to ask what is new one thing at a time.

    Args:
        instrument: The questionnaire.
        wordings: The split whose wordings are asked.
        frames: The split whose frames they are asked in.
        language: Language code.
        labels: Labels of the options; more than nine always with letters.
        shuffled: Options in two orders that no pool has, each the other backwards, instead of
            forward and reversed. A scale of two options has no other order.
        words: Sets of option words that answer, where labels are "words": the "first" one alone, as a
            printed survey has one; all that a search may see ("tuning"); or the "held-out" one.

    Returns:
        The forms; their split is "tuning" only where everything is as the tuning forms have it.

    Raises:
        UsageError: The language or the kind of labels is unknown.
    """
    if labels not in get_args(LabelKind):
        raise UsageError(f'there are no labels "{labels}"', "Give digits, letters or words.")
    text = instrument.language(language)
    if labels == "words":
        known = wordings == frames == "tuning" and words != "held-out"
        return tuple(
            _words_form(text, item, wording, frame, chosen, "tuning" if known else "held-out")
            for item in instrument.items
            for chosen in text.word_sets_of(words)
            for wording in text.wordings_of(wordings)
            for frame in text.words_frames_of(frames)
        )
    known = wordings == frames == "tuning" and not shuffled
    return tuple(
        _form(text, item, wording, frame, order, shown, "tuning" if known else "held-out", labels)
        for item in instrument.items
        for order, shown in _option_orders(instrument.options_of(item), shuffled)
        for wording in text.wordings_of(wordings)
        for frame in text.frames_of(frames)
    )


def with_line(forms: Sequence[Form], line: str) -> tuple[Form, ...]:
    """Return the same forms with a line of text in front."""
    return tuple(
        replace(
            form, text=f"{line}\n{form.text}", line=f"{line}\n{form.line}" if form.line else line
        )
        for form in forms
    )


def telling(forms: Sequence[Form], told: str) -> tuple[Form, ...]:
    """Return the same forms to a model that is told what to be."""
    return tuple(replace(form, told=True) for form in with_line(forms, told))


def fingerprint(forms: Iterable[Form]) -> str:
    """Return the SHA-256, hexadecimal, of everything shown and of what each label stands for, in order."""
    shown: list[list[object]] = []
    for form in forms:
        shown.append([form.item, form.text, form.cue, form.labels, form.options])
        if form.told or form.examples:
            shown[-1] += [form.told, form.examples]
    return fingerprint_of(shown)


def _option_orders(count: int, shuffled: bool) -> tuple[tuple[Order, tuple[int, ...]], ...]:
    """Return the options as they are shown, by their place in the item's own order."""
    listed = tuple(range(count))
    if shuffled:
        mixed = listed[1::2] + listed[::2]
        return ("shuffled", mixed), ("shuffled", mixed[::-1])
    return ("forward", listed), ("reversed", listed[::-1])


def _words_form(
    text: LanguageText, item: Item, wording: int, frame: Frame, word_set: int, split: Split
) -> Form:
    assert frame.words_template is not None
    answers = text.words[item.scale][word_set]
    return Form(
        item=item.id,
        wording=wording,
        frame=frame.key,
        language=text.code,
        order="unlisted",
        split=split,
        text=frame.words_template.replace("{question}", text.wordings[item.id][wording]),
        cue=text.answer_cue,
        labels=answers,
        options=tuple(range(len(answers))),
        word_set=word_set,
        label_kind="words",
    )


def _form(
    text: LanguageText,
    item: Item,
    wording: int,
    frame: Frame,
    order: Order,
    options: tuple[int, ...],
    split: Split,
    kind: LabelKind,
) -> Form:
    count = len(options)
    lettered = kind == "letters" or count > MOST_DIGITS
    labels = tuple((string.ascii_uppercase if lettered else string.digits[1:])[:count])
    template = frame.letters_template if lettered and frame.letters_template else frame.template
    option_texts = text.labels[item.scale]
    parts = {
        "{question}": text.wordings[item.id][wording],
        "{options}": "\n".join(
            f"{label}. {option_texts[option]}"
            for label, option in zip(labels, options, strict=True)
        ),
    }
    return Form(
        item=item.id,
        wording=wording,
        frame=frame.key,
        language=text.code,
        order=order,
        split=split,
        text=re.sub(r"\{question\}|\{options\}", lambda part: parts[part[0]], template),
        cue=text.answer_cue,
        labels=labels,
        options=options,
        label_kind=kind,
    )
