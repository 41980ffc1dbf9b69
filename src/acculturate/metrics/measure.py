"""Measuring: a model, an instrument and a set of forms -> a `Profile`.

In: answers. Out: dimension scores with intervals, the loss to a country, the nearest countries. A profile
is what every row of every table is made of, naive or tuned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.metrics.statistics import loss_interval, percentile_interval, resampled_means
from acculturate.model.answers import AnswerModel, Answers, Query
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.survey.countries import Country, CountryTable, load_countries, table_names
from acculturate.survey.forms import Form, LabelKind, all_forms
from acculturate.survey.instrument import Instrument
from acculturate.survey.scoring import Reading, Scoring, item_means, item_values

SAMPLES = 1000
NEAREST = 5
RESPONDENTS = 100

FormChoice = Literal["all", "tuning", "held-out"]


@dataclass(frozen=True)
class Profile:
    """The dimension scores of a model, and how far they are from countries.

    Attributes:
        model: The model's name.
        instrument: Key of the instrument.
        table: Key of the country table, or None where the instrument has none.
        country: Name of the target country, or None.
        anchor: The constant C of each dimension.
        reading: How answers became numbers.
        forms: How many forms were asked.
        scores: Score of each dimension.
        intervals: 95% bootstrap interval of each score over the forms: how much of the score hangs on
            the way of asking. Empty where an item has fewer than two forms in an option order.
        item_means: Mean answer of each item, from 1.
        valid_mass: Mean share of the next-token probability that the options take together.
        nearest: The nearest countries with complete scores and their losses, nearest first.
        loss: Loss to the target, or None without one.
        loss_interval: Its 95% bootstrap interval.
        floor: Least loss that whole-number answers can reach, where the reading is modal.
        constant_answer_loss: Loss of answering every item alike.
    """

    model: str
    instrument: str
    table: str | None
    country: str | None
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

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what belongs to a target is left out where there is none."""
        values: dict[str, Any] = dict(vars(self))
        if self.country is None:
            for key in ("country", "loss", "loss_interval", "floor", "constant_answer_loss"):
                del values[key]
        return values


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
    respondents: int = RESPONDENTS,
    seed: int = 0,
) -> Profile:
    """Measures the values a model shows in a survey.

    Args:
        model: Who answers.
        instrument: What is asked.
        soft_prompt: Stands in the model's context, or None for the untouched model.
        forms: Every form in English ("all"), the tuning or the held-out ones, or forms of your own.
        target: A country to compare with.
        table: Where the nearest countries come from; see `default_table`.
        scoring: Anchor, loss and variant; the instrument's defaults if None.
        reading: How answers become numbers.
        respondents: Draws a form for the reading "sampled".
        seed: Of the bootstrap and of "sampled".

    Raises:
        UsageError: The soft prompt was made for another width, or a name is unknown.
    """
    asked = choose_forms(instrument, forms) if isinstance(forms, str) else tuple(forms)
    answers = model.ask(
        None if soft_prompt is None else soft_prompt.embeddings[None],
        Query(
            asked,
            placement="front" if soft_prompt is None else soft_prompt.placement,
            valid_mass=True,
        ),
    )
    return profile(
        answers,
        model.name,
        scoring or Scoring(instrument),
        target=target,
        table=table if table is not None else default_table(instrument, target),
        reading=reading,
        respondents=respondents,
        seed=seed,
    )


def choose_forms(
    instrument: Instrument, choice: str, language: str = "en", labels: LabelKind = "digits"
) -> tuple[Form, ...]:
    """All forms of a language, or those of one split.

    Raises:
        UsageError: There is no such choice, language or kind of labels.
    """
    if choice not in ("all", "tuning", "held-out"):
        raise UsageError(f"no forms called {choice!r}", "Use all, tuning or held-out.")
    pool = all_forms(instrument, (language,), labels=labels)
    return tuple(form for form in pool if choice in ("all", form.split))


def default_table(instrument: Instrument, target: Country | None) -> CountryTable | None:
    """The target's table, or else one of the instrument's dimensions, first of all hofstede-insights.

    None where there is none such among those that come with the package.
    """
    keys = ("hofstede-insights", *table_names()) if target is None else (target.table,)
    for key in keys:
        if key in table_names():
            table = load_countries(key)
            if {d.key for d in instrument.dimensions} <= set(table.dimensions):
                return table
    return None


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
    """Makes the profile of one candidate of some answers; see `measure` for the arguments."""
    instrument = scoring.instrument
    drawing, resampling = np.random.SeedSequence(seed).spawn(2)
    one = answers.probabilities[candidate : candidate + 1]
    rng = np.random.default_rng(drawing)
    values = item_values(one, reading, rng, respondents if reading == "sampled" else None)
    means = item_means(values, answers.forms, instrument)
    scores = scoring.scores(means)
    samples = bootstrap_scores(values[0], answers.forms, scoring, np.random.default_rng(resampling))
    keys = [dimension.key for dimension in scoring.dimensions]
    vector = None if target is None else target.vector(instrument)
    mass = None if answers.valid_mass is None else float(answers.valid_mass[candidate].mean())
    loss = None if vector is None else float(scoring.loss(scores, vector)[0])
    return Profile(
        model=model,
        instrument=instrument.key,
        table=None if table is None else table.key,
        country=None if target is None else target.name,
        anchor=_named(keys, scoring.constants),
        reading=reading,
        forms=len(answers.forms),
        scores=_named(keys, scores[0]),
        intervals={} if samples is None else _intervals(keys, samples),
        item_means=_named([item.id for item in instrument.items], means[0]),
        valid_mass=mass,
        nearest=() if table is None else nearest_countries(scores[0], scoring, table)[:NEAREST],
        loss=loss,
        loss_interval=(
            None
            if vector is None or loss is None or samples is None
            else loss_interval(scoring.loss(samples, vector), loss)
        ),
        floor=(
            scoring.lattice_floor(
                vector, forms=max(Counter(f.item for f in answers.forms).values())
            )
            if vector is not None and reading == "modal"
            else None
        ),
        constant_answer_loss=None if vector is None else scoring.constant_answer_loss(vector),
    )


def nearest_countries(
    scores: Float[np.ndarray, " dimension"], scoring: Scoring, table: CountryTable
) -> tuple[tuple[str, float], ...]:
    """Every country with complete scores and its loss, nearest first."""
    found = [
        (country.name, float(scoring.loss(scores[None], country.vector(scoring.instrument))[0]))
        for country in table.complete()
    ]
    return tuple(sorted(found, key=lambda pair: (pair[1], pair[0])))


def losses(
    answers: Answers,
    scoring: Scoring,
    target: Float[np.ndarray, " dimension"],
    reading: Reading,
    respondents: int,
    seed: int,
) -> Float[np.ndarray, " candidate"]:
    """Losses of a population's answers.

    Args:
        answers: Of every candidate.
        scoring: Weights, anchor, loss.
        target: Scores to reach.
        reading: How answers become numbers.
        respondents: Draws a form for the reading "sampled".
        seed: Of these draws.
    """
    rng = np.random.default_rng(seed)
    values = item_values(answers.probabilities, reading, rng, respondents)
    return scoring.loss(scoring.scores_of(values, answers.forms), target)


def bootstrap_scores(
    values: Float[np.ndarray, " form"],
    forms: Sequence[Form],
    scoring: Scoring,
    rng: np.random.Generator,
) -> Float[np.ndarray, "sample dimension"] | None:
    """Scores over forms resampled within an item and option order, which the design balances.

    The same state of the generator draws the same forms, so that two models can be compared form by form.

    Args:
        values: What each form was answered with.
        forms: The forms.
        scoring: Weights and anchor.
        rng: Draws.

    Returns:
        `SAMPLES` score vectors, or None where an item has a single form in an order: what another way
        of asking would have given cannot be told from one.
    """
    strata: dict[str, dict[tuple[int, ...], list[int]]] = {
        item.id: {} for item in scoring.instrument.items
    }
    for index, form in enumerate(forms):
        strata[form.item].setdefault(form.options, []).append(index)
    if any(len(members) < 2 for item in strata.values() for members in item.values()):
        return None
    columns: list[Float[np.ndarray, " sample"]] = []
    for item in strata.values():
        groups = [np.array(members) for members in item.values()] or [np.array([], np.int64)]
        columns.append(resampled_means(values, groups, SAMPLES, rng).mean(axis=1))
    return scoring.scores(np.stack(columns, axis=1))


def _intervals(
    keys: Sequence[str], samples: Float[np.ndarray, "sample dimension"]
) -> dict[str, tuple[float, float]]:
    pairs = percentile_interval(samples)
    return {key: (float(low), float(high)) for key, (low, high) in zip(keys, pairs, strict=True)}


def _named(keys: Sequence[str], values: Float[np.ndarray, " key"]) -> dict[str, float]:
    return {key: float(value) for key, value in zip(keys, values, strict=True)}
