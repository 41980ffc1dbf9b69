"""Sentences on the shift that a run attained: first of all how much of it carries over.

In: a `RunRecords` with its `Checks`. Out: sentences, or None where the run was not asked, or by a version that
did not measure it.
"""

from __future__ import annotations

from acculturate.formatting import LEVEL, interval_text, loss_text, share_text, short
from acculturate.metrics.attained import AttainedShift
from acculturate.metrics.held_out import HEADLINE, NEW_WORDS, TUNING, FormSetResult
from acculturate.runs import RunRecords


def carry_over(run: RunRecords) -> str | None:
    """Say how much of the wanted shift was attained where it was tuned, and how much elsewhere."""
    rows = [run.checks.row(key) for key in (TUNING, HEADLINE)]
    shifts = [row.shift for row in rows if row is not None and row.shift is not None]
    if len(shifts) < 2:
        return None
    for shift, where in zip(shifts, ("to the tuning forms", "to held-out forms"), strict=True):
        if not shift.counts and shift.content is not None:
            return (
                f"What carries over cannot be said by the answers {where}. {shift.content.warning}"
            )
    seen, unseen = (_shift_words(shift) for shift in shifts)
    share, ends = run.checks.carry_over, run.checks.carry_over_interval
    end = "too little to carry over" if share is None else f"a carry-over of {share_text(share)}"
    if share is not None and ends is not None:
        end += f" ({LEVEL}: {' to '.join(map(share_text, ends))})"
    return (
        f"Of the wanted shift of scores the prompt attains {seen} on the forms it was tuned on and {unseen} on "
        f"held-out ones: {end}."
    )


def other_ways(run: RunRecords) -> str | None:
    """Say what was attained in the other ways of asking, which do not count, and what was not asked."""
    rows = [row for row in run.checks.rows if row.key not in (TUNING, HEADLINE)]
    shifts = [(row, row.shift) for row in rows if row.shift is not None]
    counted = [
        (shift.attained, row)
        for row, shift in shifts
        if shift.counts and shift.attained is not None
    ]
    sentences: list[str] = []
    if counted:
        least, row = min(counted, key=lambda pair: pair[0])
        half = sum(attained >= 0.5 for attained, _ in counted)
        attain = "attains" if half == 1 else "attain"
        sentences.append(
            f"Of {len(counted)} other ways of asking that count, {half or 'none'} {attain} half of the wanted "
            f"shift; the least is {loss_text(least, 2)}, with {_name(row)}."
        )
    narrow = sum(shift.content.one_wording for _, shift in shifts if shift.counts and shift.content)
    if narrow:
        were = "was" if narrow == 1 else "were"
        sentences.append(
            f"{narrow} of them {were} asked in one wording an item: neither content nor the intervals tell how "
            "much hangs on it."
        )
    if left := sum(not shift.counts for _, shift in shifts):
        sentences.append(
            f"{left} other ways do not count: there the untouched model’s answers are not about the question."
            if left > 1
            else "One other way does not count: there the untouched model’s answers are not about the question."
        )
    if shifts and _has_one_set_of_words(run):
        sentences.append(
            "The questionnaire has a single set of option words, so nothing says whether the shift holds in "
            "other words for the same answers."
        )
    return " ".join(sentences) or None


def _shift_words(shift: AttainedShift) -> str:
    parts = [
        f"{LEVEL}: {interval_text(shift.interval, 2)}" if shift.interval else "",
        "" if shift.correlation is None else f"correlation {loss_text(shift.correlation, 2)}",
    ]
    inside = "; ".join(part for part in parts if part)
    return loss_text(shift.attained, 2) + (f" ({inside})" if inside else "")


def _name(row: FormSetResult) -> str:
    """Return a row's label for the middle of a sentence; a language keeps its capital."""
    label = short(row.label).removeprefix("…")
    return f"“{label[:1].lower()}{label[1:]}”"


def _has_one_set_of_words(run: RunRecords) -> bool:
    """Return whether a run was asked in words, and there were no new ones."""
    keys = {row.key for row in run.checks.rows}
    asked = keys | {refusal.key.removeprefix("asked:") for refusal in run.checks.refused}
    own = "digits" in keys  # asked by digits beside, so tuned by words
    new = NEW_WORDS if own else f"words-{NEW_WORDS}"
    return (own or f"words-{HEADLINE}" in keys) and new not in asked
