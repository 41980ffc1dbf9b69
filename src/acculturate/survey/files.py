"""TOML tables of a user's file, read so that every fault is named; going: use `acculturate.schema`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from acculturate import io
from acculturate.errors import UsageError
from acculturate.formatting import suggestion


class Table:
    """A TOML table that knows where it stands, so that its faults can be named.

    Args:
        values: The parsed table.
        file: What to call the file in a message.
        where: Dotted path of this table in the file, "" for the whole file.
    """

    def __init__(self, values: Mapping[str, object], file: str, where: str = "") -> None:
        self._values = values
        self._file = file
        self._where = where

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        """The table's keys in the file's order."""
        return iter(self._values)

    def error(self, key: str, fault: str, hint: str) -> UsageError:
        """A `UsageError` that names the file and the key."""
        return UsageError(f"{self._file}: {self._path(key)} {fault}", hint)

    def only(self, *allowed: str) -> None:
        """Checks that no key is misspelt.

        Raises:
            UsageError: A key is not among `allowed`.
        """
        for key in self._values:
            if key not in allowed:
                raise self.error(key, "is not known", suggestion(key, allowed, "Known here"))

    def value(self, key: str) -> object:
        """A value of whatever kind, as it was parsed."""
        return self._required(key)

    def text(self, key: str) -> str:
        """A text that is not empty, without the white space around it."""
        return self._checked_text(key, self._required(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of at least one text, none of them empty."""
        return tuple(
            self._checked_text(f"{key}[{number}]", entry)
            for number, entry in enumerate(self._list(key), start=1)
        )

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of at least one number; `nan` is allowed."""
        return tuple(
            self._checked_number(f"{key}[{number}]", entry)
            for number, entry in enumerate(self._list(key), start=1)
        )

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number, or the default where the key is missing."""
        if default is not None and key not in self:
            return default
        number = self._checked_number(key, self._required(key))
        if not math.isfinite(number):
            raise self.error(key, f"is {number}", "Write a finite number.")
        return number

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number, or the default where the key is missing."""
        if default is not None and key not in self:
            return default
        number = self._required(key)
        if isinstance(number, bool) or not isinstance(number, int):
            raise self.error(key, f"is {number!r}", "Write a whole number.")
        return number

    def flag(self, key: str, default: bool) -> bool:
        """`true` or `false`, or the default where the key is missing."""
        flag = self._values.get(key, default)
        if not isinstance(flag, bool):
            raise self.error(key, f"is {flag!r}", "Write true or false.")
        return flag

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        """One of the allowed words."""
        word = self.text(key)
        if word not in allowed:
            raise self.error(key, f'is "{word}"', f"Write one of: {', '.join(allowed)}.")
        return word

    def table(self, key: str) -> Table:
        """A table under this one."""
        values = self._required(key)
        if not isinstance(values, dict):
            raise self.error(key, "is not a table", f"Write it as [{self._path(key)}].")
        return Table(cast("dict[str, object]", values), self._file, self._path(key))

    def tables(self, key: str) -> Iterator[tuple[str, Table]]:
        """The tables under a key, at least one, by name."""
        parent = self.table(key)
        if not parent._values:
            raise self.error(key, "is empty", f"Add at least one [{self._path(key)}.NAME].")
        for name in parent:
            yield name, parent.table(name)

    def _path(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def _required(self, key: str) -> object:
        if key not in self._values:
            there = ", ".join(self._values) or "nothing"
            raise self.error(key, "is missing", f"Add it; present here: {there}.")
        return self._values[key]

    def _list(self, key: str) -> list[object]:
        entries = self._required(key)
        if not isinstance(entries, list) or not entries:
            raise self.error(key, "is not a list with entries", f"Write {key} = [...].")
        return cast("list[object]", entries)

    def _checked_text(self, key: str, entry: object) -> str:
        if not isinstance(entry, str):
            raise self.error(key, f"is {entry!r}", 'Write a text between quotes: "...".')
        if not entry.strip():
            raise self.error(key, "is empty", "Fill it in.")
        return entry.strip()

    def _checked_number(self, key: str, entry: object) -> float:
        if isinstance(entry, bool) or not isinstance(entry, int | float):
            raise self.error(key, f"is {entry!r}", "Write a number.")
        return float(entry)


def parse_toml(raw: bytes, path: Path, what: str) -> Table:
    """Parse a TOML file; see `io.parse_toml`."""
    return Table(io.parse_toml(raw, path, what), str(path))
