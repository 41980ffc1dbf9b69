"""What an experiment will take on this machine: one small generation of each method is timed.

In: prepared and the model. Out: evaluations, tokens and seconds of every cell. Nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from acculturate.experiment.prepared import BASELINE_CELL, Cell, PreparedExperiment
from acculturate.experiment.worker import LINES, is_complete
from acculturate.metrics.held_out import form_sets
from acculturate.model.answers import AnswerModel, Query
from acculturate.survey.forms import all_forms
from acculturate.tuning import (
    Goal,
    Method,
    Settings,
    make_objective,
    measured_forms,
    start_search,
    tuning_forms,
)

_TIMED = 2
_TABLE_ROWS = 4
"""Rows of a run's result table that ask the model: untouched, two lines of words, tuned."""


@dataclass(frozen=True)
class Estimate:
    """What a cell takes.

    Attributes:
        cell: The cell.
        evaluations: Of its search; 0 where nothing is searched.
        tokens: That go through the model, about; its result table and the other ways of asking are
            included, written answers, other surveys and benchmarks are not.
        seconds: About, where it runs alone.
        done: Whether it is complete already.
    """

    cell: Cell
    evaluations: int
    tokens: int
    seconds: float
    done: bool


def estimate(prepared: PreparedExperiment, model: AnswerModel, out: Path) -> tuple[Estimate, ...]:
    """Times one small generation of each method and reckons with it.

    Raises:
        AcculturateError: The model cannot be asked.
    """
    costs = {m.label: _method_cost(prepared, model, m) for m in prepared.experiment.methods}
    lines = sum(method in LINES for method in prepared.experiment.baselines)
    baselines = _asking_cost(prepared, model, prepared.shared, _TABLE_ROWS - 1, lines)
    return tuple(_cell(prepared, cell, costs, baselines, out) for cell in prepared.cells)


@dataclass(frozen=True)
class _Cost:
    """Tokens and seconds: of one evaluation, or of everything that is asked beside a search."""

    tokens: float
    seconds: float


def _cell(
    prepared: PreparedExperiment,
    cell: Cell,
    costs: Mapping[str, tuple[_Cost, _Cost]],
    baselines: _Cost,
    out: Path,
) -> Estimate:
    done = is_complete(cell, out)
    if cell.method == BASELINE_CELL:
        return Estimate(cell, 0, round(baselines.tokens), baselines.seconds, done)
    budget = prepared.experiment.budget
    each, after = costs[cell.method]
    tokens = budget * each.tokens + after.tokens
    return Estimate(cell, budget, round(tokens), budget * each.seconds + after.seconds, done)


def _method_cost(
    prepared: PreparedExperiment, model: AnswerModel, method: Method
) -> tuple[_Cost, _Cost]:
    """Of an evaluation as the search makes it, and of what follows the search.

    A gradient counts for as many evaluations as it costs.
    """
    settings = prepared.settings(method, prepared.experiment.seeds[0])
    optimizer = method.make(prepared.experiment.budget)
    target = prepared.target(prepared.cells_of(method)[0]).vector(prepared.instrument)
    goal = Goal(prepared.scoring(settings), target)
    objective = make_objective(model, goal, optimizer, settings)
    rng = np.random.default_rng(0)
    space, first = start_search(model, settings, optimizer.population_size, rng)
    prompts = space.prompts(first)[:_TIMED]
    ask = (
        objective.evaluate_with_gradient if "gradient" in optimizer.requires else objective.evaluate
    )
    ask(prompts[:1], np.random.default_rng(0))  # what is prepared once for all generations
    began = time.monotonic()
    evaluation = ask(prompts, np.random.default_rng(0))
    spent = time.monotonic() - began
    count = len(prompts) * optimizer.evaluations_per_candidate
    after = _asking_cost(prepared, model, settings, _TABLE_ROWS, 2)
    return _Cost(evaluation.tokens / count, spent / count), after


def _asking_cost(
    prepared: PreparedExperiment, model: AnswerModel, settings: Settings, rows: int, evaluated: int
) -> _Cost:
    """Of some rows of a result table, and of asking so many states of the model in other ways too.

    A model may remember what it said without a prompt, which is then less.
    """
    instrument = prepared.instrument
    tuning = measured_forms(instrument, settings)
    held_out = all_forms(instrument, (settings.language,), split="held-out")
    forms = rows * (len(tuning) + len(held_out))
    if prepared.experiment.evaluate:
        pool, others = tuning_forms(instrument, settings), prepared.other_languages(settings)
        sets = form_sets(instrument, pool, settings.language, others)
        forms += evaluated * sum(len(one.forms) for one in sets)
    prompt = np.zeros((1, settings.tokens, model.hidden_size), np.float32)
    began = time.monotonic()
    answers = model.ask(prompt, Query(tuning, placement=settings.placement, valid_mass=True))
    share = forms / len(tuning)
    return _Cost(answers.tokens * share, (time.monotonic() - began) * share)
