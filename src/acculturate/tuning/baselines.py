"""What a tuned prompt has to beat: words in the context instead of virtual tokens, and a constant.

Each baseline is a line of text in front of every form. The paper (arXiv 2503.16094) does not print its
in-context prompt; a short description of the country's scores in words is our reading of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from acculturate.survey.countries import Country
from acculturate.survey.forms import Form
from acculturate.survey.instrument import Dimension

_BANDS = ((20, "very low"), (40, "low"), (60, "moderate"), (80, "high"))


def persona_line(country: str) -> str:
    """Asks the model to answer as somebody from the country.

    After the role line of arXiv 2309.12342, in our own words.
    """
    return f"Answer as a person from {country} would."


def in_context_line(target: Country, dimensions: Sequence[Dimension]) -> str:
    """Describes a country by its scores, in words."""
    parts: list[str] = []
    for dimension in dimensions:
        score = target.scores[dimension.key]
        band = next((word for top, word in _BANDS if score < top), "very high")
        pole = dimension.low if score < 50 else dimension.high
        parts.append(f"{dimension.name.lower()} is {band} ({score:.0f}): {pole}")
    described = "; ".join(parts)
    return f"In {target.name}, on scales around 0 to 100, {described}. {persona_line(target.name)}"


def with_line(forms: Sequence[Form], line: str) -> tuple[Form, ...]:
    """The same forms with a line of text in front."""
    return tuple(replace(form, text=f"{line}\n{form.text}") for form in forms)
