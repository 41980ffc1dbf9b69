"""The generations of a run: ask the optimiser, ask the model, tell the optimiser, write it down.

In: a model, a task and an optimiser. Out: the same directory after every generation as if none was interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from acculturate.model.answers import Answering, AnswerModel
from acculturate.progress import current_task, skip
from acculturate.runs import RunDirectory
from acculturate.search import Fitness, Optimizer
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
        self.space, first = start_search(model, task, size, stream, measured)
        saved = directory.read_state()
        if saved is None:
            optimizer.start(first, search.stream(1), unit=self.space.unit)
        else:
            arrays, history = saved
            of_search = {
                k.removeprefix("search_"): v for k, v in arrays.items() if k[:7] == "search_"
            }
            with directory.naming_state():
                search.restore(arrays, history)
                optimizer.restore(of_search)

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
        of_search = {f"search_{k}": v for k, v in self._optimizer.state().items()}
        state = search.state.dump() | of_search
        self._directory.write_generation(search.history, search.best(), state)

    def _report(self, on_generation: Callable[[Progress], None]) -> None:
        at = self.search.progress
        if (task := current_task()) is not None:
            task.reach(at.evaluations * self.search.size, at.text)
        on_generation(at)
