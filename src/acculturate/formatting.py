"""Numbers, names and texts, shown the same on a terminal and in a report."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence

MISSING = "–"
LEVEL = "95\N{NO-BREAK SPACE}%"
"""Of every interval."""
_LONGEST_NAME = 60
_LONGEST_SLUG = 60
_DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
}
"""Names that Windows gives to no file."""
_SMALL_SCALE = 10.0
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def digits_for(target: Iterable[float]) -> int:
    """Return the decimals of scores and losses: two where the target's are small, as on a map."""
    sizes = [abs(score) for score in target]
    return 2 if sizes and max(sizes) < _SMALL_SCALE else 1


def loss_text(value: float | None, digits: int = 1) -> str:
    """Return a loss, a score or another number with a true minus sign; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def interval_text(ends: Sequence[float | None] | None, digits: int = 1, missing: str = "") -> str:
    """Return an interval as "low to high", or what stands for one that is missing."""
    if ends is None or None in ends:
        return missing
    return " to ".join(loss_text(end, digits) for end in ends)


def divergence_text(value: float | None) -> str:
    """Return a divergence [nats a token]; what rounds to nothing is "under 0.01"."""
    return "under 0.01" if value is not None and 0 < value < 0.005 else loss_text(value, 2)


def perplexity_text(value: float | None) -> str:
    """Return a perplexity with one decimal, above a thousand with none."""
    return loss_text(value) if value is None or not value >= 1000 else f"{value:,.0f}"


def share_text(value: float | None, digits: int = 0) -> str:
    """Return a share as a percentage."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{loss_text(100 * value, digits)}\N{NO-BREAK SPACE}%"


def p_text(value: float | None) -> str:
    """Return a p-value."""
    return "under 0.001" if value is not None and value < 0.001 else loss_text(value, 3)


def seconds_text(seconds: float | None) -> str:
    """Return a time in the unit a person would choose."""
    if seconds is None:
        return MISSING
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def measure_text(aggregate: str) -> str:
    """Return the name of the distance between the model's scores and a country's."""
    return {"mean": "Mean absolute distance", "distance": "Distance in a straight line"}.get(
        aggregate, "Summed absolute distance"
    )


def visible(text: str) -> str:
    """Return a text with everything in it that would steer a terminal or a page made visible.

    These are control characters other than line breaks and tabs, marks that set the direction of all that
    follows, and lone surrogates, which no file can hold. Marks that act on their neighbours alone stay, as
    Arabic, Persian and Hindi are written with them.
    """
    if text.isascii() and text.isprintable():
        return text
    return _STEERING.sub(_sign, text.replace("\r\n", "\n"))


def _sign(steering: re.Match[str]) -> str:
    code = ord(steering.group())
    return chr(0x2400 + code) if code < 0x20 else "\N{REPLACEMENT CHARACTER}"


def escaped(json: str) -> str:
    """Return JSON with all that would steer a terminal written as its number, which means the same."""
    return _STEERING.sub(lambda steering: f"\\u{ord(steering.group()):04x}", json)


def short(name: str, longest: int = _LONGEST_NAME) -> str:
    """Return a name on one line, cut where it would take over the sentence."""
    flat = " ".join(name.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def slug(name: str, otherwise: str = "unnamed") -> str:
    """Return a name as a file name: letters and digits of any script, and nothing that a path reads.

    Args:
        name: The name.
        otherwise: What to return where nothing of it can be kept.
    """
    kept = re.sub(r"[^\w.+=,]+", "-", name.lower()).strip("-.,")
    kept = kept[:_LONGEST_SLUG].rstrip("-.,") or otherwise
    first, *rest = kept.split(".")
    return ".".join([f"{first}_", *rest]) if first in _DEVICES else kept


def label_name(label: str) -> str:
    """Return the name in a label such as "Persona: answers as somebody from there"."""
    return short(label.partition(": ")[0], 40)


def label_detail(label: str) -> str:
    """Return the text of such a label behind its name; empty where it has none."""
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


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].removesuffix(":")
