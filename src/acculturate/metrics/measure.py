"""Measuring: a model, an instrument and a set of forms -> a `Profile`.

In: answers. Out: dimension scores with intervals, the loss to a country, the nearest countries. A profile
is what every row of every table is made of, naive or tuned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float

from acculturate.arguments import Count, Seed, checked
from acculturate.errors import UsageError
from acculturate.formatting import LEVEL, MISSING, interval_text, loss_text
from acculturate.metrics.content import Content, content
from acculturate.metrics.responsiveness import Responsiveness
from acculturate.metrics.scores import nearest_countries, score_answers, score_intervals
from acculturate.metrics.statistics import Interval, loss_interval
from acculturate.metrics.treatments import ask_state
from acculturate.model import (
    AnswerModel,
    Answers,
    SoftPrompt,
    check_prompt,
)
from acculturate.progress import task
from acculturate.survey import (
    Country,
    CountryTable,
    Form,
    Instrument,
    Reading,
    Scoring,
)
from acculturate.survey.countries import default_table
from acculturate.survey.selection import choose_forms
from acculturate.tables import data_frame, html_table

if TYPE_CHECKING:
    from pandas import DataFrame

NEAREST = 5
RESPONDENTS = 100

FormChoice = Literal["all", "tuning", "held-out"]


@dataclass(frozen=True)
class FormAnswer:
    """The answer to one form.

    Attributes:
        form: The form.
        value: The answer as a number, from 1; a mean over options or draws, or an option's number.
        probabilities: Probability of each option, in the item's own order.
    """

    form: Form
    value: float
    probabilities: tuple[float, ...]


MEASURES = ("model", "instrument", "table", "country", "measure", "value", "low", "high")
"""Columns of a measured profile as a tidy table, a row a measure."""


@dataclass(frozen=True)
class Profile:
    """The dimension scores of a model, and how far they are from countries.

    Attributes:
        model: The model's name.
        instrument: Key of the instrument.
        table: Key of the country table, or None where the instrument has none.
        country: Name of the target country, or None.
        content: Share of these answers that is about the questions; None where it cannot be told.
        anchor: The constant C of each dimension.
        reading: The reading of answers as numbers.
        forms: Number of forms asked.
        scores: Score of each dimension.
        intervals: 95% bootstrap interval of each score over the forms: how much of the score hangs on
            the way of asking. Empty where an item has fewer than two forms in an option order.
        item_means: Mean answer of each item, from 1.
        valid_mass: Mean share of the next-token probability that the options take together; None in words.
        nearest: The nearest countries with complete scores and their losses, nearest first.
        loss: Loss to the target, or None without one.
        loss_interval: Its 95% bootstrap interval.
        floor: Least loss that whole-number answers can reach, where the reading is modal.
        constant_answer_loss: Loss of answering every item alike.
        warnings: Notes of the instrument for every reader of a score.
        responsiveness: How far the model answers as it is told to, where that was asked too.
        answers: The answer to every form.
    """

    model: str
    instrument: str
    table: str | None
    country: str | None
    content: Content | None
    anchor: dict[str, float]
    reading: Reading
    forms: int
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    item_means: dict[str, float]
    valid_mass: float | None
    nearest: tuple[tuple[str, float], ...]
    loss: float | None = None
    loss_interval: tuple[float, float] | None = None
    floor: float | None = None
    constant_answer_loss: float | None = None
    warnings: tuple[str, ...] = ()
    responsiveness: Responsiveness | None = None
    answers: tuple[FormAnswer, ...] = ()

    def __repr__(self) -> str:
        scores = ", ".join(f"{key}={loss_text(score)}" for key, score in self.scores.items())
        return f"Profile({self.model!r} in {self.instrument}: {scores}{self._closing})"

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        rows = [
            (key, loss_text(score, 2), interval_text(self.intervals.get(key), 2, MISSING))
            for key, score in self.scores.items()
        ]
        found = (self.content, self.responsiveness)
        warnings = [each.warning for each in found if each and each.warning]
        title = f"{self.model} in {self.instrument}, {self.forms} forms{self._closing}"
        return html_table(title, ("dimension", "score", LEVEL), rows, [*warnings, *self.warnings])

    @property
    def _closing(self) -> str:
        content = f"; content {self.content.coefficient:.2f}" if self.content else ""
        loss = "" if self.loss is None else f"; loss to {self.country} {loss_text(self.loss, 2)}"
        return content + loss

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON, without the answers, nor the entries of a target where there is none."""
        of_target = ("country", "loss", "loss_interval", "floor", "constant_answer_loss")
        left_out = ("answers", *(of_target if self.country is None else ()))
        values = asdict(replace(self, answers=()))
        return {key: value for key, value in values.items() if key not in left_out}

    def to_rows(self) -> list[tuple[Any, ...]]:
        """Return its numbers as a tidy table with the columns `MEASURES`."""
        content, told = self.content, self.responsiveness
        numbers: list[tuple[str, float | None, Interval | None]] = [
            *((f"score:{k}", score, self.intervals.get(k)) for k, score in self.scores.items()),
            ("content", content and content.coefficient, content and content.interval),
            ("responsiveness", told and told.value, told and told.interval),
            ("loss", self.loss, self.loss_interval),
            ("constant_answer_loss", self.constant_answer_loss, None),
            *((f"item:{key}", mean, None) for key, mean in self.item_means.items()),
        ]
        about = self.model, self.instrument, self.table, self.country
        return [
            (*about, name, value, *(interval or (None, None)))
            for name, value, interval in numbers
            if value is not None
        ]

    def to_frame(self) -> DataFrame:
        """Return its numbers as a pandas data frame, a row a measure.

        Raises:
            UsageError: pandas is not installed.
        """
        return data_frame(MEASURES, self.to_rows())


@checked
def measure(
    model: AnswerModel,
    instrument: Instrument,
    *,
    soft_prompt: SoftPrompt | None = None,
    forms: FormChoice | Sequence[Form] = "all",
    target: Country | None = None,
    table: CountryTable | None = None,
    scoring: Scoring | None = None,
    reading: Reading = "expected",
    respondents: Count = RESPONDENTS,
    seed: Seed = 0,
) -> Profile:
    """Measure the values a model shows in a survey.

    Args:
        model: The model to ask.
        instrument: The questionnaire.
        soft_prompt: Stands in the model's context, or None for the untouched model.
        forms: Every form in English ("all"), the tuning or the held-out ones, or forms of your own.
        target: A country to compare with; only the dimensions that it has scores on are scored.
        table: Scores of countries for the nearest ones; `default_table` if None.
        scoring: Anchor, loss and variant; the instrument's defaults if None.
        reading: The reading of answers as numbers.
        respondents: Draws a form for the reading "sampled".
        seed: Of the bootstrap and of "sampled".

    Raises:
        UsageError: The soft prompt was made for another model, a name is unknown, or the forms ask
            nothing, or what is no item of the questionnaire.
    """
    if soft_prompt is not None:
        check_prompt(soft_prompt, model)
    asked = choose_forms(instrument, forms) if isinstance(forms, str) else tuple(forms)
    scoring = scoring or Scoring(instrument)
    _check_forms(asked, instrument, scoring)
    if target is not None:
        scoring = scoring.towards(target)
    with task(f"asking {len(asked)} forms", len(asked)):
        answers = ask_state(model, soft_prompt, asked, valid_mass=True)
    return profile(
        answers,
        model.name,
        scoring,
        target=target,
        table=table if table is not None else default_table(scoring.instrument, target),
        reading=reading,
        respondents=respondents,
        seed=seed,
    )


def _check_forms(forms: Sequence[Form], instrument: Instrument, scoring: Scoring) -> None:
    if scoring.instrument != instrument:
        raise UsageError(
            f"the scoring is that of {scoring.instrument.key}, not of {instrument.key}",
            "Pass Scoring(instrument).",
        )
    foreign = {form.item for form in forms} - {item.id for item in instrument.items}
    if foreign or not forms:
        raise UsageError(
            f"forms ask {', '.join(sorted(foreign)) or 'nothing'}, no item of {instrument.key}",
            'Pass forms of it, such as balanced_forms(instrument, "tuning").',
        )


def profile(
    answers: Answers,
    model: str,
    scoring: Scoring,
    *,
    target: Country | None,
    table: CountryTable | None,
    reading: Reading = "expected",
    respondents: int = RESPONDENTS,
    seed: int = 0,
    candidate: int = 0,
) -> Profile:
    """Return the profile of one candidate of some answers; the arguments are those of `measure`."""
    instrument = scoring.instrument
    scored = score_answers(answers, scoring, reading, respondents, seed, candidate)
    scores, samples = scored.scores[None], scored.samples
    items = [item.id for item in instrument.items]
    vector = None if target is None else target.vector(instrument)
    loss = None if vector is None else float(scoring.loss(scores, vector)[0])
    interval = floor = None
    if vector is not None and loss is not None and samples is not None:
        interval = loss_interval(scoring.loss(samples, vector), loss)
    if vector is not None and reading == "modal":
        forms_an_item = max(Counter(form.item for form in answers.forms).values())
        floor = scoring.lattice_floor(vector, forms=forms_an_item)
    return Profile(
        model=model,
        instrument=instrument.key,
        table=None if table is None else table.key,
        country=None if target is None else target.name,
        content=content(scored.values, answers.forms, instrument),
        anchor=scoring.by_key(scoring.constants),
        reading=reading,
        forms=len(answers.forms),
        scores=scoring.by_key(scored.scores),
        intervals=score_intervals(samples, scoring),
        item_means=dict(zip(items, scored.means.tolist(), strict=True)),
        valid_mass=answers.mean_valid_mass(candidate),
        nearest=() if table is None else nearest_countries(scores[0], scoring, table)[:NEAREST],
        loss=loss,
        loss_interval=interval,
        floor=floor,
        constant_answer_loss=None if vector is None else scoring.constant_answer_loss(vector),
        warnings=instrument.warnings,
        answers=_form_answers(answers, scored.values, candidate),
    )


def _form_answers(
    answers: Answers, values: Float[np.ndarray, " form"], candidate: int
) -> tuple[FormAnswer, ...]:
    chances = answers.probabilities[candidate].tolist()
    return tuple(
        FormAnswer(form, value, tuple(row[: len(form.labels)]))
        for form, value, row in zip(answers.forms, values.tolist(), chances, strict=True)
    )
