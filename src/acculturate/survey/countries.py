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

from acculturate.arguments import checked
from acculturate.errors import UsageError
from acculturate.formatting import nearest, suggestion
from acculturate.io import is_path
from acculturate.survey.country_files import read_scores
from acculturate.survey.country_names import DATA, find_name, name_key, plain
from acculturate.survey.instrument import Instrument

_OTHER_TABLE = "Choose another country, or give a table of your own as a CSV file."
_SMALL = 0.1
"""Scores below this share of the ends of the published range are of another scale."""


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

    def __repr__(self) -> str:
        scores = ", ".join(f"{key}={score:g}" for key, score in self.scores.items())
        return f"Country({self.name!r}, {self.table}: {scores})"

    def vector(self, instrument: Instrument) -> Float[np.ndarray, " dimension"]:
        """Return the scores in the order of the instrument's dimensions.

        Raises:
            UsageError: A score is missing; the message names which, the hint a table that has them. Or
                all scores lie between 0 and 1, and the instrument's do not.
        """
        keys = [dimension.key for dimension in instrument.dimensions]
        if missing := self._missing(instrument):
            raise UsageError(missing, self._elsewhere(instrument) or _OTHER_TABLE)
        scores = np.array([self.scores[key] for key in keys])
        low, high = _ends(instrument)
        shares = bool(((scores >= 0) & (scores <= 1)).all()) and (len(keys) > 1 or scores[0] % 1)
        if shares and high - low > 1 / _SMALL:
            raise UsageError(
                f"all scores of {self.name} in table {self.table} lie between 0 and 1, published ones of "
                f"{instrument.key} between about {low:g} and {high:g}",
                f"Multiply the scores of the table by {high - low:g}.",
            )
        return scores

    def part_of(self, instrument: Instrument) -> Instrument:
        """Return a questionnaire with the dimensions that the country has scores on.

        Its last warning says what is left out, if anything is.

        Raises:
            UsageError: The country has no score on any; the hint names a table that has them.
        """
        missing = self._missing(instrument)
        if missing is None:
            return instrument
        elsewhere = self._elsewhere(instrument)
        if not {dimension.key for dimension in instrument.dimensions} & {*self.scores}:
            raise UsageError(missing, elsewhere or _OTHER_TABLE)
        why = f"{missing}: left out of scores, loss, shift and ranks."
        return instrument.only(self.scores, f"{why} {elsewhere}".strip())

    def _missing(self, instrument: Instrument) -> str | None:
        """Say which scores the country does not have; None where it has all."""
        keys = [each.key for each in instrument.dimensions if each.key not in self.scores]
        return f"{self.name} has no {', '.join(keys)} in table {self.table}" if keys else None

    def _elsewhere(self, instrument: Instrument) -> str:
        """Name a table of the package that has all scores; empty where there is none."""
        keys = {dimension.key for dimension in instrument.dimensions}
        for key in table_names():
            table = _built_in(key)
            if self.name in table and keys <= set(table[self.name].scores):
                return f"Table {key} has them."
        return ""


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
        warnings: Sentences about cells of the file that are read as missing.
    """

    key: str
    title: str
    source: str
    terms: str
    dimensions: tuple[str, ...]
    countries: tuple[Country, ...]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"CountryTable({self.key!r}, {len(self)} countries: {', '.join(self.dimensions)})"

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
        built_in = self.key in table_names()
        table = self.key if built_in else "FILE"
        hint = f"`acculturate countries --table {table}` lists all that it has ({len(self)})."
        if elsewhere:
            hint = f"Table {elsewhere[0]} has it."
        elif matches:
            hint = f"Did you mean {' or '.join(matches)}?"
        if built_in and not elsewhere:
            hint += " Scores of your own come from a CSV file, with --table FILE."
        raise UsageError(f'table {self.key} has no country "{name}"', hint)

    def complete(self, instrument: Instrument | None = None) -> tuple[Country, ...]:
        """Return the countries that have a score on every dimension of the instrument, or of the table."""
        keys = {d.key for d in instrument.dimensions} if instrument else set(self.dimensions)
        return tuple(country for country in self.countries if keys <= set(country.scores))

    def warnings_for(self, instrument: Instrument) -> tuple[str, ...]:
        """Return the table's warnings, with one more where its scores are of another size than the survey's."""
        keys = [dimension.key for dimension in instrument.dimensions]
        scores = [c.scores[key] for c in self.countries for key in keys if key in c.scores]
        low, high = _ends(instrument)
        farthest, width = max(map(abs, scores), default=math.inf), high - low
        fits = all(low - width <= score <= high + width for score in scores)
        if not scores or (fits and farthest >= _SMALL * max(abs(low), abs(high))):
            return self.warnings
        return (
            *self.warnings,
            f"country table {self.source}: the scores lie between {min(scores):g} and {max(scores):g}, "
            f"published ones of {instrument.key} between about {low:g} and {high:g}; check their scale.",
        )

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


def _ends(instrument: Instrument) -> tuple[float, float]:
    """Return the ends of the range of published scores over all dimensions."""
    lows, highs = zip(*(dimension.range for dimension in instrument.dimensions), strict=True)
    return min(lows), max(highs)


def table_names() -> tuple[str, ...]:
    """Return the names of the tables that come with the package."""
    return tuple(sorted(path.stem for path in DATA.glob("*.toml")))


@checked
def load_countries(name_or_path: str | Path = "hofstede-insights") -> CountryTable:
    """Load a country table.

    Args:
        name_or_path: "hofstede-2015", "hofstede-insights", "inglehart-welzel-2024", or the path of a
            text file with a column `country` and a column for each dimension (`country_files`).

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
    return _read_file(Path(name_or_path))


def default_table(instrument: Instrument, target: Country | None) -> CountryTable | None:
    """Return the target's table, or else one of the instrument's dimensions, first of all hofstede-insights.

    None where there is none such among those that come with the package.
    """
    keys = ("hofstede-insights", *table_names()) if target is None else (target.table,)
    for key in keys:
        if key in table_names():
            table = load_countries(key)
            if {d.key for d in instrument.dimensions} <= set(table.dimensions):
                return table
    return None


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


def _read_file(path: Path) -> CountryTable:
    if path.stem in table_names():
        raise UsageError(
            f"{path} has the name of a table that comes with the package",
            "Rename the file: its results would be taken for that table's.",
        )
    file = read_scores(path)
    countries: dict[str, Country] = {}
    lines: dict[str, int] = {}
    for line, name, scores in file.rows:
        country = _country(name, path.stem, scores)
        key = name_key(country.name)
        if key in countries:
            raise UsageError(
                f"{file.where}, line {line}: {name} is the same country as on line {lines[key]}",
                "Take one of them out.",
            )
        countries[key], lines[key] = country, line
    return CountryTable(
        key=path.stem,
        title=path.name,
        source=str(path),
        terms="the user's own",
        dimensions=file.dimensions,
        countries=tuple(countries.values()),
        warnings=file.warnings,
    )
