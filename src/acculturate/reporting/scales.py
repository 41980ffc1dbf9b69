"""Axes: where a value stands, in percent of a figure's width or height, and the round ticks.

Percentages let a figure fit any page while its text keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A linear axis.

    Attributes:
        low: Value at 0 %.
        high: Value at 100 %.
        ticks: Round values within.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def percent(self, value: float) -> float:
        """Place of a value, in percent, kept on the axis."""
        span = self.high - self.low
        return round(min(100.0, max(0.0, 100 * (value - self.low) / span)), 3)


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis, in percent."""

    at: float
    label: str
    anchor: str = "middle"


def scale_for(values: Iterable[float], count: int = 5) -> Scale:
    """An axis over values that begins and ends on round numbers.

    Args:
        values: What has to fit; at least one.
        count: About how many steps.
    """
    found = list(values)
    low, high = min(found), max(found)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    step = _round_step((high - low) / count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(first * step, last * step, tuple(i * step for i in range(first, last + 1)))


def x_ticks(scale: Scale, form: str) -> tuple[Tick, ...]:
    """Labelled places from left to right; `form` formats a value."""
    ticks: list[Tick] = []
    for value in scale.ticks:
        if value > scale.high + 1e-9:
            continue
        at = scale.percent(value)
        label = form.format(value + 0.0).replace("-", "−")
        ticks.append(Tick(at, label, "end" if at > 97 and len(label) > 4 else "middle"))
    return tuple(ticks)


def y_ticks(scale: Scale) -> tuple[Tick, ...]:
    """Labelled places from the top down."""
    return tuple(
        Tick(100 - scale.percent(value), f"{value:g}".replace("-", "−")) for value in scale.ticks
    )


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * 0.999)
