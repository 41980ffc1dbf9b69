"""The cells of an experiment and their work, from its file alone: no model is loaded, nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from acculturate.experiment.prepared import Cell, PreparedExperiment
from acculturate.experiment.worker import is_complete


@dataclass(frozen=True)
class PlannedCell:
    """The work of a cell.

    Attributes:
        cell: The cell.
        evaluations: Evaluations of its search; 0 for baselines.
        forms: Forms that each of them asks; those of one method, untouched or in words, for baselines.
        complete: Whether it is complete already.
    """

    cell: Cell
    evaluations: int
    forms: int
    complete: bool


def planned_cells(prepared: PreparedExperiment, out: Path) -> tuple[PlannedCell, ...]:
    """Return every cell but trials of settings, in the order in which they run.

    Args:
        prepared: The experiment.
        out: Its directory, where there may be complete ones.
    """
    plan, place = prepared.experiment, prepared.places[0]
    forms = {
        method.label: settings.sample_size(prepared.instrument)
        or len(prepared.task(*place, settings).forms)
        for method in plan.methods
        for settings in [prepared.settings(method, plan.seeds[0])]
    }
    baselines = len(prepared.task(*place, prepared.shared).forms)
    return tuple(
        PlannedCell(
            cell,
            0 if cell.seed is None else plan.budget,
            forms.get(cell.method, baselines),
            is_complete(cell, out),
        )
        for cell in prepared.cells
    )
