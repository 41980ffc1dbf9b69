"""Which cells share their forwards: those that ask the same, as many as fill a chunk of the model.

In: cells and a model. Out: companies. They follow from the experiment and the model alone, not from what is
complete already, so that a resumed experiment has the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from acculturate.errors import AcculturateError
from acculturate.experiment.prepared import Cell, PreparedExperiment
from acculturate.model.answers import AnswerModel
from acculturate.tuning.methods import Method
from acculturate.tuning.objective import Objective
from acculturate.tuning.tune import make_objective, tuning_forms


def companies(
    prepared: PreparedExperiment,
    model: AnswerModel,
    cells: Sequence[Cell],
    methods: Mapping[str, Method],
) -> list[tuple[Cell, ...]]:
    """Cells in the companies that they run in; most are alone on a processor, whose chunks are small.

    Args:
        prepared: What the experiment needs.
        model: Who answers.
        cells: All cells, complete ones too.
        methods: Methods of those that search, by label.
    """
    asking: dict[object, list[Cell]] = {}
    for cell in cells:
        asking.setdefault(_asks(prepared, cell, methods.get(cell.method)), []).append(cell)
    found: list[tuple[Cell, ...]] = []
    for alike in asking.values():
        method = methods.get(alike[0].method)
        places = 1 if method is None else _places(prepared, model, method)
        count = -(-len(alike) // places)
        each = -(-len(alike) // count)
        found += [tuple(alike[start : start + each]) for start in range(0, len(alike), each)]
    order = {cell: place for place, cell in enumerate(cells)}
    return sorted(found, key=lambda company: order[company[0]])


def _asks(prepared: PreparedExperiment, cell: Cell, method: Method | None) -> object:
    """What cells have in common that ask the same forms; a sample of forms is drawn by the seed."""
    if method is None or cell.seed is None:
        return cell
    samples = prepared.settings(method, cell.seed).sample
    return cell.method, cell.seed if samples else None


def _places(prepared: PreparedExperiment, model: AnswerModel, method: Method) -> int:
    """How many populations fit into a chunk.

    One where each drops other trials early, and where the model cannot be asked this: the cells say so
    themselves, and stop nothing.
    """
    settings = prepared.settings(method, prepared.experiment.seeds[0])
    if settings.stages > 1:
        return 1
    optimizer = method.make(prepared.experiment.budget)
    gradient = "gradient" in optimizer.requires
    population = 1 if gradient else optimizer.population_size
    objective = objective_of(prepared, model, method)
    try:
        chunk = objective.chunk(settings.tokens, np.random.default_rng(0), gradient=gradient)
    except AcculturateError:
        return 1
    return max(1, chunk // population)


def objective_of(prepared: PreparedExperiment, model: AnswerModel, method: Method) -> Objective:
    """What a method minimises towards the first country of an experiment."""
    settings = prepared.settings(method, prepared.experiment.seeds[0])
    target = prepared.target(prepared.cells_of(method)[0]).vector(prepared.instrument)
    return make_objective(
        model,
        prepared.scoring(settings),
        target,
        tuning_forms(prepared.instrument, settings),
        method.make(prepared.experiment.budget),
        settings,
    )
