"""A finished run asked in every other way: a run directory and its model -> evaluation/*.json.

In: a run that is done. Out: a file for each check, written whole or not at all. What a file holds already
for the same prompt, model and forms is not computed again. Each way of asking and each check fails alone:
refused.json says which could not be asked, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from acculturate.arguments import Seed, checked
from acculturate.errors import UsageError
from acculturate.evaluation.behaviour import evaluate_behaviour
from acculturate.evaluation.inputs import RunInputs, read_inputs
from acculturate.io import fingerprint, lock_folder
from acculturate.metrics.comparison import Comparison, compare
from acculturate.metrics.extremes import Extremes, measure_extremes
from acculturate.metrics.held_out import (
    HEADLINE,
    TUNING,
    FormSet,
    form_sets,
    language_name,
    limit_forms,
    make_row,
    other_languages,
    rows_by_order,
    wanted_shift,
)
from acculturate.metrics.other_surveys import SurveyCheck, check_with, other_surveys
from acculturate.metrics.respondents import LANGUAGE, Respondents, survey_respondents
from acculturate.metrics.responsiveness import measure_responsiveness
from acculturate.metrics.scenarios import Scenarios, load_scenarios
from acculturate.metrics.specificity import rank_target
from acculturate.metrics.written_answers import MAX_TOKENS, Generated, compare_written_answers
from acculturate.model.answers import AnswerModel, Chat, GeneratingModel
from acculturate.progress import Task, task
from acculturate.runs import (
    CHECKS,
    HeldOut,
    HeldOutRow,
    Memo,
    OtherSurveys,
    Refusal,
    Run,
    read_config,
)
from acculturate.survey import (
    CountryTable,
    Form,
    Instrument,
    all_forms,
    balanced_forms,
)
from acculturate.survey import fingerprint as form_fingerprint
from acculturate.survey.parsing import REFUSALS
from acculturate.survey.scoring import MOST_RESPONDENTS

FORMAT = 3
"""Raised when a file's numbers come to mean something else, so that old ones are made again."""


Shift = Float[np.ndarray, " dimension"]


@dataclass(frozen=True)
class RunEvaluation:
    """The checks of a run: its files under evaluation/.

    Attributes:
        directory: The run directory.
        parts: Content of each file by its name, without those that are missing.
        computed: Names of the files that this call made; the others were there.
        refused: What this call could not ask, and why.
    """

    directory: Path
    parts: dict[str, dict[str, Any]]
    computed: tuple[str, ...]
    refused: tuple[Refusal, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as a value for JSON."""
        lists = {
            "computed": list(self.computed),
            "refused": [asdict(each) for each in self.refused],
        }
        return {"run": str(self.directory), **lists, **self.parts}


@checked
def evaluate(
    run: Run | str | Path,
    model: AnswerModel,
    *,
    instrument: Instrument | None = None,
    table: CountryTable | None = None,
    languages: Sequence[str] | None = None,
    generated: bool = True,
    respondents: int = 0,
    scenarios: str | Path | None = None,
    seed: Seed = 0,
) -> RunEvaluation:
    """Measure a finished run in every way its search did not see, and write it into its directory.

    Args:
        run: A finished run, or its directory.
        model: The model it was tuned on; never changed.
        instrument: The run's questionnaire; needed where it is a file of the user's own.
        table: The run's country table; needed where it is a file of the user's own.
        languages: Codes of other languages to ask the held-out forms in; all that there are if None.
        generated: Whether to let it write answers too, where it can.
        respondents: Personas, alike in everything but nationality, who answer every question once;
            0 asks none.
        scenarios: TOML file of everyday situations, docs/behaviour.md; those of the package if None.
        seed: Of the bootstrap and the respondents.

    Returns:
        The contents of the files.

    Raises:
        UsageError: The run is not finished, the model is another one, a language is unknown, the
            questionnaire or table has to be given, or the situations are not on its dimensions.
        FailureError: The run's forms are not those of this version, or a file cannot be written.
    """
    if respondents < 0 or respondents == 1 or respondents > MOST_RESPONDENTS:
        raise UsageError(
            f"a survey of {respondents} respondents",
            f"Use 0 for none, or 2 to {MOST_RESPONDENTS:,}.",
        )
    loaded = run if isinstance(run, Run) else Run.load(run)
    inputs = read_inputs(loaded, model, instrument, table, seed)
    others = other_languages(inputs.instrument, inputs.language, languages)
    sets = form_sets(inputs.instrument, inputs.tuning, inputs.language, others)
    own = None if scenarios is None else load_scenarios(inputs.instrument, scenarios)
    checks = _Checks(loaded, model, inputs, sets)
    with lock_folder(loaded.directory):
        checks.held_out()
        checks.responsiveness()
        checks.specificity()
        checks.extremes()
        if generated:
            checks.generated()
        checks.other_surveys()
        checks.behaviour(own, generated)
        if respondents:
            checks.respondents(respondents)
    memo = checks.memo
    memo.finish()
    contents = {name: part for name in CHECKS if (part := memo.read(name)) is not None}
    return RunEvaluation(loaded.directory, contents, tuple(memo.computed), tuple(memo.refused))


def made_with(run: Run) -> tuple[str, str | None, str, Chat]:
    """Return name, revision, precision and use of a chat template of a run's model, for `load_model`.

    Raises:
        FailureError: The run's settings are damaged.
    """
    model = read_config(run.directory).model
    return model.name, model.revision or None, model.dtype, model.chat


class _Checks:
    """The checks of one run, each with its file; a set of forms is asked once, and only if needed."""

    def __init__(
        self,
        run: Run,
        model: AnswerModel,
        inputs: RunInputs,
        sets: Sequence[FormSet],
    ) -> None:
        self.memo = Memo(run.directory / "evaluation")
        self._prompt, self._model, self._inputs = run.soft_prompt, model, inputs
        self._run = run
        self._sets = {form_set.key: form_set for form_set in sets}
        self._compared: dict[str, Comparison] = {}

    def held_out(self) -> None:
        """Compare losses, and the shift of scores with the wanted one, in every way of asking."""
        record = self.memo.read_record("held_out", HeldOut)
        kept: dict[str, list[HeldOutRow]] = {}
        for row in record.rows if record else ():
            kept.setdefault(row.fingerprint, []).append(row)
        rows: list[HeldOutRow] = []
        wanted: Shift | None = None
        self.memo.forget("asked:")
        for form_set in self._sets.values():
            since = None if wanted is None else wanted.tolist()
            forms = form_fingerprint(form_set.forms)
            inputs = self._fingerprint("row", form_set.key, forms, since)
            if inputs not in kept:
                with self.memo.attempt(f"asked:{form_set.key}", form_set.label.removeprefix("…")):
                    kept[inputs] = list(self._rows(form_set, inputs, wanted))
                    self.memo.note("held_out")
                    self._write_rows(tuple(chain.from_iterable(kept.values())))
            rows += kept.get(inputs, ())
            if form_set.key == TUNING and rows:
                wanted = wanted_shift(rows[0], self._inputs.settings)
        if rows:
            self._write_rows(tuple(rows))

    def responsiveness(self) -> None:
        """Ask whether the untouched model answers as it is told to, in the labels of the run."""
        inputs = self._inputs
        if inputs.instrument.language(inputs.language).poles:
            self._once(
                "responsiveness",
                "whether it answers as it is told to",
                lambda: measure_responsiveness(
                    self._model,
                    inputs.instrument,
                    labels=inputs.labels,
                    language=inputs.language,
                    scoring=inputs.settings.scoring,
                ),
                inputs.labels,
                inputs.language,
            )

    def specificity(self) -> None:
        """Rank the target among all countries."""
        table, forms = self._inputs.table, self._sets[HEADLINE].forms
        scores = {country.name: dict(country.scores) for country in table}
        self._once(
            "specificity",
            "the target among all countries",
            lambda: rank_target(self._comparison(HEADLINE), self._inputs.target.name, table),
            scores,
            form_fingerprint(forms),
        )

    def extremes(self) -> None:
        """Measure how far scores are from the middle."""
        keys = TUNING, HEADLINE
        self._once(
            "extremes",
            "distances from the middle",
            lambda: Extremes(*(measure_extremes(self._comparison(key)) for key in keys)),
            *(form_fingerprint(self._sets[key].forms) for key in keys),
        )

    def generated(self) -> None:
        """Compare written answers with the probabilities."""
        model, inputs = self._model, self._inputs
        own = inputs.language, inputs.labels
        forms = balanced_forms(inputs.instrument, "held-out", None, *own)

        def make() -> Generated:
            if not isinstance(model, GeneratingModel):
                raise UsageError(f"{model.name} writes no text")
            return compare_written_answers(model, self._prompt, forms, inputs.settings)

        self._once(
            "generated", "written answers", make, form_fingerprint(forms), MAX_TOKENS, REFUSALS, 2
        )

    def other_surveys(self) -> None:
        """Ask surveys that the search knew nothing of."""
        inputs = self._inputs
        own = inputs.language, inputs.labels
        surveys = other_surveys(inputs.instrument, inputs.target.name, *own)
        with_target = [survey for survey in surveys if survey.country is not None]
        contents = [
            [survey.instrument.fingerprint, dict(country.scores), form_fingerprint(survey.forms)]
            for survey in surveys
            if (country := survey.country) is not None
        ]

        def make() -> OtherSurveys:
            checks: list[SurveyCheck] = []
            for survey in with_target:
                title = survey.instrument.title
                attempt = self.memo.attempt(f"survey:{survey.instrument.key}", title)
                with attempt, _asking(survey.forms, title):
                    check = check_with(self._model, self._prompt, survey, inputs.settings.seed)
                    checks.append(check)
            missing = tuple(survey.table.key for survey in surveys if survey.country is None)
            return OtherSurveys(tuple(checks), missing, inputs.target.name)

        self._once("other_surveys", "other surveys", make, contents)

    def behaviour(self, own: Scenarios | None, written: bool) -> None:
        """Measure choices in everyday situations, and answers to open questions.

        By letters where those of the survey are about the question, as far as that was measured.
        """
        key = HEADLINE if self._inputs.labels == "letters" else "letters"
        held_out = self.memo.read_record("held_out", HeldOut)
        rows = held_out.rows if held_out else ()
        letters = all(row.shift.counts for row in rows if row.key == key and row.shift)
        with self.memo.attempt("behaviour", "behaviour in everyday situations"):
            evaluate_behaviour(
                self._run,
                self._model,
                own or load_scenarios(self._inputs.instrument),
                self.memo,
                self._fingerprint,
                written=written,
                letters=letters,
                seed=self._inputs.settings.seed,
            )

    def respondents(self, count: int) -> None:
        """Simulate a survey of so many respondents."""
        inputs = self._inputs
        asked = {LANGUAGE} & set(inputs.instrument.languages)
        pool = all_forms(inputs.instrument, tuple(asked), "held-out", inputs.labels)
        forms = limit_forms(pool)

        def make() -> Respondents:
            if not forms:
                raise UsageError(f"{inputs.instrument.key} is not in {language_name(LANGUAGE)}")
            items = len(inputs.instrument.items)
            with task(f"asking {count} respondents", 2 * count * items):
                return survey_respondents(self._model, self._prompt, forms, inputs.settings, count)

        self._once("respondents", "a survey of respondents", make, form_fingerprint(forms), count)

    def _rows(self, form_set: FormSet, inputs: str, wanted: Shift | None) -> Iterator[HeldOutRow]:
        """Yield the row of a set of forms; the headline's also has rows by option order."""
        comparison = self._comparison(form_set.key)
        wanted = comparison.wanted if form_set.key == TUNING else wanted
        rows = [make_row(form_set.key, form_set.label, comparison, wanted)]
        if form_set.key == HEADLINE:
            rows += rows_by_order(comparison, wanted)
        for row in rows:
            yield HeldOutRow(**vars(row), fingerprint=inputs)

    def _write_rows(self, rows: tuple[HeldOutRow, ...]) -> None:
        self.memo.write("held_out", HeldOut.of(rows))

    def _comparison(self, key: str) -> Comparison:
        if key not in self._compared:
            forms, label = self._sets[key].forms, self._sets[key].label
            with _asking(forms, label.removeprefix("…")):
                self._compared[key] = compare(
                    self._model, self._prompt, forms, self._inputs.settings
                )
        return self._compared[key]

    def _once(self, name: str, label: str, make: Callable[[], object], *parts: object) -> None:
        with self.memo.attempt(name, label):
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


def _asking(forms: Sequence[Form], label: str) -> AbstractContextManager[Task]:
    """Show how far both states are with some forms."""
    return task(f"asking {len(forms)} forms: {label}", 2 * len(forms))
