"""Scoring people: a file of respondents and the instrument they were asked -> `SurveyScores`.

The formulas are those that models are scored with, so that a model and a sample of people can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from acculturate.metrics.measure import NEAREST
from acculturate.metrics.scores import SAMPLES, nearest_countries
from acculturate.metrics.statistics import (
    Interval,
    bootstrap_weights,
    percentile_interval,
    weighted_means,
)
from acculturate.survey import CountryTable, Instrument, Respondents, Scoring, read_respondents
from acculturate.survey.countries import default_table

FEWEST, ENOUGH = 20, 50
"""Respondents a country that the manual of VSM 2013 (Hofstede and Minkov) calls the least and the ideal."""

_CELLS = 20_000_000  # of a table of bootstrap weights held at once


@dataclass(frozen=True)
class GroupScores:
    """The dimension scores of a group of respondents.

    Attributes:
        group: Its name; a country has that of the country tables.
        respondents: How many people answered something.
        scores: Score of each dimension; NaN where nobody answered one of its items.
        intervals: 95% bootstrap interval of each score over respondents; none for a single one.
        item_means: Mean answer of each item, from 1, over those who answered it.
        answered: How many people answered each item.
        nearest: The nearest countries with complete scores and their losses, nearest first.
    """

    group: str
    respondents: int
    scores: dict[str, float]
    intervals: dict[str, Interval]
    item_means: dict[str, float]
    answered: dict[str, int]
    nearest: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class SurveyScores:
    """The scores of every group in a file of respondents.

    Attributes:
        file: Its path.
        instrument: Key of the instrument.
        table: Key of the country table of the nearest countries, or None.
        anchor: The constant C of each dimension.
        groups: In the order of the file.
        warnings: Sentences about missing answers and small groups.
    """

    file: str
    instrument: str
    table: str | None
    anchor: dict[str, float]
    groups: tuple[GroupScores, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def score(
    file: str | Path,
    instrument: Instrument,
    *,
    by: str | Sequence[str] = (),
    weight: str | None = None,
    scoring: Scoring | None = None,
    table: CountryTable | None = None,
    seed: int = 0,
) -> SurveyScores:
    """Score the answers of people as those of a model are scored.

    A score is made of the mean answers to the items, each over those who answered it.

    Args:
        file: A text file with a row for each respondent, or a .sav file of SPSS.
        instrument: The questionnaire; columns are called as its items.
        by: A column or several that divide the respondents into groups.
        weight: The column of how much each respondent counts.
        scoring: Anchor, loss and variant; the instrument's defaults if None.
        table: Scores of countries for the nearest ones; `default_table` if None.
        seed: Of the bootstrap over respondents.

    Raises:
        UsageError: The file cannot be read, a column is missing, or an answer is outside its scale.
    """
    columns = (by,) if isinstance(by, str) else tuple(by)
    people = read_respondents(Path(file), instrument, columns, weight)
    scoring = scoring or Scoring(instrument)
    table = table if table is not None else default_table(instrument, None)
    names = list(dict.fromkeys(people.groups))
    seeds = np.random.SeedSequence(seed).spawn(len(names))
    groups = tuple(
        _score_group(people, name, scoring, table, np.random.default_rng(own))
        for name, own in zip(names, seeds, strict=True)
    )
    small = [
        f"{group.group} ({group.respondents})" for group in groups if group.respondents < FEWEST
    ]
    few = (
        f"Fewer than {FEWEST} respondents: {', '.join(small)}. One person more can move such scores; the "
        f"manual of VSM 2013 asks for {ENOUGH} a country and at least {FEWEST}.",
    )
    return SurveyScores(
        file=people.file,
        instrument=instrument.key,
        table=None if table is None else table.key,
        anchor=scoring.by_key(scoring.constants),
        groups=groups,
        warnings=(*people.warnings, *(few if small else ())),
    )


def _score_group(
    people: Respondents,
    name: str,
    scoring: Scoring,
    table: CountryTable | None,
    rng: np.random.Generator,
) -> GroupScores:
    members = [index for index, group in enumerate(people.groups) if group == name]
    answers, weights = people.answers[members], people.weights[members]
    weights = weights / weights.max()
    means = weighted_means(weights[None], answers)
    scores = scoring.scores(means)[0]
    intervals: dict[str, Interval] = {}
    if len(members) > 1:
        samples = _bootstrap(answers, weights, scoring, rng)
        for dimension, column in zip(scoring.dimensions, samples.T, strict=True):
            known = column[np.isfinite(column)]  # a sample may miss the few who answered an item
            if len(known):
                low, high = percentile_interval(known[:, None])[0]
                intervals[dimension.key] = float(low), float(high)
    complete = table is not None and bool(np.isfinite(scores).all())
    items = [item.id for item in scoring.instrument.items]
    answered = np.sum(~np.isnan(answers), axis=0)
    return GroupScores(
        group=name,
        respondents=len(members),
        scores=scoring.by_key(scores),
        intervals=intervals,
        item_means=dict(zip(items, means[0].tolist(), strict=True)),
        answered=dict(zip(items, answered.tolist(), strict=True)),
        nearest=nearest_countries(scores, scoring, table)[:NEAREST] if table and complete else (),
    )


def _bootstrap(
    answers: Float[np.ndarray, "respondent item"],
    weights: Float[np.ndarray, " respondent"],
    scoring: Scoring,
    rng: np.random.Generator,
) -> Float[np.ndarray, "sample dimension"]:
    """Return the scores of respondents drawn anew, each with all of their answers."""
    everyone, most = [range(len(answers))], max(1, _CELLS // len(answers))
    parts = [min(most, SAMPLES - start) for start in range(0, SAMPLES, most)]
    means = [weighted_means(bootstrap_weights(everyone, n, rng) * weights, answers) for n in parts]
    return scoring.scores(np.concatenate(means))
