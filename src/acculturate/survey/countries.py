"""Published country scores, looked up by name, ISO code or usual alias.

In: the name of a table that comes with the package, or the path of a user's own CSV file. Out: a
`CountryTable` of countries with their scores. A missing score is left out, never guessed. This file
knows no model; it meets an instrument only to put scores in the order of its dimensions.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.formatting import nearest, suggestion
from acculturate.io import decode, is_path, parse_csv, read_bytes
from acculturate.survey.country_names import DATA, find_name, name_key, plain
from acculturate.survey.instrument import Instrument

MISSING = ("", "-", "na", "n/a", "nan", "null", "#null!", "#n/a")
"""Cells of a CSV file, in lower case, that mean: no score published."""


@dataclass(frozen=True)
class Country:
    """A country, or a region, with its scores.

    Attributes:
        name: Name in this package; every table uses the same.
        table: Key of the table that the scores are from.
        scores: Dimension to score; a missing score has no entry.
        iso: ISO 3166 alpha-2 code, or None for a region.
    """

    name: str
    table: str
    scores: Mapping[str, float]
    iso: str | None

    def vector(self, instrument: Instrument) -> Float[np.ndarray, " dimension"]:
        """Return the scores in the order of the instrument's dimensions.

        Raises:
            UsageError: A score is missing; the message names which, the hint a table that has them.
        """
        keys = [dimension.key for dimension in instrument.dimensions]
        if missing := [key for key in keys if key not in self.scores]:
            raise UsageError(
                f"{self.name} has no {', '.join(missing)} in table {self.table}",
                _where_complete(self.name, keys),
            )
        return np.array([self.scores[key] for key in keys])


@dataclass(frozen=True)
class CountryTable:
    """Countries by name. Lookups ignore case, accents and punctuation.

    Attributes:
        key: Name of the table; every result names the table it used.
        title: Its title.
        source: The publication of the scores.
        terms: Under which terms.
        dimensions: Keys of the dimensions it has scores for.
        countries: In the table's order.
    """

    key: str
    title: str
    source: str
    terms: str
    dimensions: tuple[str, ...]
    countries: tuple[Country, ...]

    def __iter__(self) -> Iterator[Country]:
        return iter(self.countries)

    def __len__(self) -> int:
        return len(self.countries)

    def __contains__(self, name: str) -> bool:
        return name_key(name) in self._by_name

    def __getitem__(self, name: str) -> Country:
        """Return the country of a name, ISO code or usual spelling.

        Raises:
            UsageError: There is none; the hint gives the nearest names, or a table that has it.
        """
        if country := self._by_name.get(name_key(name)):
            return country
        elsewhere = [
            key
            for key in table_names()
            if set(self.dimensions) <= set(_built_in(key).dimensions) and name in _built_in(key)
        ]
        matches = [] if find_name(name) else self._spelt_like(name)  # else it is not misspelt
        hint = f"`acculturate countries --table {self.key}` lists its {len(self)} countries."
        if elsewhere:
            hint = f"Table {elsewhere[0]} has it."
        elif matches:
            hint = f"Did you mean {' or '.join(matches)}?"
        raise UsageError(f'table {self.key} has no country "{name}"', hint)

    def complete(self) -> tuple[Country, ...]:
        """Return the countries that have a score on every dimension of the table."""
        return tuple(c for c in self.countries if set(self.dimensions) <= set(c.scores))

    def _spelt_like(self, name: str) -> list[str]:
        spellings: dict[str, str] = {}
        for country in self.countries:
            known = find_name(country.name)
            for spelling in (country.name, *(known.spellings if known else ())):
                if len(spelling) > 3:
                    spellings.setdefault(plain(spelling), country.name)
        matches = (spellings[match] for match in nearest(plain(name), spellings, 8))
        return list(dict.fromkeys(matches))[:3]

    @cached_property
    def _by_name(self) -> Mapping[str, Country]:
        return {name_key(country.name): country for country in self.countries}


def table_names() -> tuple[str, ...]:
    """Return the names of the tables that come with the package."""
    return tuple(sorted(path.stem for path in DATA.glob("*.toml")))


def load_countries(name_or_path: str | Path = "hofstede-insights") -> CountryTable:
    """Load a country table.

    Args:
        name_or_path: "hofstede-2015", "hofstede-insights", "inglehart-welzel-2024", or the path of a
            CSV file with a column `country` and a column for each dimension; an empty cell is a
            missing score.

    Raises:
        UsageError: The name is unknown, or the file cannot be read as such a table.
    """
    if isinstance(name_or_path, str):
        if name_or_path in table_names():
            return _built_in(name_or_path)
        if not is_path(name_or_path, ".csv"):
            raise UsageError(
                f'there is no country table "{name_or_path}"',
                f"{suggestion(name_or_path, table_names(), 'Tables')} "
                "A table of your own is given by its path, ending in .csv.",
            )
    return _read_csv(Path(name_or_path))


@cache
def _built_in(key: str) -> CountryTable:
    values = tomllib.loads((DATA / f"{key}.toml").read_text("utf-8"))
    dimensions = tuple(values["dimensions"])
    return CountryTable(
        key=key,
        title=values["title"],
        source=values["source"],
        terms=values["terms"],
        dimensions=dimensions,
        countries=tuple(
            _country(name, key, dict(zip(dimensions, map(float, scores), strict=True)))
            for name, scores in values["scores"].items()
        ),
    )


def _country(name: str, table: str, scores: Mapping[str, float]) -> Country:
    known = find_name(name)
    return Country(
        name=name if known is None else known.name,
        table=table,
        scores={key: score for key, score in scores.items() if not math.isnan(score)},
        iso=None if known is None else known.iso,
    )


def _where_complete(name: str, dimensions: list[str]) -> str:
    for key in table_names():
        table = _built_in(key)
        if name in table and set(dimensions) <= set(table[name].scores):
            return f"Table {key} has them."
    return "Choose another country, or give a table of your own as a CSV file."


def _read_csv(path: Path) -> CountryTable:
    where = f"country table {path}"
    text = decode(read_bytes(path, "country table"), path, "country table")
    header, rows = parse_csv(text, where)
    header = [column.lower() for column in header]
    _check_header(header, where)
    countries: dict[str, Country] = {}
    lines: dict[str, int] = {}
    for number, cells in rows:
        row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        name = row.pop("country")
        if not plain(name):
            hint = "Fill it in or take the line out."
            raise UsageError(f"{where}, line {number} has no country", hint)
        scores = {key: _number(cell, key, f"{where}, line {number}") for key, cell in row.items()}
        country = _country(name, path.stem, scores)
        key = name_key(country.name)
        if key in countries:
            raise UsageError(
                f"{where}, line {number}: {name} is the same country as on line {lines[key]}",
                "Take one of them out.",
            )
        countries[key], lines[key] = country, number
    if not countries:
        raise UsageError(f"{where} has no countries", "Add one a line below the first line.")
    return CountryTable(
        key=path.stem,
        title=path.name,
        source=str(path),
        terms="the user's own",
        dimensions=tuple(key for key in header if key != "country"),
        countries=tuple(countries.values()),
    )


def _check_header(header: list[str], where: str) -> None:
    if "country" not in header:
        raise UsageError(
            f"{where} has no column country; its columns: {', '.join(header) or 'none'}",
            "Name the columns on the first line: country, then the dimensions, such as pdi.",
        )
    for column in header:
        if not column or header.count(column) > 1:
            raise UsageError(
                f'{where} has the column "{column}" {header.count(column)} times',
                "Give every column a name of its own.",
            )
    if len(header) == 1:
        raise UsageError(f"{where} has no scores", "Add a column for each dimension, such as pdi.")


def _number(cell: str, column: str, where: str) -> float:
    if cell.lower() in MISSING:
        return math.nan
    try:
        number = float(cell)
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise UsageError(
            f'{where}: {column} is "{cell}", which is not a number',
            "Write a number with a decimal point, or nothing where no score is known.",
        )
    return number
