"""A comparison of searches as a table: medians and quartiles over seeds.

In: a `Comparison`. Out: rows, and the same as Markdown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from acculturate.bench.search import Cell, Comparison

HEADER = (
    "country",
    "limit",
    "method",
    "within limit",
    "loss [quartiles]",
    "evaluations to goal",
    "held-out",
    "divergence",
    "valid mass",
    "seconds",
    "ask+tell, ms",
)


@dataclass(frozen=True)
class Row:
    """One method under one limit towards one country, over its seeds.

    Attributes:
        country: Target.
        limit: On the divergence, or None.
        method: Label.
        seeds: How many.
        within: In how many of them the best candidate was within the limit.
        loss: Quartiles of the best loss: lower, median, upper.
        goal: The loss to reach.
        to_goal: Median evaluations until it was reached; None where half of the seeds did not.
        held_out: Median of the held-out losses.
        divergence: Median, on the held-out guard texts.
        valid_mass: Median, on the held-out forms.
        seconds: Median of a run's seconds.
        search_seconds: Median of the seconds of one ask and tell.
    """

    country: str
    limit: float | None
    method: str
    seeds: int
    within: int
    loss: tuple[float, float, float]
    goal: float | None
    to_goal: float | None
    held_out: float
    divergence: float
    valid_mass: float
    seconds: float
    search_seconds: float

    def texts(self) -> tuple[str, ...]:
        """Its cells, in the order of `HEADER`."""
        low, middle, high = self.loss
        reached = "not reached" if self.to_goal is None else f"{self.to_goal:.0f}"
        return (
            self.country,
            "none" if self.limit is None else f"{self.limit:g}",
            self.method,
            f"{self.within} of {self.seeds}",
            f"{middle:.1f} [{low:.1f}, {high:.1f}]",
            "" if self.goal is None else f"{reached} ({self.goal:.1f})",
            f"{self.held_out:.1f}",
            f"{self.divergence:.2f}",
            f"{self.valid_mass:.0%}",
            f"{self.seconds:.0f}",
            f"{1000 * self.search_seconds:.1f}",
        )


def rows(comparison: Comparison, reference: str) -> list[Row]:
    """The table, best method first within each country and limit.

    Args:
        comparison: All cells.
        reference: Method whose median loss at the end is the goal that the others have to reach; there
            is none where it ended beyond the limit.
    """
    found: list[Row] = []
    for country, limit, methods in _groups(comparison.cells):
        goal = None
        if reference in methods and all(cell.within for cell in methods[reference]):
            goal = float(np.median([cell.loss for cell in methods[reference]]))
        group = [_row(country, limit, cells, goal) for cells in methods.values()]
        # Feasible first: a loss beyond the limit is no result.
        found += sorted(group, key=lambda row: (row.within < row.seeds, row.loss[1]))
    return found


def markdown(table: Sequence[Row]) -> str:
    """The table for a page."""
    lines = [HEADER, tuple("---" for _ in HEADER), *(row.texts() for row in table)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _groups(
    cells: Sequence[Cell],
) -> Iterator[tuple[str, float | None, dict[str, list[Cell]]]]:
    for country, limit in dict.fromkeys((cell.country, cell.limit) for cell in cells):
        methods: dict[str, list[Cell]] = {}
        for cell in cells:
            if (cell.country, cell.limit) == (country, limit):
                methods.setdefault(cell.method, []).append(cell)
        yield country, limit, methods


def _row(country: str, limit: float | None, cells: Sequence[Cell], goal: float | None) -> Row:
    low, middle, high = np.quantile([cell.loss for cell in cells], [0.25, 0.5, 0.75])
    reached = None
    if goal is not None:
        times = [cell.reached(goal) for cell in cells]
        middle_time = float(np.median([np.inf if time is None else time for time in times]))
        reached = middle_time if np.isfinite(middle_time) else None

    def median(name: str) -> float:
        return float(np.median([getattr(cell, name) for cell in cells]))

    return Row(
        country=country,
        limit=limit,
        method=cells[0].method,
        seeds=len(cells),
        within=sum(cell.within for cell in cells),
        loss=(float(low), float(middle), float(high)),
        goal=goal,
        to_goal=reached,
        held_out=median("held_out"),
        divergence=median("divergence"),
        valid_mass=median("valid_mass"),
        seconds=median("seconds"),
        search_seconds=median("search_seconds"),
    )
