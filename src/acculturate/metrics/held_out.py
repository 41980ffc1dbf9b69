"""Other ways of asking: a row each, new in one thing or more.

In: an instrument, the forms a run was tuned on, its soft prompt. Out: rows with naive and tuned losses,
the gain and the attained shift, each with its interval. Which forms are asked is fixed: no seed chooses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from acculturate.metrics.attained import carry_over, projections
from acculturate.metrics.comparison import Comparison, StatePair
from acculturate.metrics.statistics import Quantity
from acculturate.record_files import NanIfNull
from acculturate.survey import Form, Instrument, LabelKind, crossed_forms
from acculturate.survey.language import Split, WordSets, language_name
from acculturate.survey.selection import first_of_each, labels_of, limit_forms, survey_forms

TUNING = "tuning"
"""Key of the row of the forms that a run was tuned on."""
HEADLINE = "held-out"
"""Key of the row that a result is quoted by: held-out wordings, where there are any, in held-out frames."""
NEW_WORDS = "option-words"
"""Key of the row of answers in option words that are new and nothing else is."""
KEPT_SAMPLES = 200
"""Bootstrap samples that a file keeps."""

_LABEL_NAMES = {"digits": "…options numbered", "letters": "…options lettered"}


@dataclass(frozen=True)
class FormSet:
    """One way of asking.

    Attributes:
        key: "tuning", "wordings", "frames", "option-words", "held-out" or "all-new" in the labels of the run;
            "words-tuning" and so on in words, where it was tuned by labels; "digits", "letters", "shuffled";
            a language's code.
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
        samples: Thinned bootstrap samples: "naive" and "tuned", losses on the headline's forms; "attained", the
            attained shift on these and on the tuning forms.
        fingerprint: SHA-256 of all that it depends on, in a file.
    """

    key: str
    label: str
    forms: int
    samples: dict[str, tuple[NanIfNull, ...]] = field(default_factory=dict)
    fingerprint: str = ""


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
        wording, new wordings; with scales of two, other orders; with scales of ten and more, letters;
        with a single set of option words, new ones.

    Raises:
        UsageError: The instrument does not have one of the languages.
    """
    own = labels_of(tuning)
    sets = [
        FormSet(TUNING, "As it was tuned", limit_forms(survey_forms(instrument, tuning, language)))
    ]
    sets += _new_in_one_thing(instrument, language, own)[1:]
    sets += _by_other_labels(instrument, language, own)
    if own != "words":
        sets += [
            FormSet(f"words-{each.key}", f"In words: {each.label.lower()}", each.forms)
            for each in _new_in_one_thing(instrument, language, "words")
        ]
    for code in others:
        pool = crossed_forms(instrument, "held-out", "held-out", code, own)
        sets.append(FormSet(code, f"…in {language_name(code)}", limit_forms(pool)))
    return tuple(sets)


def _new_in_one_thing(instrument: Instrument, language: str, labels: LabelKind) -> list[FormSet]:
    """Return the sets of one kind of labels: as tuned, new in one thing, and in several."""
    text = instrument.language(language)
    new_wordings = bool(text.held_out_wordings)
    new_frames = labels != "words" or text.has_new_words_frames
    new_words = labels == "words" and text.word_sets_of("tuning") != text.word_sets_of("held-out")
    new = (("wordings", new_wordings), ("frames", new_frames))
    named = " and ".join(name for name, known in new if known)
    headline = f"New {named}" if named else "Held-out forms, with nothing new"
    ways: list[tuple[str, str, Split, Split, WordSets, bool]] = [
        (TUNING, "Tuning wordings and frames", "tuning", "tuning", "first", True),
        ("wordings", "New wordings", "held-out", "tuning", "first", new_wordings and new_frames),
        ("frames", "New frames", "tuning", "held-out", "first", new_wordings and new_frames),
        (NEW_WORDS, "New option words", "tuning", "tuning", "held-out", new_words),
        (HEADLINE, headline, "held-out", "held-out", "first", True),
        ("all-new", "New in everything", "held-out", "held-out", "held-out", new_words),
    ]
    return [
        FormSet(
            key,
            label,
            limit_forms(crossed_forms(instrument, wordings, frames, language, labels, words=words)),
        )
        for key, label, wordings, frames, words, known in ways
        if known
    ]


def _by_other_labels(instrument: Instrument, language: str, own: LabelKind) -> list[FormSet]:
    """Return the held-out forms with listed options in other orders and under other labels."""
    listed: LabelKind = "digits" if own == "words" else own
    other: LabelKind = "digits" if listed == "letters" else "letters"
    split: tuple[Split, Split] = "held-out", "held-out"
    plain = crossed_forms(instrument, *split, language, listed)
    mixed = crossed_forms(instrument, *split, language, listed, shuffled=True)
    relabelled = crossed_forms(instrument, *split, language, other)
    sets: list[FormSet] = []
    if own == "words":
        sets.append(FormSet(listed, _LABEL_NAMES[listed], limit_forms(plain)))
    if {form.options for form in mixed} - {form.options for form in plain}:
        sets.append(FormSet("shuffled", "…options shuffled", first_of_each(mixed)))
    if any(a.labels != b.labels for a, b in zip(plain, relabelled, strict=True)):
        sets.append(FormSet(other, _LABEL_NAMES[other], limit_forms(relabelled)))
    return sets


def other_languages(
    instrument: Instrument, own: str, wanted: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return the codes of the languages to ask in beside one's own: those wanted, or all there are if None."""
    codes = instrument.languages if wanted is None else wanted
    return tuple(code for code in dict.fromkeys(codes) if code != own)


def make_row(
    key: str,
    label: str,
    comparison: Comparison,
    wanted: Float[np.ndarray, " dimension"] | None = None,
) -> FormSetResult:
    """Return a comparison as a row, with its shift where it is known which was wanted."""
    states, forms = vars(comparison.states(wanted)), len(comparison.forms)
    samples: dict[str, tuple[float, ...]] = {}
    losses, shifts = comparison.loss_samples, comparison.shift_samples
    if key == HEADLINE and losses is not None:
        samples = dict(zip(("naive", "tuned"), map(_thinned, losses), strict=True))
    if key in (HEADLINE, TUNING) and shifts is not None and wanted is not None:
        samples["attained"] = _thinned(projections(shifts, wanted))
    return FormSetResult(key=key, label=label, forms=forms, samples=samples, **states)


def rows_by_order(
    comparison: Comparison, wanted: Float[np.ndarray, " dimension"] | None = None
) -> tuple[FormSetResult, ...]:
    """Return the rows of a comparison's forms by the order of their options; none in words, which list none."""
    whole = None if wanted is None else comparison.shift(wanted)
    rows: list[FormSetResult] = []
    for order, label in (("forward", "…options as listed"), ("reversed", "…options reversed")):
        chosen = [index for index, form in enumerate(comparison.forms) if form.order == order]
        if not chosen:
            continue
        row = make_row(order, label, comparison.only(chosen), wanted)
        if whole is not None and row.shift is not None:
            # In one order a pull to a place cannot be told from content.
            shift = replace(row.shift, content=whole.content, counts=whole.counts)
            row = replace(row, shift=shift)
        rows.append(row)
    return tuple(rows)


def carry_over_of(rows: Iterable[FormSetResult]) -> Quantity | None:
    """Return the share of the shift attained on the tuning forms that is attained on the held-out ones."""
    by_key = {row.key: row for row in rows}
    tuning, held_out = by_key.get(TUNING), by_key.get(HEADLINE)
    if tuning is None or held_out is None:
        return None
    samples = held_out.samples.get("attained", ()), tuning.samples.get("attained", ())
    return carry_over(held_out.shift, tuning.shift, samples)


def _thinned(samples: Float[np.ndarray, " sample"]) -> tuple[float, ...]:
    return tuple(thin(samples).tolist())


def thin(samples: Float[np.ndarray, "*state sample"]) -> Float[np.ndarray, "*state kept"]:
    """Return `KEPT_SAMPLES` of the bootstrap samples, rounded."""
    return np.round(samples[..., :: max(1, samples.shape[-1] // KEPT_SAMPLES)], 6)
