"""Several questionnaires in one objective, each with the same weight in units of the shift wanted in it.

In: the objective of each. Out: one that is asked as any other is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from acculturate.model.answers import Answering, AnswerModel
from acculturate.model.soft_prompt import Prompts
from acculturate.tuning.aim import Aim
from acculturate.tuning.objective import Objective, PopulationEvaluation
from acculturate.tuning.task import Task


def make_objective(
    model: AnswerModel, task: Task, requires: Collection[str], measured: Answering
) -> Objective | SeveralObjectives:
    """Return the objective of a task: of its questionnaire, or of several together.

    Args:
        model: Answers the forms.
        task: Its others are the same country in other questionnaires.
        requires: See `Objective`.
        measured: See `Objective`.
    """
    if not task.others:
        return Objective(model, task, requires, measured)
    count = 1 + len(task.others)
    gradient = {"gradient"} & set(requires)
    others = [Objective(model, other, gradient, measured) for other in task.others]
    # The mean over questionnaires divides what the first one says of text, too.
    objectives = [Objective(model, task, requires, measured, count), *others]
    tasks = task, *task.others
    units = [_unit(part.aim, each) for part, each in zip(objectives, tasks, strict=True)]
    return SeveralObjectives(objectives, [units[0] / (unit * count) for unit in units])


def _unit(aim: Aim, task: Task) -> float:
    """Return the loss of the untouched model, which is the size of the wanted shift."""
    return float(task.scoring.loss(aim.shift[None], np.zeros_like(aim.shift))[0]) or 1.0


class SeveralObjectives:
    """The weighted sum of several questionnaires' objectives; all else is the first one's.

    Args:
        objectives: Those of the questionnaires; the first one alone reads ordinary text.
        weights: The weight of each.
    """

    def __init__(self, objectives: Sequence[Objective], weights: Sequence[float]) -> None:
        self._objectives, self._weights = objectives, weights

    @property
    def size(self) -> int:
        """See `Objective.size`."""
        return sum(objective.size for objective in self._objectives)

    def evaluate(self, prompts: Prompts, rng: np.random.Generator) -> PopulationEvaluation:
        """See `Objective.evaluate`."""
        return self._joined(lambda objective: objective.evaluate(prompts, rng))

    def compare(self, prompts: Prompts, rng: np.random.Generator) -> PopulationEvaluation:
        """See `Objective.compare`."""
        return self._joined(lambda objective: objective.compare(prompts, rng))

    def _joined(
        self, evaluate: Callable[[Objective], PopulationEvaluation]
    ) -> PopulationEvaluation:
        parts = [evaluate(objective) for objective in self._objectives]
        gradients = [
            weight * part.gradient
            for weight, part in zip(self._weights, parts, strict=True)
            if part.gradient is not None
        ]
        weighted = [w * part.objective for w, part in zip(self._weights, parts, strict=True)]
        return replace(
            parts[0],
            objective=np.sum(weighted, axis=0),
            gradient=np.sum(gradients, axis=0) if gradients else None,
            tokens=sum(part.tokens for part in parts),
        )
