"""Tables of questions on disk: CSV, JSON lines, Parquet.

In: a path. Out: `Rows`, every cell as the file has it, and where it stands, so that a fault can be named.
This file knows no benchmark.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from acculturate.errors import UsageError
from acculturate.formatting import suggestion
from acculturate.io import decode

LARGEST_FILE = 500_000_000
"""Bytes; a table of questions of this size is not one."""
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_KNOWN = "Give a .csv, .jsonl or .parquet file."


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
        """A cell as text on one line.

        Raises:
            UsageError: It is empty and may not be, or is no text and no number.
        """
        value = self.cells.get(column)
        if value is None or (isinstance(value, float) and value != value):
            value = ""
        if isinstance(value, list | dict | bytes):
            raise UsageError(
                f"{self.where}: {column} is {shown(cast('object', value))}, not a text",
                "Write a text there.",
            )
        text = " ".join(str(value).split())
        if not text and not empty:
            raise UsageError(f"{self.where}: {column} is empty", "Fill it in or take the row out.")
        return text

    def number(self, column: str) -> float:
        """A cell as a finite number.

        Raises:
            UsageError: It is none.
        """
        value = self.cells.get(column)
        try:
            number = float(cast("Any", value)) if not isinstance(value, bool) else float("nan")
        except (TypeError, ValueError):
            number = float("nan")
        if number - number != 0:
            raise UsageError(f"{self.where}: {column} is {shown(value)}", "Write a number there.")
        return number


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
        """Checks that columns are there.

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
    """Reads a table by the ending of its name.

    Raises:
        UsageError: There is no such file, it cannot be read as what its ending says, it has no rows,
            or two columns of one name.
    """
    suffix = path.suffix.casefold()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path} is no table of questions by its ending", _KNOWN)
    raw = _bytes(path)
    if suffix == ".parquet":
        return _checked(path, *_parquet(raw, path), "row")
    text = decode(raw, path, "question file")
    read = _json_lines if suffix in (".jsonl", ".ndjson") else _csv
    return _checked(path, *read(text, path), "line")


def shown(value: object) -> str:
    """A value in a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _checked(
    path: Path, columns: Sequence[str], numbered: Sequence[tuple[int, dict[str, Any]]], kind: str
) -> Rows:
    if not numbered:
        raise UsageError(f"{path} has no questions", "Check that this is the file you meant.")
    for column in columns:
        if columns.count(column) > 1:
            raise UsageError(
                f"{path} has the column {column!r} {columns.count(column)} times",
                "Give every column a name of its own.",
            )
    rows = tuple(
        Row(f"{path}, {kind} {number}", f"{kind} {number}", cells) for number, cells in numbered
    )
    return Rows(path, tuple(columns), rows)


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            fault = "is a folder, not a file" if path.is_dir() else "does not exist"
            raise UsageError(f"question file {path} {fault}", "Check the path.")
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise UsageError(
                f"question file {path} has {size:,} bytes; at most {LARGEST_FILE:,} are read",
                "Check that this is the file you meant.",
            )
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"question file {path} cannot be read: {reason}", "Check the path and its permissions."
        ) from error
    if not raw.strip():
        raise UsageError(f"question file {path} is empty", "Check that it was saved.")
    return raw


def _csv(text: str, path: Path) -> tuple[list[str], list[tuple[int, dict[str, Any]]]]:
    separator = max(",;\t", key=text.lstrip().split("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        lines = list(_lines(reader))
    except csv.Error as error:
        raise UsageError(
            f"{path}, line {reader.line_num}: {error}", "Check the quotes on that line."
        ) from error
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise UsageError(
                f"{path}, line {number} has {len(cells)} cells and the first line {len(header)}",
                "Put a text that holds the separator between quotes.",
            )
        rows.append((number, dict(zip(header, cells, strict=True))))
    return header, rows


def _lines(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with something in them, each by the line of the file that it starts on."""
    start = 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield start, cells
        start = int(reader.line_num) + 1


def _json_lines(text: str, path: Path) -> tuple[list[str], list[tuple[int, dict[str, Any]]]]:
    rows: list[tuple[int, dict[str, Any]]] = []
    columns: dict[str, None] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"{path}, line {number} is no valid JSON: {error}", "Write one JSON object a line."
            ) from error
        if not isinstance(value, dict):
            raise UsageError(
                f"{path}, line {number} is {shown(value)}, not an object",
                "Write one JSON object a line.",
            )
        rows.append((number, cast("dict[str, Any]", value)))
        columns |= dict.fromkeys(cast("dict[str, Any]", value))
    return list(columns), rows


def _parquet(raw: bytes, path: Path) -> tuple[list[str], list[tuple[int, dict[str, Any]]]]:
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
