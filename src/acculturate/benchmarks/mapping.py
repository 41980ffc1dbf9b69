"""A user's own test: a TOML file that says which column of which table is what (docs/benchmarks.md).

In: the path of such a file. Out: a `QuestionSet` whose questions have one right option each.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from acculturate.benchmarks.questions import (
    Origin,
    Question,
    QuestionSet,
    check_options,
    check_unique,
    one_line,
)
from acculturate.benchmarks.tables import Row, read_rows, shown
from acculturate.errors import UsageError
from acculturate.formatting import slug
from acculturate.io import read_bytes
from acculturate.survey.countries import country_name
from acculturate.survey.files import Table, parse_toml

ANSWERS = ("label", "index", "number", "text")
"""How a file says which option is right: its letter, its place from 0 or from 1, or its own words."""


def load_mapping(path: Path) -> QuestionSet:
    """Reads a mapping file and the table that it names.

    Raises:
        UsageError: One of the two is missing or does not fit; the message names file, row and column.
    """
    what = "benchmark file"
    top = parse_toml(read_bytes(path, what), path, what)
    top.only("key", "title", "licence", "source", "file", "answer", "columns")
    key = slug(top.text("key") if "key" in top else path.stem, "")
    if not key:
        raise top.error("key", "has no letter or digit", "Give it a name such as my-test.")
    file = path.parent / top.text("file")
    origin = Origin(
        key=key,
        title=top.text("title") if "title" in top else key,
        source=top.text("source") if "source" in top else file.name,
        licence=top.text("licence") if "licence" in top else "the user's own",
    )
    answer = top.choice("answer", ANSWERS) if "answer" in top else "label"
    return QuestionSet(origin, "choice", _questions(top.table("columns"), file, answer))


def _questions(columns: Table, file: Path, answer: str) -> tuple[Question, ...]:
    columns.only("question", "options", "answer", "country", "id", "weight")
    several = _option_columns(columns)
    named = {key: columns.text(key) for key in columns if key != "options"}
    for key in ("question", "answer"):
        columns.text(key)  # says that it is missing
    table = read_rows(file)
    table.need(*several, *named.values())
    find = _FINDERS[answer]
    found: list[tuple[Row, Question]] = []
    for row in table.rows:
        options = _options(row, several)
        check_options(options, row.where)
        right = find(row, named["answer"], options)
        country = row.text(named["country"], empty=True) if "country" in named else ""
        weight = row.number(named["weight"]) if "weight" in named else 1.0
        if weight <= 0:
            raise UsageError(f"{row.where}: a weight of {weight:g}", "Write a number above 0.")
        question = Question(
            id=row.text(named["id"]) if "id" in named else row.place,
            text=row.text(named["question"]),
            options=options,
            right=tuple(index == right for index in range(len(options))),
            country=country_name(country) if country else None,
            weight=weight,
        )
        found.append((row, question))
    check_unique(((q.id, row.place) for row, q in found), str(file))
    _no_repeats(found, file)
    return tuple(question for _, question in found)


def _option_columns(columns: Table) -> tuple[str, ...]:
    """The columns of the options: one that holds a list, or one for each option."""
    try:
        return (columns.text("options"),)
    except UsageError:
        several = columns.texts("options")
    if len(several) < 2:
        raise columns.error("options", "names one column in a list", "Write it as a text.")
    return several


def _options(row: Row, columns: tuple[str, ...]) -> tuple[str, ...]:
    if len(columns) == 1:
        return read_list(row.cells.get(columns[0]), f"{row.where}: {columns[0]}")
    texts = [row.text(column, empty=True) for column in columns]
    # Columns at the end are empty where a question has fewer options than others.
    while texts and not texts[-1]:
        texts.pop()
    return tuple(texts)


def read_list(value: object, where: str) -> tuple[str, ...]:
    """A list of texts or numbers: as it is, or written as JSON or as Python writes a list.

    Args:
        value: The cell.
        where: File, row and column.

    Raises:
        UsageError: It is no such list.
    """
    entries = value
    if isinstance(value, str):
        try:
            entries = json.loads(value)
        except (ValueError, RecursionError):
            try:
                entries = ast.literal_eval(value.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                entries = None
    if isinstance(entries, list | tuple):
        texts = cast("list[Any]", entries)
        if all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in texts):
            return tuple(one_line(str(one)) for one in texts)
    raise UsageError(
        f"{where} is {shown(value)}, not a list of options", 'Write a list: ["one", "two"].'
    )


def _by_label(row: Row, column: str, options: tuple[str, ...]) -> int:
    text = row.text(column).rstrip(".)").lstrip("(").casefold()
    if len(text) == 1 and text.isascii() and text.isalpha() and ord(text) - 97 < len(options):
        return ord(text) - 97
    raise _no_such(row, column, f"Write the letter of an option, A to {chr(64 + len(options))}.")


def _by_index(row: Row, column: str, options: tuple[str, ...], first: int = 0) -> int:
    number = row.number(column)
    if number == int(number) and 0 <= number - first < len(options):
        return int(number) - first
    last = first + len(options) - 1
    raise _no_such(row, column, f"Write the place of an option, {first} to {last}.")


def _by_number(row: Row, column: str, options: tuple[str, ...]) -> int:
    return _by_index(row, column, options, 1)


def _by_text(row: Row, column: str, options: tuple[str, ...]) -> int:
    text = row.text(column)
    if text in options:
        return options.index(text)
    raise _no_such(row, column, "Write an option in its own words.")


_FINDERS: dict[str, Callable[[Row, str, tuple[str, ...]], int]] = {
    "label": _by_label,
    "index": _by_index,
    "number": _by_number,
    "text": _by_text,
}


def _no_such(row: Row, column: str, hint: str) -> UsageError:
    value = shown(row.cells.get(column))
    return UsageError(f"{row.where}: {column} is {value}, which is none of its options", hint)


def _no_repeats(found: list[tuple[Row, Question]], file: Path) -> None:
    """Checks that no question stands in the file twice: it would count twice."""
    seen: dict[object, str] = {}
    for row, question in found:
        content = (question.text, question.options, question.country)
        if content in seen:
            raise UsageError(
                f"{file}, {row.place} repeats the question of {seen[content]}",
                "Take one of the two out.",
            )
        seen[content] = row.place
