"""Baselines in words: lines of text in front of every form instead of virtual tokens.

The paper (arXiv 2503.16094) does not print its in-context prompt; a short description of the country's
scores in words is our reading of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from acculturate.survey.countries import Country
from acculturate.survey.instrument import Dimension, Instrument

_BANDS = ((0.2, "very low"), (0.4, "low"), (0.6, "moderate"), (0.8, "high"))
_USUAL_RANGE = (0.0, 100.0)
_FITS = ((0.3, "completely"), (0.15, "well"), (0.05, "a little"))
"""By the least distance from the middle of a range, as a share of it."""
_REPLIES = (
    (0.2, "No, not at all."),
    (0.4, "No, not really."),
    (0.6, "Partly."),
    (0.8, "Yes, mostly."),
    (float("inf"), "Yes, exactly."),
)


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


def values_text(target: Country, instrument: Instrument) -> str:
    """Describe a person of a country by the statements at the ends of dimensions, each as far as it fits."""
    born = f"You were born in {target.name} and have lived there all your life."
    told = [f"{born} You share the values that are common there."]
    for dimension, share in _shares(target, instrument):
        away = abs(share - 0.5)
        fit = next((text for least, text in _FITS if away >= least), None)
        if fit is not None:
            low, high = _poles(instrument, dimension)
            told.append(f"This fits you {fit}: {low if share < 0.5 else high}")
    return "\n".join(told)


def interview_text(target: Country, instrument: Instrument) -> str:
    """Let a person of a country answer how far the statements at both ends of every dimension fit.

    Interviews are what the simulated people of Park et al. (2024), arXiv 2411.10109, are made of.
    """
    asked = [("Where are you from?", f"From {target.name}. I have lived there all my life.")]
    for dimension, share in _shares(target, instrument):
        for statement, fits in zip(_poles(instrument, dimension), (1 - share, share), strict=True):
            reply = next(text for top, text in _REPLIES if fits < top)
            asked.append((f"Is this you? {statement}", reply))
    lines = [f"Interviewer: {question}\nYou: {reply}" for question, reply in asked]
    return "\n".join(["You were interviewed. This is what you said:", *lines])


def _shares(target: Country, instrument: Instrument) -> list[tuple[Dimension, float]]:
    """Return where a country stands between the ends of each dimension's published range."""
    return [
        (dimension, (target.scores[dimension.key] - low) / (high - low))
        for dimension in instrument.dimensions
        for low, high in [dimension.range]
    ]


def _poles(instrument: Instrument, dimension: Dimension) -> tuple[str, str]:
    """Return the statements at the ends of a dimension, in English where there are any."""
    codes = [code for code in ("en", *instrument.languages) if code in instrument.languages]
    for code in codes:
        if poles := instrument.language(code).poles:
            return poles[dimension.key].low, poles[dimension.key].high
    return f"For you {dimension.low}.", f"For you {dimension.high}."
