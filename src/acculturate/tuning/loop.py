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

from acculturate.metrics.guard import TUNING_TEXTS, read_guard
from acculturate.model.answers import AnswerModel
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.runs.directory import RunDirectory, State
from acculturate.search import GDE3, Fitness, Frontier, Optimizer
from acculturate.survey.scoring import Scoring
from acculturate.tuning.config import Settings
from acculturate.tuning.objective import Evaluation, Objective
from acculturate.tuning.start import start_search

_LEADERS = 2
"""How many leaders of the last generations are compared in the end, where forms are sampled."""


class StopReason(Enum):
    """Why a run ended, as a sentence."""

    BUDGET = "the budget is used up"
    TARGET = "the target loss is reached"
    STALL = "no better candidate for as long as was asked to wait"


@dataclass(frozen=True)
class Progress:
    """Where a run is, after a generation.

    Attributes:
        evaluations: Evaluations so far.
        budget: Of how many.
        best_loss: Loss of the best candidate so far.
        best_violation: How far that one is past the limits on its price.
        seconds: Time spent so far, interrupted sessions included.
    """

    evaluations: int
    budget: int
    best_loss: float
    best_violation: float
    seconds: float


@dataclass
class LoopState:
    """What the loop carries from generation to generation; saved with the optimiser's state."""

    generation: int = 0
    evaluations: int = 0
    since_better: int = 0
    tokens: int = 0
    tokens_each: float = 0.0
    candidates: int = 0
    seconds: float = 0.0
    loss: float = np.inf
    objective: float = np.inf
    violation: float = np.inf
    divergence: float = np.nan
    perplexity: float = np.nan
    scores: Float[np.ndarray, " dimension"] | None = None
    leaders: Float[np.ndarray, "recent token hidden"] | None = None
    start: Float[np.ndarray, "token hidden"] | None = None

    def state(self) -> State:
        """Return the state as arrays, for the file."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def restored(cls, state: State) -> LoopState:
        """Read back what `state` gave."""
        return cls(
            generation=int(state["generation"]),
            evaluations=int(state["evaluations"]),
            since_better=int(state["since_better"]),
            tokens=int(state["tokens"]),
            tokens_each=float(state["tokens_each"]),
            candidates=int(state["candidates"]),
            seconds=float(state["seconds"]),
            loss=float(state["loss"]),
            objective=float(state["objective"]),
            violation=float(state["violation"]),
            divergence=float(state["divergence"]),
            perplexity=float(state["perplexity"]),
            scores=state["scores"],
            leaders=state["leaders"],
            start=state["start"],
        )


class TuningLoop:
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
        self._space, first = start_search(
            model, settings, optimizer.population_size, self._stream(0)
        )
        self._history: list[dict[str, Any]] = []
        self.loop = LoopState()
        saved = directory.read_state()
        if saved is None:
            optimizer.start(first, self._stream(1))
        else:
            state, self._history = saved
            self.loop = LoopState.restored(state)
            optimizer.restore(
                {k.removeprefix("search_"): v for k, v in state.items() if k.startswith("search_")}
            )

    def run(self, on_generation: Callable[[Progress], None]) -> StopReason:
        """Runs generations until there is a reason to stop."""
        if self.loop.generation:
            on_generation(self._progress())
        while (reason := self._stop()) is None:
            began = time.monotonic()
            candidates, each = self._optimizer.ask(), self._optimizer.evaluations_per_candidate
            searching = time.monotonic() - began
            prompts = self._space.prompts(candidates)
            parents = self._optimizer.parents()
            evaluation = self._evaluate(prompts, parents)
            fitness = self._fitness(candidates, evaluation)
            told = time.monotonic()
            self._optimizer.tell(fitness)
            searching += time.monotonic() - told
            leader = int(fitness.order()[0])
            if self.loop.generation == 0:
                self.loop.start = prompts[leader].copy()
            self.loop.since_better += len(prompts) * each
            if self._leads(float(fitness.violation[leader]), float(fitness.objective[leader])):
                self.loop.since_better = 0
                self._take_leader(evaluation, fitness, leader, prompts[leader])
            self.loop.generation += 1
            self.loop.evaluations += len(prompts) * each
            self.loop.candidates += len(prompts)
            self.loop.tokens += evaluation.tokens
            if self.loop.generation == 1:
                self.loop.tokens_each = evaluation.tokens / len(prompts)
            spent = time.monotonic() - began
            self.loop.seconds += spent
            self._history.append(self._line(fitness, parents, spent, searching))
            state = {f"search_{k}": v for k, v in self._optimizer.state().items()}
            self._directory.write_generation(self._history, self.best(), self.loop.state() | state)
            on_generation(self._progress())
        if self._settings.sample:
            self._select_final()
        return reason

    def _select_final(self) -> None:
        """Asks the last leaders the same forms and puts the best of them last.

        A resumed run does it again: nothing of it is in the saved state.
        """
        assert self.loop.leaders is not None
        worth = self._objective.measure(self.loop.leaders, self._stream(3))
        first = int(Fitness(worth.objective, worth.violation).order()[0])
        self.loop.tokens += worth.tokens
        self.loop.loss = float(worth.loss[first])
        self.loop.violation = float(Fitness(worth.objective, worth.violation).violation[first])
        self.loop.leaders = self.loop.leaders[[first]]
        self._directory.write_best(self.best())

    @property
    def best_loss(self) -> float:
        """The best candidate's loss; infinite while none was valid."""
        return self.loop.loss

    @property
    def best_violation(self) -> float:
        """How far the best candidate is past the limits on its price."""
        return self.loop.violation

    @property
    def tokens_saved(self) -> float:
        """Share of tokens that early rejection saved, against asking everything at once."""
        whole = self.loop.tokens_each * self.loop.candidates
        return 1 - self.loop.tokens / whole if self._settings.stages > 1 else 0.0

    def best(self) -> SoftPrompt:
        """The best candidate so far; where forms are sampled, the last generation's."""
        assert self.loop.leaders is not None
        return SoftPrompt(self.loop.leaders[-1], self._settings.placement, self._model.name)

    def frontier(self) -> Frontier | None:
        """What no candidate beats in loss and divergence together, where the optimiser keeps that."""
        return self._optimizer.frontier() if isinstance(self._optimizer, GDE3) else None

    def prompts(
        self, vectors: Float[np.ndarray, "candidate entry"]
    ) -> Float[np.ndarray, "candidate token hidden"]:
        """The soft prompts of search vectors."""
        return self._space.prompts(vectors)

    def _evaluate(
        self, prompts: Float[np.ndarray, "candidate token hidden"], thresholds: Fitness | None
    ) -> Evaluation:
        rng = self._stream(2, self.loop.generation)
        if "gradient" in self._optimizer.requires:
            return self._objective.evaluate_with_gradient(prompts, rng)
        return self._objective.evaluate(prompts, rng, thresholds, self.loop.scores)

    def _fitness(
        self, candidates: Float[np.ndarray, "candidate entry"], evaluation: Evaluation
    ) -> Fitness:
        """What the optimiser is told: everything that an evaluation shows."""
        prompt_gradient = evaluation.gradient
        return Fitness(
            evaluation.objective,
            evaluation.violation,
            secondary=evaluation.divergence,
            gradient=None
            if prompt_gradient is None
            else self._space.backward(candidates, prompt_gradient),
        )

    def _leads(self, violation: float, objective: float) -> bool:
        """Whether a generation's leader is the best so far; a tie leaves that in place.

        Losses on different samples of forms say nothing about each other: of those that are as near
        to the limits, the latest leads.
        """
        if not self.loop.generation:
            return True
        if self._settings.sample:
            return violation <= self.loop.violation
        return (violation, objective) < (self.loop.violation, self.loop.objective)

    def _progress(self) -> Progress:
        loop = self.loop
        return Progress(
            loop.evaluations, self._settings.budget, loop.loss, loop.violation, loop.seconds
        )

    def _stream(self, *purpose: int) -> np.random.Generator:
        """A stream of its own for each purpose: 0 start, 1 search, 2 generations, 3 the end."""
        return np.random.default_rng(np.random.SeedSequence(self._settings.seed, spawn_key=purpose))

    def _stop(self) -> StopReason | None:
        chosen, loop = self._settings, self.loop
        if loop.generation == 0:
            return None
        if (
            chosen.target_loss is not None
            and loop.violation == 0
            and loop.loss <= chosen.target_loss
        ):
            return StopReason.TARGET
        if chosen.stall is not None and loop.since_better >= chosen.stall:
            return StopReason.STALL
        next_one = self._optimizer.population_size * self._optimizer.evaluations_per_candidate
        if loop.evaluations + next_one > chosen.budget:
            return StopReason.BUDGET
        return None

    def _take_leader(
        self,
        evaluation: Evaluation,
        fitness: Fitness,
        leader: int,
        prompt: Float[np.ndarray, "token hidden"],
    ) -> None:
        """Keeps a leader, its scores and its price; without a limit the guard is read for it alone."""
        before = prompt[None][:0] if self.loop.leaders is None else self.loop.leaders
        kept = _LEADERS if self._settings.sample else 1
        self.loop.leaders = np.concatenate([before, prompt[None]])[-kept:]
        self.loop.loss = float(evaluation.loss[leader])
        self.loop.objective = float(fitness.objective[leader])
        self.loop.violation = float(fitness.violation[leader])
        self.loop.scores = evaluation.scores[leader]
        if evaluation.divergence is not None and evaluation.perplexity is not None:
            self.loop.divergence = float(evaluation.divergence[leader])
            self.loop.perplexity = float(evaluation.perplexity[leader])
        else:
            guard = read_guard(self._model, prompt, self._settings.placement, TUNING_TEXTS)
            self.loop.divergence, self.loop.perplexity = guard.divergence, guard.perplexity

    def _line(
        self, trials: Fitness, parents: Fitness | None, seconds: float, searching: float
    ) -> dict[str, Any]:
        """A generation's line: the population after selection, where the optimiser has one."""
        kept = trials
        if parents is not None:
            kept = Fitness.where(trials.not_worse(parents), trials, parents)
        finite = kept.objective[kept.valid]
        quantiles = np.quantile(finite, [0.05, 0.25, 0.5, 0.75, 0.95]) if len(finite) else None
        loop = self.loop
        scores = np.full(len(self._keys), np.nan) if loop.scores is None else loop.scores
        return {
            "generation": loop.generation,
            "evaluations": loop.evaluations,
            "best_loss": _number(loop.loss),
            "best_cost": _number(loop.objective),
            "best_excess": _number(loop.violation),
            "best_divergence": _number(loop.divergence),
            "best_perplexity": _number(loop.perplexity),
            "mean_loss": float(finite.mean()) if len(finite) else None,
            "quantiles": None if quantiles is None else [float(q) for q in quantiles],
            "invalid": int((~trials.valid).sum()),
            "seconds": seconds,
            "search_seconds": searching,
            "scores": {key: _number(value) for key, value in zip(self._keys, scores, strict=True)},
        }


def _number(value: float) -> float | None:
    """A float for JSON; None where it is not finite."""
    return float(value) if np.isfinite(value) else None
