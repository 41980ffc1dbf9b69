"""Baselines in words: lines of text in front of every form instead of virtual tokens.

The paper (arXiv 2503.16094) does not print its in-context prompt; a short description of the country's
scores in words is our reading of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from acculturate.survey.countries import Country
from acculturate.survey.instrument import Dimension

_BANDS = ((0.2, "very low"), (0.4, "low"), (0.6, "moderate"), (0.8, "high"))
_USUAL_RANGE = (0.0, 100.0)


def persona_line(country: str) -> str:
    """Ask the model to answer as somebody from the country.

    After the role line of arXiv 2309.12342, in our own words.
    """
    return f"Answer as a person from {country} would."


def in_context_line(target: Country, dimensions: Sequence[Dimension]) -> str:
    """Describe a country by its scores, in words."""
    parts: list[str] = []
    usual = all(dimension.range == _USUAL_RANGE for dimension in dimensions)
    for dimension in dimensions:
        score, (low, high) = target.scores[dimension.key], dimension.range
        share = (score - low) / (high - low)
        band = next((text for top, text in _BANDS if share < top), "very high")
        pole = dimension.low if share < 0.5 else dimension.high
        number = f"{score:.0f}" if usual else f"{score:.2f} on a scale around {low:g} to {high:g}"
        parts.append(f"{dimension.name.lower()} is {band} ({number}): {pole}")
    scales = "on scales around 0 to 100, " if usual else ""
    return f"In {target.name}, {scales}{'; '.join(parts)}. {persona_line(target.name)}"
