"""Methods without a soft prompt, by their name: words in front of a form, and a steering vector.

In: a model, a task. Out: a `Treatment`, which is asked and evaluated as a soft prompt is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from acculturate.metrics.treatments import Treatment
from acculturate.model.answers import Answering
from acculturate.survey.context import Demonstrations, Line
from acculturate.tuning.aim import Aim
from acculturate.tuning.baselines import (
    in_context_line,
    interview_text,
    persona_line,
    values_text,
)
from acculturate.tuning.steering import find_steering
from acculturate.tuning.task import Task

SHOWN = 8
"""Answered questions in front of a form."""


def make_demonstrations(model: Answering, task: Task) -> Demonstrations:
    """Answer the questions of the survey as the country would, for showing them in front of others.

    The answers are the untouched model's own, moved by the smallest changes of items that make the wanted
    shift, to the next whole option in the direction of the change. Items that change most come first.
    """
    aim, instrument = Aim(model, task), task.scoring.instrument
    changes, goals = aim.changes, aim.means + aim.changes
    options = np.array([instrument.options_of(item) for item in instrument.items])
    moved = np.where(changes > 0, np.ceil(goals), np.floor(goals))
    answers = np.clip(np.where(np.abs(changes) < _STILL, goals.round(), moved), 1, options)
    order = np.argsort(-np.abs(changes), kind="stable")
    ordered = {instrument.items[index].id: int(answers[index]) for index in order}
    return Demonstrations(instrument, ordered, SHOWN)


_STILL = 1e-3
"""Change of an item's mean that counts as none."""

_Make = Callable[[Answering, Task], Treatment]

TREATMENTS: dict[str, tuple[str, _Make]] = {
    "persona": ("Persona line", lambda _, task: Line(persona_line(task.target.name))),
    "persona-values": (
        "Persona: values in sentences",
        lambda _, task: Line(values_text(task.target, task.scoring.instrument), told=True),
    ),
    "persona-interview": (
        "Persona: an interview",
        lambda _, task: Line(interview_text(task.target, task.scoring.instrument), told=True),
    ),
    "in-context": (
        "In-context: the scores in words",
        lambda _, task: Line(in_context_line(task.target, task.scoring.dimensions)),
    ),
    "demonstrations": ("Demonstrations: answered questions", make_demonstrations),
    "steering": ("Steering vector", find_steering),
}
"""Label and maker of each method by its name."""
OF_A_RUN = ("persona", "in-context")
"""Those that every run is compared with."""


def make_treatments(
    model: Answering, task: Task, names: Iterable[str] = OF_A_RUN
) -> dict[str, Treatment]:
    """Make the treatments of some methods, by their names."""
    return {name: TREATMENTS[name][1](model, task) for name in names}
