"""One tuning, from its settings to its result table.

In: a model, an instrument, a target. Out: a run directory and a `Run`. The generations are `loop.py`'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from acculturate.errors import FailureError, UsageError
from acculturate.metrics.measure import default_table
from acculturate.model.answers import AnswerModel, DifferentiableModel
from acculturate.runs.directory import Run, RunDirectory
from acculturate.runs.provenance import provenance
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
from acculturate.tuning.config import Settings, to_toml
from acculturate.tuning.frontier import write_frontier
from acculturate.tuning.loop import Progress, StopReason, TuningLoop
from acculturate.tuning.objective import Objective
from acculturate.tuning.summary import SummaryInputs, summarise


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
    """Searches a soft prompt that moves a model's survey scores towards a country's.

    Args:
        model: Who answers; never changed.
        instrument: What is asked.
        target: The scores to reach.
        out: The run directory: new, empty, or with `resume` one that holds this very run.
        table: Where the target comes from: for the nearest countries and the record. One that comes
            with the package is found by itself.
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
    chosen = Settings(**settings)
    optimizer = optimizer or _default_optimizer(model, chosen.budget)
    _check_gradients(model, optimizer)
    chosen = chosen.resolved(optimizer)
    chosen.check(optimizer)
    population, start_cost = (
        optimizer.population_size,
        optimizer.population_size * optimizer.evaluations_per_candidate,
    )
    scoring = Scoring(instrument, chosen.anchor, chosen.aggregate, chosen.variant)
    vector = target.vector(instrument)
    forms = tuning_forms(instrument, chosen)
    measured = measured_forms(instrument, chosen)
    held_out = all_forms(instrument, (chosen.language,), split="held-out")
    table = table or default_table(instrument, target)
    about = model.provenance()
    config = to_toml(chosen, len(forms), about, instrument, target, optimizer)
    directory = RunDirectory(out, config, resume=resume)
    try:
        if directory.finished:
            return Run.load(directory.path)
        record = provenance(about, instrument, target, table, scoring, forms, held_out, command)
        _begin_or_compare(directory, record)
        search = make_tuning_loop(model, scoring, vector, forms, optimizer, chosen, directory)
        reason = search.run(on_generation)
        if not np.isfinite(search.best_loss):
            raise FailureError(
                f"none of {search.loop.evaluations} candidates gave finite answers",
                "Use another --out and --dtype float32, or a smaller --init-scale.",
            )
        question = SummaryInputs(
            scoring,
            target,
            table,
            measured,
            held_out,
            chosen.placement,
            chosen.reading,
            chosen.respondents,
            chosen.seed,
        )
        best, loop = search.best(), search.loop
        summary = summarise(
            model,
            question,
            best.embeddings,
            loop.start,
            population,
            start_cost,
            loop.evaluations,
        )
        directory.write_json("evaluation/summary.json", summary)
        frontier = search.frontier()
        if frontier is not None and len(frontier):
            write_frontier(directory, model, question, frontier, search.prompts)
        # Every provenance() hashes the weights anew: this one is from after the search.
        if model.provenance()["weights_hash"] != about["weights_hash"]:
            raise FailureError("the model's weights changed during the run; its results are void")
        directory.write_json("DONE.json", _outcome(reason, search, summary))
        return Run.load(directory.path)
    finally:
        directory.close()


def _default_optimizer(model: AnswerModel, budget: int) -> Optimizer:
    """What got furthest in docs/choosing-an-optimizer.md."""
    if isinstance(model, DifferentiableModel):
        return Adam(max(budget, COST_OF_A_GRADIENT))
    most = max(budget, SMALLEST_POPULATION)
    return LSHADE(most, min(FIRST_POPULATION, most))


def _check_gradients(model: AnswerModel, optimizer: Optimizer) -> None:
    if "gradient" in optimizer.requires and not isinstance(model, DifferentiableModel):
        raise UsageError(
            f"{model.name} gives no gradients, which {optimizer.name} descends",
            "Use an optimiser that needs none, such as de.",
        )


def tuning_forms(instrument: Instrument, chosen: Settings) -> tuple[Form, ...]:
    """What the objective may ask: every tuning form there is, where it samples from them.

    Raises:
        UsageError: So many forms cannot be balanced, or so large a sample cannot be drawn.
    """
    count = chosen.sample_size(instrument)
    if count is None:
        return balanced_forms(instrument, "tuning", chosen.forms, chosen.language)
    pool = all_forms(instrument, (chosen.language,), split="tuning")
    draw_forms(pool, count, np.random.default_rng(0))  # refuses what cannot be drawn
    return pool


def measured_forms(instrument: Instrument, chosen: Settings) -> tuple[Form, ...]:
    """What a run's result is measured on beside the held-out forms.

    The forms of the objective; where it samples, each item once in every frame and option order, its wordings
    in turn: a balanced part of the pool, as asking all of it takes longer than a short search.

    Raises:
        UsageError: As `tuning_forms`.
    """
    if not chosen.sample:
        return tuning_forms(instrument, chosen)
    frames = len(instrument.language(chosen.language).frames_of("tuning"))
    return balanced_forms(
        instrument, "tuning", frames * forms_asked_once(instrument), chosen.language
    )


def make_tuning_loop(
    model: AnswerModel,
    scoring: Scoring,
    target: Float[np.ndarray, " dimension"],
    forms: tuple[Form, ...],
    optimizer: Optimizer,
    settings: Settings,
    directory: RunDirectory,
) -> TuningLoop:
    """The generations of a run, new or from where its directory stopped.

    Args:
        model: Who answers.
        scoring: Weights, anchor and loss.
        target: Scores to reach.
        forms: What the objective may ask; see `tuning_forms`.
        optimizer: Not started yet.
        settings: Checked and resolved for it.
        directory: Where the run is kept.
    """
    objective = make_objective(model, scoring, target, forms, optimizer, settings)
    return TuningLoop(model, objective, optimizer, settings, directory, scoring)


def make_objective(
    model: AnswerModel,
    scoring: Scoring,
    target: Float[np.ndarray, " dimension"],
    forms: tuple[Form, ...],
    optimizer: Optimizer,
    settings: Settings,
) -> Objective:
    """What a run minimises; see `make_tuning_loop` for the arguments."""
    return Objective(
        model,
        forms,
        scoring,
        target,
        placement=settings.placement,
        reading=settings.reading,
        respondents=settings.respondents,
        penalty=settings.penalty,
        constraints=settings.constraints,
        guard="secondary" in optimizer.requires,
        sample=settings.sample_size(scoring.instrument),
        measured=measured_forms(scoring.instrument, settings),
        stages=settings.stages,
        reject=settings.reject,
    )


def _begin_or_compare(directory: RunDirectory, record: dict[str, Any]) -> None:
    """Writes the provenance of a new run; a resumed one must meet the same model and forms."""
    saved = directory.read_json("provenance.json")
    if saved is None:
        directory.write_json("provenance.json", record)
        return
    for what, at in (
        ("model's weights", ("model", "weights_hash")),
        ("instrument's contents", ("instrument", "fingerprint")),
        ("tuning forms", ("forms", "tuning")),
        ("held-out forms", ("forms", "held_out")),
        ("guard texts", ("forms", "guard")),
        ("target's scores", ("target", "scores")),
    ):
        there, here = (_entry(source, *at) for source in (saved, record))
        if there != here:
            raise FailureError(
                f"the {what} are not those that the run in {directory.path} started with "
                f"({_short(there)} there, {_short(here)} here)",
                "Go on with the model, the files and the version of acculturate that began it, or "
                "use another --out.",
            )


def _outcome(reason: StopReason, search: TuningLoop, summary: dict[str, Any]) -> dict[str, Any]:
    rows = {row["method"]: row for row in summary["rows"]}
    naive, tuned = rows["naive"], rows["tuned"]
    return {
        "stop_reason": reason.value,
        "stop_code": reason.name.lower(),
        "evaluations": search.loop.evaluations,
        "naive_loss": naive["tuning"]["loss"],
        "best_loss": tuned["tuning"]["loss"],
        "held_out_naive_loss": naive["held_out"]["loss"],
        "held_out_loss": tuned["held_out"]["loss"],
        "divergence": tuned["divergence"],
        "perplexity": tuned["perplexity"],
        "naive_perplexity": naive["perplexity"],
        "held_out_divergence": tuned["held_out_divergence"],
        "held_out_perplexity": tuned["held_out_perplexity"],
        "excess": search.best_violation,
        "tokens": search.loop.tokens,
        "tokens_saved": search.tokens_saved,
        "seconds": search.loop.seconds,
    }


def _entry(record: dict[str, Any], table: str, key: str) -> object:
    inner: dict[str, object] | object = record.get(table)
    return inner.get(key) if isinstance(inner, dict) else None


def _short(value: object) -> str:
    """A hash as far as anybody compares it; anything else whole."""
    return value[:12] if isinstance(value, str) else json.dumps(value)
