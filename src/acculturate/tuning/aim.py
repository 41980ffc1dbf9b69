"""The aim of a search: what the answers to the forms that it asks have to become.

In: the untouched model's answers to tuning forms. Out: losses for any of the forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from acculturate.errors import FailureError
from acculturate.model.answers import Answering
from acculturate.model.asking import ask_untouched
from acculturate.survey.forms import Form
from acculturate.survey.scoring import item_means, item_values
from acculturate.tuning.losses import ScoreLoss, questionnaires, questionnaires_of_all_frames
from acculturate.tuning.task import Task

_PARTS = {"shift": questionnaires, "mean-shift": questionnaires_of_all_frames}
"""What makes the shift from its own untouched scores, by the objective."""


@dataclass(frozen=True)
class Losses:
    """The losses of answers to some forms.

    Attributes:
        of_means: Loss of the mean scores over the forms.
        minimised: Loss that the search minimises.
    """

    of_means: ScoreLoss
    minimised: ScoreLoss

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms."""
        return self.minimised.forms


class Aim:
    """The scores, or the shift from the untouched model's answers, that a search is to reach.

    Args:
        model: Asked untouched.
        task: Its setting `objective` says what is to be reached; "scores" needs no untouched answer.
    """

    def __init__(self, model: Answering, task: Task) -> None:
        self._model, self._task = model, task

    def losses(self, forms: tuple[Form, ...], pool: Sequence[Form] = ()) -> Losses:
        """Return the losses of some forms.

        Both are the same where scores are to be reached. A shift is to be made by every questionnaire from
        its own untouched scores, or by those of all frames together.

        Args:
            forms: The forms.
            pool: Those whose untouched answers calibrate, as in the query that asks the forms; all that the
                objective may ask where it is empty.

        Raises:
            FailureError: The untouched model's answers are not finite.
        """
        scoring, goal = self._task.scoring, self._task.settings.goal
        everything = (np.arange(len(forms)),)
        if goal == "scores":
            loss = ScoreLoss(scoring, forms, everything, self._task.scores[None])
            return Losses(loss, loss)
        untouched = self._untouched(ask_untouched(self._model, forms, pool or self._task.forms))

        def loss_of(parts: Sequence[np.ndarray]) -> ScoreLoss:
            own = [scoring.scores_of(untouched[None, p], [forms[i] for i in p])[0] for p in parts]
            return ScoreLoss(scoring, forms, parts, np.array(own) + self.shift)

        return Losses(loss_of(everything), loss_of(_PARTS[goal](forms)))

    @cached_property
    def shift(self) -> Float[np.ndarray, " dimension"]:
        """The wanted shift: scores to reach less those of the untouched model on all forms of the survey."""
        return self._task.scores - self._task.scoring.scores(self.means[None])[0]

    @cached_property
    def changes(self) -> Float[np.ndarray, " item"]:
        """The smallest changes of item means that make the wanted shift."""
        return self._task.scoring.least_changes(self.means, self.shift)

    @cached_property
    def means(self) -> Float[np.ndarray, " item"]:
        """The untouched model's item means on all tuning forms in the survey's own option words."""
        instrument, forms = self._task.scoring.instrument, self._task.survey_forms
        values = self._untouched(ask_untouched(self._model, forms, self._task.pool))
        return item_means(values[None], forms, instrument)[0]

    def _untouched(
        self, probabilities: Float[np.ndarray, "form option"]
    ) -> Float[np.ndarray, " form"]:
        """Read the untouched model's answers as numbers."""
        values = item_values(probabilities[None], "expected")[0]
        if not np.isfinite(values).all():
            raise FailureError(
                f"{self._model.name} gives answers that are not finite without any soft prompt",
                "Use --dtype float32, or another model.",
            )
        return values
