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

from acculturate.display import open_console, say
from acculturate.formatting import loss_text, seconds_text

if TYPE_CHECKING:
    from rich.progress import TaskID

    from acculturate.experiment import Cell, ProgressListener
    from acculturate.tuning import Progress


@contextmanager
def step(what: str) -> Generator[Callable[[str], None]]:
    """Show a spinner with the time spent, while something slow of unknown length happens."""
    with _bar(SpinnerColumn(), _text("description"), TimeElapsedColumn(), transient=True) as bar:
        if bar is None:
            yield say
            return
        task = bar.add_task(what)
        yield lambda text: bar.update(task, description=text)


@contextmanager
def progress_bar(budget: int) -> Generator[Callable[[Progress], None]]:
    """Show a bar over the budget with the best loss; plain lines where there is no terminal."""
    time_left = TextColumn("left"), TimeRemainingColumn()
    columns = MofNCompleteColumn(), _text("fields[state]"), TimeElapsedColumn(), *time_left
    with _bar(TextColumn("tuning"), BarColumn(), *columns) as bar:
        if bar is None:
            yield lambda at: say(_progress_line(at))
            return
        task = bar.add_task("tuning", total=budget, state="best loss -")
        yield lambda at: bar.update(task, completed=at.evaluations, state=_best(at))


@contextmanager
def question_bar() -> Generator[Callable[[str, int, int], None]]:
    """Show a bar for each benchmark and method in turn; a line for each where there is no terminal."""
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn()
    with _bar(_text("description"), *columns, transient=True) as bar:
        task = None if bar is None else bar.add_task("benchmarks", total=None)

        def show(what: str, done: int, whole: int) -> None:
            if bar is None or task is None:
                if done == 0:
                    say(f"asking {whole} forms: {what}")
                return
            if done == 0:
                bar.reset(task, total=whole, description=what)
            bar.update(task, completed=done)

        yield show


@contextmanager
def experiment_bar(cells: int, budget: int) -> Generator[ProgressListener]:
    """Show a bar for every cell that runs, and one over all with the time left, or lines.

    Args:
        cells: How many there are.
        budget: Evaluations of one that searches.
    """
    with _bar(_text("description"), BarColumn(bar_width=24), _text("fields[state]")) as bar:
        yield _Cells(cells, budget, bar)


class _Cells:
    """The progress of an experiment: bars that go away with their cells, or a line at their ends."""

    def __init__(self, cells: int, budget: int, bar: Bar | None) -> None:
        self._cells, self._budget, self._bar = cells, budget, bar
        self._all = bar and bar.add_task("experiment", total=cells * budget, state="")
        self._running: dict[Cell, TaskID] = {}
        self._at: dict[Cell, Progress] = {}
        self._done = self._skipped = self._failed = 0
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def on_start(self, cell: Cell) -> None:
        if self._bar is None:
            self._say(cell, "starts")
            return
        with self._lock:
            if cell not in self._running:  # else its worker died, and it goes on in another one
                self._running[cell] = self._bar.add_task(cell.title, total=self._budget, state="")

    def on_step(self, cell: Cell, at: Progress) -> None:
        with self._lock:
            self._at[cell] = at
            if self._bar is not None:
                state = f"{at.evaluations}/{at.budget}, {_best(at)}"
                self._bar.update(self._running[cell], completed=at.evaluations, state=state)
            self._show()

    def on_end(self, cell: Cell, error: str | None, before: bool) -> None:
        with self._lock:
            self._done += 1
            self._skipped += before
            self._failed += error is not None
            at = self._at.pop(cell, None)
            if self._bar is not None and cell in self._running:
                self._bar.remove_task(self._running.pop(cell))
            self._show()
        if error is not None:
            self._say(cell, f"failed again: {error}", "bold red")
        elif self._bar is None and not before:
            best = "" if at is None else f": {_best(at)} after {at.evaluations} evaluations"
            self._say(cell, f"done{best}{self._left()}")

    def on_retry(self, cell: Cell, error: str) -> None:
        self._say(cell, f"failed and is tried again: {error}")

    def _say(self, cell: Cell, text: str, style: str = "") -> None:
        if self._bar is None:
            say(f"[{self._done}/{self._cells}] {cell.title}: {text}")
        else:
            self._bar.console.print(f"{cell.title} {text}", style=style)

    def _show(self) -> None:
        if self._bar is None or self._all is None:
            return
        state = f"{self._done}/{self._cells} cells"
        if self._failed:
            state += f", {self._failed} failed"
        self._bar.update(self._all, completed=self._evaluations(), state=state + self._left())

    def _evaluations(self) -> int:
        return self._done * self._budget + sum(at.evaluations for at in self._at.values())

    def _left(self) -> str:
        here, whole = self._evaluations(), self._cells * self._budget
        made = here - self._skipped * self._budget
        if made <= 0 or here >= whole:
            return ""
        left = (time.monotonic() - self._began) / made * (whole - here)
        return f", about {seconds_text(left)} left"


@contextmanager
def _bar(*columns: ProgressColumn, transient: bool = False) -> Generator[Bar | None]:
    """Open a bar, or None where there is no terminal."""
    terminal = open_console(stderr=True)
    if not terminal.is_terminal:
        yield None
        return
    with Bar(*columns, console=terminal, transient=transient) as bar:
        yield bar


def _text(field: str) -> TextColumn:
    return TextColumn(f"{{task.{field}}}", markup=False)


def _progress_line(at: Progress) -> str:
    left = at.seconds / at.evaluations * (at.budget - at.evaluations)
    return (
        f"{at.evaluations}/{at.budget} evaluations, {_best(at)}, "
        f"{at.seconds:.0f} s spent, about {left:.0f} s left"
    )


def _best(at: Progress) -> str:
    loss = loss_text(at.best_loss, 2) if math.isfinite(at.best_loss) else "none yet"
    return f"best loss {loss}" + (
        f" ({at.best_violation:.2f} past the limit)" if at.best_violation else ""
    )
