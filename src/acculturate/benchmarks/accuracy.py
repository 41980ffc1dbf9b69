"""How many questions with known answers each method gets right.

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
    amount,
    bootstrap_interval,
    draws,
    mcnemar,
    resampled,
    wilson,
)

INTERVAL = "Wilson score interval"
TEST = "exact McNemar test (two-sided binomial)"
NO_OPTION = -1


def likeliest(shares: Shares) -> Int[np.ndarray, " row"]:
    """The option with the largest share; `NO_OPTION` where there is not one: none read, a tie, or NaN."""
    known = np.nan_to_num(shares, nan=-1.0)
    top = known.max(axis=1)
    single = (known == top[:, None]).sum(axis=1) == 1
    answered = single & (top > 0) & np.isfinite(shares).all(axis=1)
    return np.where(answered, known.argmax(axis=1), NO_OPTION)


def score_questions(
    benchmark: QuestionSet, answered: Mapping[str, Shares], country: str, seed: int
) -> tuple[tuple[MethodScore, ...], tuple[Test, ...]]:
    """Scores every method.

    Args:
        benchmark: What was asked.
        answered: Method to the shares of its answers; the last method is the tuned one.
        country: The tuned country.
        seed: Of the bootstrap.
    """
    marks = {method: _mark(benchmark, shares) for method, shares in answered.items()}
    groups = _groups(benchmark, country)
    rows = tuple(_row(benchmark, method, mark, groups) for method, mark in marks.items())
    *others, tuned = marks
    drawn = draws(len(benchmark.questions), seed)
    tests = tuple(_test(other, marks[other], marks[tuned], groups, drawn) for other in others)
    return rows, tests


def chance(benchmark: QuestionSet) -> float:
    """Expected accuracy of answering at random, each option alike."""
    if benchmark.kind == "judged":
        return float(np.mean([0.5 ** len(q.options) for q in benchmark.questions]))
    weights = np.array([q.weight for q in benchmark.questions])
    return float(np.average([1 / len(q.options) for q in benchmark.questions], weights=weights))


@dataclass(frozen=True)
class _Mark:
    """What a method got right."""

    right: Bool[np.ndarray, " question"]
    judgements: float | None
    unanswered: int


@dataclass(frozen=True)
class _Groups:
    """Which questions are whose."""

    weights: Float[np.ndarray, " question"]
    countries: Mapping[str, Bool[np.ndarray, " question"]]
    target: Bool[np.ndarray, " question"]
    others: Bool[np.ndarray, " question"]


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
    whole = np.array([own.all() for own in np.split(judged, ends)], bool)
    return _Mark(whole, float(judged.mean()), unanswered)


def _groups(benchmark: QuestionSet, country: str) -> _Groups:
    named = np.array([q.country or "" for q in benchmark.questions])
    return _Groups(
        weights=np.array([q.weight for q in benchmark.questions]),
        countries={str(name): named == name for name in sorted(set(named.tolist())) if name},
        target=named == country,
        others=(named != country) & (named != ""),
    )


def _row(benchmark: QuestionSet, method: str, mark: _Mark, groups: _Groups) -> MethodScore:
    whole = _part(mark, groups, np.ones(len(benchmark.questions), bool))
    return MethodScore(
        method=method,
        score=whole.score,
        low=whole.low,
        high=whole.high,
        by_country={name: _part(mark, groups, own) for name, own in groups.countries.items()},
        target=_part(mark, groups, groups.target) if groups.target.any() else None,
        others=_part(mark, groups, groups.others) if groups.others.any() else None,
        judgements=mark.judgements,
        unanswered=mark.unanswered,
    )


def _part(mark: _Mark, groups: _Groups, members: Bool[np.ndarray, " question"]) -> Part:
    weights = groups.weights[members]
    score = float(np.average(mark.right[members], weights=weights))
    return Part(score, *wilson(score, amount(weights)), int(members.sum()))


def _test(
    against: str,
    other: _Mark,
    tuned: _Mark,
    groups: _Groups,
    drawn: Float[np.ndarray, "sample question"],
) -> Test:
    def change(members: Bool[np.ndarray, " question"]) -> Change | None:
        if not members.any():
            return None
        difference = tuned.right.astype(float) - other.right
        own = np.where(members, difference, np.nan)[:, None]
        samples = resampled(drawn, own, groups.weights)[:, 0]
        low, high = bootstrap_interval(samples) or (np.nan, np.nan)
        gained = int((tuned.right & ~other.right & members).sum())
        lost = int((other.right & ~tuned.right & members).sum())
        gain = float(np.average(difference[members], weights=groups.weights[members]))
        return Change(gain, low, high, mcnemar(gained, lost), gained, lost)

    overall = change(np.ones(len(tuned.right), bool))
    if overall is None:
        raise ValueError("a benchmark without a question")
    return Test(against, overall, change(groups.target), change(groups.others))
