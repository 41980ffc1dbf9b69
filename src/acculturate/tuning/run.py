"""One tuning, from its settings to its result table: a run directory and a `Run`.

`loop` runs the generations.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from acculturate import progress
from acculturate.arguments import checked
from acculturate.errors import FailureError, UsageError
from acculturate.metrics.guard import guard_fingerprint
from acculturate.metrics.measure import default_table
from acculturate.model.answers import AnswerModel, DifferentiableModel, check_embeddings
from acculturate.model.asking import provenance
from acculturate.runs import (
    ANSWERS,
    DONE,
    PROVENANCE,
    SUMMARY,
    Done,
    Evaluation,
    Provenance,
    Run,
    RunDirectory,
    open_run,
    read_provenance,
    record_provenance,
)
from acculturate.search import (
    COST_OF_A_GRADIENT,
    FIRST_POPULATION,
    GDE3,
    LSHADE,
    SMALLEST_POPULATION,
    Adam,
    Optimizer,
)
from acculturate.survey.countries import Country, CountryTable
from acculturate.survey.instrument import Instrument
from acculturate.tuning.content import check_content
from acculturate.tuning.frontier import write_frontier
from acculturate.tuning.guard import open_guard
from acculturate.tuning.loop import LoopState, Progress, StopReason, TuningLoop
from acculturate.tuning.methods import make_method
from acculturate.tuning.remembering import RememberingModel
from acculturate.tuning.settings import Settings
from acculturate.tuning.summary import continue_texts, count_asked, summarise
from acculturate.tuning.task import Task, make_task

_SAME_ON_RESUME: dict[str, Callable[[Provenance], object]] = {
    "model's weights": lambda record: record.model.get("weights_hash"),
    "instrument's contents": lambda record: record.instrument.fingerprint,
    "tuning forms": lambda record: record.forms.tuning,
    "held-out forms": lambda record: record.forms.held_out,
    "guard texts": lambda record: record.forms.guard,
    "target's scores": lambda record: record.target.scores,
}


@checked
def tune(
    model: AnswerModel,
    instrument: Instrument,
    target: Country,
    *,
    out: str | Path,
    table: CountryTable | None = None,
    optimizer: Optimizer | str | None = None,
    resume: bool = False,
    on_generation: Callable[[Progress], None] = lambda _: None,
    command: str = "",
    **settings: Any,
) -> Run:
    """Search a soft prompt that moves a model's survey scores towards a country's.

    Args:
        model: Answers the forms; never changed.
        instrument: The questionnaire.
        target: The country whose scores to reach.
        out: The run directory: new, empty, or with `resume` one that holds this very run.
        table: Table of the target, for the nearest countries and the record; one that comes with the
            package is found by itself.
        optimizer: Chooses the candidates, or its name, such as "de". None: a descent by gradients where the
            model gives them, L-SHADE elsewhere.
        resume: Go on with an interrupted run.
        on_generation: Called after every generation, and first of all where a run is resumed.
        command: The command line, for the record.
        settings: Fields of `Settings`: budget, seed, tokens, placement, max_divergence, ...

    Returns:
        The finished run. With a KeyboardInterrupt the run directory stays as of the last generation.

    Raises:
        UsageError: A setting, the target or the directory does not fit.
        FailureError: A file cannot be written, the state to resume from is damaged, or no candidate
            gave finite answers.
    """
    check_embeddings(model)
    chosen = Settings(**settings)
    if isinstance(optimizer, str):
        optimizer = make_method(optimizer, optimizer, {}).make(chosen.budget)
    optimizer = optimizer or _default_optimizer(model, chosen.budget)
    if "gradient" in optimizer.requires and not isinstance(model, DifferentiableModel):
        raise UsageError(
            f"{model.name} gives no gradients, which {optimizer.name} descends",
            "Use an optimiser that needs none, such as de.",
        )
    table = table or default_table(instrument, target)
    task = make_task(instrument, target, chosen.resolved(optimizer), table)
    about = provenance(model)
    with open_run(out, task.config(about, optimizer), resume=resume) as directory:
        if not directory.finished:
            asked = task.scoring, task.forms, task.held_out, guard_fingerprint(task.settings.guard)
            _begin_or_compare(directory, record_provenance(about, target, table, *asked, command))
            guard = open_guard(directory.path, model, instrument, task.settings)
            task = replace(task, guard=guard)
            _run(model, about, task, optimizer, directory, on_generation)
        (directory.path / ANSWERS).unlink(missing_ok=True)
        return Run.load(directory.path)


def _run(
    model: AnswerModel,
    about: Mapping[str, str],
    task: Task,
    optimizer: Optimizer,
    directory: RunDirectory,
    on_generation: Callable[[Progress], None],
) -> None:
    """Run the generations, measure the result and write it down."""
    population = optimizer.population_size
    start_cost = population * optimizer.evaluations_per_candidate
    remembering = RememberingModel(model, directory.path / ANSWERS)
    loop = TuningLoop(model, task, optimizer, directory, remembering)
    check_content(remembering, task, directory)
    search = task.settings.budget * loop.size
    with progress.task("tuning", search + count_asked(task, population)) as at:
        reason, state = loop.run(on_generation), loop.state
        if not np.isfinite(state.loss):
            raise FailureError(
                f"none of {state.evaluations} candidates gave finite answers",
                "Use another --out and --dtype float32, or a smaller --init-scale.",
            )
        at.rename("measuring the result")
        progress.skip(search - at.done)
        if task.settings.sample:
            loop.select_final()
        summary = summarise(remembering, task, loop.best(), state, population, start_cost)
        at.reach(search + count_asked(task, population))
    continuations = continue_texts(remembering, loop.best())
    directory.write_record(SUMMARY, replace(summary, continuations=continuations))
    if isinstance(optimizer, GDE3) and len(frontier := optimizer.frontier()):
        write_frontier(directory, remembering, task, frontier, loop.space.prompts)
    # Every provenance() hashes the weights anew: this one is from after the search.
    if provenance(model)["weights_hash"] != about["weights_hash"]:
        raise FailureError("the model's weights changed during the run; its results are void")
    directory.write_record(DONE, _outcome(reason, state, summary))


def _default_optimizer(model: AnswerModel, budget: int) -> Optimizer:
    """Make the optimiser that got furthest in docs/choosing-an-optimizer.md."""
    if isinstance(model, DifferentiableModel):
        return Adam(max(budget, COST_OF_A_GRADIENT))
    budget = max(budget, SMALLEST_POPULATION)
    return LSHADE(budget, min(FIRST_POPULATION, budget))


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
