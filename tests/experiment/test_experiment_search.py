"""A search over settings: its trials are cells, and a killed study goes on as if it had not been."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from experiment_runs import PLAN, run, tables

from acculturate.errors import FailureError
from acculturate.experiment import Cell
from acculturate.experiment.worker import CellWorker

pytest.importorskip("optuna")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]

SEARCH = (
    PLAN[: PLAN.index("random =")].replace("[0, 1]", "[0]")
    + """\
de = { population = 6 }
[search]
method = "de"
trials = 3
[search.ranges]
F = { low = 0.3, high = 0.9 }
tokens = { low = 1, high = 4 }
"""
)


class Stop:
    """Presses Ctrl-C in the middle of a trial."""

    def __init__(self, trial: int) -> None:
        self.name = f"de trial {trial}"

    def on_start(self, cell: object) -> None: ...
    def on_end(self, cell: object, error: str | None, before: bool) -> None: ...
    def on_retry(self, cell: object, error: str) -> None: ...

    def on_step(self, cell: object, at: object) -> None:
        if getattr(cell, "method", "") == self.name:
            raise KeyboardInterrupt


def test_a_trial_that_lacks_a_cell_ends_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Later trials would follow from a loss that is another one once the cell is mended."""
    tuned = CellWorker._tune

    def broken(self: CellWorker, model: object, cell: Cell, *given: object) -> None:
        if cell.method == "de trial 1" and cell.country == "Toyland":
            raise RuntimeError("out of memory")
        tuned(self, model, cell, *given)

    monkeypatch.setattr(CellWorker, "_tune", broken)
    with pytest.raises(FailureError, match="1 of 2 cells of trial 1"):
        run(tmp_path, text=SEARCH)
    assert (tmp_path / "out" / "report.html").is_file()
    assert not [*(tmp_path / "out").rglob("*trial-2*")]
    monkeypatch.setattr(CellWorker, "_tune", tuned)
    run(tmp_path, text=SEARCH)
    run(tmp_path / "whole", text=SEARCH)
    assert tables(tmp_path / "out") == tables(tmp_path / "whole" / "out")


def test_trials_are_cells_and_go_on(tmp_path: Path):
    run(tmp_path / "whole", text=SEARCH)
    out = tmp_path / "stopped" / "out"
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", text=SEARCH, listener=Stop(1))
    run(tmp_path / "stopped", text=SEARCH)
    assert tables(out) == tables(tmp_path / "whole" / "out")
    with (out / "trials.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    assert [trial["method"] for trial in trials] == ["de trial 0", "de trial 1", "de trial 2"]
    with (out / "results.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["measure"] == "held_out_loss"]
    means = [
        np.mean([float(row["value"]) for row in rows if row["method"] == f"de trial {number}"])
        for number in range(3)
    ]
    assert [float(trial["loss"]) for trial in trials] == means
    page = (out / "report.html").read_text()
    best = page[page.index("Settings that were tried") :]
    strong = best[best.index('class="strong"') :].split("</tr>")[0]
    assert f'<th scope="row">{int(np.argmin(means))}</th>' in strong
    assert f"<td>{min(means):.1f}</td>" in strong
    assert "trial" not in (out / "table.md").read_text()
