"""The result table of a run: every method measured on tuning and held-out forms, and on ordinary text.

In: the model, what was asked, the tuned prompt. Out: an `Evaluation`, which the report reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from acculturate import progress
from acculturate.metrics.measure import Profile, profile
from acculturate.metrics.texts import OPENINGS
from acculturate.metrics.treatments import Treatment, ask_state
from acculturate.model.answers import Answering, Answers
from acculturate.model.asking import ask
from acculturate.model.prompt_checks import has_embeddings
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.model.steering import SteeringVector
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
from acculturate.survey.context import Context
from acculturate.survey.forms import Form
from acculturate.tuning.country_search import LoopState
from acculturate.tuning.steering import EVALUATIONS
from acculturate.tuning.task import Task
from acculturate.tuning.treatments import TREATMENTS, make_treatments


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
    before, _ = measure_baselines(model, task)
    rows = list(before.rows)
    if population > 1:  # one prompt alone says nothing of random search
        label = f"Random start: best of {population} candidates"
        first = replace(tuned, embeddings=state.start)
        start, _ = _measure(model, task, "random start", label, first)
        rows.append(replace(start, evaluations=start_cost))
    row, after = _measure(model, task, "tuned", "Tuned soft prompt", tuned)
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


def measure_baselines(
    model: Answering, task: Task, treatments: Mapping[str, Treatment] | None = None
) -> tuple[Evaluation, Profile]:
    """Measure the rows of the result table that need no search, and the untouched model on the held-out forms.

    Args:
        model: Answers the forms.
        task: Forms and scores to reach.
        treatments: By the names of their methods; words are put in front of the guard's texts too. The lines
            that every run is compared with, on forms alone, if None.
    """
    scoring, target = task.scoring, task.target
    constant = scoring.constant_answer_loss(task.scores)
    same = Outcome(constant, None, scoring.by_key(scoring.constants), {}, None)
    row, naive = _measure(model, task, "naive", "Naive: the model as it is")
    rows, reads = [row], treatments is not None
    treatments = make_treatments(model, task) if treatments is None else treatments
    for name, treatment in treatments.items():
        rows.append(_measure(model, task, name, TREATMENTS[name][0], treatment, reads)[0])
    rows.append(Method("constant", "Constant: the same answer to everything", same, same))
    evaluation = Evaluation(
        target=Target(target.name, scoring.by_key(task.scores), target.table),
        dimensions=tuple(Dimension(d.key, d.name, d.low, d.high) for d in scoring.dimensions),
        rows=tuple(rows),
        floor=naive.floor,
        constant_answer_loss=constant,
        baselines={
            name.replace("-", "_"): _described(treatment, task)
            for name, treatment in treatments.items()
        },
        reading=task.settings.reading,
        aggregate=str(scoring.aggregate),
        forms=FormCounts(len(task.measured), len(task.held_out)),
        nearest={"naive": naive.nearest},
    )
    return evaluation, naive


def _measure(
    model: Answering,
    task: Task,
    method: str,
    label: str,
    treatment: Treatment | None = None,
    reads: bool = True,
) -> tuple[Method, Profile]:
    """Return one method's row, and its profile on the held-out forms.

    Args:
        model: Answers the forms.
        task: Forms and scores to reach.
        method: Key of the row.
        label: Its name in words.
        treatment: What is done to the model, if anything.
        reads: Whether words are read in front of the guard's texts too; soft prompts always are.
    """
    tuning, held_out = (
        measure_forms(model, task, forms, treatment) for forms in (task.measured, task.held_out)
    )
    placement, prompt, tokens = task.settings.placement, None, 0
    evaluations = EVALUATIONS if isinstance(treatment, SteeringVector) else None
    if isinstance(treatment, SteeringVector):
        prompt = treatment
    elif isinstance(treatment, SoftPrompt):
        prompt, tokens = treatment.embeddings, len(treatment.embeddings)
        tokens += len(model.embed_text(treatment.line)) if treatment.line else 0
    elif treatment is not None and not has_embeddings(model):
        reads = False  # behind an endpoint, words cannot stand in front of the guard's texts
    elif treatment is not None:  # words in front of a text are tokens there
        placement, prompt = "after-bos", model.embed_text(_in_front(treatment, task))
        tokens = len(prompt)
    outcomes = _outcome(tuning), _outcome(held_out)
    row = Method(method, label, *outcomes, evaluations=evaluations, tokens=tokens)
    if reads or treatment is None or isinstance(treatment, SoftPrompt):
        near = task.guard.read(model, prompt, placement)
        far = task.guard.read_held_out(model, prompt, placement)
        row = replace(
            row,
            divergence=near.divergence,
            perplexity=near.perplexity,
            held_out_divergence=far.divergence,
            held_out_perplexity=far.perplexity,
        )
    return row, held_out


def measure_forms(
    model: Answering, task: Task, forms: Sequence[Form], treatment: Treatment | None = None
) -> Profile:
    """Ask forms and measure the answers as every row of the table is measured."""
    if treatment is None:
        answers = ask(model, None, task.query(forms))
    else:
        answers = ask_state(model, treatment, forms, valid_mass=True)
    return measure_answers(task, answers, model.name)


def _in_front(words: Context, task: Task) -> str:
    """Return the words that stand in front of the first form."""
    return words.before(task.measured[:1])[0].in_front


def _described(treatment: Treatment, task: Task) -> str:
    """Return the words in front of the first form, or layer and strength of a steering vector."""
    if isinstance(treatment, SteeringVector):
        return f"layer {treatment.layer}, strength {treatment.strength:g}"
    return _in_front(treatment, task).strip()


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
