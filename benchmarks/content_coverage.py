"""Show how often the interval of a content coefficient covers the coefficient that was planted.

    python benchmarks/content_coverage.py --draws 200

Fake models whose items, and their interactions with frames, orders, wordings and labels, have known variances
answer forms; each draw is another model of the same variances. A row is a selection of forms and a mixture of
what is not content, a column a planted coefficient. docs/validity.md has the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from acculturate.metrics.content import content
from acculturate.model import FakeModel, Query
from acculturate.survey import (
    Form,
    Instrument,
    all_forms,
    balanced_forms,
    item_values,
    load_instrument,
)

PLANTED = (0.0, 0.3, 0.6, 0.9)
NOISE: dict[str, dict[str, float]] = {
    "places": {"order": 0.2, "form": 0.05},
    "all alike": dict.fromkeys(("wording", "frame", "order", "labels", "form"), 0.1),
    "forms": {"form": 0.2},
}
"""Standard deviations of what is not content, in steps of a scale."""


def main(*, draws: int = 200) -> None:
    """Print the share of covered coefficients and, behind it, the mean width of the interval."""
    survey = load_instrument("vsm13")
    designs = {
        "48 tuning, digits": balanced_forms(survey, "tuning"),
        "144 tuning, digits": balanced_forms(survey, "tuning", 144),
        "96 held-out, digits": all_forms(survey, split="held-out"),
        "48 held-out, words": all_forms(survey, split="held-out", labels="words"),
        "144 tuning, words": balanced_forms(survey, "tuning", 144, labels="words"),
    }
    table = Table("forms", "not content", *(f"{planted:.1f}" for planted in PLANTED))
    for name, forms in designs.items():
        for noise, effects in NOISE.items():
            cells = [coverage(survey, forms, effects, planted, draws) for planted in PLANTED]
            texts = (f"{covered:.3f}, {width:.2f}" for covered, width in cells)
            table.add_row(name, noise, *texts)
    Console(width=120).print(table)


def coverage(
    survey: Instrument,
    forms: Sequence[Form],
    effects: Mapping[str, float],
    planted: float,
    draws: int,
) -> tuple[float, float]:
    """Return the share of intervals that cover a planted coefficient, and their mean width.

    Args:
        survey: The questionnaire.
        forms: The forms asked.
        effects: Standard deviation of everything that is not content; what the forms do not vary is left out.
        planted: The coefficient.
        draws: Models.
    """
    shares = error_shares(forms)
    varying = {name: effect for name, effect in effects.items() if name in shares}
    error = sum(effect**2 * shares[name] for name, effect in varying.items())
    item = np.sqrt(planted / (1 - planted) * error)
    chosen: dict[str, Any] = {f"{name}_effect": effect for name, effect in varying.items()}
    intervals: list[tuple[float, float]] = []
    for seed in range(draws):
        answers = FakeModel(seed=seed, item_effect=item, **chosen).ask(None, Query(forms))
        found = content(item_values(answers.probabilities, "expected")[0], forms, survey)
        assert found is not None
        intervals.append(found.interval)
    covered = [low <= planted <= high for low, high in intervals]
    return float(np.mean(covered)), float(np.mean(np.diff(intervals)))


def error_shares(forms: Sequence[Form]) -> dict[str, float]:
    """Return the share of an effect's variance that stays in an item's mean over its forms.

    An effect that is the same in all forms of an item cannot be told from content, and is left out.
    """
    own = [form for form in forms if form.item == forms[0].item]
    levels: dict[str, list[object]] = {
        "wording": [form.wording for form in own],
        "frame": [form.frame for form in own],
        "order": [form.order for form in own],
        "labels": [form.answer_kind for form in own],
        "form": list(range(len(own))),
    }
    counts = {name: list(Counter(column).values()) for name, column in levels.items()}
    return {
        name: sum(count**2 for count in column) / len(own) ** 2
        for name, column in counts.items()
        if len(column) > 1
    }


if __name__ == "__main__":
    typer.run(main)
