"""Behaviour of a finished run: everyday situations and open questions, beside the shift of its survey.

In: a run's result table and what it is asked with. Out: a `Behaviour`. Each way of reading fails alone.
"""

from __future__ import annotations

from acculturate.metrics.behaviour import (
    Behaviour,
    BehaviourRow,
    BehaviourSettings,
    JudgeCheck,
    measure_choices,
    measure_writing,
)
from acculturate.metrics.scenarios import Scenarios
from acculturate.metrics.side_effects import Reply
from acculturate.model import AnswerModel, SoftPrompt
from acculturate.runs import Evaluation, Memo


def behaviour_settings(summary: Evaluation, seed: int) -> BehaviourSettings:
    """Return the shift that a run's target asks for, and those that its methods made on held-out forms."""
    naive = summary.method("naive")
    if naive is None or naive.tuning is None or naive.held_out is None:
        return BehaviourSettings({}, {}, seed)
    shifts = {
        row.method: _less(row.held_out.scores, naive.held_out.scores)
        for row in summary.rows
        if row.held_out is not None
    }
    return BehaviourSettings(_less(summary.target.scores, naive.tuning.scores), shifts, seed)


def measure_behaviour(
    model: AnswerModel,
    prompt: SoftPrompt,
    scenarios: Scenarios,
    settings: BehaviourSettings,
    memo: Memo,
    *,
    persona: str | None,
    written: bool,
) -> Behaviour:
    """Measure what a soft prompt, and a persona line to compare with, do to behaviour.

    Args:
        model: The model to ask.
        prompt: The tuned soft prompt.
        scenarios: The situations and open questions.
        settings: The shifts to compare with.
        memo: Keeps what could not be asked.
        persona: The line, or None.
        written: Whether it is to answer the open questions too, where there are any.
    """
    rows: list[BehaviourRow] = []
    # The line by words alone: it is there to compare with.
    lines = {} if persona is None else {"persona": persona}
    with memo.attempt("behaviour:words", "everyday situations by the words of actions"):
        rows += measure_choices(model, {"tuned": prompt, **lines}, scenarios, "words", settings)
    with memo.attempt("behaviour:labels", "everyday situations by letters"):
        rows += measure_choices(model, {"tuned": prompt}, scenarios, "labels", settings)
    judge: JudgeCheck | None = None
    replies: tuple[Reply, ...] = ()
    if written and scenarios.judge is not None:
        with memo.attempt("behaviour:written", "open questions"):
            row, judge, replies = measure_writing(model, prompt, scenarios, settings)
            rows.append(row)
    return Behaviour(
        language=scenarios.language,
        source=scenarios.source,
        wanted=dict(settings.wanted),
        rows=tuple(rows),
        judge=judge,
        replies=replies,
        seed=settings.seed,
    )


def _less(scores: dict[str, float], base: dict[str, float]) -> dict[str, float]:
    return {key: value - base[key] for key, value in scores.items() if key in base}
