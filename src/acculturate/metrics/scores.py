"""Scores from answers: their values, item means, dimension scores, and how far the ways of asking move these.

In: answers of a candidate. Out: `ScoredAnswers`; bootstrap scores over the forms; countries by their loss.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from acculturate.metrics.statistics import Interval, bootstrap_means, interval_of
from acculturate.model import Answers
from acculturate.survey import (
    CountryTable,
    Form,
    Instrument,
    Reading,
    Scoring,
    item_means,
    item_values,
)

SAMPLES = 1000


@dataclass(frozen=True)
class ScoredAnswers:
    """The scores of one candidate.

    Attributes:
        values: The answer to each form as a number.
        means: Mean answer of each item.
        scores: Score of each dimension.
        samples: Bootstrap scores over the forms, or None as in `bootstrap_scores`.
    """

    values: Float[np.ndarray, " form"]
    means: Float[np.ndarray, " item"]
    scores: Float[np.ndarray, " dimension"]
    samples: Float[np.ndarray, "sample dimension"] | None


def score_answers(
    answers: Answers,
    scoring: Scoring,
    reading: Reading,
    respondents: int,
    seed: int,
    candidate: int = 0,
) -> ScoredAnswers:
    """Score the answers of a candidate.

    The seed gives any candidate the same random numbers for its respondents and the same drawn forms, so
    that two can be compared.
    """
    drawing, resampling = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
    chosen = answers.probabilities[candidate : candidate + 1]
    values = item_values(chosen, reading, drawing, respondents)
    means = item_means(values, answers.forms, scoring.instrument)
    samples = bootstrap_scores(values[0], answers.forms, scoring, resampling)
    return ScoredAnswers(values[0], means[0], scoring.scores(means)[0], samples)


def nearest_countries(
    scores: Float[np.ndarray, " dimension"], scoring: Scoring, table: CountryTable
) -> tuple[tuple[str, float], ...]:
    """Return every country with complete scores and its loss, nearest first."""
    ranking = [
        (country.name, float(scoring.loss(scores[None], country.vector(scoring.instrument))[0]))
        for country in table.complete(scoring.instrument)
    ]
    return tuple(sorted(ranking, key=lambda pair: (pair[1], pair[0])))


def bootstrap_scores(
    values: Float[np.ndarray, " form"],
    forms: Sequence[Form],
    scoring: Scoring,
    rng: np.random.Generator,
) -> Float[np.ndarray, "sample dimension"] | None:
    """Return scores over forms resampled within an item and option order, which the design balances.

    The same state of the generator draws the same forms, so that two models can be compared form by form.

    Args:
        values: The answer to each form as a number.
        forms: The forms.
        scoring: Weights and anchor.
        rng: Draws.

    Returns:
        `SAMPLES` score vectors, or None where an item has a single form in an order: what another way
        of asking would have given cannot be told from one.
    """
    columns = strata(forms, scoring.instrument)
    if any(len(members) < 2 for orders in columns for members in orders):
        return None
    return scoring.scores(bootstrap_means(values, columns, SAMPLES, rng))


def score_intervals(
    samples: Float[np.ndarray, "sample dimension"] | None, scoring: Scoring
) -> dict[str, Interval]:
    """Return the 95% percentile interval of each dimension's score; empty without samples."""
    pairs = () if samples is None else zip(scoring.dimensions, samples.T, strict=True)
    return {dimension.key: interval_of(column) for dimension, column in pairs}


def strata(forms: Sequence[Form], instrument: Instrument) -> list[list[list[int]]]:
    """Return the indices of the forms of each item in each of its option orders and kinds of labels."""
    by_item: dict[str, dict[Hashable, list[int]]] = {item.id: {} for item in instrument.items}
    for index, form in enumerate(forms):
        by_item[form.item].setdefault((form.label_kind, form.options), []).append(index)
    return [list(orders.values()) for orders in by_item.values()]
