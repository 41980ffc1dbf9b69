"""Sentences on losses and scores of many runs, computed from the numbers.

In: `Related`. Out: sentences.
"""

from __future__ import annotations

from acculturate.formatting import LEVEL, MISSING, interval_text, loss_text, short
from acculturate.metrics import Correlation, Quantity
from acculturate.reporting.relate import LOSSES, SCORES, Benchmark, Related, Relation

METHOD = (
    "Pooled: each country's mean is taken off first (correlation within subjects, Bland and Altman 1995). "
    "Intervals: bootstrap over runs within their countries; with few runs they are a rough guide, and runs "
    "say nothing about other models."
)


def coefficient_text(coefficient: Quantity | None) -> str:
    """Return a coefficient with its interval, such as "−0.41 (−0.80 to 0.12)"."""
    if coefficient is None:
        return MISSING
    return f"{loss_text(coefficient.value, 2)} ({interval_text(coefficient.interval, 2, 'no interval')})"


def relation(benchmark: Benchmark, related: Relation) -> str:
    """Say whether a lower loss goes with a higher score."""
    pooled = related.pooled
    loss, score = LOSSES[related.loss], SCORES[related.score]
    name = short(benchmark.name, 40)
    if pooled.spearman is None:
        return f"{name}: whether a lower {loss} goes with a higher {score} cannot be said: {pooled.why}."
    text = (
        f"{name}, {pooled.runs} runs in {_groups(pooled)}: {_verdict(pooled.spearman, loss, score)} "
        f"(Spearman {loss_text(pooled.spearman.value, 2)}"
    )
    ends = interval_text(pooled.spearman.interval, 2)
    return f"{text}, {LEVEL} {ends})." if ends else f"{text}, no interval)."


def sentences(related: Related) -> tuple[str, ...]:
    """Return the sentences on every relation, the method, and the runs left out."""
    relations = [relation(b, each) for b in related.benchmarks for each in b.relations]
    left_out = [f"{short(name, 80)} is left out: {why}." for name, why in related.left_out.items()]
    return (*relations, METHOD, *left_out)


def _verdict(spearman: Quantity, loss: str, score: str) -> str:
    if spearman.interval is None or spearman.interval[0] <= 0 <= spearman.interval[1]:
        return f"these runs do not tell whether a lower {loss} goes with a higher {score}"
    return f"a lower {loss} goes with a {'higher' if spearman.interval[1] < 0 else 'lower'} {score}"


def _groups(pooled: Correlation) -> str:
    return "one group" if pooled.groups == 1 else f"{pooled.groups} groups"
