"""The inputs of a finished run: what it was tuned with, found again and checked.

In: a run directory, a model, and files of the user's own where the run had any. Out: `RunInputs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from acculturate.errors import FailureError, UsageError
from acculturate.metrics.comparison import ComparisonSettings
from acculturate.model.answers import AnswerModel
from acculturate.runs import Run, SurveySettings, check_model, read_config, read_provenance
from acculturate.survey import (
    Country,
    CountryTable,
    Form,
    Instrument,
    LabelKind,
    Scoring,
    all_forms,
    instrument_names,
    load_countries,
    load_instrument,
    select_forms,
    table_names,
)
from acculturate.survey import fingerprint as form_fingerprint
from acculturate.survey.selection import labels_of


@dataclass(frozen=True)
class RunInputs:
    """The inputs of a run, as its directory records them, checked against those given now.

    Attributes:
        instrument: The questionnaire.
        table: The country table.
        target: The country, with the scores of the run.
        language: The run's own.
        tuning: The forms of its search.
        settings: How its models are compared.
        weights_hash: Of the model.
    """

    instrument: Instrument
    table: CountryTable
    target: Country
    language: str
    tuning: tuple[Form, ...]
    settings: ComparisonSettings
    weights_hash: str

    @property
    def labels(self) -> LabelKind:
        """The kind of labels that the run is asked by elsewhere."""
        return labels_of(self.tuning)


def read_inputs(
    run: Run,
    model: AnswerModel,
    instrument: Instrument | None,
    table: CountryTable | None,
    seed: int,
) -> RunInputs:
    """Read the inputs of a run.

    Raises:
        UsageError: A questionnaire, table or model is not the run's.
        FailureError: A file is damaged, or the forms are not those the run was tuned on.
    """
    survey, record = read_config(run.directory).survey, read_provenance(run.directory)
    instrument = instrument or _packaged_instrument(survey.instrument)
    table = table or _packaged_table(survey.table)
    if instrument.fingerprint != record.instrument.fingerprint:
        raise UsageError(
            f"the questionnaire {instrument.key} is not the one that the run was tuned on",
            "Give the same file with --instrument, or the version of acculturate that tuned it.",
        )
    target = Country(survey.country, survey.table, record.target.scores, None)
    given = table[target.name].scores if target.name in table else {}
    if table.key != survey.table or not target.scores.items() <= given.items():
        raise UsageError(
            f"table {table.key} is not the one that the run was tuned with, {survey.table}",
            "Give the same file with --table, under the name that it had.",
        )
    whole = Scoring(instrument, survey.anchor, survey.aggregate, survey.variant)
    scoring = whole.towards(target)
    instrument = scoring.instrument
    vector = target.vector(instrument)
    return RunInputs(
        instrument=instrument,
        table=table,
        target=target,
        language=survey.language,
        tuning=_tuning_forms(instrument, survey, record.forms.tuning, run.directory),
        settings=ComparisonSettings(scoring, vector, survey.reading, survey.respondents, seed),
        weights_hash=check_model(run.directory, run.soft_prompt, model),
    )


def _tuning_forms(
    instrument: Instrument, survey: SurveySettings, wanted: str, directory: Path
) -> tuple[Form, ...]:
    """Return the forms that a run was tuned on, found by their fingerprint."""
    languages, labels = (survey.languages or survey.language).split(","), survey.labels.split(",")
    kinds = cast("tuple[LabelKind, ...]", tuple(labels))
    pool = all_forms(instrument, languages, "tuning", kinds, words="tuning")
    if len(pool) == survey.forms and form_fingerprint(pool) == wanted:
        return pool
    forms = select_forms(pool, survey.forms)
    if form_fingerprint(forms) != wanted:
        raise FailureError(
            f"the {survey.forms} tuning forms of the run in {directory} are not those of this version",
            "Evaluate it with the version of acculturate that tuned it.",
        )
    return forms


def _packaged_instrument(key: str) -> Instrument:
    if key not in instrument_names():
        raise UsageError(
            f"the run's questionnaire {key} is a file of yours", "Give it with --instrument FILE."
        )
    return load_instrument(key)


def _packaged_table(key: str) -> CountryTable:
    if key not in table_names():
        raise UsageError(f"the run's table {key} is a file of yours", "Give it with --table FILE.")
    return load_countries(key)
