"""What a candidate is worth: soft prompts -> loss, and how far past the divergence limit.

The objective is made of tuning forms and tuning guard texts; it refuses held-out forms. It can ask the
dimensions in stages and drop a trial as soon as its parent is certain to stay: the loss grows with the
difference in every dimension, so the part already known is a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from acculturate.evaluation.guard import TUNING_TEXTS
from acculturate.model.answers import AnswerModel, Placement
from acculturate.search.fitness import Fitness
from acculturate.survey.forms import Form
from acculturate.survey.scoring import Reading, Scoring, item_means, item_values


@dataclass(frozen=True)
class Evaluation:
    """What a population is worth.

    Attributes:
        loss: Loss to the target; infinite where answers are not finite. A trial dropped early holds
            the part of its loss that beat it.
        excess: Divergence past the limit, 0 within it or without one.
        scores: Dimension scores; NaN where a dropped trial was not asked.
        divergence: On the tuning guard texts, or None without a limit.
        perplexity: Likewise.
        tokens: Tokens that went through the model, all candidates together.
    """

    loss: Float[np.ndarray, " candidate"]
    excess: Float[np.ndarray, " candidate"]
    scores: Float[np.ndarray, "candidate dimension"]
    divergence: Float[np.ndarray, " candidate"] | None
    perplexity: Float[np.ndarray, " candidate"] | None
    tokens: int

    @property
    def fitness(self) -> Fitness:
        """What an optimiser is told."""
        return Fitness(self.loss, self.excess)


class Objective:
    """Asks tuning forms and scores the answers.

    Args:
        model: Who answers.
        forms: Tuning forms.
        scoring: Weights, anchor and loss.
        target: Scores to reach, in the instrument's order.
        placement: Where soft prompts go.
        reading: How answers become numbers.
        respondents: Draws a form for the reading "sampled".
        max_divergence: Limit on the guard's divergence, or None: the guard is then not read here.
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
        max_divergence: float | None = None,
        stages: int = 1,
        reject: bool = True,
    ) -> None:
        if any(form.split != "tuning" for form in forms):
            raise ValueError("the objective never sees a held-out form")
        self._model = model
        self._forms = tuple(forms)
        self._scoring = scoring
        self._target = target
        self._placement: Placement = placement
        self._reading: Reading = reading
        self._respondents = respondents if reading == "sampled" else None
        self._limit = max_divergence
        self._stages = stages
        self._reject = reject

    def evaluate(
        self,
        prompts: Float[np.ndarray, "candidate token hidden"],
        rng: np.random.Generator,
        thresholds: Fitness | None = None,
        seen: Float[np.ndarray, " dimension"] | None = None,
    ) -> Evaluation:
        """Evaluates a population.

        Args:
            prompts: The candidates.
            rng: Draws the respondents of the reading "sampled".
            thresholds: What each candidate must not lose to; None asks everything of everyone.
            seen: Scores of the best so far: the dimension it misses most is asked first.
        """
        count, forms = len(prompts), len(self._forms)
        values = np.full((count, forms), np.nan)
        excess = np.zeros(count)
        divergence = perplexity = None
        broken = np.zeros(count, bool)
        alive = np.arange(count)
        tokens = 0
        asked: list[int] = []
        for number, (part, dimensions) in enumerate(self._parts(thresholds, seen)):
            if not len(alive):
                break
            texts = TUNING_TEXTS if number == 0 and self._limit is not None else ()
            answers = self._model.ask(
                prompts[alive],
                [self._forms[index] for index in part],
                texts=texts,
                placement=self._placement,
            )
            tokens += answers.tokens * len(alive)
            read = item_values(answers.probabilities, self._reading, rng, self._respondents)
            values[np.ix_(alive, np.array(part, np.intp))] = read
            broken[alive] |= ~np.isfinite(read).all(axis=1)
            if self._limit is not None and answers.divergence is not None:
                divergence, perplexity = answers.divergence, answers.perplexity
                over = np.where(np.isfinite(divergence), divergence, np.inf)
                excess = np.maximum(0.0, over - self._limit)
            asked += dimensions
            if thresholds is not None and self._reject:
                alive = alive[
                    ~self._beaten(values[alive], asked, excess[alive], thresholds.take(alive))
                ]
        scores = self._scores(values)
        loss = self._scoring.loss(scores, self._target)
        dropped = np.setdiff1d(np.arange(count), alive)
        loss[dropped] = self._bound(scores[dropped])
        loss[broken] = np.inf
        return Evaluation(loss, excess, scores, divergence, perplexity, tokens)

    def _parts(
        self, thresholds: Fitness | None, seen: Float[np.ndarray, " dimension"] | None
    ) -> list[tuple[list[int], list[int]]]:
        """The forms of each part, and the dimensions that are complete after it."""
        every = list(range(len(self._target)))
        if thresholds is None or self._stages == 1:
            return [(list(range(len(self._forms))), every)]
        if seen is not None and np.isfinite(seen).all():
            every = [int(d) for d in np.argsort(-np.abs(seen - self._target), kind="stable")]
        column = {item.id: i for i, item in enumerate(self._scoring.instrument.items)}
        left = list(range(len(self._forms)))
        parts: list[tuple[list[int], list[int]]] = []
        for split in np.array_split(np.array(every), min(self._stages, len(every))):
            weighs = (self._scoring.weights[split] != 0).any(axis=0)
            part = [index for index in left if weighs[column[self._forms[index].item]]]
            left = [index for index in left if index not in part]
            if part or not parts:
                parts.append((part, [int(d) for d in split]))
            else:  # dimensions that share their items with earlier ones
                parts[-1][1].extend(int(d) for d in split)
        return parts

    def _beaten(
        self,
        values: Float[np.ndarray, "candidate form"],
        asked: Sequence[int],
        excess: Float[np.ndarray, " candidate"],
        thresholds: Fitness,
    ) -> np.ndarray:
        """Who is certain to lose to its threshold, whatever the rest of its answers."""
        if len(asked) == len(self._target):
            return np.zeros(len(values), bool)
        bound = self._bound(self._scores(values))
        lost = (thresholds.excess == 0) & (bound > thresholds.loss)
        return lost | (excess > thresholds.excess)

    def _scores(
        self, values: Float[np.ndarray, "candidate form"]
    ) -> Float[np.ndarray, "candidate dimension"]:
        return self._scoring.scores(item_means(values, self._forms, self._scoring.instrument))

    def _bound(
        self, scores: Float[np.ndarray, "candidate dimension"]
    ) -> Float[np.ndarray, " candidate"]:
        """Least loss that the dimensions known so far allow."""
        known = np.where(np.isnan(scores), self._target, scores)
        return self._scoring.loss(known, self._target)
