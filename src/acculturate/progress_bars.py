"""Progress on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from acculturate.display import duration, open_console, say

if TYPE_CHECKING:
    from rich.progress import TaskID

    from acculturate.experiment import Cell, ProgressListener
    from acculturate.tuning import Progress


@contextmanager
def step(what: str) -> Generator[Callable[[str], None]]:
    """A spinner with the time spent, while something slow of unknown length happens."""
    terminal = open_console(stderr=True)
    if not terminal.is_terminal:
        yield lambda text: print(text, file=sys.stderr, flush=True)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Bar(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task(what)
        yield lambda text: bar.update(task, description=text)


@contextmanager
def progress_bar(budget: int) -> Generator[Callable[[Progress], None]]:
    """A bar over the budget with the best loss; plain lines where there is no terminal."""
    terminal = open_console(stderr=True)
    if not terminal.is_terminal:
        yield lambda at: print(_progress_line(at), file=sys.stderr, flush=True)
        return
    columns = (
        TextColumn("tuning"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("best loss {task.fields[best]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=terminal) as bar:
        task = bar.add_task("tuning", total=budget, best="-")

        def show(at: Progress) -> None:
            bar.update(task, completed=at.evaluations, best=_best(at))

        yield show


@contextmanager
def question_bar() -> Generator[Callable[[str, int, int], None]]:
    """A bar for each benchmark and method in turn; a plain line for each where there is no terminal."""
    terminal = open_console(stderr=True)
    if not terminal.is_terminal:
        yield (
            lambda what, done, whole: (
                None
                if done
                else print(f"asking {whole} forms: {what}", file=sys.stderr, flush=True)
            )
        )
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("benchmarks", total=None)

        def show(what: str, done: int, whole: int) -> None:
            if done == 0:
                bar.reset(task, total=whole, description=what)
            bar.update(task, completed=done)

        yield show


@contextmanager
def experiment_bar(cells: int, budget: int) -> Generator[ProgressListener]:
    """A line for every cell that runs, and a bar over all with the time left.

    Args:
        cells: How many there are.
        budget: Evaluations of one that searches.
    """
    terminal = open_console(stderr=True)
    if not terminal.is_terminal:
        yield _CellLines(cells, budget)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[state]}", markup=False),
    )
    with Bar(*columns, console=terminal) as bar:
        yield _CellBars(cells, budget, bar)


class _CellLines:
    """One line at the beginning of a cell and one at its end, for a file or a pipe."""

    def __init__(self, cells: int, budget: int) -> None:
        self._cells, self._budget = cells, budget
        self._done = self._skipped = 0
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._best: dict[Cell, str] = {}

    def on_start(self, cell: Cell) -> None:
        self._say(cell, "starts")

    def on_step(self, cell: Cell, at: Progress) -> None:
        self._best[cell] = f": best loss {_best(at)} after {at.evaluations} evaluations"

    def on_end(self, cell: Cell, error: str | None, before: bool) -> None:
        with self._lock:
            self._done += 1
            self._skipped += before
        if before:
            return
        if error is not None:
            self._say(cell, f"failed again: {error}")
        else:
            self._say(cell, f"done{self._best.get(cell, '')}{self._left()}")

    def on_retry(self, cell: Cell, error: str) -> None:
        self._say(cell, f"failed and is tried again: {error}")

    def _left(self) -> str:
        ran = self._done - self._skipped
        if self._done >= self._cells or not ran:
            return ""
        left = (time.monotonic() - self._began) / ran * (self._cells - self._done)
        return f", about {duration(left)} left"

    def _say(self, cell: Cell, text: str) -> None:
        say(f"[{self._done}/{self._cells}] {cell.title}: {text.removeprefix(': ')}")


class _CellBars:
    """A bar for every cell that runs, which goes away with it, and one over all."""

    def __init__(self, cells: int, budget: int, bar: Bar) -> None:
        self._bar, self._cells, self._budget = bar, cells, budget
        self._all = bar.add_task("experiment", total=cells * budget, state="")
        self._running: dict[Cell, TaskID] = {}
        self._at: dict[Cell, int] = {}
        self._done = self._skipped = self._failed = 0
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def on_start(self, cell: Cell) -> None:
        with self._lock:
            if cell not in self._running:  # else its worker died, and it goes on in another one
                self._running[cell] = self._bar.add_task(cell.title, total=self._budget, state="")

    def on_step(self, cell: Cell, at: Progress) -> None:
        with self._lock:
            self._at[cell] = at.evaluations
            state = f"{at.evaluations}/{at.budget}, best loss {_best(at)}"
            self._bar.update(self._running[cell], completed=at.evaluations, state=state)
            self._show()

    def on_end(self, cell: Cell, error: str | None, before: bool) -> None:
        with self._lock:
            self._done += 1
            self._skipped += before
            self._failed += error is not None
            self._at.pop(cell, None)
            if cell in self._running:
                self._bar.remove_task(self._running.pop(cell))
            self._show()
        if error is not None:
            self._bar.console.print(f"{cell.title} failed again: {error}", style="bold red")

    def on_retry(self, cell: Cell, error: str) -> None:
        self._bar.console.print(f"{cell.title} failed and is tried again: {error}")

    def _show(self) -> None:
        here = self._done * self._budget + sum(self._at.values())
        made = here - self._skipped * self._budget
        state = f"{self._done}/{self._cells} cells"
        if self._failed:
            state += f", {self._failed} failed"
        if made > 0 and here < self._cells * self._budget:
            spent = time.monotonic() - self._began
            left = spent / made * (self._cells * self._budget - here)
            state += f", about {duration(left)} left"
        self._bar.update(self._all, completed=here, state=state)


def _progress_line(at: Progress) -> str:
    left = at.seconds / at.evaluations * (at.budget - at.evaluations)
    return (
        f"{at.evaluations}/{at.budget} evaluations, best loss {_best(at)}, "
        f"{at.seconds:.0f} s spent, about {left:.0f} s left"
    )


def _best(at: Progress) -> str:
    if not math.isfinite(at.best_loss):
        return "none yet"
    over = f" ({at.best_violation:.2f} past the limit)" if at.best_violation else ""
    return f"{at.best_loss:.2f}{over}"
