"""The files under evaluation/ in a run directory: who may write them, and how they are read and written.

In: a finished run. Out: its parts, one JSON file each, whole or not at all. What a part says is not known
here.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from acculturate.errors import FailureError, UsageError
from acculturate.io import json_text, remove_leftovers, write_text
from acculturate.model.answers import AnswerModel
from acculturate.runs.directory import RunDirectory


def read_part(directory: Path, name: str) -> dict[str, Any] | None:
    """A part, or None where there is none that can be read: it is then made anew."""
    return _read(_path(directory, name))


def write_part(directory: Path, name: str, value: Mapping[str, Any]) -> None:
    """Writes a part, unless it is there already, byte for byte.

    Raises:
        FailureError: It cannot be written.
    """
    content, path = json_text(value), _path(directory, name)
    remove_leftovers(path)
    if not path.is_file() or path.read_text("utf-8") != content:
        write_text(path, content)


@contextmanager
def writing(directory: Path) -> Generator[None]:
    """Holds the run directory's lock: it has one writer.

    Raises:
        UsageError: Another process is writing to it.
        FailureError: The run's settings are damaged.
    """
    held = RunDirectory(directory, read_config(directory), resume=True)
    try:
        yield
    finally:
        held.close()


def read_config(directory: Path) -> dict[str, Any]:
    """The run's settings.

    Raises:
        FailureError: They are damaged.
    """
    path = directory / "config.toml"
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FailureError(
            f"{path} is damaged: {error}", "Restore it from a copy, or tune again."
        ) from error


def read_record(directory: Path) -> dict[str, Any]:
    """What provenance.json says ran.

    Raises:
        FailureError: It is missing or damaged.
    """
    record = _read(directory / "provenance.json")
    if record is None:
        raise FailureError(
            f"{directory / 'provenance.json'} is missing or damaged",
            "Restore it from a copy, or tune again with another --out.",
        )
    return record


def check_model(directory: Path, model: AnswerModel) -> str:
    """The hash of a model's weights, after checking that the run was tuned on it.

    Raises:
        UsageError: It is another model.
        FailureError: The run's record is damaged.
    """
    tuned_on, here = read_record(directory)["model"], model.provenance()["weights_hash"]
    there = tuned_on["weights_hash"]
    if here != there:
        raise UsageError(
            f"{model.name} is not the model that the run was tuned on (weights {here[:12]} here, "
            f"{there[:12]} there)",
            f"Load {tuned_on['name']} in {tuned_on['dtype']}.",
        )
    return here


def _path(directory: Path, name: str) -> Path:
    return directory / "evaluation" / f"{name}.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", read) if isinstance(read, dict) else None
