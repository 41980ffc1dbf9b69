"""Statistics of judgements of pairs.

In: judgements whose variants are known. Out: `Results`: shares of wins, Bradley-Terry strengths, agreement,
biases, and how many judgements a difference would need. Raters and questions are both samples: intervals draw
both anew (A. B. Owen 2007, The pigeonhole bootstrap).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.metrics.ratings import Wins
from acculturate.metrics.statistics import Quantity, bootstrap_weights, interval_of
from acculturate.rating.folder import AGAIN, NAIVE
from acculturate.rating.log import Marked, Side

SAMPLES = 1000
DIFFERENCE = 0.1
"""Difference of a share of wins from one half that a study may want to see."""
_QUANTILES = 1.959964 + 0.841621  # of 5% on two sides, and of a power of 80%
_MOST_STEPS = 10_000

Aspect = Literal["typical", "better"]
ASPECTS: tuple[Aspect, ...] = ("typical", "better")


@dataclass(frozen=True)
class Judgement:
    """A rater's judgement of two answers whose origins are known.

    Attributes:
        rater: A code.
        pair: Its id.
        question: The question.
        first: Variant of the pair's first answer.
        second: Variant of the other.
        again: Whether the rater saw it for the second time.
        first_left: Whether the first answer stood left.
        typical: Side of the answer that is more typical.
        better: Side of the one that is better written.
        marked: Sides of those that are stereotyped or offensive.
    """

    rater: str
    pair: str
    question: str
    first: str
    second: str
    again: bool
    first_left: bool
    typical: Side
    better: Side
    marked: Marked

    @property
    def floor(self) -> bool:
        """True where both answers are the untouched model's."""
        return {self.first, self.second} == {NAIVE, AGAIN}

    def score(self, aspect: Aspect) -> float:
        """Return the first answer's: 1 for a win, a half for a tie."""
        side: Side = getattr(self, aspect)
        return 0.5 if side == "tie" else float((side == "left") == self.first_left)

    def marks(self, variant: str) -> list[float]:
        """Return, for each answer of a variant in it, 1 where it is marked."""
        left, right = (self.first, self.second)[:: 1 if self.first_left else -1]
        return [
            float(self.marked in (side, "both"))
            for side, name in (("left", left), ("right", right))
            if (NAIVE if name == AGAIN else name) == variant
        ]


@dataclass(frozen=True)
class Strength:
    """Bradley-Terry strengths of all variants, as log-odds of a win over the untouched model.

    Attributes:
        aspect: What was judged.
        log_odds: By variant; 0 of the untouched model. None where they were not found.
        tie: The tie parameter: at equal strengths, ties are as likely as a tie / (1 + tie).
    """

    aspect: Aspect
    log_odds: dict[str, Quantity] | None
    tie: float | None


@dataclass(frozen=True)
class Agreement:
    """Agreement of raters on which answer it is, or that it is a tie.

    Attributes:
        aspect: What was judged.
        raw: Share of two judgements of the same pair by different raters that are the same; a pair counts as
            often as it has raters.
        alpha: Krippendorff's alpha, nominal; None where all judgements are the same.
        pairs: Pairs that two raters judged, at least.
        self_raw: Share of repeated pairs that a rater judged alike; None without any.
        self_pairs: Their number.
    """

    aspect: Aspect
    raw: float | None
    alpha: float | None
    pairs: int
    self_raw: float | None
    self_pairs: int


@dataclass(frozen=True)
class RaterSummary:
    """One rater.

    Attributes:
        rater: The code.
        judgements: Number of them, repeated ones too.
        side_bias: Left choices less right ones of what is more typical, over both: 1 for somebody who always
            prefers the left answer; None where all are ties.
        ties: Share of ties.
    """

    rater: str
    judgements: int
    side_bias: float | None
    ties: float


@dataclass(frozen=True)
class Results:
    """Everything that a rating came to.

    Attributes:
        variants: Names of all variants, the untouched model first.
        raters: One each.
        questions: Number of questions judged.
        judgements: Number of first judgements, repeated ones left out.
        wins: For each two variants.
        floor: Of naive against naive; None where no such pair was judged.
        strengths: For each aspect.
        agreement: For each aspect.
        marked: Share of a variant's answers marked as stereotyped or offensive.
        side_bias: Of all raters together, as of one.
        difference: That which `needed` of the wins is about.
        seed: Of the bootstrap.
    """

    variants: tuple[str, ...]
    raters: tuple[RaterSummary, ...]
    questions: int
    judgements: int
    wins: tuple[Wins, ...]
    floor: Wins | None
    strengths: tuple[Strength, ...]
    agreement: tuple[Agreement, ...]
    marked: dict[str, Quantity]
    side_bias: Quantity | None
    difference: float
    seed: int


def evaluate_judgements(
    judgements: Sequence[Judgement],
    variants: Sequence[str],
    *,
    seed: int = 0,
    difference: float = DIFFERENCE,
) -> Results:
    """Compute everything about some judgements.

    Args:
        judgements: The last of each rater, pair and time of seeing it.
        variants: Names of the variants, without the second draw of the untouched model.
        seed: Of the bootstrap.
        difference: Difference from one half that the number of judgements is asked for.

    Raises:
        UsageError: There are none yet.
    """
    first = [judgement for judgement in judgements if not judgement.again]
    if not first:
        raise UsageError(
            "nobody has judged a pair yet", "Serve the folder: acculturate rate serve."
        )
    sample = _Sample(judgements, seed)
    wins = [
        found
        for one, other in combinations(variants, 2)
        if (found := _wins(sample, other, one, difference))
    ]
    compared = [judgement for judgement in first if not judgement.floor]
    return Results(
        variants=tuple(variants),
        raters=tuple(_rater(code, judgements) for code in sample.raters),
        questions=len({judgement.question for judgement in first}),
        judgements=len(first),
        wins=tuple(wins),
        floor=_wins(sample, AGAIN, NAIVE, difference),
        strengths=tuple(_strength(aspect, compared, variants, sample) for aspect in ASPECTS),
        agreement=tuple(_agreement(aspect, judgements) for aspect in ASPECTS),
        marked={
            name: found
            for name in variants
            if (found := sample.mean(lambda j, name=name: [] if j.again else j.marks(name)))
        },
        side_bias=sample.mean(_sides),
        difference=difference,
        seed=seed,
    )


class _Sample:
    """Judgements with bootstrap weights: those of their raters times those of their questions.

    Args:
        judgements: All of them.
        seed: Draws the samples.
    """

    def __init__(self, judgements: Sequence[Judgement], seed: int) -> None:
        self.judgements = judgements
        self.raters = tuple(sorted({judgement.rater for judgement in judgements}))
        self._questions = tuple(sorted({judgement.question for judgement in judgements}))
        self._rng = np.random.default_rng(seed)

    @cached_property
    def _weights(self) -> tuple[np.ndarray, np.ndarray]:
        return (
            bootstrap_weights([range(len(self.raters))], SAMPLES, self._rng),
            bootstrap_weights([range(len(self._questions))], SAMPLES, self._rng),
        )

    def weights(self, judgements: Sequence[Judgement]) -> Float[np.ndarray, "sample judgement"]:
        """Return the weight of each judgement in each sample."""
        raters, questions = self._weights
        at_rater = [self.raters.index(judgement.rater) for judgement in judgements]
        at_question = [self._questions.index(judgement.question) for judgement in judgements]
        return raters[:, at_rater] * questions[:, at_question]

    def means(
        self, values_of: Callable[[Judgement], Iterable[float]]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return values, and their mean in each sample that has any; None without a value."""
        pairs = [(judgement, v) for judgement in self.judgements for v in values_of(judgement)]
        if not pairs:
            return None
        values = np.array([value for _, value in pairs])
        weights = self.weights([judgement for judgement, _ in pairs])
        totals = weights.sum(axis=1)
        return values, (weights @ values)[totals > 0] / totals[totals > 0]

    def mean(self, values_of: Callable[[Judgement], Iterable[float]]) -> Quantity | None:
        """Return the mean of what judgements hold with its interval; None without a value."""
        found = self.means(values_of)
        if found is None:
            return None
        values, samples = found
        return Quantity(float(values.mean()), interval_of(samples) if len(samples) else None)


def _wins(sample: _Sample, one: str, other: str, difference: float) -> Wins | None:
    """Return the wins of one variant over another; None where nobody judged them."""

    def scores(aspect: Aspect) -> Callable[[Judgement], list[float]]:
        def of(judgement: Judgement) -> list[float]:
            if judgement.again or {judgement.first, judgement.second} != {one, other}:
                return []
            score = judgement.score(aspect)
            return [score if judgement.first == one else 1 - score]

        return of

    found, better = sample.means(scores("typical")), sample.mean(scores("better"))
    if found is None or better is None:
        return None
    values, samples = found
    return Wins(
        variant=one,
        against=other,
        judgements=len(values),
        ties=float((values == 0.5).mean()),
        typical=Quantity(float(values.mean()), interval_of(samples)),
        better=better,
        needed=_needed(len(values), samples, difference),
    )


def _needed(
    judgements: int, samples: Float[np.ndarray, " sample"], difference: float
) -> int | None:
    """Return the judgements that show a difference at 5%, with a power of 80%.

    The variance of the mean falls with their number, raters and questions growing alike.
    """
    variance = float(samples.var()) * judgements
    return math.ceil(variance * (_QUANTILES / difference) ** 2) if variance > 0 else None


def _strength(
    aspect: Aspect, judgements: Sequence[Judgement], variants: Sequence[str], sample: _Sample
) -> Strength:
    """Fit strengths with ties (R. R. Davidson 1970; M. E. J. Newman 2023) to the judgements and to each sample.

    Every two variants count as having been judged half a time besides with each outcome, which keeps the
    strength of a variant that always wins finite.
    """
    rows = [(a, b, outcome) for a, b in combinations(variants, 2) for outcome in (1.0, 0.0, 0.5)]
    place = {row: index for index, row in enumerate(rows)}
    counts = np.zeros((len(judgements), len(rows)))
    for index, judgement in enumerate(judgements):
        first, second, score = judgement.first, judgement.second, judgement.score(aspect)
        row = first, second, score
        row = row if row in place else (second, first, 1 - score)
        counts[index, place[row]] = 1
    whole, weights = _fit(rows, counts.sum(axis=0), variants), sample.weights(judgements)
    totals = weights.sum(axis=1, keepdims=True)
    drawn = len(judgements) * (weights @ counts)[totals[:, 0] > 0] / totals[totals[:, 0] > 0]
    fits = [fit[0] for fit in (_fit(rows, sampled, variants) for sampled in drawn) if fit]
    if whole is None or not fits:
        return Strength(aspect, None, None)
    samples = np.array(fits)
    log_odds = {
        name: Quantity(float(whole[0][index]), interval_of(samples[:, index]) if index else None)
        for index, name in enumerate(variants)
    }
    return Strength(aspect, log_odds, whole[1])


def _fit(
    rows: Sequence[tuple[str, str, float]],
    counts: Float[np.ndarray, " row"],
    variants: Sequence[str],
) -> tuple[np.ndarray, float] | None:
    """Return log-strengths less that of the first variant, and the tie parameter; None if not found."""
    import pandas
    from evalica import Winner, newman

    winners = {1.0: Winner.X, 0.0: Winner.Y, 0.5: Winner.Draw}
    found: Any = newman(
        [first for first, _, _ in rows],
        [second for _, second, _ in rows],
        [winners[outcome] for _, _, outcome in rows],
        index=pandas.Index(variants),
        weights=(counts + 0.5).tolist(),
        limit=_MOST_STEPS,
    )
    strengths = found.scores.loc[list(variants)].to_numpy()
    if found.iterations >= _MOST_STEPS or not (strengths > 0).all():
        return None
    return np.log(strengths / strengths[0]), float(found.v)


def _agreement(aspect: Aspect, judgements: Sequence[Judgement]) -> Agreement:
    """Compare raters with each other, and with themselves."""
    import pandas
    from evalica import alpha

    cells: dict[tuple[str, str], dict[bool, float]] = {}
    for judgement in judgements:
        seen = cells.setdefault((judgement.pair, judgement.rater), {})
        seen[judgement.again] = judgement.score(aspect)
    table: dict[str, dict[str, float]] = {}
    for (pair, rater), seen in cells.items():
        if False in seen:
            table.setdefault(pair, {})[rater] = seen[False]
    shared = {pair: row for pair, row in table.items() if len(row) > 1}
    raw = value = None
    if shared:
        found: Any = alpha(pandas.DataFrame(shared), distance="nominal")
        raw = 1 - float(found.observed) / sum(map(len, shared.values()))
        value = float(found.alpha) if found.expected > 0 else None
    both = [seen[False] == seen[True] for seen in cells.values() if len(seen) == 2]
    self_raw = float(np.mean(both)) if both else None
    return Agreement(aspect, raw, value, len(shared), self_raw, len(both))


def _sides(judgement: Judgement) -> list[float]:
    """Return 1 where the left answer is more typical, −1 where the right one is, nothing of a tie."""
    return {"left": [1.0], "right": [-1.0], "tie": []}[judgement.typical]


def _rater(code: str, judgements: Sequence[Judgement]) -> RaterSummary:
    own = [judgement for judgement in judgements if judgement.rater == code]
    sides = [side for judgement in own for side in _sides(judgement)]
    return RaterSummary(
        rater=code,
        judgements=len(own),
        side_bias=float(np.mean(sides)) if sides else None,
        ties=1 - len(sides) / len(own),
    )
