"""The share of questions with known answers that each method gets right.

In: a `QuestionSet` and each method's shares of the options. Out: rows and tests of a `Result`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from acculturate.benchmarks.asking import Shares
from acculturate.benchmarks.questions import QuestionSet
from acculturate.benchmarks.result import Change, MethodScore, Part, Test
from acculturate.benchmarks.statistics import (
    draw_questions,
    effective_count,
    known_interval,
    mcnemar,
    wilson,
)
from acculturate.metrics.statistics import weighted_means

INTERVAL = "Wilson score interval"
TEST = "exact McNemar test (two-sided binomial)"
NO_OPTION = -1

_Members = Bool[np.ndarray, " question"]


def likeliest(shares: Shares) -> Int[np.ndarray, " row"]:
    """Return the option with the largest share; `NO_OPTION` for a tie, NaN, or where none was read."""
    known = np.nan_to_num(shares, nan=-1.0)
    top = known.max(axis=1)
    single = (known == top[:, None]).sum(axis=1) == 1
    answered = single & (top > 0) & np.isfinite(shares).all(axis=1)
    return np.where(answered, known.argmax(axis=1), NO_OPTION)


def score_questions(
    benchmark: QuestionSet, answered: Mapping[str, Shares], country: str, seed: int
) -> tuple[tuple[MethodScore, ...], tuple[Test, ...]]:
    """Score every method.

    Args:
        benchmark: The questions.
        answered: Method to the shares of its answers; the last method is the tuned one.
        country: The tuned country.
        seed: Of the bootstrap.
    """
    named = np.array([question.country or "" for question in benchmark.questions])
    groups = _Groups(
        weights=np.array([question.weight for question in benchmark.questions]),
        countries={str(name): named == name for name in sorted(set(named.tolist())) if name},
        target=named == country,
        others=(named != country) & (named != ""),
    )
    marks = {method: _mark(benchmark, shares) for method, shares in answered.items()}
    rows = tuple(_row(method, mark, groups) for method, mark in marks.items())
    *others, tuned = marks
    drawn = draw_questions(len(benchmark.questions), seed)
    tests = tuple(_test(other, marks[other], marks[tuned], groups, drawn) for other in others)
    return rows, tests


def chance(benchmark: QuestionSet) -> float:
    """Return the expected accuracy of answering at random, each option alike."""
    if benchmark.kind == "judged":
        return float(np.mean([0.5 ** len(q.options) for q in benchmark.questions]))
    weights = np.array([q.weight for q in benchmark.questions])
    return float(np.average([1 / len(q.options) for q in benchmark.questions], weights=weights))


@dataclass(frozen=True)
class _Mark:
    """The questions that a method got right."""

    right: _Members
    judgements: float | None
    unanswered: int


@dataclass(frozen=True)
class _Groups:
    """The questions of each country, and their weights."""

    weights: Float[np.ndarray, " question"]
    countries: Mapping[str, _Members]
    target: _Members
    others: _Members


def _mark(benchmark: QuestionSet, shares: Shares) -> _Mark:
    chosen = likeliest(shares)
    unanswered = int((chosen == NO_OPTION).sum())
    if benchmark.kind == "choice":
        right = [
            k != NO_OPTION and q.right[k] for q, k in zip(benchmark.questions, chosen, strict=True)
        ]
        return _Mark(np.array(right, bool), None, unanswered)
    # Option 0 of a judgement says that the proposed answer is right.
    truths = np.array([truth for q in benchmark.questions for truth in q.right])
    judged = chosen == np.where(truths, 0, 1)
    ends = np.cumsum([len(q.right) for q in benchmark.questions])[:-1]
    whole = np.array([judgements.all() for judgements in np.split(judged, ends)], bool)
    return _Mark(whole, float(judged.mean()), unanswered)


def _row(method: str, mark: _Mark, groups: _Groups) -> MethodScore:
    def part(members: _Members) -> Part:
        weights = groups.weights[members]
        score = float(np.average(mark.right[members], weights=weights))
        return Part(score, *wilson(score, effective_count(weights)), int(members.sum()))

    whole = part(np.ones(len(mark.right), bool))
    return MethodScore(
        method=method,
        score=whole.score,
        low=whole.low,
        high=whole.high,
        by_country={name: part(members) for name, members in groups.countries.items()},
        target=part(groups.target) if groups.target.any() else None,
        others=part(groups.others) if groups.others.any() else None,
        judgements=mark.judgements,
        unanswered=mark.unanswered,
    )


def _test(
    against: str,
    other: _Mark,
    tuned: _Mark,
    groups: _Groups,
    drawn: Float[np.ndarray, "sample question"],
) -> Test:
    def change(members: _Members) -> Change:
        difference = tuned.right.astype(float) - other.right
        values = np.where(members, difference, np.nan)[:, None]
        interval = known_interval(weighted_means(drawn * groups.weights, values)[:, 0])
        gained = int((tuned.right & ~other.right & members).sum())
        lost = int((other.right & ~tuned.right & members).sum())
        gain = float(np.average(difference[members], weights=groups.weights[members]))
        return Change(gain, *interval, mcnemar(gained, lost), gained, lost)

    return Test(
        **vars(change(np.ones(len(tuned.right), bool))),
        against=against,
        target=change(groups.target) if groups.target.any() else None,
        others=change(groups.others) if groups.others.any() else None,
    )
