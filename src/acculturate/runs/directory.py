"""The writer's side of a run directory.

Every file is written whole or not at all. After an interruption at any moment, kill -9 included, the
state file is the truth: what history.jsonl holds beyond it is dropped on resume and made again, the same.
"""

from __future__ import annotations

import hashlib
import io
import json
import tomllib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import tomli_w
from filelock import BaseFileLock

from acculturate.errors import FailureError, UsageError
from acculturate.io import is_leftover, lock_folder, remove_leftovers, write_bytes
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.record_files import parse_json, parse_record, write_record
from acculturate.runs.records import Generation as HistoryLine
from acculturate.runs.store import BEST, CONFIG, DONE, HISTORY, PROVENANCE, STATE, SUMMARY

State = dict[str, np.ndarray]

FILES = (CONFIG, PROVENANCE, HISTORY, BEST, STATE, SUMMARY, DONE)
"""The files of a finished run directory, in the order of their first writing."""

_OF_EARLIER_VERSIONS = ("stages", "reject")
"""Settings of version 0.1 that changed no result."""


class RunDirectory:
    """A run directory to write to; holds a lock while it is open.

    Args:
        path: The directory; made where it is missing.
        config: The effective settings.
        resume: Whether to go on with what is there.

    Raises:
        UsageError: It holds a run and `resume` was not asked for, or a run of another configuration,
            or another process is writing to it.
        FailureError: It cannot be written.
    """

    def __init__(self, path: str | Path, config: Mapping[str, Any], *, resume: bool) -> None:
        self.path = Path(path)
        saved, self._lock = open_directory(self.path, CONFIG, "run")
        self._config = tomli_w.dumps(dict(config)).encode()
        try:
            if saved is not None:
                self._check(saved, config, resume)
            for name in FILES:
                remove_leftovers(self.path / name)
            if not (self.path / CONFIG).is_file():
                with _resumable():
                    write_bytes(self.path / CONFIG, self._config)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process write."""
        self._lock.release()

    @property
    def finished(self) -> bool:
        """Whether the run came to an end."""
        return (self.path / DONE).is_file()

    def write_record(self, name: str, record: Any) -> None:
        """Write a record as a JSON file."""
        with _resumable():
            write_record(self.path / name, record)

    def write_generation(
        self, history: Sequence[HistoryLine], best: SoftPrompt, state: State
    ) -> None:
        """Write a generation: history first, the state that makes it true last."""
        lines = "".join(json.dumps(vars(line), allow_nan=False) + "\n" for line in history)
        whole = state | {"config": np.array(_hash(self._config)), "history": _text_hash(lines)}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, digest=_digest(whole), **whole)
        with _resumable():
            write_bytes(self.path / HISTORY, lines.encode())
            best.save(self.path / BEST)
            write_bytes(self.path / STATE, buffer.getvalue())

    def write_best(self, best: SoftPrompt) -> None:
        """Write the best soft prompt alone."""
        with _resumable():
            best.save(self.path / BEST)

    def read_state(self) -> tuple[State, list[HistoryLine]] | None:
        """Return the saved state and the history up to it, or None where no generation was finished.

        Raises:
            FailureError: The state or the history is damaged.
        """
        try:
            if not (self.path / STATE).is_file():
                if len(self._history_lines()) > 1:
                    raise ValueError("state.npz is missing")
                return None
            state = _read_arrays(self.path / STATE)
            if str(state.pop("digest", "")) != str(_digest(state)):
                raise ValueError("state.npz was changed")
            if str(state.pop("config")) != _hash(self._config):
                raise ValueError("state.npz belongs to another configuration")
            generations = int(state["generation"])
            lines = self._history_lines()[:generations]
            if len(lines) != generations:
                raise ValueError(f"history.jsonl has {len(lines)} of {generations} generations")
            if str(state.pop("history")) != str(_text_hash("".join(lines))):
                raise ValueError("history.jsonl was changed")
        except (OSError, ValueError, KeyError) as error:
            raise FailureError(
                f"the state of the run in {self.path} is damaged: {error}",
                f"Its best prompt so far is still in {self.path / BEST}; to tune again, use another "
                "--out.",
            ) from error
        file = self.path / HISTORY
        return state, [parse_record(HistoryLine, parse_json(line, file), file) for line in lines]

    def _history_lines(self) -> list[str]:
        file = self.path / HISTORY
        return file.read_text("utf-8").splitlines(keepends=True) if file.is_file() else []

    def _check(self, saved: Mapping[str, Any], config: Mapping[str, Any], resume: bool) -> None:
        """Check that the directory holds the run that is asked for."""
        search = saved.get("search", {})
        earlier = [search.pop(name) for name in _OF_EARLIER_VERSIONS if name in search]
        difference = first_difference(saved, config)
        if difference:
            raise UsageError(
                f"{self.path} holds a run of another configuration: {difference}",
                "Use another --out, or the settings of that run to go on with it.",
            )
        if earlier and not self.finished:
            raise UsageError(
                f"the run in {self.path} was begun by acculturate 0.1, whose state cannot be read",
                "Use another --out, or finish it with that version.",
            )
        if not resume:
            raise UsageError(
                f"{self.path} already holds this run",
                "Add --resume to go on, or use another --out.",
            )


def open_directory(path: Path, file: str, what: str) -> tuple[dict[str, Any] | None, BaseFileLock]:
    """Lock a directory that is new or holds what its settings say.

    Args:
        path: The directory; made where it is missing.
        file: Name of the file with its settings.
        what: Kind of the directory, for messages: "run" or "experiment".

    Returns:
        The settings saved in it, or None where it is new, and the lock.

    Raises:
        UsageError: It holds something else, or another process is writing to it.
        FailureError: It cannot be written, or its settings are damaged.
    """
    try:
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is not a directory", "Choose another --out.")
        is_new = not (path / file).is_file()
        # A process that was killed before it had written the settings leaves these.
        left = [p.name == ".lock" or is_leftover(p, file) for p in path.glob("*") if is_new]
        if not all(left):
            raise UsageError(
                f"{path} holds files and no {what}", "Choose an empty or new directory."
            )
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FailureError(
            f"cannot make {path}: {error.strerror}", "Choose another --out."
        ) from error
    lock = lock_folder(path)
    try:
        return None if is_new else tomllib.loads((path / file).read_text("utf-8")), lock
    except (OSError, ValueError) as error:
        lock.release()
        raise FailureError(f"{path / file} is damaged: {error}", "Use another --out.") from error


def first_difference(
    saved: Mapping[str, Any], asked: Mapping[str, Any], at: str = ""
) -> str | None:
    """Return the first setting in which two configurations differ, in words, or None."""
    for key in [*saved, *(k for k in asked if k not in saved)]:
        name = f"{at}{key}"
        there, here = saved.get(key), asked.get(key)
        if isinstance(there, Mapping) and isinstance(here, Mapping):
            inner = first_difference(
                cast("Mapping[str, Any]", there), cast("Mapping[str, Any]", here), f"{name}."
            )
            if inner:
                return inner
        elif there != here:
            shown = ["not set" if value is None else repr(value) for value in (there, here)]
            return f"{name} is {shown[0]} there and {shown[1]} here"
    return None


def _read_arrays(file: Path) -> State:
    """Read a file of arrays; a damaged one can make numpy raise anything."""
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as saved:
            return {name: saved[name] for name in saved.files}
    except Exception as error:
        raise ValueError(f"{file.name} cannot be read") from error


def _digest(state: State) -> np.ndarray:
    """Return a hash over every array, so that a changed file is not taken for the saved one."""
    parts = [
        f"{name} {array.dtype.str} {array.shape} {_hash(np.ascontiguousarray(array).tobytes())}"
        for name, array in sorted(state.items())
    ]
    return _text_hash("\n".join(parts))


def _text_hash(text: str) -> np.ndarray:
    return np.array(_hash(text.encode()))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _resumable() -> Generator[None]:
    """Add to a failed writing how the run goes on."""
    try:
        yield
    except FailureError as error:
        raise FailureError(
            str(error), f"{error.hint} The same command with --resume goes on."
        ) from error
