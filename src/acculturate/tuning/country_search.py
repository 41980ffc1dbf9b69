"""The search of one country's prompt: evaluated, its best so far kept, written down generation by generation.

All randomness comes from one seed, split into a stream for each purpose; a generation's own stream is
derived from its number, so that a resumed run goes on bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.model.answers import Answering, AnswerModel
from acculturate.model.prompt_checks import identify, width_of
from acculturate.model.soft_prompt import Prompt, Prompts, SoftPrompt
from acculturate.record_files import finite
from acculturate.runs import Generation, State
from acculturate.search import Fitness, Optimizer
from acculturate.search.state import damaged, load
from acculturate.tuning.objective import PopulationEvaluation
from acculturate.tuning.several import make_objective
from acculturate.tuning.task import Task

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of a generation's objectives, in its line."""

_COMPARED_LEADERS = 2
"""Leaders of the last generations that are compared in the end, where forms are sampled."""

_SAME_START = 0.01
"""Distance of two prompts, as a share of their length, that another device's rounding can make."""


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


class CountrySearch:
    """The search of one country's prompt, whoever chooses the candidates.

    Args:
        model: Answers the forms.
        task: Forms, scores to reach, and settings resolved for the optimiser.
        optimizer: Chooses the candidates.
        measured: The same model, which remembers what the result table asks.

    Attributes:
        state: The best prompt so far and how far the search is.
        history: A line a generation.
    """

    def __init__(
        self, model: AnswerModel, task: Task, optimizer: Optimizer, measured: Answering
    ) -> None:
        self._model, self._task = model, task
        self._scoring, self._settings, self._guard = task.scoring, task.settings, task.guard
        self._model_hash, self._words = identify(model), task.line
        self._objective = make_objective(model, task, optimizer.requires, measured)
        self._cost = optimizer.evaluations_per_candidate
        # What the teacher was asked, in evaluations.
        asked = 0 if task.lessons is None else task.lessons.asked
        self.state = LoopState(evaluations=math.ceil(asked / self.size))
        self.history: list[Generation] = []

    @property
    def size(self) -> int:
        """Number of forms and texts that an evaluation asks."""
        return self._objective.size

    def restore(self, arrays: State, history: list[Generation]) -> None:
        """Go on from a state that `LoopState.dump` returned, with the history up to it.

        Raises:
            FailureError: The state is damaged.
        """
        width = width_of(self._model, self._settings.placement)
        lengths = {"token": self._settings.token_count, "hidden": width}
        lengths["dimension"] = len(self._task.scores)
        self.state, self.history = LoopState.load(arrays, lengths), history

    def check_start(self, prompts: Prompts) -> None:
        """Check that a restored search began with one of these prompts, those that it would begin with now.

        Raises:
            UsageError: It did not: what it starts from has changed.
        """
        start, settings = self.state.start, self._settings
        assert start is not None
        nearest = np.linalg.norm(prompts - start, axis=(1, 2)).min()
        if not nearest <= _SAME_START * np.linalg.norm(start):
            source = settings.init_run or settings.shared_directory
            raise UsageError(
                "the first prompts are not those that the run began with"
                + (f": {source} has changed since" if source else ""),
                "Go on with the files and the version of acculturate that began it, or use another --out.",
            )

    def best(self) -> SoftPrompt:
        """Return the best candidate so far; where forms are sampled, the last generation's."""
        assert self.state.leaders is not None
        embeddings, placement = self.state.leaders[-1], self._settings.placement
        return SoftPrompt(embeddings, placement, self._model.name, self._model_hash, self._words)

    def evaluate(self, prompts: Prompts) -> PopulationEvaluation:
        """Evaluate the candidates of the next generation."""
        return self._objective.evaluate(prompts, self.stream(2, self.state.generation))

    def take(
        self,
        prompts: Prompts,
        evaluation: PopulationEvaluation,
        fitness: Fitness,
        parents: Fitness | None = None,
        *,
        began: float,
        searching: float,
    ) -> None:
        """Keep the leader of a generation, and add its line to the history.

        Args:
            prompts: The candidates.
            evaluation: Of them.
            fitness: As the optimiser was told it.
            parents: Fitness that each candidate competed with, if it did.
            began: Time at which the generation began, of the monotonic clock.
            searching: Seconds that the optimiser took.
        """
        state, cost = self.state, len(prompts) * self._cost
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
        seconds = time.monotonic() - began
        state.seconds += seconds
        self.history.append(self._line(fitness, parents, seconds, searching))

    def select_final(self, earlier: Sequence[SoftPrompt]) -> None:
        """Keep the best of the last leaders, asked the same forms; needed where forms are sampled.

        Nothing of it is in the saved state: a resumed run does it again.

        Args:
            earlier: Results of the run at smaller budgets, which are compared too where P is not shared.
        """
        assert self.state.leaders is not None
        if not self._settings.together:
            results = [prompt.embeddings for prompt in earlier]
            self.state.leaders = np.stack([*self.state.leaders, *results])
        evaluation = self._objective.compare(self.state.leaders, self.stream(3))
        fitness = Fitness(evaluation.objective, evaluation.violation)
        best = int(fitness.order()[0])
        self.state.tokens += evaluation.tokens
        self.state.loss = float(evaluation.loss[best])
        self.state.violation = float(fitness.violation[best])
        self.state.leaders = self.state.leaders[[best]]

    def stop_reason(self, population: int) -> StopReason | None:
        """Return the reason to stop before a next generation of so many candidates, if there is one."""
        settings, state = self._settings, self.state
        if state.generation == 0:
            return None
        target, stall = settings.target_loss, settings.stall
        if target is not None and state.violation == 0 and state.loss <= target:
            return StopReason.TARGET
        if stall is not None and state.since_better >= stall:
            return StopReason.STALL
        if state.evaluations + population * self._cost > settings.budget:
            return StopReason.BUDGET
        return None

    @property
    def progress(self) -> Progress:
        """The progress so far."""
        state, settings = self.state, self._settings
        return Progress(
            state.evaluations,
            settings.budget,
            state.loss,
            state.violation,
            state.seconds,
            bool(settings.sample),
        )

    def stream(self, *purpose: int) -> np.random.Generator:
        """Return the stream of a purpose: 0 start, 1 search, 2 generations, 3 the final selection."""
        return np.random.default_rng(np.random.SeedSequence(self._settings.seed, spawn_key=purpose))

    def _leads(self, violation: float, objective: float) -> bool:
        """Return whether a generation's leader is the best so far; a tie leaves that in place.

        Losses on different samples of forms say nothing about each other: of those that are as near
        to the limits, the latest leads. So does it where P is shared, which goes on with every step.
        """
        if not self.state.generation or self._settings.together:
            return True
        if self._settings.sample:
            return violation <= self.state.violation
        return (violation, objective) < (self.state.violation, self.state.objective)

    def _take_leader(
        self, evaluation: PopulationEvaluation, fitness: Fitness, leader: int, prompt: Prompt
    ) -> None:
        """Keep a leader with its scores; where no limit needs the guard, it is read for the leader alone."""
        state = self.state
        before = prompt[None][:0] if state.leaders is None else state.leaders
        compares = self._settings.sample and not self._settings.together
        count = _COMPARED_LEADERS if compares else 1
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
