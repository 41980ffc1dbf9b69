"""Does a survey that the search knew nothing of agree? The independent check of a tuning.

In: the run's questionnaire and target. Out: other surveys that ship with a table where the country is, and
for each whether the tuned model came nearer to that country there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from acculturate.metrics.comparison import ComparisonSettings, Interval, State, compare
from acculturate.metrics.held_out import few
from acculturate.model.answers import AnswerModel
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.survey.countries import Country, CountryTable, load_countries
from acculturate.survey.forms import Form, all_forms
from acculturate.survey.instrument import Instrument, load_instrument
from acculturate.survey.scoring import Scoring

SURVEYS = (("inglehart-welzel", "inglehart-welzel-2024"), ("vsm13", "hofstede-insights"))
"""Questionnaires that can check each other, each with its table."""


@dataclass(frozen=True)
class OtherSurvey:
    """A survey to check with.

    Attributes:
        instrument: The questionnaire.
        table: Its country table.
        country: The target in that table, or None where it is not there with all its scores.
        forms: What is asked: held-out forms in the run's language, or in English.
    """

    instrument: Instrument
    table: CountryTable
    country: Country | None
    forms: tuple[Form, ...]


@dataclass(frozen=True)
class SurveyCheck:
    """Both states in another survey.

    Attributes:
        instrument: Key of the questionnaire.
        title: Its title.
        table: Key of the table.
        country: The target; its scores are from that table.
        aggregate: What the loss is.
        forms: How many forms were asked.
        language: Language code of the forms.
        dimensions: Key and name of each dimension.
        target: The country's scores.
        naive: The untouched model.
        tuned: The tuned one.
        gain: By how much the loss fell.
        gain_interval: Its 95% bootstrap interval over forms.
    """

    instrument: str
    title: str
    table: str
    country: str
    aggregate: str
    forms: int
    language: str
    dimensions: dict[str, str]
    target: dict[str, float]
    naive: State
    tuned: State
    gain: float
    gain_interval: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "naive": self.naive.to_dict(), "tuned": self.tuned.to_dict()}


def other_surveys(own: Instrument, country: str, language: str) -> tuple[OtherSurvey, ...]:
    """The surveys that measure other dimensions than a run's own.

    Args:
        own: The run's questionnaire.
        country: Its target.
        language: Its language.
    """
    found: list[OtherSurvey] = []
    mine = {dimension.key for dimension in own.dimensions}
    for key, table_key in SURVEYS:
        instrument, table = load_instrument(key), load_countries(table_key)
        keys = {dimension.key for dimension in instrument.dimensions}
        if keys == mine:
            continue
        there: Country | None = None
        if country in table:
            there = table.get(country)
        whole = there is not None and keys <= set(there.scores)
        spoken = language if language in instrument.languages else "en"
        forms = few(all_forms(instrument, (spoken,), "held-out"))
        found.append(OtherSurvey(instrument, table, there if whole else None, forms))
    return tuple(found)


def check_with(
    model: AnswerModel, prompt: SoftPrompt | str, survey: OtherSurvey, seed: int = 0
) -> SurveyCheck:
    """Asks both states another survey, read as expected answers with its own anchor.

    Args:
        model: Who answers.
        prompt: The tuned soft prompt, or a line of words.
        survey: One whose table has the country.
        seed: Of the bootstrap.
    """
    country = survey.country
    if country is None:
        raise ValueError("the country is not in the survey's table")
    scoring = Scoring(survey.instrument)
    target = country.vector(survey.instrument)
    asked = compare(model, prompt, survey.forms, ComparisonSettings(scoring, target, seed=seed))
    return SurveyCheck(
        instrument=survey.instrument.key,
        title=survey.instrument.title,
        table=survey.table.key,
        country=country.name,
        aggregate=scoring.aggregate or "mean",
        forms=len(survey.forms),
        language=survey.forms[0].language,
        dimensions={dimension.key: dimension.name for dimension in scoring.dimensions},
        target=dict(
            zip((d.key for d in scoring.dimensions), np.asarray(target).tolist(), strict=True)
        ),
        naive=asked.state(0),
        tuned=asked.state(1),
        gain=asked.gain,
        gain_interval=asked.gain_interval,
    )
