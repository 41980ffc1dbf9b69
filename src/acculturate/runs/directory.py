"""The writer's side of a run directory.

Every file is written whole or not at all. After an interruption at any moment, kill -9 included, the
state file is the truth: what history.jsonl holds beyond it is dropped on resume and made again, the same.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import tomli_w

from acculturate.errors import AcculturateError, FailureError, UsageError, WriteError
from acculturate.io import (
    fingerprint,
    is_leftover,
    lock_folder,
    remove_leftovers,
    write_bytes,
    write_text,
)
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.record_files import (
    dump_arrays,
    parse_json,
    parse_record,
    read_arrays,
    read_toml,
    write_record,
)
from acculturate.runs.results import Generation as HistoryLine
from acculturate.runs.store import (
    ANSWERS,
    BEST,
    CONFIG,
    CONTENT,
    DONE,
    GUARD,
    HISTORY,
    PROVENANCE,
    STATE,
    SUMMARY,
)

State = dict[str, np.ndarray]

FILES = (CONFIG, PROVENANCE, GUARD, CONTENT, HISTORY, BEST, STATE, SUMMARY, DONE)
"""The files of a finished run directory, in the order of their first writing."""

_OF_EARLIER_VERSIONS = {"stages", "reject"}
"""Settings of version 0.1 that changed no result."""


@dataclass(frozen=True)
class RunDirectory:
    """A run directory to write to, as `open_run` gives it.

    Attributes:
        path: The directory.
        config: Text of its config.toml.
    """

    path: Path
    config: str

    @property
    def finished(self) -> bool:
        """Return whether the run came to an end, with its result table."""
        return all((self.path / name).is_file() for name in (SUMMARY, DONE))

    def write_record(self, name: str, record: Any) -> None:
        """Write a record as a JSON file."""
        write_record(self.path / name, record)

    def write_generation(
        self, history: Sequence[HistoryLine], best: SoftPrompt, state: State
    ) -> None:
        """Write a generation: history first, the state that makes it true last."""
        lines = "".join(json.dumps(vars(line), allow_nan=False) + "\n" for line in history)
        marks = {"config": fingerprint(self.config), "history": fingerprint(lines)}
        whole = state | {name: np.array(mark) for name, mark in marks.items()}
        write_text(self.path / HISTORY, lines)
        best.save(self.path / BEST)
        write_bytes(self.path / STATE, dump_arrays(whole | {"digest": np.array(_digest(whole))}))

    def write_best(self, best: SoftPrompt) -> None:
        """Write the best soft prompt alone."""
        best.save(self.path / BEST)

    def read_state(self) -> tuple[State, list[HistoryLine]] | None:
        """Return the saved state and the history up to it, or None where no generation was finished.

        Raises:
            FailureError: The state or the history is damaged.
        """
        with self.naming_state():
            if not (self.path / STATE).is_file():
                if len(self._history_lines()) > 1:
                    raise ValueError("state.npz is missing")
                return None
            state = read_arrays(self.path / STATE)
            if str(state.pop("digest", "")) != _digest(state):
                raise ValueError("state.npz was changed")
            if str(state.pop("config")) != fingerprint(self.config):
                raise ValueError("state.npz belongs to another configuration")
            generations = int(state["generation"])
            lines = self._history_lines()[:generations]
            if len(lines) != generations:
                raise ValueError(f"history.jsonl has {len(lines)} of {generations} generations")
            if str(state.pop("history")) != fingerprint("".join(lines)):
                raise ValueError("history.jsonl was changed")
        file = self.path / HISTORY
        return state, [parse_record(HistoryLine, parse_json(line, file), file) for line in lines]

    @contextmanager
    def naming_state(self) -> Generator[None]:
        """Say of an error in the body that the saved state is damaged, or of another version.

        Raises:
            FailureError: Instead of that error.
        """
        try:
            yield
        except (OSError, ValueError, TypeError, KeyError, AcculturateError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else error
            raise FailureError(
                f"the state of the run, {self.path / STATE}, is damaged or of another version: {why}",
                f"Its best prompt so far is still in {self.path / BEST}; to tune again, use another "
                "--out.",
            ) from error

    def _history_lines(self) -> list[str]:
        file = self.path / HISTORY
        return file.read_text("utf-8").splitlines(keepends=True) if file.is_file() else []


@contextmanager
def open_run(
    path: str | Path, config: Mapping[str, Any], *, resume: bool
) -> Generator[RunDirectory]:
    """Hold a run directory to write to.

    Args:
        path: The directory; made where it is missing.
        config: The effective settings.
        resume: Whether to go on with what is there.

    Raises:
        UsageError: It holds a run and `resume` was not asked for, or another run, or another process is
            writing to it.
        FailureError: It cannot be written.
    """
    directory = RunDirectory(Path(path), tomli_w.dumps(dict(config)))
    try:
        with open_directory(directory.path, CONFIG, "run", directory.config) as saved:
            if set(saved.get("search", ())) & _OF_EARLIER_VERSIONS and not directory.finished:
                raise UsageError(
                    f"the run in {path} was begun by acculturate 0.1, whose state cannot be read",
                    "Use another --out, or finish it with that version.",
                )
            if saved and not resume:
                raise UsageError(
                    f"{path} already holds this run", "Add --resume to go on, or use another --out."
                )
            for name in FILES:
                remove_leftovers(directory.path / name)
            try:
                yield directory
            except UsageError:
                # Before its first generation: the mended request may use the same directory.
                if not (directory.path / STATE).is_file():
                    for name in (CONFIG, PROVENANCE, GUARD, CONTENT, ANSWERS):
                        (directory.path / name).unlink(missing_ok=True)
                    with suppress(OSError):  # where it holds anything else
                        (directory.path / CONTENT).parent.rmdir()
                raise
    except WriteError as error:
        raise FailureError(
            str(error), f"{error.hint} The same command with --resume goes on."
        ) from error


@contextmanager
def open_directory(path: Path, file: str, what: str, settings: str) -> Generator[dict[str, Any]]:
    """Hold a directory that is new or was made with the same settings, and write these where it is new.

    Args:
        path: The directory; made where it is missing.
        file: Name of the file with its settings.
        what: Kind of the directory, for messages: "run" or "experiment".
        settings: The settings, as TOML.

    Yields:
        The settings that were saved in it; empty where it is new.

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
    with lock_folder(path):
        remove_leftovers(path / file)
        saved = {} if is_new else read_toml(path / file)
        difference = None if is_new else _first_difference(saved, tomllib.loads(settings))
        if difference:
            raise UsageError(
                f"{path} holds another {what}: {difference}",
                f"Use another --out, or the settings of that {what} to go on with it.",
            )
        if is_new:
            write_text(path / file, settings)
        yield saved


def _first_difference(saved: dict[str, Any], asked: dict[str, Any], at: str = "") -> str | None:
    """Return the first setting in which two configurations differ, in words, or None."""
    for key in [key for key in saved | asked if key not in _OF_EARLIER_VERSIONS]:
        name = f"{at}{key}"
        there, here = saved.get(key), asked.get(key)
        if isinstance(there, dict) and isinstance(here, dict):
            tables = cast("dict[str, Any]", there), cast("dict[str, Any]", here)
            if inner := _first_difference(*tables, f"{name}."):
                return inner
        elif there != here:
            shown = ["not set" if value is None else repr(value) for value in (there, here)]
            return f"{name} is {shown[0]} there and {shown[1]} here"
    return None


def _digest(state: State) -> str:
    """Return a hash over every array, so that a changed file is not taken for the saved one."""
    digest = hashlib.sha256()
    for name, array in sorted(state.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()
