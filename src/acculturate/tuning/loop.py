"""The generations of a run: ask the optimiser, ask the model, tell the optimiser, write it down.

In: a model, a task and an optimiser. Out: the same directory after every generation as if none was interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from acculturate.model.answers import Answering, AnswerModel
from acculturate.progress import current_task, skip
from acculturate.runs import RunDirectory
from acculturate.search import Fitness, Full, Optimizer
from acculturate.search.state import under_prefix, with_prefix
from acculturate.tuning.country_search import CountrySearch, Progress, StopReason
from acculturate.tuning.start import start_search
from acculturate.tuning.task import Task


class TuningLoop:
    """The generations of one run, new or from where its directory stopped.

    Args:
        model: Answers the forms.
        task: Forms, scores to reach, and settings resolved for the optimiser.
        optimizer: Chooses the candidates; not started yet.
        directory: Keeps the run.
        measured: The same model, which remembers what the result table asks.

    Attributes:
        search: What is known of the candidates.
        space: From the optimiser's vectors to soft prompts.

    Raises:
        UsageError: The start does not fit, or is not the one that a run to go on with began with.
        FailureError: The saved state is damaged.
    """

    def __init__(
        self,
        model: AnswerModel,
        task: Task,
        optimizer: Optimizer,
        directory: RunDirectory,
        measured: Answering,
    ) -> None:
        self._optimizer, self._directory = optimizer, directory
        self.search = search = CountrySearch(model, task, optimizer, measured)
        size, stream = optimizer.population_size, search.stream(0)
        with np.errstate(over="ignore"):  # the optimiser refuses what is not finite
            self.space, first = start_search(model, task, size, stream, measured)
        saved = directory.read_state()
        if saved is None:
            optimizer.start(first, search.stream(1), unit=self.space.unit)
        else:
            arrays, history = saved
            with directory.naming_state():
                search.restore(arrays, history)
                optimizer.restore(under_prefix(arrays, "search_"))
            if not isinstance(self.space, Full):  # which is the same wherever a search begins
                search.check_start(self.space.prompts(first))

    def run(self, on_generation: Callable[[Progress], None]) -> StopReason:
        """Run generations until there is a reason to stop."""
        search, optimizer = self.search, self._optimizer
        if search.state.generation:
            skip(search.state.evaluations * search.size)
            self._report(on_generation)
        while (reason := search.stop_reason(optimizer.population_size)) is None:
            self._run_generation()
            self._report(on_generation)
        return reason

    def _run_generation(self) -> None:
        search, began = self.search, time.monotonic()
        candidates = self._optimizer.ask()
        parents = self._optimizer.parents()
        searching = time.monotonic() - began
        prompts = self.space.prompts(candidates)
        evaluation = search.evaluate(prompts)
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
        search.take(prompts, evaluation, fitness, parents, began=began, searching=searching)
        state = search.state.dump() | with_prefix(self._optimizer.state(), "search_")
        self._directory.write_generation(search.history, search.best(), state)

    def _report(self, on_generation: Callable[[Progress], None]) -> None:
        at = self.search.progress
        if (task := current_task()) is not None:
            task.reach(at.evaluations * self.search.size, at.text)
        on_generation(at)
