"""Everything that is asked of a finished run afterwards: a run directory and its model -> evaluation/*.json.

In: a run that is done. Out: a file for each check, written whole or not at all. What a file holds already
for the same prompt, model and forms is not computed again. The measuring itself is the evaluation room's;
this file knows what a run directory holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from acculturate.errors import FailureError, UsageError
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
from acculturate.metrics.other_surveys import check_with, other_surveys
from acculturate.metrics.respondents import LANGUAGE
from acculturate.metrics.respondents import respondents as interview_all
from acculturate.metrics.specificity import specificity
from acculturate.metrics.texts import REFUSALS
from acculturate.metrics.written_answers import MAX_TOKENS
from acculturate.metrics.written_answers import generated as written_answers
from acculturate.model.answers import AnswerModel, GeneratingModel
from acculturate.runs.directory import Run
from acculturate.runs.evaluation_files import (
    check_model,
    read_config,
    read_part,
    read_record,
    write_part,
    writing,
)
from acculturate.survey.countries import Country, CountryTable, load_countries, table_names
from acculturate.survey.forms import Form, all_forms, balanced_forms, fingerprint
from acculturate.survey.instrument import Instrument, instrument_names, load_instrument
from acculturate.survey.scoring import Scoring

FORMAT = 2
"""Raised when a file's numbers come to mean something else, so that old ones are made again."""

PARTS = ("held_out", "specificity", "extremes", "generated", "other_surveys", "respondents")
"""The files under evaluation/, without their ending."""


@dataclass(frozen=True)
class RunEvaluation:
    """What a run was worth, as its files under evaluation/ say.

    Attributes:
        directory: The run directory.
        parts: What each file of `PARTS` holds, by its name; only those that are there.
        computed: What was computed by this call; the rest was there.
    """

    directory: Path
    parts: dict[str, dict[str, Any]]
    computed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
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
    """Measures a finished run in every way its search did not see, and writes it into its directory.

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
        What the files hold.

    Raises:
        UsageError: The run is not finished, the model is another one, a language is unknown, or the
            questionnaire or table has to be given.
        FailureError: The run's forms are not those of this version, or a file cannot be written.
    """
    if respondents < 0 or respondents == 1:
        raise UsageError(f"a survey of {respondents} respondents", "Use 0 for none, or 2 and more.")
    loaded = run if isinstance(run, Run) else Run.load(run)
    about = _about(loaded, model, instrument, table, seed)
    others = other_languages(about.instrument, about.language, languages)
    sets = form_sets(about.instrument, about.tuning, about.language, others)
    with writing(loaded.directory):
        work = _Work(loaded, model, about, sets, progress)
        work.held_out()
        work.specificity()
        work.extremes()
        if generated:
            work.generated()
        work.other_surveys()
        if respondents:
            work.respondents(respondents)
    found = {name: read_part(loaded.directory, name) for name in PARTS}
    parts = {name: part for name, part in found.items() if part is not None}
    return RunEvaluation(loaded.directory, parts, tuple(work.computed))


def made_with(run: Run) -> tuple[str, str | None, str]:
    """Name, revision and precision of the model that a run was tuned on, as `load_model` takes them.

    Raises:
        FailureError: The run's settings are damaged.
    """
    model = read_config(run.directory).get("model", {})
    return str(model.get("name")), model.get("revision") or None, str(model.get("dtype", "auto"))


@dataclass(frozen=True)
class _About:
    """What a run was asked, as its directory says, checked against what is here now."""

    instrument: Instrument
    table: CountryTable
    target: Country
    language: str
    tuning: tuple[Form, ...]
    question: ComparisonSettings
    weights_hash: str


class _Work:
    """One evaluation: a set of forms is asked once, and only where a file needs its answers."""

    def __init__(
        self,
        run: Run,
        model: AnswerModel,
        about: _About,
        sets: Sequence[FormSet],
        progress: Callable[[str], None],
    ) -> None:
        self.computed: list[str] = []
        self._run, self._model, self._about, self._progress = run, model, about, progress
        self._sets = {one.key: one for one in sets}
        self._compared: dict[str, Comparison] = {}

    def held_out(self) -> None:
        """The rows of every way of asking."""
        there: dict[str, list[dict[str, Any]]] = {}
        for entry in _objects((self._read("held_out") or {}).get("rows")):
            there.setdefault(str(entry.get("fingerprint")), []).append(entry)
        rows: list[dict[str, Any]] = []
        for one in self._sets.values():
            mark = self._mark("row", one.key, one.forms)
            if mark not in there:
                there[mark] = [{"fingerprint": mark, **made} for made in self._rows(one)]
                self._note("held_out")
            rows += there[mark]
        self._write("held_out", {"rows": rows})

    def specificity(self) -> None:
        """The target's rank among all countries."""
        about = self._about
        scores = {country.name: dict(country.scores) for country in about.table}
        mark = self._mark("specificity", scores, self._sets[HEADLINE].forms)
        self._once(
            "specificity",
            mark,
            lambda: specificity(
                self._comparison(HEADLINE), about.target.name, about.table
            ).to_dict(),
        )

    def extremes(self) -> None:
        """Whether scores went towards the middle."""
        sets = self._sets["tuning"], self._sets[HEADLINE]
        mark = self._mark("extremes", *(one.forms for one in sets))
        self._once(
            "extremes",
            mark,
            lambda: Extremes(*(extremes(self._comparison(one.key)) for one in sets)).to_dict(),
        )

    def generated(self) -> None:
        """Whether written answers say what the probabilities say."""
        model, about = self._model, self._about
        if not isinstance(model, GeneratingModel):
            self._progress(
                f"{model.name} writes no text: answers are read from probabilities alone"
            )
            return
        forms = balanced_forms(about.instrument, "held-out", None, about.language)

        def make() -> dict[str, Any]:
            self._progress(f"reading {len(forms)} written answers")
            return written_answers(model, self._run.soft_prompt, forms, about.question).to_dict()

        self._once("generated", self._mark("generated", forms, MAX_TOKENS, REFUSALS), make)

    def other_surveys(self) -> None:
        """Whether surveys that the search knew nothing of agree."""
        about = self._about
        surveys = other_surveys(about.instrument, about.target.name, about.language)
        here = [survey for survey in surveys if survey.country is not None]
        known = [
            [s.instrument.fingerprint, dict(s.country.scores), fingerprint(s.forms)]
            for s in here
            if s.country is not None
        ]

        def make() -> dict[str, Any]:
            checks: list[dict[str, Any]] = []
            for survey in here:
                self._progress(f"asking {len(survey.forms)} forms: {survey.instrument.title}")
                prompt, seed = self._run.soft_prompt, about.question.seed
                checks.append(check_with(self._model, prompt, survey, seed).to_dict())
            missing = [survey.table.key for survey in surveys if survey.country is None]
            return {"country": about.target.name, "checks": checks, "missing": missing}

        self._once("other_surveys", self._mark("other_surveys", known), make)

    def respondents(self, count: int) -> None:
        """What a survey of so many respondents would give."""
        about = self._about
        if LANGUAGE not in about.instrument.languages:
            self._progress(f"{about.instrument.key} has no {LANGUAGE}, so it has no respondents")
            return
        forms = few(all_forms(about.instrument, (LANGUAGE,), "held-out"))

        def make() -> dict[str, Any]:
            self._progress(f"asking {count} respondents twice")
            prompt = self._run.soft_prompt
            return interview_all(self._model, prompt, forms, about.question, count).to_dict()

        self._once("respondents", self._mark("respondents", forms, count), make)

    def _rows(self, one: FormSet) -> list[dict[str, Any]]:
        comparison = self._comparison(one.key)
        first = row(one.key, one.label, comparison).to_dict()
        if one.key != HEADLINE:
            return [first]
        first["samples"] = kept_samples(comparison)
        return [first, *(each.to_dict() for each in by_order(comparison))]

    def _comparison(self, key: str) -> Comparison:
        if key not in self._compared:
            one = self._sets[key]
            self._progress(f"asking {len(one.forms)} forms: {one.label.removeprefix('…')}")
            prompt = self._run.soft_prompt
            self._compared[key] = compare(self._model, prompt, one.forms, self._about.question)
        return self._compared[key]

    def _mark(self, *parts: object) -> str:
        """What a result depends on, as a hash: if it is the same, so is the result."""
        about, prompt = self._about, self._run.soft_prompt
        question = about.question
        scoring = question.scoring
        known = [
            FORMAT,
            hashlib.sha256(np.ascontiguousarray(prompt.embeddings, "<f4").tobytes()).hexdigest(),
            prompt.placement,
            about.weights_hash,
            about.instrument.fingerprint,
            [scoring.constants.tolist(), scoring.weights.tolist(), scoring.aggregate],
            question.target.tolist(),
            [question.reading, question.respondents, question.seed],
            [_marked(part) for part in parts],
        ]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()

    def _once(self, name: str, mark: str, make: Callable[[], dict[str, Any]]) -> None:
        """Makes a file, unless it is there with this mark."""
        if (self._read(name) or {}).get("fingerprint") != mark:
            made = make()
            self._note(name)
            self._write(name, {"fingerprint": mark, **made})

    def _note(self, name: str) -> None:
        if name not in self.computed:
            self.computed.append(name)

    def _read(self, name: str) -> dict[str, Any] | None:
        return read_part(self._run.directory, name)

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        write_part(self._run.directory, name, value)


def _about(
    run: Run,
    model: AnswerModel,
    instrument: Instrument | None,
    table: CountryTable | None,
    seed: int,
) -> _About:
    """Reads what a run was asked.

    Raises:
        UsageError: A questionnaire, table or model is not the run's.
        FailureError: A file is damaged, or the forms are not those the run was tuned on.
    """
    config, record = read_config(run.directory), read_record(run.directory)
    survey = config["survey"]
    instrument = instrument or _own_instrument(survey["instrument"])
    table = table or _own_table(survey["table"])
    if instrument.fingerprint != record["instrument"]["fingerprint"]:
        raise UsageError(
            f"the questionnaire {instrument.key} is not the one that the run was tuned on",
            "Give the same file with --instrument, or the version of acculturate that tuned it.",
        )
    weights_hash = check_model(run.directory, model)
    scores = {key: float(score) for key, score in record["target"]["scores"].items()}
    target = Country(survey["country"], survey["table"], scores, None)
    scoring = Scoring(
        instrument, survey.get("anchor", "midpoint"), survey["aggregate"], survey.get("variant")
    )
    return _About(
        instrument=instrument,
        table=table,
        target=target,
        language=survey["language"],
        tuning=_tuning_forms(instrument, survey, record["forms"]["tuning"], run.directory),
        question=ComparisonSettings(
            scoring,
            target.vector(instrument),
            survey["reading"],
            int(survey.get("respondents", 1)),
            seed,
        ),
        weights_hash=weights_hash,
    )


def _tuning_forms(
    instrument: Instrument, survey: Mapping[str, Any], wanted: str, directory: Path
) -> tuple[Form, ...]:
    """The forms that a run was tuned on, found by their fingerprint."""
    language, count = survey["language"], int(survey["forms"])
    pool = all_forms(instrument, (language,), "tuning")
    if len(pool) == count and fingerprint(pool) == wanted:
        return pool
    forms = balanced_forms(instrument, "tuning", count, language)
    if fingerprint(forms) != wanted:
        raise FailureError(
            f"the {count} tuning forms of the run in {directory} are not those of this version",
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


def _objects(value: object) -> list[dict[str, Any]]:
    entries = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]


def _marked(part: object) -> object:
    """Forms by their fingerprint; anything else as it is."""
    if isinstance(part, tuple) and all(isinstance(one, Form) for one in cast("Any", part)):
        return fingerprint(cast("tuple[Form, ...]", part))
    return part
