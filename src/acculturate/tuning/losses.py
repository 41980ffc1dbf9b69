"""Losses of the answers to some forms, with their derivatives.

Forms of one language, set of answers, frame and option order are a questionnaire: the survey as one
respondent would see it. The loss of the mean scores over all forms lets errors of different questionnaires
cancel, a preference for the first option in one order against the same preference in the other. The mean of
the questionnaires' losses does not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from acculturate.survey.forms import Form
from acculturate.survey.scoring import Scoring

Members = Int[np.ndarray, " _"]


@dataclass(frozen=True)
class ScoreLoss:
    """The mean over parts of the forms of the loss of their scores.

    Attributes:
        scoring: Weights, constants and loss.
        forms: The forms that are asked.
        parts: Places of the forms of each part, which asks every item that weighs.
        goals: Scores for each part to reach.
    """

    scoring: Scoring
    forms: tuple[Form, ...]
    parts: Sequence[Members]
    goals: Float[np.ndarray, "part dimension"]

    def value(
        self, answers: Float[np.ndarray, "candidate form"]
    ) -> Float[np.ndarray, " candidate"]:
        """Return the loss of every candidate's answers."""
        return np.mean(
            [
                self.scoring.loss(self._scores(answers, part), goal)
                for part, goal in zip(self.parts, self.goals, strict=True)
            ],
            axis=0,
        )

    def gradient(self, answers: Float[np.ndarray, "one form"]) -> Float[np.ndarray, " form"]:
        """Return the derivatives of one candidate's loss in each form's answer."""
        items = [item.id for item in self.scoring.instrument.items]
        gradient = np.zeros(len(self.forms))
        for part, goal in zip(self.parts, self.goals, strict=True):
            slope = self.scoring.loss_slope(self._scores(answers, part), goal)[0]
            asked = np.array([items.index(self.forms[place].item) for place in part], np.intp)
            times = np.bincount(asked, minlength=len(items))
            in_answers = (slope @ self.scoring.weights)[asked] / times[asked]
            gradient[part] += in_answers / len(self.parts)
        return gradient

    def _scores(
        self, answers: Float[np.ndarray, "candidate form"], part: Members
    ) -> Float[np.ndarray, "candidate dimension"]:
        return self.scoring.scores_of(answers[:, part], [self.forms[place] for place in part])


def questionnaires(forms: Sequence[Form]) -> tuple[Members, ...]:
    """Return the places of the forms of each questionnaire; see `Form.questionnaire`."""
    return _grouped(form.questionnaire for form in forms)


def questionnaires_of_all_frames(forms: Sequence[Form]) -> tuple[Members, ...]:
    """Return the places of the forms of the questionnaires that differ in their frames alone, together."""
    return _grouped((form.answer_kind, form.order) for form in forms)


def _grouped(keys: Iterable[Hashable]) -> tuple[Members, ...]:
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return tuple(np.array(members, np.intp) for members in places.values())
