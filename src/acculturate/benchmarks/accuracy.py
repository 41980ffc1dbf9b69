"""The share of questions with known answers that each method gets right.

In: a `QuestionSet` and each method's shares of the options. Out: rows and tests of a `Result`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int

from acculturate.benchmarks import statistics
from acculturate.benchmarks.asking import Shares
from acculturate.benchmarks.groups import Groups
from acculturate.benchmarks.questions import QuestionSet
from acculturate.benchmarks.result import Change, MethodScore, Part, Test

INTERVAL = "Wilson score interval"
TEST = "exact McNemar test (two-sided binomial)"
NO_OPTION = -1

_Members = Bool[np.ndarray, " question"]


def test_of(benchmark: QuestionSet) -> str:
    """Return the name of the test of a gain; McNemar's does not know questions that count more than others."""
    weights = {question.weight for question in benchmark.questions}
    return TEST if len(weights) == 1 else statistics.PAIRED_BOOTSTRAP


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
    weights = np.array([question.weight for question in benchmark.questions])
    drawn = statistics.draw_questions(len(named), seed) * weights
    target, others = named == country, (named != country) & (named != "")
    groups = Groups(
        whole=np.ones(len(named), bool),
        countries={str(name): named == name for name in sorted(set(named.tolist())) if name},
        target=target if target.any() else None,
        others=others if others.any() else None,
    )
    marks = {method: _mark(benchmark, shares) for method, shares in answered.items()}

    def row(method: str, mark: _Mark) -> MethodScore:
        def part(members: _Members) -> Part:
            score = float(np.average(mark.right[members], weights=weights[members]))
            count = statistics.effective_count(weights[members])
            return Part(score, *statistics.wilson(score, count), int(members.sum()))

        return replace(groups.row(method, part, mark.unanswered), judgements=mark.judgements)

    def test(against: str, other: _Members, tuned: _Members) -> Test:
        difference = tuned.astype(float) - other

        def change(members: _Members) -> Change:
            values = np.where(members, difference, np.nan)
            samples = statistics.resampled_means(drawn, values)
            interval = statistics.known_interval(samples)
            gained, lost = (int((difference[members] == sign).sum()) for sign in (1, -1))
            gain = float(np.average(difference[members], weights=weights[members]))
            p = (
                statistics.mcnemar(gained, lost)
                if test_of(benchmark) == TEST
                else statistics.bootstrap_p(samples, int(members.sum()))
            )
            return Change(gain, *interval, p, gained, lost)

        return groups.test(against, change)

    *baselines, tuned = marks
    rows = tuple(row(method, mark) for method, mark in marks.items())
    return rows, tuple(test(other, marks[other].right, marks[tuned].right) for other in baselines)


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
