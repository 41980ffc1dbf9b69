"""One cell: what searches nothing is measured, what searches is tuned, evaluated and reported.

In: a model and a cell. Out: a folder that is complete when its last file is there. A cell that was
interrupted goes on where it stopped; one that is complete is left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from acculturate.errors import FailureError
from acculturate.evaluation.evaluate import evaluate
from acculturate.evaluation.examine import examine
from acculturate.experiment.baseline_lines import LINES, evaluate_line
from acculturate.experiment.prepared import BASELINE_CELL, Cell, PreparedExperiment
from acculturate.io import json_text, write_text
from acculturate.model.answers import AnswerModel
from acculturate.reporting.report import write_report
from acculturate.survey.forms import all_forms
from acculturate.tuning.loop import Progress
from acculturate.tuning.methods import Method
from acculturate.tuning.summary import SummaryInputs, measure_baselines
from acculturate.tuning.tune import measured_forms, tune

SUMMARY = "summary.json"
"""The last file of a cell of baselines."""

DONE = "cell.json"
"""The last file of a cell that searches."""


def finished(cell: Cell, out: Path) -> bool:
    """Whether a cell is complete."""
    return (out / cell.folder / (SUMMARY if cell.method == BASELINE_CELL else DONE)).is_file()


def measure_cell(prepared: PreparedExperiment, model: AnswerModel, cell: Cell, out: Path) -> None:
    """Measures what searches nothing towards one country; lines of words in other ways too.

    Raises:
        FailureError: The answers are not finite, or the summary cannot be written.
    """
    settings = prepared.shared
    question = SummaryInputs(
        prepared.scoring(settings),
        prepared.target(cell),
        prepared.tables[cell.table],
        measured_forms(prepared.instrument, settings),
        all_forms(prepared.instrument, (settings.language,), split="held-out"),
        settings.placement,
        settings.reading,
        settings.respondents,
        settings.seed,
    )
    summary = measure_baselines(model, question)
    if prepared.experiment.evaluate:
        for method in LINES:
            if method in prepared.experiment.baselines:
                line = summary["baselines"][LINES[method]]
                for name, part in evaluate_line(prepared, model, cell, line).items():
                    write_text(out / checks_of(cell, method) / f"{name}.json", json_text(part))
    write_text(out / cell.folder / SUMMARY, json_text(summary))


def checks_of(cell: Cell, method: str) -> Path:
    """Where the checks of one method of a cell of baselines lie in the experiment's directory."""
    return cell.folder / "evaluation" / method


def tune_cell(
    prepared: PreparedExperiment,
    model: AnswerModel,
    cell: Cell,
    method: Method,
    out: Path,
    *,
    on_generation: Callable[[Progress], None],
    command: str,
) -> None:
    """Runs or goes on with a cell that searches.

    Args:
        prepared: What the experiment needs.
        model: Who answers.
        cell: Which one.
        method: Its method.
        out: The experiment's directory.
        on_generation: Called after every generation.
        command: The command line, for the record.

    Raises:
        AcculturateError: As `tune` and `evaluate`.
    """
    experiment, folder = prepared.experiment, out / cell.folder
    if cell.seed is None:
        raise FailureError(f"{cell.title} has no seed", "Give seeds in the experiment file.")
    settings = prepared.settings(method, cell.seed)
    run = tune(
        model,
        prepared.instrument,
        prepared.target(cell),
        out=folder,
        table=prepared.tables[cell.table],
        optimizer=method.make(experiment.budget),
        resume=True,
        on_generation=on_generation,
        command=command,
        **vars(settings),
    )
    if experiment.evaluate:
        evaluate(
            run,
            model,
            instrument=prepared.instrument,
            table=prepared.tables[cell.table],
            languages=experiment.languages,
        )
    if prepared.exam is not None:
        examine(run, model, prepared.exam, known=prepared.known)
    write_report([folder])
    done = {"evaluated": experiment.evaluate, "benchmarks": list(experiment.benchmarks)}
    write_text(folder / DONE, json_text(done))
