"""Sentences on many runs together, about losses and scores, in sentences computed from the numbers.

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


def coefficient_text(one: Quantity | None) -> str:
    """Return a coefficient with its interval, such as "−0.41 (−0.80 to 0.12)"."""
    if one is None:
        return MISSING
    return f"{loss_text(one.value, 2)} ({interval_text(one.interval, 2, 'no interval')})"


def relation(benchmark: Benchmark, found: Relation) -> str:
    """Say whether a lower loss goes with a higher score."""
    pooled = found.pooled
    loss, score = LOSSES[found.loss], SCORES[found.score]
    name = short(benchmark.name, 40)
    if pooled.spearman is None:
        return f"{name}: whether a lower {loss} goes with a higher {score} cannot be said: {pooled.why}."
    text = (
        f"{name}, {pooled.runs} runs in {_groups(pooled)}: {_verdict(pooled.spearman, loss, score)} "
        f"(Spearman {loss_text(pooled.spearman.value, 2)}"
    )
    ends = interval_text(pooled.spearman.interval, 2)
    return f"{text}, {LEVEL} {ends})." if ends else f"{text}, no interval)."


def sentences(found: Related) -> tuple[str, ...]:
    """Return all that runs say together, then which say nothing."""
    relations = [relation(one, each) for one in found.benchmarks for each in one.relations]
    left_out = [f"{short(name, 80)} is left out: {why}." for name, why in found.left_out.items()]
    return (*relations, METHOD, *left_out)


def _verdict(found: Quantity, loss: str, score: str) -> str:
    if found.interval is None or found.interval[0] <= 0 <= found.interval[1]:
        return f"these runs do not tell whether a lower {loss} goes with a higher {score}"
    return f"a lower {loss} goes with a {'higher' if found.interval[1] < 0 else 'lower'} {score}"


def _groups(found: Correlation) -> str:
    return "one group" if found.groups == 1 else f"{found.groups} groups"
