"""The numbers an optimiser is made with, and their checks."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from numbers import Integral, Real
from typing import cast

from acculturate.errors import UsageError

Setting = str | int | float | list[float]
Bounds = tuple[float, float]


def check_whole(name: str, value: object, least: int, why: str) -> None:
    """Refuses anything but a whole number of at least `least`.

    Raises:
        UsageError: It is not; `why` says what needs that many.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise UsageError(
            f"{name} {value!r} is too small or not a whole number",
            hint=f"{why[0].upper()}{why[1:]} needs at least {least}.",
        )


def check_budget(budget: object, least: int, what: str) -> None:
    """Refuses anything but a whole number of evaluations that `what` fits into.

    Raises:
        UsageError: It is not; the message names the budget.
    """
    check_whole("budget", budget, -sys.maxsize, "the search")
    if cast("int", budget) < least:
        raise UsageError(
            f"a budget of {budget} does not hold {what} of {least} evaluations",
            hint=f"Use --budget {least} or more, or a smaller --population.",
        )


def check_within(name: str, value: object, low: float, high: float) -> None:
    """Refuses anything but a number from `low` to `high`.

    Raises:
        UsageError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
        raise UsageError(
            f"{name} {value!r} is not a number from {low:g} to {high:g}",
            hint=f"Choose {name} between {low:g} and {high:g}.",
        )


def check_bounds(bounds: Sequence[float] | None) -> Bounds | None:
    """The lowest and highest value an entry may take, or None for no bounds.

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
            f"bounds {bounds!r} are not two finite numbers, the lower first",
            hint="Give them as (low, high), or leave them out for a search without bounds.",
        )
    return low, high


def bounds_setting(bounds: Bounds | None) -> dict[str, Setting]:
    """The bounds as a setting, left out where there are none."""
    return {} if bounds is None else {"bounds": list(bounds)}
