"""The beginning and the end of a run in its directory: what ran is written down, and its result measured.

In: a task and its search. Out: provenance.json; evaluation/summary.json and DONE.json.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from acculturate.errors import FailureError
from acculturate.metrics.guard import guard_fingerprint
from acculturate.model.answers import AnswerModel
from acculturate.model.asking import provenance
from acculturate.runs import (
    DONE,
    PROVENANCE,
    SUMMARY,
    Done,
    Evaluation,
    Provenance,
    RunDirectory,
    read_provenance,
    record_provenance,
)
from acculturate.tuning.country_search import CountrySearch, LoopState, StopReason
from acculturate.tuning.guard import open_guard
from acculturate.tuning.remembering import RememberingModel
from acculturate.tuning.summary import continue_texts, summarise
from acculturate.tuning.task import Task, with_first_budget

_SAME_ON_RESUME: dict[str, Callable[[Provenance], object]] = {
    "model's weights": lambda record: record.model.get("weights_hash"),
    "instrument's contents": lambda record: record.instrument.fingerprint,
    "tuning forms": lambda record: record.forms.tuning,
    "held-out forms": lambda record: record.forms.held_out,
    "guard texts": lambda record: record.forms.guard,
    "target's scores": lambda record: record.target.scores,
}


def begin_run(
    model: AnswerModel, about: Mapping[str, str], task: Task, directory: RunDirectory, command: str
) -> Task:
    """Write down what a new run is made of, or check that one there is; its task, with a guard to go on.

    Args:
        model: The model.
        about: Its provenance.
        task: Of the run.
        directory: Of the run.
        command: The command line.

    Raises:
        FailureError: The run began with something else.
    """
    if directory.earlier_budgets:
        task = with_first_budget(task, directory.earlier_budgets[0])
    if (instrument := task.scoring.instrument).left_out:
        warnings.warn(instrument.warnings[-1], stacklevel=2)
    guard = guard_fingerprint(task.settings.guard)
    asked = task.scoring, task.forms, task.held_out, guard
    record = record_provenance(dict(about), task.target, task.table, *asked, command)
    _begin_or_compare(directory, record)
    if directory.finished:
        return task
    return replace(
        task,
        guard=open_guard(directory.path, model, task.scoring.instrument, task.settings),
    )


def measure_result(
    measured: RememberingModel,
    task: Task,
    search: CountrySearch,
    directory: RunDirectory,
    population: int,
    start_cost: int,
) -> Evaluation:
    """Choose the final prompt, and measure it beside the baselines.

    Args:
        measured: Answers the forms.
        task: Forms and scores to reach.
        search: The search at its end.
        directory: Of the run.
        population: Candidates of the first generation.
        start_cost: Evaluations that they took.

    Raises:
        FailureError: No candidate gave finite answers.
    """
    state = search.state
    if not np.isfinite(state.loss):
        raise FailureError(
            f"none of {state.evaluations} candidates gave finite answers",
            "Use another --out and --dtype float32, or a smaller --init-scale.",
        )
    if task.settings.sample:
        search.select_final(directory.earlier_results())
        directory.write_best(search.best())
    return summarise(measured, task, search.best(), state, population, start_cost)


def write_result(
    measured: RememberingModel, search: CountrySearch, directory: RunDirectory, summary: Evaluation
) -> None:
    """Let the tuned model continue ordinary texts, and write the result table with them."""
    continuations = continue_texts(measured, search.best())
    directory.write_record(SUMMARY, replace(summary, continuations=continuations))


def end_run(
    model: AnswerModel,
    about: Mapping[str, str],
    directory: RunDirectory,
    reason: StopReason,
    state: LoopState,
    summary: Evaluation,
) -> None:
    """Write down that a run is finished, after checking that its model's weights are what they were.

    Raises:
        FailureError: They are not.
    """
    # Every provenance() hashes the weights anew: this one is from after the search.
    if provenance(model)["weights_hash"] != about["weights_hash"]:
        raise FailureError("the model's weights changed during the run; its results are void")
    done = _outcome(reason, state, summary)
    directory.write_record(DONE, replace(done, earlier_budgets=directory.earlier_budgets))


def _begin_or_compare(directory: RunDirectory, record: Provenance) -> None:
    """Write the provenance of a new run; a resumed one must meet the same model and forms."""
    if not (directory.path / PROVENANCE).is_file():
        directory.write_record(PROVENANCE, record)
        return
    saved = read_provenance(directory.path)
    for subject, of in _SAME_ON_RESUME.items():
        there, here = of(saved), of(record)
        if there != here:
            raise FailureError(
                f"the {subject} are not those that the run in {directory.path} started with "
                f"({_short(there)} there, {_short(here)} here)",
                "Go on with the model, the files and the version of acculturate that began it, or "
                "use another --out.",
            )


def _outcome(reason: StopReason, state: LoopState, summary: Evaluation) -> Done:
    naive, tuned = summary.method("naive"), summary.method("tuned")
    assert naive is not None and naive.tuning is not None and naive.held_out is not None
    assert tuned is not None and tuned.tuning is not None and tuned.held_out is not None
    return Done(
        stop_reason=reason.value,
        stop_code=reason.name.lower(),
        evaluations=state.evaluations,
        naive_loss=naive.tuning.loss,
        best_loss=tuned.tuning.loss,
        held_out_naive_loss=naive.held_out.loss,
        held_out_loss=tuned.held_out.loss,
        divergence=tuned.divergence,
        perplexity=tuned.perplexity,
        naive_perplexity=naive.perplexity,
        held_out_divergence=tuned.held_out_divergence,
        held_out_perplexity=tuned.held_out_perplexity,
        violation=state.violation,
        tokens=state.tokens,
        seconds=state.seconds,
    )


def _short(value: object) -> str:
    """Shorten a hash to what anybody compares; leave anything else whole."""
    return value[:12] if isinstance(value, str) else json.dumps(value)
