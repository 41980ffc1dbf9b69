"""The untouched and the tuned model on the same forms: losses, and how sure their difference is.

In: a model, a soft prompt, forms. Out: a `Comparison`. Both models are resampled over the same forms, so
that the interval of a gain is that of a difference within pairs, not of two separate samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from acculturate.metrics.attained import AttainedShift, attained_shift
from acculturate.metrics.content import content
from acculturate.metrics.measure import RESPONDENTS
from acculturate.metrics.scores import score_answers, score_intervals
from acculturate.metrics.statistics import Interval, interval_around, loss_interval
from acculturate.metrics.treatments import Treatment, ask_state
from acculturate.model import AnswerModel, Answers
from acculturate.record_files import (
    InfIfNull,
    Intervals,
    NanIfNull,
    Numbers,
    OptionalInterval,
)
from acculturate.survey import Form, Reading, Scoring


@dataclass(frozen=True)
class ComparisonSettings:
    """The reading of answers and the target they are compared with.

    Attributes:
        scoring: Weights, anchor, loss.
        target: Scores to reach, in the order of the dimensions.
        reading: The reading of answers as numbers.
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
        valid_mass: Mean share of the next-token probability that the options take together; None in words.
    """

    loss: InfIfNull
    interval: OptionalInterval
    scores: Numbers
    intervals: Intervals
    valid_mass: float | None


@dataclass(frozen=True, kw_only=True)
class StatePair:
    """The untouched and the tuned model on the same forms.

    Attributes:
        naive: The untouched model.
        tuned: The tuned one.
        gain: By how much the loss fell.
        gain_interval: Its 95% bootstrap interval, both models on the same drawn forms; None where an
            item has one form in an order.
        shift: The shift of scores against the wanted one; None where that is not known, as in files of
            earlier versions.
    """

    naive: State
    tuned: State
    gain: NanIfNull
    gain_interval: OptionalInterval
    shift: AttainedShift | None = None


@dataclass(frozen=True)
class Comparison:
    """Both states on the same forms; index 0 is the untouched model, 1 the tuned one.

    Attributes:
        settings: The settings of the comparison.
        forms: The forms asked.
        answers: Of each state.
        values: The answer of each state to each form, as a number.
        scores: Of each state.
        samples: Bootstrap scores over the same drawn forms, or None.
    """

    settings: ComparisonSettings
    forms: tuple[Form, ...]
    answers: tuple[Answers, Answers]
    values: Float[np.ndarray, "state form"]
    scores: Float[np.ndarray, "state dimension"]
    samples: Float[np.ndarray, "state sample dimension"] | None

    @property
    def losses(self) -> Float[np.ndarray, " state"]:
        """Return the loss of each state."""
        return self.settings.scoring.loss(self.scores, self.settings.target)

    @property
    def loss_samples(self) -> Float[np.ndarray, "state sample"] | None:
        """Return the bootstrap losses of each state over the same drawn forms."""
        if self.samples is None:
            return None
        scoring, target = self.settings.scoring, self.settings.target
        return np.stack([scoring.loss(samples, target) for samples in self.samples])

    @property
    def gain(self) -> float:
        """Return the fall of the loss."""
        with np.errstate(invalid="ignore"):
            return float(self.losses[0] - self.losses[1])

    @property
    def gain_interval(self) -> Interval | None:
        """Return the 95% interval of the gain, within pairs."""
        losses = self.loss_samples
        if losses is None:
            return None
        with np.errstate(invalid="ignore"):
            return interval_around(losses[0] - losses[1], self.gain)

    @property
    def wanted(self) -> Float[np.ndarray, " dimension"]:
        """Return the shift of scores from the untouched model to the target."""
        return self.settings.target - self.scores[0]

    @property
    def shift_samples(self) -> Float[np.ndarray, "sample dimension"] | None:
        """Return the bootstrap shifts of scores, both states on the same drawn forms."""
        return None if self.samples is None else self.samples[1] - self.samples[0]

    def shift(self, wanted: Float[np.ndarray, " dimension"]) -> AttainedShift:
        """Return the shift of scores against the wanted one, and the content of the untouched answers."""
        untouched = content(self.values[0], self.forms, self.settings.scoring.instrument)
        shift = self.scores[1] - self.scores[0]
        return attained_shift(shift, self.shift_samples, wanted, untouched)

    def state(self, index: int) -> State:
        """Return one state as it is shown."""
        scoring, losses = self.settings.scoring, self.loss_samples
        loss = float(self.losses[index])
        samples = None if self.samples is None else self.samples[index]
        return State(
            loss=loss,
            interval=None if losses is None else loss_interval(losses[index], loss),
            scores=scoring.by_key(self.scores[index]),
            intervals=score_intervals(samples, scoring),
            valid_mass=self.answers[index].mean_valid_mass(0),
        )

    def states(self, wanted: Float[np.ndarray, " dimension"] | None = None) -> StatePair:
        """Return both states as they are shown, and their shift where it is known what was wanted."""
        return StatePair(
            naive=self.state(0),
            tuned=self.state(1),
            gain=self.gain,
            gain_interval=self.gain_interval,
            shift=None if wanted is None else self.shift(wanted),
        )

    def only(self, chosen: Sequence[int]) -> Comparison:
        """Return the same comparison on some of its forms, by their indices."""
        forms = tuple(self.forms[index] for index in chosen)
        naive, tuned = (_part(answers, forms, chosen) for answers in self.answers)
        return compare_answers(naive, tuned, self.settings)


def compare(
    model: AnswerModel,
    treatment: Treatment,
    forms: Sequence[Form],
    settings: ComparisonSettings,
) -> Comparison:
    """Ask the untouched and the tuned model the same forms.

    Args:
        model: The model to ask.
        treatment: The tuned soft prompt, or words to stand in front of every form.
        forms: The forms to ask, every item of the instrument at least once.
        settings: The settings of the comparison.

    Raises:
        UsageError: The soft prompt was made for another width.
    """
    naive = ask_state(model, None, forms, valid_mass=True)
    tuned = ask_state(model, treatment, forms, valid_mass=True)
    return compare_answers(naive, tuned, settings)


def compare_answers(naive: Answers, tuned: Answers, settings: ComparisonSettings) -> Comparison:
    """Compare answers to the same forms, as `compare` does."""
    reading = (settings.scoring, settings.reading, settings.respondents, settings.seed)
    before, after = (score_answers(answers, *reading) for answers in (naive, tuned))
    samples = [scored.samples for scored in (before, after) if scored.samples is not None]
    return Comparison(
        settings,
        naive.forms,
        (naive, tuned),
        np.stack([before.values, after.values]),
        np.stack([before.scores, after.scores]),
        np.stack(samples) if samples else None,
    )


def _part(answers: Answers, forms: tuple[Form, ...], chosen: Sequence[int]) -> Answers:
    columns = np.array(chosen, np.intp)
    mass = None if answers.valid_mass is None else answers.valid_mass[:, columns]
    return Answers(forms, answers.probabilities[:, columns], mass)
