"""The untouched and the treated model on every set of forms that no search saw, and on other surveys.

In: a model, a treatment, and sets of forms. Out: held_out.json, specificity.json and other_surveys.json, of
runs and of what is compared with them. What a file holds already for the same hash is not asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from itertools import chain

import numpy as np
from jaxtyping import Float

from acculturate.evaluation.inputs import RunInputs
from acculturate.io import fingerprint
from acculturate.metrics.comparison import Comparison, compare
from acculturate.metrics.held_out import HEADLINE, FormSet, FormSetResult, make_row, rows_by_order
from acculturate.metrics.other_surveys import SurveyCheck, check_with, other_surveys
from acculturate.metrics.scores import score_answers
from acculturate.metrics.specificity import rank_target
from acculturate.metrics.treatments import Treatment
from acculturate.model.answers import AnswerModel, Answers
from acculturate.model.asking import ask_untouched
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.model.steering import SteeringVector
from acculturate.progress import Task, task
from acculturate.runs import HeldOut, Memo, OtherSurveys
from acculturate.survey import Form
from acculturate.survey import fingerprint as form_fingerprint
from acculturate.survey.selection import survey_forms

FORMAT = 4
"""Raised when a file's numbers come to mean something else, so that old ones are made again."""

Shift = Float[np.ndarray, " dimension"]


class FormChecks:
    """The checks of one treatment, each with its file; a set of forms is asked once, and only if needed.

    Args:
        memo: The files.
        model: The model.
        treatment: What moves its answers.
        inputs: What it was made for.
        sets: The ways of asking.
        unasked: Further ways: what is known of them stays, and no more is asked.
    """

    def __init__(
        self,
        memo: Memo,
        model: AnswerModel,
        treatment: Treatment,
        inputs: RunInputs,
        sets: Sequence[FormSet],
        unasked: Sequence[FormSet] = (),
    ) -> None:
        self.memo = memo
        self._model, self._treatment, self._inputs = model, treatment, inputs
        self._sets = {form_set.key: form_set for form_set in sets}
        self._unasked = tuple(unasked)
        self._compared: dict[str, Comparison] = {}
        self._mark = _mark(treatment, self._sets[HEADLINE].forms)

    def held_out(self) -> None:
        """Compare losses, and the shift of scores with the wanted one, in every way of asking."""
        record = self.memo.read_record("held_out", HeldOut)
        self.memo.forget("asked")
        wanted = self._wanted(record)
        since = None if wanted is None else wanted.tolist()
        sets = {
            self.fingerprint("row", each.key, form_fingerprint(each.forms), since): each
            for each in (*self._sets.values(), *self._unasked)
        }
        kept: dict[str, list[FormSetResult]] = {}
        for row in record.rows if record else ():
            if row.fingerprint in sets:
                kept.setdefault(row.fingerprint, []).append(row)
        rows: list[FormSetResult] = []
        for inputs, form_set in sets.items():
            if inputs not in kept and form_set.key in self._sets:
                with self.memo.attempt(f"asked:{form_set.key}", form_set.label.removeprefix("…")):
                    kept[inputs] = list(self._rows(form_set, inputs, wanted))
                    self.memo.note("held_out")
                    self._write_rows(tuple(chain.from_iterable(kept.values())), wanted)
            rows += kept.get(inputs, ())
        if rows:
            self._write_rows(tuple(rows), wanted)

    def specificity(self) -> None:
        """Rank the target among all countries."""
        table, forms = self._inputs.table, self._sets[HEADLINE].forms
        scores = {country.name: dict(country.scores) for country in table}
        self.once(
            "specificity",
            "the target among all countries",
            lambda: rank_target(self.comparison(HEADLINE), self._inputs.target.name, table),
            scores,
            form_fingerprint(forms),
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
                with attempt, asking(survey.forms, title):
                    check = check_with(self._model, self._treatment, survey, inputs.settings.seed)
                    checks.append(check)
            missing = tuple(survey.table.key for survey in surveys if survey.country is None)
            return OtherSurveys(tuple(checks), missing, inputs.target.name)

        self.once("other_surveys", "other surveys", make, contents)

    def _wanted(self, record: HeldOut | None) -> Shift | None:
        """Return target less untouched scores on all tuning forms of the survey, asked if not on record.

        None where the model refuses them.
        """
        settings = self._inputs.settings
        if record is not None and record.fingerprint == self._wanted_mark:
            keys = [dimension.key for dimension in settings.scoring.dimensions]
            return np.array([record.wanted.get(key, np.nan) for key in keys])
        forms, label = self._survey_forms, "the wanted shift"
        reading = settings.reading, settings.respondents, settings.seed
        with self.memo.attempt("asked:wanted", label):
            naive = Answers(forms, ask_untouched(self._model, forms, forms)[None])
            return settings.target - score_answers(naive, settings.scoring, *reading).scores
        return None

    @cached_property
    def _survey_forms(self) -> tuple[Form, ...]:
        inputs = self._inputs
        return survey_forms(inputs.instrument, inputs.tuning, inputs.language)

    @cached_property
    def _wanted_mark(self) -> str:
        """The hash of all that the wanted shift depends on."""
        return self.fingerprint("wanted", form_fingerprint(self._survey_forms))

    def _rows(
        self, form_set: FormSet, inputs: str, wanted: Shift | None
    ) -> Iterator[FormSetResult]:
        """Yield the row of a set of forms; the headline's also has rows by option order."""
        comparison = self.comparison(form_set.key)
        rows = [make_row(form_set.key, form_set.label, comparison, wanted)]
        if form_set.key == HEADLINE:
            rows += rows_by_order(comparison, wanted)
        for row in rows:
            yield replace(row, fingerprint=inputs)

    def _write_rows(self, rows: tuple[FormSetResult, ...], wanted: Shift | None) -> None:
        record = HeldOut.of(rows)
        if wanted is not None:
            by_key = self._inputs.settings.scoring.by_key(wanted)
            record = replace(record, wanted=by_key, fingerprint=self._wanted_mark)
        self.memo.write("held_out", record)

    def comparison(self, key: str) -> Comparison:
        """Return both states on a set of forms, asked once."""
        if key not in self._compared:
            forms, label = self._sets[key].forms, self._sets[key].label
            with asking(forms, label.removeprefix("…")):
                self._compared[key] = compare(
                    self._model, self._treatment, forms, self._inputs.settings
                )
        return self._compared[key]

    def once(self, name: str, label: str, make: Callable[[], object], *parts: object) -> None:
        """Make the file of a check, unless it is there with the hash of all that it depends on."""
        with self.memo.attempt(name, label):
            self.memo.once(name, make, fingerprint=self.fingerprint(name, *parts))

    def fingerprint(self, *parts: object) -> str:
        """Return the hash of all that a result depends on: if it is the same, so is the result."""
        settings, scoring = self._inputs.settings, self._inputs.settings.scoring
        return fingerprint(
            [
                FORMAT,
                *self._mark,
                self._inputs.weights_hash,
                self._inputs.instrument.fingerprint,
                [scoring.constants.tolist(), scoring.weights.tolist(), scoring.aggregate],
                settings.target.tolist(),
                [settings.reading, settings.respondents, settings.seed],
                parts,
            ]
        )


def _mark(treatment: Treatment, forms: Sequence[Form]) -> tuple[object, ...]:
    """Return what tells a treatment from others: of words, the forms that they stand in front of."""
    if isinstance(treatment, SoftPrompt):
        return treatment.fingerprint, treatment.placement
    if isinstance(treatment, SteeringVector):
        return treatment.layer, treatment.strength, treatment.direction
    return (form_fingerprint(treatment.before(forms)),)


def asking(forms: Sequence[Form], label: str) -> AbstractContextManager[Task]:
    """Show how far both states are with some forms."""
    return task(f"asking {len(forms)} forms: {label}", 2 * len(forms))
