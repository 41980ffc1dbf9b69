"""The rank of the target among all countries, before and after tuning.

In: a `Comparison` and a country table. Out: every complete country's loss and the target's rank. Moving
towards one country means little if the model ends up as near to any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from acculturate.metrics.comparison import Comparison
from acculturate.metrics.scores import nearest_countries
from acculturate.survey import Country, CountryTable

Ranking = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Standing:
    """The place of the model among countries, in one state.

    Attributes:
        rank: 1 + how many countries are nearer than the target; the last where an answer was not finite.
        nearest_share: Share of the bootstrap samples over forms in which no country is nearer; None
            where there are no samples.
        losses: Every complete country of the table and its loss, nearest first; empty where an answer
            was not finite.
    """

    rank: int
    nearest_share: float | None
    losses: Ranking


@dataclass(frozen=True)
class Specificity:
    """The place of the target among all countries, before and after.

    Attributes:
        country: The target.
        table: Key of the table.
        countries: Number of countries compared, the target among them.
        forms: Number of forms asked.
        naive: The untouched model.
        tuned: The tuned one.
    """

    country: str
    table: str
    countries: int
    forms: int
    naive: Standing
    tuned: Standing


def rank_target(comparison: Comparison, country: str, table: CountryTable) -> Specificity:
    """Rank the target among the complete countries of a table.

    Args:
        comparison: Naive and tuned, on held-out forms.
        country: The target, as the table names it.
        table: Has a score for each dimension of the instrument.
    """
    complete = table.complete(comparison.settings.scoring.instrument)
    others = [other for other in complete if other.name != country]
    naive, tuned = (_standing(comparison, index, others, country, table) for index in (0, 1))
    return Specificity(country, table.key, 1 + len(others), len(comparison.forms), naive, tuned)


def _standing(
    comparison: Comparison, index: int, others: list[Country], country: str, table: CountryTable
) -> Standing:
    scoring = comparison.settings.scoring
    loss = float(comparison.losses[index])
    if not np.isfinite(loss):
        return Standing(1 + len(others), None, ())
    losses = nearest_countries(comparison.scores[index], scoring, table)
    share: float | None = None
    if comparison.samples is not None and comparison.loss_samples is not None:
        samples, to_target = comparison.samples[index], comparison.loss_samples[index]
        vectors = [other.vector(scoring.instrument) for other in others]
        nearer = [scoring.loss(samples, vector) < to_target for vector in vectors]
        share = float(1 - np.any(nearer, axis=0).mean())
    rank = 1 + sum(other < loss for name, other in losses if name != country)
    return Standing(rank, share, losses)
