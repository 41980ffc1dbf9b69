"""The search of a steering vector: a direction from words about the country, a layer and a strength.

In: a model, a task. Out: the `SteeringVector` whose answers to the tuning forms are best.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from acculturate import progress
from acculturate.metrics.treatments import ask_state
from acculturate.model.answers import Answering
from acculturate.model.asking import steerable
from acculturate.model.steering import SteeringVector
from acculturate.survey.context import Line
from acculturate.survey.scoring import item_values
from acculturate.tuning.aim import Aim
from acculturate.tuning.baselines import values_text
from acculturate.tuning.settings import WEIGHT_FOR_GRADIENTS
from acculturate.tuning.task import Task

DEPTHS = 0.25, 0.5, 0.75
"""Layers that are tried, as shares of all of them."""
STRENGTHS = 0.25, 0.5, 1.0, 2.0, 4.0
"""Multiples of the difference of means that are tried."""
EVALUATIONS = len(DEPTHS) * len(STRENGTHS)


def find_steering(model: Answering, task: Task) -> SteeringVector:
    """Find the layer and strength with the least loss on the tuning forms and the guard, as in a descent.

    The direction is the difference of means of the states at the last token of forms, with the country's
    values in sentences in front and without (Rimsky et al. 2024, arXiv 2312.06681).

    Raises:
        UsageError: The model's states cannot be had.
    """
    model = steerable(model)
    words = Line(values_text(task.target, task.scoring.instrument), told=True)
    forms = tuple({form.item: form for form in task.measured}.values())
    losses = Aim(model, replace(task, forms=task.measured)).losses(task.measured)
    with progress.task("reading states", 2 * len(forms)):
        told, untold = (model.mean_states(asked) for asked in (words.before(forms), forms))
    count = len(told)
    tried: list[tuple[float, SteeringVector]] = []
    size = len(losses.forms) + len(task.guard.fixed)
    with progress.task("choosing a steering vector", EVALUATIONS * size):
        for depth, strength in product(DEPTHS, STRENGTHS):
            layer = min(int(depth * count), count - 1)
            steering = SteeringVector(layer, tuple((told - untold)[layer].tolist()), strength)
            answers = ask_state(model, steering, losses.forms)
            loss = float(losses.minimised.value(item_values(answers.probabilities, "expected"))[0])
            divergence = task.guard.read(model, steering, task.settings.placement).divergence
            total = loss + WEIGHT_FOR_GRADIENTS * divergence
            tried.append((total if np.isfinite(total) else np.inf, steering))
    return min(tried, key=lambda pair: pair[0])[1]
