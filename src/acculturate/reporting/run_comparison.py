"""Several evaluated runs on one page: the country nearest to each, and the spread over seeds.

In: runs with their checks. Out: a confusion matrix for each survey and table that they share, and the spread
of runs that differ in nothing but their seed. Runs that were not evaluated are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from acculturate.formatting import LEVEL, interval_text, loss_text, short
from acculturate.metrics.held_out import HEADLINE
from acculturate.metrics.run_comparison import Confusion, SeedSpread, confusion, seed_spread
from acculturate.metrics.specificity import Specificity
from acculturate.runs import RunRecords


@dataclass(frozen=True)
class SharedConfusion:
    """A confusion matrix of runs on one page.

    Attributes:
        indices: Place of each row's run among the runs of the page.
        digits: Decimals of a loss.
        words: The result in a sentence.
        matrix: The losses.
    """

    indices: tuple[int, ...]
    digits: int
    words: str
    matrix: Confusion


@dataclass(frozen=True)
class SharedSpread:
    """Runs that differ in their seed alone.

    Attributes:
        digits: Decimals of a loss.
        words: The result in a sentence.
        spread: The losses.
    """

    digits: int
    words: str
    spread: SeedSpread


def confusions(runs: Sequence[RunRecords]) -> tuple[SharedConfusion, ...]:
    """Return the confusion matrices of runs, one for each survey, scoring and table with several targets."""
    groups: dict[tuple[object, ...], list[tuple[int, RunRecords, Specificity]]] = {}
    for index, run in enumerate(runs):
        if (check := run.checks.specificity) is not None:
            groups.setdefault(_scoring_of(run, check), []).append((index, run, check))
    shared: list[SharedConfusion] = []
    for members in groups.values():
        targets = [check.country for _, _, check in members]
        if len(set(targets)) < 2:
            continue
        names = [run.name for _, run, _ in members]
        matrix = confusion(names, targets, [dict(check.tuned.losses) for _, _, check in members])
        hits = sum(near == target for near, target in zip(matrix.nearest, targets, strict=True))
        words = (
            f"{hits} of {len(members)} prompts bring the model nearer to their own country than to the "
            "other targets."
        )
        indices = tuple(index for index, _, _ in members)
        shared.append(SharedConfusion(indices, members[0][1].digits, words, matrix))
    return tuple(shared)


def spreads(runs: Sequence[RunRecords]) -> tuple[SharedSpread, ...]:
    """Return the spread of runs that differ in their seed alone, over forms and over respondents."""
    groups: dict[object, dict[object, RunRecords]] = {}
    for run in runs:
        seed = [s.value for s in run.config.settings if (s.section, s.key) == ("search", "seed")]
        alike = tuple(s for s in run.config.settings if (s.section, s.key) != ("search", "seed"))
        groups.setdefault(alike, {}).setdefault(tuple(seed), run)
    shared: list[SharedSpread] = []
    for by_seed in groups.values():
        members = list(by_seed.values())
        country, digits = members[0].config.survey.country, members[0].digits
        over_forms = [
            (run.name, row.naive.loss, row.tuned.loss, run.checks.samples)
            for run in members
            if (row := run.checks.row(HEADLINE)) is not None and math.isfinite(row.gain)
        ]
        over_respondents = [
            (run.name, check.naive.loss, check.tuned.loss, check.tuned.samples)
            for run in members
            if (check := run.checks.respondents) is not None and math.isfinite(check.gain)
        ]
        for over, losses in (("forms", over_forms), ("respondents and forms", over_respondents)):
            if len(losses) < 2:
                continue
            names, naive, tuned, samples = zip(*losses, strict=True)
            spread = seed_spread(country, over, names, naive, tuned, samples)
            shared.append(SharedSpread(digits, _spread_words(spread, digits), spread))
    return tuple(shared)


def _scoring_of(run: RunRecords, check: Specificity) -> tuple[object, ...]:
    """Return all that two runs must share so that their losses to a country can stand in one column."""
    survey = tuple(
        (s.section, s.key, s.value)
        for s in run.config.settings
        if s.section.startswith("survey") and s.key in _SCORING
    )
    return run.config.survey.instrument, check.table, survey


_SCORING = ("anchor", "aggregate", "variant", "reading", "language", "labels")


def _spread_words(spread: SeedSpread, digits: int) -> str:
    def text(value: float) -> str:
        return loss_text(value, digits)

    ends = interval_text(spread.interval, digits)
    span = f" ({LEVEL} over seeds and {spread.over}: {ends})" if ends else ""
    return (
        f"{len(spread.runs)} runs towards {short(spread.country)} that differ in their seed alone have a "
        f"mean held-out loss of {text(spread.tuned)}{span}, from {text(spread.least)} to "
        f"{text(spread.most)}; untouched it is {text(spread.naive)}."
    )
