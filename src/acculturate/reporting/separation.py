"""The separation of several countries' runs by one method, from their result tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acculturate.metrics.separation import Separation, separate
from acculturate.runs import Evaluation


def separation(evaluations: Sequence[Evaluation]) -> Separation | None:
    """Return how far apart the shifts on held-out forms are, in the dimensions that all targets have.

    None of a single country, where an answer was not finite, or there is no such dimension.

    Args:
        evaluations: Of one questionnaire, each towards a country of its own.
    """
    if len(evaluations) < 2:
        return None
    first = evaluations[0].dimensions
    keys = [d.key for d in first if all(d.key in e.target.scores for e in evaluations)]
    shifts: list[list[float]] = []
    wanted: list[list[float]] = []
    for evaluation in evaluations:
        naive, tuned = evaluation.method("naive"), evaluation.method("tuned")
        if naive is None or tuned is None or naive.tuning is None:
            return None
        if naive.held_out is None or tuned.held_out is None:
            return None
        before, after, untouched = (
            outcome.scores for outcome in (naive.held_out, tuned.held_out, naive.tuning)
        )
        if not all(key in scores for scores in (before, after, untouched) for key in keys):
            return None
        shifts.append([after[key] - before[key] for key in keys])
        wanted.append([evaluation.target.scores[key] - untouched[key] for key in keys])
    return separate(np.array(shifts), np.array(wanted)) if keys else None
