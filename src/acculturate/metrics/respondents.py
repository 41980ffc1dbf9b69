"""The model as a survey of respondents: personas alike in everything but nationality, one answer a question.

In: a model, a soft prompt, held-out forms, how many respondents. Out: scores as a survey of that size would
give them, with the interval of its sampling. Comparative surveys match their samples (the VSM 2013 manual
asks for it): here the untouched and the tuned model answer as the very same respondents, none of whom is
given a nationality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from acculturate.metrics.comparison import ComparisonSettings
from acculturate.metrics.held_out import thin
from acculturate.metrics.scores import SAMPLES, score_intervals, strata
from acculturate.metrics.statistics import (
    bootstrap_means,
    bootstrap_weights,
    interval_around,
    loss_interval,
)
from acculturate.metrics.treatments import ask_state
from acculturate.model import AnswerModel, SoftPrompt
from acculturate.record_files import InfIfNull, Intervals, NanIfNull, NanInterval, Numbers
from acculturate.survey import Form, Scoring, with_line

LANGUAGE = "en"
"""The language of the persona lines, and so of the forms behind them."""

AGES = (22, 31, 40, 49, 58)
SEXES = ("woman", "man")
EDUCATIONS = (
    "finished primary school",
    "finished secondary school",
    "learned a trade",
    "finished university",
)
OCCUPATIONS = (
    "work in a shop",
    "work in a factory",
    "work in an office",
    "lead a small team",
    "are self-employed",
)


@dataclass(frozen=True)
class RespondentState:
    """The answers of the respondents of one state, untouched or tuned.

    Attributes:
        loss: To the target.
        interval: 95% interval of the loss over respondents and forms.
        scores: Score of each dimension.
        respondent_intervals: 95% interval of each score over respondents, as a survey reports it.
        intervals: 95% interval of each score over respondents and forms.
        samples: Bootstrap losses over respondents and forms, thinned by `thin`.
    """

    loss: InfIfNull
    interval: NanInterval
    scores: Numbers
    respondent_intervals: Intervals
    intervals: Intervals
    samples: tuple[NanIfNull, ...]


@dataclass(frozen=True)
class Respondents:
    """Both states, answered by the same respondents.

    Attributes:
        respondents: Their number.
        seed: Of the design and the answers.
        language: Language code of the forms.
        example: The line of the first persona.
        naive: The untouched model.
        tuned: The tuned one.
        gain: By how much the loss fell.
        gain_interval: Its 95% interval, the same respondents and forms drawn for both.
    """

    respondents: int
    seed: int
    language: str
    example: str
    naive: RespondentState
    tuned: RespondentState
    gain: NanIfNull
    gain_interval: NanInterval


@dataclass(frozen=True)
class RespondentAnswers:
    """Answers of one state.

    Attributes:
        forms: Every form that anybody was asked, without its persona.
        asked: Index of the form that each respondent was asked for each item.
        answers: The answers, 1 for the first option of the item's own order; NaN where the
            answer was not finite.
        expected: Mean answer of the respondent, given the form.
    """

    forms: tuple[Form, ...]
    asked: Int[np.ndarray, "respondent item"]
    answers: Float[np.ndarray, "respondent item"]
    expected: Float[np.ndarray, "respondent item"]


def persona_lines(count: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Return the lines of a balanced design, to stand in front of forms; no nationality is among them.

    Every age, sex, education and occupation is there equally often, or once more.

    Args:
        count: Respondents.
        rng: Mixes the attributes with one another.
    """
    attributes = (AGES, SEXES, EDUCATIONS, OCCUPATIONS)
    columns = [[levels[k] for k in _balanced(len(levels), count, rng)] for levels in attributes]
    return tuple(
        f"You are a {age}-year-old {sex}. You {education} and {occupation}."
        for age, sex, education, occupation in zip(*columns, strict=True)
    )


def survey_respondents(
    model: AnswerModel,
    prompt: SoftPrompt,
    forms: Sequence[Form],
    settings: ComparisonSettings,
    count: int,
) -> Respondents:
    """Survey the same respondents twice, answered by the untouched and by the tuned model.

    Every respondent is asked every item once, in a form drawn so that each form of an item is used
    equally often, and answers once, drawn from the probabilities by the same random number in both states.

    Args:
        model: The model to ask.
        prompt: The tuned soft prompt.
        forms: Held-out forms in English, every item with both option orders.
        settings: Scoring, target and the seed of everything drawn here.
        count: Respondents, at least two.
    """
    design, drawing, resampling = np.random.SeedSequence(settings.seed).spawn(3)
    rng = np.random.default_rng(design)
    lines = persona_lines(count, rng)
    asked = _assignment(forms, settings.scoring, count, rng)
    uniform = np.random.default_rng(drawing).random(asked.shape)
    (naive, naive_losses), (tuned, tuned_losses) = (
        _score_state(
            interview(model, soft_prompt, forms, asked, uniform, lines),
            settings,
            np.random.default_rng(resampling),
        )
        for soft_prompt in (None, prompt)
    )
    with np.errstate(invalid="ignore"):
        gain = naive.loss - tuned.loss
        interval = interval_around(naive_losses - tuned_losses, gain)
    return Respondents(
        respondents=count,
        seed=settings.seed,
        language=forms[0].language,
        example=lines[0],
        naive=naive,
        tuned=tuned,
        gain=gain,
        gain_interval=interval,
    )


def interview(
    model: AnswerModel,
    prompt: SoftPrompt | None,
    forms: Sequence[Form],
    asked: Int[np.ndarray, "respondent item"],
    uniform: Float[np.ndarray, "respondent item"],
    lines: Sequence[str],
) -> RespondentAnswers:
    """Ask each respondent its forms; `uniform` holds the random number in [0, 1) that draws each answer."""
    answers, expected = np.full(asked.shape, np.nan), np.full(asked.shape, np.nan)
    for row, line in enumerate(lines):
        shown = with_line([forms[index] for index in asked[row]], line)
        p = ask_state(model, prompt, shown, pool=forms).probabilities[0]
        finite = np.isfinite(p.sum(axis=1))
        steps = np.cumsum(p[finite], axis=1)
        drawn = (uniform[row, finite, None] * steps[:, -1:] >= steps).sum(axis=1)
        answers[row, finite] = 1.0 + drawn
        expected[row, finite] = p[finite] @ np.arange(1.0, p.shape[1] + 1)
    return RespondentAnswers(tuple(forms), asked, answers, expected)


def score_samples(
    answered: RespondentAnswers, scoring: Scoring, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "sample dimension"], Float[np.ndarray, "sample dimension"]]:
    """Return bootstrap scores of the answers: over respondents, and over respondents and forms.

    Respondents are drawn with replacement, each with all its answers. Forms are drawn with replacement
    within an item and option order, apart from the respondents and on expected answers, so that the
    chance in single answers is not counted twice; the two deviations from the scores are added.

    Returns:
        `SAMPLES` score vectors of each kind.
    """
    weights = bootstrap_weights([range(len(answered.answers))], SAMPLES, rng)
    over_respondents = scoring.scores(weights @ _without_orders(answered))
    forms: list[Form] = []
    means: list[float] = []
    for asked, expected in zip(answered.asked.T, answered.expected.T, strict=True):
        for index in np.unique(asked):
            forms.append(answered.forms[index])
            means.append(float(expected[asked == index].mean()))
    values, columns = np.array(means), strata(forms, scoring.instrument)
    centres = [
        values[[index for members in orders for index in members]].mean() for orders in columns
    ]
    shifts = bootstrap_means(values, columns, SAMPLES, rng) - centres
    return over_respondents, over_respondents + shifts @ scoring.weights.T


def _without_orders(answered: RespondentAnswers) -> Float[np.ndarray, "respondent item"]:
    """Return the answers with each item's mean in every option order.

    The design balances the orders: what tells them apart is no sampling of respondents.
    """
    answers = answered.answers.copy()
    for column, asked in zip(answers.T, answered.asked.T, strict=True):
        mean, orders = column.mean(), [answered.forms[index].options for index in asked]
        for order in set(orders):
            members = [place for place, shown in enumerate(orders) if shown == order]
            column[members] += mean - column[members].mean()
    return answers


def _balanced(levels: int, count: int, rng: np.random.Generator) -> Int[np.ndarray, " _"]:
    """Return each of so many levels equally often, or one more, in a drawn order."""
    order = rng.permutation(levels)
    return rng.permutation(np.resize(order, count))


def _assignment(
    forms: Sequence[Form], scoring: Scoring, count: int, rng: np.random.Generator
) -> Int[np.ndarray, "respondent item"]:
    """Return the form that each respondent is asked for each item: each form equally often, or one more."""
    columns: list[np.ndarray] = []
    for item in scoring.instrument.items:
        of_item = np.array([index for index, form in enumerate(forms) if form.item == item.id])
        columns.append(of_item[_balanced(len(of_item), count, rng)])
    return np.stack(columns, axis=1)


def _score_state(
    answered: RespondentAnswers, settings: ComparisonSettings, rng: np.random.Generator
) -> tuple[RespondentState, Float[np.ndarray, " sample"]]:
    scoring = settings.scoring
    scores = scoring.scores(answered.answers.mean(axis=0)[None])
    over_respondents, over_both = score_samples(answered, scoring, rng)
    losses = scoring.loss(over_both, settings.target)
    loss = float(scoring.loss(scores, settings.target)[0])
    state = RespondentState(
        loss=loss,
        interval=loss_interval(losses, loss),
        scores=scoring.by_key(scores[0]),
        respondent_intervals=score_intervals(over_respondents, scoring),
        intervals=score_intervals(over_both, scoring),
        samples=tuple(thin(losses).tolist()),
    )
    return state, losses
