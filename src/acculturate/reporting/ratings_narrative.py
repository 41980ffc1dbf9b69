"""Sentences on what people judged of a run's answers, computed from the numbers.

In: a `RunRecords` with its `Checks`. Out: a sentence, or None where nobody judged.
"""

from __future__ import annotations

from acculturate.formatting import LEVEL, interval_text, loss_text, share_text, short
from acculturate.metrics.statistics import Quantity
from acculturate.runs import RunRecords

_OTHERS = {"naive": "the untouched model’s", "persona": "those behind a persona line"}


def ratings(run: RunRecords) -> str | None:
    """Say how often people find a run's answers more typical, better written, stereotyped or offensive."""
    rated = run.checks.ratings
    if rated is None:
        return None
    raters = "one rater" if rated.raters == 1 else f"{rated.raters} raters"
    parts = [
        f"against {_OTHERS.get(wins.against, short(wins.against, 40))} they win {_share(wins.typical)} of "
        f"{wins.judgements} judgements of what is more typical of {short(rated.country)} and "
        f"{_share(wins.better)} of what is better written"
        for wins in rated.wins
    ]
    text = (
        f"Answers to {rated.questions} open questions, judged blind by {raters}: {'; '.join(parts)}. "
        f"{_share(rated.marked)} of them were marked as stereotyped or offensive, "
        f"{_share(rated.naive_marked)} of the untouched model’s."
    )
    if rated.floor is not None:
        text += f" Against itself the untouched model wins {_share(rated.floor)}."
    if rated.alpha is not None:
        text += f" Krippendorff’s alpha between raters is {loss_text(rated.alpha, 2)}."
    return text


def _share(quantity: Quantity) -> str:
    ends = quantity.interval
    span = "" if ends is None else interval_text([100 * end for end in ends], 0)
    return share_text(quantity.value) + (f" ({LEVEL}: {span})" if span else "")
