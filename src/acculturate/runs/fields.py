"""Reading one file of a run, key by key, so that a wrong or missing value names its place.

In: a parsed JSON or TOML value and the file it came from. Out: checked Python values. Knows nothing of
what the keys mean.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from acculturate.errors import FailureError

_MEND = "Restore the file from a copy, or run the tuning again in a new directory."


class Record:
    """A JSON object with its place in a file; every reader checks what it returns.

    Args:
        value: The parsed value, which has to be an object.
        path: The file it was read from.
        where: Place in the file, such as `rows[2].tuning`; empty for the whole file.

    Raises:
        FailureError: The value is no object.
    """

    def __init__(self, value: object, path: Path, where: str = "") -> None:
        self.path = path
        self.where = where
        if not isinstance(value, dict):
            raise self._wrong("an object", value)
        self._values = cast("dict[str, Any]", value)

    def names(self) -> tuple[str, ...]:
        """The keys as they stand in the file, in its order."""
        return tuple(self._values)

    def raw(self, key: str) -> object:
        """A value as it was parsed; None where it is missing."""
        return self._values.get(key)

    def text(self, key: str) -> str:
        """A string, fit to be printed."""
        value = self.optional_text(key)
        if value is None:
            raise self._missing(key)
        return value

    def optional_text(self, key: str) -> str | None:
        """A string, or None where it is missing or null."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._wrong("a text", value, key)
        return clean(value)

    def number(self, key: str) -> float:
        """A finite number."""
        value = self.optional_number(key)
        if value is None:
            raise self._missing(key)
        return value

    def optional_number(self, key: str) -> float | None:
        """A finite number; None where it is missing, null or not finite."""
        return self._number(self._values.get(key), key)

    def integer(self, key: str) -> int:
        """A whole number."""
        value = self.number(key)
        if value != int(value):
            raise self._wrong("a whole number", value, key)
        return int(value)

    def optional_integer(self, key: str) -> int | None:
        """A whole number, or None where it is missing or null."""
        return None if self._values.get(key) is None else self.integer(key)

    def numbers(self, key: str) -> tuple[float | None, ...] | None:
        """A list of numbers, or None where it is missing or null."""
        value = self._values.get(key)
        if value is None:
            return None
        return tuple(self._number(entry, key) for entry in self._list(key))

    def interval(self, key: str) -> tuple[float, float] | None:
        """A pair of numbers, the lower first; None where an end is missing."""
        pair = self.numbers(key)
        if pair is None:
            return None
        if len(pair) != 2:
            raise self._wrong("two numbers", list(pair), key)
        low, high = pair
        return None if low is None or high is None else (min(low, high), max(low, high))

    def by_key(self, key: str) -> Mapping[str, float]:
        """An object of numbers; entries that are null are left out."""
        if self._values.get(key) is None:
            return {}
        inner = self.record(key)
        pairs = ((name, inner.optional_number(name)) for name in inner._values)
        return {clean(name): value for name, value in pairs if value is not None}

    def record(self, key: str) -> Record:
        """An object within this one."""
        if self._values.get(key) is None:
            raise self._missing(key)
        return Record(self._values[key], self.path, self._at(key))

    def optional_record(self, key: str) -> Record | None:
        """An object within this one, or None where it is missing or null."""
        return None if self._values.get(key) is None else self.record(key)

    def records(self, key: str) -> tuple[Record, ...]:
        """A list of objects; empty where it is missing or null."""
        if self._values.get(key) is None:
            return ()
        return tuple(
            Record(entry, self.path, f"{self._at(key)}[{index}]")
            for index, entry in enumerate(self._list(key))
        )

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty where it is missing or null."""
        if self._values.get(key) is None:
            return ()
        entries = self._list(key)
        for entry in entries:
            if not isinstance(entry, str):
                raise self._wrong("a text", entry, key)
        return tuple(clean(str(entry)) for entry in entries)

    def pairs(self, key: str) -> tuple[tuple[str, float], ...]:
        """A list of `[text, number]`; empty where it is missing or null."""
        if self._values.get(key) is None:
            return ()
        found: list[tuple[str, float]] = []
        for entry in self._list(key):
            pair = cast("list[Any]", entry) if isinstance(entry, list) else []
            number = self._number(pair[1], key) if len(pair) == 2 else None
            if number is None or not isinstance(pair[0], str):
                raise self._wrong("pairs of a text and a number", cast("object", entry), key)
            found.append((clean(pair[0]), number))
        return tuple(found)

    def _list(self, key: str) -> list[Any]:
        value = self._values[key]
        if not isinstance(value, list):
            raise self._wrong("a list", cast("object", value), key)
        return cast("list[Any]", value)

    def _number(self, value: object, key: str) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong("a number", value, key)
        return float(value) if math.isfinite(value) else None

    def _at(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def _missing(self, key: str) -> FailureError:
        return FailureError(f"{self.path}: {self._at(key)} is missing", _MEND)

    def _wrong(self, wanted: str, value: object, key: str | None = None) -> FailureError:
        place = self._at(key) if key else self.where or "the file"
        shown = repr(value)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return FailureError(f"{self.path}: {place} must be {wanted}, not {clean(shown)}", _MEND)


def clean(text: str) -> str:
    """A text fit for a UTF-8 page: lone surrogates, control and direction characters made visible.

    Line breaks and tabs stay. Marks that override the direction of what follows are taken out, since
    they would reach beyond the text that they came with.
    """
    return "".join(_visible(character) for character in text.replace("\r\n", "\n"))


def read_json(path: Path) -> Record:
    """A JSON file that holds one object.

    Raises:
        FailureError: It cannot be read or is damaged.
    """
    return parse_json(_read(path), path)


def parse_json(text: str, path: Path, where: str = "") -> Record:
    """One JSON object from a text that came from `path`.

    Raises:
        FailureError: The text is no JSON object.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        place = f" {where}" if where else ""
        raise FailureError(f"{path}:{place} is no valid JSON ({error})", _MEND) from error
    return Record(value, path, where)


def read_json_lines(path: Path) -> tuple[Record, ...]:
    """A file with one JSON object a line; none where the file does not exist.

    Raises:
        FailureError: It cannot be read, or a line is damaged.
    """
    if not path.exists():
        return ()
    return tuple(
        parse_json(line, path, f"line {number}")
        for number, line in enumerate(_read(path).split("\n"), 1)
        if line.strip()
    )


def read_toml(path: Path) -> Record:
    """A TOML file.

    Raises:
        FailureError: It cannot be read or is damaged.
    """
    try:
        return Record(tomllib.loads(_read(path)), path)
    except tomllib.TOMLDecodeError as error:
        raise FailureError(f"{path} is no valid TOML ({error})", _MEND) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FailureError(f"{path} is damaged: it is not UTF-8 text", _MEND) from error
    except OSError as error:
        raise FailureError(f"{path} cannot be read: {error.strerror}", _MEND) from error


_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _visible(character: str) -> str:
    code = ord(character)
    if character in "\n\t" or (code >= 0xA0 and not 0xD800 <= code <= 0xDFFF):
        return "" if character in _OVERRIDES else character
    if code < 0x20:
        return chr(0x2400 + code)
    return "\ufffd" if code >= 0x7F else character
