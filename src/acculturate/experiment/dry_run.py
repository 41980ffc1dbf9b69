"""An estimate of what an experiment takes on this machine: one small generation of each method is timed.

In: a prepared experiment and its model. Out: evaluations, tokens and seconds of every cell. Nothing is written.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from acculturate.experiment.prepared import Cell, PreparedExperiment
from acculturate.experiment.worker import LINES, is_complete
from acculturate.metrics import form_sets
from acculturate.model.answers import AnswerModel, Query
from acculturate.tuning import Method, Objective, Task, start_search

_TIMED = 2
"""Candidates that are timed."""
_TABLE_ROWS = 4
"""Rows of a run's result table that ask the model: untouched, two lines of words, tuned."""

Cost = Float[np.ndarray, "2"]
"""Tokens, and seconds."""


@dataclass(frozen=True)
class Estimate:
    """The work of a cell.

    Attributes:
        cell: The cell.
        evaluations: Evaluations of its search; 0 for baselines.
        tokens: Tokens that go through the model, about; its result table and the other ways of asking are
            included, written answers, other surveys and benchmarks are not.
        seconds: About, where it runs alone.
        complete: Whether it is complete already.
    """

    cell: Cell
    evaluations: int
    tokens: int
    seconds: float
    complete: bool


def estimate(prepared: PreparedExperiment, model: AnswerModel, out: Path) -> tuple[Estimate, ...]:
    """Time one small generation of each method and estimate every cell from it.

    Raises:
        AcculturateError: The model cannot be asked.
    """
    plan = prepared.experiment
    lines = sum(method in LINES for method in plan.baselines)
    shared = prepared.task(*prepared.places[0], prepared.shared)
    baselines = _asking(prepared, model, shared, _TABLE_ROWS - 1, lines)
    searches = {method.label: _search(prepared, model, method) for method in plan.methods}
    estimates: list[Estimate] = []
    for cell in prepared.cells:
        evaluations = 0 if cell.seed is None else plan.budget
        each, after = searches.get(cell.method, (np.zeros(2), baselines))
        tokens, seconds = evaluations * each + after
        done = is_complete(cell, out)
        estimates.append(Estimate(cell, evaluations, round(tokens), float(seconds), done))
    return tuple(estimates)


def _search(prepared: PreparedExperiment, model: AnswerModel, method: Method) -> tuple[Cost, Cost]:
    """Return the cost of an evaluation as the search makes it, and of what follows the search.

    A gradient counts for as many evaluations as it costs.
    """
    settings = prepared.settings(method, prepared.experiment.seeds[0])
    optimizer = method.make(prepared.experiment.budget)
    task = prepared.task(*prepared.places[0], settings)
    objective = Objective(model, task, optimizer.requires)
    rng = np.random.default_rng(0)
    space, first = start_search(model, settings, optimizer.population_size, rng)
    prompts = space.prompts(first)[:_TIMED]
    # The first call prepares what all generations share.
    objective.evaluate(prompts[:1], np.random.default_rng(0))
    began = time.monotonic()
    tokens = objective.evaluate(prompts, np.random.default_rng(0)).tokens
    cost = np.array([tokens, time.monotonic() - began])
    after = _asking(prepared, model, task, _TABLE_ROWS, 2)
    return cost / (len(prompts) * optimizer.evaluations_per_candidate), after


def _asking(
    prepared: PreparedExperiment, model: AnswerModel, task: Task, rows: int, evaluated: int
) -> Cost:
    """Return the cost of some rows of a result table, and of evaluating so many states of the model.

    A model may remember what it said without a prompt, which is then less.
    """
    settings, tuning = task.settings, task.measured
    forms = rows * (len(tuning) + len(task.held_out))
    if prepared.experiment.evaluate:
        others = prepared.other_languages(settings)
        sets = form_sets(prepared.instrument, task.forms, settings.language, others)
        forms += evaluated * sum(len(each.forms) for each in sets)
    prompt = np.zeros((1, settings.tokens, model.hidden_size), np.float32)
    began = time.monotonic()
    answers = model.ask(prompt, Query(tuning, placement=settings.placement, valid_mass=True))
    cost = np.array([answers.tokens, time.monotonic() - began])
    return cost * forms / len(tuning)
