"""The untouched and the tuned model on the same forms: losses, and how sure their difference is.

In: a model, a soft prompt, forms. Out: a `Comparison`. Both models are resampled over the same forms, so
that the interval of a gain is that of a difference within pairs, not of two separate samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from acculturate.metrics.measure import RESPONDENTS, bootstrap_scores
from acculturate.metrics.statistics import interval_around, loss_interval, percentile_interval
from acculturate.model.answers import AnswerModel, Answers, Query
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.survey.forms import Form, with_line
from acculturate.survey.scoring import Reading, Scoring, item_values

Interval = tuple[float, float]


@dataclass(frozen=True)
class ComparisonSettings:
    """How answers are read and what they are compared with.

    Attributes:
        scoring: Weights, anchor, loss.
        target: Scores to reach, in the order of the dimensions.
        reading: How answers become numbers.
        respondents: Draws a form for the reading "sampled".
        seed: Of the bootstrap and of "sampled".
    """

    scoring: Scoring
    target: Float[np.ndarray, " dimension"]
    reading: Reading = "expected"
    respondents: int = RESPONDENTS
    seed: int = 0


@dataclass(frozen=True)
class State:
    """The model in one state, untouched or tuned, on some forms.

    Attributes:
        loss: To the target; infinite where an answer was not finite.
        interval: Its 95% bootstrap interval over the forms; None where a form has no other beside it.
        scores: Score of each dimension.
        intervals: 95% interval of each score, likewise.
        valid_mass: Mean share of the next-token probability that the options take together.
    """

    loss: float
    interval: Interval | None
    scores: dict[str, float]
    intervals: dict[str, Interval]
    valid_mass: float | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class Comparison:
    """Both states on the same forms; index 0 is the untouched model, 1 the tuned one.

    Attributes:
        question: What it was compared with.
        forms: The forms asked.
        answers: Of each state.
        scores: Of each state.
        samples: Bootstrap scores over the same drawn forms, or None.
    """

    question: ComparisonSettings
    forms: tuple[Form, ...]
    answers: tuple[Answers, Answers]
    scores: Float[np.ndarray, "state dimension"]
    samples: Float[np.ndarray, "state sample dimension"] | None

    @property
    def losses(self) -> Float[np.ndarray, " state"]:
        """The loss of each state."""
        return self.question.scoring.loss(self.scores, self.question.target)

    @property
    def loss_samples(self) -> Float[np.ndarray, "state sample"] | None:
        """Bootstrap losses of each state over the same drawn forms."""
        if self.samples is None:
            return None
        scoring, target = self.question.scoring, self.question.target
        return np.stack([scoring.loss(samples, target) for samples in self.samples])

    @property
    def gain(self) -> float:
        """By how much the loss fell."""
        with np.errstate(invalid="ignore"):
            return float(self.losses[0] - self.losses[1])

    @property
    def gain_interval(self) -> Interval | None:
        """95% interval of the gain, within pairs."""
        losses = self.loss_samples
        if losses is None:
            return None
        with np.errstate(invalid="ignore"):
            return interval_around(losses[0] - losses[1], self.gain)

    def state(self, index: int) -> State:
        """One state as it is shown."""
        keys = [dimension.key for dimension in self.question.scoring.dimensions]
        losses, mass = self.loss_samples, self.answers[index].valid_mass
        pairs = None if self.samples is None else percentile_interval(self.samples[index])
        return State(
            loss=float(self.losses[index]),
            interval=(
                None if losses is None else loss_interval(losses[index], float(self.losses[index]))
            ),
            scores=dict(zip(keys, self.scores[index].tolist(), strict=True)),
            intervals={}
            if pairs is None
            else {key: (float(a), float(b)) for key, (a, b) in zip(keys, pairs, strict=True)},
            valid_mass=None if mass is None else float(mass.mean()),
        )

    def only(self, chosen: Sequence[int]) -> Comparison:
        """The same comparison on some of its forms, by their indices."""
        forms = tuple(self.forms[index] for index in chosen)
        naive, tuned = (_part(answers, forms, chosen) for answers in self.answers)
        return compare_answers(naive, tuned, self.question)


def compare(
    model: AnswerModel,
    prompt: SoftPrompt | str,
    forms: Sequence[Form],
    question: ComparisonSettings,
) -> Comparison:
    """Asks the untouched and the tuned model the same forms.

    Args:
        model: Who answers.
        prompt: The tuned soft prompt, or a line of words to stand in front of every form.
        forms: What is asked, every item of the instrument at least once.
        question: How answers are read and what they are compared with.

    Raises:
        UsageError: The soft prompt was made for another width.
    """
    naive = model.ask(None, Query(forms, valid_mass=True))
    if isinstance(prompt, str):
        tuned = replace(
            model.ask(None, Query(with_line(forms, prompt), valid_mass=True)), forms=naive.forms
        )
    else:
        tuned = model.ask(
            prompt.embeddings[None], Query(forms, placement=prompt.placement, valid_mass=True)
        )
    return compare_answers(naive, tuned, question)


def compare_answers(naive: Answers, tuned: Answers, question: ComparisonSettings) -> Comparison:
    """Compares answers to the same forms; see `compare`."""
    scoring = question.scoring
    scores: list[np.ndarray] = []
    samples: list[np.ndarray] = []
    for answers in (naive, tuned):
        # Both states get the same streams: the same respondents' luck, the same drawn forms.
        drawing, resampling = np.random.SeedSequence(question.seed).spawn(2)
        values = item_values(
            answers.probabilities[:1],
            question.reading,
            np.random.default_rng(drawing),
            question.respondents if question.reading == "sampled" else None,
        )
        scores.append(scoring.scores_of(values, answers.forms)[0])
        drawn = bootstrap_scores(
            values[0], answers.forms, scoring, np.random.default_rng(resampling)
        )
        if drawn is not None:
            samples.append(drawn)
    return Comparison(
        question,
        naive.forms,
        (naive, tuned),
        np.stack(scores),
        np.stack(samples) if samples else None,
    )


def _part(answers: Answers, forms: tuple[Form, ...], chosen: Sequence[int]) -> Answers:
    columns = np.array(chosen, np.intp)
    mass = answers.valid_mass
    return Answers(
        forms,
        answers.probabilities[:, columns],
        None if mass is None else mass[:, columns],
    )
