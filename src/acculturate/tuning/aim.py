"""The aim of a search: what the answers to the forms that it asks have to become.

In: the untouched model's answers to tuning forms, each asked once and kept. Out: losses for any of the forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from acculturate import progress
from acculturate.errors import FailureError
from acculturate.model.answers import Answering, Query
from acculturate.model.asking import ask
from acculturate.survey.forms import Form
from acculturate.survey.scoring import item_means, item_values
from acculturate.tuning.losses import AnswerLoss, Loss, ScoreLoss, questionnaires
from acculturate.tuning.task import Task


@dataclass(frozen=True)
class Losses:
    """The losses of answers to some forms.

    Attributes:
        forms: The forms.
        of_means: Loss of the mean scores over the forms.
        minimised: Loss that the search minimises.
        tokens: Tokens that the untouched model took for them.
    """

    forms: tuple[Form, ...]
    of_means: Loss
    minimised: Loss
    tokens: int = 0


class Aim:
    """The scores, or the shift from the untouched model's answers, that a search is to reach.

    Args:
        model: Asked untouched.
        task: Its setting `objective` says what is to be reached; "scores" needs no untouched answer.

    Attributes:
        untouched: The untouched model's answer to each form of the task, a number on the item's scale; NaN
            where it was not asked yet. Part of the state of a run.
    """

    def __init__(self, model: Answering, task: Task) -> None:
        self._model, self._task = model, task
        self._places = {form: place for place, form in enumerate(task.forms)}
        self.untouched: Float[np.ndarray, " form"] = np.full(len(task.forms), np.nan)
        self._tokens = 0

    def losses(self, forms: tuple[Form, ...]) -> Losses:
        """Return the losses of some forms.

        Both are the same where scores are to be reached. A shift is to be made by every questionnaire from
        its own untouched scores, or by every answer from its own.

        Raises:
            FailureError: The untouched model's answers are not finite.
        """
        scoring, objective = self._task.scoring, self._task.settings.objective
        everything = (np.arange(len(forms)),)
        if objective == "scores":
            loss = ScoreLoss(scoring, forms, everything, self._task.scores[None])
            return Losses(forms, loss, loss)
        before = self._tokens
        untouched = self._answers(forms)

        def loss_of(parts: Sequence[np.ndarray]) -> ScoreLoss:
            own = [scoring.scores_of(untouched[None, p], [forms[i] for i in p])[0] for p in parts]
            return ScoreLoss(scoring, forms, parts, np.array(own) + self.shift)

        of_means = loss_of(everything)
        if objective == "shift":
            minimised: Loss = loss_of(questionnaires(forms))
        else:
            items = [item.id for item in scoring.instrument.items]
            changes = self.changes[[items.index(form.item) for form in forms]]
            most = [len(form.options) for form in forms]
            minimised = AnswerLoss(scoring, forms, np.clip(untouched + changes, 1, most))
        return Losses(forms, of_means, minimised, self._tokens - before)

    @cached_property
    def shift(self) -> Float[np.ndarray, " dimension"]:
        """The wanted shift: scores to reach less those of the untouched model on the measured forms."""
        return self._task.scores - self._task.scoring.scores(self._means)[0]

    @cached_property
    def changes(self) -> Float[np.ndarray, " item"]:
        """The smallest changes of item means that make the wanted shift."""
        return self._task.scoring.least_changes(self._means[0], self.shift)

    @cached_property
    def _means(self) -> Float[np.ndarray, "1 item"]:
        measured = self._task.measured
        with progress.task("asking the untouched model", len(measured)):
            values = self._answers(measured)[None]
        return item_means(values, measured, self._task.scoring.instrument)

    def _answers(self, forms: Sequence[Form]) -> Float[np.ndarray, " form"]:
        """Return the untouched answers to some forms; those that are not known are asked together."""
        places = np.array([self._places[form] for form in forms])
        new = tuple(f for f, p in zip(forms, places, strict=True) if np.isnan(self.untouched[p]))
        if new:
            query = Query(new, placement=self._task.settings.placement)
            answers = ask(self._model, None, query)
            values = item_values(answers.probabilities, "expected")[0]
            if not np.isfinite(values).all():
                raise FailureError(
                    f"{self._model.name} gives answers that are not finite without any soft prompt",
                    "Use --dtype float32, or another model.",
                )
            self.untouched[[self._places[form] for form in new]] = values
            self._tokens += answers.tokens
        return self.untouched[places]
