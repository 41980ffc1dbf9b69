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
from acculturate.runs import RunRecords


@dataclass(frozen=True)
class SharedConfusion:
    """A confusion matrix of runs on one page.

    Attributes:
        indices: Place of each row's run among the runs of the page.
        digits: Decimals of a loss.
        words: What it says, in a sentence.
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
        words: What it says, in a sentence.
        spread: The losses.
    """

    digits: int
    words: str
    spread: SeedSpread


def confusions(runs: Sequence[RunRecords]) -> tuple[SharedConfusion, ...]:
    """Return the confusion matrices of runs, one for each survey, scoring and table with several targets."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, run in enumerate(runs):
        if run.checks.specificity is not None:
            groups.setdefault(_scored_alike(run), []).append(index)
    found: list[SharedConfusion] = []
    for members in groups.values():
        checks = [
            (runs[index], special)
            for index in members
            if (special := runs[index].checks.specificity) is not None
        ]
        if len({special.country for _, special in checks}) < 2:
            continue
        made = confusion(
            [run.name for run, _ in checks],
            [special.country for _, special in checks],
            [dict(special.tuned.losses) for _, special in checks],
        )
        own = sum(near == target for near, target in zip(made.nearest, made.targets, strict=True))
        words = (
            f"{own} of {len(checks)} prompts bring the model nearer to their own country than to the "
            "other targets."
        )
        found.append(SharedConfusion(tuple(members), checks[0][0].digits, words, made))
    return tuple(found)


def spreads(runs: Sequence[RunRecords]) -> tuple[SharedSpread, ...]:
    """Return what runs that differ in their seed alone give together, over forms and over respondents."""
    groups: dict[object, list[RunRecords]] = {}
    for run in runs:
        alike = tuple(s for s in run.config.settings if (s.section, s.key) != ("search", "seed"))
        groups.setdefault(alike, []).append(run)
    found: list[SharedSpread] = []
    for members in groups.values():
        asked = [
            (run.name, row.naive.loss, row.tuned.loss, run.checks.samples)
            for run in members
            if (row := run.checks.row(HEADLINE)) is not None and math.isfinite(row.gain)
        ]
        surveyed = [
            (run.name, people.naive.loss, people.tuned.loss, people.tuned.samples)
            for run in members
            if (people := run.checks.respondents) is not None and math.isfinite(people.gain)
        ]
        for over, losses in (("forms", asked), ("respondents and forms", surveyed)):
            if len(losses) < 2:
                continue
            names, naive, tuned, samples = zip(*losses, strict=True)
            spread = seed_spread(
                members[0].config.survey.country, over, names, naive, tuned, samples
            )
            digits = members[0].digits
            found.append(SharedSpread(digits, _spread_words(spread, digits), spread))
    return tuple(found)


def _scored_alike(run: RunRecords) -> tuple[object, ...]:
    """Return what two runs must share so that their losses to a country can stand in one column."""
    special = run.checks.specificity
    survey = tuple(
        (s.section, s.key, s.value)
        for s in run.config.settings
        if s.section.startswith("survey") and s.key in _SCORING
    )
    return run.config.survey.instrument, None if special is None else special.table, survey


_SCORING = ("anchor", "aggregate", "variant", "reading", "language")


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
