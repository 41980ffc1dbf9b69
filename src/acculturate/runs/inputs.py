"""The inputs of a run as records: its settings, config.toml, and what ran, provenance.json.

A record's fields are the keys of its file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from acculturate.formatting import visible
from acculturate.metrics.attained import LEAST
from acculturate.model.answers import Chat, Exchange
from acculturate.record_files import Keyed, Numbers
from acculturate.survey.instrument import Aggregate
from acculturate.survey.scoring import Anchor, Reading

FORMAT = 2
"""Format of a run directory; version 0.1 wrote none, which counts as 1."""

OptionalNumber = float | None


@dataclass(frozen=True)
class Setting:
    """A setting or a fact as it is shown."""

    section: str
    key: str
    value: str


@dataclass(frozen=True)
class ModelSettings:
    """The section [model] of config.toml.

    Attributes:
        name: Name or path that the model was loaded by.
        revision: Its revision; empty where it has none.
        dtype: Its precision.
        chat: Whether forms were shown in its chat template; "auto" where it has none.
    """

    name: str
    revision: str = ""
    dtype: str = "auto"
    chat: Chat = "auto"


@dataclass(frozen=True)
class SurveySettings:
    """The section [survey] of config.toml, as far as a reader needs it.

    Attributes:
        country: The target's name.
        table: Key of the country table.
        instrument: Key of the questionnaire.
        aggregate: How distances of scores make a loss.
        reading: How answers become numbers.
        forms: Tuning forms in all.
        language: Of the held-out forms.
        languages: Of the tuning forms, joined with commas; None where it is the same.
        labels: Kinds of labels that forms were asked with, joined with commas.
        objective: What was minimised: "scores", "shift" or "mean-shift".
        sample: Forms drawn anew for every generation; None where every generation is asked the same.
        anchor: A name, or the constant of each dimension.
        variant: Variant of the scoring.
        respondents: Of the reading "sampled".
        also: Other questionnaires of the objective, joined with commas, with their tables.
    """

    country: str
    table: str
    instrument: str
    aggregate: Aggregate
    reading: Reading
    forms: int
    language: str
    languages: str | None = None
    labels: str = "digits"
    objective: str = "scores"
    sample: int | None = None
    anchor: Anchor = "midpoint"
    variant: str | None = None
    respondents: int = 1
    also: str | None = None

    @property
    def searched(self) -> tuple[str, ...]:
        """Names of the other questionnaires of the objective."""
        return tuple(name.partition("=")[0].strip() for name in (self.also or "").split(","))


@dataclass(frozen=True)
class SearchSettings:
    """The section [search] of config.toml, as far as a reader needs it.

    Attributes:
        budget: Evaluations at most.
        tokens: Virtual tokens.
        placement: Where the soft prompt goes.
        optimizer: Name of the search algorithm.
        max_divergence: Limit on the divergence [nats a token].
        earlier_budgets: Budgets that the run had before it was given more.
    """

    budget: int
    tokens: int
    placement: str
    optimizer: str = ""
    max_divergence: OptionalNumber = None
    earlier_budgets: tuple[int, ...] = ()


@dataclass(frozen=True)
class Config:
    """The settings of a run: config.toml.

    Attributes:
        model: The model that answers.
        survey: What is asked.
        search: How it is searched.
        settings: Every setting of the file, in its order, as it is shown.
    """

    model: ModelSettings
    survey: SurveySettings
    search: SearchSettings
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True)
class InstrumentFacts:
    """The questionnaire of a run."""

    key: str
    title: str
    fingerprint: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class OwnAnswers:
    """The untouched model's own answers, which the guard of a run reads: guard.json."""

    answers: tuple[Exchange, ...]


@dataclass(frozen=True)
class Lessons:
    """The answers of a teacher, the same model behind a long context, that a run learns: teacher.json.

    Attributes:
        context: All that stands in front of a question.
        questions: Open questions.
        answers: The teacher's answer to each.
        attained: Share of the wanted shift that it makes on the tuning forms; None where nothing is wanted.
        correlation: Of its shift with the wanted one, over dimensions; None for fewer than three.
        wanted: The wanted shift of each dimension.
        shift: The teacher's.
        asked: Forms it was asked and answers it wrote.
    """

    context: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    attained: OptionalNumber
    correlation: OptionalNumber
    wanted: Numbers
    shift: Numbers
    asked: int

    @property
    def unmoved(self) -> tuple[str, ...]:
        """The dimensions that the teacher moves by less than a tenth of what is wanted, or the other way."""
        return tuple(
            key
            for key, wanted in self.wanted.items()
            if self.shift.get(key, 0.0) * wanted < LEAST * wanted**2
        )

    @property
    def warning(self) -> str | None:
        """A sentence on what the teacher does not move; None where it moves all of it."""
        if not self.unmoved:
            return None
        share = "none" if self.attained is None else f"{self.attained:.0%}"
        return (
            f"The teacher makes {share} of the wanted shift on the tuning forms, and does not move "
            f"{', '.join(self.unmoved)}: of these its answers teach nothing, or the contrary."
        )


@dataclass(frozen=True)
class FormFingerprints:
    """SHA-256 of everything shown on the forms, and of the texts of the guard."""

    tuning: str
    held_out: str
    guard: str


@dataclass(frozen=True)
class TableFacts:
    """The country table of a run; without source and terms where it was not given."""

    key: str
    source: str | None
    terms: str | None


@dataclass(frozen=True)
class TargetScores(Keyed):
    """The country that a run is tuned towards, and its score in each dimension."""

    country: str
    scores: Numbers


@dataclass(frozen=True)
class Commit:
    """The checkout that acculturate ran from, and whether anything in it was changed."""

    commit: str
    dirty: bool


@dataclass(frozen=True)
class Provenance:
    """The exact versions and inputs of a run: provenance.json.

    Attributes:
        acculturate: Its version, like those of the other packages.
        model: Facts on the model: name, revision, weights_hash, dtype, device, licence; chat
            where it has a chat template.
        anchor: The constant of each dimension.
        command: The command line; empty for a call from Python.
        git: None where acculturate is installed.
        started: Date and time.
        format: See `FORMAT`.
    """

    acculturate: str | None
    torch: str | None
    transformers: str | None
    numpy: str | None
    safetensors: str | None
    python: str
    platform: str
    model: dict[str, str]
    instrument: InstrumentFacts
    forms: FormFingerprints
    table: TableFacts
    target: TargetScores
    anchor: dict[str, float]
    command: str
    git: Commit | None
    started: str
    format: int = 1

    @property
    def facts(self) -> tuple[Setting, ...]:
        """All of it but what is shown elsewhere, as it is shown."""
        facts = flat(asdict(self))
        return tuple(f for f in facts if f.key not in ("warnings", "command", "format"))


def flat(values: Mapping[str, Any], section: str = "") -> Iterator[Setting]:
    """Yield the settings of nested tables as they are shown."""
    for key, value in values.items():
        if not isinstance(value, Mapping):
            yield Setting(visible(section), visible(key), _shown(value))
            continue
        inner = cast("Mapping[str, Any]", value)
        if len(inner) > 1 and all(type(one) in (int, float) for one in inner.values()):
            numbers = ", ".join(f"{name} {number}" for name, number in inner.items())
            yield Setting(visible(section), visible(key), visible(numbers))
        else:
            yield from flat(inner, f"{section} {key}".strip())


def _shown(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(str(value))
