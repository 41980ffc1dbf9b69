"""The loop: ask the optimiser, ask the model, tell the optimiser, write it down.

In: a model, an instrument, a target. Out: a run directory and a `Run`. All randomness comes from one seed,
split into a stream for each purpose; a generation's own stream is derived from its number, so that a
resumed run goes on bit for bit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from acculturate.errors import FailureError
from acculturate.evaluation.guard import TUNING_TEXTS, read_guard
from acculturate.evaluation.measure import default_table
from acculturate.model.answers import AnswerModel
from acculturate.model.soft_prompt import SoftPrompt, start_population
from acculturate.search.differential_evolution import DifferentialEvolution
from acculturate.search.fitness import Fitness
from acculturate.search.optimizer import Optimizer
from acculturate.survey.countries import Country, CountryTable
from acculturate.survey.forms import balanced_forms
from acculturate.survey.instrument import Instrument
from acculturate.survey.scoring import Scoring
from acculturate.tuning.config import Settings, to_toml
from acculturate.tuning.objective import Evaluation, Objective
from acculturate.tuning.provenance import provenance
from acculturate.tuning.run import Run, RunDirectory, State
from acculturate.tuning.summary import Question, summarise


class StopReason(Enum):
    """Why a run ended, as a sentence."""

    BUDGET = "the budget is used up"
    TARGET = "the target loss is reached"
    STALL = "no better candidate for as long as was asked to wait"


@dataclass(frozen=True)
class Progress:
    """Where a run is, after a generation.

    Attributes:
        evaluations: Candidates evaluated so far.
        budget: Of how many.
        best_loss: Loss of the best candidate so far.
        best_excess: How far that one is past the divergence limit.
        seconds: Time spent so far, interrupted sessions included.
    """

    evaluations: int
    budget: int
    best_loss: float
    best_excess: float
    seconds: float


@dataclass
class _Loop:
    """What the loop carries from generation to generation; saved with the optimiser's state."""

    generation: int = 0
    evaluations: int = 0
    since_better: int = 0
    tokens: int = 0
    tokens_each: float = 0.0
    seconds: float = 0.0
    divergence: float = np.nan
    perplexity: float = np.nan
    scores: Float[np.ndarray, " dimension"] | None = None
    start: Float[np.ndarray, "token hidden"] | None = None

    @property
    def tokens_saved(self) -> float:
        """Share of tokens that early rejection saved, against asking everything at once."""
        whole = self.tokens_each * self.evaluations
        return 1 - self.tokens / whole if whole else 0.0

    def state(self) -> State:
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def restored(cls, state: State) -> _Loop:
        return cls(
            generation=int(state["generation"]),
            evaluations=int(state["evaluations"]),
            since_better=int(state["since_better"]),
            tokens=int(state["tokens"]),
            tokens_each=float(state["tokens_each"]),
            seconds=float(state["seconds"]),
            divergence=float(state["divergence"]),
            perplexity=float(state["perplexity"]),
            scores=state["scores"],
            start=state["start"],
        )


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
        optimizer: Chooses the candidates; differential evolution with its defaults if None.
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
    optimizer = optimizer or DifferentialEvolution()
    chosen.check(optimizer)
    population = optimizer.population_size
    scoring = Scoring(instrument, chosen.anchor, chosen.aggregate, chosen.variant)
    vector = target.vector(instrument)
    forms = balanced_forms(instrument, "tuning", chosen.forms, chosen.language)
    held_out = balanced_forms(instrument, "held-out", None, chosen.language)
    table = table or default_table(instrument, target)
    about = model.provenance()
    config = to_toml(chosen, len(forms), about, instrument, target, optimizer)
    directory = RunDirectory(out, config, resume=resume)
    try:
        if directory.finished:
            return Run.load(directory.path)
        record = provenance(about, instrument, target, table, scoring, forms, held_out, command)
        _begin_or_compare(directory, record)
        objective = Objective(
            model,
            forms,
            scoring,
            vector,
            placement=chosen.placement,
            reading=chosen.reading,
            respondents=chosen.respondents,
            max_divergence=chosen.max_divergence,
            stages=chosen.stages,
            reject=chosen.reject,
        )
        search = _Search(model, objective, optimizer, chosen, directory, scoring)
        reason = search.run(on_generation)
        if not np.isfinite(search.best_loss):
            raise FailureError(
                f"none of {search.loop.evaluations} candidates gave finite answers",
                "Use another --out and --dtype float32, or a smaller --init-scale.",
            )
        question = Question(
            scoring,
            target,
            table,
            forms,
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
            loop.evaluations,
        )
        directory.write_json("evaluation/summary.json", summary)
        # Every provenance() hashes the weights anew: this one is from after the search.
        if model.provenance()["weights_hash"] != about["weights_hash"]:
            raise FailureError("the model's weights changed during the run; its results are void")
        directory.write_json("DONE.json", _outcome(reason, search, summary))
        return Run.load(directory.path)
    finally:
        directory.close()


class _Search:
    """The generations of one run."""

    def __init__(
        self,
        model: AnswerModel,
        objective: Objective,
        optimizer: Optimizer,
        settings: Settings,
        directory: RunDirectory,
        scoring: Scoring,
    ) -> None:
        self._model = model
        self._objective = objective
        self._optimizer = optimizer
        self._settings = settings
        self._directory = directory
        self._keys = [dimension.key for dimension in scoring.dimensions]
        self._shape = (settings.tokens, model.hidden_size)
        self._history: list[dict[str, Any]] = []
        self.loop = _Loop()
        saved = directory.read_state()
        if saved is None:
            self._start()
        else:
            state, self._history = saved
            self.loop = _Loop.restored(state)
            optimizer.restore(
                {k.removeprefix("search_"): v for k, v in state.items() if k.startswith("search_")}
            )

    def run(self, on_generation: Callable[[Progress], None]) -> StopReason:
        """Runs generations until there is a reason to stop."""
        if self.loop.generation:
            on_generation(self._progress())
        while (reason := self._stop()) is None:
            began = time.monotonic()
            candidates = self._optimizer.ask()
            prompts = candidates.reshape(len(candidates), *self._shape)
            thresholds = self._optimizer.thresholds()
            evaluation = self._objective.evaluate(
                prompts, self._stream(2, self.loop.generation), thresholds, self.loop.scores
            )
            before = self._rank() if self.loop.generation else None
            self._optimizer.tell(evaluation.fitness)
            leader = int(evaluation.fitness.order()[0])
            if self.loop.generation == 0:
                self.loop.start = prompts[leader].copy()
            self.loop.since_better += len(prompts)
            if self._rank() != before:
                self.loop.since_better = 0
                self._take_best(evaluation, leader, prompts[leader])
            self.loop.generation += 1
            self.loop.evaluations += len(prompts)
            self.loop.tokens += evaluation.tokens
            if self.loop.generation == 1:
                self.loop.tokens_each = evaluation.tokens / len(prompts)
            spent = time.monotonic() - began
            self.loop.seconds += spent
            self._history.append(self._line(evaluation.fitness, thresholds, spent))
            state = {f"search_{k}": v for k, v in self._optimizer.state().items()}
            self._directory.write_generation(self._history, self.best(), self.loop.state() | state)
            on_generation(self._progress())
        return reason

    @property
    def best_loss(self) -> float:
        """The best candidate's loss; infinite while none was valid."""
        return self._optimizer.best.loss

    @property
    def best_excess(self) -> float:
        """How far the best candidate is past the divergence limit."""
        return self._optimizer.best.excess

    def best(self) -> SoftPrompt:
        """The best candidate so far."""
        vector = np.asarray(self._optimizer.best.vector, np.float32)
        return SoftPrompt(vector.reshape(self._shape), self._settings.placement, self._model.name)

    def _rank(self) -> tuple[float, float]:
        """What a better candidate changes: a tie leaves the best so far in place."""
        return self._optimizer.best.excess, self._optimizer.best.loss

    def _progress(self) -> Progress:
        best = self._optimizer.best
        return Progress(
            self.loop.evaluations, self._settings.budget, best.loss, best.excess, self.loop.seconds
        )

    def _start(self) -> None:
        chosen = self._settings
        population = start_population(
            self._model,
            self._optimizer.population_size,
            chosen.tokens,
            self._stream(0),
            init=chosen.init,
            scale=chosen.init_scale,
            text=chosen.init_text,
        )
        self._optimizer.start(population.reshape(len(population), -1), self._stream(1))

    def _stream(self, *purpose: int) -> np.random.Generator:
        """A stream of its own for each purpose: 0 first population, 1 search, 2 respondents."""
        return np.random.default_rng(np.random.SeedSequence(self._settings.seed, spawn_key=purpose))

    def _stop(self) -> StopReason | None:
        chosen, loop = self._settings, self.loop
        if loop.generation == 0:
            return None
        best = self._optimizer.best
        if chosen.target_loss is not None and best.excess == 0 and best.loss <= chosen.target_loss:
            return StopReason.TARGET
        if chosen.stall is not None and loop.since_better >= chosen.stall:
            return StopReason.STALL
        if loop.evaluations + self._optimizer.population_size > chosen.budget:
            return StopReason.BUDGET
        return None

    def _take_best(
        self, evaluation: Evaluation, leader: int, prompt: Float[np.ndarray, "token hidden"]
    ) -> None:
        """Keeps the new best's scores and its price; without a limit the guard is read for it alone."""
        self.loop.scores = evaluation.scores[leader]
        if evaluation.divergence is not None and evaluation.perplexity is not None:
            self.loop.divergence = float(evaluation.divergence[leader])
            self.loop.perplexity = float(evaluation.perplexity[leader])
        else:
            guard = read_guard(self._model, prompt, self._settings.placement, TUNING_TEXTS)
            self.loop.divergence, self.loop.perplexity = guard.divergence, guard.perplexity

    def _line(self, trials: Fitness, parents: Fitness | None, seconds: float) -> dict[str, Any]:
        """A generation's line: the population after selection, where the optimiser has one."""
        kept = trials
        if parents is not None:
            kept = Fitness.where(trials.not_worse(parents), trials, parents)
        finite = kept.loss[kept.valid]
        quantiles = np.quantile(finite, [0.05, 0.25, 0.5, 0.75, 0.95]) if len(finite) else None
        best, loop = self._optimizer.best, self.loop
        scores = np.full(len(self._keys), np.nan) if loop.scores is None else loop.scores
        return {
            "generation": loop.generation,
            "evaluations": loop.evaluations,
            "best_loss": _number(best.loss),
            "best_excess": _number(best.excess),
            "best_divergence": _number(loop.divergence),
            "best_perplexity": _number(loop.perplexity),
            "mean_loss": float(finite.mean()) if len(finite) else None,
            "quantiles": None if quantiles is None else [float(q) for q in quantiles],
            "invalid": int((~trials.valid).sum()),
            "seconds": seconds,
            "scores": {key: _number(value) for key, value in zip(self._keys, scores, strict=True)},
        }


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


def _outcome(reason: StopReason, search: _Search, summary: dict[str, Any]) -> dict[str, Any]:
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
        "excess": search.best_excess,
        "tokens": search.loop.tokens,
        "tokens_saved": search.loop.tokens_saved,
        "seconds": search.loop.seconds,
    }


def _entry(record: dict[str, Any], table: str, key: str) -> object:
    inner: dict[str, object] | object = record.get(table)
    return inner.get(key) if isinstance(inner, dict) else None


def _short(value: object) -> str:
    """A hash as far as anybody compares it; anything else whole."""
    return value[:12] if isinstance(value, str) else json.dumps(value)


def _number(value: float) -> float | None:
    """A float for JSON; None where it is not finite."""
    return float(value) if np.isfinite(value) else None
