"""Cells run whole: baselines are measured; soft prompts are tuned, evaluated, examined and reported.

In: a prepared experiment and its model. Out: a folder a cell, complete once its last file is there. An
interrupted cell goes on where it stopped.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from acculturate.errors import FailureError, UsageError
from acculturate.evaluation.behaviour import behaviour_settings
from acculturate.evaluation.evaluate import evaluate
from acculturate.evaluation.examine import examine
from acculturate.evaluation.form_checks import FormChecks
from acculturate.evaluation.inputs import RunInputs
from acculturate.experiment.plan import ModelChoice
from acculturate.experiment.prepared import BASELINE_CELL, Cell, PreparedExperiment
from acculturate.formatting import slug
from acculturate.io import disk_is_full, json_text, lock_folder, write_text
from acculturate.metrics.behaviour import Behaviour, BehaviourSettings, measure_choices
from acculturate.metrics.comparison import ComparisonSettings
from acculturate.metrics.held_out import form_sets
from acculturate.metrics.scenarios import load_scenarios
from acculturate.metrics.treatments import Treatment
from acculturate.model.answers import AnswerModel
from acculturate.model.asking import provenance
from acculturate.record_files import read_record, write_record
from acculturate.reporting.report import write_report
from acculturate.runs import DONE, REFUSED, Evaluation, Memo, Run, read_provenance
from acculturate.runs import SUMMARY as RESULT_TABLE
from acculturate.tuning import (
    TREATMENTS,
    Method,
    Progress,
    Task,
    make_treatments,
    measure_baselines,
    tune,
    tune_together,
)

SUMMARY = "summary.json"
"""The last file of a cell of baselines."""
UNTOUCHED = "untouched.json"
"""The untouched model's profile on the held-out forms, beside it."""

_DONE = "cell.json"
"""The last file of a cell that searches."""


@runtime_checkable
class ProgressListener(Protocol):
    """Receiver of the progress of cells."""

    def on_start(self, cell: Cell) -> None:
        """Note that a cell starts or goes on."""

    def on_step(self, cell: Cell, at: Progress) -> None:
        """Note that a generation of a cell is done."""

    def on_end(self, cell: Cell, error: str | None, before: bool) -> None:
        """Note that a cell is done, just now or before, or that it failed again."""

    def on_retry(self, cell: Cell, error: str) -> None:
        """Note that a cell failed and is run once more."""


@dataclass(frozen=True)
class CellFailure:
    """The reason that a cell failed twice.

    Attributes:
        error: In a sentence.
        trace: The traceback.
    """

    error: str
    trace: str


Job = tuple[Cell, Method | None]
"""A cell, and its method; None for a cell of baselines."""
Execute = Callable[[Sequence[Job]], Iterator[tuple[Cell, CellFailure | None]]]
"""Runs cells, and yields each when it is done, with why it failed or None."""


@dataclass
class CellWorker:
    """A process that runs cells one after the other, with one model loaded at a time.

    Args:
        prepared: What the experiment needs.
        load: Returns a model; called before its first cell.
        out: The experiment's directory.
        command: The command line, for the record.
    """

    prepared: PreparedExperiment
    load: Callable[[ModelChoice], AnswerModel]
    out: Path
    command: str
    _loaded: tuple[ModelChoice, AnswerModel] | None = None

    def run(
        self, cell: Cell, method: Method | None, listener: ProgressListener
    ) -> CellFailure | None:
        """Run a cell, and once more where it fails.

        Args:
            cell: The cell.
            method: Its method; None for a cell of baselines.
            listener: Receives its progress.

        Returns:
            Why it failed again, or None.

        Raises:
            AcculturateError: The model cannot be loaded.
            FailureError: The disk is full.
        """
        model = self._model_of(cell)
        listener.on_start(cell)
        failure: CellFailure | None = None
        for attempt in (1, 2):
            try:
                if method is None:
                    measure_cell(self.prepared, model, cell, self.out)
                else:
                    self._tune(model, cell, method, listener)
            except Exception as error:
                if disk_is_full(error):
                    raise FailureError(
                        str(error), "Make space; the same command goes on where it stopped."
                    ) from error
                failure = CellFailure(str(error) or type(error).__name__, traceback.format_exc())
                if attempt == 1:
                    listener.on_retry(cell, failure.error)
            else:
                failure = None
                break
        listener.on_end(cell, failure and failure.error, False)
        return failure

    def _model_of(self, cell: Cell) -> AnswerModel:
        """Return the model of a cell, loaded when the one before is gone."""
        choice = self.prepared.model(cell)
        if self._loaded is None or self._loaded[0] != choice:
            self._loaded = None
            gc.collect()  # its caches refer to it
            self._loaded = choice, self.load(choice)
        return self._loaded[1]

    def _tune(
        self, model: AnswerModel, cell: Cell, method: Method, listener: ProgressListener
    ) -> None:
        """Tune, evaluate, examine and report a cell that searches."""
        assert cell.seed is not None
        prepared, experiment = self.prepared, self.prepared.experiment
        folder, table = self.out / cell.folder, self.prepared.tables[cell.table]
        settings = prepared.settings(method, cell.seed)

        def on_generation(at: Progress) -> None:
            listener.on_step(cell, at)

        given: dict[str, Any] = {
            "table": table,
            "resume": True,
            "on_generation": on_generation,
            "command": self.command,
            **vars(settings),
            "optimizer": method.make(experiment.budget),
        }
        if settings.together:
            run = self._tune_together(model, cell, given)
        else:
            run = tune(model, prepared.instrument, prepared.target(cell), out=folder, **given)
        if experiment.evaluate:
            languages = experiment.languages
            evaluate(run, model, instrument=prepared.instrument, table=table, languages=languages)
        if prepared.exam is not None:
            examine(run, model, prepared.exam, known=prepared.known)
        write_report([folder])
        done = {"evaluated": experiment.evaluate, "benchmarks": list(experiment.benchmarks)}
        write_text(folder / _DONE, json_text(done))

    def _tune_together(self, model: AnswerModel, cell: Cell, given: Mapping[str, Any]) -> Run:
        """Tune all countries of a cell's table together, and return the cell's run; others wait for it."""
        cells = [
            replace(cell, country=country)
            for table, country in self.prepared.places
            if table == cell.table
        ]
        method = self.out / cell.base / "together" / slug(cell.table) / slug(cell.method)
        method.mkdir(parents=True, exist_ok=True)
        with lock_folder(method, wait=True):
            if all((self.out / each.folder / DONE).is_file() for each in cells):
                return Run.load(self.out / cell.folder)  # others may be evaluating theirs
            runs = tune_together(
                model,
                self.prepared.instrument,
                [self.prepared.target(each) for each in cells],
                out=method / f"seed-{cell.seed}",
                folders=[self.out / each.folder for each in cells],
                **given,
            )
        return runs[cells.index(cell)]


def is_complete(cell: Cell, out: Path) -> bool:
    """Return whether the files that a cell ends with are there."""
    last = (SUMMARY,) if cell.method == BASELINE_CELL else (RESULT_TABLE, DONE, _DONE)
    return all((out / cell.folder / name).is_file() for name in last)


def check_inputs(prepared: PreparedExperiment, cell: Cell, out: Path) -> None:
    """Refuse a complete cell whose target or questionnaire is no longer what it was made with.

    Raises:
        UsageError: Its country's scores, or the questionnaire of its run, have changed.
        FailureError: One of its files is damaged.
    """
    folder, scores = out / cell.folder, prepared.target(cell).scores
    table = read_record(Evaluation, folder / (SUMMARY if cell.seed is None else RESULT_TABLE))
    changed = ""
    if any(scores.get(key) != score for key, score in table.target.scores.items()):
        changed = f"the scores of {cell.country} in {cell.table}"
    elif cell.seed is not None:
        made_with = read_provenance(folder).instrument.fingerprint
        if made_with != prepared.instrument.fingerprint:
            changed = f"the questionnaire {prepared.instrument.key}"
    if changed:
        raise UsageError(
            f"{changed} changed since {folder} was made",
            "Bring back the file that it was made with, or give another --out.",
        )


def lacks_checks(cell: Cell, out: Path) -> bool:
    """Return whether a check of a cell could not be asked, so that it is tried again."""
    return any((out / cell.folder / "evaluation").rglob(f"{REFUSED}.json"))


def checks_folder(cell: Cell, method: str) -> Path:
    """Return where the checks of a baseline lie in the experiment's directory."""
    return cell.folder / "evaluation" / method


def measure_cell(prepared: PreparedExperiment, model: AnswerModel, cell: Cell, out: Path) -> None:
    """Measure the baselines of one country; words in other ways of asking too, each for itself.

    Raises:
        FailureError: The answers are not finite, or the summary cannot be written.
    """
    task = prepared.task(*cell.place, prepared.shared)
    chosen = [name for name in prepared.experiment.baselines if name in TREATMENTS]
    treatments = make_treatments(model, task, chosen)
    summary, untouched = measure_baselines(model, task, treatments)
    if prepared.experiment.evaluate:
        for method, treatment in treatments.items():
            memo = Memo(out / checks_folder(cell, method))
            _evaluate_treatment(prepared, model, task, treatment, memo)
            settings = behaviour_settings(summary, memo, task.settings.seed)
            survey = {"tuned": settings.survey.get(method, {})}
            _evaluate_behaviour(model, treatment, task, replace(settings, survey=survey), memo)
            memo.finish()
    write_record(out / cell.folder / UNTOUCHED, untouched)
    write_record(out / cell.folder / SUMMARY, summary)


def _evaluate_treatment(
    prepared: PreparedExperiment,
    model: AnswerModel,
    task: Task,
    treatment: Treatment,
    memo: Memo,
) -> None:
    """Ask a treatment in the ways in which `evaluate` asks a soft prompt, and write the same files."""
    settings, instrument, target = task.settings, task.scoring.instrument, task.target
    comparing = ComparisonSettings(
        task.scoring, task.scores, settings.reading, settings.respondents, settings.seed
    )
    weights_hash = provenance(model)["weights_hash"]
    own = prepared.tables[target.table], target, settings.language, task.forms
    inputs = RunInputs(instrument, *own, comparing, weights_hash)
    others = prepared.other_languages(settings)
    sets = form_sets(instrument, task.forms, settings.language, others)
    checks = FormChecks(memo, model, treatment, inputs, sets)
    checks.held_out()
    checks.specificity()
    checks.other_surveys()


def _evaluate_behaviour(
    model: AnswerModel,
    treatment: Treatment,
    task: Task,
    settings: BehaviourSettings,
    memo: Memo,
) -> None:
    """Measure how a treatment shifts choices in everyday situations, and write it down."""
    try:
        scenarios = load_scenarios(task.scoring.instrument)
    except UsageError:  # none come with the package for this questionnaire
        return
    with memo.attempt("behaviour:words", "everyday situations by the words of actions"):
        rows = measure_choices(model, {"tuned": treatment}, scenarios, "words", settings)
        wanted = dict(settings.wanted)
        record = Behaviour(scenarios.language, scenarios.source, wanted, tuple(rows), letters=False)
        memo.write("behaviour", record)
