"""Show how often the intervals of an attained shift, its correlation and the carry-over cover the true values.

    python benchmarks/attained_coverage.py --draws 300

A fake model is moved by a soft prompt; each draw asks it in other frames, wordings and forms of the same
population, whose own shift is known from many. A row is a selection of forms and what moves its answers, on the
logit scale; the carry-over is that from the tuning to the held-out forms. docs/validity.md has the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import typer
from jaxtyping import Float
from rich.console import Console
from rich.table import Table

from acculturate.metrics import Comparison, ComparisonSettings, attained_shift, compare
from acculturate.metrics.held_out import HEADLINE, TUNING, carry_over_of, make_row
from acculturate.model import FakeModel, SoftPrompt
from acculturate.survey import Form, Scoring, all_forms, load_instrument
from acculturate.survey.selection import limit_forms

POPULATION = 300
"""Sets of forms that the shift of all of them is taken from."""
EFFECTS: dict[str, dict[str, float]] = {
    "forms": {"form_effect": 1.0},
    "forms, large": {"form_effect": 2.0},
    "frames": {"frame_effect": 1.0},
    "wordings": {"wording_effect": 1.0},
}
SPREADS = {"high": 0.2, "middling": 1.5}
"""How far off the wanted shift is, in its own standard deviations: the correlation is high or middling."""


def main(*, draws: int = 300) -> None:
    """Print the share of intervals that cover the attained shift and the correlation, then the carry-over."""
    survey = load_instrument("vsm13")
    held_out = limit_forms(all_forms(survey, split="held-out", labels="words"))
    tuning = limit_forms(all_forms(survey, split="tuning", labels="words"))
    digits = limit_forms(all_forms(survey, split="held-out"))
    designs = {"held-out, digits": digits, "held-out, words": held_out, "tuning, words": tuning}
    table = Table("forms", "answers moved by", *(f"correlation {name}" for name in SPREADS))
    for kind, forms in designs.items():
        name = f"{len(forms)} {kind}"
        for cause, effects in EFFECTS.items():
            cells = [coverage(forms, effects, spread, draws) for spread in SPREADS.values()]
            table.add_row(name, cause, *(f"{share:.3f}, {other:.3f}" for share, other in cells))
    Console(width=120).print(table)
    table = Table("answers moved by", *(f"carry-over, correlation {name}" for name in SPREADS))
    for cause, effects in EFFECTS.items():
        shares = [
            carry_over_coverage(tuning, held_out, effects, each, draws) for each in SPREADS.values()
        ]
        table.add_row(cause, *(f"{share:.3f}" for share in shares))
    Console(width=120).print(table)


def coverage(
    forms: Sequence[Form],
    effects: dict[str, Any],
    spread: float,
    draws: int,
    population: int = POPULATION,
) -> tuple[float, float]:
    """Return the share of draws whose interval covers the attained shift, and the correlation.

    Args:
        forms: The forms of a draw; each draw has other frames, wordings and texts in their places.
        effects: Effects of the fake model.
        spread: How far the wanted shift is off, in its standard deviations.
        draws: Sets of forms.
        population: Sets that the shift of all of them is taken from.
    """
    shift = _of_all(forms, effects, population)
    wanted = _wanted(shift, spread)
    true = attained_shift(shift, None, wanted, None)
    hits = np.zeros((draws, 2))
    for draw in range(draws):
        made = _compare(_drawn(forms, draw), effects).shift(wanted)
        for column, (interval, value) in enumerate(
            ((made.interval, true.attained), (made.correlation_interval, true.correlation))
        ):
            assert interval is not None and value is not None
            hits[draw, column] = interval[0] <= value <= interval[1]
    attained, correlation = hits.mean(axis=0).tolist()
    return attained, correlation


def carry_over_coverage(
    tuning: Sequence[Form],
    held_out: Sequence[Form],
    effects: dict[str, Any],
    spread: float,
    draws: int,
    population: int = POPULATION,
) -> float:
    """Return the share of draws whose interval covers the carry-over, of those that have one.

    Args:
        tuning: The tuning forms of a draw.
        held_out: Its held-out forms; the rest is as in `coverage`.
        effects: As there.
        spread: As there.
        draws: As there.
        population: As there.
    """
    shifts = [_of_all(forms, effects, population) for forms in (held_out, tuning)]
    wanted = _wanted(shifts[1], spread)
    true = float(np.divide(*(shift @ wanted for shift in shifts)))
    hits: list[bool] = []
    for draw in range(draws):
        rows = [
            make_row(key, key, _compare(_drawn(forms, draw), effects), wanted)
            for key, forms in ((TUNING, tuning), (HEADLINE, held_out))
        ]
        made = carry_over_of(rows)
        if made is not None and made.interval is not None:
            hits.append(made.interval[0] <= true <= made.interval[1])
    return float(np.mean(hits))


def _compare(forms: Sequence[Form], effects: dict[str, Any]) -> Comparison:
    """Ask the fake model with these effects some forms, untouched and moved."""
    survey = load_instrument("vsm13")
    prompt = SoftPrompt(0.5 * np.random.default_rng(5).normal(size=(2, 16)), "front", "fake")
    settings = ComparisonSettings(Scoring(survey), np.zeros(len(survey.dimensions)))
    return compare(FakeModel(**effects), prompt, forms, settings)


def _of_all(
    forms: Sequence[Form], effects: dict[str, Any], population: int
) -> Float[np.ndarray, " dimension"]:
    """Return the shift of scores over many sets of forms of a design."""
    everything = [form for number in range(population) for form in _drawn(forms, -1 - number)]
    scores = _compare(everything, effects).scores
    return scores[1] - scores[0]


def _wanted(
    shift: Float[np.ndarray, " dimension"], spread: float
) -> Float[np.ndarray, " dimension"]:
    """Return a wanted shift that is so far off from the one made."""
    noise = np.random.default_rng(0).normal(size=len(shift))
    return 1.5 * shift + spread * np.std(shift) * noise


def _drawn(forms: Sequence[Form], draw: int) -> tuple[Form, ...]:
    """Return forms of the same design with other frames, wordings and texts."""
    return tuple(
        replace(
            form,
            frame=f"{form.frame} {draw}",
            wording=form.wording + 100 * draw,
            text=f"{form.text} {draw}",
        )
        for form in forms
    )


if __name__ == "__main__":
    typer.run(main)
