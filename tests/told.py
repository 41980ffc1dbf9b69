"""A display that keeps what it is told."""

from __future__ import annotations

from acculturate.progress import Task


class Told:
    """A `Display` for tests: what began, every state in between, how far each came, and what was said."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.changed: list[str] = []
        self.notes: list[str] = []
        self.ended: list[tuple[str, float, float | None]] = []
        self.said: list[str] = []

    def start(self, task: Task) -> None:
        self.began.append(task.what)

    def change(self, task: Task) -> None:
        self.changed.append(task.what)
        self.notes.append(task.note)
        assert task.total is None or 0 <= task.done <= task.total

    def end(self, task: Task) -> None:
        self.ended.append((task.what, task.done, task.total))

    def say(self, text: str) -> None:
        self.said.append(text)
