"""A questionnaire as data: items, scales, dimensions, and the words in each language.

In: the name of an instrument that comes with the package, or the path of a TOML file
(docs/instruments.md describes the format). Out: an `Instrument` that has been checked, or a
`UsageError` that names what is wrong. This file knows neither how a form looks nor how it is
scored.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from acculturate.arguments import checked
from acculturate.errors import UsageError
from acculturate.formatting import suggestion
from acculturate.io import is_path, parse_toml, read_bytes
from acculturate.schema import Number, Section, Text, Whole, fault, validated
from acculturate.survey.language import LanguageSection, LanguageText

MOST_OPTIONS = 26
"""Options are labelled with one digit, or from ten on with one letter."""

Aggregate = Literal["mean", "sum", "distance"]

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Scale:
    """The answer scale of some items; its options are numbered from 1.

    Attributes:
        key: Its name.
        options: Their number.
        first: The number that people's answers have for the first option in a file.
    """

    key: str
    options: int
    first: int = 1


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
        low: The meaning of a low score, in a few words.
        high: The meaning of a high score.
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
        source: The publication of items and scoring, and the author of the wordings.
        warnings: Notes for every reader of a score.
        items: In the order of the questionnaire.
        scales: Scale by key.
        dimensions: In the order of every score vector.
        variants: Other formulas for a dimension, used only by name.
        aggregate: The default way from differences to a target to a loss.
        languages: Text by language code.
        fingerprint: SHA-256 of the file or files, hexadecimal.
        left_out: Keys of the file's dimensions that are not measured.
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
    left_out: tuple[str, ...] = ()

    def __repr__(self) -> str:
        dimensions = ", ".join(dimension.key for dimension in self.dimensions)
        return f"Instrument({self.key!r}, {len(self.items)} items: {dimensions})"

    def language(self, code: str) -> LanguageText:
        """Return the text in a language.

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
        """Return the number of options of an item."""
        return self.scales[item.scale].options

    def only(self, dimensions: Collection[str], why: str) -> Instrument:
        """Return the same questionnaire with some of its dimensions.

        Every item is asked all the same: answers in words are calibrated over all of them.

        Args:
            dimensions: Keys of those that stay.
            why: The reason, a warning for every reader of a score.
        """
        left_out = [each.key for each in self.dimensions if each.key not in dimensions]
        return replace(
            self,
            warnings=(*self.warnings, why),
            dimensions=tuple(each for each in self.dimensions if each.key in dimensions),
            variants={name: v for name, v in self.variants.items() if v.key in dimensions},
            left_out=(*self.left_out, *left_out),
        )


def instrument_names() -> tuple[str, ...]:
    """Return the names of the instruments that come with the package."""
    return tuple(sorted(path.stem for path in DATA.glob("*.toml")))


@checked
def load_instrument(name_or_path: str | Path) -> Instrument:
    """Load an instrument and check it.

    Args:
        name_or_path: A name such as "vsm13" or "toy", or the path of a TOML file.

    Raises:
        UsageError: The name is unknown, the file cannot be read, or its contents do not fit
            together.
    """
    path = _find(name_or_path)
    raw = read_bytes(path, "instrument file")
    values = parse_toml(raw, path, "instrument file")
    # Further languages of an instrument that comes with the package have a file each: vsm13/ar.toml.
    for file in sorted(path.with_suffix("").glob("*.toml")) if path.parent == DATA else ():
        text = file.read_bytes()
        values["languages"][file.stem] = parse_toml(text, file, "language file")
        raw += text
    return validated(_File, values, path).build(hashlib.sha256(raw).hexdigest())


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


def _check_weights(weights: dict[str, float]) -> dict[str, float]:
    if not any(weights.values()):
        raise fault("weigh nothing", "Give at least one item a weight.")
    return weights


def _check_range(ends: tuple[float, ...]) -> tuple[float, ...]:
    if len(ends) != 2 or ends[0] >= ends[1]:
        raise fault(f"is {list(ends)}", "Write two numbers, such as [0, 100].")
    return ends


_Weights = Annotated[dict[str, Number], AfterValidator(_check_weights)]


class _Scale(Section):
    options: Annotated[Whole, Field(ge=2, le=MOST_OPTIONS)]
    first: Whole = 1


class _Item(Section):
    measures: Text = Field(alias="construct")
    scale: Text


class _Dimension(Section):
    name: Text
    weights: _Weights
    low: Text
    high: Text
    midpoint: Number = 50.0
    range: Annotated[tuple[Number, ...], AfterValidator(_check_range)] = (0.0, 100.0)


class _Variant(Section):
    dimension: Text
    weights: _Weights


class _File(Section):
    scales: Annotated[dict[str, _Scale], Field(min_length=1)]
    items: Annotated[dict[str, _Item], Field(min_length=1)]
    dimensions: Annotated[dict[str, _Dimension], Field(min_length=1)]
    variants: dict[str, _Variant] = Field(default_factory=dict[str, _Variant])
    aggregate: Aggregate = "mean"
    key: Text
    title: Text
    source: Text
    warnings: tuple[Text, ...] = ()
    languages: Annotated[dict[str, LanguageSection], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_names(self) -> _File:
        for id, item in self.items.items():
            _check_reference(item.scale, self.scales, "Scales", "items", id, "scale")
        for key, dimension in self.dimensions.items():
            self._check_items(dimension.weights, "dimensions", key, "weights")
        for key, variant in self.variants.items():
            at = ("variants", key, "dimension")
            _check_reference(variant.dimension, self.dimensions, "Dimensions", *at)
            self._check_items(variant.weights, "variants", key, "weights")
        sizes = {key: scale.options for key, scale in self.scales.items()}
        for code, text in self.languages.items():
            at = ("languages", code)
            text.check_structure(sizes, tuple(self.items), tuple(self.dimensions), *at)
        return self

    def _check_items(self, weights: Mapping[str, float], *at: str) -> None:
        if unknown := [id for id in weights if id not in self.items]:
            hint = " ".join(f"{id}: {suggestion(id, self.items, 'Items')}" for id in unknown[:3])
            raise fault(f"names items that do not exist: {', '.join(unknown)}", hint, *at)

    def build(self, fingerprint: str) -> Instrument:
        dimensions = {key: Dimension(key, **d.model_dump()) for key, d in self.dimensions.items()}
        languages = {code: text.build(code) for code, text in self.languages.items()}
        return Instrument(
            **self.model_dump(include={"key", "title", "source", "aggregate"}),
            warnings=(*self.warnings, *_warnings(languages)),
            items=tuple(Item(id, item.measures, item.scale) for id, item in self.items.items()),
            scales={
                key: Scale(key, scale.options, scale.first) for key, scale in self.scales.items()
            },
            dimensions=tuple(dimensions.values()),
            variants={
                key: replace(dimensions[variant.dimension], weights=variant.weights)
                for key, variant in self.variants.items()
            },
            languages=languages,
            fingerprint=fingerprint,
        )


def _check_reference(name: str, known: Mapping[str, object], what: str, *at: str) -> None:
    if name not in known:
        hint = suggestion(name, known, what)
        raise fault(f'names "{name}", which does not exist', hint, *at)


def _warnings(languages: Mapping[str, LanguageText]) -> Iterator[str]:
    if raw := [code for code, text in languages.items() if not text.validated]:
        yield f"The wordings ({', '.join(raw)}) have not been validated against the original."
    if single := [code for code, text in languages.items() if not text.held_out_wordings]:
        yield (
            f"Only one wording of each item ({', '.join(single)}): held-out forms differ "
            "from tuning forms in their frame alone."
        )
    if same := [code for code, text in languages.items() if not text.has_new_words_frames]:
        yield (
            f"Held-out forms in words ({', '.join(same)}) stand in the frames of the tuning forms: give "
            "frames of both splits words of their own."
        )


def instrument_template(key: str, *languages: str) -> str:
    """Return a TOML file to fill in: the instrument without its words, for an official or other wording.

    Constructs, scales and formulas are there; labels and wordings are empty, and loading the file before they
    are filled in names the first one. Frames and poles are taken over in a language that the instrument has; in
    any other one they are empty too, with ours beside them.

    Args:
        key: A name such as "vsm13", or the path of an instrument file.
        languages: Codes of the languages to write; the instrument's first one if there are none.

    Raises:
        UsageError: The instrument is unknown, or a code is none.
    """
    import jinja2

    instrument = load_instrument(key)
    known = instrument.languages
    first = next(iter(known))
    for code in languages:
        if not re.fullmatch("[a-z]{2,3}(-[A-Za-z0-9]+)*", code):
            raise UsageError(f'"{code}" is no language code', "Give one such as de or pt-BR.")
    made = tuple(_warnings(instrument.languages))
    # Text, not HTML: nothing is escaped but what TOML quotes.
    environment = jinja2.Environment(
        trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"quoted": _quoted, "key": _key, "number": _number}
    return environment.from_string((DATA / "template.toml.jinja").read_text("utf-8")).render(
        instrument=instrument,
        warnings=[warning for warning in instrument.warnings if warning not in made],
        sections=[
            (code, known.get(code, known[first]), code in known) for code in languages or (first,)
        ],
    )


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
