"""A figure of the ways of asking: how much of the wanted shift is attained in each.

In: `RunRecords` whose held-out rows have a shift. Out: one chart.
"""

from __future__ import annotations

import math

from acculturate.charts import Chart, Look, Row, Series, lane, merge
from acculturate.formatting import LEVEL, interval_text, loss_text, short
from acculturate.metrics.attained import AttainedShift
from acculturate.metrics.held_out import TUNING, FormSetResult
from acculturate.runs import RunRecords

_SEEN, _NEW, _NOTHING = Look("blue", "o"), Look("vermilion", "D"), Look("grey", "s", hollow=True)
_ALL, _NONE = Look("ink", line="-"), Look("grey", line="-", width=0.8)


def ways_chart(run: RunRecords) -> Chart | None:
    """Return a row a way of asking with its attained shift, the tuning forms first.

    Ways that do not count are grey. None where no shift was measured.
    """
    rows = sorted(run.checks.rows, key=lambda row: row.key != TUNING)
    shifts = [(row, row.shift, row.shift.attained) for row in rows if row.shift]
    known = [(row, shift, value) for row, shift, value in shifts if value is not None]
    if not known:
        return None
    parts: list[Series] = []
    for number, (row, shift, attained) in enumerate(known):
        name, look = _look(row, shift)
        top, y, bottom = (lane(number, edge, 1, titled_below=False) for edge in (0, 0.5, 1))
        parts.append(Series("", _NONE, (0.0, 0.0), (top, bottom)))
        parts.append(Series("all of the wanted shift", _ALL, (1.0, 1.0), (top, bottom)))
        if shift.interval is not None and all(map(math.isfinite, shift.interval)):
            bar = Look(look.colour, line="-", width=4, opacity=0.28)
            parts.append(Series("", bar, shift.interval, (y, y)))
        parts.append(Series(name, look, (attained,), (y,), (_text(row, shift),)))
    return Chart(
        "ways",
        "Attained shift by way of asking",
        "share of the wanted shift of scores",
        "",
        merge(parts),
        1.0,
        rows=tuple(Row(_name(row), _note(shift)) for row, shift, _ in known),
        lanes=1,
        titled_below=False,
    )


def _look(row: FormSetResult, shift: AttainedShift) -> tuple[str, Look]:
    if not shift.counts:
        return "does not count: not about the question", _NOTHING
    return ("as it was tuned", _SEEN) if row.key == TUNING else ("asked in other ways", _NEW)


def _name(row: FormSetResult) -> str:
    label = short(row.label, 40).removeprefix("…")
    return label[:1].upper() + label[1:]


def _note(shift: AttainedShift) -> str:
    if not shift.counts and shift.content is not None:
        return f"content {loss_text(shift.content.coefficient, 2)}"
    return loss_text(shift.attained, 2)


def _text(row: FormSetResult, shift: AttainedShift) -> str:
    ends = f" ({LEVEL}: {interval_text(shift.interval, 2)})" if shift.interval else ""
    return f"{_name(row)} {loss_text(shift.attained, 2)}{ends}"
