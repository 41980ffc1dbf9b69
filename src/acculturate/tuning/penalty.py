"""The loss over questionnaires that are answered differently, and its gradient.

Forms of one language, kind of labels, frame and option order are a questionnaire: the survey as one
respondent would see it. The loss of the mean scores lets errors of different questionnaires cancel, a
preference for the first option in one order against the same preference in the other. The worst
questionnaire's loss (as in robust optimisation: Ben-Tal, El Ghaoui, Nemirovski 2009, "Robust
Optimization", section 1.2), or the loss of the mean plus the spread of the scores, does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from acculturate.survey.forms import Form
from acculturate.survey.scoring import Scoring

Penalty = Literal["mean", "worst", "spread"]

Members = Int[np.ndarray, " member"]


class PenalisedLoss:
    """The loss over several questionnaires.

    Args:
        scoring: Weights, anchor and loss.
        target: Scores to reach.
        forms: The forms that are asked; every questionnaire among them asks every item that weighs.
        penalty: "mean": loss of the mean scores. "worst": the largest loss of a questionnaire.
            "spread": loss of the mean scores plus the mean standard deviation of a score over
            questionnaires.
    """

    def __init__(
        self,
        scoring: Scoring,
        target: Float[np.ndarray, " dimension"],
        forms: Sequence[Form],
        penalty: Penalty,
    ) -> None:
        self._scoring, self._target, self._penalty = scoring, target, penalty
        self._forms = tuple(forms)
        self._questionnaires = questionnaires(forms)

    def value(
        self, answers: Float[np.ndarray, "candidate form"]
    ) -> Float[np.ndarray, " candidate"]:
        """Return the penalised loss."""
        if self._penalty == "worst":
            scores = self._questionnaire_scores(answers)
            return np.max([self._scoring.loss(each, self._target) for each in scores], axis=0)
        loss = self._scoring.loss(self._scoring.scores_of(answers, self._forms), self._target)
        if self._penalty == "mean":
            return loss
        return loss + self._questionnaire_scores(answers).std(axis=0).mean(axis=1)

    def gradient(self, answers: Float[np.ndarray, "one form"]) -> Float[np.ndarray, " form"]:
        """Return the derivatives of one candidate's penalised loss in each form's answer."""
        if self._penalty == "worst":
            scores = self._questionnaire_scores(answers)[:, 0]
            worst = int(self._scoring.loss(scores, self._target).argmax())
            in_scores = self._scoring.loss_slope(scores[[worst]], self._target)[0]
            return self._in_answers(in_scores, self._questionnaires[worst])
        mean = self._scoring.scores_of(answers, self._forms)
        in_scores = self._scoring.loss_slope(mean, self._target)[0]
        gradient = self._in_answers(in_scores, np.arange(len(self._forms)))
        if self._penalty == "spread":
            scores = self._questionnaire_scores(answers)[:, 0]
            spread = np.maximum(scores.std(axis=0), np.finfo(float).tiny)
            in_spread = (scores - scores.mean(axis=0)) / (scores.size * spread)
            for in_scores, members in zip(in_spread, self._questionnaires, strict=True):
                gradient += self._in_answers(in_scores, members)
        return gradient

    def _questionnaire_scores(
        self, answers: Float[np.ndarray, "candidate form"]
    ) -> Float[np.ndarray, "questionnaire candidate dimension"]:
        return np.stack(
            [
                self._scoring.scores_of(answers[:, members], [self._forms[i] for i in members])
                for members in self._questionnaires
            ]
        )

    def _in_answers(
        self, in_scores: Float[np.ndarray, " dimension"], members: Members
    ) -> Float[np.ndarray, " form"]:
        """Turn a gradient in the scores of some forms into one in every form's answer."""
        items = [item.id for item in self._scoring.instrument.items]
        asked = np.array([items.index(self._forms[i].item) for i in members], np.intp)
        times = np.bincount(asked, minlength=len(items))
        gradient = np.zeros(len(self._forms))
        gradient[members] = (in_scores @ self._scoring.weights)[asked] / times[asked]
        return gradient


def questionnaires(forms: Sequence[Form]) -> tuple[Members, ...]:
    """Return the places of the forms of each language, kind of labels, frame and order."""
    places: dict[tuple[str, ...], list[int]] = {}
    for place, form in enumerate(forms):
        key = (form.language, form.labels[0], form.frame, form.order)
        places.setdefault(key, []).append(place)
    return tuple(np.array(members, np.intp) for members in places.values())
