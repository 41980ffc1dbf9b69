"""Numbers and names as text, the same everywhere in a report."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

MISSING = "–"
LEVEL = "95\N{NO-BREAK SPACE}%"
"""Of every interval."""
_LONGEST_NAME = 60
_LONGEST_SLUG = 60
_SMALL_SCALE = 10.0


def digits_for(target: Iterable[float]) -> int:
    """Decimals of scores and losses: two where the target's scores are small, as on a map."""
    found = [abs(score) for score in target]
    return 2 if found and max(found) < _SMALL_SCALE else 1


def loss_text(value: float | None, digits: int = 1) -> str:
    """A loss or a score with a true minus sign; a small scale, such as a map, takes two decimals."""
    if value is None:
        return MISSING
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def divergence_text(value: float | None) -> str:
    """A divergence in nats a token with two decimals; what rounds to nothing is "under 0.01"."""
    if value is None:
        return MISSING
    return "under 0.01" if 0 < value < 0.005 else f"{value:.2f}"


def perplexity_text(value: float | None) -> str:
    """A perplexity with one decimal, above a thousand with none."""
    if value is None:
        return MISSING
    return f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


def share_text(value: float | None) -> str:
    """A share as a whole percentage."""
    return MISSING if value is None else f"{100 * value:.0f}\N{NO-BREAK SPACE}%"


def seconds_text(seconds: float | None) -> str:
    """A time in the unit a person would choose."""
    if seconds is None:
        return MISSING
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def measure_text(aggregate: str) -> str:
    """What a loss measures between the model's scores and a country's."""
    return {"mean": "Mean absolute distance", "distance": "Distance in a straight line"}.get(
        aggregate, "Summed absolute distance"
    )


def short(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name on one line, cut where it would take over the sentence."""
    flat = " ".join(name.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def slug(name: str, otherwise: str = "unnamed") -> str:
    """Return a name as a file name: letters and digits of any script, and nothing that a path reads.

    Args:
        name: The name.
        otherwise: What to return where nothing of it can be kept.
    """
    kept = re.sub(r"[^\w.+=,]+", "-", name.lower()).strip("-.,")
    return kept[:_LONGEST_SLUG] or otherwise


def label_name(label: str) -> str:
    """The name in a label such as "Persona: answers as somebody from there"."""
    return short(label.partition(": ")[0], 40)


def label_detail(label: str) -> str:
    """What such a label says about the name; empty where it says nothing."""
    return short(label.partition(": ")[2], 60)


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Return the known names most like a misspelt one, best first, upper and lower case alike."""
    known = {other.casefold(): other for other in names}
    return [known[match] for match in difflib.get_close_matches(name.casefold(), known, count, 0.6)]


def suggestion(name: str, names: Iterable[str], known: str) -> str:
    """Return a hint for an unknown name: the nearest matches, or else everything there is."""
    names = list(names)
    if matches := nearest(name, names):
        return f"Did you mean {' or '.join(matches)}?"
    return f"{known}: {', '.join(names)}."
