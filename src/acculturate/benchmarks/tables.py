"""Tables of questions on disk: CSV, JSON lines, Parquet.

In: a path. Out: `Rows`, every cell as the file has it, and where it stands, so that a fault can be named.
This file knows no benchmark.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from acculturate.errors import UsageError
from acculturate.formatting import suggestion
from acculturate.io import decode, parse_csv, parse_plain, read_bytes
from acculturate.schema import shown

LARGEST_FILE = 500_000_000
"""Bytes; a table of questions of this size is not one."""

_Numbered = list[tuple[int, dict[str, Any]]]


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        where: The file and the row, for messages.
        place: The row alone, such as "line 3".
        cells: Column to value; of a CSV file always text.
    """

    where: str
    place: str
    cells: dict[str, Any]

    def text(self, column: str, *, empty: bool = False) -> str:
        """Return a cell as text on one line.

        Raises:
            UsageError: It is empty and may not be, or is no text and no number.
        """
        value = self.cells.get(column)
        if isinstance(value, list | dict | bytes):
            raise self.fault(column, "Write a text there.", ", not a text")
        missing = value is None or (isinstance(value, float) and math.isnan(value))
        text = "" if missing else self._line(column, value)
        if not text and not empty:
            raise UsageError(f"{self.where}: {column} is empty", "Fill it in or take the row out.")
        return text

    def number(self, column: str) -> float:
        """Return a cell as a finite number.

        Raises:
            UsageError: It is none.
        """
        value = self.cells.get(column)
        try:
            number = math.nan if isinstance(value, bool) else float(cast("Any", value))
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise self.fault(column, "Write a number there.")
        return number

    def literal(self, column: str) -> object:
        """Return a cell that may be written as JSON or as Python writes a list or a dictionary.

        Such a text is read as literals, never run.

        Returns:
            The value; None where the text is neither.
        """
        value = self.cells.get(column)
        if not isinstance(value, str):
            return value
        for read in (json.loads, ast.literal_eval):
            try:
                return parse_plain(read, value.strip())
            except (ValueError, TypeError, SyntaxError, MemoryError):
                continue
        return None

    def options(self, column: str) -> tuple[str, ...]:
        """Return a cell that holds a list of texts or numbers as texts, each on one line.

        Raises:
            UsageError: It holds no such list.
        """
        entries = self.literal(column)
        if isinstance(entries, list | tuple):
            texts = cast("Sequence[object]", entries)
            if all(isinstance(t, str | int | float) and not isinstance(t, bool) for t in texts):
                return tuple(self._line(column, text) for text in texts)
        raise self.fault(column, 'Write a list: ["one", "two"].', ", not a list of options")

    def _line(self, column: str, value: object) -> str:
        text = " ".join(str(value).split())
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            raise self.fault(column, "Write it anew.", ", which holds half a character")
        return text

    def fault(self, column: str, hint: str, wrong: str = "") -> UsageError:
        """Return an error that names the row, the column and its value."""
        return UsageError(f"{self.where}: {column} is {shown(self.cells.get(column))}{wrong}", hint)


@dataclass(frozen=True)
class Rows:
    """A table.

    Attributes:
        path: Its file.
        columns: Their names in the file's order.
        rows: At least one.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def need(self, *columns: str) -> None:
        """Check that columns are there.

        Raises:
            UsageError: One is not; the message names the columns that are.
        """
        for column in columns:
            if column not in self.columns:
                raise UsageError(
                    f"{self.path} has no column {column}; its columns: {', '.join(self.columns)}",
                    suggestion(column, self.columns, "Columns"),
                )


def read_rows(path: Path) -> Rows:
    """Read a table by the ending of its name.

    Raises:
        UsageError: There is no such file, it cannot be read as what its ending says, it has no rows,
            or two columns of one name.
    """
    suffix = path.suffix.casefold()
    if suffix not in (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"):
        hint = "Give a .csv, .jsonl or .parquet file."
        raise UsageError(f"{path} is no table of questions by its ending", hint)
    raw = read_bytes(path, "question file", LARGEST_FILE)
    if suffix == ".parquet":
        columns, numbered = _parquet(raw, path)
    elif suffix in (".jsonl", ".ndjson"):
        columns, numbered = _json_lines(decode(raw, path, "question file"), path)
    else:
        sheet = parse_csv(raw, path, "question file")
        columns = sheet.header
        numbered = [(line, dict(zip(columns, cells, strict=True))) for line, cells in sheet.rows]
    if not numbered:
        raise UsageError(f"{path} has no questions", "Check that this is the file you meant.")
    for column in columns:
        if columns.count(column) > 1:
            raise UsageError(
                f"{path} has the column {column!r} {columns.count(column)} times",
                "Give every column a name of its own.",
            )
    kind = "row" if suffix == ".parquet" else "line"
    places = ((f"{kind} {number}", cells) for number, cells in numbered)
    rows = tuple(Row(f"{path}, {place}", place, cells) for place, cells in places)
    return Rows(path, tuple(columns), rows)


def _json_lines(text: str, path: Path) -> tuple[list[str], _Numbered]:
    rows: _Numbered = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        hint = "Write one JSON object a line."
        try:
            value: object = parse_plain(json.loads, line)
        except ValueError as error:
            raise UsageError(f"{path}, line {number} is no valid JSON: {error}", hint) from error
        if not isinstance(value, dict):
            raise UsageError(f"{path}, line {number} is {shown(value)}, not an object", hint)
        rows.append((number, cast("dict[str, Any]", value)))
    return list(dict.fromkeys(column for _, cells in rows for column in cells)), rows


def _parquet(raw: bytes, path: Path) -> tuple[list[str], _Numbered]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            f"{path} is a Parquet file, which needs pyarrow",
            "pip install 'acculturate[parquet]', or give a .csv or .jsonl file.",
        ) from error
    try:
        table: Any = pyarrow.parquet.read_table(pyarrow.BufferReader(raw))
        return [str(name) for name in table.column_names], list(enumerate(table.to_pylist(), 1))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise UsageError(
            f"{path} is no Parquet file that can be read: {first}", "Download it again."
        ) from error
