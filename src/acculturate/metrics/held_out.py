"""Other ways of asking: a row each, new in one thing or more.

In: an instrument, the forms a run was tuned on, its soft prompt. Out: rows with naive and tuned losses,
their intervals and that of the gain. Which forms are asked is fixed: no seed chooses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from acculturate.metrics.comparison import Comparison, StatePair
from acculturate.survey import Form, Instrument, all_forms, crossed_forms, draw_forms

HEADLINE = "held-out"
"""Key of the row that a result is quoted by: held-out wordings, where there are any, in held-out frames."""
FORMS_AN_ITEM = 4
"""Forms of an item that a row asks at most: two in each option order, the fewest with an interval."""
KEPT_SAMPLES = 200
"""Bootstrap losses that a file keeps, for comparing several runs."""

LANGUAGES = {"ar": "Arabic", "en": "English", "es": "Spanish", "hi": "Hindi", "zh": "Chinese"}


@dataclass(frozen=True)
class FormSet:
    """One way of asking.

    Attributes:
        key: "tuning", "wordings", "frames", "held-out", "shuffled", "letters" or a language's code.
        label: In words.
        forms: The forms to ask.
    """

    key: str
    label: str
    forms: tuple[Form, ...]


@dataclass(frozen=True, kw_only=True)
class FormSetResult(StatePair):
    """The untouched and the tuned model, asked in one way.

    Attributes:
        key: As in `FormSet`; "forward" and "reversed" are the headline's forms by option order.
        label: In words.
        forms: Number of forms asked of each.
    """

    key: str
    label: str
    forms: int


def form_sets(
    instrument: Instrument, tuning: Sequence[Form], language: str, others: Sequence[str] = ()
) -> tuple[FormSet, ...]:
    """Return the ways of asking, the tuning forms first and languages last.

    Args:
        instrument: The questionnaire.
        tuning: The forms of the search; of more than a row asks, a balanced few.
        language: The language it was asked in.
        others: Codes of other languages to ask in.

    Returns:
        One set each; a way in which the instrument has nothing new is left out: with a single
        wording, new wordings; with scales of two, other orders; with scales of ten and more, letters.

    Raises:
        UsageError: The instrument does not have one of the languages.
    """
    new = all_forms(instrument, (language,), "held-out")
    lettered = all_forms(instrument, (language,), "held-out", "letters")
    sets = [FormSet("tuning", "As it was tuned", limit_forms(tuning))]
    new_wordings = bool(instrument.language(language).held_out_wordings)
    if new_wordings:
        worded = crossed_forms(instrument, "held-out", "tuning", language)
        framed = crossed_forms(instrument, "tuning", "held-out", language)
        sets += [
            FormSet("wordings", "New wordings", limit_forms(worded)),
            FormSet("frames", "New frames", limit_forms(framed)),
        ]
    label = "New wordings and frames" if new_wordings else "New frames"
    sets.append(FormSet(HEADLINE, label, limit_forms(new)))
    mixed = crossed_forms(instrument, "held-out", "held-out", language, shuffled=True)
    if {form.options for form in mixed} - {form.options for form in new}:
        sets.append(FormSet("shuffled", "…options shuffled", _few_of_each(mixed)))
    if any(a.labels != b.labels for a, b in zip(new, lettered, strict=True)):
        sets.append(FormSet("letters", "…options lettered", limit_forms(lettered)))
    for code in others:
        pool = all_forms(instrument, (code,), "held-out")
        sets.append(FormSet(code, f"…in {language_name(code)}", limit_forms(pool)))
    return tuple(sets)


def other_languages(
    instrument: Instrument, own: str, wanted: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return the codes of the languages to ask in beside one's own: those wanted, or all there are if None."""
    codes = instrument.languages if wanted is None else wanted
    return tuple(code for code in dict.fromkeys(codes) if code != own)


def make_row(key: str, label: str, comparison: Comparison) -> FormSetResult:
    """Return a comparison as a row."""
    states = vars(comparison.states())
    return FormSetResult(key=key, label=label, forms=len(comparison.forms), **states)


def rows_by_order(comparison: Comparison) -> tuple[FormSetResult, FormSetResult]:
    """Return the rows of a comparison's forms in the item's own order, and in the reversed one."""
    rows: list[FormSetResult] = []
    for order, label in (("forward", "…options as listed"), ("reversed", "…options reversed")):
        chosen = [index for index, form in enumerate(comparison.forms) if form.order == order]
        rows.append(make_row(order, label, comparison.only(chosen)))
    return rows[0], rows[1]


def kept_samples(comparison: Comparison) -> dict[str, tuple[float, ...]]:
    """Return bootstrap losses of both states, thinned; empty where there are none."""
    losses = comparison.loss_samples
    if losses is None:
        return {}
    naive, tuned = thin(losses).tolist()
    return {"naive": tuple(naive), "tuned": tuple(tuned)}


def thin(losses: Float[np.ndarray, "*state sample"]) -> Float[np.ndarray, "*state kept"]:
    """Return `KEPT_SAMPLES` of the bootstrap losses, rounded."""
    return np.round(losses[..., :: max(1, losses.shape[-1] // KEPT_SAMPLES)], 6)


def limit_forms(pool: Sequence[Form]) -> tuple[Form, ...]:
    """Return as many of a pool as an interval needs, balanced; always the same."""
    items = len({form.item for form in pool})
    if len(pool) <= FORMS_AN_ITEM * items:
        return tuple(pool)
    return draw_forms(pool, FORMS_AN_ITEM * items, np.random.default_rng(0))


def language_name(code: str) -> str:
    """Return a language's name in English, or its code."""
    return LANGUAGES.get(code, code)


def _few_of_each(pool: Sequence[Form]) -> tuple[Form, ...]:
    """Return the first forms of each item, as many from each order it is shown in."""
    taken: dict[tuple[str, tuple[int, ...]], int] = {}
    kept: list[Form] = []
    for form in pool:
        place = form.item, form.options
        taken[place] = taken.get(place, 0) + 1
        if taken[place] <= FORMS_AN_ITEM // 2:
            kept.append(form)
    return tuple(kept)
