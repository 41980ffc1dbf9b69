"""The generations of a run: ask the optimiser, ask the model, tell the optimiser, write it down.

All randomness comes from one seed, split into a stream for each purpose; a generation's own stream is
derived from its number, so that a resumed run goes on bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from jaxtyping import Float

from acculturate.model.answers import Answering, AnswerModel, identify
from acculturate.model.soft_prompt import Prompt, Prompts, SoftPrompt
from acculturate.progress import current_task, skip
from acculturate.record_files import finite
from acculturate.runs import Generation, RunDirectory, State
from acculturate.search import Fitness, Optimizer
from acculturate.search.state import damaged, load
from acculturate.tuning.objective import Objective, PopulationEvaluation
from acculturate.tuning.start import start_search
from acculturate.tuning.task import Task

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of a generation's objectives, in its line."""

_COMPARED_LEADERS = 2
"""Leaders of the last generations that are compared in the end, where forms are sampled."""


class StopReason(Enum):
    """The reason why a run ended, as a sentence."""

    BUDGET = "the budget is used up"
    TARGET = "the target loss is reached"
    STALL = "no better candidate for as long as was asked to wait"


@dataclass(frozen=True)
class Progress:
    """Progress of a run after a generation.

    Attributes:
        evaluations: Evaluations so far.
        budget: Evaluations at most.
        best_loss: Loss of the best candidate so far; with sampled forms, of the current prompt on the forms
            of its generation.
        best_violation: Amount by which that one is past the limits.
        seconds: Time spent so far, interrupted sessions included.
        sampled: Whether every generation is asked other forms, whose losses cannot be compared.
    """

    evaluations: int
    budget: int
    best_loss: float
    best_violation: float
    seconds: float
    sampled: bool = False

    @property
    def text(self) -> str:
        """The progress in words: a loss on forms drawn anew is that of its step, not the best so far."""
        name = "loss on the forms of this step" if self.sampled else "best loss"
        loss = f"{self.best_loss:.2f}" if math.isfinite(self.best_loss) else "none yet"
        over = f" ({self.best_violation:.2f} past the limit)" if self.best_violation else ""
        return f"{self.evaluations}/{self.budget} evaluations, {name} {loss}{over}"


@dataclass
class LoopState:
    """The state that goes from generation to generation; saved with the optimiser's.

    Attributes:
        generation: Generations so far.
        evaluations: Evaluations so far.
        since_better: Evaluations since the best candidate was found.
        tokens: Tokens that went through the model.
        seconds: Time spent.
        loss: Loss of the best candidate; infinite while none was valid.
        objective: Objective of the best candidate.
        violation: Violation of the best candidate.
        divergence: Divergence of the best candidate on the guard texts.
        perplexity: Perplexity of the guard texts with the best candidate.
        scores: Scores of the best candidate.
        leaders: Soft prompts of the latest best candidates, the latest last.
        start: Soft prompt of the best candidate of the first generation.
    """

    generation: int = 0
    evaluations: int = 0
    since_better: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = np.inf
    objective: float = np.inf
    violation: float = np.inf
    divergence: float = np.nan
    perplexity: float = np.nan
    scores: Float[np.ndarray, " dimension"] | None = None
    leaders: Prompts | None = None
    start: Prompt | None = None

    def dump(self) -> State:
        """Return the state as arrays."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def load(cls, arrays: State, lengths: dict[str, int]) -> LoopState:
        """Read the arrays that `dump` returned.

        Args:
            arrays: As they came back from a file.
            lengths: Of their axes, by name.

        Raises:
            FailureError: One is missing, or is not what its annotation says.
        """
        loaded = load(cls, arrays, lengths, may_be_nan=("divergence", "perplexity", "scores"))
        for name in ("scores", "leaders", "start"):
            if name not in arrays:
                raise damaged(f"`{name}` is missing")
        return loaded


class TuningLoop:
    """The generations of one run, new or from where its directory stopped.

    Args:
        model: Answers the forms.
        task: Forms, scores to reach, and settings resolved for the optimiser.
        optimizer: Chooses the candidates; not started yet.
        directory: Keeps the run.
        measured: The same model, which remembers what the result table asks.
    """

    def __init__(
        self,
        model: AnswerModel,
        task: Task,
        optimizer: Optimizer,
        directory: RunDirectory,
        measured: Answering,
    ) -> None:
        self._model, self._optimizer, self._directory = model, optimizer, directory
        self._scoring, self._settings, self._guard = task.scoring, task.settings, task.guard
        self._model_hash, self._words = identify(model), task.line
        self._objective = Objective(model, task, optimizer.requires, measured)
        self.space, first = start_search(model, task, optimizer.population_size, self._stream(0))
        self._history: list[Generation] = []
        self.state = LoopState()
        saved = directory.read_state()
        if saved is None:
            optimizer.start(first, self._stream(1))
        else:
            arrays, self._history = saved
            search = {k.removeprefix("search_"): v for k, v in arrays.items() if k[:7] == "search_"}
            lengths = {"token": task.settings.tokens, "hidden": model.hidden_size}
            lengths["dimension"] = len(task.scores)
            with directory.naming_state():
                self.state = LoopState.load(arrays, lengths)
                optimizer.restore(search)

    def run(self, on_generation: Callable[[Progress], None]) -> StopReason:
        """Run generations until there is a reason to stop."""
        if self.state.generation:
            skip(self.state.evaluations * self.size)
            self._report(on_generation)
        while (reason := self._stop_reason()) is None:
            self._run_generation()
            self._report(on_generation)
        return reason

    @property
    def size(self) -> int:
        """Number of forms and texts that an evaluation asks."""
        return self._objective.size

    def best(self) -> SoftPrompt:
        """Return the best candidate so far; where forms are sampled, the last generation's."""
        assert self.state.leaders is not None
        embeddings, placement = self.state.leaders[-1], self._settings.placement
        return SoftPrompt(embeddings, placement, self._model.name, self._model_hash, self._words)

    def _run_generation(self) -> None:
        state, began = self.state, time.monotonic()
        candidates = self._optimizer.ask()
        cost = len(candidates) * self._optimizer.evaluations_per_candidate
        parents = self._optimizer.parents()
        searching = time.monotonic() - began
        prompts = self.space.prompts(candidates)
        evaluation = self._objective.evaluate(prompts, self._stream(2, state.generation))
        gradient = evaluation.gradient
        fitness = Fitness(
            evaluation.objective,
            evaluation.violation,
            secondary=evaluation.divergence,
            gradient=None if gradient is None else self.space.backward(candidates, gradient),
        )
        evaluated = time.monotonic()
        self._optimizer.tell(fitness)
        searching += time.monotonic() - evaluated
        leader = int(fitness.order()[0])
        if state.generation == 0:
            state.start = prompts[leader].copy()
        state.since_better += cost
        if self._leads(float(fitness.violation[leader]), float(fitness.objective[leader])):
            state.since_better = 0
            self._take_leader(evaluation, fitness, leader, prompts[leader])
        state.generation += 1
        state.evaluations += cost
        state.tokens += evaluation.tokens
        spent = time.monotonic() - began
        state.seconds += spent
        self._history.append(self._line(fitness, parents, spent, searching))
        search_state = {f"search_{k}": v for k, v in self._optimizer.state().items()}
        self._directory.write_generation(self._history, self.best(), state.dump() | search_state)

    def select_final(self) -> None:
        """Keep the best of the last leaders, asked the same forms; needed where forms are sampled.

        Nothing of it is in the saved state: a resumed run does it again.
        """
        assert self.state.leaders is not None
        evaluation = self._objective.compare(self.state.leaders, self._stream(3))
        fitness = Fitness(evaluation.objective, evaluation.violation)
        best = int(fitness.order()[0])
        self.state.tokens += evaluation.tokens
        self.state.loss = float(evaluation.loss[best])
        self.state.violation = float(fitness.violation[best])
        self.state.leaders = self.state.leaders[[best]]
        self._directory.write_best(self.best())

    def _leads(self, violation: float, objective: float) -> bool:
        """Return whether a generation's leader is the best so far; a tie leaves that in place.

        Losses on different samples of forms say nothing about each other: of those that are as near
        to the limits, the latest leads.
        """
        if not self.state.generation:
            return True
        if self._settings.sample:
            return violation <= self.state.violation
        return (violation, objective) < (self.state.violation, self.state.objective)

    def _report(self, on_generation: Callable[[Progress], None]) -> None:
        state = self.state
        at = Progress(
            state.evaluations,
            self._settings.budget,
            state.loss,
            state.violation,
            state.seconds,
            bool(self._settings.sample),
        )
        if (task := current_task()) is not None:
            task.reach(state.evaluations * self.size, at.text)
        on_generation(at)

    def _stream(self, *purpose: int) -> np.random.Generator:
        """Return the stream of a purpose: 0 start, 1 search, 2 generations, 3 the final selection."""
        return np.random.default_rng(np.random.SeedSequence(self._settings.seed, spawn_key=purpose))

    def _stop_reason(self) -> StopReason | None:
        settings, state = self._settings, self.state
        if state.generation == 0:
            return None
        target, stall = settings.target_loss, settings.stall
        if target is not None and state.violation == 0 and state.loss <= target:
            return StopReason.TARGET
        if stall is not None and state.since_better >= stall:
            return StopReason.STALL
        cost = self._optimizer.population_size * self._optimizer.evaluations_per_candidate
        if state.evaluations + cost > settings.budget:
            return StopReason.BUDGET
        return None

    def _take_leader(
        self, evaluation: PopulationEvaluation, fitness: Fitness, leader: int, prompt: Prompt
    ) -> None:
        """Keep a leader with its scores; where no limit needs the guard, it is read for the leader alone."""
        state = self.state
        before = prompt[None][:0] if state.leaders is None else state.leaders
        count = _COMPARED_LEADERS if self._settings.sample else 1
        state.leaders = np.concatenate([before, prompt[None]])[-count:]
        state.loss = float(evaluation.loss[leader])
        state.objective = float(fitness.objective[leader])
        state.violation = float(fitness.violation[leader])
        state.scores = evaluation.scores[leader]
        if evaluation.divergence is not None and evaluation.perplexity is not None:
            state.divergence = float(evaluation.divergence[leader])
            state.perplexity = float(evaluation.perplexity[leader])
        else:
            reading = self._guard.read(self._model, prompt, self._settings.placement)
            state.divergence, state.perplexity = reading.divergence, reading.perplexity

    def _line(
        self, trials: Fitness, parents: Fitness | None, seconds: float, searching: float
    ) -> Generation:
        """Return a generation's line: the population after selection, where the optimiser has one."""
        kept = trials
        if parents is not None:
            kept = Fitness.where(trials.not_worse(parents), trials, parents)
        objectives = kept.objective[kept.valid]
        state = self.state
        assert state.scores is not None
        return Generation(
            generation=state.generation,
            evaluations=state.evaluations,
            best_loss=finite(state.loss),
            best_objective=finite(state.objective),
            best_violation=finite(state.violation),
            best_divergence=finite(state.divergence),
            best_perplexity=finite(state.perplexity),
            mean_loss=float(objectives.mean()) if len(objectives) else None,
            quantiles=tuple(np.quantile(objectives, _QUANTILES).tolist())
            if len(objectives)
            else None,
            invalid=int((~trials.valid).sum()),
            seconds=seconds,
            search_seconds=searching,
            scores={k: finite(v) for k, v in self._scoring.by_key(state.scores).items()},
        )
