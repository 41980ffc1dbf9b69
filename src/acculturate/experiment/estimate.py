"""What an experiment will take on this machine: one small generation of each method is timed.

In: materials and the model. Out: evaluations, tokens and seconds of every cell. Nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from acculturate.evaluation.held_out import form_sets
from acculturate.experiment.cells import finished
from acculturate.experiment.lines import LINES
from acculturate.experiment.materials import BASELINES, Cell, Materials
from acculturate.model.answers import AnswerModel
from acculturate.survey.forms import all_forms
from acculturate.tuning.config import Settings
from acculturate.tuning.methods import Method
from acculturate.tuning.start import start_search
from acculturate.tuning.tune import make_objective, measured_forms, tuning_forms

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


def estimate(materials: Materials, model: AnswerModel, out: Path) -> tuple[Estimate, ...]:
    """Times one small generation of each method and reckons with it.

    Raises:
        AcculturateError: The model cannot be asked.
    """
    costs = {m.label: _method_cost(materials, model, m) for m in materials.experiment.methods}
    asked = _asking_cost(materials, model, materials.shared)
    return tuple(_cell(materials, cell, costs, asked, out) for cell in materials.cells)


@dataclass(frozen=True)
class _Cost:
    """Tokens and seconds of one evaluation, of asking a run's tables and all it is evaluated on."""

    tokens: float
    seconds: float
    after_tokens: float
    after_seconds: float


def _cell(
    materials: Materials, cell: Cell, costs: Mapping[str, _Cost], asked: _Cost, out: Path
) -> Estimate:
    done = finished(cell, out)
    if cell.method == BASELINES:
        lines = sum(method in LINES for method in materials.experiment.baselines)
        rows = _TABLE_ROWS - 1 + lines * _evaluation_sets(materials, materials.shared) / 2
        tokens, seconds = rows * asked.after_tokens, rows * asked.after_seconds
        return Estimate(cell, 0, round(tokens), seconds, done)
    budget, cost = materials.experiment.budget, costs[cell.method]
    tokens = budget * cost.tokens + cost.after_tokens
    return Estimate(cell, budget, round(tokens), budget * cost.seconds + cost.after_seconds, done)


def _method_cost(materials: Materials, model: AnswerModel, method: Method) -> _Cost:
    """Of an evaluation as the search makes it; a gradient counts for as many as it costs."""
    settings = materials.settings(method, materials.experiment.seeds[0])
    optimizer = method.make(materials.experiment.budget)
    scoring = materials.scoring(settings)
    target = materials.target(materials.cells_of(method)[0]).vector(materials.instrument)
    forms = tuning_forms(materials.instrument, settings)
    objective = make_objective(model, scoring, target, forms, optimizer, settings)
    rng = np.random.default_rng(0)
    space, first = start_search(model, settings, optimizer.population_size, rng)
    prompts = space.prompts(first)[:_TIMED]
    ask = (
        objective.evaluate_with_gradient
        if "gradient" in optimizer.learns_from
        else objective.evaluate
    )
    ask(prompts[:1], np.random.default_rng(0))  # what is prepared once for all generations
    began = time.monotonic()
    evaluation = ask(prompts, np.random.default_rng(0))
    spent = time.monotonic() - began
    count = len(prompts) * optimizer.cost
    asked = _asking_cost(materials, model, settings)
    sets = _TABLE_ROWS + _evaluation_sets(materials, settings)
    return _Cost(
        evaluation.tokens / count,
        spent / count,
        sets * asked.after_tokens,
        sets * asked.after_seconds,
    )


def _evaluation_sets(materials: Materials, settings: Settings) -> float:
    """How many times the forms of a result table the evaluation asks, both models counted."""
    if not materials.experiment.evaluate:
        return 0.0
    instrument, others = materials.instrument, materials.other_languages(settings)
    sets = form_sets(instrument, tuning_forms(instrument, settings), settings.language, others)
    tuning = measured_forms(instrument, settings)
    held_out = all_forms(instrument, (settings.language,), split="held-out")
    return 2 * sum(len(one.forms) for one in sets) / (len(tuning) + len(held_out))


def _asking_cost(materials: Materials, model: AnswerModel, settings: Settings) -> _Cost:
    """Of asking one prompt the tuning and the held-out forms; a model may remember what it said without."""
    tuning = measured_forms(materials.instrument, settings)
    held_out = all_forms(materials.instrument, (settings.language,), split="held-out")
    prompt = np.zeros((1, settings.tokens, model.hidden_size), np.float32)
    began = time.monotonic()
    answers = model.ask(prompt, tuning, placement=settings.placement, valid_mass=True)
    share = (len(tuning) + len(held_out)) / len(tuning)
    spent = (time.monotonic() - began) * share
    return _Cost(0.0, 0.0, answers.tokens * share, spent)
