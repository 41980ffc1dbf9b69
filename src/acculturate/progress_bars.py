"""Progress on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from acculturate.formatting import seconds_text
from acculturate.terminal import open_console

if TYPE_CHECKING:
    from rich.progress import TaskID

    from acculturate.experiment import Cell, ProgressListener
    from acculturate.tuning import Progress

_NAME = TextColumn("{task.description}", markup=False)
_STATE = TextColumn("{task.fields[state]}", markup=False)
_REMAINING = (TextColumn("left"), TimeRemainingColumn())


@contextmanager
def step(what: str) -> Generator[Callable[[str], None]]:
    """Show a spinner with the time spent, while something slow of unknown length happens."""
    with _bar(SpinnerColumn(), _NAME, TimeElapsedColumn()) as bar:
        task = bar.add_task(what)

        def show(text: str) -> None:
            bar.update(task, description=text)
            _print_line(bar, text)

        yield show


@contextmanager
def progress_bar(budget: int) -> Generator[Callable[[Progress], None]]:
    """Show the evaluations of a budget with the loss."""
    columns = _NAME, BarColumn(), MofNCompleteColumn(), _STATE, TimeElapsedColumn(), *_REMAINING
    with _bar(*columns, transient=False) as bar:
        task = bar.add_task("tuning", total=budget, state="")

        def show(at: Progress) -> None:
            bar.update(task, completed=at.evaluations, state=_loss(at))
            _print_line(bar, _progress_line(at))

        yield show


@contextmanager
def question_bar() -> Generator[Callable[[str, int, int], None]]:
    """Show the forms asked of each benchmark and method in turn."""
    with _bar(_NAME, BarColumn(), MofNCompleteColumn(), *_REMAINING) as bar:
        task = bar.add_task("benchmarks", total=None)

        def show(what: str, done: int, total: int) -> None:
            if done == 0:
                bar.reset(task, total=total, description=what)
                _print_line(bar, f"asking {total} forms: {what}")
            bar.update(task, completed=done)

        yield show


@contextmanager
def experiment_bar(cells: int, budget: int) -> Generator[ProgressListener]:
    """Show every cell that runs, and all together with the time left.

    Args:
        cells: Number of cells.
        budget: Evaluations of a cell that searches.
    """
    with _bar(_NAME, BarColumn(bar_width=24), _STATE, transient=False) as bar:
        yield _CellProgress(cells, budget, bar)


class _CellProgress:
    """A bar for every cell that runs, which goes away with it, and one over all."""

    def __init__(self, cells: int, budget: int, bar: Bar) -> None:
        self._bar, self._cells, self._budget = bar, cells, budget
        self._all = bar.add_task("experiment", total=cells * budget, state="")
        self._tasks: dict[Cell, TaskID] = {}
        self._running: dict[Cell, Progress] = {}
        self._done = self._skipped = self._failed = 0
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def on_start(self, cell: Cell) -> None:
        with self._lock:
            if cell not in self._tasks:  # else its worker died, and it goes on in another one
                self._tasks[cell] = self._bar.add_task(cell.title, total=self._budget, state="")
        self._print(cell, "starts")

    def on_step(self, cell: Cell, at: Progress) -> None:
        with self._lock:
            self._running[cell] = at
            state = f"{at.evaluations}/{at.budget}, {_loss(at)}"
            self._bar.update(self._tasks[cell], completed=at.evaluations, state=state)
            self._show_all()

    def on_end(self, cell: Cell, error: str | None, before: bool) -> None:
        with self._lock:
            self._done += 1
            self._skipped += before
            self._failed += error is not None
            last = self._running.pop(cell, None)
            if cell in self._tasks:
                self._bar.remove_task(self._tasks.pop(cell))
            left = self._show_all()
        if error is not None:
            self._print(cell, f"failed again: {error}", "bold red", beside_bar=True)
        elif not before:
            best = last and f": {_loss(last)} after {last.evaluations} evaluations"
            self._print(cell, f"done{best or ''}{left}")

    def on_retry(self, cell: Cell, error: str) -> None:
        self._print(cell, f"failed and is tried again: {error}", beside_bar=True)

    def _show_all(self) -> str:
        """Update the bar over all cells and return the time left, empty where it cannot be told."""
        evaluations = sum(at.evaluations for at in self._running.values())
        completed, total = self._done * self._budget + evaluations, self._cells * self._budget
        made, left = completed - self._skipped * self._budget, ""
        if made > 0 and completed < total:
            seconds = (time.monotonic() - self._began) / made * (total - completed)
            left = f", about {seconds_text(seconds)} left"
        failed = f", {self._failed} failed" if self._failed else ""
        state = f"{self._done}/{self._cells} cells{failed}{left}"
        self._bar.update(self._all, completed=completed, state=state)
        return left

    def _print(self, cell: Cell, text: str, style: str = "", beside_bar: bool = False) -> None:
        if beside_bar or self._bar.disable:
            line = f"[{self._done}/{self._cells}] {cell.title}: {text}"
            self._bar.console.print(line, style=style, soft_wrap=True)


@contextmanager
def _bar(*columns: ProgressColumn, transient: bool = True) -> Generator[Bar]:
    """Show a bar while the body runs; it is disabled where standard error is no terminal."""
    console = open_console(stderr=True)
    disabled = not console.is_terminal
    with Bar(*columns, console=console, transient=transient, disable=disabled) as bar:
        yield bar


def _print_line(bar: Bar, text: str) -> None:
    """Print a plain line in place of a bar that is disabled."""
    if bar.disable:
        bar.console.print(text, soft_wrap=True)


def _progress_line(at: Progress) -> str:
    left = at.seconds / at.evaluations * (at.budget - at.evaluations)
    return (
        f"{at.evaluations}/{at.budget} evaluations, {_loss(at)}, "
        f"{seconds_text(at.seconds)} spent, about {seconds_text(left)} left"
    )


def _loss(at: Progress) -> str:
    """Return the loss with its name: with forms drawn anew it is of this step, and not the best so far."""
    name = "loss on the forms of this step" if at.sampled else "best loss"
    if not math.isfinite(at.best_loss):
        return f"{name}: none yet"
    over = f" ({at.best_violation:.2f} past the limit)" if at.best_violation else ""
    return f"{name} {at.best_loss:.2f}{over}"
