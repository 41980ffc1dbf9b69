"""What a tuned prompt has to beat: words in the context instead of virtual tokens, and a constant.

Each baseline is a line of text in front of every form. The paper (arXiv 2503.16094) does not print its
in-context prompt; a short description of the country's scores in words is our reading of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from acculturate.survey.countries import Country
from acculturate.survey.instrument import Dimension

_BANDS = ((0.2, "very low"), (0.4, "low"), (0.6, "moderate"), (0.8, "high"))
_USUAL = (0.0, 100.0)


def persona_line(country: str) -> str:
    """Asks the model to answer as somebody from the country.

    After the role line of arXiv 2309.12342, in our own words.
    """
    return f"Answer as a person from {country} would."


def in_context_line(target: Country, dimensions: Sequence[Dimension]) -> str:
    """Describes a country by its scores, in words."""
    parts: list[str] = []
    usual = all(dimension.range == _USUAL for dimension in dimensions)
    for dimension in dimensions:
        score, (low, high) = target.scores[dimension.key], dimension.range
        share = (score - low) / (high - low)
        band = next((word for top, word in _BANDS if share < top), "very high")
        pole = dimension.low if share < 0.5 else dimension.high
        number = f"{score:.0f}" if usual else f"{score:.2f} on a scale around {low:g} to {high:g}"
        parts.append(f"{dimension.name.lower()} is {band} ({number}): {pole}")
    scales = "on scales around 0 to 100, " if usual else ""
    return f"In {target.name}, {scales}{'; '.join(parts)}. {persona_line(target.name)}"
