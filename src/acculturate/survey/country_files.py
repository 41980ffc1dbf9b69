"""Country tables as publishers, spreadsheets and statistics programs write them.

In: the path of a text file. Out: a country's name and scores a row, under the keys of dimensions. Text columns
are left out; cells that stand for a missing score are found and counted.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from acculturate.errors import UsageError
from acculturate.formatting import short
from acculturate.io import Sheet, parse_csv, read_bytes
from acculturate.survey.country_names import plain

MISSING = (
    *("", "-", "–", "—", ".", "..", "na", "n/a", "nan", "null", "none"),
    *("#null!", "#n/a", "#div/0!", "#value!"),
)
"""Cells, in lower case, that mean: nothing is known."""
CODES = (-9999.0, -999.0, -99.0, -9.0, -1.0, 999.0, 9999.0)
"""Numbers that statistics programs and publishers write where nothing is known."""

COUNTRY = (
    *("country", "country name", "country or region", "countries", "nation", "entity", "economy"),
    *("iso3", "iso a3", "iso2", "iso a2", "iso", "country code", "code"),
)
"""Columns of the country's name or code, the best first."""
_NAMES = {
    "pdi": r"pdi|power distance",
    "idv": r"idv|individualism",
    "mas": r"mas|masculinity|motivation towards achievement",
    "uai": r"uai|uncertainty avoidance",
    "lto": r"lto|ltowvs|long term orientation",
    "ivr": r"ivr|indulgence",
    "expression": r"expression|survself",
    "secular": r"secular|tradrat5?",
}
"""Words that name a dimension in the head of a column."""
_MOST_LISTED = 6
_NO_SCORE = re.compile(
    r"\b(rank|ranking|rnk|sd|se|std|stdev|error|var|variance|n|count|year|source|percentile|pct|"
    r"z|zscore|change|diff|difference|delta|label|category|level|quartile|note)\b"
)


@dataclass(frozen=True)
class ScoreFile:
    """The contents of a file of country scores.

    Attributes:
        where: The file, for messages.
        dimensions: Keys of the columns of scores.
        rows: Line, country and scores of each, under the keys and under the columns' own names; a missing score
            is NaN.
        warnings: A sentence for each code that was read as missing.
    """

    where: str
    dimensions: tuple[str, ...]
    rows: tuple[tuple[int, str, Mapping[str, float]], ...]
    warnings: tuple[str, ...]


def read_scores(path: Path) -> ScoreFile:
    """Read a table of country scores.

    Raises:
        UsageError: It cannot be read, has no countries or no scores, or a score is no number.
    """
    what = "country table"
    where = f"{what} {path}"
    sheet = parse_csv(read_bytes(path, what), path, what)
    country, columns = _columns(sheet, where)
    lines = [line for line, _ in sheet.rows]
    names = [cells[country].strip() for _, cells in sheet.rows]
    nothing = missing_names(names)
    for line, name in zip(lines, names, strict=True):
        if not plain(name) or name.lower() in nothing:
            raise UsageError(
                f"{where}, line {line} has no country", "Fill it in or take the line out."
            )
    codes: Counter[tuple[str, str]] = Counter()
    scores: dict[str, list[float]] = {}
    for key, index in columns.items():
        cells = [cells[index].strip() for _, cells in sheet.rows]
        numbers = [number(cell, sheet.separator) for cell in cells]
        if key not in _NAMES and not _holds_numbers(cells, numbers):
            continue
        for line, cell, value in zip(lines, cells, numbers, strict=True):
            if value is None:
                raise UsageError(
                    f'{where}, line {line}: {key} is "{short(cell)}", which is not a number',
                    "Write a number, or nothing where no score is known.",
                )
        known = [value for value in numbers if value is not None]
        stated = missing_codes(known)
        codes.update((cell, key) for cell in cells if cell and cell.lower() in MISSING)
        codes.update((f"{value:g}", key) for value in known if value in stated)
        scores[key] = [math.nan if value in stated else value for value in known]
    if not scores:
        raise UsageError(f"{where} has no scores", "Add a column for each dimension, such as pdi.")
    named = {
        name: scores[key] for key in scores for name in _spellings(key, sheet.header[columns[key]])
    }
    rows = zip(*named.values(), strict=True)
    return ScoreFile(
        where=where,
        dimensions=tuple(scores),
        rows=tuple(
            (line, name, dict(zip(named, row, strict=True)))
            for line, name, row in zip(lines, names, rows, strict=True)
        ),
        warnings=tuple(missing_sentences(codes, where)),
    )


def number(cell: str, separator: str) -> float | None:
    """Return a cell as a number, NaN where it stands for a missing one, or None where it is neither.

    A comma is the decimal point where cells are not separated by commas.
    """
    if cell.lower() in MISSING:
        return math.nan
    text = cell.replace("−", "-")
    if separator != ",":
        text = re.sub(r"^([+-]?\d*),(\d+)$", r"\1.\2", text)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.IGNORECASE | re.ASCII):
        value = float(text)
        return value if math.isfinite(value) else None
    return None


def missing_names(column: Sequence[str]) -> frozenset[str]:
    """Return the cells, in lower case, that stand for a missing country in a column of countries.

    NA does, unless all others are codes of two letters, among which it is Namibia.
    """
    others = [cell for cell in column if cell.lower() not in MISSING]
    codes = bool(others) and all(len(cell) == 2 for cell in others)
    return frozenset(MISSING) - ({"na"} if codes else set())


def missing_codes(values: Iterable[float]) -> set[float]:
    """Return which `CODES` stand for missing values among the values of a column.

    A negative one does where no other value is negative, or where it lies farther below all others than
    they lie apart.
    """
    others = [value for value in values if not math.isnan(value) and value not in CODES]
    low, high = min(others, default=0.0), max(others, default=0.0)
    return {code for code in CODES if code > 0 or low >= 0 or code < low - (high - low)}


def missing_sentences(codes: Mapping[tuple[str, str], int], where: str) -> Iterable[str]:
    """Yield a sentence for each code, from how often it stands in each column."""
    for code in dict.fromkeys(code for code, _ in codes):
        columns = {column: count for (other, column), count in codes.items() if other == code}
        listed = ", ".join(f"{count} in {column}" for column, count in columns.items())
        if len(columns) > _MOST_LISTED:
            listed = f"{sum(columns.values())} in {len(columns)} columns"
        yield f"{where}: {code} is read as missing: {listed}."


def _columns(sheet: Sheet, where: str) -> tuple[int, dict[str, int]]:
    """Return the place of the countries and of every other column."""
    header = [" ".join(column.lower().split()) for column in sheet.header]
    heads = [plain(column) for column in header]
    country = next((heads.index(name) for name in COUNTRY if name in heads), None)
    if country is None:
        raise UsageError(
            f"{where} has no column country; its columns: {', '.join(header) or 'none'}",
            "Name the columns on the first line: country, then the dimensions, such as pdi.",
        )
    if not sheet.rows:
        raise UsageError(f"{where} has no countries", "Add one a line below the first line.")
    columns: dict[str, int] = {}
    for index, column in enumerate(header):
        is_index = not column and (
            index == 0 or not any(row[index].strip() for _, row in sheet.rows)
        )
        if index == country or is_index:
            continue
        if not column or header.count(column) > 1:
            raise UsageError(
                f'{where} has the column "{column}" {header.count(column)} times',
                "Give every column a name of its own.",
            )
        columns[column] = index
    for key, names in _NAMES.items():
        called = [column for column in columns if _is_called(column, names)]
        called = [column for column in called if re.fullmatch(names, plain(column))] or called
        if key in columns or not called:
            continue
        if len(called) > 1:
            raise UsageError(
                f"{where}: the columns {' and '.join(called)} could both be {key}",
                f"Call the right one {key}.",
            )
        columns[key] = columns.pop(called[0])
    return country, dict(sorted(columns.items(), key=lambda item: item[1]))


def _spellings(key: str, column: str) -> Sequence[str]:
    """Return the keys that a column's scores go by; a survey may call a dimension as the column is called."""
    spelt = " ".join(column.split())
    if spelt.lower() == key and key in _NAMES:
        return (key,)
    return tuple(dict.fromkeys((key, spelt.lower(), spelt)))


def _is_called(column: str, names: str) -> bool:
    words = plain(column)
    return bool(re.search(rf"\b({names})\b", words)) and not _NO_SCORE.search(words)


def _holds_numbers(cells: Sequence[str], numbers: Sequence[float | None]) -> bool:
    """Return whether a column of an unknown name holds scores: most of what is filled in are numbers."""
    filled = [
        value for cell, value in zip(cells, numbers, strict=True) if cell.lower() not in MISSING
    ]
    return 2 * sum(value is not None for value in filled) > len(filled)
