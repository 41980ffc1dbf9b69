"""The run directory: one writer, several readers.

Every file is written whole or not at all. After an interruption at any moment, kill -9 included, the
state file is the truth: what history.jsonl holds beyond it is dropped on resume and made again, the same.
"""

from __future__ import annotations

import hashlib
import io
import json
import tomllib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import tomli_w

from acculturate.errors import FailureError, UsageError
from acculturate.io import (
    is_leftover,
    json_text,
    lock_folder,
    remove_leftovers,
    write_bytes,
    write_text,
)
from acculturate.model.soft_prompt import SoftPrompt

State = dict[str, np.ndarray]

FILES = (
    "config.toml",
    "provenance.json",
    "history.jsonl",
    "best.safetensors",
    "state.npz",
    "evaluation/summary.json",
    "DONE.json",
)
"""What a finished run directory holds, in the order of its first writing."""

_OF_EARLIER_VERSIONS = ("stages", "reject")
"""Settings of version 0.1 that changed no result."""


@dataclass(frozen=True)
class Run:
    """A finished tuning.

    Attributes:
        directory: Where it is.
        soft_prompt: The best feasible candidate.
        outcome: What DONE.json holds.
        summary: What evaluation/summary.json holds: the rows of the result table.
    """

    directory: Path
    soft_prompt: SoftPrompt
    outcome: dict[str, Any]
    summary: dict[str, Any]

    @classmethod
    def load(cls, directory: str | Path) -> Run:
        """Reads a finished run.

        Raises:
            UsageError: There is no run, or it is not finished.
        """
        path = Path(directory)
        if not (path / "config.toml").is_file():
            raise UsageError(
                f"no run in {path}", "Give the directory that `acculturate tune` made."
            )
        if not (path / "DONE.json").is_file():
            raise UsageError(
                f"the run in {path} is not finished", "Repeat its tune command with --resume first."
            )
        return cls(
            path,
            SoftPrompt.load(path / "best.safetensors"),
            _read_json(path / "DONE.json"),
            _read_json(path / "evaluation" / "summary.json"),
        )


class RunDirectory:
    """The writer's side of a run directory; holds a lock while it is open.

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
        try:
            self._check(config, resume)
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FailureError(
                f"cannot make {self.path}: {error.strerror}", "Choose another --out."
            ) from error
        self._lock = lock_folder(self.path)
        self._config = tomli_w.dumps(dict(config)).encode()
        try:
            for name in FILES:
                remove_leftovers(self.path / name)
            if not (self.path / "config.toml").is_file():
                with _resumable():
                    write_bytes(self.path / "config.toml", self._config)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Lets another process write."""
        self._lock.release()

    @property
    def finished(self) -> bool:
        """Whether the run came to an end."""
        return (self.path / "DONE.json").is_file()

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes one JSON file."""
        with _resumable():
            write_text(self.path / name, json_text(value))

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Reads one JSON file, or None where it was not written yet."""
        return _read_json(self.path / name) if (self.path / name).is_file() else None

    def write_generation(
        self, history: list[dict[str, Any]], best: SoftPrompt, state: State
    ) -> None:
        """Writes a generation: history first, the state that makes it true last."""
        lines = "".join(json.dumps(line) + "\n" for line in history)
        whole = state | {"config": np.array(_hash(self._config)), "history": _text_hash(lines)}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, digest=_digest(whole), **whole)
        with _resumable():
            write_text(self.path / "history.jsonl", lines)
            best.save(self.path / "best.safetensors")
            write_bytes(self.path / "state.npz", buffer.getvalue())

    def write_best(self, best: SoftPrompt) -> None:
        """Writes the best soft prompt alone."""
        with _resumable():
            best.save(self.path / "best.safetensors")

    def read_state(self) -> tuple[State, list[dict[str, Any]]] | None:
        """The saved state and the history up to it, or None where no generation was finished.

        Raises:
            FailureError: The state or the history is damaged.
        """
        try:
            if not (self.path / "state.npz").is_file():
                if len(self._history_lines()) > 1:
                    raise ValueError("state.npz is missing")
                return None
            state = _read_arrays(self.path / "state.npz")
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
            return state, [json.loads(line) for line in lines]
        except (OSError, ValueError, KeyError) as error:
            raise FailureError(
                f"the state of the run in {self.path} is damaged: {error}",
                f"Its best prompt so far is still in {self.path / 'best.safetensors'}; to tune again, "
                "use another --out.",
            ) from error

    def _history_lines(self) -> list[str]:
        file = self.path / "history.jsonl"
        return file.read_text("utf-8").splitlines(keepends=True) if file.is_file() else []

    def _check(self, config: Mapping[str, Any], resume: bool) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is not a directory", "Choose another --out.")
        file = self.path / "config.toml"
        if not file.is_file():
            if self.path.is_dir() and not all(map(_is_trace, self.path.iterdir())):
                raise UsageError(
                    f"{self.path} holds files and no run", "Choose an empty or new directory."
                )
            return
        try:
            saved = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise FailureError(f"{file} is damaged: {error}", "Use another --out.") from error
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


def first_difference(
    saved: Mapping[str, Any], asked: Mapping[str, Any], at: str = ""
) -> str | None:
    """The first setting in which two configurations differ, in words, or None."""
    for key in [*saved, *(k for k in asked if k not in saved)]:
        name = f"{at}{key}"
        here, there = saved.get(key), asked.get(key)
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            inner = first_difference(here, there, f"{name}.")  # pyright: ignore[reportUnknownArgumentType]
            if inner:
                return inner
        elif here != there:
            return f"{name} is {_shown(here)} there and {_shown(there)} here"
    return None


def _shown(value: object) -> str:
    return "not set" if value is None else repr(value)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text("utf-8"))
        if not isinstance(read, dict):
            raise ValueError("it holds no object")
        return cast("dict[str, Any]", read)
    except (OSError, ValueError) as error:
        raise FailureError(
            f"{path} is missing or damaged: {error}", "Tune again with another --out."
        ) from error


def _read_arrays(file: Path) -> State:
    """Reads a file of arrays; a damaged one can make numpy raise anything."""
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as saved:
            return {name: saved[name] for name in saved.files}
    except Exception as error:
        raise ValueError(f"{file.name} cannot be read") from error


def _digest(state: State) -> np.ndarray:
    """A hash over every array, so that a changed file is not taken for the saved one."""
    parts = [
        f"{name} {array.dtype.str} {array.shape} {_hash(np.ascontiguousarray(array).tobytes())}"
        for name, array in sorted(state.items())
    ]
    return _text_hash("\n".join(parts))


def _text_hash(text: str) -> np.ndarray:
    return np.array(_hash(text.encode()))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_trace(path: Path) -> bool:
    """Whether a file is what a run leaves that was killed before it had written its settings."""
    return path.name == ".lock" or is_leftover(path, "config.toml")


@contextmanager
def _resumable() -> Generator[None]:
    """Adds to a failed writing how the run goes on."""
    try:
        yield
    except FailureError as error:
        raise FailureError(
            str(error), f"{error.hint} The same command with --resume goes on."
        ) from error
