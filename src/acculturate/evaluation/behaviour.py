"""Behaviour of a finished run: everyday situations and open questions, beside the shift of its survey.

In: a finished run and its model. Out: behaviour.json. Each way of reading fails alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from acculturate.metrics.behaviour import (
    MAX_TOKENS,
    Behaviour,
    BehaviourRow,
    BehaviourSettings,
    measure_choices,
    measure_writing,
)
from acculturate.metrics.scenarios import Scenarios
from acculturate.metrics.side_effects import Reply
from acculturate.model import AnswerModel
from acculturate.runs import Evaluation, Memo, Run
from acculturate.survey import Line


def evaluate_behaviour(
    run: Run,
    model: AnswerModel,
    scenarios: Scenarios,
    memo: Memo,
    fingerprint: Callable[..., str],
    *,
    written: bool,
    letters: bool,
    seed: int,
) -> None:
    """Make behaviour.json of a run: its soft prompt, and its persona line to compare with.

    Args:
        run: The run.
        model: The model to ask.
        scenarios: The situations and open questions.
        memo: Keeps the file, and what could not be asked.
        fingerprint: Hashes what the file depends on.
        written: Whether it is to answer the open questions too, where there are any.
        letters: Whether actions are to be chosen by letters too.
        seed: Of the bootstrap.
    """
    settings = behaviour_settings(run.summary, memo, seed)
    lines = {
        key: run.summary.baselines[key] for key in ("persona",) if key in run.summary.baselines
    }
    personas = {key: Line(text) for key, text in lines.items()}
    more = [] if letters else ["no letters"]
    more += ["its line as in a chat"] if run.soft_prompt.line else []

    def mark(written: bool) -> str:
        asked = [scenarios.model_dump(), asdict(settings), lines, written, MAX_TOKENS]
        return fingerprint("behaviour", *asked, *more)

    def make() -> Behaviour:
        rows: list[BehaviourRow] = []
        tuned, judge = {"tuned": run.soft_prompt}, None
        replies: tuple[Reply, ...] = ()
        with memo.attempt("behaviour:words", "everyday situations by the words of actions"):
            rows += measure_choices(model, {**tuned, **personas}, scenarios, "words", settings)
        if letters:
            with memo.attempt("behaviour:labels", "everyday situations by letters"):
                rows += measure_choices(model, tuned, scenarios, "labels", settings)
        if written and scenarios.judge is not None:
            with memo.attempt("behaviour:written", "open questions"):
                row, judge, replies = measure_writing(model, run.soft_prompt, scenarios, settings)
                rows.append(row)
        return Behaviour(
            language=scenarios.language,
            source=scenarios.source,
            wanted=dict(settings.wanted),
            rows=tuple(rows),
            judge=judge,
            replies=replies,
            seed=seed,
            letters=letters,
        )

    there = memo.read("behaviour") or {}
    if written or there.get("fingerprint") != mark(
        True
    ):  # else it holds all that is asked for, and more
        memo.once("behaviour", make, fingerprint=mark(written))


def behaviour_settings(summary: Evaluation, memo: Memo, seed: int) -> BehaviourSettings:
    """Return the shift that a run's target asks for, and those that its methods made on held-out forms.

    The wanted shift is that of all tuning forms, which held_out.json has; else that of those measured.
    """
    naive = summary.method("naive")
    if naive is None or naive.tuning is None or naive.held_out is None:
        return BehaviourSettings({}, {}, seed)
    shifts = {
        row.method: _less(row.held_out.scores, naive.held_out.scores)
        for row in summary.rows
        if row.held_out is not None
    }
    on_all: dict[str, float | None] = (memo.read("held_out") or {}).get("wanted") or {}
    wanted = {key: value for key, value in on_all.items() if value is not None}
    wanted = wanted or _less(summary.target.scores, naive.tuning.scores)
    return BehaviourSettings(wanted, shifts, seed)


def _less(scores: dict[str, float], base: dict[str, float]) -> dict[str, float]:
    return {key: value - base[key] for key, value in scores.items() if key in base}
