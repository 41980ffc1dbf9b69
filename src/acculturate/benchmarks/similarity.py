"""The similarity of a model's answers to the opinions of each country.

In: an `OpinionSet` and each method's shares of the options. Out: rows and tests of a `Result`. The similarity
to a country is 1 minus the Jensen-Shannon distance of the two distributions over the options (E. Durmus et al.
2023, arXiv 2306.16388), with logarithms to base 2, so that it lies between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from acculturate.benchmarks.asking import Shares
from acculturate.benchmarks.groups import Groups
from acculturate.benchmarks.questions import OpinionSet
from acculturate.benchmarks.result import Change, MethodScore, Part, Test
from acculturate.benchmarks.statistics import (
    PAIRED_BOOTSTRAP,
    bootstrap_p,
    draw_questions,
    known_interval,
    resampled_means,
)

INTERVAL = "bootstrap over questions, percentiles"
TEST = PAIRED_BOOTSTRAP

Similarities = Float[np.ndarray, "question country"]
_Columns = list[int] | slice


def jensen_shannon_distance(
    left: Float[np.ndarray, " option"], right: Float[np.ndarray, "country option"]
) -> Float[np.ndarray, " country"]:
    """Return the root of the Jensen-Shannon divergence to base 2 of one distribution to each of several.

    J. Lin (1991), Divergence measures based on the Shannon entropy; that the root is a metric: D. M. Endres,
    J. E. Schindelin (2003).

    Returns:
        0 for equal distributions to 1 for such as share no option; NaN where one is not finite.
    """
    from scipy.special import rel_entr

    middle = (left + right) / 2
    nats = (rel_entr(left, middle) + rel_entr(right, middle)).sum(axis=-1) / 2
    # Rounding can leave a hair below zero where they are almost equal; scipy's own distance is NaN there.
    return np.sqrt(np.maximum(nats / np.log(2), 0.0))


def score_opinions(
    benchmark: OpinionSet, answered: Mapping[str, Shares], country: str, seed: int
) -> tuple[tuple[MethodScore, ...], tuple[Test, ...]]:
    """Score every method.

    Args:
        benchmark: The questions.
        answered: Method to the shares of its answers; the last method is the tuned one.
        country: The tuned country.
        seed: Of the bootstrap.
    """
    names = benchmark.countries
    everyone = list(range(len(names)))
    at = names.index(country) if country in names else None
    target = None if at is None else [at]
    groups: Groups[_Columns] = Groups(
        whole=slice(None) if target is None else target,
        countries={name: [k] for k, name in enumerate(names)},
        target=target,
        others=[k for k in everyone if k != at] or None,
    )
    paired = groups if target is not None else replace(groups, whole=everyone, others=None)
    alike = {method: _similarities(benchmark, shares) for method, shares in answered.items()}
    drawn = draw_questions(len(benchmark.questions), seed)

    def row(method: str, values: Similarities) -> MethodScore:
        unanswered = int((~np.isfinite(values)).all(axis=1).sum())
        scored = groups.row(method, lambda columns: _part(values[:, columns], drawn), unanswered)
        if at is None:
            return scored
        place, compared = rank(values, at)
        return replace(scored, rank=place, ranked=compared)

    *baselines, tuned = alike
    differences = {other: alike[tuned] - alike[other] for other in baselines}
    return tuple(row(method, values) for method, values in alike.items()), tuple(
        paired.test(other, lambda columns, d=values: _change(d[:, columns], drawn))
        for other, values in differences.items()
    )


def rank(alike: Similarities, target: int) -> tuple[int, int]:
    """Return where the target stands among the countries.

    Countries were asked different questions, and some questions are harder to agree on than others: each
    country is compared with the target on the questions that both were asked.

    Returns:
        1 + how many countries are nearer, and how many share a question with the target, itself among them.
    """
    to_target = alike[:, [target]]
    both = np.isfinite(alike) & np.isfinite(to_target)
    difference = np.where(both, alike - to_target, 0.0).sum(axis=0)
    compared = both.any(axis=0)
    nearer = compared & (difference > 1e-12)
    return 1 + int(nearer.sum()), int(compared.sum())


def _similarities(benchmark: OpinionSet, shares: Shares) -> Similarities:
    """Return the similarity of every question to every country; NaN where a country was not asked."""
    column = {country: index for index, country in enumerate(benchmark.countries)}
    alike = np.full((len(benchmark.questions), len(column)), np.nan)
    for row, question in enumerate(benchmark.questions):
        theirs = np.array(list(question.shares.values()))
        distances = jensen_shannon_distance(shares[row, : len(question.options)], theirs)
        alike[row, [column[country] for country in question.shares]] = 1 - distances
    return alike


def _part(alike: Similarities, drawn: Float[np.ndarray, "sample question"]) -> Part:
    """Return the mean over questions of the mean over those of the countries that were asked them."""
    values = _by_question(alike)
    known = np.isfinite(values)
    if not known.any():
        return Part(np.nan, np.nan, np.nan, 0)
    interval = known_interval(resampled_means(drawn, values))
    return Part(float(values[known].mean()), *interval, int(known.sum()))


def _by_question(alike: Similarities) -> Float[np.ndarray, " question"]:
    """Return one value a question: the mean over the countries that were asked it."""
    known = np.isfinite(alike)
    count = known.sum(axis=1)
    total = np.where(known, alike, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _change(
    differences: Similarities, drawn: Float[np.ndarray, "sample question"]
) -> Change | None:
    """Return the mean difference over questions; None where no country was asked any."""
    values = _by_question(differences)
    count = int(np.isfinite(values).sum())
    if not count:
        return None
    samples = resampled_means(drawn, values)
    return Change(float(np.nanmean(values)), *known_interval(samples), bootstrap_p(samples, count))
