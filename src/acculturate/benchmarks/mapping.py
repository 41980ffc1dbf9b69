"""A user's own test: a TOML file that says which column of which table is what (docs/benchmarks.md).

In: the path of such a file. Out: a `QuestionSet` whose questions have one right option each.
"""

from __future__ import annotations

import string
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from acculturate.benchmarks.questions import (
    Origin,
    Question,
    QuestionSet,
    check_options,
    check_unique,
)
from acculturate.benchmarks.tables import Row, read_rows
from acculturate.errors import UsageError
from acculturate.formatting import slug
from acculturate.io import parse_toml, read_bytes
from acculturate.schema import Section, Text, fault, validated
from acculturate.survey import country_name
from acculturate.survey.country_files import missing_names

Answer = Literal["label", "index", "number", "text"]
"""A right option is given by its letter, its place from 0 or from 1, or its own words."""


def _check_key(key: str) -> str:
    if not (short := slug(key, "")):
        raise fault("has no letter or digit", "Give it a name such as my-test.")
    if short.endswith("-written"):
        raise fault("ends in -written", "Leave that out: written answers are called so.")
    return short


def _as_columns(options: Any) -> Any:
    if isinstance(options, list) and len(options) == 1:
        raise fault("names one column in a list", "Write it as a text.")
    return [options] if isinstance(options, str) else options


class _Columns(Section):
    question: Text
    options: Annotated[tuple[Text, ...], Field(min_length=1), BeforeValidator(_as_columns)]
    """One that holds a list, or one for each option."""
    answer: Text
    country: Text | None = None
    id: Text | None = None
    weight: Text | None = None


class _Mapping(Section):
    file: Text
    key: Annotated[Text, AfterValidator(_check_key)]
    title: Text | None = None
    licence: Text = "the user's own"
    source: Text | None = None
    answer: Answer = "label"
    columns: _Columns


def load_mapping(path: Path) -> QuestionSet:
    """Read a mapping file and the table that it names.

    Raises:
        UsageError: One of the two is missing or does not fit; the message names file, row and column.
    """
    what = "benchmark file"
    values = {"key": path.stem, **parse_toml(read_bytes(path, what), path, what)}
    mapping = validated(_Mapping, values, path)
    file = path.parent / mapping.file
    origin = Origin(
        key=mapping.key,
        title=mapping.title or mapping.key,
        source=mapping.source or file.name,
        licence=mapping.licence,
    )
    return QuestionSet(origin, "choice", _questions(mapping.columns, file, mapping.answer))


def _questions(columns: _Columns, file: Path, answer: Answer) -> tuple[Question, ...]:
    table = read_rows(file)
    single = (columns.question, columns.answer, columns.country, columns.id, columns.weight)
    table.need(*columns.options, *filter(None, single))
    place = columns.country
    nowhere = missing_names([row.text(place, empty=True) for row in table.rows] if place else [])
    questions: dict[object, tuple[Row, Question]] = {}
    for row in table.rows:
        question = _question(row, columns, answer, nowhere)
        # A question that stands in the file twice would count twice.
        content = (question.text, question.options, question.country)
        first, _ = questions.setdefault(content, (row, question))
        if first is not row:
            raise UsageError(
                f"{file}, {row.place} repeats the question of {first.place}",
                "Take one of the two out.",
            )
    check_unique(((q.id, row.place) for row, q in questions.values()), str(file))
    return tuple(question for _, question in questions.values())


def _question(row: Row, columns: _Columns, answer: Answer, nowhere: Collection[str]) -> Question:
    options = _options(row, columns.options)
    check_options(options, row.where)
    right = _right_option(row, columns.answer, options, answer)
    country = row.text(columns.country, empty=True) if columns.country else ""
    country = "" if country.lower() in nowhere else country
    weight = row.number(columns.weight) if columns.weight else 1.0
    if weight <= 0:
        raise UsageError(f"{row.where}: a weight of {weight:g}", "Write a number above 0.")
    return Question(
        id=row.text(columns.id) if columns.id else row.place,
        text=row.text(columns.question),
        options=options,
        right=tuple(index == right for index in range(len(options))),
        country=country_name(country) if country else None,
        weight=weight,
    )


def _options(row: Row, columns: tuple[str, ...]) -> tuple[str, ...]:
    if len(columns) == 1:
        return row.options(columns[0])
    texts = [row.text(column, empty=True) for column in columns]
    # Columns at the end are empty where a question has fewer options than others.
    while texts and not texts[-1]:
        texts.pop()
    return tuple(texts)


def _right_option(row: Row, column: str, options: tuple[str, ...], answer: Answer) -> int:
    """Return the 0-based index of the right option."""
    count = len(options)
    if answer == "text":
        given, names = row.text(column), options
        hint = "Write an option in its own words."
    elif answer == "label":
        given = row.text(column).rstrip(".)").lstrip("(").upper()
        names = tuple(string.ascii_uppercase[:count])
        hint = f"Write the letter of an option, A to {names[-1]}."
    else:
        first = 0 if answer == "index" else 1
        number = row.number(column)
        given = str(int(number)) if number.is_integer() else ""
        names = tuple(map(str, range(first, first + count)))
        hint = f"Write the place of an option, {names[0]} to {names[-1]}."
    if given not in names:
        raise row.fault(column, hint, ", which is none of its options")
    return names.index(given)
