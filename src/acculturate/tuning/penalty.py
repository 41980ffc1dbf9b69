"""What is minimised when a candidate answers several ways of asking differently.

In: what each form was answered with. Out: one number a candidate, and its slope in every form's answer.

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
from jaxtyping import Float

from acculturate.survey.forms import Form
from acculturate.survey.scoring import Scoring

Penalty = Literal["mean", "worst", "spread"]

Scores = Float[np.ndarray, "questionnaire candidate dimension"]


class Penalised:
    """The loss over several questionnaires.

    Args:
        scoring: Weights, anchor and loss.
        target: Scores to reach.
        forms: What was asked; every questionnaire among them asks every item that weighs.
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

    def cost(self, values: Float[np.ndarray, "candidate form"]) -> Float[np.ndarray, " candidate"]:
        """What is minimised; see `penalty`."""
        loss = self._scoring.loss(self._scoring.scores_of(values, self._forms), self._target)
        if self._penalty == "mean":
            return loss
        each = self._each(values)
        if self._penalty == "worst":
            return self._losses(each).max(axis=0)
        return loss + each.std(axis=0).mean(axis=1)

    def slope(self, values: Float[np.ndarray, "one form"]) -> Float[np.ndarray, " form"]:
        """How the cost of one candidate changes with each form's answer."""
        slope = np.zeros(values.shape[1])
        if self._penalty != "worst":
            mean = self._scoring.scores_of(values, self._forms)
            whole = np.arange(len(self._forms))
            slope += self._back(self._scoring.loss_slope(mean, self._target)[0], whole)
        if self._penalty == "mean":
            return slope
        each = self._each(values)
        if self._penalty == "worst":
            worst = int(self._losses(each)[:, 0].argmax())
            of_scores = self._scoring.loss_slope(each[worst], self._target)[0]
            return slope + self._back(of_scores, self._questionnaires[worst])
        deviation = each[:, 0] - each[:, 0].mean(axis=0)
        spread = each[:, 0].std(axis=0)
        sharing = deviation.size * np.maximum(spread, np.finfo(float).tiny)
        for of_scores, members in zip(deviation / sharing, self._questionnaires, strict=True):
            slope += self._back(of_scores, members)
        return slope

    def _each(self, values: Float[np.ndarray, "candidate form"]) -> Scores:
        return np.stack(
            [
                self._scoring.scores_of(values[:, members], [self._forms[i] for i in members])
                for members in self._questionnaires
            ]
        )

    def _losses(self, each: Scores) -> Float[np.ndarray, "questionnaire candidate"]:
        return np.stack([self._scoring.loss(scores, self._target) for scores in each])

    def _back(
        self, of_scores: Float[np.ndarray, " dimension"], members: np.ndarray
    ) -> Float[np.ndarray, " form"]:
        """A slope in the scores of some forms as a slope in every form's answer."""
        items = [item.id for item in self._scoring.instrument.items]
        asked = np.array([items.index(self._forms[i].item) for i in members], np.intp)
        times = np.bincount(asked, minlength=len(items))
        slope = np.zeros(len(self._forms))
        slope[members] = (of_scores @ self._scoring.weights)[asked] / times[asked]
        return slope


def questionnaires(forms: Sequence[Form]) -> tuple[np.ndarray, ...]:
    """Places of the forms of each language, kind of labels, frame and order, as they come."""
    keys = [(form.language, form.labels[0], form.frame, form.order) for form in forms]
    return tuple(
        np.array([i for i, key in enumerate(keys) if key == one], np.intp)
        for one in dict.fromkeys(keys)
    )
