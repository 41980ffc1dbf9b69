"""From answers to item means, dimension scores and the distance to a target.

In: probabilities of every candidate's answer to every form. Out: numbers, one row a candidate. The
formulas are the instrument's data. This file knows neither a model nor a country.

For VSM 2013 (Hofstede and Minkov, Values Survey Module 2013 Manual; m01..m24 are mean answers):
    PDI = 35(m07-m02) + 25(m20-m23) + C      UAI = 40(m18-m15) + 25(m21-m24) + C
    IDV = 35(m04-m01) + 35(m09-m06) + C      LTO = 40(m13-m14) + 25(m19-m22) + C
    MAS = 35(m05-m03) + 35(m08-m10) + C      IVR = 35(m12-m11) + 40(m17-m16) + C
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float

from acculturate.arguments import checked_fields
from acculturate.errors import UsageError
from acculturate.formatting import suggestion
from acculturate.survey.countries import Country
from acculturate.survey.forms import Form
from acculturate.survey.instrument import Aggregate, Dimension, Instrument

Reading = Literal["expected", "modal", "sampled"]
Anchor = Literal["midpoint", "zero"] | Mapping[str, float]

MOST_RESPONDENTS = 100_000
"""Draws from an answer, or simulated respondents, at most."""

_WEIGHT_OF_SIZE = 1e-4
"""Of the size of changes beside the shift that they make: the shift is met to a few millionths."""

MOST_LATTICE_SUMS = 1_000_000
"""Reachable sums of one dimension kept while looking for its lattice floor."""


def item_values(
    probabilities: Float[np.ndarray, "candidate form option"],
    reading: Reading,
    rng: np.random.Generator | None = None,
    respondents: int | None = None,
) -> Float[np.ndarray, "candidate form"]:
    """Read answers as numbers, 1 for the first option of the item's own order.

    Args:
        probabilities: Rows sum to 1; options that an item does not have hold 0; a broken candidate
            holds NaN and stays NaN.
        reading: "expected" is the probability-weighted mean, "modal" the likeliest option (of
            equally likely ones the lower), "sampled" the mean of `respondents` draws a form.
        rng: Draws the respondents; needed by "sampled" alone.
        respondents: Draws a form; needed by "sampled" alone.

    Raises:
        UsageError: The reading is unknown, or "sampled" has no generator or no respondents.
    """
    numbers = np.arange(1, probabilities.shape[2] + 1, dtype=np.float64)
    known = probabilities.astype(np.float64)
    broken = ~np.isfinite(known.sum(axis=2))
    known[broken] = 0.0
    if reading == "expected":
        values = known @ numbers
    elif reading == "modal":
        values = known.argmax(axis=2) + 1.0
    elif reading == "sampled":
        if rng is None or respondents is None or not 1 <= respondents <= MOST_RESPONDENTS:
            raise UsageError(
                f'reading "sampled" needs a random generator and respondents, not {respondents}',
                f"Give respondents as a whole number from 1 to {MOST_RESPONDENTS:,}.",
            )
        known[broken, 0] = 1.0
        draws = rng.multinomial(respondents, known / known.sum(axis=2, keepdims=True))
        values = draws @ numbers / respondents
    else:
        raise UsageError(f'there is no reading "{reading}"', "Readings: expected, modal, sampled.")
    return np.where(broken, np.nan, values)


def item_means(
    values: Float[np.ndarray, "candidate form"], forms: Sequence[Form], instrument: Instrument
) -> Float[np.ndarray, "candidate item"]:
    """Average over the forms of each item; NaN where an item has no form."""
    means = np.full((len(values), len(instrument.items)), np.nan)
    for column, item in enumerate(instrument.items):
        asked = [index for index, form in enumerate(forms) if form.item == item.id]
        if asked:
            means[:, column] = values[:, asked].mean(axis=1)
    return means


@checked_fields
@dataclass(frozen=True)
class Scoring:
    """The formulas from item means to scores and a loss.

    Attributes:
        instrument: Its dimensions give the formulas.
        anchor: The constants C: "midpoint" (50 in VSM 2013, the score of a respondent who answers
            alike everywhere), "zero", or a number for every dimension.
        aggregate: The loss: the "mean" or the "sum" of the absolute differences, or the
            "distance", the square root of the sum of their squares; None takes the instrument's own,
            and the attribute then says which.
        variant: Name of another formula for one dimension, such as "cat".

    Raises:
        UsageError: The anchor, the aggregate or the variant does not exist or does not fit.
    """

    instrument: Instrument
    anchor: Anchor = "midpoint"
    aggregate: Aggregate | None = None
    variant: str | None = None

    def __post_init__(self) -> None:
        if self.aggregate is None:
            object.__setattr__(self, "aggregate", self.instrument.aggregate)
        if self.variant is not None and self.variant not in self.instrument.variants:
            raise UsageError(
                f'instrument "{self.instrument.key}" has no variant "{self.variant}"',
                f"Variants: {', '.join(self.instrument.variants) or 'none'}.",
            )
        if not isinstance(self.anchor, str):
            self._check_numbers(self.anchor)

    @cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions in the order of every score vector, the variant in its place."""
        dimensions = {dimension.key: dimension for dimension in self.instrument.dimensions}
        if self.variant is not None:
            variant = self.instrument.variants[self.variant]
            dimensions[variant.key] = variant
        return tuple(dimensions.values())

    def towards(self, target: Country) -> Scoring:
        """Return the same scoring of the dimensions that a country has scores on.

        Raises:
            UsageError: It has none; see `Country.part_of`.
        """
        part, anchor = target.part_of(self.instrument), self.anchor
        if not isinstance(anchor, str):
            anchor = {dimension.key: anchor[dimension.key] for dimension in part.dimensions}
        variant = self.variant if self.variant in part.variants else None
        return replace(self, instrument=part, anchor=anchor, variant=variant)

    def by_key(self, values: Float[np.ndarray, " dimension"]) -> dict[str, float]:
        """Return one value a dimension by the dimension's key."""
        keys = (dimension.key for dimension in self.dimensions)
        return dict(zip(keys, values.tolist(), strict=True))

    @cached_property
    def constants(self) -> Float[np.ndarray, " dimension"]:
        """The constant C of each dimension."""
        anchor = self.anchor
        if isinstance(anchor, str):
            return np.array([0.0 if anchor == "zero" else d.midpoint for d in self.dimensions])
        return np.array([float(anchor[dimension.key]) for dimension in self.dimensions])

    @cached_property
    def weights(self) -> Float[np.ndarray, "dimension item"]:
        """The weight of each item in each dimension; 0 where it has none."""
        return np.array(
            [
                [dimension.weights.get(item.id, 0.0) for item in self.instrument.items]
                for dimension in self.dimensions
            ]
        )

    def scores(
        self, means: Float[np.ndarray, "candidate item"]
    ) -> Float[np.ndarray, "candidate dimension"]:
        """Return the scores of item means; NaN where an item that weighs is NaN."""
        terms = means[:, None, :] * self.weights
        return np.where(self.weights != 0, terms, 0.0).sum(axis=2) + self.constants

    def scores_of(
        self, values: Float[np.ndarray, "candidate form"], forms: Sequence[Form]
    ) -> Float[np.ndarray, "candidate dimension"]:
        """Return the scores of every form's answer, as `item_values` reads it."""
        return self.scores(item_means(values, forms, self.instrument))

    def loss(
        self,
        scores: Float[np.ndarray, "candidate dimension"],
        target: Float[np.ndarray, " dimension"],
    ) -> Float[np.ndarray, " candidate"]:
        """Return the differences to the target as one number; infinite where a score is not finite."""
        differences = np.abs(scores - target)
        if self.aggregate == "distance":
            total = np.sqrt((differences**2).sum(axis=1))
        elif self.aggregate == "sum":
            total = differences.sum(axis=1)
        else:
            total = differences.mean(axis=1)
        return np.where(np.isfinite(total), total, np.inf)

    def loss_slope(
        self,
        scores: Float[np.ndarray, "candidate dimension"],
        target: Float[np.ndarray, " dimension"],
    ) -> Float[np.ndarray, "candidate dimension"]:
        """Return the derivative of the loss by each score; 0 where a score is met exactly."""
        differences = scores - target
        if self.aggregate == "distance":
            total = np.sqrt((differences**2).sum(axis=1, keepdims=True))
            return differences / np.maximum(total, np.finfo(float).tiny)
        slope = np.sign(differences)
        return slope if self.aggregate == "sum" else slope / scores.shape[1]

    def least_changes(
        self, means: Float[np.ndarray, " item"], shift: Float[np.ndarray, " dimension"]
    ) -> Float[np.ndarray, " item"]:
        """Return the smallest changes of item means, in squares, that shift the scores so far.

        Bounded least squares (Stark and Parker 1995, Computational Statistics 10). Means stay within their
        scales; where these do not reach, the changes come as near as they can.

        Args:
            means: Item means to change.
            shift: Wanted change of each score.
        """
        from scipy.optimize import lsq_linear

        weights = self.weights / np.abs(self.weights).max()
        options = [self.instrument.options_of(item) for item in self.instrument.items]
        size = _WEIGHT_OF_SIZE * np.eye(len(options))
        solved = lsq_linear(
            np.concatenate([weights, size]),
            np.concatenate([shift / np.abs(self.weights).max(), np.zeros(len(options))]),
            bounds=(1 - means, np.array(options) - means),
            method="bvls",
        )
        return solved.x

    def constant_answer_loss(self, target: Float[np.ndarray, " dimension"]) -> float:
        """Return the least loss of giving every item the same answer; a result must beat it."""
        fewest = min(scale.options for scale in self.instrument.scales.values())
        answers = np.arange(1.0, fewest + 1)[:, None]
        means = np.broadcast_to(answers, (fewest, len(self.instrument.items)))
        return float(self.loss(self.scores(means), target).min())

    def lattice_floor(
        self, target: Float[np.ndarray, " dimension"], forms: int = 1
    ) -> float | None:
        """Return the least loss that whole-number answers can reach.

        Args:
            target: Published scores.
            forms: Answers an item whose mean counts; with one, IDV and MAS move in steps of 35.

        Returns:
            The floor, or None where dimensions share items or have too many reachable scores.
        """
        if ((self.weights != 0).sum(axis=0) > 1).any():
            return None
        nearest = np.empty(len(self.dimensions))
        for row, (weights, constant) in enumerate(zip(self.weights, self.constants, strict=True)):
            sums = np.zeros(1)
            for item, weight in zip(self.instrument.items, weights, strict=True):
                if weight:
                    steps = (self.instrument.options_of(item) - 1) * forms + 1
                    answers = 1 + np.arange(steps) / forms
                    sums = np.unique(np.round(np.add.outer(sums, weight * answers), 9))
                    if len(sums) > MOST_LATTICE_SUMS:
                        return None
            reachable = sums + constant
            nearest[row] = reachable[np.abs(reachable - target[row]).argmin()]
        return float(self.loss(nearest[None], target)[0])

    def _check_numbers(self, anchor: Mapping[str, float]) -> None:
        keys = [dimension.key for dimension in self.instrument.dimensions]
        for key, value in anchor.items():
            if key not in keys:
                raise UsageError(
                    f'the anchor names "{key}", which is no dimension of "{self.instrument.key}"',
                    suggestion(key, keys, "Dimensions"),
                )
            if not math.isfinite(value):
                raise UsageError(f"the anchor of {key} is {value}", "Give a finite number.")
        if missing := [key for key in keys if key not in anchor]:
            hint = f"Give one for each of {', '.join(keys)}."
            raise UsageError(f"the anchor has no number for {', '.join(missing)}", hint)
