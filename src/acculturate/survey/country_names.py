"""Spellings of countries: every usual one leads to the name that this package uses.

In: a name or an ISO 3166 code as some data set writes it. Out: one name for all spellings. Word order, case,
accents, articles, abbreviations and the form of the state ("Rep.", "Kingdom of") do not count, as long as no
other country is meant; data/countries/names.csv holds the names that no such rule gives.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data" / "countries"

_LINKS = frozenset({"and", "of", "the", "formerly"})
_ABBREVIATED = {
    short: full
    for full, shorts in {
        "african": "afr",
        "british": "br",
        "central": "cent",
        "democratic": "dem",
        "east": "e eastern",
        "equatorial": "eq equat",
        "french": "fr",
        "great": "gr gt",
        "herzegovina": "herz herzeg hercegovina",
        "islands": "is isl island",
        "north": "n northern nth",
        "palestinian": "palest",
        "peoples": "people",
        "republic": "rep",
        "saint": "st",
        "south": "s sth",  # Southern Africa is no country
        "tobago": "tob",
        "west": "w western",
    }.items()
    for short in shorts.split()
}
_FORMS = re.compile(
    r"\b(arab|bolivarian|commonwealth|duchy|fed|(con)?federa(l|ted|tion|tive)|hashemite|"
    r"independent|islam(ic)?|kingdom|plurinat(ional)?|prc|principality|province|republic|sar|states?|sts|sultanate|"
    r"terr?|territor(y|ies)|un|union|united)\b"
)
"""Words for the form of a state."""


@dataclass(frozen=True)
class CountryName:
    """A country of ISO 3166, or a region that a table has scores for.

    Attributes:
        name: Name in this package.
        iso: ISO 3166 alpha-2 code, or None for a region.
        spellings: Name, codes and other names.
    """

    name: str
    iso: str | None
    spellings: tuple[str, ...]


def country_name(name: str) -> str:
    """Return the name that every table uses for a country, or the name itself where none is known."""
    known = find_name(name)
    return name if known is None else known.name


@cache
def find_name(name: str) -> CountryName | None:
    """Return the country or region of a name, ISO code or usual spelling; None where none is known."""
    names = known_names()
    words = _words(name)
    for key in (words, _without_form(words), _without_spaces(name)):
        if key in names:
            return names[key]
    # "Eswatini (formerly Swaziland)", "Myanmar/Burma": two names of one country.
    parts = [part for part in re.split(r"[][(),/;]", name) if plain(part) not in ("", *_LINKS)]
    found = {find_name(part) for part in parts} if len(parts) > 1 else {None}
    return found.pop() if len(found) == 1 else None


def name_key(name: str) -> str:
    """Return what all spellings of a name have in common, of a country that is known or not."""
    known = find_name(name)
    return _words(name) if known is None else known.name


def plain(name: str) -> str:
    """Return a name in lower case without accents and punctuation; letters with dots are one word."""
    joined = re.sub(r"\b(\w)\.\s*(?=\w\b)", r"\1", name.casefold())
    spaced = joined.replace("&", " and ").replace("ı", "i")
    letters = (
        letter if unicodedata.category(letter)[0] in "LNZ" else "" if letter in "'’`´ʼ" else " "
        for letter in unicodedata.normalize("NFKD", spaced)
        if not unicodedata.combining(letter)
    )
    return " ".join("".join(letters).split())


@cache
def known_names() -> Mapping[str, CountryName]:
    """Return every country and region by what its spellings come to."""
    with (DATA / "names.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    spelt: list[tuple[str, CountryName]] = []
    for row in rows:
        spellings = (row["name"], row["iso2"], row["iso3"], *row["aliases"].split("|"))
        entry = CountryName(row["name"], row["iso2"] or None, tuple(filter(None, spellings)))
        spelt += [(spelling, entry) for spelling in entry.spellings]
    names = {_words(spelling): entry for spelling, entry in spelt}
    # What is left of "Republic of China" belongs to the country that is called so.
    for spelling, entry in spelt:
        names.setdefault(_without_form(_words(spelling)), entry)
        names.setdefault(_without_spaces(spelling), entry)
    names.pop("", None)
    return names


def _words(name: str) -> str:
    """Return the words of a name in alphabetical order, abbreviations written out."""
    words = plain(name).replace("special administrative region", "sar").split()
    if len(words) > 1:  # a word alone may be a code: IS, ST, AND
        words = [_ABBREVIATED.get(word, word) for word in words if word not in _LINKS]
    return " ".join(sorted(set(words)))


def _without_form(words: str) -> str:
    return " ".join(_FORMS.sub(" ", words).split())


def _without_spaces(name: str) -> str:
    squeezed = plain(name).replace(" ", "")
    return squeezed if len(squeezed) > 2 else ""  # "N/A" is not Namibia
