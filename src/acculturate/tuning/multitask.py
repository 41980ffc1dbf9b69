"""Countries tuned together: one shared prompt and a rank-one part for each, by gradients.

In: a model and several countries. Out: a run directory for each, as if it was tuned alone, and a directory of
what they share. `state.npz` there is the truth of all of them: what a country's files hold beyond it is made
again, the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from acculturate import progress
from acculturate.arguments import checked
from acculturate.errors import UsageError
from acculturate.formatting import slug
from acculturate.io import LOCK
from acculturate.model.answers import AnswerModel, DifferentiableModel
from acculturate.model.asking import provenance
from acculturate.model.prompt_checks import check_embeddings
from acculturate.progress import current_task
from acculturate.runs import (
    ANSWERS,
    MULTITASK,
    SETTINGS,
    STATE,
    MultitaskPrompt,
    Run,
    RunDirectory,
    open_resumable,
    open_run,
    read_history,
)
from acculturate.search import COST_OF_A_GRADIENT, Adam, Fitness, SharedPrompt, Together
from acculturate.search.state import under_prefix, with_prefix
from acculturate.survey.countries import Country, CountryTable, default_table
from acculturate.survey.instrument import Instrument
from acculturate.tuning.content import check_content
from acculturate.tuning.country_search import CountrySearch, Progress, StopReason
from acculturate.tuning.record import begin_run, end_run, measure_result, write_result
from acculturate.tuning.remembering import RememberingModel
from acculturate.tuning.settings import Settings
from acculturate.tuning.start import start_search
from acculturate.tuning.summary import count_asked
from acculturate.tuning.task import Task, make_task
from acculturate.tuning.teacher import open_lessons


@checked
def tune_together(
    model: AnswerModel,
    instrument: Instrument,
    targets: Sequence[Country],
    *,
    out: str | Path,
    optimizer: Adam | None = None,
    folders: Sequence[Path] | None = None,
    table: CountryTable | None = None,
    resume: bool = False,
    on_generation: Callable[[Progress], None] = lambda _: None,
    command: str = "",
    **settings: Any,
) -> tuple[Run, ...]:
    """Tune several countries' prompts together: a shared one, and a rank-one part of each.

    After Wang et al. (2023), arXiv 2303.02861. Every step evaluates every country, on the same forms, so that
    the budget counts for each of them.

    Args:
        model: Answers the forms; never changed.
        instrument: The questionnaire.
        targets: The countries, two or more.
        out: Directory of what they share: new, empty, or with `resume` one that holds this very tuning.
        optimizer: Descends the shared prompt and all parts, with the budget; one with the defaults if None.
        folders: Run directory of each country; those in `out` named after it if None.
        table: Table of the targets; one that comes with the package is found by itself.
        resume: Go on with an interrupted tuning; with a larger budget, with a finished one too.
        on_generation: Called after every step with the evaluations of each country and their mean loss.
        command: The command line, for the record.
        settings: Fields of `Settings`, as in `tune`.

    Returns:
        A finished run of each country, whose prompt is a plain one.

    Raises:
        UsageError: A setting, a target or a directory does not fit, or the model gives no gradients.
        FailureError: A file cannot be written, or the state to resume from is damaged.
    """
    check_embeddings(model)
    if not isinstance(model, DifferentiableModel):
        raise UsageError(
            f"{model.name} gives no gradients, by which countries are tuned together",
            "Tune each country alone, or a new one beside others: --space multitask:DIRECTORY.",
        )
    settings["together"] = settings.get("together") or "product"
    chosen = Settings(**settings)
    optimizer = optimizer or Adam(max(chosen.budget, COST_OF_A_GRADIENT))
    resolved = chosen.resolved(optimizer)
    table = table or default_table(instrument, targets[0]) if targets else table
    tasks = [make_task(instrument, target, resolved, table) for target in targets]
    folders = folders or [Path(out) / slug(target.name) for target in targets]
    if len({*folders}) < max(2, len(targets)):
        raise UsageError(
            f"{len({*folders})} different countries cannot be tuned together",
            "Give two or more, each once.",
        )
    about = provenance(model)
    config = tasks[0].config(about, optimizer)
    config["survey"]["country"] = [target.name for target in targets]
    with ExitStack() as held:
        shared = held.enter_context(
            open_resumable(Path(out), SETTINGS, "multitask tuning", config, resume=resume)
        )
        held.enter_context(_left_empty(shared.path, folders))
        directories = [
            held.enter_context(open_run(folder, task.config(about, optimizer), resume=True))
            for folder, task in zip(folders, tasks, strict=True)
        ]
        tasks = [
            begin_run(model, about, task, directory, command)
            for task, directory in zip(tasks, directories, strict=True)
        ]
        if not all(directory.finished for directory in directories):
            loop = TogetherLoop(model, tasks, optimizer, shared, directories)
            loop.check_content()
            with progress.task("tuning together", loop.size):
                reason = loop.run(on_generation)
                loop.finish(about, reason)
        return tuple(Run.load(folder) for folder in folders)


@contextmanager
def _left_empty(path: Path, folders: Sequence[Path]) -> Generator[None]:
    """Leave nothing behind a request that is refused before its first generation: it may be mended."""
    try:
        yield
    except UsageError:
        if not (path / STATE).is_file():
            (path / SETTINGS).unlink(missing_ok=True)
            for folder in folders:
                if [each.name for each in folder.glob("*")] == [LOCK]:
                    (folder / LOCK).unlink()
                    folder.rmdir()
        raise


class TogetherLoop:
    """The generations of several countries at once, new or from where their directory stopped.

    Args:
        model: Answers the forms, and gives gradients.
        tasks: A task a country, with the same settings.
        optimizer: Descends the shared prompt and all parts.
        shared: Directory of what they share.
        directories: Run directory of each country.
    """

    def __init__(
        self,
        model: AnswerModel,
        tasks: Sequence[Task],
        optimizer: Adam,
        shared: RunDirectory,
        directories: Sequence[RunDirectory],
    ) -> None:
        self._model, self._optimizer = model, optimizer
        self._shared, self._directories = shared, directories
        self._tasks = tasks = [
            replace(task, lessons=open_lessons(directory, model, task))
            for directory, task in zip(directories, tasks, strict=True)
        ]
        self._measured = [RememberingModel(model, d.path / ANSWERS) for d in directories]
        self._searches = [
            CountrySearch(model, task, optimizer, measured)
            for task, measured in zip(tasks, self._measured, strict=True)
        ]
        settings, first = tasks[0].settings, self._searches[0]
        assert settings.together is not None
        starts = [start_search(model, task, 1, first.stream(0))[1] for task in tasks]
        start = np.mean(starts, axis=0).reshape(settings.token_count, -1)
        self._space = Together(start, len(tasks), settings.together)
        if (shared.path / STATE).is_file():
            with shared.naming_state():
                self._restore(shared.read_arrays())
            first.check_start(start[None])
        else:
            optimizer.start(np.zeros((1, self._space.width)), first.stream(1))

    @property
    def size(self) -> int:
        """Number of forms and texts that are asked in all."""
        search = self._tasks[0].settings.budget * self._searches[0].size
        return sum(search + count_asked(task, 1) for task in self._tasks)

    def run(self, on_generation: Callable[[Progress], None]) -> StopReason:
        """Run generations until there is a reason to stop."""
        first = self._searches[0]
        if first.state.generation:
            progress.skip(first.state.evaluations * first.size * len(self._tasks))
            on_generation(self._progress)
        while (reason := first.stop_reason(1)) is None:
            self._run_generation()
            on_generation(self._progress)
        return reason

    def check_content(self) -> None:
        """Warn where the untouched answers that countries are tuned on are not about the questions."""
        for task, measured, directory in zip(
            self._tasks, self._measured, self._directories, strict=True
        ):
            if not directory.finished:
                check_content(measured, task, directory)

    def finish(self, about: dict[str, str], reason: StopReason) -> None:
        """Measure each country's result and write it down; those that are finished are left."""
        for task, search, measured, directory in zip(
            self._tasks, self._searches, self._measured, self._directories, strict=True
        ):
            if directory.finished:
                progress.skip(count_asked(task, 1))
            else:
                if (at := current_task()) is not None:
                    at.rename(f"measuring {task.target.name}")
                summary = measure_result(measured, task, search, directory, 1, COST_OF_A_GRADIENT)
                write_result(measured, search, directory, summary)
                end_run(self._model, about, directory, reason, search.state, summary)
            (directory.path / ANSWERS).unlink(missing_ok=True)

    def _run_generation(self) -> None:
        began = time.monotonic()
        (vector,) = self._optimizer.ask()
        parts = self._space.parts(vector)
        prompts = parts.prompts.astype(np.float32)[:, None]
        told: list[Fitness] = []
        gradients: list[np.ndarray] = []
        for search, prompt in zip(self._searches, prompts, strict=True):
            evaluation = search.evaluate(prompt)
            assert evaluation.gradient is not None
            fitness = Fitness(evaluation.objective, evaluation.violation)
            search.take(prompt, evaluation, fitness, began=began, searching=0.0)
            told.append(fitness)
            gradients.append(evaluation.gradient[0])
            began = time.monotonic()
        gradient = self._space.backward(vector, np.stack(gradients))
        objective, violation = (
            np.mean([getattr(fitness, part) for fitness in told], axis=0)
            for part in ("objective", "violation")
        )
        self._optimizer.tell(Fitness(objective, violation, gradient=gradient[None]))
        self._write(parts)

    def _write(self, parts: SharedPrompt) -> None:
        """Write each country's files and what is shared; the state that makes it true last."""
        arrays = with_prefix(self._optimizer.state(), "search_")
        for number, (search, directory) in enumerate(
            zip(self._searches, self._directories, strict=True)
        ):
            history = directory.write_result(search.history, search.best()).encode()
            state = search.state.dump() | {"history": np.frombuffer(history, np.uint8)}
            arrays |= with_prefix(state, f"{number}_")
        self._prompt(parts).save(self._shared.path / MULTITASK)
        self._shared.write_state(arrays)

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        self._optimizer.restore(under_prefix(arrays, "search_"))
        for number, (search, directory) in enumerate(
            zip(self._searches, self._directories, strict=True)
        ):
            state = under_prefix(arrays, f"{number}_")
            lines = state.pop("history").tobytes().decode().splitlines()
            search.restore(state, read_history(lines, self._shared.path / STATE))
            if not directory.finished:  # whatever it holds is beyond the state, or was lost
                directory.write_result(search.history, search.best())

    def _prompt(self, parts: SharedPrompt) -> MultitaskPrompt:
        names, lines = zip(*((task.target.name, task.line) for task in self._tasks), strict=True)
        best = self._searches[0].best()
        return MultitaskPrompt(parts, names, lines, best.placement, best.model, best.model_hash)

    @property
    def _progress(self) -> Progress:
        each = [search.progress for search in self._searches]
        return Progress(
            each[0].evaluations,
            each[0].budget,
            float(np.mean([at.best_loss for at in each])),
            max(at.best_violation for at in each),
            sum(at.seconds for at in each),
            each[0].sampled,
        )
