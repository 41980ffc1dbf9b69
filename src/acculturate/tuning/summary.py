"""The result table of a run: every method measured on tuning and held-out forms, with its price.

In: the model, what was asked, the tuned prompt. Out: evaluation/summary.json, which the report reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from acculturate.metrics.guard import read_guard
from acculturate.metrics.measure import Profile, profile
from acculturate.metrics.texts import HELD_OUT_TEXTS, OPENINGS, TUNING_TEXTS
from acculturate.model.answers import AnswerModel, Placement, Query
from acculturate.survey.countries import Country, CountryTable
from acculturate.survey.forms import Form, with_line
from acculturate.survey.scoring import Reading, Scoring
from acculturate.tuning.baselines import in_context_line, persona_line

Prompt = Float[np.ndarray, "token hidden"]


@dataclass(frozen=True)
class SummaryInputs:
    """What every row of the table is asked, and how it is scored.

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
    question: SummaryInputs,
    tuned: Prompt,
    start: Prompt | None,
    population: int,
    start_cost: int,
    evaluations: int,
) -> dict[str, Any]:
    """Measures all rows of the result table.

    Args:
        model: Who answers.
        question: What is asked.
        tuned: The best soft prompt.
        start: The best of the first population, which is what random search found in as many
            evaluations as the population is large; a row where that is more than one.
        population: That many.
        start_cost: Evaluations that they took.
        evaluations: How many the tuned prompt took.
    """
    before, naive = _baselines(model, question)
    rows: list[dict[str, Any]] = list(before["rows"])
    if start is not None and population > 1:  # one prompt alone says nothing of random search
        label = f"Random start: best of {population} random prompts"
        rows.append(
            _row(model, question, "random start", label, prompt=start, evaluations=start_cost)[0]
        )
    tuned_row, after = _row(
        model, question, "tuned", "Tuned soft prompt", prompt=tuned, evaluations=evaluations
    )
    return {
        **before,
        "rows": [*rows, tuned_row],
        "nearest": {
            "naive": [list(pair) for pair in naive.nearest],
            "tuned": [list(pair) for pair in after.nearest],
        },
        "continuations": [
            {
                "text": text,
                "naive": model.continue_text(text),
                "tuned": model.continue_text(text, tuned, placement=question.placement),
            }
            for text in OPENINGS
        ],
    }


def measure_baselines(model: AnswerModel, question: SummaryInputs) -> dict[str, Any]:
    """The rows of the result table that need no search, in the form of `summarise`.

    Args:
        model: Who answers.
        question: What is asked.
    """
    return _baselines(model, question)[0]


def _baselines(model: AnswerModel, question: SummaryInputs) -> tuple[dict[str, Any], Profile]:
    """What of a summary needs no search, and the untouched model's profile on the held-out forms."""
    scoring, target = question.scoring, question.target
    constant = scoring.constant_answer_loss(target.vector(scoring.instrument))
    naive_row, naive = _row(model, question, "naive", "Naive: the model as it is")
    persona = persona_line(target.name)
    in_context = in_context_line(target, scoring.dimensions)
    summary = {
        "target": {
            "country": target.name,
            "table": target.table,
            "scores": {d.key: target.scores[d.key] for d in scoring.dimensions},
        },
        "dimensions": [
            {"key": d.key, "name": d.name, "low": d.low, "high": d.high} for d in scoring.dimensions
        ],
        "rows": [
            naive_row,
            _row(model, question, "persona", "Persona line", line=persona)[0],
            _row(model, question, "in-context", "In-context: the scores in words", line=in_context)[
                0
            ],
            _constant_row(question, constant),
        ],
        "floor": naive.floor,
        "constant_answer_loss": constant,
        "baselines": {"persona": persona, "in_context": in_context},
        "reading": question.reading,
        "aggregate": scoring.aggregate,
        "forms": {"tuning": len(question.tuning), "held_out": len(question.held_out)},
    }
    return summary, naive


def _row(
    model: AnswerModel,
    question: SummaryInputs,
    method: str,
    label: str,
    *,
    line: str | None = None,
    prompt: Prompt | None = None,
    evaluations: int | None = None,
) -> tuple[dict[str, Any], Profile]:
    """One method's row, and its profile on the held-out forms."""

    def measured(forms: Sequence[Form]) -> Profile:
        asked = forms if line is None else with_line(forms, line)
        answers = model.ask(
            None if prompt is None else prompt[None],
            Query(asked, placement=question.placement, valid_mass=True),
        )
        return profile(
            answers,
            model.name,
            question.scoring,
            target=question.target,
            table=question.table,
            reading=question.reading,
            respondents=question.respondents,
            seed=question.seed,
        )

    tuning, held_out = measured(question.tuning), measured(question.held_out)
    guard: dict[str, float | None] = dict.fromkeys(
        ("divergence", "perplexity", "held_out_divergence", "held_out_perplexity")
    )
    if line is None:  # the guard asks what virtual tokens do to a text; a line of words is a text
        near = read_guard(model, prompt, question.placement, TUNING_TEXTS)
        far = read_guard(model, prompt, question.placement, HELD_OUT_TEXTS)
        guard = {
            "divergence": near.divergence,
            "perplexity": near.perplexity,
            "held_out_divergence": far.divergence,
            "held_out_perplexity": far.perplexity,
        }
    row = {
        "method": method,
        "label": label,
        "tuning": _cell(tuning),
        "held_out": _cell(held_out),
        **guard,
        "evaluations": evaluations,
    }
    return row, held_out


def _constant_row(question: SummaryInputs, loss: float) -> dict[str, Any]:
    keys = [dimension.key for dimension in question.scoring.dimensions]
    cell = {
        "loss": loss,
        "scores": dict(zip(keys, question.scoring.constants.tolist(), strict=True)),
        "intervals": {},
        "loss_interval": None,
        "valid_mass": None,
    }
    return {
        "method": "constant",
        "label": "Constant: the same answer to everything",
        "tuning": cell,
        "held_out": cell,
        "divergence": None,
        "perplexity": None,
        "held_out_divergence": None,
        "held_out_perplexity": None,
        "evaluations": None,
    }


def _cell(measured: Profile) -> dict[str, Any]:
    return {
        "loss": measured.loss,
        "scores": measured.scores,
        "intervals": {key: list(pair) for key, pair in measured.intervals.items()},
        "loss_interval": None if measured.loss_interval is None else list(measured.loss_interval),
        "valid_mass": measured.valid_mass,
    }
