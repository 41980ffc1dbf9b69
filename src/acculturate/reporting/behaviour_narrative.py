"""Sentences on behaviour beside the survey, computed from the numbers.

In: a `RunRecords` with its `Checks`. Out: sentences, or None where behaviour was not asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from acculturate.formatting import (
    LEVEL,
    MISSING,
    interval_text,
    loss_text,
    share_text,
)
from acculturate.metrics.behaviour import Behaviour, BehaviourRow, Kind
from acculturate.metrics.statistics import Quantity
from acculturate.runs import RunRecords

KINDS: dict[tuple[Kind, str], str] = {
    ("words", "tuned"): "choices",
    ("words", "persona"): "choices, persona line",
    ("labels", "tuned"): "choices by letters",
    ("written", "tuned"): "written",
}
"""Way of reading and method to the heading of its column."""


def behaviour(run: RunRecords) -> str | None:
    """Say whether the survey's shift reaches choices in everyday situations, and what is written."""
    check = run.checks.behaviour
    if check is None or not check.rows:
        return None
    return " ".join(_parts(check))


def columns(check: Behaviour) -> tuple[tuple[str, BehaviourRow], ...]:
    """Return what a table shows: a heading and its row; no judgement that is no better than chance."""
    return tuple(
        (heading, row)
        for key, heading in KINDS.items()
        if (row := check.row(*key)) and (row.counts or row.kind != "written")
    )


def survey_shift(check: Behaviour) -> dict[str, float]:
    """Return the shift of the survey's scores under the soft prompt."""
    return next((row.survey for row in check.rows if row.method == "tuned"), {})


def dimensions(check: Behaviour) -> tuple[str, ...]:
    """Return the dimensions of all rows, each once."""
    return tuple(dict.fromkeys(key for row in check.rows for key in row.dimensions))


def _points_text(quantity: Quantity | None) -> str:
    """Return a shift in points with its interval."""
    if quantity is None:
        return MISSING
    ends = interval_text(quantity.interval)
    return loss_text(quantity.value) + (f" ({LEVEL}: {ends})" if ends else "")


def _parts(check: Behaviour) -> Iterator[str]:
    row, line = check.row("words"), check.row("words", "persona")
    if row is not None:
        yield _choices(row)
        if line is not None and line.towards is not None:
            yield f"A persona line moves them by {_points_text(line.towards)} points."
    letters = check.row("labels")
    if not check.letters:
        yield (
            "Actions were not chosen by letters: in the survey the untouched model’s answers by letters are "
            "not about the question."
        )
    if letters is not None and not letters.counts:
        yield (
            "Chosen by letters, the untouched model goes by the place of an action and not by what it says"
            f"{_orders(letters)}: that column does not count."
        )
    written = check.row("written")
    if written is not None and check.judge is not None:
        judge = check.judge
        right = f"{share_text(judge.right)} ({LEVEL}: {_shares(judge.interval)})"
        if judge.works:
            yield (
                f"Its written answers to {judge.questions} open questions {_verdict(written)}, as the "
                f"untouched model judges them; of answers that we wrote for either pole it tells {right} apart."
            )
        else:
            yield (
                f"What it writes cannot be judged: the untouched model tells {right} of the answers apart "
                "that we wrote for either pole, which is no better than chance."
            )


def _choices(row: BehaviourRow) -> str:
    text = f"In {row.situations} everyday situations the tuned model’s choices {_verdict(row)}"
    if row.agreement is not None:
        share = share_text(row.agreement.value)
        text += f"; dimensions that moved as wanted make up {share} of the wanted shift"
    if row.correlation is not None:
        text += f", and the correlation with the survey’s shift is {loss_text(row.correlation.value, 2)}"
    return f"{text}."


def _verdict(row: BehaviourRow) -> str:
    if row.towards is None:
        return "cannot be compared with what the target asks for"
    if not row.counts:
        return "say nothing: untouched, they go by the frame and not by what an action says"
    ends = row.towards.interval
    points = f"{_points_text(row.towards)} points of probability"
    if ends is None or ends[0] <= 0 <= ends[1]:
        beyond = "did not move beyond what other situations would explain"
        return f"{beyond}: {points} towards what the target asks for"
    return (
        f"moved {'towards' if ends[0] > 0 else 'away from'} what the target asks for, by {points}"
    )


def _orders(row: BehaviourRow) -> str:
    if row.order_correlation is None:
        return ""
    return f" (both orders correlate {loss_text(row.order_correlation, 2)})"


def _shares(interval: tuple[float, float]) -> str:
    return " to ".join(share_text(end) for end in interval)
