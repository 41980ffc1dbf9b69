"""The fitness of a model to be measured, reading by reading: content and responsiveness side by side.

In: a model, an instrument, kinds of labels. Out: a `Check`, with its verdict in one sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from acculturate.arguments import checked
from acculturate.errors import AcculturateError, UsageError
from acculturate.metrics.content import Content
from acculturate.metrics.measure import measure
from acculturate.metrics.responsiveness import Responsiveness, measure_responsiveness
from acculturate.model import AnswerModel
from acculturate.survey import Instrument, LabelKind
from acculturate.survey.selection import choose_forms

KINDS: tuple[LabelKind, ...] = get_args(LabelKind)


@dataclass(frozen=True)
class CheckedReading:
    """Content and responsiveness of a model's answers by one kind of labels.

    Attributes:
        content: Share of the answers that is about the questions; None where it cannot be told.
        responsiveness: How far the model answers as it is told to.
    """

    content: Content | None
    responsiveness: Responsiveness

    @property
    def passed(self) -> bool:
        """True where a profile by this reading is about more than answers."""
        return (self.content is None or self.content.enough) and self.responsiveness.passed

    @property
    def text(self) -> str:
        """Both numbers, in words."""
        told = "cannot be told" if self.content is None else f"{self.content.coefficient:.2f}"
        return f"content {told}, responsiveness {self.responsiveness.value:.2f}"


@dataclass(frozen=True)
class Check:
    """Content and responsiveness of a model, reading by reading.

    Attributes:
        model: The model's name.
        instrument: Key of the instrument.
        readings: Kind of labels to what was found.
        refused: Kind of labels to the reason why the model cannot be asked by it.
    """

    model: str
    instrument: str
    readings: dict[LabelKind, CheckedReading]
    refused: dict[LabelKind, str]

    @property
    def fit(self) -> tuple[LabelKind, ...]:
        """The readings by which the model is fit to be measured, the most responsive first."""
        passed: list[LabelKind] = [
            kind for kind, reading in self.readings.items() if reading.passed
        ]
        return tuple(sorted(passed, key=lambda kind: -self.readings[kind].responsiveness.value))

    @property
    def sentence(self) -> str:
        """The verdict."""
        shown: Iterable[LabelKind] = self.fit or self.readings
        parts = "; ".join(f"by {kind} {self.readings[kind].text}" for kind in shown)
        if self.fit:
            return f"{self.model} is fit to be measured by {' and by '.join(self.fit)} ({parts})."
        return (
            f"{self.model} is not fit to be measured ({parts}): its scores say something about its answers, "
            "nothing about a culture."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "fit": self.fit, "sentence": self.sentence}


@checked
def check(
    model: AnswerModel,
    instrument: Instrument,
    *,
    labels: Sequence[LabelKind] = KINDS,
    language: str = "en",
) -> Check:
    """Check whether a model is fit to be measured, and by which reading.

    Args:
        model: The untouched model.
        instrument: A questionnaire with poles.
        labels: Kinds of labels to ask by.
        language: Language of forms and poles.

    Raises:
        UsageError: The instrument has no such language, or no poles in it.
        AcculturateError: The model cannot be asked by any of these labels.
    """
    if not instrument.language(language).poles:
        raise UsageError(
            f'instrument "{instrument.key}" has no poles in "{language}", so a model cannot be told what to be',
            f"Describe two people a dimension under [languages.{language}.poles] (docs/instruments.md).",
        )
    readings: dict[LabelKind, CheckedReading] = {}
    errors: dict[LabelKind, AcculturateError] = {}
    for kind in labels:
        try:
            readings[kind] = _check_reading(model, instrument, kind, language)
        except AcculturateError as error:
            errors[kind] = error
    if not readings:
        raise next(
            iter(errors.values()), UsageError("labels names nothing", "Pass digits or words.")
        )
    refused: dict[LabelKind, str] = {kind: str(error) for kind, error in errors.items()}
    return Check(model.name, instrument.key, readings, refused)


def _check_reading(
    model: AnswerModel, instrument: Instrument, kind: LabelKind, language: str
) -> CheckedReading:
    asked = choose_forms(instrument, "all", language, kind)
    content = measure(model, instrument, forms=asked).content
    responsiveness = measure_responsiveness(model, instrument, labels=kind, language=language)
    assert responsiveness is not None
    return CheckedReading(content, responsiveness)
