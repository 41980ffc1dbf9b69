"""Progress on standard error: bars on a terminal and in a notebook, plain lines elsewhere.

In: the tasks of `progress`. The command line shows them everywhere; a program of the user's own, where there is
somebody to see bars.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

from acculturate import progress
from acculturate.formatting import seconds_text, share_text
from acculturate.terminal import open_console

if TYPE_CHECKING:
    from rich.progress import Task as Row
    from rich.progress import TaskID

    from acculturate.experiment import Cell, ProgressListener
    from acculturate.progress import Task
    from acculturate.tuning import Progress

_SECONDS_A_LINE = 5.0
"""Between plain lines, at least."""


class _Left(ProgressColumn):
    """The time left, counting down between two changes."""

    max_refresh = 0.5

    def render(self, task: Row) -> Text:
        """See `ProgressColumn.render`."""
        seconds = task.fields["of"].seconds_left if task.fields["of"] else None
        if seconds is None:
            return Text("")
        minutes, seconds = divmod(round(seconds), 60)
        return Text(f"left {minutes // 60}:{minutes % 60:02}:{seconds:02}")


class _Percent(ProgressColumn):
    """The share done, where the amount is known."""

    def render(self, task: Row) -> Text:
        """See `ProgressColumn.render`."""
        return Text("" if task.total is None else f"{task.percentage:.0f}%")


class Bars:
    """Tasks as bars below each other, or as plain lines, at most one every few seconds.

    Args:
        lines: Whether to print plain lines.

    Attributes:
        lines: As above.
    """

    def __init__(self, lines: bool) -> None:
        self.lines, self._lock = lines, threading.RLock()
        self._bar: Bar | None = None
        self._shown: dict[object, TaskID] = {}
        self._printed = -_SECONDS_A_LINE
        self._line = ""
        self._noted: Task | None = None

    def start(self, task: Task) -> None:
        """See `Display.start`."""
        self.add(task, task.what, task.total, of=task)
        self._print(task)

    def change(self, task: Task) -> None:
        """See `Display.change`."""
        self.update(
            task, completed=task.done, total=task.total, description=task.what, note=task.note
        )
        self._print(task)

    def end(self, task: Task) -> None:
        """See `Display.end`. One with a result stays in sight."""
        self.remove(task, keep=bool(task.note))
        if task.note:
            self._print(task, last=True)

    def say(self, text: str, style: str = "") -> None:
        """See `Display.say`."""
        console = self._bar.console if self._bar else open_console(stderr=True)
        console.print(text, style=style, soft_wrap=True)

    def add(self, key: object, what: str, total: float | None, of: Task | None = None) -> None:
        """Add a bar."""
        with self._lock:
            if self._bar is None:
                columns = (
                    *(SpinnerColumn(), TextColumn("{task.description}", markup=False)),
                    *(BarColumn(bar_width=24), _Percent()),
                    *(
                        TextColumn("{task.fields[note]}", markup=False),
                        TimeElapsedColumn(),
                        _Left(),
                    ),
                )
                console = open_console(stderr=True)
                self._bar = Bar(*columns, console=console, disable=self.lines)
                self._bar.start()
            self._shown[key] = self._bar.add_task(what, total=total, note="", of=of)

    def update(self, key: object, **fields: object) -> None:
        """Change a bar."""
        with self._lock:
            if self._bar is not None and key in self._shown:
                self._bar.update(self._shown[key], **fields)  # pyright: ignore[reportArgumentType]

    def remove(self, key: object, keep: bool = False) -> None:
        """Remove a bar, or leave it as it is when all others are gone."""
        with self._lock:
            row = self._shown.pop(key, None)
            if self._bar is None or row is None:
                return
            self._bar.stop_task(row)
            self._bar.update(row, of=None)
            if not keep:
                self._bar.remove_task(row)
            if not self._shown:
                self._bar.stop()
                self._bar = None

    def _print(self, task: Task, last: bool = False) -> None:
        now, line = time.monotonic(), _line(task)
        waited = now - self._printed >= _SECONDS_A_LINE
        first_result = bool(task.note) and task is not self._noted
        said = last and line == self._line
        if self.lines and (last or waited or first_result) and not said:
            self._printed, self._line = now, line
            self._noted = task if task.note else self._noted
            self.say(line)


def show_progress(shown: bool = True) -> None:
    """Show progress while models are asked, which is the default on a terminal and in a notebook, or never.

    Args:
        shown: Whether to show it; elsewhere than on a terminal and in a notebook, as plain lines.
    """
    _bars.cache_clear()
    progress.show_on(partial(find_display, everywhere=True) if shown else lambda: None)


def find_display(everywhere: bool = False) -> Bars | None:
    """Return the display of this process.

    Args:
        everywhere: Whether to print plain lines where no bars can be seen.
    """
    console = open_console(stderr=True)
    bars = console.is_terminal and (not console.is_jupyter or find_spec("ipywidgets") is not None)
    return _bars(lines=not bars) if bars or everywhere or console.is_jupyter else None


@cache
def _bars(lines: bool) -> Bars:
    return Bars(lines)


@contextmanager
def experiment_bar(cells: int, budget: int) -> Generator[ProgressListener]:
    """Show every cell that runs, and all together with the time left.

    Args:
        cells: Number of cells.
        budget: Evaluations of a cell that searches.
    """
    bars = find_display(everywhere=True)
    assert bars is not None
    listener = _CellProgress(cells, budget, bars)
    try:
        yield listener
    finally:
        listener.close()


class _CellProgress:
    """A bar for every cell that runs, which goes away with it, and one over all."""

    def __init__(self, cells: int, budget: int, bars: Bars) -> None:
        self._bars, self._cells, self._budget = bars, cells, budget
        bars.add(self, "experiment", cells * budget)
        self._shown: set[Cell] = set()
        self._running: dict[Cell, Progress] = {}
        self._done = self._skipped = self._failed = 0
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Leave the bar over all cells as it is."""
        for cell in self._shown:
            self._bars.remove(cell)
        self._bars.remove(self, keep=True)

    def on_start(self, cell: Cell) -> None:
        with self._lock:
            if cell not in self._shown:  # else its worker died, and it goes on in another one
                self._shown.add(cell)
                self._bars.add(cell, cell.title, self._budget)
        self._print(cell, "starts")

    def on_step(self, cell: Cell, at: Progress) -> None:
        with self._lock:
            self._running[cell] = at
            self._bars.update(cell, completed=at.evaluations, note=at.text)
            self._show_all()

    def on_end(self, cell: Cell, error: str | None, before: bool) -> None:
        with self._lock:
            self._done += 1
            self._skipped += before
            self._failed += error is not None
            last = self._running.pop(cell, None)
            self._shown.discard(cell)
            self._bars.remove(cell)
            left = self._show_all()
        if error is not None:
            self._print(cell, f"failed again: {error}", "bold red", beside_bar=True)
        elif not before:
            best = last and f": {last.text}"
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
        self._bars.update(
            self, completed=completed, note=f"{self._done}/{self._cells} cells{failed}{left}"
        )
        return left

    def _print(self, cell: Cell, text: str, style: str = "", beside_bar: bool = False) -> None:
        if beside_bar or self._bars.lines:
            self._bars.say(f"[{self._done}/{self._cells}] {cell.title}: {text}", style)


def _line(task: Task) -> str:
    """Return a task as a plain line."""
    parts = [task.what]
    if task.note:
        parts.append(task.note)
    elif task.total and task.done:
        parts.append(share_text(task.done / task.total))
    if task.seconds >= 1:
        parts.append(f"{seconds_text(task.seconds)} spent")
    if left := task.seconds_left:
        parts.append(f"about {seconds_text(left)} left")
    return ", ".join(parts)
