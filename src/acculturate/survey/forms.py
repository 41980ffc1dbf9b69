"""Forms of the items: every wording, frame and option order, and balanced selections of them.

In: an `Instrument`. Out: `Form`s, each with the exact text shown and the map from shown labels back
to the item's own options. Tuning and held-out forms share no wording and no frame. This file knows
neither a model nor a score.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

import numpy as np

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

T = TypeVar("T")


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
        told: The beginning of the text that tells the model what to be; a chat model finds it in the system
            message, where its template has one.
        line: The lines that `with_line` put in front of the text, which begins with them; else empty.
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
    told: str = ""
    line: str = ""

    @property
    def plain(self) -> Form:
        """The form without the lines in front."""
        text = self.text.removeprefix(f"{self.line}\n") if self.line else self.text
        return replace(self, text=text, line="", told="")

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


@checked
def balanced_forms(
    instrument: Instrument,
    split: Split,
    count: int | None = None,
    language: str = "en",
    labels: LabelKind = "digits",
) -> tuple[Form, ...]:
    """Select forms that ask every item equally often in each option order.

    Like a printed questionnaire, all items are put in the same frame, with answers of one kind: scores are
    differences between items, and a frame that moves all answers alike then moves no score. Wordings
    rotate over the items, so that each is used about equally often. The two orders of an item share
    wording and frame: a preference for the first option, or for the label 1, then cancels.

    Args:
        instrument: The questionnaire.
        split: "tuning" or "held-out".
        count: Number of forms; a multiple of twice the number of items, which is the default (of the
            number of items, for answers in words). The number of items itself asks each once, options
            forward, and balances nothing: the usual way in the literature, to compare with.
        language: Language code.
        labels: Labels of the options; more than nine always with letters.

    Raises:
        UsageError: The count is not one of these or more than there are, or the language or the
            kind of labels is unknown.
    """
    return select_forms(all_forms(instrument, (language,), split, labels), count)


def select_forms(pool: Sequence[Form], count: int | None = None) -> tuple[Form, ...]:
    """Select a balanced part of a pool, as `balanced_forms` describes it: always the same.

    Args:
        pool: See `draw_forms`.
        count: Number of forms; see `draw_forms`. By default each item once in every order, and the number of
            items itself asks each once, in the first order.

    Raises:
        UsageError: See `draw_forms`.
    """
    grids = _grids(pool)
    width = _width(grids)
    once = len(grids) * width
    selected = _select(grids, once if count in (None, len(grids)) else count, range(len(grids)))
    return selected[::width] if count == len(grids) else selected


def forms_asked_once(instrument: Instrument) -> int:
    """Return the number of forms that ask every item twice: once in each option order, where there are two."""
    return len(ORDERS) * len(instrument.items)


def draw_forms(pool: Sequence[Form], count: int, rng: np.random.Generator) -> tuple[Form, ...]:
    """Draw a selection from a pool, balanced as `balanced_forms` is: another one each time.

    All items are asked in the same language, kind of labels and set of words; a pool with several is
    balanced over languages and kinds of labels, and within words over their sets.

    Args:
        pool: Forms of one split with every wording in every frame and both orders, such as
            `all_forms(instrument, split="tuning")`.
        count: Number of forms; a multiple of twice the number of items (of the number of items, where
            all answers are in words): in a pool with both, answers in words are asked twice for once in
            each order.
        rng: Draws; the same state draws the same forms.

    Returns:
        Different forms of the pool, in the order of its items.

    Raises:
        UsageError: The count is not such a multiple or more than there are, or the pool is empty,
            mixes splits or lacks a form.
    """
    grids = _grids(pool, rng)
    return _select(grids, count, rng.permutation(len(grids)).tolist())


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
    return tuple(replace(form, told=told) for form in with_line(forms, told))


def fingerprint(forms: Iterable[Form]) -> str:
    """Return the SHA-256, hexadecimal, of everything shown and of what each label stands for, in order."""
    shown = [[form.item, form.text, form.cue, form.labels, form.options] for form in forms]
    return fingerprint_of(shown)


@dataclass(frozen=True)
class _Grid:
    """The forms of one item with one kind and set of answers in a language: wordings x frames x orders."""

    wordings: Sequence[int]
    frames: Sequence[str]
    orders: Sequence[str]
    forms: Mapping[tuple[str, int, str], Form]

    def form(self, step: int, place: int, width: int, start: int) -> Form:
        """Return one of the `width` forms of a step: another frame and another wording each time.

        Where both orders are asked they are one step; answers in words take as many steps for as many forms.
        """
        orders, frames, wordings = len(self.orders), len(self.frames), len(self.wordings)
        step = step * (width // orders) + place // orders
        # Where the two numbers share a divisor, the diagonals close before every cell was met.
        turn = step // math.lcm(frames, wordings)
        wording = self.wordings[(start + step + turn) % wordings]
        return self.forms[self.orders[place % orders], wording, self.frames[step % frames]]


_Grids = list[list[_Grid]]
"""The grids of one item: for each language and kind of labels, one for each set of words."""


def _grids(pool: Sequence[Form], rng: np.random.Generator | None = None) -> list[_Grids]:
    """Return the grids of each item; with a generator, everything in them in a drawn order.

    The drawn order is the same for every item, or else they would not balance each other.
    """
    if len(splits := {form.split for form in pool}) != 1:
        raise UsageError(
            f"a pool of {len(pool)} forms with {len(splits)} splits cannot be drawn from",
            'Give forms of one split, such as all_forms(instrument, split="tuning").',
        )
    kinds = _different(((form.language, form.label_kind) for form in pool), rng)
    sets = _different((form.word_set for form in pool), rng)
    wordings = _different((form.wording for form in pool), rng)
    frames = _different((form.frame for form in pool), rng)
    members: dict[str, dict[tuple[str, str], dict[int | None, list[Form]]]] = {}
    for form in pool:
        by_kind = members.setdefault(form.item, {})
        by_set = by_kind.setdefault((form.language, form.label_kind), {})
        by_set.setdefault(form.word_set, []).append(form)
    return [
        [
            [_grid(by_kind[kind][key], wordings, frames) for key in sets if key in by_kind[kind]]
            for kind in kinds
            if kind in by_kind
        ]
        for by_kind in members.values()
    ]


def _grid(members: Sequence[Form], wordings: Sequence[int], frames: Sequence[str]) -> _Grid:
    forms = {(form.order, form.wording, form.frame): form for form in members}
    own_wordings = {form.wording for form in members}
    own_frames = {form.frame for form in members}
    orders = ORDERS if members[0].word_set is None else ("unlisted",)
    if len(forms) != len(orders) * len(own_wordings) * len(own_frames):
        raise UsageError(
            f"the pool has {len(forms)} forms of {members[0].item} with {len(own_wordings)} wordings "
            f"and {len(own_frames)} frames",
            "Give every wording in every frame and both orders.",
        )
    return _Grid(
        [wording for wording in wordings if wording in own_wordings],
        [frame for frame in frames if frame in own_frames],
        orders,
        forms,
    )


def _width(grids: Sequence[_Grids]) -> int:
    """Return how many forms of an item are one step: both orders, where any are listed."""
    return max(len(sets[0].orders) for sets in grids[0])


def _select(grids: Sequence[_Grids], count: int, starts: Sequence[int]) -> tuple[Form, ...]:
    """Take `count` forms from the grids, the wordings of each item from a start of its own."""
    width = _width(grids)
    once = len(grids) * width
    most = once * min(
        len(kinds) * min(len(sets) * min(len(g.forms) for g in sets) // width for sets in kinds)
        for kinds in grids
    )
    if count < once or count % once or count > most:
        split = next(iter(grids[0][0][0].forms.values())).split
        raise UsageError(
            f"{count} {split} forms cannot be balanced over {len(grids)} items"
            f"{' in two orders' if width > 1 else ''}",
            f"Give a multiple of {once}, at most {most}.",
        )
    return tuple(
        _of_step(kinds, step, place, width, start)
        for kinds, start in zip(grids, starts, strict=True)
        for place in range(width)
        for step in range(count // once)
    )


def _of_step(kinds: _Grids, step: int, place: int, width: int, start: int) -> Form:
    """Return one of the `width` forms of a step: another kind of labels, then another set, each time."""
    turn, kind = divmod(step, len(kinds))
    turn, chosen = divmod(turn, len(kinds[kind]))
    return kinds[kind][chosen].form(turn, place, width, start)


def _different(values: Iterable[T], rng: np.random.Generator | None) -> list[T]:
    """Return the different values as they come, or in a drawn order."""
    different = list(dict.fromkeys(values))
    if rng is None:
        return different
    return [different[index] for index in rng.permutation(len(different))]


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
