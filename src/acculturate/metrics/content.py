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

from acculturate.formatting import LEVEL, interval_text
from acculturate.record_files import Interval
from acculturate.survey import Form, Instrument
from acculturate.survey.forms import ORDERS

ENOUGH = 0.5
"""Coefficient below which a profile is said to show no content."""
FEWEST_ITEMS = 5
"""Items beyond the first of each scale that a coefficient is made from at least; fewer leave it open."""

_FACETS: dict[str, Callable[[Form], Hashable]] = {
    "wording": lambda form: (form.language, form.wording),
    "frame": lambda form: (form.language, form.frame),
    "order": lambda form: (form.order, form.options),
    "labels": lambda form: form.answer_kind,
}
"""Facet to the level of it that a form has."""


@dataclass(frozen=True)
class Content:
    """The share of the variance of answers that items explain, within scales.

    Attributes:
        coefficient: Generalizability coefficient of the mean answer of an item over all forms asked.
        interval: Its 95% interval over items and ways of asking.
        one_form: The same for a single form.
        components: Variance of items, of their interaction with each facet that varies, and of what is
            left ("rest"), in squared steps of a scale.
        order_correlation: Correlation of item means between options as listed and reversed; None where
            only one order was asked or a mean does not vary.
        rival: What the answers are about where it is not the question: places in a list of options, the
            words of options read without one, or both.
        one_wording: True where every item was asked in one wording, so that the coefficient is an upper
            bound: how much hangs on the wording is unknown.
    """

    coefficient: float
    interval: Interval
    one_form: float
    components: dict[str, float]
    order_correlation: float | None
    rival: str
    one_wording: bool = False

    @property
    def enough(self) -> bool:
        """True for answers that are about the questions."""
        return self.coefficient >= ENOUGH

    @property
    def text(self) -> str:
        """The coefficient and its interval as they are shown."""
        return f"{self.coefficient:.2f} ({LEVEL}: {interval_text(self.interval, 2)})"

    @property
    def warning(self) -> str | None:
        """The sentence that a reader needs first where content is below `ENOUGH`; None elsewhere."""
        return self.warn_of("These answers")

    def warn_of(self, answers: str) -> str | None:
        """Return the same sentence with a name for the answers, such as "The answers of the model"."""
        if self.enough:
            return None
        return (
            f"{answers} are about {self.rival}, not about the question: content {self.text}, where "
            f"{ENOUGH} is the least that says something."
        )


def content(
    values: Float[np.ndarray, " form"], forms: Sequence[Form], instrument: Instrument
) -> Content | None:
    """Estimate how much of some answers is content.

    Components are estimated without bias for any selection of forms, balanced or not, by equating quadratic
    forms to their expectations (MINQUE with prior weight for the rest alone: Rao, J. Multivariate Analysis
    1, 1971), after what a facet does to all items of a scale is taken out; negative ones count as zero. The
    interval takes the variance of item means and the part of it that is error as multiples of chi-square,
    with degrees of freedom from their own variances (Satterthwaite, Biometrics Bulletin 2, 1946), and their
    ratio as F, which is Feldt's interval (Psychometrika 30, 1965) with several facets.

    Args:
        values: The answer to each form, a number on the item's scale.
        forms: The forms.
        instrument: Gives the scale of an item.

    Returns:
        None where a number is not finite, every item was asked once, options were listed in a single order,
        in which a pull to a place looks like content, or fewer than `FEWEST_ITEMS` items share a scale with
        one before them.
    """
    scale_of = {item.id: item.scale for item in instrument.items}
    items = [form.item for form in forms]
    scales = [scale_of[item] for item in items]
    asked = len(set(items))
    if asked - len(set(scales)) < FEWEST_ITEMS or asked == len(forms):
        return None
    if not np.isfinite(values).all():
        return None
    effects = {"item": _indicators(items)}
    levels = {facet: [level(form) for form in forms] for facet, level in _FACETS.items()}
    orders, lengths = set(levels["order"]), {len(form.options) for form in forms}
    if all(form.word_set is None for form in forms) and len(orders) == len(lengths):
        return None
    for facet, column in levels.items():
        pairs = list(zip(items, column, strict=True))
        if asked < len(set(pairs)) < len(forms):  # else it is that of items, or of the rest
            effects[facet] = _indicators(pairs)
    # All items of a questionnaire share frame, order and labels; wordings rotate over the items.
    wordings, *others = levels.values()
    fixed = [
        _indicators(list(zip(scales, column, strict=True)))
        for column in (wordings, zip(*others, strict=True))
    ]
    model = _Model.of(np.concatenate(fixed, axis=1), effects, values)
    shares = effects["item"] / effects["item"].sum(0)
    error = {name: float(((shares.T @ z) ** 2).sum(1).mean()) for name, z in effects.items()}
    error = {**error, "item": 0.0, "rest": float((shares**2).sum(0).mean())}
    coefficient = _share(model.components, error)
    low, high = model.interval(np.array(list(error.values())))
    return Content(
        coefficient=coefficient,
        interval=(min(low, coefficient), max(high, coefficient)),
        one_form=_share(model.components, {**dict.fromkeys(error, 1.0), "item": 0.0}),
        components=model.components,
        order_correlation=_order_correlation(values, forms, scales),
        rival=_rival(forms),
        one_wording=len({(form.item, form.wording) for form in forms}) == asked,
    )


@dataclass(frozen=True)
class _Model:
    """Random effects in the space that is left without fixed effects.

    Attributes:
        names: Names of the effects; the last is the rest.
        solved: Their variances as solved, some perhaps negative.
        covariance: Covariance of these estimates for normal effects of the variances found.
    """

    names: tuple[str, ...]
    solved: Float[np.ndarray, " effect"]
    covariance: Float[np.ndarray, "effect effect"]

    @classmethod
    def of(
        cls,
        fixed: Float[np.ndarray, "form column"],
        effects: dict[str, Float[np.ndarray, "form level"]],
        values: Float[np.ndarray, " form"],
    ) -> _Model:
        """Estimate the variances of effects from values, whatever the fixed effects are."""
        known = _span(fixed)
        columns = [z - known @ (known.T @ z) for z in effects.values()]
        # Everything but the rest varies within their span: matrices of levels, not of forms.
        span = _span(np.concatenate(columns, axis=1))
        matrices = [(root := span.T @ z) @ root.T for z in columns] + [np.eye(span.shape[1])]
        beyond = len(values) - known.shape[1] - span.shape[1]
        residuals = np.round(values - known @ (known.T @ values), 9)
        inside = span.T @ residuals
        observed = np.array([inside @ matrix @ inside for matrix in matrices])
        observed[-1] = residuals @ residuals
        expected = np.array([[np.vdot(a, b) for b in matrices] for a in matrices])
        expected[-1, -1] += beyond
        inverse = np.linalg.pinv(expected, rcond=1e-9, hermitian=True)
        solved = inverse @ observed
        found = np.maximum(solved, 0)
        whole = sum(size * matrix for size, matrix in zip(found, matrices, strict=True))
        spread = [whole @ matrix for matrix in matrices]
        covariance = 2 * np.array([[np.vdot(a.T, b) for b in spread] for a in spread])
        covariance[-1, -1] += 2 * beyond * found[-1] ** 2
        return cls((*effects, "rest"), solved, inverse @ covariance @ inverse)

    @property
    def components(self) -> dict[str, float]:
        """The variance of each effect, not below zero."""
        return dict(zip(self.names, np.maximum(self.solved, 0).tolist(), strict=True))

    def interval(self, error: Float[np.ndarray, " effect"]) -> Interval:
        """Return the 95% interval of the coefficient; `error` weighs each effect in a mean over forms."""
        from scipy.special import fdtri

        found, whole = np.maximum(self.solved, 0), error + (np.array(self.names) == "item")
        noise, total = float(error @ found), float(whole @ self.solved)
        if noise <= 0 or total <= 0:
            return (0.0, 0.0) if total <= noise else (1.0, 1.0)
        freedom = [2 * (w @ found) ** 2 / (w @ self.covariance @ w) for w in (error, whole)]
        low, high = (1 - noise / total / fdtri(*freedom, tail) for tail in (0.025, 0.975))
        return max(0.0, float(low)), max(0.0, float(high))


def _indicators(levels: Sequence[Hashable]) -> Float[np.ndarray, "form level"]:
    """Return a column for each different level: 1 for the forms that have it."""
    columns = {level: index for index, level in enumerate(dict.fromkeys(levels))}
    return np.eye(len(columns))[[columns[level] for level in levels]]


def _span(columns: Float[np.ndarray, "form column"]) -> Float[np.ndarray, "form direction"]:
    """Return an orthonormal basis of the space of some columns."""
    basis, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return basis[:, sizes > 1e-9 * sizes[0]]


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
    scale_means = _span(items.T @ _indicators(scales))
    for order in ORDERS:
        chosen = np.array([form.order == order for form in forms])
        counts = items[chosen].sum(0)
        if not counts.all():
            return None
        mean = items[chosen].T @ values[chosen] / counts
        means.append(mean - scale_means @ (scale_means.T @ mean))
    if min(np.std(mean) for mean in means) < 1e-9:
        return None
    return float(np.corrcoef(means)[0, 1])


def _rival(forms: Sequence[Form]) -> str:
    listed = [form.word_set is None for form in forms]
    places, words = "places in the list of options", "the words of the options"
    if all(listed):
        return places
    return f"{places} or {words}" if any(listed) else words
