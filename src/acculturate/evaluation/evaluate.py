"""A finished run asked in every other way: a run directory and its model -> evaluation/*.json.

In: a run that is done. Out: a file for each check, written whole or not at all. What a file holds already
for the same prompt, model and forms is not computed again. Each check is skipped alone where the model or
the questionnaire does not have what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acculturate.errors import FailureError, UsageError
from acculturate.io import fingerprint, lock_folder
from acculturate.metrics.comparison import Comparison, ComparisonSettings, compare
from acculturate.metrics.extremes import Extremes, extremes
from acculturate.metrics.held_out import (
    HEADLINE,
    FormSet,
    by_order,
    few,
    form_sets,
    kept_samples,
    other_languages,
    row,
)
from acculturate.metrics.other_surveys import SurveyCheck, check_with, other_surveys
from acculturate.metrics.respondents import LANGUAGE, Respondents
from acculturate.metrics.respondents import respondents as interview_all
from acculturate.metrics.specificity import specificity
from acculturate.metrics.texts import REFUSALS
from acculturate.metrics.written_answers import MAX_TOKENS, Generated
from acculturate.metrics.written_answers import generated as written_answers
from acculturate.model.answers import AnswerModel, GeneratingModel
from acculturate.runs import (
    HeldOut,
    HeldOutRow,
    Memo,
    OtherSurveys,
    Run,
    SurveySettings,
    check_model,
    read_config,
    read_provenance,
)
from acculturate.survey import (
    Country,
    CountryTable,
    Form,
    Instrument,
    Scoring,
    all_forms,
    balanced_forms,
    instrument_names,
    load_countries,
    load_instrument,
    table_names,
)
from acculturate.survey import fingerprint as form_fingerprint

FORMAT = 2
"""Raised when a file's numbers come to mean something else, so that old ones are made again."""

PARTS = ("held_out", "specificity", "extremes", "generated", "other_surveys", "respondents")
"""The files under evaluation/, without their ending."""


@dataclass(frozen=True)
class RunEvaluation:
    """What a run was worth, as its files under evaluation/ say.

    Attributes:
        directory: The run directory.
        parts: What each of the files holds, by its name; only those that are there.
        computed: Names of the files that this call made; the others were there.
    """

    directory: Path
    parts: dict[str, dict[str, Any]]
    computed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as a value for JSON."""
        return {"run": str(self.directory), "computed": list(self.computed), **self.parts}


def evaluate(
    run: Run | str | Path,
    model: AnswerModel,
    *,
    instrument: Instrument | None = None,
    table: CountryTable | None = None,
    languages: Sequence[str] | None = None,
    generated: bool = True,
    respondents: int = 0,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> RunEvaluation:
    """Measure a finished run in every way its search did not see, and write it into its directory.

    Args:
        run: A finished run, or its directory.
        model: The model it was tuned on; never changed.
        instrument: The run's questionnaire; needed where it is a file of the user's own.
        table: The run's country table; needed where it is a file of the user's own.
        languages: Codes of other languages to ask the held-out forms in; all that the instrument has
            if None.
        generated: Whether to let it write answers too, where it can.
        respondents: Personas, alike in everything but nationality, who answer every question once;
            0 asks none.
        seed: Of the bootstrap and the respondents.
        progress: Called with a sentence before every step.

    Returns:
        The contents of the files.

    Raises:
        UsageError: The run is not finished, the model is another one, a language is unknown, or the
            questionnaire or table has to be given.
        FailureError: The run's forms are not those of this version, or a file cannot be written.
    """
    if respondents < 0 or respondents == 1:
        raise UsageError(f"a survey of {respondents} respondents", "Use 0 for none, or 2 and more.")
    loaded = run if isinstance(run, Run) else Run.load(run)
    inputs = _read_inputs(loaded, model, instrument, table, seed)
    others = other_languages(inputs.instrument, inputs.language, languages)
    sets = form_sets(inputs.instrument, inputs.tuning, inputs.language, others)
    checks = _Checks(loaded, model, inputs, sets, progress)
    with lock_folder(loaded.directory):
        checks.held_out()
        checks.specificity()
        checks.extremes()
        if generated:
            checks.generated()
        checks.other_surveys()
        if respondents:
            checks.respondents(respondents)
    there = {name: checks.memo.read(name) for name in PARTS}
    parts = {name: part for name, part in there.items() if part is not None}
    return RunEvaluation(loaded.directory, parts, tuple(checks.memo.computed))


def made_with(run: Run) -> tuple[str, str | None, str]:
    """Return name, revision and precision of a run's model, as `load_model` takes them.

    Raises:
        FailureError: The run's settings are damaged.
    """
    model = read_config(run.directory).model
    return model.name, model.revision or None, model.dtype


@dataclass(frozen=True)
class _Inputs:
    """What a run was asked, as its directory says, checked against what is here now."""

    instrument: Instrument
    table: CountryTable
    target: Country
    language: str
    tuning: tuple[Form, ...]
    settings: ComparisonSettings
    weights_hash: str


class _Checks:
    """The checks of one run, each with its file; a set of forms is asked once, and only if needed."""

    def __init__(
        self,
        run: Run,
        model: AnswerModel,
        inputs: _Inputs,
        sets: Sequence[FormSet],
        progress: Callable[[str], None],
    ) -> None:
        self.memo = Memo(run.directory)
        self._prompt, self._model, self._inputs = run.soft_prompt, model, inputs
        self._progress = progress
        self._sets = {form_set.key: form_set for form_set in sets}
        self._compared: dict[str, Comparison] = {}

    def held_out(self) -> None:
        """Compare the losses in every way of asking."""
        there: dict[str, list[HeldOutRow]] = {}
        for kept in getattr(self.memo.read_record("held_out", HeldOut), "rows", ()):
            there.setdefault(kept.fingerprint, []).append(kept)
        rows: list[HeldOutRow] = []
        for form_set in self._sets.values():
            mark = self._fingerprint("row", form_set.key, form_fingerprint(form_set.forms))
            if mark not in there:
                there[mark] = list(self._rows(form_set, mark))
                self.memo.note("held_out")
            rows += there[mark]
        self.memo.write("held_out", HeldOut(tuple(rows)))

    def specificity(self) -> None:
        """Rank the target among all countries."""
        table, forms = self._inputs.table, self._sets[HEADLINE].forms
        scores = {country.name: dict(country.scores) for country in table}
        self._once(
            "specificity",
            lambda: specificity(self._comparison(HEADLINE), self._inputs.target.name, table),
            scores,
            form_fingerprint(forms),
        )

    def extremes(self) -> None:
        """Look whether scores went towards the middle."""
        sets = self._sets["tuning"], self._sets[HEADLINE]
        shown = [form_fingerprint(form_set.forms) for form_set in sets]
        self._once(
            "extremes",
            lambda: Extremes(*(extremes(self._comparison(form_set.key)) for form_set in sets)),
            *shown,
        )

    def generated(self) -> None:
        """Compare written answers with the probabilities."""
        model, inputs = self._model, self._inputs
        if not isinstance(model, GeneratingModel):
            self._progress(
                f"{model.name} writes no text: answers are read from probabilities alone"
            )
            return
        forms = balanced_forms(inputs.instrument, "held-out", None, inputs.language)

        def make() -> Generated:
            self._progress(f"reading {len(forms)} written answers")
            return written_answers(model, self._prompt, forms, inputs.settings)

        self._once("generated", make, form_fingerprint(forms), MAX_TOKENS, REFUSALS)

    def other_surveys(self) -> None:
        """Ask surveys that the search knew nothing of."""
        inputs = self._inputs
        surveys = other_surveys(inputs.instrument, inputs.target.name, inputs.language)
        here = [(survey, country) for survey in surveys if (country := survey.country) is not None]
        known = [
            [survey.instrument.fingerprint, dict(country.scores), form_fingerprint(survey.forms)]
            for survey, country in here
        ]

        def make() -> OtherSurveys:
            checks: list[SurveyCheck] = []
            for survey, _ in here:
                self._progress(f"asking {len(survey.forms)} forms: {survey.instrument.title}")
                checks.append(check_with(self._model, self._prompt, survey, inputs.settings.seed))
            missing = tuple(survey.table.key for survey in surveys if survey.country is None)
            return OtherSurveys(tuple(checks), missing, inputs.target.name)

        self._once("other_surveys", make, known)

    def respondents(self, count: int) -> None:
        """Simulate a survey of so many respondents."""
        inputs = self._inputs
        if LANGUAGE not in inputs.instrument.languages:
            self._progress(f"{inputs.instrument.key} has no {LANGUAGE}, so it has no respondents")
            return
        forms = few(all_forms(inputs.instrument, (LANGUAGE,), "held-out"))

        def make() -> Respondents:
            self._progress(f"asking {count} respondents twice")
            return interview_all(self._model, self._prompt, forms, inputs.settings, count)

        self._once("respondents", make, form_fingerprint(forms), count)

    def _rows(self, form_set: FormSet, mark: str) -> Iterator[HeldOutRow]:
        comparison = self._comparison(form_set.key)
        results, samples = [row(form_set.key, form_set.label, comparison)], {}
        if form_set.key == HEADLINE:
            results += by_order(comparison)
            samples = {state: tuple(kept) for state, kept in kept_samples(comparison).items()}
        for result in results:
            own = samples if result.key == HEADLINE else {}
            yield HeldOutRow(**vars(result), samples=own, fingerprint=mark)

    def _comparison(self, key: str) -> Comparison:
        if key not in self._compared:
            forms, label = self._sets[key].forms, self._sets[key].label
            self._progress(f"asking {len(forms)} forms: {label.removeprefix('…')}")
            self._compared[key] = compare(self._model, self._prompt, forms, self._inputs.settings)
        return self._compared[key]

    def _once(self, name: str, make: Callable[[], object], *parts: object) -> None:
        self.memo.once(name, make, fingerprint=self._fingerprint(name, *parts))

    def _fingerprint(self, *parts: object) -> str:
        """Return the hash of all that a result depends on: if it is the same, so is the result."""
        settings, scoring = self._inputs.settings, self._inputs.settings.scoring
        return fingerprint(
            [
                FORMAT,
                self._prompt.fingerprint,
                self._prompt.placement,
                self._inputs.weights_hash,
                self._inputs.instrument.fingerprint,
                [scoring.constants.tolist(), scoring.weights.tolist(), scoring.aggregate],
                settings.target.tolist(),
                [settings.reading, settings.respondents, settings.seed],
                parts,
            ]
        )


def _read_inputs(
    run: Run,
    model: AnswerModel,
    instrument: Instrument | None,
    table: CountryTable | None,
    seed: int,
) -> _Inputs:
    """Read what a run was asked.

    Raises:
        UsageError: A questionnaire, table or model is not the run's.
        FailureError: A file is damaged, or the forms are not those the run was tuned on.
    """
    survey, record = read_config(run.directory).survey, read_provenance(run.directory)
    instrument = instrument or _own_instrument(survey.instrument)
    table = table or _own_table(survey.table)
    if instrument.fingerprint != record.instrument.fingerprint:
        raise UsageError(
            f"the questionnaire {instrument.key} is not the one that the run was tuned on",
            "Give the same file with --instrument, or the version of acculturate that tuned it.",
        )
    target = Country(survey.country, survey.table, record.target.scores, None)
    scoring = Scoring(instrument, survey.anchor, survey.aggregate, survey.variant)
    vector = target.vector(instrument)
    return _Inputs(
        instrument=instrument,
        table=table,
        target=target,
        language=survey.language,
        tuning=_tuning_forms(instrument, survey, record.forms.tuning, run.directory),
        settings=ComparisonSettings(scoring, vector, survey.reading, survey.respondents, seed),
        weights_hash=check_model(run.directory, model),
    )


def _tuning_forms(
    instrument: Instrument, survey: SurveySettings, wanted: str, directory: Path
) -> tuple[Form, ...]:
    """Return the forms that a run was tuned on, found by their fingerprint."""
    pool = all_forms(instrument, (survey.language,), "tuning")
    if len(pool) == survey.forms and form_fingerprint(pool) == wanted:
        return pool
    forms = balanced_forms(instrument, "tuning", survey.forms, survey.language)
    if form_fingerprint(forms) != wanted:
        raise FailureError(
            f"the {survey.forms} tuning forms of the run in {directory} are not those of this version",
            "Evaluate it with the version of acculturate that tuned it.",
        )
    return forms


def _own_instrument(key: str) -> Instrument:
    if key not in instrument_names():
        raise UsageError(
            f"the run's questionnaire {key} is a file of yours", "Give it with --instrument FILE."
        )
    return load_instrument(key)


def _own_table(key: str) -> CountryTable:
    if key not in table_names():
        raise UsageError(f"the run's table {key} is a file of yours", "Give it with --table FILE.")
    return load_countries(key)
