"""Answers of people: a table with a row for each respondent and a column for each item.

In: a CSV or SPSS file and the instrument that was asked. Out: `Respondents`, answers counted from 1. An answer
outside an item's scale is an error that names column and row; a missing one is NaN.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.formatting import short, suggestion
from acculturate.io import Sheet, parse_csv, read_bytes
from acculturate.survey.country_files import (
    COUNTRY,
    MISSING,
    missing_names,
    missing_sentences,
    number,
)
from acculturate.survey.country_names import country_name, plain
from acculturate.survey.instrument import Instrument, Scale
from acculturate.survey.sav_reader import read_sav

LARGEST_FILE = 500_000_000
"""Bytes."""
EVERYONE = "all respondents"
"""Name of the group where no column divides them."""

_NO_GROUP = {*MISSING} - {"none"}
"""Cells that name no group; "None" can be an answer, as to which religion somebody has."""
_MISSING_ANSWERS = (9.0, 99.0, 999.0, 9999.0)
_WHAT = "file of respondents"


@dataclass(frozen=True)
class Respondents:
    """The answers of people who answered at least one item.

    Attributes:
        file: The path of their file.
        answers: Options counted from 1; NaN where there is no answer.
        weights: How much each respondent counts.
        groups: Name of each respondent's group.
        warnings: Sentences about what was left out or read as missing.
    """

    file: str
    answers: Float[np.ndarray, "respondent item"]
    weights: Float[np.ndarray, " respondent"]
    groups: tuple[str, ...]
    warnings: tuple[str, ...]


def read_respondents(
    path: Path, instrument: Instrument, by: Sequence[str] = (), weight: str | None = None
) -> Respondents:
    """Read a file of respondents.

    Args:
        path: A .sav file of SPSS, or a text file as `parse_csv` reads it.
        instrument: What they were asked; columns have the ids of its items ("m01", "M1").
        by: Columns that divide the respondents into groups.
        weight: Column of how much each counts; all alike without it.

    Raises:
        UsageError: It cannot be read, has no item or lacks a column; an answer is outside its scale, a
            group is empty, or a weight is no number from 0.
    """
    sheet = _read_sav(path, by) if path.suffix.casefold() in (".sav", ".zsav") else _read_text(path)
    where = f"{_WHAT} {path}"
    heads = [_item_key(column) for column in sheet.header]
    codes: Counter[tuple[str, str]] = Counter()
    answers = np.full((len(sheet.rows), len(instrument.items)), math.nan)
    absent = [item.id for item in instrument.items if _item_key(item.id) not in heads]
    for column, item in enumerate(instrument.items):
        if item.id not in absent:
            scale = instrument.scales[item.scale]
            answers[:, column] = _read_item(sheet, heads, item.id, scale, where, codes)
    if len(absent) == len(instrument.items):
        raise UsageError(
            f"{where} has no item of {instrument.key}; its columns: {short(', '.join(sheet.header))}",
            f"Give the columns the names of the items: {', '.join(absent[:3])}, ...",
        )
    groups, weights = _groups(sheet, by, where), _weights(sheet, weight, where)
    counted = ~np.isnan(answers).all(axis=1) & (weights > 0)
    warnings = list(missing_sentences(codes, where))
    if absent:
        warnings.append(f"{where} has no {', '.join(absent)}: dimensions with them have no score.")
    if left_out := int((~counted).sum()):
        warnings.append(
            f"{where}: {left_out} respondents without an answer or weight are left out."
        )
    if not counted.any():
        weighted = "" if weight is None else f" with a {weight} above 0"
        raise UsageError(
            f"{where} has no answers{weighted}", "Check that this is the file you meant."
        )
    return Respondents(
        file=str(path),
        answers=answers[counted],
        weights=weights[counted],
        groups=tuple(groups[index] for index in np.flatnonzero(counted)),
        warnings=tuple(warnings),
    )


def _read_item(
    sheet: Sheet,
    heads: Sequence[str],
    item: str,
    scale: Scale,
    where: str,
    codes: Counter[tuple[str, str]],
) -> list[float]:
    """Return the answers to an item, counted from 1, and count the codes for missing ones."""
    if heads.count(_item_key(item)) > 1:
        raise UsageError(f"{where} has the column {item} twice", "Take one of them out.")
    index = heads.index(_item_key(item))
    last = scale.first + scale.options - 1
    answers: list[float] = []
    for line, row in sheet.rows:
        cell = row[index].strip()
        value = number(cell, sheet.separator)
        if value is None or not _is_answer(value, scale.first, last):
            raise UsageError(
                f'{where}, {sheet.unit} {line}: {item} is "{short(cell)}"; '
                f"its answers run from {scale.first} to {last}",
                "Mend it, or leave it empty where there is no answer, as 9, 99 and numbers below 0 say too.",
            )
        if not math.isnan(value) and not scale.first <= value <= last:
            codes[cell, item] += 1
            value = math.nan
        answers.append(value - scale.first + 1)
    return answers


def _is_answer(value: float, first: int, last: int) -> bool:
    """Return whether a number is an option or stands for a missing answer."""
    if first <= value <= last:
        return value.is_integer()
    return math.isnan(value) or value < 0 or value in _MISSING_ANSWERS


def _item_key(column: str) -> str:
    """Return a column's name without case and zeros in front: M1 is m01."""
    return re.sub(r"(?<=[a-z])0+(?=\d)", "", column.strip().casefold())


def _groups(sheet: Sheet, by: Sequence[str], where: str) -> list[str]:
    """Return the group of each respondent; countries under the names of our tables."""
    names: list[list[str]] = []
    for name in by:
        index = _place(sheet, name, where)
        cells = [" ".join(row[index].split()) for _, row in sheet.rows]
        is_country = plain(name) in COUNTRY
        nothing = missing_names(cells) if is_country else _NO_GROUP
        for (line, _), cell in zip(sheet.rows, cells, strict=True):
            if cell.lower() in nothing:
                raise UsageError(
                    f'{where}, {sheet.unit} {line}: {name} is "{cell}"',
                    "Fill it in, or take the row out.",
                )
        names.append([country_name(cell) if is_country else cell for cell in cells])
    return [", ".join(parts) for parts in zip(*names, strict=True)] or [EVERYONE] * len(sheet.rows)


def _weights(sheet: Sheet, name: str | None, where: str) -> Float[np.ndarray, " respondent"]:
    if name is None:
        return np.ones(len(sheet.rows))
    index = _place(sheet, name, where)
    weights: list[float] = []
    for line, row in sheet.rows:
        value = number(row[index].strip(), sheet.separator)
        if value is None or not value >= 0:
            raise UsageError(
                f'{where}, {sheet.unit} {line}: {name} is "{short(row[index])}"',
                "Write how much the respondent counts, a number from 0.",
            )
        weights.append(value)
    return np.array(weights)


def _place(sheet: Sheet, name: str, where: str) -> int:
    heads = [column.casefold() for column in sheet.header]
    if heads.count(name.casefold()) != 1:
        fault = "has no column" if name.casefold() not in heads else "has more than one column"
        raise UsageError(f"{where} {fault} {name}", suggestion(name, sheet.header, "Columns"))
    return heads.index(name.casefold())


def _read_text(path: Path) -> Sheet:
    sheet = parse_csv(read_bytes(path, _WHAT, LARGEST_FILE), path, _WHAT)
    if not sheet.rows:
        raise UsageError(f"{_WHAT} {path} has no respondents", "Check that this is the right file.")
    return sheet


def _shown(cell: str | float) -> str:
    """Return a value of SPSS as a text file has it: a whole number without a point."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _read_sav(path: Path, labelled: Sequence[str]) -> Sheet:
    """Read a file of SPSS as cells of text: labels in the given columns, numbers in all others.

    Values that the file declares missing are empty.
    """
    read_bytes(path, _WHAT, LARGEST_FILE)
    wanted = {name.casefold() for name in labelled}
    columns: dict[str, list[str]] = {}
    for name, (values, labels) in read_sav(path).items():
        cells = (labels.get(v, v) for v in values) if name.casefold() in wanted else values
        columns[name] = ["" if cell is None or cell != cell else _shown(cell) for cell in cells]
    rows = [(n, list(row)) for n, row in enumerate(zip(*columns.values(), strict=True), 1)]
    if not rows:
        raise UsageError(f"{_WHAT} {path} has no respondents", "Check that this is the right file.")
    return Sheet("", list(columns), rows, unit="row")
