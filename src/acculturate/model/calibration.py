"""Batch calibration: answers in words less the untouched model's preference for an option whatever is asked.

H. Zhou et al. (2024), "Batch Calibration", ICLR, arXiv 2309.17249: an option's probability is divided by what
the same option gets on average over other questions, here as the geometric mean over all items of a scale in
one questionnaire. A scale with a single item keeps nothing of its untouched answer: all options are then equal.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float

from acculturate.survey.forms import Form

_TINY = 1e-12
"""Least probability that is taken for one."""

Means = dict[Hashable, Float[np.ndarray, " option"]]
"""Geometric mean of each option over the forms of one scale and questionnaire."""


def group(form: Form) -> Hashable:
    """Return what forms of one scale and questionnaire share: options of the same words are one scale's."""
    return form.labels, form.questionnaire


def mean_answers(untouched: Float[np.ndarray, "form option"], forms: Sequence[Form]) -> Means:
    """Average the untouched model's answers over the forms of each scale and questionnaire.

    Args:
        untouched: Its probabilities; 0 for options that an item does not have.
        forms: The forms: whole questionnaires.
    """
    members: dict[Hashable, list[int]] = {}
    for index, form in enumerate(forms):
        members.setdefault(group(form), []).append(index)
    logs = np.log(np.maximum(untouched, _TINY))
    return {key: np.exp(logs[indices].mean(axis=0)) for key, indices in members.items()}


def means_of(means: Means, forms: Sequence[Form], options: int) -> Float[np.ndarray, "form option"]:
    """Return the means for each form, which are 1 for forms that list their options: those stay as they are."""
    rows = np.ones((len(forms), options))
    for row, form in zip(rows, forms, strict=True):
        if form.word_set is not None:
            count = len(form.options)
            row[:count] = means[group(form)][:count]
    return rows


def calibrate(
    probabilities: Float[np.ndarray, "candidate form option"],
    means: Float[np.ndarray, "form option"],
) -> Float[np.ndarray, "candidate form option"]:
    """Divide probabilities by the means of `means_of`, and make them sum to 1 again."""
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
