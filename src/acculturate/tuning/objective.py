"""What a candidate is worth: soft prompts -> loss, and how far past the divergence limit.

The objective is made of tuning forms and tuning guard texts; it refuses held-out forms.
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
        loss: Loss to the target; infinite where answers are not finite.
        excess: Divergence past the limit, 0 within it or without one.
        scores: Dimension scores.
        divergence: On the tuning guard texts, or None without a limit.
        perplexity: Likewise.
    """

    loss: Float[np.ndarray, " candidate"]
    excess: Float[np.ndarray, " candidate"]
    scores: Float[np.ndarray, "candidate dimension"]
    divergence: Float[np.ndarray, " candidate"] | None
    perplexity: Float[np.ndarray, " candidate"] | None

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

    def evaluate(
        self, prompts: Float[np.ndarray, "candidate token hidden"], rng: np.random.Generator
    ) -> Evaluation:
        """Evaluates a population; `rng` draws the respondents of the reading "sampled"."""
        texts = () if self._limit is None else TUNING_TEXTS
        answers = self._model.ask(prompts, self._forms, texts=texts, placement=self._placement)
        values = item_values(answers.probabilities, self._reading, rng, self._respondents)
        means = item_means(values, answers.forms, self._scoring.instrument)
        scores = self._scoring.scores(means)
        loss = self._scoring.loss(scores, self._target)
        excess = np.zeros(len(loss))
        if self._limit is not None and answers.divergence is not None:
            over = np.where(np.isfinite(answers.divergence), answers.divergence, np.inf)
            excess = np.maximum(0.0, over - self._limit)
        return Evaluation(loss, excess, scores, answers.divergence, answers.perplexity)
