"""The run directory: one writer, several readers.

Every file is written whole or not at all. After an interruption at any moment, kill -9 included, the
state file is the truth: what history.jsonl holds beyond it is dropped on resume and made again, the same.
"""

from __future__ import annotations

import hashlib
import io
import json
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import tomli_w

from acculturate.errors import FailureError, UsageError
from acculturate.files import write_bytes, write_text
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.tuning.config import first_difference

State = dict[str, np.ndarray]


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
        self._check(config, resume)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FailureError(
                f"cannot make {self.path}: {error.strerror}", "Choose another --out."
            ) from error
        self._lock = _lock(self.path / ".lock")
        self._config = tomli_w.dumps(dict(config)).encode()
        if not (self.path / "config.toml").is_file():
            write_bytes(self.path / "config.toml", self._config)

    def close(self) -> None:
        """Lets another process write."""
        self._lock.close()

    @property
    def finished(self) -> bool:
        """Whether the run came to an end."""
        return (self.path / "DONE.json").is_file()

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes one JSON file."""
        write_text(self.path / name, json.dumps(value, indent=1, ensure_ascii=False) + "\n")

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Reads one JSON file, or None where it was not written yet."""
        return _read_json(self.path / name) if (self.path / name).is_file() else None

    def write_generation(
        self, history: list[dict[str, Any]], best: SoftPrompt, state: State
    ) -> None:
        """Writes a generation: history first, the state that makes it true last."""
        lines = "".join(json.dumps(line) + "\n" for line in history)
        write_text(self.path / "history.jsonl", lines)
        best.save(self.path / "best.safetensors")
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, config=np.array(self._config_hash()), **state)
        write_bytes(self.path / "state.npz", buffer.getvalue())

    def read_state(self) -> tuple[State, list[dict[str, Any]]] | None:
        """The saved state and the history up to it, or None where no generation was finished.

        Raises:
            FailureError: The state or the history is damaged.
        """
        file = self.path / "state.npz"
        if not file.is_file():
            return None
        try:
            with np.load(file, allow_pickle=False) as saved:
                state = {name: saved[name] for name in saved.files}
            generations = int(state["generation"])
            if str(state.pop("config")) != self._config_hash():
                raise ValueError("it belongs to another configuration")
            lines = (self.path / "history.jsonl").read_text().splitlines()[:generations]
            history = [json.loads(line) for line in lines]
            if len(history) != generations:
                raise ValueError(f"the history has {len(history)} of {generations} generations")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise FailureError(
                f"the state of the run in {self.path} is damaged: {error}",
                f"Its best prompt so far is still in {self.path / 'best.safetensors'}; to tune again, "
                "use another --out.",
            ) from error
        return state, history

    def _config_hash(self) -> str:
        return hashlib.sha256(self._config).hexdigest()

    def _check(self, config: Mapping[str, Any], resume: bool) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is not a directory", "Choose another --out.")
        file = self.path / "config.toml"
        if not file.is_file():
            if self.path.is_dir() and any(p.name != ".lock" for p in self.path.iterdir()):
                raise UsageError(
                    f"{self.path} holds files and no run", "Choose an empty or new directory."
                )
            return
        try:
            saved = tomllib.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise FailureError(f"{file} is damaged: {error}", "Use another --out.") from error
        difference = first_difference(saved, config)
        if difference:
            raise UsageError(
                f"{self.path} holds a run of another configuration: {difference}",
                "Use another --out, or the settings of that run to go on with it.",
            )
        if not resume:
            raise UsageError(
                f"{self.path} already holds this run",
                "Add --resume to go on, or use another --out.",
            )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise FailureError(f"{path} is missing or damaged: {error}") from error


def _lock(path: Path) -> IO[str]:
    """An exclusive lock that the system lets go of when the process ends, however it ends."""
    try:
        file = path.open("w")
    except OSError as error:
        raise FailureError(
            f"cannot write {path}: {error.strerror}", "Choose another --out."
        ) from error
    try:
        import fcntl
    except ImportError:  # Windows has no flock; two writers there are the user's to avoid
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise UsageError(
            f"another process is writing to {path.parent}", "Wait for it, or use another --out."
        ) from error
    return file
