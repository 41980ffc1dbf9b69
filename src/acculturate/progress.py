"""Progress of slow work: the work says how much there is and how far it is, a display shows it if there is one.

    with task("asking 96 forms", total=96):
        ...
        advance(12)

A task is work of one kind, so that the time left follows from its own speed. What a model is asked counts by
itself, see `acculturate.model.asking`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

_TELLING, _WARM = 0.05, 30.0
"""Share of the work, or seconds, before which its speed says nothing: the first step loads and compiles."""


class Task:
    """A piece of work.

    Args:
        what: The work, in words.
        total: Its amount; None where nobody knows.
        parent: The task that it is a part of.

    Attributes:
        what: As above.
        total: As above.
        done: Amount done so far.
        free: Part of it that took no work.
        note: A result so far, such as a loss; empty for none.
        display: The display that shows it, or None.
    """

    def __init__(self, what: str, total: float | None, parent: Task | None = None) -> None:
        self.what, self.total, self.note = what, total, ""
        self.done = self.free = 0.0
        self.display = parent.display if parent else _place.find()
        self._began = self._changed = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time since it began."""
        return time.monotonic() - self._began

    @property
    def seconds_left(self) -> float | None:
        """Time left at the speed so far; None where that is not known yet, as at a slow first step."""
        worked = self.done - self.free
        if self.total is None or worked <= 0:
            return None
        if worked < _TELLING * self.total and self.seconds < _WARM:
            return None
        pace = (self._changed - self._began) / worked
        return max(0.0, pace * (self.total - self.done) - (time.monotonic() - self._changed))

    def rename(self, what: str) -> None:
        """Say what is being done now."""
        self.what = what
        self.reach(self.done)

    def reach(self, done: float, note: str | None = None) -> None:
        """Say how much is done, and perhaps a result so far."""
        self.done, self._changed = done, time.monotonic()
        self.note = self.note if note is None else note
        if self.display is not None:
            self.display.change(self)


class Display(Protocol):
    """A place where tasks are shown."""

    def start(self, task: Task) -> None:
        """Show a new task."""
        ...

    def change(self, task: Task) -> None:
        """Show how far a task is."""
        ...

    def end(self, task: Task) -> None:
        """Take a task away."""
        ...

    def say(self, text: str) -> None:
        """Show a sentence that stays."""
        ...


_current: ContextVar[Task | None] = ContextVar("task", default=None)


class _Place:
    def __init__(self) -> None:
        self.find: Callable[[], Display | None] = lambda: None


_place = _Place()


def show_on(find: Callable[[], Display | None]) -> None:
    """Set where tasks are shown from now on; the display is looked for when there is something to show."""
    _place.find = find


@contextmanager
def task(what: str, total: float | None = None) -> Generator[Task]:
    """Show a piece of work while the body does it."""
    current = Task(what, total, _current.get())
    before = _current.set(current)
    try:
        if current.display is not None:
            current.display.start(current)
        yield current
    finally:
        _current.reset(before)
        if current.display is not None:
            current.display.end(current)


def current_task() -> Task | None:
    """Return the task that is being done, or None."""
    return _current.get()


def advance(amount: float) -> None:
    """Count an amount of the current task as done; nothing where there is none, or none of known total."""
    current = _current.get()
    if current is not None and current.total is not None:
        current.reach(min(current.total, current.done + amount))


def skip(amount: float) -> None:
    """Count an amount of the current task as done that took no work, such as an answer that was known."""
    current = _current.get()
    if current is not None and current.total is not None:
        current.free += amount
        current.reach(min(current.total, current.done + amount))


def say(text: str) -> None:
    """Show a sentence beside the tasks."""
    current = _current.get()
    display = current.display if current else _place.find()
    if display is not None:
        display.say(text)
