"""A finished run asked in every other way: a run directory and its model -> evaluation/*.json.

In: a run that is done. Out: a file for each check, written whole or not at all. What a file holds already
for the same prompt, model and forms is not computed again. Each way of asking and each check fails alone:
refused.json says which could not be asked, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from acculturate.arguments import Seed, checked
from acculturate.errors import UsageError
from acculturate.evaluation.behaviour import evaluate_behaviour
from acculturate.evaluation.form_checks import FormChecks
from acculturate.evaluation.inputs import RunInputs, read_inputs
from acculturate.io import lock_folder
from acculturate.metrics.extremes import Extremes, measure_extremes
from acculturate.metrics.held_out import HEADLINE, TUNING, FormSet, form_sets, other_languages
from acculturate.metrics.respondents import LANGUAGE, Respondents, survey_respondents
from acculturate.metrics.responsiveness import measure_responsiveness
from acculturate.metrics.scenarios import Scenarios, load_scenarios
from acculturate.metrics.written_answers import MAX_TOKENS, Generated, compare_written_answers
from acculturate.model.answers import AnswerModel, Chat, GeneratingModel
from acculturate.progress import task
from acculturate.runs import (
    CHECKS,
    HeldOut,
    Memo,
    Refusal,
    Run,
    read_config,
)
from acculturate.survey import (
    CountryTable,
    Instrument,
    all_forms,
    balanced_forms,
)
from acculturate.survey import fingerprint as form_fingerprint
from acculturate.survey.language import language_name
from acculturate.survey.parsing import REFUSALS
from acculturate.survey.scoring import MOST_RESPONDENTS
from acculturate.survey.selection import limit_forms


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
    ways = inputs.instrument, inputs.tuning, inputs.language
    others = other_languages(inputs.instrument, inputs.language, languages)
    sets = form_sets(*ways, others)
    rest = [code for code in inputs.instrument.languages if code not in (inputs.language, *others)]
    unasked = [form_set for form_set in form_sets(*ways, rest) if form_set.key in rest]
    own = None if scenarios is None else load_scenarios(inputs.instrument, scenarios)
    checks = _RunChecks(loaded, model, inputs, sets, unasked)
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


def made_with(run: Run, other: str | None = None) -> tuple[str, str | None, str, Chat]:
    """Return name, revision, precision and use of a chat template of a run's model, for `load_model`.

    Args:
        run: The run.
        other: Name or path of the model where it is now; the run's revision is not one of it.

    Raises:
        FailureError: The run's settings are damaged.
    """
    model = read_config(run.directory).model
    revision = None if other else model.revision or None
    return other or model.name, revision, model.dtype, model.chat


class _RunChecks(FormChecks):
    """The checks of one run, each with its file."""

    def __init__(
        self,
        run: Run,
        model: AnswerModel,
        inputs: RunInputs,
        sets: Sequence[FormSet],
        unasked: Sequence[FormSet],
    ) -> None:
        memo = Memo(run.directory / "evaluation")
        super().__init__(memo, model, run.soft_prompt, inputs, sets, unasked)
        self._run = run

    def responsiveness(self) -> None:
        """Ask whether the untouched model answers as it is told to, in the labels of the run."""
        inputs = self._inputs
        if inputs.instrument.language(inputs.language).poles:
            self.once(
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

    def extremes(self) -> None:
        """Measure how far scores are from the middle."""
        keys = TUNING, HEADLINE
        self.once(
            "extremes",
            "distances from the middle",
            lambda: Extremes(*(measure_extremes(self.comparison(key)) for key in keys)),
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
            return compare_written_answers(model, self._run.soft_prompt, forms, inputs.settings)

        self.once(
            "generated", "written answers", make, form_fingerprint(forms), MAX_TOKENS, REFUSALS, 2
        )

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
                self.fingerprint,
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
                return survey_respondents(
                    self._model, self._run.soft_prompt, forms, inputs.settings, count
                )

        self.once("respondents", "a survey of respondents", make, form_fingerprint(forms), count)
