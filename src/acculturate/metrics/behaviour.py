"""Behaviour: does the survey's shift reach what a model would do, and what it writes?

In: a model, a soft prompt or words in front, `Scenarios`, and the shift of the survey's scores. Out: a
`Behaviour`: for each dimension the shift of choices in everyday situations, read by the words of the actions
and by letters, and of written answers, as the untouched model judges them. Situations are the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.metrics.attained import correlations
from acculturate.metrics.content import ENOUGH
from acculturate.metrics.scenarios import (
    Judge,
    Scenarios,
    action_forms,
    choice_forms,
    judge_forms,
)
from acculturate.metrics.side_effects import Reply
from acculturate.metrics.statistics import Quantity, bootstrap_weights, interval_of
from acculturate.metrics.treatments import Treatment, ask_state
from acculturate.model import AnswerModel, ProseModel, SoftPrompt, one_each
from acculturate.progress import task
from acculturate.record_files import Interval, Numbers
from acculturate.survey import Form

Kind = Literal["words", "labels", "written"]
"""By the words of the actions, by letters in front of them, or by written answers to open questions."""

SAMPLES = 1000
MAX_TOKENS = 40
"""Tokens of a written answer."""
_LEAST = 1e-40  # a probability that has sunk to 0 counts as this

LogOdds = Float[np.ndarray, " situation"]


@dataclass(frozen=True)
class DimensionShift:
    """The shift of a dimension towards its high pole.

    Attributes:
        situations: Number of situations, or of open questions.
        shift: Mean change of the log-odds of the high pole's action against the low pole's [nats].
        points: The same in percentage points, for a choice that was even before.
    """

    situations: int
    shift: Quantity
    points: Quantity


@dataclass(frozen=True)
class BehaviourRow:
    """The shift of behaviour from the untouched model, read in one way.

    Attributes:
        kind: The way.
        method: "tuned" or "persona".
        dimensions: By key.
        survey: Shift of the survey's held-out scores by the same method.
        towards: Mean of the shifts in the direction wanted, weighted by the size of the wanted shift of scores,
            in points as above. None where no dimension is wanted to move, or a number is not finite, as
            the next two.
        agreement: Share of the dimensions that moved as wanted, weighted likewise.
        correlation: Of the shifts with those of the survey, over dimensions; None also for fewer than three.
        reliability: Share of situations in the variance of the untouched model's log-odds, of a mean over all
            frames and orders (Cronbach's alpha); None where it was not measured.
        order_correlation: Correlation over situations of the untouched model's log-odds between both orders of
            the actions; None where there is no order.
        counts: False where the untouched model's choices are about places or frames, not actions, or where
            its judgement of written answers is no better than chance.
    """

    kind: Kind
    method: str
    dimensions: dict[str, DimensionShift]
    survey: Numbers
    towards: Quantity | None
    agreement: Quantity | None
    correlation: Quantity | None
    reliability: float | None = None
    order_correlation: float | None = None
    counts: bool = True

    @property
    def situations(self) -> int:
        """Number of situations in all."""
        return sum(shift.situations for shift in self.dimensions.values())


@dataclass(frozen=True)
class JudgeCheck:
    """The check of the judge on answers that are known.

    Attributes:
        questions: Number of open questions, each with an answer of either pole.
        right: Share of them whose two answers it tells apart.
        interval: Its 95% interval (Wilson).
    """

    questions: int
    right: float
    interval: Interval

    @property
    def works(self) -> bool:
        """True where it does better than chance."""
        return self.interval[0] > 0.5


@dataclass(frozen=True)
class Behaviour:
    """The shift of behaviour beside that of the survey.

    Attributes:
        language: Language code of the situations.
        source: Who wrote them, and after what.
        wanted: Shift of the scores that the target asks for.
        rows: One for each way of reading and method.
        judge: None where no answers were judged, as the replies.
        replies: Written answers to the open questions.
        max_tokens: Tokens that one had at most.
        seed: Of the bootstrap.
        letters: False where actions were not chosen by letters, as the untouched model's answers by letters are
            not about the question.
    """

    language: str
    source: str
    wanted: Numbers
    rows: tuple[BehaviourRow, ...]
    judge: JudgeCheck | None = None
    replies: tuple[Reply, ...] = ()
    max_tokens: int = MAX_TOKENS
    seed: int = 0
    letters: bool = True

    def row(self, kind: Kind, method: str = "tuned") -> BehaviourRow | None:
        """Return the row of a way of reading and a method, or None."""
        return next((row for row in self.rows if (row.kind, row.method) == (kind, method)), None)


@dataclass(frozen=True)
class BehaviourSettings:
    """The shifts that those of behaviour are compared with.

    Attributes:
        wanted: Target scores less those of the untouched model.
        survey: Shift of the survey's scores under each method.
        seed: Of the bootstrap.
    """

    wanted: Mapping[str, float]
    survey: Mapping[str, Mapping[str, float]]
    seed: int = 0


def measure_choices(
    model: AnswerModel,
    methods: Mapping[str, Treatment],
    scenarios: Scenarios,
    kind: Literal["words", "labels"],
    settings: BehaviourSettings,
) -> tuple[BehaviourRow, ...]:
    """Measure how choices between two actions shift, by words or by letters.

    The log-odds of a situation are the mean over its frames and orders. Only their shift counts: how likely the
    words of an action are anyway falls out of it.

    Args:
        model: The model to ask.
        methods: A soft prompt, or words to stand in front, by name.
        scenarios: The situations.
        kind: The reading of the choices.
        settings: The shifts to compare with.
    """
    forms = (action_forms if kind == "words" else choice_forms)(scenarios)
    by = {"words": "their words", "labels": "letters"}[kind]
    with task(f"choosing actions by {by}: {len(forms)} forms", (1 + len(methods)) * len(forms)):
        untouched = _log_odds(model, None, forms)
        shifted = {name: _log_odds(model, method, forms) for name, method in methods.items()}
    cells = (len(scenarios.scenarios), -1, 1 if kind == "words" else 2)
    before = untouched.reshape(cells)
    orders = _correlation(*before.mean(axis=1).T) if kind == "labels" else None
    reliability = _alpha(before.reshape(len(before), -1))
    return tuple(
        _row(
            (kind, name),
            (after.reshape(cells) - before).mean(axis=(1, 2)),
            scenarios.dimensions,
            settings,
            counts=reliability is None or reliability >= ENOUGH,
            reliability=reliability,
            order_correlation=orders,
        )
        for name, after in shifted.items()
    )


def measure_writing(
    model: AnswerModel, prompt: SoftPrompt, scenarios: Scenarios, settings: BehaviourSettings
) -> tuple[BehaviourRow, JudgeCheck, tuple[Reply, ...]]:
    """Measure how written answers to open questions shift, as the untouched model judges them.

    The judgement of an answer is the log-odds of the high pole's statement behind it against the low pole's,
    the mean over the pairs of statements.

    Args:
        model: The model that writes and judges.
        prompt: The tuned soft prompt.
        scenarios: With open questions.
        settings: The shifts to compare with.

    Raises:
        UsageError: The model writes no text, or there are no open questions.
    """
    judge = scenarios.judge
    if judge is None:
        raise UsageError("the scenarios have no open questions")
    if not isinstance(model, ProseModel):
        raise UsageError(f"{model.name} writes no text")
    questions = [question.text for question in judge.questions]
    with task(f"answering {len(questions)} open questions", 2 * len(questions)):
        written = [model.reply(questions, soft, max_tokens=MAX_TOKENS) for soft in (None, prompt)]
    one_each(model, "reply", questions * 2, (*written[0], *written[1]))
    known = [tuple(getattr(q, pole) for q in judge.questions) for pole in ("high", "low")]
    with task("judging what was written", 4 * len(questions)):
        high, low, naive, tuned = (
            _judge(model, scenarios, judge, answers) for answers in (*known, *written)
        )
    check = _check_judge(int((high > low).sum()), len(questions))
    dimensions = [question.dimension for question in judge.questions]
    row = _row(("written", "tuned"), tuned - naive, dimensions, settings, counts=check.works)
    replies = tuple(Reply(*reply) for reply in zip(questions, *written, strict=True))
    return row, check, replies


def _judge(
    model: AnswerModel, scenarios: Scenarios, judge: Judge, answers: tuple[str, ...]
) -> LogOdds:
    forms = judge_forms(scenarios, judge, answers)
    odds = _log_odds(model, None, [form for each in forms for form in each])
    ends = np.cumsum([len(each) for each in forms])[:-1]
    return np.array([part.mean() for part in np.split(odds, ends)])


def _check_judge(right: int, questions: int) -> JudgeCheck:
    from scipy.stats import binomtest

    ends = binomtest(right, questions).proportion_ci(method="wilson")
    return JudgeCheck(questions, right / questions, (float(ends.low), float(ends.high)))


def _log_odds(
    model: AnswerModel, method: Treatment | None, forms: Sequence[Form]
) -> Float[np.ndarray, " form"]:
    """Return the log-odds of option 0 against option 1 in every form; NaN of a broken model."""
    answers = ask_state(model, method, forms, calibrated=False)
    p = np.maximum(answers.probabilities[0].astype(np.float64), _LEAST)
    return np.log(p[:, 0]) - np.log(p[:, 1])


def _row(
    name: tuple[Kind, str],
    shifts: LogOdds,
    dimensions: Sequence[str],
    settings: BehaviourSettings,
    *,
    counts: bool,
    reliability: float | None = None,
    order_correlation: float | None = None,
) -> BehaviourRow:
    """Summarise the shifts of situations, which are drawn anew within their dimensions."""
    kind, method = name
    strata = {
        key: [i for i, own in enumerate(dimensions) if own == key]
        for key in dict.fromkeys(dimensions)
    }
    # Ways of reading share their draws: the same situations, as far as they ask the same.
    weights = bootstrap_weights(
        list(strata.values()), SAMPLES, np.random.default_rng(settings.seed)
    )
    alone = any(len(members) < 2 for members in strata.values())

    def means(values: LogOdds) -> Float[np.ndarray, "sample dimension"]:
        """Return the mean of each dimension, over all situations first and then over those drawn."""
        whole = np.array([[values[members].mean() for members in strata.values()]])
        drawn = [weights[:, members] @ values[members] for members in strata.values()]
        return np.concatenate([whole, np.stack(drawn, axis=1)])

    moved, points = means(shifts), means(_points(shifts))
    survey = settings.survey.get(method, {})

    def beside(
        other: Mapping[str, float], statistic: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> Quantity | None:
        both = [index for index, key in enumerate(strata) if key in other]
        vector = np.array([other[key] for key in strata if key in other])
        values = statistic(moved[:, both], vector)
        return _quantity(values[np.isfinite(values)], alone) if np.isfinite(values[0]) else None

    return BehaviourRow(
        kind=kind,
        method=method,
        dimensions={
            key: DimensionShift(
                len(members),
                _quantity(moved[:, index], len(members) < 2),
                _quantity(points[:, index], len(members) < 2),
            )
            for index, (key, members) in enumerate(strata.items())
        },
        survey={key: value for key, value in survey.items() if key in strata},
        towards=beside(settings.wanted, _towards),
        agreement=beside(settings.wanted, _agreement),
        correlation=beside(survey, correlations),
        reliability=reliability,
        order_correlation=order_correlation,
        counts=counts,
    )


def _quantity(values: np.ndarray, few: bool) -> Quantity:
    """Return the first value with the interval of the others, unless there are too few to draw from."""
    return Quantity(float(values[0]), None if few else interval_of(values[1:]))


def _towards(
    moved: Float[np.ndarray, "sample dimension"], wanted: Float[np.ndarray, " dimension"]
) -> Float[np.ndarray, " sample"]:
    with np.errstate(invalid="ignore"):
        return _points(moved @ wanted / np.abs(wanted).sum())


def _agreement(
    moved: Float[np.ndarray, "sample dimension"], wanted: Float[np.ndarray, " dimension"]
) -> Float[np.ndarray, " sample"]:
    """Return the weighted share of dimensions that moved as wanted; NaN of a broken model."""
    agrees = np.where(np.isnan(moved), np.nan, moved * np.sign(wanted) > 0)
    with np.errstate(invalid="ignore"):
        return agrees @ np.abs(wanted) / np.abs(wanted).sum()


def _points(log_odds: np.ndarray) -> np.ndarray:
    """Return a change of log-odds as percentage points of a choice that was even."""
    return 50 * np.tanh(log_odds / 2)


def _alpha(values: Float[np.ndarray, "situation condition"]) -> float | None:
    """Return Cronbach's alpha (Psychometrika 16, 1951), not below 0; None where nothing varies."""
    count = values.shape[1]
    whole = float(values.sum(axis=1).var())
    if count < 2 or not whole > 1e-12:
        return None
    return max(0.0, count / (count - 1) * (1 - float(values.var(axis=0).sum()) / whole))


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Return Pearson's coefficient, or None where one of the two does not vary or is not finite."""
    spread = float(a.std() * b.std())
    if not spread > 1e-12:
        return None
    return float(np.mean((a - a.mean()) * (b - b.mean())) / spread)
