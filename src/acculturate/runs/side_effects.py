"""evaluation/fluency.json as checked, frozen data.

In: the file. Out: the evaluation room's own `SideEffects`. What is there and wrong is an error that names
file and key.
"""

from __future__ import annotations

import math

from acculturate.metrics.prose import Prose
from acculturate.metrics.side_effects import Quantity, Reach, Reply, SideEffects, TextSet
from acculturate.runs.fields import Record


def read_side_effects(file: Record) -> SideEffects:
    """Reads what `evaluate --on fluency` wrote.

    Raises:
        FailureError: A value is missing or wrong.
    """
    return SideEffects(
        sets=tuple(_set(entry) for entry in file.records("sets")),
        reaches=tuple(_reach(entry) for entry in file.records("reaches")),
        replies=tuple(
            Reply(entry.text("question"), entry.text("naive"), entry.text("tuned"))
            for entry in file.records("replies")
        ),
        max_tokens=file.integer("max_tokens"),
        naive=_prose(file.record("naive")),
        tuned=_prose(file.record("tuned")),
        seed=file.integer("seed"),
    )


def _set(entry: Record) -> TextSet:
    return TextSet(
        key=entry.text("key"),
        label=entry.text("label"),
        texts=entry.integer("texts"),
        tokens=entry.integer("tokens"),
        divergence=_quantity(entry.record("divergence")),
        naive=_quantity(entry.record("naive")),
        tuned=_quantity(entry.record("tuned")),
        ratio=_quantity(entry.record("ratio")),
    )


def _reach(entry: Record) -> Reach:
    divergence, low, high = (_column(entry, key) for key in ("divergence", "low", "high"))
    whole = len(low) == len(high) == len(divergence)
    return Reach(
        key=entry.text("key"),
        label=entry.text("label"),
        texts=entry.integer("texts"),
        divergence=divergence,
        low=low if whole else (),
        high=high if whole else (),
        early=_quantity(entry.record("early")),
        late=_quantity(entry.record("late")),
        faded=_quantity(entry.record("faded")),
    )


def _column(entry: Record, key: str) -> tuple[float, ...]:
    return tuple(math.nan if value is None else value for value in entry.numbers(key) or ())


def _quantity(entry: Record) -> Quantity:
    value = entry.optional_number("value")
    return Quantity(math.nan if value is None else value, entry.interval("interval"))


def _prose(entry: Record) -> Prose:
    return Prose(
        words=entry.number("words"),
        repetition=entry.optional_number("repetition"),
        distinct_1=entry.optional_number("distinct_1"),
        distinct_2=entry.optional_number("distinct_2"),
        reading_ease=entry.optional_number("reading_ease"),
        refusals=entry.number("refusals"),
        empty=entry.number("empty"),
    )
