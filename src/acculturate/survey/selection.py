"""Balanced selections of forms: fixed ones, and ones that are drawn anew for every step of a search.

In: a pool of forms. Out: some of them, which ask every item equally often in the same ways.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from acculturate.arguments import checked
from acculturate.errors import UsageError
from acculturate.survey.forms import ORDERS, Form, LabelKind, all_forms, crossed_forms
from acculturate.survey.instrument import Instrument
from acculturate.survey.language import Split

T = TypeVar("T")

FORMS_AN_ITEM = 4
"""Forms of an item that a row asks at most, or each wording once, where there are more: two in each option
order, the fewest with an interval."""


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


def forms_asked_once(instrument: Instrument, language: str, labels: Sequence[LabelKind]) -> int:
    """Return the number of forms that ask every item once in each option order.

    Words have no order: they ask every item as often with each set of option words for tuning, or as often as
    there are wordings and frames.
    """
    if tuple(labels) != ("words",):
        return len(ORDERS) * len(instrument.items)
    text = instrument.language(language)
    ways = len(text.wordings_of("tuning")) * len(text.words_frames_of("tuning"))
    return min(len(ORDERS), ways) * len(text.word_sets_of("tuning")) * len(instrument.items)


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


def limit_forms(pool: Sequence[Form]) -> tuple[Form, ...]:
    """Return as many of a pool as an interval and its content need, balanced; always the same."""
    items = len({form.item for form in pool})
    wordings = len({form.wording for form in pool})
    each = max(FORMS_AN_ITEM, wordings + wordings % len(ORDERS))
    if len(pool) <= items * each:
        return tuple(pool)
    if not is_whole(pool):  # a selection, whose first forms are balanced themselves
        return first_of_each(pool, each)
    return draw_forms(pool, items * each, np.random.default_rng(0))


def first_of_each(pool: Sequence[Form], each: int = FORMS_AN_ITEM) -> tuple[Form, ...]:
    """Return the first forms of each item, as many from each order it is shown in."""
    orders = {form.item: set[tuple[int, ...]]() for form in pool}
    for form in pool:
        orders[form.item].add(form.options)
    taken: Counter[tuple[str, tuple[int, ...]]] = Counter()
    kept: list[Form] = []
    for form in pool:
        taken[form.item, form.options] += 1
        if taken[form.item, form.options] <= each // len(orders[form.item]):
            kept.append(form)
    return tuple(kept)


def choose_forms(
    instrument: Instrument, choice: str, language: str = "en", labels: LabelKind = "words"
) -> tuple[Form, ...]:
    """Return all forms of a language, or those of one split.

    Raises:
        UsageError: There is no such choice, language or kind of labels.
    """
    if choice not in ("all", "tuning", "held-out"):
        raise UsageError(f"no forms called {choice!r}", "Use all, tuning or held-out.")
    pool = all_forms(instrument, (language,), labels=labels)
    return tuple(form for form in pool if choice in ("all", form.split))


def survey_forms(instrument: Instrument, tuning: Sequence[Form], language: str) -> tuple[Form, ...]:
    """Return the tuning forms in the survey's own option words, of which a search in words sees several sets.

    The wanted shift is counted from all of them: the untouched scores hang on the wording.
    """
    if {(form.language, form.label_kind) for form in tuning} == {(language, "words")}:
        return crossed_forms(instrument, "tuning", "tuning", language, "words")
    return tuple(form for form in tuning if not form.word_set)


def labels_of(forms: Sequence[Form]) -> LabelKind:
    """Return the labels that a run is asked by elsewhere: words, where any of its forms has them."""
    kinds = {form.label_kind for form in forms}
    return next(kind for kind in ("words", "digits", "letters") if kind in kinds)


def is_whole(pool: Sequence[Form]) -> bool:
    """Return whether a pool can be drawn from: every wording of an item in every frame and order."""
    try:
        _grids(pool)
    except UsageError:
        return False
    return True


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
