"""A questionnaire as data: items, scales, dimensions, and the words in each language.

In: the name of an instrument that comes with the package, or the path of a TOML file
(docs/instruments.md describes the format). Out: an `Instrument` that has been checked, or a
`UsageError` that names what is wrong. This file knows neither how a form looks nor how it is
scored.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from acculturate.errors import UsageError
from acculturate.formatting import suggestion
from acculturate.io import is_path, read_bytes
from acculturate.survey.files import Table, parse_toml
from acculturate.survey.language import Frame, LanguageText, Split, read_language

__all__ = [
    "AGGREGATES",
    "Aggregate",
    "Dimension",
    "Frame",
    "Instrument",
    "Item",
    "LanguageText",
    "Scale",
    "Split",
    "instrument_names",
    "instrument_template",
    "load_instrument",
]

MOST_OPTIONS = 26
"""Options are labelled with one digit, or from ten on with one letter."""

Aggregate = Literal["mean", "sum", "distance"]
AGGREGATES: tuple[Aggregate, ...] = ("mean", "sum", "distance")

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Scale:
    """The answer scale of some items; its options are numbered from 1."""

    key: str
    options: int


@dataclass(frozen=True)
class Item:
    """One question: what it measures, and on which scale. Its words are in `LanguageText`."""

    id: str
    construct: str
    scale: str


@dataclass(frozen=True)
class Dimension:
    """A score: the weighted sum of mean answers plus a constant.

    Attributes:
        key: Short name, such as "pdi"; a variant carries the key of the dimension it replaces.
        name: Name in words.
        weights: Item to its weight.
        low: What a low score means, in a few words.
        high: What a high score means.
        midpoint: The constant C of the anchor "midpoint".
        range: About where published scores lie.
    """

    key: str
    name: str
    weights: Mapping[str, float]
    low: str
    high: str
    midpoint: float
    range: tuple[float, float] = (0.0, 100.0)


@dataclass(frozen=True)
class Instrument:
    """A checked questionnaire.

    Attributes:
        key: Short name.
        title: Name in full.
        source: Where items and scoring come from, and whose the wordings are.
        warnings: What a reader of a score must know.
        items: In the order of the questionnaire.
        scales: Scale by key.
        dimensions: In the order of every score vector.
        variants: Other formulas for a dimension, used only by name.
        aggregate: How the differences to a target become a loss, where nothing else is asked for.
        languages: Text by language code.
        fingerprint: SHA-256 of the file or files, hexadecimal.
    """

    key: str
    title: str
    source: str
    warnings: tuple[str, ...]
    items: tuple[Item, ...]
    scales: Mapping[str, Scale]
    dimensions: tuple[Dimension, ...]
    variants: Mapping[str, Dimension]
    aggregate: Aggregate
    languages: Mapping[str, LanguageText]
    fingerprint: str

    def language(self, code: str) -> LanguageText:
        """The text in a language.

        Raises:
            UsageError: The instrument has no such language.
        """
        if code not in self.languages:
            raise UsageError(
                f'instrument "{self.key}" has no language "{code}"',
                f"Languages it has: {', '.join(self.languages)}.",
            )
        return self.languages[code]

    def options_of(self, item: Item) -> int:
        """How many options an item has."""
        return self.scales[item.scale].options


def instrument_names() -> tuple[str, ...]:
    """Names of the instruments that come with the package."""
    return tuple(sorted(path.stem for path in DATA.glob("*.toml")))


def load_instrument(name_or_path: str | Path) -> Instrument:
    """Loads an instrument and checks it.

    Args:
        name_or_path: A name such as "vsm13" or "toy", or the path of a TOML file.

    Raises:
        UsageError: The name is unknown, the file cannot be read, or its contents do not fit
            together.
    """
    path = _find(name_or_path)
    raw = read_bytes(path, "instrument file")
    top = parse_toml(raw, path, "instrument file")
    others: dict[str, Table] = {}
    for file in _language_files(path):
        text = read_bytes(file, "language file")
        others[file.stem] = parse_toml(text, file, "language file")
        raw += text
    return _read(top, others, hashlib.sha256(raw).hexdigest())


def _language_files(path: Path) -> list[Path]:
    """Further languages of an instrument that comes with the package, a file each: vsm13/ar.toml."""
    return sorted(path.with_suffix("").glob("*.toml")) if path.parent == DATA else []


def _find(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, Path):
        return name_or_path
    names = instrument_names()
    if name_or_path in names:
        return DATA / f"{name_or_path}.toml"
    if is_path(name_or_path, ".toml"):
        return Path(name_or_path)
    raise UsageError(
        f'there is no instrument "{name_or_path}"',
        f"{suggestion(name_or_path, names, 'Instruments')} "
        "A file of your own is given by its path, ending in .toml.",
    )


def _read(top: Table, others: Mapping[str, Table], fingerprint: str) -> Instrument:
    top.only(
        "key",
        "title",
        "source",
        "warnings",
        "scales",
        "items",
        "dimensions",
        "variants",
        "aggregate",
        "languages",
    )
    scales = {key: _scale(key, table) for key, table in top.tables("scales")}
    items = tuple(_item(key, table, scales) for key, table in top.tables("items"))
    dimensions = tuple(_dimension(key, table, items) for key, table in top.tables("dimensions"))
    variants = (
        {key: _variant(table, dimensions, items) for key, table in top.tables("variants")}
        if "variants" in top
        else {}
    )
    sizes = {key: scale.options for key, scale in scales.items()}
    ids = [item.id for item in items]
    tables = {**dict(top.tables("languages")), **others}
    languages = {code: read_language(code, table, sizes, ids) for code, table in tables.items()}
    return Instrument(
        key=top.text("key"),
        title=top.text("title"),
        source=top.text("source"),
        warnings=(
            *(top.texts("warnings") if "warnings" in top else ()),
            *_warnings(languages),
        ),
        items=items,
        scales=scales,
        dimensions=dimensions,
        variants=variants,
        aggregate=cast(
            "Aggregate", top.choice("aggregate", AGGREGATES) if "aggregate" in top else "mean"
        ),
        languages=languages,
        fingerprint=fingerprint,
    )


def _warnings(languages: Mapping[str, LanguageText]) -> Iterator[str]:
    if raw := [code for code, text in languages.items() if not text.validated]:
        yield f"The wordings ({', '.join(raw)}) have not been validated against the original."
    if single := [code for code, text in languages.items() if not text.held_out_wordings]:
        yield (
            f"Only one wording of each item ({', '.join(single)}): held-out forms differ "
            "from tuning forms in their frame alone."
        )


def _scale(key: str, table: Table) -> Scale:
    table.only("options")
    options = table.whole("options")
    if not 2 <= options <= MOST_OPTIONS:
        raise table.error("options", f"is {options}", f"Write a number from 2 to {MOST_OPTIONS}.")
    return Scale(key, options)


def _item(key: str, table: Table, scales: Mapping[str, Scale]) -> Item:
    table.only("construct", "scale")
    scale = table.text("scale")
    if scale not in scales:
        raise table.error(
            "scale", f'names "{scale}", which does not exist', suggestion(scale, scales, "Scales")
        )
    return Item(key, table.text("construct"), scale)


def _dimension(key: str, table: Table, items: tuple[Item, ...]) -> Dimension:
    table.only("name", "weights", "low", "high", "midpoint", "range")
    return Dimension(
        key=key,
        name=table.text("name"),
        weights=_weights(table, items),
        low=table.text("low"),
        high=table.text("high"),
        midpoint=table.number("midpoint", 50.0),
        range=_range(table) if "range" in table else (0.0, 100.0),
    )


def _range(table: Table) -> tuple[float, float]:
    ends = table.numbers("range")
    if len(ends) != 2 or not -math.inf < ends[0] < ends[1] < math.inf:
        raise table.error("range", f"is {list(ends)}", "Write two numbers, such as [0, 100].")
    return ends[0], ends[1]


def _variant(table: Table, dimensions: tuple[Dimension, ...], items: tuple[Item, ...]) -> Dimension:
    table.only("dimension", "weights")
    by_key = {dimension.key: dimension for dimension in dimensions}
    key = table.text("dimension")
    if key not in by_key:
        raise table.error(
            "dimension",
            f'names "{key}", which does not exist',
            suggestion(key, by_key, "Dimensions"),
        )
    return replace(by_key[key], weights=_weights(table, items))


def _weights(table: Table, items: tuple[Item, ...]) -> dict[str, float]:
    ids = [item.id for item in items]
    weights = table.table("weights")
    unknown = [key for key in weights if key not in ids]
    if unknown:
        raise table.error(
            "weights",
            f"names items that do not exist: {', '.join(unknown)}",
            " ".join(f"{key}: {suggestion(key, ids, 'Items')}" for key in unknown[:3]),
        )
    values = {key: weights.number(key) for key in weights}
    if not any(values.values()):
        raise table.error("weights", "weigh nothing", "Give at least one item a weight.")
    return values


def instrument_template(key: str, language: str = "en") -> str:
    """A TOML file to fill in: the instrument without its words, for an official or other wording.

    Constructs, scales, formulas and frames are there; labels and wordings are empty, and loading
    the file before they are filled in names the first one.

    Args:
        key: A name such as "vsm13", or the path of an instrument file.
        language: Code of the language whose frames are taken over.

    Raises:
        UsageError: The instrument or the language is unknown.
    """
    return "\n".join(_template_lines(load_instrument(key), language)) + "\n"


def _template_lines(instrument: Instrument, language: str) -> Iterator[str]:
    text = instrument.language(language)
    yield f'# {instrument.title}: fill in every empty "".'
    yield "# Wordings: one or more an item, the same number for each; of several, the last is held"
    yield "# out: it is never tuned on."
    yield f"key = {_quoted(instrument.key + '-own')}"
    yield f"title = {_quoted(instrument.title)}"
    yield f"source = {_quoted(instrument.source)}"
    yield "warnings = ["
    for warning in instrument.warnings:
        if warning not in _warnings(instrument.languages):
            yield f"  {_quoted(warning)},"
    yield "]"
    yield f"aggregate = {_quoted(instrument.aggregate)}"
    yield "\n[scales]"
    for scale in instrument.scales.values():
        yield f"{_key(scale.key)} = {{ options = {scale.options} }}"
    yield "\n[items]"
    for item in instrument.items:
        yield (
            f"{_key(item.id)} = {{ scale = {_quoted(item.scale)}, "
            f"construct = {_quoted(item.construct)} }}"
        )
    for dimension in instrument.dimensions:
        yield f"\n[dimensions.{_key(dimension.key)}]"
        yield f"name = {_quoted(dimension.name)}"
        yield f"weights = {_inline(dimension.weights)}"
        yield f"low = {_quoted(dimension.low)}"
        yield f"high = {_quoted(dimension.high)}"
        yield f"midpoint = {_number(dimension.midpoint)}"
        yield f"range = [{', '.join(_number(end) for end in dimension.range)}]"
    for key, variant in instrument.variants.items():
        yield f"\n[variants.{_key(key)}]"
        yield f"dimension = {_quoted(variant.key)}"
        yield f"weights = {_inline(variant.weights)}"
    yield f"\n[languages.{_key(text.code)}]"
    yield f"direction = {_quoted(text.direction)}"
    yield "validated = false # true for a wording that was validated"
    yield f"answer_cue = {_quoted(text.answer_cue)}"
    yield 'source = "" # whose the words are'
    yield f"\n[languages.{_key(text.code)}.labels]"
    for key, labels in text.labels.items():
        yield f'# from "{labels[0]}" (option 1) to "{labels[-1]}" (option {len(labels)})'
        blanks = ", ".join(['""'] * len(labels))
        yield f"{_key(key)} = [{blanks}]"
    yield f"\n[languages.{_key(text.code)}.frames]"
    for frame in text.frames:
        held_out = "held_out = true, " if frame.held_out else ""
        letters = frame.letters_template and f", letters = {_quoted(frame.letters_template)}"
        template = f"template = {_quoted(frame.template)}{letters or ''}"
        yield f"{_key(frame.key)} = {{ {held_out}{template} }}"
    yield f"\n[languages.{_key(text.code)}.wordings]"
    for item in instrument.items:
        yield f"# {item.construct}"
        yield f'{_key(item.id)} = [""]'


def _inline(weights: Mapping[str, float]) -> str:
    entries = ", ".join(f"{_key(key)} = {_number(value)}" for key, value in weights.items())
    return f"{{ {entries} }}"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
