"""The files under evaluation/, each made again only where something that it depends on has changed.

In: a folder. Out: the same folder with what was asked, and with what could not be asked and why.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from acculturate import progress
from acculturate.errors import AcculturateError, FailureError, WriteError
from acculturate.io import disk_is_full
from acculturate.record_files import write_record
from acculturate.runs.checks import Refusal, Refusals
from acculturate.runs.store import KINDS, REFUSED, read_if_there

T = TypeVar("T")


class Memo:
    """The files under evaluation/: what one holds for the same fingerprints is not asked again.

    Each check fails alone: `attempt` keeps its error by name and reason in refused.json, where the report
    finds it, and the next call tries it again.

    Args:
        folder: The files' folder.

    Attributes:
        computed: Names of the files that were made anew.
        refused: What failed since.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unexpected: Exception | None = None
        self.computed: list[str] = []
        self.refused: list[Refusal] = []

    @contextmanager
    def attempt(self, key: str, label: str) -> Generator[None]:
        """Let the body fail alone.

        An error that is not ours is kept too, and is raised by `finish`, after everything else.

        Args:
            key: See `Refusal`.
            label: In words.

        Raises:
            WriteError: A file cannot be written, so that nothing could be kept.
        """
        self.forget(key)
        try:
            yield
        except WriteError:
            raise
        except Exception as error:
            if disk_is_full(error):
                raise
            reason = str(error)
            if not isinstance(error, AcculturateError):
                reason = f"{type(error).__name__}: {reason}"
                self._unexpected = self._unexpected or error
            refusal = Refusal(key, label, reason)
            self.refused.append(refusal)
            self._write_refusals((*self._refusals(), refusal))
            progress.say(f"not asked: {label}: {reason}")

    def forget(self, key: str) -> None:
        """Forget earlier refusals of a key, and of its parts: "a:b" is one of "a"."""
        known = self._refusals()
        self._write_refusals([r for r in known if r.key != key and not r.key.startswith(f"{key}:")])

    def finish(self) -> None:
        """Raise the first error that was not ours."""
        if self._unexpected is not None:
            raise self._unexpected

    def _refusals(self) -> tuple[Refusal, ...]:
        record = self.read_record(REFUSED, Refusals)
        return record.refusals if record else ()

    def _write_refusals(self, refusals: Sequence[Refusal]) -> None:
        if refusals:
            self.write(REFUSED, Refusals(tuple(refusals)))
        else:
            (self._folder / f"{REFUSED}.json").unlink(missing_ok=True)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return the content of a file, or None where there is none that holds its record."""
        return self.read_record(name, dict) if self.read_record(name, KINDS[name]) else None

    def read_record(self, name: str, kind: type[T]) -> T | None:
        """Return the record of a file, or None where there is none that can be read."""
        try:
            return read_if_there(kind, self._folder / f"{name}.json")
        except FailureError:
            return None

    def write(self, name: str, record: Any, **fingerprints: str | None) -> None:
        """Write a file, unless it is there already, byte for byte."""
        write_record(self._folder / f"{name}.json", record, **fingerprints)

    def once(self, name: str, make: Callable[[], Any], **fingerprints: str | None) -> None:
        """Make a file, unless it is there with these fingerprints.

        Args:
            name: Of the file, without its ending.
            make: Returns the record.
            fingerprints: SHA-256 of all that the record depends on, by key; None where anything will do.
        """
        there = self.read(name) or {}
        if not all(mark is None or there.get(key) == mark for key, mark in fingerprints.items()):
            refused = len(self.refused)
            record = make()
            # Without its fingerprints a record that lacks a part is made again next time.
            self.write(name, record, **(fingerprints if len(self.refused) == refused else {}))
            self.note(name)

    def note(self, name: str) -> None:
        """Note that a file was made anew."""
        if name not in self.computed:
            self.computed.append(name)
