"""The result table of a run: every method measured on tuning and held-out forms, and on ordinary text.

In: the model, what was asked, the tuned prompt. Out: an `Evaluation`, which the report reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from acculturate import progress
from acculturate.metrics.measure import Profile, profile
from acculturate.metrics.texts import OPENINGS
from acculturate.model.answers import Answering, Answers
from acculturate.model.asking import ask
from acculturate.model.soft_prompt import Prompt, SoftPrompt
from acculturate.record_files import finite
from acculturate.runs import (
    Continuation,
    Dimension,
    Evaluation,
    FormCounts,
    Method,
    Outcome,
    Target,
)
from acculturate.survey.forms import Form, with_line
from acculturate.tuning.baselines import in_context_line, persona_line
from acculturate.tuning.loop import LoopState
from acculturate.tuning.task import Task


def summarise(
    model: Answering,
    task: Task,
    tuned: SoftPrompt,
    state: LoopState,
    population: int,
    start_cost: int,
) -> Evaluation:
    """Measure all rows of the result table.

    Args:
        model: Answers the forms.
        task: Forms and scores to reach.
        tuned: The best soft prompt.
        state: The state at the end of the search. The best prompt of its first population is what random
            search found in as many evaluations: a row, where that population is more than one.
        population: Number of these prompts.
        start_cost: Evaluations that they took.
    """
    before = measure_baselines(model, task)
    rows = list(before.rows)
    if population > 1:  # one prompt alone says nothing of random search
        label = f"Random start: best of {population} random prompts"
        start, _ = _measure(model, task, "random start", label, prompt=state.start)
        rows.append(replace(start, evaluations=start_cost))
    row, after = _measure(model, task, "tuned", "Tuned soft prompt", prompt=tuned.embeddings)
    return replace(
        before,
        rows=(*rows, replace(row, evaluations=state.evaluations)),
        nearest=before.nearest | {"tuned": after.nearest},
    )


def count_asked(task: Task, population: int) -> int:
    """Return how many forms and texts are asked for a result, the comparison of the last leaders included."""
    states = 2 + (population > 1)  # untouched, tuned and the random start, which read texts too
    measured, texts = len(task.measured), len(task.guard.fixed) + sum(map(len, task.guard.held_out))
    rows = (states + 2) * (measured + len(task.held_out)) + states * texts
    return rows + (2 * (measured + len(task.guard.fixed)) if task.settings.sample else 0)


def continue_texts(model: Answering, tuned: SoftPrompt) -> tuple[Continuation, ...]:
    """Let the untouched and the tuned model go on with ordinary texts."""
    with progress.task("continuing ordinary texts", 2 * len(OPENINGS)):
        return tuple(
            Continuation(text, model.continue_text(text), model.continue_text(text, tuned))
            for text in OPENINGS
        )


def measure_baselines(model: Answering, task: Task) -> Evaluation:
    """Measure the rows of the result table that need no search.

    Args:
        model: Answers the forms.
        task: Forms and scores to reach.
    """
    scoring, target = task.scoring, task.target
    constant = scoring.constant_answer_loss(task.scores)
    same = Outcome(constant, None, scoring.by_key(scoring.constants), {}, None)
    persona, in_context = persona_line(target.name), in_context_line(target, scoring.dimensions)
    row, naive = _measure(model, task, "naive", "Naive: the model as it is")
    in_words = "In-context: the scores in words"
    rows = (
        row,
        _measure(model, task, "persona", "Persona line", line=persona)[0],
        _measure(model, task, "in-context", in_words, line=in_context)[0],
        Method("constant", "Constant: the same answer to everything", same, same),
    )
    return Evaluation(
        target=Target(target.name, scoring.by_key(task.scores), target.table),
        dimensions=tuple(Dimension(d.key, d.name, d.low, d.high) for d in scoring.dimensions),
        rows=rows,
        floor=naive.floor,
        constant_answer_loss=constant,
        baselines={"persona": persona, "in_context": in_context},
        reading=task.settings.reading,
        aggregate=str(scoring.aggregate),
        forms=FormCounts(len(task.measured), len(task.held_out)),
        nearest={"naive": naive.nearest},
    )


def _measure(
    model: Answering,
    task: Task,
    method: str,
    label: str,
    *,
    line: str | None = None,
    prompt: Prompt | None = None,
) -> tuple[Method, Profile]:
    """Return one method's row, and its profile on the held-out forms."""
    tuning, held_out = (
        measure_forms(model, task, forms if line is None else with_line(forms, line), prompt)
        for forms in (task.measured, task.held_out)
    )
    row = Method(method, label, _outcome(tuning), _outcome(held_out))
    if line is None:  # the guard asks what virtual tokens do to a text; a line of words is a text
        near = task.guard.read(model, prompt, task.settings.placement)
        far = task.guard.read_held_out(model, prompt, task.settings.placement)
        row = replace(
            row,
            divergence=near.divergence,
            perplexity=near.perplexity,
            held_out_divergence=far.divergence,
            held_out_perplexity=far.perplexity,
        )
    return row, held_out


def measure_forms(
    model: Answering, task: Task, forms: Sequence[Form], prompt: Prompt | None = None
) -> Profile:
    """Ask forms and measure the answers as every row of the table is measured."""
    answers = ask(model, None if prompt is None else prompt[None], task.query(forms))
    return measure_answers(task, answers, model.name)


def measure_answers(task: Task, answers: Answers, model: str, candidate: int = 0) -> Profile:
    """Measure a candidate's answers as every row of the table is measured."""
    settings = task.settings
    return profile(
        answers,
        model,
        task.scoring,
        target=task.target,
        table=task.table,
        reading=settings.reading,
        respondents=settings.respondents,
        seed=settings.seed,
        candidate=candidate,
    )


def _outcome(measured: Profile) -> Outcome:
    return Outcome(
        finite(measured.loss),
        measured.loss_interval,
        measured.scores,
        measured.intervals,
        measured.valid_mass,
        measured.content,
    )
