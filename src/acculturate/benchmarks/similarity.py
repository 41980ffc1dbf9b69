"""Whose opinions a model's answers are like.

In: an `OpinionSet` and each method's shares of the options. Out: rows and tests of a `Result`. The similarity
to a country is 1 minus the Jensen-Shannon distance of the two distributions over the options (E. Durmus et al.
2023, arXiv 2306.16388), with logarithms to base 2, so that it lies between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from acculturate.benchmarks.asking import Shares
from acculturate.benchmarks.questions import OpinionSet
from acculturate.benchmarks.result import Change, MethodScore, Part, Test
from acculturate.benchmarks.statistics import bootstrap_interval, bootstrap_p, draws, resampled

INTERVAL = "bootstrap over questions, percentiles"
TEST = "paired bootstrap over questions (two-sided)"

Similarities = Float[np.ndarray, "question country"]


def jensen_shannon_distance(
    left: Float[np.ndarray, " option"], right: Float[np.ndarray, "country option"]
) -> Float[np.ndarray, " country"]:
    """Root of the Jensen-Shannon divergence to base 2 of one distribution to each of several.

    J. Lin (1991), Divergence measures based on the Shannon entropy; that the root is a metric: D. M. Endres,
    J. E. Schindelin (2003).

    Returns:
        0 for equal distributions to 1 for such as share no option; NaN where one is not finite.
    """
    middle = (left + right) / 2
    divergence = (_relative_entropy(left, middle) + _relative_entropy(right, middle)) / 2
    # Rounding can leave a hair below zero where the distributions are equal.
    return np.sqrt(np.maximum(divergence, 0.0))


def score_opinions(
    benchmark: OpinionSet, answered: Mapping[str, Shares], country: str, seed: int
) -> tuple[tuple[MethodScore, ...], tuple[Test, ...]]:
    """Scores every method.

    Args:
        benchmark: What was asked.
        answered: Method to the shares of its answers; the last method is the tuned one.
        country: The tuned country.
        seed: Of the bootstrap.
    """
    countries = benchmark.countries
    alike = {method: _similarities(benchmark, shares) for method, shares in answered.items()}
    at = countries.index(country) if country in countries else None
    drawn = draws(len(benchmark.questions), seed)
    rows = tuple(_row(method, table, countries, at, drawn) for method, table in alike.items())
    *others, tuned = alike
    tests = tuple(_test(other, alike[other], alike[tuned], at, drawn) for other in others)
    return rows, tests


def rank(alike: Similarities, target: int) -> tuple[int, int]:
    """Where the target stands among the countries.

    Countries were asked different questions, and some questions are harder to agree on than others: each
    country is compared with the target on the questions that both were asked.

    Returns:
        1 + how many countries are nearer, and how many share a question with the target, itself among them.
    """
    own = alike[:, [target]]
    both = np.isfinite(alike) & np.isfinite(own)
    difference = np.where(both, alike - own, 0.0).sum(axis=0)
    compared = both.any(axis=0)
    nearer = compared & (difference > 1e-12)
    return 1 + int(nearer.sum()), int(compared.sum())


def _relative_entropy(
    p: np.ndarray, q: Float[np.ndarray, "country option"]
) -> Float[np.ndarray, " country"]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p == 0, 0.0, p * np.log2(p / q)).sum(axis=-1)


def _similarities(benchmark: OpinionSet, shares: Shares) -> Similarities:
    """Of every question to every country; NaN where a country was not asked."""
    column = {country: index for index, country in enumerate(benchmark.countries)}
    alike = np.full((len(benchmark.questions), len(column)), np.nan)
    for row, question in enumerate(benchmark.questions):
        theirs = np.array(list(question.shares.values()))
        distances = jensen_shannon_distance(shares[row, : len(question.options)], theirs)
        alike[row, [column[country] for country in question.shares]] = 1 - distances
    return alike


def _row(
    method: str,
    alike: Similarities,
    countries: tuple[str, ...],
    at: int | None,
    drawn: Float[np.ndarray, "sample question"],
) -> MethodScore:
    columns = zip(alike.T, resampled(drawn, alike).T, strict=True)
    parts = {name: _part(*column) for name, column in zip(countries, columns, strict=True)}
    everyone = _over_countries(alike, np.ones(len(countries), bool), drawn)
    score = everyone if at is None else parts[countries[at]]
    place = (None, None) if at is None else rank(alike, at)
    others = np.arange(len(countries)) != (-1 if at is None else at)
    return MethodScore(
        method=method,
        score=score.score,
        low=score.low,
        high=score.high,
        by_country=parts,
        target=None if at is None else score,
        others=_over_countries(alike, others, drawn) if others.any() else None,
        unanswered=int((~np.isfinite(alike)).all(axis=1).sum()),
        rank=place[0],
        ranked=place[1],
    )


def _part(values: Float[np.ndarray, " question"], samples: Float[np.ndarray, " sample"]) -> Part:
    known = np.isfinite(values)
    if not known.any():
        return Part(float("nan"), float("nan"), float("nan"), 0)
    low, high = bootstrap_interval(samples) or (float("nan"), float("nan"))
    return Part(float(values[known].mean()), low, high, int(known.sum()))


def _over_countries(
    alike: Similarities,
    members: Bool[np.ndarray, " country"],
    drawn: Float[np.ndarray, "sample question"],
) -> Part:
    """The mean over questions of the mean over those of the countries that were asked them."""
    values = _spread(alike[:, members])
    return _part(values, resampled(drawn, values[:, None])[:, 0])


def _spread(alike: Similarities) -> Float[np.ndarray, " question"]:
    """One value a question: the mean over the countries that were asked it."""
    known = np.isfinite(alike)
    count = known.sum(axis=1)
    total = np.where(known, alike, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _test(
    against: str,
    other: Similarities,
    tuned: Similarities,
    at: int | None,
    drawn: Float[np.ndarray, "sample question"],
) -> Test:
    def change(members: list[int]) -> Change | None:
        values = _spread((tuned - other)[:, members])
        if not np.isfinite(values).any():
            return None
        samples = resampled(drawn, values[:, None])[:, 0]
        low, high = bootstrap_interval(samples) or (float("nan"), float("nan"))
        return Change(float(np.nanmean(values)), low, high, bootstrap_p(samples))

    everyone = list(range(tuned.shape[1]))
    nothing = Change(float("nan"), float("nan"), float("nan"), None)
    if at is None:
        return Test(against, change(everyone) or nothing)
    target = change([at])
    return Test(against, target or nothing, target, change([k for k in everyone if k != at]))
