"""The independent check of a tuning: surveys that the search knew nothing of.

In: the run's questionnaire and target. Out: other surveys that ship with a table where the country is, and
for each whether the tuned model came nearer to that country there.
"""

from __future__ import annotations

from dataclasses import dataclass

from acculturate.errors import UsageError
from acculturate.metrics.comparison import ComparisonSettings, StatePair, compare
from acculturate.metrics.treatments import Treatment
from acculturate.model import AnswerModel
from acculturate.record_files import Numbers
from acculturate.survey import (
    Country,
    CountryTable,
    Form,
    Instrument,
    LabelKind,
    Scoring,
    all_forms,
    load_countries,
    load_instrument,
)
from acculturate.survey.selection import limit_forms

SURVEYS = (("inglehart-welzel", "inglehart-welzel-2024"), ("vsm13", "hofstede-insights"))
"""Questionnaires that can check each other, each with its table."""


@dataclass(frozen=True)
class OtherSurvey:
    """A survey to check with.

    Attributes:
        instrument: The questionnaire.
        table: Its country table.
        country: The target in that table, or None where it is not there with all its scores.
        forms: The forms to ask: held-out forms in the run's language, or in English.
    """

    instrument: Instrument
    table: CountryTable
    country: Country | None
    forms: tuple[Form, ...]


@dataclass(frozen=True, kw_only=True)
class SurveyCheck(StatePair):
    """Both states in another survey.

    Attributes:
        instrument: Key of the questionnaire.
        title: Its title.
        table: Key of the table.
        country: The target; its scores are from that table.
        aggregate: The kind of loss.
        forms: Number of forms asked.
        language: Language code of the forms.
        dimensions: Key and name of each dimension.
        target: The country's scores.
    """

    instrument: str
    title: str
    table: str
    country: str
    aggregate: str
    forms: int
    language: str
    dimensions: dict[str, str]
    target: Numbers


def other_surveys(
    own: Instrument, country: str, language: str, labels: LabelKind = "words"
) -> tuple[OtherSurvey, ...]:
    """Return the surveys that measure other dimensions than a run's own.

    Args:
        own: The run's questionnaire.
        country: Its target.
        language: Its language.
        labels: Its kind of labels.
    """
    surveys: list[OtherSurvey] = []
    own_keys = {dimension.key for dimension in own.dimensions} | {*own.left_out}
    for instrument_key, table_key in SURVEYS:
        instrument, table = load_instrument(instrument_key), load_countries(table_key)
        keys = {dimension.key for dimension in instrument.dimensions}
        if keys == own_keys:
            continue
        complete = country in table and keys <= set(table[country].scores)
        spoken = language if language in instrument.languages else "en"
        forms = limit_forms(all_forms(instrument, (spoken,), "held-out", labels))
        target = table[country] if complete else None
        surveys.append(OtherSurvey(instrument, table, target, forms))
    return tuple(surveys)


def load_with_table(name: str) -> tuple[Instrument, CountryTable]:
    """Load a questionnaire with the country table that belongs to it, or one behind an equals sign.

    Args:
        name: Such as "inglehart-welzel", or "portrait-values=mine.csv".

    Raises:
        UsageError: One of them does not exist, or no table comes with the questionnaire.
    """
    given, _, table = name.partition("=")
    instrument = load_instrument(given.strip())
    table = table.strip() or dict(SURVEYS).get(instrument.key, "")
    if not table:
        raise UsageError(
            f"no country table comes with the questionnaire {instrument.key}",
            f"Give one: {given.strip()}=TABLE.csv.",
        )
    return instrument, load_countries(table)


def check_with(
    model: AnswerModel, treatment: Treatment, survey: OtherSurvey, seed: int = 0
) -> SurveyCheck:
    """Ask both states another survey, read as expected answers with its own anchor.

    Args:
        model: The model to ask.
        treatment: The tuned soft prompt, or words in front of every form.
        survey: One whose table has the country.
        seed: Of the bootstrap.
    """
    country = survey.country
    if country is None:
        raise ValueError("the country is not in the survey's table")
    scoring = Scoring(survey.instrument)
    target = country.vector(survey.instrument)
    settings = ComparisonSettings(scoring, target, seed=seed)
    comparison = compare(model, treatment, survey.forms, settings)
    return SurveyCheck(
        instrument=survey.instrument.key,
        title=survey.instrument.title,
        table=survey.table.key,
        country=country.name,
        aggregate=scoring.aggregate or "mean",
        forms=len(survey.forms),
        language=survey.forms[0].language,
        dimensions={dimension.key: dimension.name for dimension in scoring.dimensions},
        target=scoring.by_key(target),
        **vars(comparison.states(comparison.wanted)),
    )
