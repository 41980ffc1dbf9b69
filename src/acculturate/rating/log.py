"""Ratings as they come in: one JSON record a line, appended and on the disk before it counts.

In: a folder, and what raters judged. Out: every judgement ever made, the last one of each pair valid. Nothing
is ever changed: who goes back and judges anew adds a line.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from acculturate.errors import WriteError
from acculturate.io import disk_is_full
from acculturate.rating.folder import RATINGS
from acculturate.record_files import read_records

Side = Literal["left", "right", "tie"]
Marked = Literal["none", "left", "right", "both"]


@dataclass(frozen=True)
class Rating:
    """A rater's judgement of a pair.

    Attributes:
        pair: Its id.
        again: Whether the rater sees it for the second time, with the sides swapped.
        first_left: Whether the pair's first answer stood left.
        typical: The answer that is more typical of the country.
        better: The one that is better written.
        marked: The ones that are stereotyped or offensive.
        reason: In the rater's words; mostly empty.
    """

    pair: str
    again: bool
    first_left: bool
    typical: Side
    better: Side
    marked: Marked
    reason: str = ""


@dataclass(frozen=True)
class Event:
    """A line of the log.

    Attributes:
        time: In UTC, ISO 8601.
        rater: A code.
        window: Drawn by the rater's browser; another one is another browser.
        rating: None where the rater came, or came back.
    """

    time: str
    rater: str
    window: str
    rating: Rating | None = None


class RatingLog:
    """The log of a folder, for its one writer; any thread may append.

    Args:
        folder: The folder, which the caller holds locked.

    Attributes:
        events: All of them, oldest first.

    Raises:
        FailureError: A line is damaged.
        WriteError: The file cannot be opened to write.
    """

    def __init__(self, folder: Path) -> None:
        self._path, self._lock = folder / RATINGS, threading.Lock()
        self.events = list(read_events(folder))
        try:
            self._file = self._path.open("ab", buffering=0)
            self._size = self._path.read_bytes().rfind(b"\n") + 1
            self._file.truncate(self._size)  # what a kill cut off was never confirmed
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def append(self, event: Event) -> None:
        """Append an event; it is on the disk when this returns.

        Raises:
            WriteError: The disk is full, say; the log is as it was before.
        """
        line = json.dumps(asdict(event)).encode() + b"\n"
        with self._lock:
            try:
                written = self._file.write(line)
                if written != len(line):
                    self._file.write(line[written:])  # says why it cannot
                os.fsync(self._file.fileno())
            except OSError as error:
                self._file.truncate(self._size)
                raise cannot_write(self._path, error) from error
            self._size += len(line)
            self.events.append(event)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_events(folder: Path) -> tuple[Event, ...]:
    """Read the log of a folder, oldest first; a last line that is not whole was never confirmed.

    Raises:
        FailureError: A line is damaged.
    """
    return read_records(Event, folder / RATINGS, growing=True)


def last_ratings(events: Iterable[Event]) -> dict[tuple[str, str, bool], Event]:
    """Return the valid judgements, the last of each rater, pair and time of seeing it."""
    last: dict[tuple[str, str, bool], Event] = {}
    for event in events:
        if event.rating is not None:
            last[event.rater, event.rating.pair, event.rating.again] = event
    return last


def shared_codes(events: Iterable[Event]) -> tuple[str, ...]:
    """Return the codes under which two browsers rated by turns: probably two people."""
    windows: dict[str, list[str]] = {}
    for event in events:
        seen = windows.setdefault(event.rater, [])
        if event.rating is not None and event.window not in seen[-1:]:
            seen.append(event.window)
    return tuple(code for code, seen in windows.items() if len(seen) > len(set(seen)))


def cannot_write(path: Path, error: OSError) -> WriteError:
    """Return the message that a file cannot be added to."""
    why = "the disk is full" if disk_is_full(error) else error.strerror or error
    return WriteError(
        f"cannot write {path}: {why}",
        "Make space or check its permissions; what was written before is intact.",
    )
