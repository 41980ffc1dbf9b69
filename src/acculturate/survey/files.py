"""Text files and TOML tables that a user may have written, read so that every fault is named.

In: a path, or a parsed TOML table. Out: text, numbers and lists of the expected kind, or a
`UsageError` that names the file, the place in it and the next step. This file knows no survey.
"""

from __future__ import annotations

import codecs
import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from acculturate.errors import UsageError

LARGEST_FILE = 2_000_000
"""Bytes; a survey or a country table of this size is not one."""


def read_bytes(path: Path, what: str) -> bytes:
    """Reads a small file.

    Args:
        path: The file.
        what: What it should be, for the message, such as "instrument file".

    Raises:
        UsageError: The path is missing, a directory, unreadable, empty or too large.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{what} {path} is a directory", "Give the path of the file itself.")
        if not path.is_file():
            fault = "is not an ordinary file" if path.exists() else "does not exist"
            raise UsageError(f"{what} {path} {fault}", "Check the path.")
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise UsageError(
                f"{what} {path} has {size:,} bytes; at most {LARGEST_FILE:,} are read",
                "Check that this is the file you meant.",
            )
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"{what} {path} cannot be read: {reason}", "Check the path and its permissions."
        ) from error
    if not raw.removeprefix(codecs.BOM_UTF8).strip():
        raise UsageError(f"{what} {path} is empty", "Check that it was saved.")
    return raw


def decode(raw: bytes, path: Path, what: str) -> str:
    """Decodes UTF-8, with or without a byte-order mark.

    Raises:
        UsageError: The bytes are not text, or text in another encoding.
    """
    hint = "Save it as plain text in UTF-8."
    if b"\0" in raw:
        raise UsageError(f"{what} {path} is not a UTF-8 text file: it holds zero bytes", hint)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{what} {path} is not UTF-8 (line {line})", hint) from error


def is_path(name: str, suffix: str) -> bool:
    """Whether a name that could be a built-in one is meant as a path."""
    if name.casefold().endswith(suffix) or re.search(r"[/\\]", name):
        return True
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The known names most like a misspelt one, best first, upper and lower case alike."""
    known = {other.casefold(): other for other in names}
    return [known[match] for match in difflib.get_close_matches(name.casefold(), known, count, 0.6)]


def suggestion(name: str, names: Iterable[str], known: str) -> str:
    """A hint for an unknown name: the nearest matches, or else everything there is."""
    names = list(names)
    if matches := nearest(name, names):
        return f"Did you mean {' or '.join(matches)}?"
    return f"{known}: {', '.join(names)}."


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
    """Parses a TOML file.

    Raises:
        UsageError: It is not UTF-8 text or not valid TOML; a key declared twice is not valid.
    """
    text = decode(raw, path, what).replace("\r\n", "\n")
    try:
        return Table(tomllib.loads(text), str(path))
    except (tomllib.TOMLDecodeError, ValueError) as error:
        raise UsageError(
            f"{what} {path} is not valid TOML: {error}",
            "Mend that line; an id may be declared only once, a text stands between quotes.",
        ) from error
    except RecursionError as error:
        raise UsageError(
            f"{what} {path} is not valid TOML: nested too deeply", "Check that file."
        ) from error
