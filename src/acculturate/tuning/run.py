"""One tuning, from its settings to its result table: a run directory and a `Run`.

`loop` runs the generations.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acculturate.errors import FailureError, UsageError
from acculturate.metrics.measure import default_table
from acculturate.model.answers import AnswerModel, DifferentiableModel
from acculturate.runs import (
    DONE,
    PROVENANCE,
    SUMMARY,
    Done,
    Evaluation,
    Provenance,
    Run,
    RunDirectory,
    read_provenance,
    record_provenance,
)
from acculturate.search import (
    COST_OF_A_GRADIENT,
    FIRST_POPULATION,
    LSHADE,
    SMALLEST_POPULATION,
    Adam,
    Optimizer,
)
from acculturate.survey.countries import Country, CountryTable
from acculturate.survey.forms import (
    Form,
    all_forms,
    balanced_forms,
    draw_forms,
    forms_asked_once,
)
from acculturate.survey.instrument import Instrument
from acculturate.survey.scoring import Scoring
from acculturate.tuning.frontier import write_frontier
from acculturate.tuning.loop import Progress, StopReason, TuningLoop
from acculturate.tuning.objective import Goal, Objective
from acculturate.tuning.settings import Settings, to_toml
from acculturate.tuning.summary import SummaryInputs, summarise

_SAME_ON_RESUME: dict[str, Callable[[Provenance], object]] = {
    "model's weights": lambda record: record.model.get("weights_hash"),
    "instrument's contents": lambda record: record.instrument.fingerprint,
    "tuning forms": lambda record: record.forms.tuning,
    "held-out forms": lambda record: record.forms.held_out,
    "guard texts": lambda record: record.forms.guard,
    "target's scores": lambda record: record.target.scores,
}


def tune(
    model: AnswerModel,
    instrument: Instrument,
    target: Country,
    *,
    out: str | Path,
    table: CountryTable | None = None,
    optimizer: Optimizer | None = None,
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
        optimizer: Chooses the candidates. None: a descent by gradients where the model gives them,
            L-SHADE elsewhere.
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
    task = _prepare(model, instrument, target, table, optimizer, Settings(**settings))
    directory = RunDirectory(out, task.config(), resume=resume)
    try:
        if not directory.finished:
            _begin_or_compare(directory, task.provenance(command))
            _run(model, task, directory, on_generation)
        return Run.load(directory.path)
    finally:
        directory.close()


@dataclass(frozen=True)
class _Task:
    """Everything a run needs, checked, before anything is written.

    Attributes:
        about: The model's provenance before the search.
        goal: Scores to reach, and how they are computed.
        optimizer: Not started yet.
        settings: Resolved for the optimiser.
        forms: Forms that the objective may ask.
        summary: What every row of the result table is asked.
    """

    about: Mapping[str, str]
    goal: Goal
    optimizer: Optimizer
    settings: Settings
    forms: tuple[Form, ...]
    summary: SummaryInputs

    def config(self) -> dict[str, Any]:
        """Return the contents of config.toml."""
        instrument, target = self.goal.scoring.instrument, self.summary.target
        return to_toml(
            self.settings, len(self.forms), self.about, instrument, target, self.optimizer
        )

    def provenance(self, command: str) -> Provenance:
        """Return the record of what runs."""
        scoring, summary = self.goal.scoring, self.summary
        asked = summary.target, summary.table, scoring, self.forms, summary.held_out
        return record_provenance(self.about, scoring.instrument, *asked, command)


def _prepare(
    model: AnswerModel,
    instrument: Instrument,
    target: Country,
    table: CountryTable | None,
    optimizer: Optimizer | None,
    settings: Settings,
) -> _Task:
    optimizer = optimizer or _default_optimizer(model, settings.budget)
    if "gradient" in optimizer.requires and not isinstance(model, DifferentiableModel):
        raise UsageError(
            f"{model.name} gives no gradients, which {optimizer.name} descends",
            "Use an optimiser that needs none, such as de.",
        )
    settings = settings.resolved(optimizer)
    goal = make_goal(instrument, target, settings)
    table = table or default_table(instrument, target)
    summary = summary_inputs(instrument, target, table, settings)
    forms = tuning_forms(instrument, settings)
    return _Task(model.provenance(), goal, optimizer, settings, forms, summary)


def _run(
    model: AnswerModel,
    task: _Task,
    directory: RunDirectory,
    on_generation: Callable[[Progress], None],
) -> None:
    """Run the generations, measure the result and write it down."""
    optimizer, settings = task.optimizer, task.settings
    population = optimizer.population_size
    start_cost = population * optimizer.evaluations_per_candidate
    objective = make_objective(model, task.goal, optimizer, settings)
    dimensions = tuple(dimension.key for dimension in task.goal.scoring.dimensions)
    loop = TuningLoop(model, objective, optimizer, settings, directory, dimensions)
    reason, state = loop.run(on_generation), loop.state
    if not np.isfinite(state.loss):
        raise FailureError(
            f"none of {state.evaluations} candidates gave finite answers",
            "Use another --out and --dtype float32, or a smaller --init-scale.",
        )
    best = loop.best().embeddings
    summary = summarise(
        model, task.summary, best, state.start, population, start_cost, state.evaluations
    )
    directory.write_record(SUMMARY, summary)
    frontier = loop.frontier()
    if frontier is not None and len(frontier):
        write_frontier(directory, model, task.summary, frontier, loop.prompts)
    # Every provenance() hashes the weights anew: this one is from after the search.
    if model.provenance()["weights_hash"] != task.about["weights_hash"]:
        raise FailureError("the model's weights changed during the run; its results are void")
    directory.write_record(DONE, _outcome(reason, loop, summary))


def _default_optimizer(model: AnswerModel, budget: int) -> Optimizer:
    """Make the optimiser that got furthest in docs/choosing-an-optimizer.md."""
    if isinstance(model, DifferentiableModel):
        return Adam(max(budget, COST_OF_A_GRADIENT))
    budget = max(budget, SMALLEST_POPULATION)
    return LSHADE(budget, min(FIRST_POPULATION, budget))


def summary_inputs(
    instrument: Instrument, target: Country, table: CountryTable | None, settings: Settings
) -> SummaryInputs:
    """Return everything that the rows of a result table are asked and scored by.

    Raises:
        UsageError: As `tuning_forms`.
    """
    return SummaryInputs(
        scoring=make_goal(instrument, target, settings).scoring,
        target=target,
        table=table,
        tuning=measured_forms(instrument, settings),
        held_out=all_forms(instrument, (settings.language,), split="held-out"),
        placement=settings.placement,
        reading=settings.reading,
        respondents=settings.respondents,
        seed=settings.seed,
    )


def tuning_forms(instrument: Instrument, settings: Settings) -> tuple[Form, ...]:
    """Return the forms that the objective may ask: all tuning forms, where it samples from them.

    Raises:
        UsageError: So many forms cannot be balanced, or so large a sample cannot be drawn.
    """
    count = settings.sample_size(instrument)
    if count is None:
        return balanced_forms(instrument, "tuning", settings.forms, settings.language)
    pool = all_forms(instrument, (settings.language,), split="tuning")
    draw_forms(pool, count, np.random.default_rng(0))  # refuses what cannot be drawn
    return pool


def measured_forms(instrument: Instrument, settings: Settings) -> tuple[Form, ...]:
    """Return the forms that a run's result is measured on beside the held-out forms.

    The forms of the objective; where it samples, each item once in every frame and option order, its wordings
    in turn: a balanced part of the pool, as asking all of it takes longer than a short search.

    Raises:
        UsageError: As `tuning_forms`.
    """
    if not settings.sample:
        return tuning_forms(instrument, settings)
    frames = len(instrument.language(settings.language).frames_of("tuning"))
    count = frames * forms_asked_once(instrument)
    return balanced_forms(instrument, "tuning", count, settings.language)


def make_goal(instrument: Instrument, target: Country, settings: Settings) -> Goal:
    """Return the scores to reach, and how they are computed.

    Raises:
        UsageError: The target lacks a score, or anchor or variant do not fit the instrument.
    """
    scoring = Scoring(instrument, settings.anchor, settings.aggregate, settings.variant)
    return Goal(scoring, target.vector(instrument))


def make_objective(
    model: AnswerModel, goal: Goal, optimizer: Optimizer, settings: Settings
) -> Objective:
    """Make the objective of a run.

    Args:
        model: Answers the forms.
        goal: Scores to reach, and how they are computed.
        optimizer: The optimiser, which may need the divergence.
        settings: Resolved for the optimiser.
    """
    instrument = goal.scoring.instrument
    return Objective(
        model,
        goal,
        settings,
        tuning_forms(instrument, settings),
        measured=measured_forms(instrument, settings),
        reads_guard="secondary" in optimizer.requires,
    )


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


def _outcome(reason: StopReason, loop: TuningLoop, summary: Evaluation) -> Done:
    naive, tuned = summary.method("naive"), summary.method("tuned")
    assert naive is not None and naive.tuning is not None and naive.held_out is not None
    assert tuned is not None and tuned.tuning is not None and tuned.held_out is not None
    return Done(
        stop_reason=reason.value,
        stop_code=reason.name.lower(),
        evaluations=loop.state.evaluations,
        naive_loss=naive.tuning.loss,
        best_loss=tuned.tuning.loss,
        held_out_naive_loss=naive.held_out.loss,
        held_out_loss=tuned.held_out.loss,
        divergence=tuned.divergence,
        perplexity=tuned.perplexity,
        naive_perplexity=naive.perplexity,
        held_out_divergence=tuned.held_out_divergence,
        held_out_perplexity=tuned.held_out_perplexity,
        violation=loop.state.violation,
        tokens=loop.state.tokens,
        seconds=loop.state.seconds,
    )


def _short(value: object) -> str:
    """Shorten a hash to what anybody compares; leave anything else whole."""
    return value[:12] if isinstance(value, str) else json.dumps(value)
