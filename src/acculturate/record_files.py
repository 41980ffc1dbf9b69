"""Files that the program writes for itself: frozen dataclasses to JSON and back, checked.

In: a record, or a file and the record's type. Out: a file that people can read, whole or not at all, or the
very record. JSON has no NaN and no infinity: both are written as null, and a field's type says what null
means. Texts of a file are made fit to be printed.
"""

from __future__ import annotations

import io
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import numpy as np
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from acculturate.errors import FailureError
from acculturate.formatting import visible
from acculturate.io import json_text, parse_plain, remove_leftovers, write_text
from acculturate.schema import explain

T = TypeVar("T")


class Keyed:
    """A record whose fields can be read by key too: `run.outcome["divergence"]`."""

    def __getitem__(self, key: str) -> Any:
        """Return the field of that name."""
        if key not in vars(self):
            raise KeyError(key)
        return vars(self)[key]


MEND = "Restore the file from a copy, or run the tuning again in a new directory."


def _or(value: float) -> BeforeValidator:
    return BeforeValidator(lambda read: value if read is None else read)


def _whole(pair: Any) -> Any:
    """Return an interval, or None where it lacks an end."""
    if not isinstance(pair, list):
        return pair
    ends = tuple(cast("list[Any]", pair))
    return None if len(ends) == 2 and None in ends else ends


def _present(values: Any) -> Any:
    """Return a JSON object without its nulls."""
    if not isinstance(values, dict):
        return values
    whole = {key: _whole(value) for key, value in cast("dict[str, Any]", values).items()}
    return {key: value for key, value in whole.items() if value is not None}


NanIfNull = Annotated[float, _or(math.nan)]
"""A number; NaN where it was not finite."""
InfIfNull = Annotated[float, _or(math.inf)]
"""A loss; infinite where it was not finite."""
Interval = tuple[float, float]
"""Both ends, the lower first."""
OptionalInterval = Annotated[Interval | None, BeforeValidator(_whole)]
"""None where an end was not finite."""
NanInterval = Annotated[
    Interval, BeforeValidator(lambda read: _whole(read) or (math.nan, math.nan))
]
"""NaN twice where an end was not finite."""
Numbers = Annotated[dict[str, float], BeforeValidator(_present)]
"""Numbers by name; what was not finite is left out."""
Intervals = Annotated[dict[str, Interval], BeforeValidator(_present)]
"""Intervals by name; what was not finite is left out."""


def write_record(path: Path, record: Any, **beside: object) -> None:
    """Write a record as JSON, unless the file holds just that already.

    Args:
        path: The file.
        record: What it is to hold.
        beside: Further keys, which stand first, such as a fingerprint.

    Raises:
        FailureError: The file cannot be written.
    """
    content = json_text({**beside, **asdict(record)})
    remove_leftovers(path)
    if not path.is_file() or path.read_bytes() != content.encode():
        write_text(path, content)


def read_record(kind: type[T], path: Path) -> T:
    """Read a JSON file as a record; see `parse_record`.

    Raises:
        FailureError: The file cannot be read, or does not hold such a record.
    """
    return parse_record(kind, parse_json(read_text(path), path), path)


def read_records(kind: type[T], path: Path, *, growing: bool = False) -> tuple[T, ...]:
    """Read a file of one JSON record a line; none where there is no file.

    Args:
        kind: The records' type.
        path: The file.
        growing: Whether lines are added to it: one that a kill cut off at the end is left out.

    Raises:
        FailureError: The file cannot be read, or a line does not hold such a record.
    """
    lines = read_text(path).split("\n") if path.exists() else []
    lines = lines[:-1] if growing else lines
    places = ((f"{path}, line {number}", line) for number, line in enumerate(lines, 1))
    return tuple(
        parse_record(kind, parse_json(line, place), place) for place, line in places if line.strip()
    )


def parse_record(kind: type[T], value: object, file: str | Path) -> T:
    """Check a parsed value against a record's type; keys that it does not have are left out.

    Args:
        kind: The record's type.
        value: Parsed JSON or TOML.
        file: What to call the file in a message.

    Raises:
        FailureError: It does not fit; the message names the file, the place and the value.
    """
    # JSON again, since of Python values a strict check takes no list for a tuple.
    text = json.dumps(_cleaned(value), default=str)
    try:
        return cast("T", _adapter(kind).validate_json(text, strict=True))
    except ValidationError as error:
        raise FailureError(str(explain(error, file)), MEND) from error


def parse_json(text: str, file: str | Path) -> object:
    """Parse JSON.

    Raises:
        FailureError: It is none.
    """
    try:
        return parse_plain(json.loads, text)
    except ValueError as error:
        raise FailureError(f"{file} is no valid JSON ({error})", MEND) from error


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        FailureError: It cannot be read, or is none.
    """
    try:
        return parse_plain(tomllib.loads, read_text(path))
    except ValueError as error:
        raise FailureError(f"{path} is damaged: it is no valid TOML ({error})", MEND) from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read a file of arrays by name.

    Raises:
        ValueError: It is missing or damaged, which can make numpy raise anything.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as saved:
            return {name: saved[name] for name in saved.files}
    except Exception as error:
        raise ValueError(f"{path.name} cannot be read") from error


def dump_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of a file of arrays by name."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_text(path: Path) -> str:
    """Read a UTF-8 file.

    Raises:
        FailureError: It cannot be read, or is no such text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FailureError(f"{path} is damaged: it is not UTF-8 text", MEND) from error
    except OSError as error:
        raise FailureError(f"{path} cannot be read: {error.strerror}", MEND) from error


def finite(value: float | None) -> float | None:
    """Return a number, or None where it is not finite, as it is read back from a file."""
    return value if value is not None and math.isfinite(value) else None


@cache
def _adapter(kind: Any) -> Any:
    return TypeAdapter(kind)


def _cleaned(value: object) -> object:
    """Return parsed JSON with texts fit to be printed, and null for numbers that are not finite."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value).items()
        return {visible(key): _cleaned(inner) for key, inner in entries}
    if isinstance(value, list):
        return [_cleaned(inner) for inner in cast("list[object]", value)]
    return value
