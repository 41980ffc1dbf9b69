"""The findings on a run, each a head in words and a text with its numbers.

In: a `RunRecords`. Out: `Finding`s. They are honest before they are kind: a result that a constant answer
beats, that does not hold on unseen forms, or that degrades ordinary text says so first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from acculturate.formatting import (
    divergence_text,
    label_name,
    perplexity_text,
    share_text,
    short,
)
from acculturate.metrics.held_out import HEADLINE
from acculturate.metrics.responsiveness import Responsiveness
from acculturate.reporting.narrative import country, loss_of
from acculturate.runs import Evaluation, Method, RunRecords

Tone = Literal["good", "caution", "bad"]

# Rules of thumb, read off the embedded model with 8 virtual tokens: up to 0.45 nats a token its greedy
# continuations stay fluent, near 1 they fall into loops and fragments.
_NOTICED_DIVERGENCE = 0.1
HARMFUL_DIVERGENCE = 0.5
_BREAKING_DIVERGENCE = 0.9
_LOW_VALID_MASS = 0.5


@dataclass(frozen=True)
class Finding:
    """One result that a reader has to know: the head in words, the text with its numbers."""

    tone: Tone
    head: str
    text: str


def findings(run: RunRecords) -> tuple[Finding, ...]:
    """Return the findings of the evaluation, most important first; empty where there is none."""
    evaluation, naive, tuned = run.evaluation, run.method("naive"), run.method("tuned")
    if evaluation is None or tuned is None or naive is None:
        return ()
    checked = (
        answers_finding(run.checks.responsiveness),
        _carry_over_finding(run, naive, tuned),
        _constant_answer_finding(evaluation, tuned),
        _cheaper_way_finding(evaluation, tuned),
        _nearest_country_finding(run, evaluation),
        _limits_finding(run),
        _writing_finding(run, naive, tuned),
        _answering_finding(run, tuned),
    )
    return tuple(finding for finding in checked if finding is not None)


def answers_finding(found: Responsiveness | None) -> Finding | None:
    """Say whether the untouched model answers as it is told to; None where that was not asked.

    Of one that does not, all other sentences are about its answers and not about a culture.
    """
    if found is None:
        return None
    if found.passed:
        return Finding("good", "The untouched model answers as it is told to.", found.reason)
    return Finding(
        "caution",
        "All this is about answers, not about a culture.",
        f"The model does not answer as it is told to. {found.reason} That its scores come near to a "
        "country’s says nothing about values.",
    )


def verdict(run: RunRecords) -> Finding | None:
    """Return the finding to remember: the first bad one, else the first."""
    return min(findings(run), key=lambda finding: finding.tone != "bad", default=None)


def writer_words(divergence: float) -> str:
    """Say what a divergence on ordinary text means for somebody who reads the model's text."""
    if divergence < _NOTICED_DIVERGENCE:
        return "hardly changed"
    if divergence < HARMFUL_DIVERGENCE:
        return "changed, and usually still fluent"
    return "clearly changed" if divergence < _BREAKING_DIVERGENCE else "probably broken"


def _carry_over_finding(run: RunRecords, naive: Method, tuned: Method) -> Finding | None:
    row = run.checks.row(HEADLINE)
    shift = row.shift if row else None
    if shift and shift.content and not shift.counts:
        return Finding(
            "bad", "Its answers are not about the questions.", shift.content.warning or ""
        )
    before, after, apart = _held_out(run, naive, tuned)
    seen_before, seen_after = loss_of(naive, "tuning"), loss_of(tuned, "tuning")
    if before is None or after is None:
        return Finding(
            "caution",
            "Not checked on other forms.",
            "Without forms that the search never saw, the result may be no more than a fit to formatting.",
        )
    numbers = f"{run.text(after)} against {run.text(before)}"
    if after >= before:
        fell = seen_before is None or seen_after is None or seen_after < seen_before
        fit = " What fell is a fit to the tuning forms." if fell else ""
        return Finding(
            "bad",
            "It does not carry over.",
            f"On forms that the search never saw, the tuned model is no nearer to the target than the "
            f"untouched one: {numbers}.{fit}",
        )
    text, kept = f"On forms that the search never saw the loss is {numbers}", 1.0
    # The headline says the carry-over, of the shift, and the gap stands below it.
    if run.checks.carry_over is not None:
        kept = run.checks.carry_over
    elif seen_before is not None and seen_after is not None and seen_after < seen_before:
        kept = (before - after) / (seen_before - seen_after)
        text += f", {share_text(kept)} of the gain on the tuning forms"
        if after > seen_after:
            text += f"; the gap to the forms it was tuned on is {run.text(after - seen_after)}"
    if apart is False:
        text += ". The intervals overlap: with so few forms the gain can be chance."
        return Finding("caution", "It may carry over.", text)
    if kept < 0.5:
        return Finding("caution", "It carries over in part.", f"{text}.")
    return Finding("good", "It carries over.", f"{text}.")


def _held_out(
    run: RunRecords, naive: Method, tuned: Method
) -> tuple[float | None, float | None, bool | None]:
    """Return the losses on held-out forms, and whether they are apart; of the evaluation where there is one."""
    row = run.checks.row(HEADLINE)
    if row is None or not math.isfinite(row.gain):
        return (
            loss_of(naive, "held-out"),
            loss_of(tuned, "held-out"),
            _intervals_apart(naive, tuned),
        )
    apart = None if row.gain_interval is None else row.gain_interval[0] > 0
    return row.naive.loss, row.tuned.loss, apart


def _intervals_apart(naive: Method, tuned: Method) -> bool | None:
    before = naive.held_out.interval if naive.held_out else None
    after = tuned.held_out.interval if tuned.held_out else None
    return None if before is None or after is None else after[1] < before[0]


def _constant_answer_finding(evaluation: Evaluation, tuned: Method) -> Finding | None:
    constant = evaluation.constant_answer_loss
    held_out, tuning = loss_of(tuned, "held-out"), loss_of(tuned, "tuning")
    reached = tuning if held_out is None else held_out
    if constant is None or reached is None:
        return None
    where = "the tuning forms" if held_out is None else "forms it never saw"
    text = (
        f"The same answer to every question has a loss of {evaluation.text(constant)}; the tuned model "
        f"has {evaluation.text(reached)} on {where}."
    )
    if reached < constant:
        return Finding("good", "It beats a constant answer.", text)
    text += " A result that does not beat that says nothing about values."
    return Finding("bad", "It does not beat a constant answer.", text)


def _cheaper_way_finding(evaluation: Evaluation, tuned: Method) -> Finding | None:
    reached = loss_of(tuned, "held-out")
    rivals = [
        (loss, row)
        for row in evaluation.rows
        if row.method not in ("naive", "constant", "tuned")
        and (loss := loss_of(row, "held-out")) is not None
    ]
    loss, row = min(rivals, key=lambda rival: rival[0], default=(math.inf, tuned))
    if reached is None or loss > reached:
        return None
    if row.method == "random start" and evaluation.text(loss) == evaluation.text(reached):
        return Finding(
            "bad",
            "The search added nothing.",
            f"Its best prompt does no better on the held-out forms than the best of its first, random "
            f"population: {evaluation.text(reached)}. Give it a larger budget or other settings.",
        )
    return Finding(
        "bad",
        "A simpler way does as well.",
        f"“{label_name(row.label)}” has a loss of {evaluation.text(loss)} on the held-out forms, the "
        f"tuned prompt {evaluation.text(reached)}.",
    )


def _nearest_country_finding(run: RunRecords, evaluation: Evaluation) -> Finding | None:
    specificity = run.checks.specificity
    after = specificity.tuned.losses if specificity else evaluation.nearest.get("tuned", ())
    if len(after) < 2:  # the only country of a table is always the nearest
        return None
    (nearest, loss), *others = after
    if nearest.casefold() == evaluation.target.country.casefold():
        text = (
            f"On the held-out forms no country in the table is nearer than {country(run)}, at "
            f"{evaluation.text(loss)}; next comes {short(others[0][0])} at {evaluation.text(others[0][1])}."
        )
        return Finding("good", "It is nearest to its target.", text)
    return Finding(
        "caution",
        "Another country is nearer.",
        f"On the held-out forms the tuned model is nearest to {short(nearest)}, at {evaluation.text(loss)}, "
        f"not to {country(run)}.",
    )


def _limits_finding(run: RunRecords) -> Finding | None:
    if run.done is None or not run.done.violation:
        return None
    text = f"By {run.done.violation:.2f}, nats a token and shares of valid answers taken together."
    return Finding("bad", "The soft prompt is past the limits of its search.", text)


def _writing_finding(run: RunRecords, naive: Method, tuned: Method) -> Finding | None:
    if tuned.divergence is None:
        return None
    numbers = f"Divergence {divergence_text(tuned.divergence)} nats a token"
    if naive.perplexity is not None and tuned.perplexity is not None:
        numbers += (
            f", perplexity {perplexity_text(naive.perplexity)} before and "
            f"{perplexity_text(tuned.perplexity)} after"
        )
    limit = run.config.search.max_divergence
    if limit is not None and tuned.divergence > limit:
        return Finding(
            "bad",
            "It is over its limit.",
            f"{numbers}; the limit was {divergence_text(limit)}.",
        )
    words = writer_words(tuned.divergence)
    tone: Tone = "bad" if tuned.divergence >= _BREAKING_DIVERGENCE else "caution"
    if tuned.divergence < _NOTICED_DIVERGENCE:
        tone = "good"
    within = f", within the limit of {divergence_text(limit)}" if limit is not None else ""
    return Finding(tone, f"Its ordinary text is {words}.", f"{numbers}{within}.")


def _answering_finding(run: RunRecords, tuned: Method) -> Finding | None:
    outcome = tuned.held_out or tuned.tuning
    if outcome is None or outcome.valid_mass is None or outcome.valid_mass >= _LOW_VALID_MASS:
        return None
    if "words" in run.config.survey.labels:  # there is more than one way to say an answer
        return None
    return Finding(
        "bad",
        "It hardly answers.",
        f"The options take only {share_text(outcome.valid_mass)} of the next-token probability: most of "
        "the time the tuned model would say something else.",
    )
