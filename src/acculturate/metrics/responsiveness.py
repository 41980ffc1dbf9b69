"""Responsiveness: does telling a model what to be move the scores that should move, and only those?

The manipulation check of an experiment. In: a model and an instrument with poles. Out: for each dimension the
difference between telling the model to be at its high and at its low end, on its own score and on the others
(convergent and discriminant validity: Campbell & Fiske, Psychological Bulletin 56, 1959).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from acculturate.formatting import LEVEL, interval_text, share_text
from acculturate.metrics.statistics import Interval
from acculturate.model import AnswerModel, Query, SoftPrompt, ask
from acculturate.progress import task
from acculturate.record_files import NanIfNull, OptionalInterval
from acculturate.survey import (
    Instrument,
    LabelKind,
    Scoring,
    all_forms,
    balanced_forms,
    item_values,
    telling,
)

ENOUGH = 0.25
"""Responsiveness below which a model is said not to answer as it is told to.

The mean difference between two countries, as a share of a dimension's published range, is 0.25 in both
Hofstede tables and 0.28 on the Inglehart-Welzel map: a model that moves less when it is told to be the one
and then the other extreme cannot hold what makes two countries differ. Reactions drawn at random pass it
seldom: with a standard deviation of half the range, 1 of 800 times with six dimensions and 1 of 20 with two.
"""
FORMS_AN_ITEM = 4
"""Forms of an item under each statement: the fewest ways with an interval."""


@dataclass(frozen=True)
class Reaction:
    """The change of scores when a model is told to be at the high end of a dimension instead of the low end.

    Attributes:
        points: Difference of the dimension's own score, high less low.
        interval: Its 95% interval over ways of asking; None for a single way.
        share: The same difference as a share of the dimension's published range.
        spread: Standard deviation of the difference over ways, in points.
        consistency: Share of ways in which the difference has the right sign.
        others: Mean absolute difference of the other dimensions' scores, as shares of their ranges.
    """

    points: NanIfNull
    interval: OptionalInterval
    share: NanIfNull
    spread: NanIfNull
    consistency: float
    others: NanIfNull


@dataclass(frozen=True)
class Responsiveness:
    """The extent to which a model answers as it is told to.

    Attributes:
        value: Mean over dimensions of `share` less `others`, within 0 and 1. 0 for a model that does not
            react, or reacts alike on all dimensions; 1 for one that goes from end to end of each
            published range and moves nothing else.
        interval: Its 95% interval over ways of asking; None for a single way.
        ways: Number of ways: questionnaires in one frame, order and set of words each.
        dimensions: Reaction to the poles of each dimension.
    """

    value: NanIfNull
    interval: OptionalInterval
    ways: int
    dimensions: dict[str, Reaction]

    @property
    def passed(self) -> bool:
        """True for a model that answers as it is told to."""
        return self.value >= ENOUGH

    @property
    def own(self) -> float:
        """Mean share of its range that a dimension moves where it was told."""
        return float(np.mean([reaction.share for reaction in self.dimensions.values()]))

    @property
    def others(self) -> float:
        """Mean share of their ranges that the other dimensions move."""
        return float(np.mean([reaction.others for reaction in self.dimensions.values()]))

    @property
    def text(self) -> str:
        """The value and its interval as they are shown."""
        return f"{self.value:.2f} ({LEVEL}: {interval_text(self.interval, 2, 'no interval')})"

    @property
    def reason(self) -> str:
        """The sentence behind the verdict."""
        return (
            "Told to be at one end of a dimension and then at the other, the model moves by "
            f"{share_text(self.own)} of the dimension's range and by {share_text(self.others)} on other "
            f"dimensions: responsiveness {self.text}, where {ENOUGH} is the least."
        )

    @property
    def warning(self) -> str | None:
        """The sentences for a reader where the model does not answer as it is told to; None elsewhere."""
        if self.passed:
            return None
        return f"This model does not answer as it is told to. {self.reason}"


def measure_responsiveness(
    model: AnswerModel,
    instrument: Instrument,
    *,
    soft_prompt: SoftPrompt | None = None,
    labels: LabelKind = "digits",
    language: str = "en",
    scoring: Scoring | None = None,
) -> Responsiveness | None:
    """Ask a small balanced set of forms behind each pole statement, and compare the scores.

    Scores are read from expected answers. Cost: `FORMS_AN_ITEM` forms of each item for each of two
    statements a dimension.

    Args:
        model: The model.
        instrument: The questionnaire.
        soft_prompt: Stands in the model's context, or None for the untouched model.
        labels: Labels of the options.
        language: Language of forms and statements.
        scoring: The formulas; the instrument's defaults if None.

    Returns:
        None where the language has no poles.

    Raises:
        UsageError: The instrument has no such language.
    """
    poles = instrument.language(language).poles
    if not poles:
        return None
    scoring = scoring or Scoring(instrument)
    items = len(instrument.items)
    most = len(all_forms(instrument, (language,), "tuning", labels))
    count = min(FORMS_AN_ITEM * items, most)
    forms = balanced_forms(instrument, "tuning", count, language, labels)
    prompts = None if soft_prompt is None else soft_prompt.embeddings[None]
    placement = "front" if soft_prompt is None else soft_prompt.placement

    def scores(statement: str) -> Float[np.ndarray, "way dimension"]:
        told = telling(forms, statement)
        shown = told if soft_prompt is None else soft_prompt.before(told)
        answers = ask(model, prompts, Query(shown, placement=placement))
        # Forms stand item by item, and the k-th forms of all items are the k-th questionnaire.
        return scoring.scores(item_values(answers.probabilities, "expected").reshape(items, -1).T)

    with task("asking whether it answers as it is told", 2 * len(poles) * count):
        told = [
            scores(poles[dimension.key].high) - scores(poles[dimension.key].low)
            for dimension in scoring.dimensions
        ]
    return responsiveness_of(np.stack(told, axis=1), scoring)


def responsiveness_of(
    differences: Float[np.ndarray, "way told dimension"], scoring: Scoring
) -> Responsiveness:
    """Compare the differences on the dimension that was told with those on the others.

    Intervals are Student's over ways, with the standard error of the jackknife (Tukey 1958): with four ways
    they hold the true value where a bootstrap misses it one time in five.
    """
    ways = len(differences)
    ranges = np.array([d.range[1] - d.range[0] for d in scoring.dimensions])
    shares = differences / ranges
    means, without = shares.mean(axis=0), _without_each(shares)
    value, others = float(_value(means[None])[0]), _others(means)
    interval = _interval(value, _value(without))
    reactions: dict[str, Reaction] = {}
    for index, dimension in enumerate(scoring.dimensions):
        column = differences[:, index, index]
        mean = float(column.mean())
        reactions[dimension.key] = Reaction(
            points=mean,
            interval=_interval(mean, _without_each(column)),
            share=float(means[index, index]),
            spread=float(column.std(ddof=ways > 1)),
            consistency=float((column > 0).mean()),
            others=float(others[index]),
        )
    return Responsiveness(
        value=float(np.maximum(0, value)),
        interval=interval
        and (float(np.maximum(0, interval[0])), float(np.clip(interval[1], 0, 1))),
        ways=ways,
        dimensions=reactions,
    )


def _without_each(values: Float[np.ndarray, "way ..."]) -> Float[np.ndarray, "way ..."]:
    """Return the means that leave out one way each."""
    return (values.sum(axis=0) - values) / max(1, len(values) - 1)


def _interval(value: float, without: Float[np.ndarray, " way"]) -> Interval | None:
    """Return the 95% interval of a value, from those that leave out one way each; None for a single way."""
    from scipy.special import stdtrit

    freedom = len(without) - 1
    if not freedom:
        return None
    half = float(stdtrit(freedom, 0.975) * np.sqrt(freedom * without.var()))
    return value - half, value + half


def _others(
    means: Float[np.ndarray, "*sample told dimension"],
) -> Float[np.ndarray, "*sample told"]:
    """Return the mean absolute reaction on dimensions other than that which was told; 0 where there is none."""
    own = np.diagonal(means, axis1=-2, axis2=-1)
    return (np.abs(means).sum(axis=-1) - np.abs(own)) / max(1, means.shape[-1] - 1)


def _value(means: Float[np.ndarray, "sample told dimension"]) -> Float[np.ndarray, " sample"]:
    """Return responsiveness before what lies below zero is cut off."""
    own = np.diagonal(means, axis1=-2, axis2=-1)
    return np.clip(own - _others(means), -1, 1).mean(axis=-1)
