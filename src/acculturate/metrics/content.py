"""Content: the share of a profile that items explain, and not the way they were asked.

In: the answers to forms as numbers. Out: variance components over items, wordings, frames, orders and sets
of words, and from them the generalizability coefficient (Brennan, Generalizability Theory, 2001), within
scales: which scale an item stands on is no content. A coefficient near 0 says that the answers are about
places, labels or words; near 1, that other ways of asking would rank the items alike.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from acculturate.survey import Form, Instrument
from acculturate.survey.forms import ORDERS

ENOUGH = 0.5
"""Coefficient below which a profile is said to show no content."""

_FACETS: dict[str, Callable[[Form], Hashable]] = {
    "wording": lambda form: (form.language, form.wording),
    "frame": lambda form: (form.language, form.frame),
    "order": lambda form: form.options,
    "labels": lambda form: form.labels[0] if form.word_set is None else form.word_set,
}
"""Facet to the level of it that a form has."""


@dataclass(frozen=True)
class Content:
    """The share of the variance of answers that items explain, within scales.

    Attributes:
        coefficient: Generalizability coefficient of the mean answer of an item over all forms asked.
        one_form: The same for a single form.
        components: Variance of items, of their interaction with each facet that varies, and of what is
            left ("rest"), in squared steps of a scale.
        order_correlation: Correlation of item means between options as listed and reversed; None where
            only one order was asked or a mean does not vary.
    """

    coefficient: float
    one_form: float
    components: dict[str, float]
    order_correlation: float | None


def content(
    values: Float[np.ndarray, " form"], forms: Sequence[Form], instrument: Instrument
) -> Content | None:
    """Estimate how much of some answers is content.

    Components are estimated without bias for any selection of forms, balanced or not, by equating
    quadratic forms to their expectations (MINQUE with equal prior weights: Rao, J. Multivariate Analysis
    1, 1971), after what a facet does to all items of a scale is taken out; negative ones count as zero.

    Args:
        values: The answer to each form, a number on the item's scale.
        forms: The forms.
        instrument: Gives the scale of an item.

    Returns:
        None where no scale has two items, or every item was asked once.
    """
    scale_of = {item.id: item.scale for item in instrument.items}
    scales = [scale_of[form.item] for form in forms]
    effects = {"item": _indicators([form.item for form in forms])}
    levels = {facet: [level(form) for form in forms] for facet, level in _FACETS.items()}
    for facet, column in levels.items():
        pairs = [(form.item, level) for form, level in zip(forms, column, strict=True)]
        if len(set(pairs)) > effects["item"].shape[1]:  # else it cannot be told from the items
            effects[facet] = _indicators(pairs)
    # All items of a questionnaire share frame, order and labels; wordings rotate over the items.
    wordings, *others = levels.values()
    fixed = [
        _indicators(list(zip(scales, column, strict=True)))
        for column in (wordings, zip(*others, strict=True))
    ]
    effects["rest"] = np.eye(len(forms))
    remainder = _without(np.concatenate(fixed, axis=1))
    matrices = [remainder @ z @ z.T @ remainder for z in effects.values()]
    residuals = remainder @ values
    expected = np.array([[np.vdot(a, b) for b in matrices] for a in matrices])
    observed = np.array([residuals @ matrix @ residuals for matrix in matrices])
    if expected[0, 0] < 1e-9 or len(forms) == effects["item"].shape[1]:
        return None
    solved = np.linalg.lstsq(expected, observed, rcond=1e-9)[0]
    components = dict(zip(effects, np.maximum(solved, 0).tolist(), strict=True))
    items = effects["item"] / effects["item"].sum(0)
    error = {
        name: float(((items.T @ z) ** 2).sum(1).mean())
        for name, z in effects.items()
        if name != "item"
    }
    return Content(
        coefficient=_share(components, error),
        one_form=_share(components, dict.fromkeys(error, 1.0)),
        components=components,
        order_correlation=_order_correlation(values, forms, scales),
    )


def _indicators(levels: Sequence[Hashable]) -> Float[np.ndarray, "form level"]:
    """Return a column for each different level: 1 for the forms that have it."""
    columns = {level: index for index, level in enumerate(dict.fromkeys(levels))}
    return np.eye(len(columns))[[columns[level] for level in levels]]


def _without(fixed: Float[np.ndarray, "form effect"]) -> Float[np.ndarray, "form form"]:
    """Return the projection that takes fixed effects out of values."""
    basis, sizes, _ = np.linalg.svd(fixed, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * sizes[0]]
    return np.eye(len(fixed)) - basis @ basis.T


def _share(components: dict[str, float], error: dict[str, float]) -> float:
    """Return the share of items in the variance of a mean over forms; 0 where nothing varies."""
    whole = components["item"] + sum(components[name] * part for name, part in error.items())
    return components["item"] / whole if whole else 0.0


def _order_correlation(
    values: Float[np.ndarray, " form"], forms: Sequence[Form], scales: Sequence[str]
) -> float | None:
    """Correlate the mean answers to items, less those of their scale, between the two option orders."""
    means: list[np.ndarray] = []
    items = _indicators([form.item for form in forms])
    within = _without(items.T @ _indicators(scales))
    for order in ORDERS:
        chosen = np.array([form.order == order for form in forms])
        counts = items[chosen].sum(0)
        if not counts.all():
            return None
        means.append(within @ (items[chosen].T @ values[chosen] / counts))
    if min(np.std(mean) for mean in means) < 1e-9:
        return None
    return float(np.corrcoef(*means)[0, 1])
