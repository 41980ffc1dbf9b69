"""Words in front of forms: a line, or questions that are answered already.

In: forms. Out: the same forms with something in front of them. What is asked, and what the answers are, stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Protocol, runtime_checkable

from acculturate.survey.forms import (
    SPLITS,
    Example,
    Form,
    LabelKind,
    crossed_forms,
    telling,
    with_line,
)
from acculturate.survey.instrument import Instrument


@runtime_checkable
class Context(Protocol):
    """Words in front of forms."""

    def before(self, forms: Sequence[Form]) -> tuple[Form, ...]:
        """Return the same forms with the words in front."""
        ...


@dataclass(frozen=True)
class Line:
    """The same lines of text in front of every form.

    Attributes:
        text: The lines.
        told: Whether a chat model finds them in its system message, where its template has one.
    """

    text: str
    told: bool = False

    def before(self, forms: Sequence[Form]) -> tuple[Form, ...]:
        """See `Context.before`."""
        return (telling if self.told else with_line)(forms, self.text)


@dataclass(frozen=True)
class Demonstrations:
    """Answered questions of a survey in front of every form (few-shot: Brown et al. 2020, NeurIPS 33).

    A question of the survey itself sees items of other dimensions alone: no answer that is scored with its
    own is shown. They are in the form's language and kind of answers, and in its frame where the survey has
    that. Every second one lists its options backwards, where they are listed.

    Attributes:
        instrument: The survey.
        answers: The answer to each item, from 1; the first ones of each dimension are shown first.
        count: Number of questions in front of a form.
    """

    instrument: Instrument
    answers: Mapping[str, int]
    count: int
    _known: dict[object, tuple[Example, ...]] = field(
        default_factory=dict[object, tuple[Example, ...]], init=False, compare=False, repr=False
    )

    def before(self, forms: Sequence[Form]) -> tuple[Form, ...]:
        """See `Context.before`."""
        return tuple(replace(form, examples=self._examples(form)) for form in forms)

    def _examples(self, form: Form) -> tuple[Example, ...]:
        items = self._items(form.item)
        key = items, form.answer_kind, form.frame
        if key not in self._known:
            pool = self._pool(form)
            self._known[key] = tuple(
                self._answered(pool[item], place) for place, item in enumerate(items)
            )
        return self._known[key]

    def _items(self, asked: str) -> tuple[str, ...]:
        """Choose items of the dimensions that an item is not of, in turn."""
        dimensions = [set(dimension.weights) for dimension in self.instrument.dimensions]
        barred = {item for own in dimensions if asked in own for item in own}
        turns = [[item for item in self.answers if item in own - barred] for own in dimensions]
        mixed = [
            own[turn] for turn in range(max(map(len, turns))) for own in turns if turn < len(own)
        ]
        return tuple(dict.fromkeys(mixed))[: self.count]

    def _pool(self, form: Form) -> dict[str, list[Form]]:
        """Return the forms of every item that are most like one, one for each order."""
        languages = self.instrument.languages
        language = form.language if form.language in languages else next(iter(languages))
        pool = _every_form(self.instrument, language, form.label_kind)
        frames = {shown.frame for shown in pool} & {form.frame} or {pool[0].frame}
        sets = {shown.word_set for shown in pool} & {form.word_set} or {pool[0].word_set}
        alike: dict[tuple[str, str], Form] = {}
        for shown in pool:
            if shown.frame in frames and shown.word_set in sets:
                alike.setdefault((shown.item, shown.order), shown)
        by_item: dict[str, list[Form]] = {}
        for (item, _), shown in alike.items():
            by_item.setdefault(item, []).append(shown)
        return by_item

    def _answered(self, forms: Sequence[Form], place: int) -> Example:
        form = forms[place % len(forms)]
        return Example(form.text, form.labels[form.options.index(self.answers[form.item] - 1)])


def _every_form(instrument: Instrument, language: str, labels: LabelKind) -> list[Form]:
    """Return the forms of both splits with all sets of option words."""
    return [
        form
        for split, words in product(SPLITS, SPLITS)
        for form in crossed_forms(instrument, split, split, language, labels, words=words)
    ]
