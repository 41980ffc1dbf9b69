"""What a candidate is worth: soft prompts -> loss, and how far past the limits on its price.

The objective is made of tuning forms and tuning guard texts; it refuses held-out forms. It asks all its
forms of every candidate, or a sample of them that is drawn anew for every generation and is the same for
all its candidates. It can ask the dimensions in stages and drop a trial as soon as its parent is certain
to stay: the loss grows with the difference in every dimension, so the part already known is a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from acculturate.metrics.guard import TUNING_TEXTS
from acculturate.model.answers import (
    AnswerModel,
    Answers,
    ChunkedModel,
    Cotangent,
    DifferentiableModel,
    Placement,
    Query,
    join_answers,
)
from acculturate.search import Fitness
from acculturate.survey.forms import Form, draw_forms
from acculturate.survey.scoring import Reading, Scoring, item_values
from acculturate.tuning.constraints import Constraints
from acculturate.tuning.penalty import Penalised, Penalty

Prompts = Float[np.ndarray, "candidate token hidden"]


@dataclass(frozen=True)
class Evaluation:
    """What a population is worth.

    Attributes:
        loss: Loss to the target; infinite where answers are not finite. A trial dropped early holds
            the part of its loss that beat it.
        objective: What is minimised: the loss or what the penalty makes of it, and the divergence where it has
            a weight.
        violation: How far past the limits on divergence and valid mass; 0 within them or without any.
        scores: Dimension scores; NaN where a dropped trial was not asked.
        divergence: On the tuning guard texts, or None where they were not read.
        perplexity: Likewise.
        valid_mass: Mean share of the options in the next token's probability, or None likewise.
        gradient: Of the cost in the soft prompts, or None where it was not asked for.
        tokens: Tokens that went through the model, all candidates together.
    """

    loss: Float[np.ndarray, " candidate"]
    objective: Float[np.ndarray, " candidate"]
    violation: Float[np.ndarray, " candidate"]
    scores: Float[np.ndarray, "candidate dimension"]
    divergence: Float[np.ndarray, " candidate"] | None
    perplexity: Float[np.ndarray, " candidate"] | None
    valid_mass: Float[np.ndarray, " candidate"] | None
    gradient: Prompts | None
    tokens: int


class Objective:
    """Asks tuning forms and scores the answers.

    Args:
        model: Who answers.
        forms: Tuning forms.
        scoring: Weights, anchor and loss.
        target: Scores to reach, in the instrument's order.
        placement: Where soft prompts go.
        reading: How answers become numbers; gradients are always of the expected answers.
        respondents: Draws a form for the reading "sampled".
        penalty: What counts where questionnaires differ; see `Penalised`.
        price: Limits on divergence and valid mass, and the weight of divergence.
        guard: Whether the guard is read even where the price does not need it.
        sample: Forms drawn for each generation; None asks all.
        measured: Forms on which candidates of different generations are compared; None takes all.
        stages: In how many parts the dimensions are asked where thresholds are given.
        reject: Whether a beaten trial is dropped between the parts; without, the same parts are asked
            of everyone, to check that dropping changes nothing.

    Raises:
        ValueError: A form is held out.
    """

    def __init__(
        self,
        model: AnswerModel,
        forms: Sequence[Form],
        scoring: Scoring,
        target: Float[np.ndarray, " dimension"],
        *,
        placement: Placement,
        reading: Reading = "expected",
        respondents: int = 100,
        penalty: Penalty = "mean",
        constraints: Constraints | None = None,
        guard: bool = False,
        sample: int | None = None,
        measured: Sequence[Form] | None = None,
        stages: int = 1,
        reject: bool = True,
    ) -> None:
        if any(form.split != "tuning" for form in (*forms, *(measured or ()))):
            raise ValueError("the objective never sees a held-out form")
        self._model = model
        self._forms = tuple(forms)
        self._scoring = scoring
        self._target = target
        self._placement: Placement = placement
        self._reading: Reading = reading
        self._respondents = respondents if reading == "sampled" else None
        self._penalty: Penalty = penalty
        self._constraints = constraints or Constraints()
        self._texts = TUNING_TEXTS if guard or self._constraints.reads_guard else ()
        self._sample = sample
        self._measured = self._forms if measured is None else tuple(measured)
        self._stages = stages
        self._reject = reject

    def evaluate(
        self,
        prompts: Prompts,
        rng: np.random.Generator,
        thresholds: Fitness | None = None,
        seen: Float[np.ndarray, " dimension"] | None = None,
    ) -> Evaluation:
        """Evaluates a population.

        Args:
            prompts: The candidates.
            rng: Draws the sample of forms, and the respondents of the reading "sampled".
            thresholds: What each candidate must not lose to; None asks everything of everyone.
            seen: Scores of the best so far: the dimension it misses most is asked first.
        """
        forms = self._drawn(rng)
        if self._stages > 1 and thresholds is not None:
            return self._in_stages(prompts, forms, rng, thresholds, seen)
        return self._on(forms, prompts, rng)

    def measure(self, prompts: Prompts, rng: np.random.Generator) -> Evaluation:
        """Evaluates on the forms that do not change from generation to generation."""
        return self._on(self._measured, prompts, rng)

    def chunk(self, tokens: int, rng: np.random.Generator, *, gradient: bool) -> int:
        """Candidates that the model takes together in an evaluation; 1 where it does not say.

        Args:
            tokens: Virtual tokens of a candidate.
            rng: Draws the sample of forms.
            gradient: Whether the way back is wanted.
        """
        if not isinstance(self._model, ChunkedModel):
            return 1
        return self._model.chunk(
            tokens,
            Query(self._drawn(rng), texts=self._texts, placement=self._placement),
            gradient=gradient,
        )

    def _on(self, forms: Sequence[Form], prompts: Prompts, rng: np.random.Generator) -> Evaluation:
        answers = self._ask(prompts, forms)
        values = item_values(answers.probabilities, self._reading, rng, self._respondents)
        tokens = answers.tokens * len(prompts)
        return self._worth(values, forms, answers, tokens)

    def evaluate_with_gradient(self, prompts: Prompts, rng: np.random.Generator) -> Evaluation:
        """Evaluates a population and differentiates the cost in every prompt.

        The loss is an absolute difference, whose slope is its sign; a candidate past a limit is led
        back by a steep slope in what exceeds it.

        Raises:
            TypeError: The model is no `DifferentiableModel`.
        """
        if not isinstance(self._model, DifferentiableModel):
            raise TypeError(f"{self._model.name} gives no gradients")
        forms = self._drawn(rng)
        each: list[Answers] = []
        gradients: list[np.ndarray] = []
        for one in range(len(prompts)):  # one way back at a time: what a pass keeps for it is large
            answers, backward = self._model.ask_with_gradient(
                prompts[one : one + 1],
                Query(
                    forms,
                    texts=self._texts,
                    placement=self._placement,
                    valid_mass=self._constraints.reads_mass,
                ),
            )
            gradients.append(backward(self._cotangent(answers, forms)))
            each.append(answers)
        answers = join_answers(each)
        values = item_values(answers.probabilities, self._reading, rng, self._respondents)
        tokens = answers.tokens * len(prompts)
        return self._worth(values, forms, answers, tokens, np.concatenate(gradients))

    def _drawn(self, rng: np.random.Generator) -> tuple[Form, ...]:
        return self._forms if self._sample is None else draw_forms(self._forms, self._sample, rng)

    def _ask(self, prompts: Prompts, forms: Sequence[Form], *, guard: bool = True) -> Answers:
        return self._model.ask(
            prompts,
            Query(
                forms,
                texts=self._texts if guard else (),
                placement=self._placement,
                valid_mass=self._constraints.reads_mass,
            ),
        )

    def _worth(
        self,
        values: Float[np.ndarray, "candidate form"],
        forms: Sequence[Form],
        answers: Answers,
        tokens: int,
        gradient: Prompts | None = None,
    ) -> Evaluation:
        scores = self._scoring.scores_of(values, forms)
        loss = self._scoring.loss(scores, self._target)
        penalised = self._penalised(forms).cost(values)
        broken = ~np.isfinite(values).all(axis=1)
        loss[broken], penalised[broken] = np.inf, np.inf
        mass = None if answers.valid_mass is None else answers.valid_mass.mean(axis=1)
        return Evaluation(
            loss=loss,
            objective=self._constraints.objective(penalised, answers.divergence),
            violation=self._constraints.violation(answers.divergence, mass, len(values)),
            scores=scores,
            divergence=answers.divergence,
            perplexity=answers.perplexity,
            valid_mass=mass,
            gradient=gradient,
            tokens=tokens,
        )

    def _cotangent(self, answers: Answers, forms: Sequence[Form]) -> Cotangent:
        """The slope of what a search by gradients descends, in one candidate's answers."""
        values = item_values(answers.probabilities, "expected")
        per_form = self._penalised(forms).slope(values)
        numbers = np.arange(1, answers.probabilities.shape[2] + 1, dtype=np.float64)
        mass = None if answers.valid_mass is None else float(answers.valid_mass.mean())
        divergence = None if answers.divergence is None else float(answers.divergence[0])
        of_divergence, of_mass = self._constraints.slopes(divergence, mass)
        return Cotangent(
            probabilities=(per_form[:, None] * numbers)[None],
            valid_mass=None if mass is None else np.full((1, len(forms)), of_mass / len(forms)),
            divergence=None if divergence is None else np.array([of_divergence]),
        )

    def _penalised(self, forms: Sequence[Form]) -> Penalised:
        return Penalised(self._scoring, self._target, forms, self._penalty)

    def _in_stages(
        self,
        prompts: Prompts,
        forms: Sequence[Form],
        rng: np.random.Generator,
        thresholds: Fitness,
        seen: Float[np.ndarray, " dimension"] | None,
    ) -> Evaluation:
        values = np.full((len(prompts), len(forms)), np.nan)
        first: Answers | None = None
        broken = np.zeros(len(prompts), bool)
        alive = np.arange(len(prompts))
        tokens = 0
        asked: list[int] = []
        excess, paid = np.zeros(len(prompts)), np.zeros(len(prompts))
        for part, dimensions in self._parts(forms, seen):
            if not len(alive):
                break
            chosen = [forms[index] for index in part]
            answers = self._ask(prompts[alive], chosen, guard=first is None)
            tokens += answers.tokens * len(alive)
            read = item_values(answers.probabilities, self._reading, rng, self._respondents)
            values[np.ix_(alive, np.array(part, np.intp))] = read
            broken[alive] |= ~np.isfinite(read).all(axis=1)
            if first is None:
                first = answers
                excess = self._constraints.violation(answers.divergence, None, len(prompts))
                paid = self._constraints.objective(paid, answers.divergence)
            asked += dimensions
            if self._reject:
                lost = self._beaten(values, forms, asked, excess, paid, thresholds)
                alive = alive[~lost[alive]]
        assert first is not None
        worth = self._worth(values, forms, first, tokens)
        loss = worth.loss.copy()
        dropped = np.setdiff1d(np.arange(len(prompts)), alive)
        loss[dropped] = self._bound(worth.scores[dropped])
        loss[broken] = np.inf
        return replace(
            worth, loss=loss, objective=self._constraints.objective(loss, worth.divergence)
        )

    def _parts(
        self, forms: Sequence[Form], seen: Float[np.ndarray, " dimension"] | None
    ) -> list[tuple[list[int], list[int]]]:
        """The forms of each part, and the dimensions that are complete after it."""
        every = list(range(len(self._target)))
        if seen is not None and np.isfinite(seen).all():
            every = [int(d) for d in np.argsort(-np.abs(seen - self._target), kind="stable")]
        column = {item.id: i for i, item in enumerate(self._scoring.instrument.items)}
        left = list(range(len(forms)))
        parts: list[tuple[list[int], list[int]]] = []
        for split in np.array_split(np.array(every), min(self._stages, len(every))):
            weighs = (self._scoring.weights[split] != 0).any(axis=0)
            part = [index for index in left if weighs[column[forms[index].item]]]
            left = [index for index in left if index not in part]
            if part or not parts:
                parts.append((part, [int(d) for d in split]))
            else:  # dimensions that share their items with earlier ones
                parts[-1][1].extend(int(d) for d in split)
        return parts

    def _beaten(
        self,
        values: Float[np.ndarray, "candidate form"],
        forms: Sequence[Form],
        asked: Sequence[int],
        excess: Float[np.ndarray, " candidate"],
        paid: Float[np.ndarray, " candidate"],
        thresholds: Fitness,
    ) -> np.ndarray:
        """Who is certain to lose to its threshold, whatever the rest of its answers.

        `paid` is the part of the cost that the divergence makes, known from the first part on.
        """
        if len(asked) == len(self._target):
            return np.zeros(len(values), bool)
        bound = self._bound(self._scoring.scores_of(values, forms)) + paid
        lost = (thresholds.violation == 0) & (bound > thresholds.objective)
        return lost | (excess > thresholds.violation)

    def _bound(
        self, scores: Float[np.ndarray, "candidate dimension"]
    ) -> Float[np.ndarray, " candidate"]:
        """Least loss that the dimensions known so far allow."""
        known = np.where(np.isnan(scores), self._target, scores)
        return self._scoring.loss(known, self._target)
