"""The result table of a run: every method measured on tuning and held-out forms, and on ordinary text.

In: the model, what was asked, the tuned prompt. Out: an `Evaluation`, which the report reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from acculturate.metrics.guard import read_guard
from acculturate.metrics.measure import Profile, profile
from acculturate.metrics.texts import HELD_OUT_TEXTS, OPENINGS, TUNING_TEXTS
from acculturate.model.answers import AnswerModel, Placement, Query
from acculturate.model.soft_prompt import SoftPrompt
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
from acculturate.survey.countries import Country, CountryTable
from acculturate.survey.forms import Form, with_line
from acculturate.survey.scoring import Reading, Scoring
from acculturate.tuning.baselines import in_context_line, persona_line

Prompt = Float[np.ndarray, "token hidden"]


@dataclass(frozen=True)
class SummaryInputs:
    """Everything that the rows of the table are asked and scored by.

    Attributes:
        scoring: Weights, anchor, loss.
        target: The country.
        table: Where the nearest countries come from, or None.
        tuning: Forms of the objective.
        held_out: Forms it never saw.
        placement: Of soft prompts.
        reading: How answers become numbers.
        respondents: For the reading "sampled".
        seed: Of bootstrap and respondents.
    """

    scoring: Scoring
    target: Country
    table: CountryTable | None
    tuning: tuple[Form, ...]
    held_out: tuple[Form, ...]
    placement: Placement
    reading: Reading
    respondents: int
    seed: int


def summarise(
    model: AnswerModel,
    inputs: SummaryInputs,
    tuned: Prompt,
    start: Prompt | None,
    population: int,
    start_cost: int,
    evaluations: int,
) -> Evaluation:
    """Measure all rows of the result table.

    Args:
        model: Who answers.
        inputs: What is asked.
        tuned: The best soft prompt.
        start: The best of the first population, which is what random search found in as many
            evaluations as the population is large; a row where that is more than one.
        population: That many.
        start_cost: Evaluations that they took.
        evaluations: How many the tuned prompt took.
    """
    before, naive = _measure_baselines(model, inputs)
    rows = list(before.rows)
    if start is not None and population > 1:  # one prompt alone says nothing of random search
        label = f"Random start: best of {population} random prompts"
        row, _ = _measure(model, inputs, "random start", label, prompt=start)
        rows.append(replace(row, evaluations=start_cost))
    row, after = _measure(model, inputs, "tuned", "Tuned soft prompt", prompt=tuned)
    soft_prompt = SoftPrompt(tuned, inputs.placement, model.name)
    continuations = tuple(
        Continuation(text, model.continue_text(text), model.continue_text(text, soft_prompt))
        for text in OPENINGS
    )
    return replace(
        before,
        rows=(*rows, replace(row, evaluations=evaluations)),
        nearest={"naive": naive.nearest, "tuned": after.nearest},
        continuations=continuations,
    )


def measure_baselines(model: AnswerModel, inputs: SummaryInputs) -> Evaluation:
    """Measure the rows of the result table that need no search.

    Args:
        model: Who answers.
        inputs: What is asked.
    """
    return _measure_baselines(model, inputs)[0]


def _measure_baselines(model: AnswerModel, inputs: SummaryInputs) -> tuple[Evaluation, Profile]:
    """Return what needs no search, and the untouched model's profile on the held-out forms."""
    scoring, target = inputs.scoring, inputs.target
    constant = scoring.constant_answer_loss(target.vector(scoring.instrument))
    keys = [dimension.key for dimension in scoring.dimensions]
    same = Outcome(
        constant, None, dict(zip(keys, scoring.constants.tolist(), strict=True)), {}, None
    )
    persona, in_context = persona_line(target.name), in_context_line(target, scoring.dimensions)
    row, naive = _measure(model, inputs, "naive", "Naive: the model as it is")
    in_words = "In-context: the scores in words"
    rows = (
        row,
        _measure(model, inputs, "persona", "Persona line", line=persona)[0],
        _measure(model, inputs, "in-context", in_words, line=in_context)[0],
        Method("constant", "Constant: the same answer to everything", same, same),
    )
    evaluation = Evaluation(
        target=Target(target.name, {key: target.scores[key] for key in keys}, target.table),
        dimensions=tuple(Dimension(d.key, d.name, d.low, d.high) for d in scoring.dimensions),
        rows=rows,
        floor=naive.floor,
        constant_answer_loss=constant,
        baselines={"persona": persona, "in_context": in_context},
        reading=inputs.reading,
        aggregate=scoring.aggregate or "mean",
        forms=FormCounts(len(inputs.tuning), len(inputs.held_out)),
    )
    return evaluation, naive


def _measure(
    model: AnswerModel,
    inputs: SummaryInputs,
    method: str,
    label: str,
    *,
    line: str | None = None,
    prompt: Prompt | None = None,
) -> tuple[Method, Profile]:
    """Return one method's row, and its profile on the held-out forms."""

    def measured(forms: Sequence[Form]) -> Profile:
        asked = forms if line is None else with_line(forms, line)
        answers = model.ask(
            None if prompt is None else prompt[None],
            Query(asked, placement=inputs.placement, valid_mass=True),
        )
        return profile(
            answers,
            model.name,
            inputs.scoring,
            target=inputs.target,
            table=inputs.table,
            reading=inputs.reading,
            respondents=inputs.respondents,
            seed=inputs.seed,
        )

    tuning, held_out = measured(inputs.tuning), measured(inputs.held_out)
    row = Method(method, label, _outcome(tuning), _outcome(held_out))
    if line is None:  # the guard asks what virtual tokens do to a text; a line of words is a text
        near = read_guard(model, prompt, inputs.placement, TUNING_TEXTS)
        far = read_guard(model, prompt, inputs.placement, HELD_OUT_TEXTS)
        row = replace(
            row,
            divergence=near.divergence,
            perplexity=near.perplexity,
            held_out_divergence=far.divergence,
            held_out_perplexity=far.perplexity,
        )
    return row, held_out


def _outcome(measured: Profile) -> Outcome:
    return Outcome(
        finite(measured.loss),
        measured.loss_interval,
        measured.scores,
        measured.intervals,
        measured.valid_mass,
    )
