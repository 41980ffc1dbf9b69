"""The teacher of a run: the same frozen model behind a long context, whose own answers a soft prompt learns.

In: a model, a task. Out: `Lessons`: what the teacher answers to open questions, and how far it makes the wanted
shift itself. Written into the run once, at the beginning: a resumed run learns the same. Context distillation:
Askell et al. 2021 (arXiv 2112.00861), Snell et al. 2022 (arXiv 2209.15189).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from acculturate import progress
from acculturate.errors import UsageError
from acculturate.metrics.attained import correlations, projections
from acculturate.metrics.guard import ANSWER_TOKENS
from acculturate.metrics.questions import EVERYDAY, load_questions
from acculturate.model.answers import Answering, AnswerModel, ProseModel
from acculturate.model.asking import one_each
from acculturate.record_files import finite, read_record
from acculturate.runs import ANSWERS, TEACHER, Lessons, RunDirectory
from acculturate.survey.context import Context, Line
from acculturate.survey.forms import Form
from acculturate.tuning.baselines import values_text
from acculturate.tuning.remembering import RememberingModel
from acculturate.tuning.summary import measure_forms
from acculturate.tuning.task import Task
from acculturate.tuning.treatments import make_demonstrations

_EVERY = 2
"""Every second question is learned from; the others are left to ask a tuned model."""


@dataclass(frozen=True)
class _Both:
    """Two contexts in front of forms."""

    first: Context
    second: Context

    def before(self, forms: Sequence[Form]) -> tuple[Form, ...]:
        """See `Context.before`."""
        return self.first.before(self.second.before(forms))


def open_lessons(directory: RunDirectory, model: AnswerModel, task: Task) -> Lessons | None:
    """Return what a run learns from its teacher, and warn of what the teacher does not move.

    Args:
        directory: Keeps the record, and the untouched answers for the result table.
        model: Writes and answers.
        task: Its setting `distillation` asks for a teacher; its forms are asked.

    Raises:
        UsageError: The model writes no text, or none as a teacher.
    """
    if not task.settings.distillation:
        return None
    file = directory.path / TEACHER
    if not file.is_file():
        # One of its own: a resumed run, which has its lessons, starts the result table with nothing kept, too.
        remembering = RememberingModel(model, directory.path / ANSWERS)
        directory.write_record(TEACHER, _teach(model, remembering, task))
    lessons = read_record(Lessons, file)
    if lessons.warning:
        warnings.warn(lessons.warning, stacklevel=2)
    return lessons


def _teach(model: AnswerModel, remembering: Answering, task: Task) -> Lessons:
    if not isinstance(model, ProseModel):
        raise UsageError(
            f"{model.name} writes no text that could be learned", "Leave out --distillation."
        )
    values = values_text(task.target, task.scoring.instrument)
    context = _Both(make_demonstrations(remembering, task), Line(values, told=True))
    forms = task.measured
    with progress.task("asking the teacher", len(forms)):
        told = measure_forms(model, task, forms, context).scores
    untouched = measure_forms(remembering, task, forms).scores
    keys = [dimension.key for dimension in task.scoring.dimensions]
    before, after = (np.array([scores[key] for key in keys]) for scores in (untouched, told))
    wanted, shift = task.scores - before, after - before
    # Open questions are of no dimension, and see demonstrations of all.
    words = context.before([replace(forms[0], item="")])[0].in_front.rstrip() + "\n\n"
    questions = [q.text for q in load_questions(EVERYDAY).questions[::_EVERY]]
    asked = [words + question for question in questions]
    with progress.task(f"writing {len(asked)} answers of the teacher", len(asked)):
        answers = model.reply(asked, max_tokens=ANSWER_TOKENS, seed=task.settings.seed)
    one_each(model, "reply", asked, answers)
    kept = [pair for pair in zip(questions, answers, strict=True) if pair[1].strip()]
    if not kept:
        raise UsageError(
            f"{model.name} as the teacher writes no answers to learn from",
            "Leave out --distillation.",
        )
    return Lessons(
        context=words,
        questions=tuple(question for question, _ in kept),
        answers=tuple(answer for _, answer in kept),
        attained=finite(float(projections(shift[None], wanted)[0])),
        correlation=finite(float(correlations(shift[None], wanted)[0])),
        wanted=dict(zip(keys, wanted.tolist(), strict=True)),
        shift=dict(zip(keys, shift.tolist(), strict=True)),
        asked=len(forms) + len(asked),
    )
