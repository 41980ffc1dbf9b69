"""One tuning, from its settings to its result table: a run directory and a `Run`.

`loop` runs the generations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from acculturate import progress
from acculturate.arguments import checked
from acculturate.errors import UsageError
from acculturate.model.answers import AnswerModel, DifferentiableModel
from acculturate.model.asking import provenance
from acculturate.model.prompt_checks import check_embeddings, width_of
from acculturate.runs import (
    ANSWERS,
    Run,
    RunDirectory,
    open_run,
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
from acculturate.survey.countries import Country, CountryTable, default_table
from acculturate.survey.instrument import Instrument
from acculturate.tuning.content import check_content
from acculturate.tuning.country_search import Progress
from acculturate.tuning.frontier import write_frontier
from acculturate.tuning.loop import TuningLoop
from acculturate.tuning.methods import make_method
from acculturate.tuning.record import begin_run, end_run, measure_result, write_result
from acculturate.tuning.remembering import RememberingModel
from acculturate.tuning.settings import Settings
from acculturate.tuning.summary import count_asked
from acculturate.tuning.task import Task, make_task
from acculturate.tuning.teacher import open_lessons


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
        resume: Go on with an interrupted run; with a larger budget, with a finished one too.
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
    if chosen.together:
        raise UsageError(
            f"{target.name} alone is not tuned together with others",
            "Give several countries, or leave out --together.",
        )
    width_of(model, chosen.placement)  # refuses a model that takes no prefix
    table = table or default_table(instrument, target)
    task = make_task(instrument, target, chosen.resolved(optimizer), table)
    about = provenance(model)
    with open_run(out, task.config(about, optimizer), resume=resume) as directory:
        task = begin_run(model, about, task, directory, command)
        if not directory.finished:
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
    task = replace(task, lessons=open_lessons(directory, model, task))
    remembering = RememberingModel(model, directory.path / ANSWERS)
    loop = TuningLoop(model, task, optimizer, directory, remembering)
    check_content(remembering, task, directory)
    search = task.settings.budget * loop.search.size
    with progress.task("tuning", search + count_asked(task, population)) as at:
        reason, state = loop.run(on_generation), loop.search.state
        at.rename("measuring the result")
        progress.skip(search - at.done)
        summary = measure_result(remembering, task, loop.search, directory, population, start_cost)
        at.reach(search + count_asked(task, population))
    write_result(remembering, loop.search, directory, summary)
    if isinstance(optimizer, GDE3) and len(frontier := optimizer.frontier()):
        write_frontier(directory, remembering, task, frontier, loop.space.prompts)
    end_run(model, about, directory, reason, state, summary)


def _default_optimizer(model: AnswerModel, budget: int) -> Optimizer:
    """Make the optimiser that got furthest in docs/choosing-an-optimizer.md."""
    if isinstance(model, DifferentiableModel):
        return Adam(max(budget, COST_OF_A_GRADIENT))
    budget = max(budget, SMALLEST_POPULATION)
    return LSHADE(budget, min(FIRST_POPULATION, budget))
