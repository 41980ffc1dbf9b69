"""The generations of a run: ask the optimiser, ask the model, tell the optimiser, write it down.

All randomness comes from one seed, split into a stream for each purpose; a generation's own stream is
derived from its number, so that a resumed run goes on bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from jaxtyping import Float

from acculturate.evaluation.guard import TUNING_TEXTS, read_guard
from acculturate.model.answers import AnswerModel
from acculturate.model.soft_prompt import SoftPrompt, start_population
from acculturate.search.fitness import Fitness
from acculturate.search.optimizer import Optimizer
from acculturate.survey.scoring import Scoring
from acculturate.tuning.config import Settings
from acculturate.tuning.objective import Evaluation, Objective
from acculturate.tuning.run import RunDirectory, State


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


class Search:
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


def _number(value: float) -> float | None:
    """A float for JSON; None where it is not finite."""
    return float(value) if np.isfinite(value) else None
