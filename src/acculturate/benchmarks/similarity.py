"""The similarity of a model's answers to the opinions of each country.

In: an `OpinionSet` and each method's shares of the options. Out: rows and tests of a `Result`. The similarity
to a country is 1 minus the Jensen-Shannon distance of the two distributions over the options (E. Durmus et al.
2023, arXiv 2306.16388), with logarithms to base 2, so that it lies between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from acculturate.benchmarks.asking import Shares
from acculturate.benchmarks.questions import OpinionSet
from acculturate.benchmarks.result import Change, MethodScore, Part, Test
from acculturate.benchmarks.statistics import bootstrap_p, draw_questions, known_interval
from acculturate.metrics.statistics import weighted_means

INTERVAL = "bootstrap over questions, percentiles"
TEST = "paired bootstrap over questions (two-sided)"

Similarities = Float[np.ndarray, "question country"]


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
    countries = benchmark.countries
    alike = {method: _similarities(benchmark, shares) for method, shares in answered.items()}
    at = countries.index(country) if country in countries else None
    drawn = draw_questions(len(benchmark.questions), seed)
    rows = tuple(_row(method, table, countries, at, drawn) for method, table in alike.items())
    *others, tuned = alike
    tests = tuple(_test(other, alike[other], alike[tuned], at, drawn) for other in others)
    return rows, tests


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


def _row(
    method: str,
    alike: Similarities,
    countries: tuple[str, ...],
    at: int | None,
    drawn: Float[np.ndarray, "sample question"],
) -> MethodScore:
    parts = {name: _part(alike[:, [k]], drawn) for k, name in enumerate(countries)}
    target = None if at is None else parts[countries[at]]
    others = np.arange(len(countries)) != (-1 if at is None else at)
    score = target or _part(alike, drawn)
    place = (None, None) if at is None else rank(alike, at)
    return MethodScore(
        method=method,
        score=score.score,
        low=score.low,
        high=score.high,
        by_country=parts,
        target=target,
        others=_part(alike[:, others], drawn) if others.any() else None,
        unanswered=int((~np.isfinite(alike)).all(axis=1).sum()),
        rank=place[0],
        ranked=place[1],
    )


def _part(alike: Similarities, drawn: Float[np.ndarray, "sample question"]) -> Part:
    """Return the mean over questions of the mean over those of the countries that were asked them."""
    values = _by_question(alike)
    known = np.isfinite(values)
    if not known.any():
        return Part(np.nan, np.nan, np.nan, 0)
    interval = known_interval(weighted_means(drawn, values[:, None])[:, 0])
    return Part(float(values[known].mean()), *interval, int(known.sum()))


def _by_question(alike: Similarities) -> Float[np.ndarray, " question"]:
    """Return one value a question: the mean over the countries that were asked it."""
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
    def change(countries: list[int]) -> Change | None:
        values = _by_question((tuned - other)[:, countries])
        if not np.isfinite(values).any():
            return None
        samples = weighted_means(drawn, values[:, None])[:, 0]
        gain = float(np.nanmean(values))
        return Change(gain, *known_interval(samples), bootstrap_p(samples))

    everyone = range(tuned.shape[1])
    target = None if at is None else change([at])
    overall = change(list(everyone)) if at is None else target
    return Test(
        **vars(overall or Change(np.nan, np.nan, np.nan, None)),
        against=against,
        target=target,
        others=None if at is None else change([k for k in everyone if k != at]),
    )
