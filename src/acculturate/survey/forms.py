"""How items are put: every wording, frame and option order, and balanced selections of them.

In: an `Instrument`. Out: `Form`s, each with the exact text shown and the map from shown labels back
to the item's own options. Tuning and held-out forms share no wording and no frame. This file knows
neither a model nor a score.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from acculturate.errors import UsageError
from acculturate.survey.instrument import Frame, Instrument, Item, LanguageText, Split

Order = Literal["forward", "reversed"]
ORDERS: tuple[Order, Order] = ("forward", "reversed")
SPLITS: tuple[Split, Split] = ("tuning", "held-out")


@dataclass(frozen=True)
class Form:
    """One way of putting an item.

    Attributes:
        item: Id of the item.
        wording: 0-based index of its wording.
        frame: Key of the frame.
        language: Language code.
        order: "forward" lists the options in the item's own order.
        split: "tuning" or "held-out".
        text: Everything shown before the cue, without white space at its end.
        cue: What stands before the answer, on a line of its own.
        labels: Shown labels in shown order, ("1", "2", ...).
        options: `options[k]` is the 0-based index, in the item's own order, of the option that
            `labels[k]` stands for; (4, 3, 2, 1, 0) for a reversed scale of five.
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


def all_forms(instrument: Instrument, languages: Sequence[str] = ("en",)) -> tuple[Form, ...]:
    """Every form there is: all tuning forms, then all held-out forms.

    Args:
        instrument: The questionnaire.
        languages: Language codes, in the order of the result.

    Raises:
        UsageError: The instrument has no such language.
    """
    texts = [instrument.language(code) for code in languages]
    return tuple(
        _form(instrument, text, item, wording, frame, order, split)
        for split in SPLITS
        for text in texts
        for item in instrument.items
        for order in ORDERS
        for wording in text.wordings_of(split)
        for frame in text.frames_of(split)
    )


def balanced_forms(
    instrument: Instrument, split: Split, count: int | None = None, language: str = "en"
) -> tuple[Form, ...]:
    """A selection that asks every item equally often in each option order.

    Wordings and frames rotate over the items, so that each is used about equally often; the two
    orders of an item differ in wording and frame wherever the split has more than one.

    Args:
        instrument: The questionnaire.
        split: "tuning" or "held-out".
        count: How many forms; a multiple of twice the number of items, which is the default.
        language: Language code.

    Raises:
        UsageError: The count is not such a multiple or more than there are, or the language is
            unknown.
    """
    text = instrument.language(language)
    wordings, frames = text.wordings_of(split), text.frames_of(split)
    once = len(instrument.items) * len(ORDERS)
    most = once * len(wordings) * len(frames)
    if count is None:
        count = once
    if count < once or count % once or count > most:
        raise UsageError(
            f"{count} {split} forms cannot be balanced over {len(instrument.items)} items of "
            f'"{instrument.key}" in two orders',
            f"Give a multiple of {once}, at most {most}.",
        )
    forms: list[Form] = []
    for start, item in enumerate(instrument.items):
        cells = list(_cells(start, count // once, len(wordings), len(frames)))
        for shift, order in enumerate(ORDERS):
            for wording, frame in cells:
                shown = wordings[(wording + shift) % len(wordings)]
                around = frames[(frame + shift) % len(frames)]
                forms.append(_form(instrument, text, item, shown, around, order, split))
    return tuple(forms)


def fingerprint(forms: Iterable[Form]) -> str:
    """SHA-256, hexadecimal, of everything shown and of what each label stands for, in order."""
    shown = [[form.item, form.text, form.cue, form.labels, form.options] for form in forms]
    return hashlib.sha256(json.dumps(shown, ensure_ascii=False).encode()).hexdigest()


def _cells(start: int, count: int, wordings: int, frames: int) -> Iterator[tuple[int, int]]:
    """Distinct cells of the grid of wordings and frames, along its diagonals."""
    for step in range(start, start + count):
        wording, diagonal = step % wordings, step // wordings % frames
        yield wording, (wording + diagonal) % frames


def _form(
    instrument: Instrument,
    text: LanguageText,
    item: Item,
    wording: int,
    frame: Frame,
    order: Order,
    split: Split,
) -> Form:
    count = instrument.options_of(item)
    labels = tuple(str(number) for number in range(1, count + 1))
    options = tuple(range(count) if order == "forward" else reversed(range(count)))
    own = text.labels[item.scale]
    parts = {
        "{question}": text.wordings[item.id][wording],
        "{options}": "\n".join(
            f"{label}. {own[option]}" for label, option in zip(labels, options, strict=True)
        ),
    }
    return Form(
        item=item.id,
        wording=wording,
        frame=frame.key,
        language=text.code,
        order=order,
        split=split,
        text=re.sub(r"\{question\}|\{options\}", lambda part: parts[part[0]], frame.template),
        cue=text.answer_cue,
        labels=labels,
        options=options,
    )
