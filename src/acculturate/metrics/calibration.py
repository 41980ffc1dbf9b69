"""Batch calibration: answers less the untouched model's preference for an option whatever is asked.

H. Zhou et al. (2024), "Batch Calibration", ICLR, arXiv 2309.17249: an option's probability is divided by what
the same option gets on average over other questions, here as the geometric mean over all items of a scale in
one questionnaire. A scale with a single item keeps nothing of its untouched answer: all options are then equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from acculturate.survey import Form, Instrument

_TINY = 1e-12
"""Least probability that is taken for one."""


def mean_answers(
    untouched: Float[np.ndarray, "form option"], forms: Sequence[Form], instrument: Instrument
) -> Float[np.ndarray, "form option"]:
    """Return for each form the geometric mean of each option over the forms of its scale and questionnaire.

    Args:
        untouched: The untouched model's probabilities; 0 for options that an item does not have.
        forms: The forms: whole questionnaires.
        instrument: Gives the scale of an item.
    """
    scales = {item.id: item.scale for item in instrument.items}
    groups = [(scales[form.item], form.questionnaire) for form in forms]
    columns = {group: column for column, group in enumerate(dict.fromkeys(groups))}
    member = np.eye(len(columns))[[columns[group] for group in groups]]
    logs = np.log(np.maximum(untouched, _TINY))
    return np.exp(member @ (member.T @ logs / member.sum(axis=0)[:, None]))


def calibrate(
    probabilities: Float[np.ndarray, "candidate form option"],
    means: Float[np.ndarray, "form option"],
) -> Float[np.ndarray, "candidate form option"]:
    """Divide probabilities by the means of `mean_answers`, and make them sum to 1 again."""
    parts = probabilities / means
    return parts / parts.sum(axis=2, keepdims=True)


def calibrate_backward(
    probabilities: Float[np.ndarray, "candidate form option"],
    means: Float[np.ndarray, "form option"],
    gradient: Float[np.ndarray, "candidate form option"],
) -> Float[np.ndarray, "candidate form option"]:
    """Turn derivatives in calibrated probabilities into those in the probabilities themselves."""
    calibrated = calibrate(probabilities, means)
    centred = gradient - (gradient * calibrated).sum(axis=2, keepdims=True)
    return centred / means / (probabilities / means).sum(axis=2, keepdims=True)
