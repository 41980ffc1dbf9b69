"""The numbers an optimiser is made with, and their checks.

A field of an optimiser carries its check as metadata: `F: float = field(default=0.5, metadata=within(0, 2))`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, cast

from acculturate.errors import UsageError

Setting = str | int | float | list[float]
Bounds = tuple[float, float]
Check = Mapping[str, Callable[[str, Any], object]]
"""Metadata of a field: under "check" a function from name and value to the value, checked."""


def whole(least: int, why: str) -> Check:
    """Make the check of a whole number of at least `least`; `why` says what needs that many."""
    return {"check": lambda name, value: check_whole(name, value, least, why)}


def within(low: float, high: float) -> Check:
    """Make the check of a number from `low` to `high`."""
    return {"check": lambda name, value: check_within(name, value, low, high)}


def check_whole(name: str, value: object, least: int, why: str) -> int:
    """Return a whole number of at least `least`.

    Raises:
        UsageError: It is not; `why` says what needs that many.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise UsageError(
            f"{name} {value!r} is too small or not a whole number",
            hint=f"{why[0].upper()}{why[1:]} needs at least {least}.",
        )
    return int(value)


def check_budget(budget: int, least: int, what: str) -> None:
    """Refuse a budget that does not hold `what`.

    Raises:
        UsageError: It does not; the message names the budget.
    """
    if budget < least:
        raise UsageError(
            f"a budget of {budget} does not hold {what} of {least} evaluations",
            hint=f"Use --budget {least} or more, or a smaller --population.",
        )


def check_within(name: str, value: object, low: float, high: float) -> float:
    """Return a number from `low` to `high`.

    Raises:
        UsageError: It is not.
    """
    number = cast("float", value) if isinstance(value, Real) else math.nan
    if isinstance(value, bool) or not low <= number <= high:
        raise UsageError(
            f"{name} {value!r} is not a number from {low:g} to {high:g}",
            hint=f"Choose {name} between {low:g} and {high:g}.",
        )
    return float(number)


def check_bounds(name: str, bounds: Sequence[float] | None) -> Bounds | None:
    """Return the lowest and highest value an entry may take, or None for no bounds.

    Raises:
        UsageError: They are not two finite numbers in ascending order.
    """
    if bounds is None:
        return None
    try:
        low, high = (float(end) for end in bounds)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(
            f"{name} {bounds!r} are not two finite numbers, the lower first",
            hint="Give them as (low, high), or leave them out for a search without bounds.",
        )
    return low, high


BOUNDS: Check = {"check": check_bounds}
