"""Everything that is made of an experiment's cells: tables, figures, and a page that needs nothing else.

In: a directory with cells. Out: in it results.csv, times.csv, results.parquet where pyarrow is there,
table.html, table, elsewhere and attained as .md and .tex, comparisons.csv, figures/*.svg and report.html.
The same cells give the same tables. Templates and styles are shared with the report of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from acculturate.drawing import draw
from acculturate.experiment.comparisons import Difference, differences, untouched_models
from acculturate.experiment.figures import figures_of
from acculturate.experiment.narrative import findings, headline
from acculturate.experiment.prepared import Cell, PreparedExperiment
from acculturate.experiment.results import (
    Measured,
    collect,
    grouped,
    place_names,
    write_results,
)
from acculturate.experiment.settings_search import Trial
from acculturate.experiment.tables import (
    TextTable,
    latex,
    markdown,
    paper_table,
    robustness_table,
    shift_table,
)
from acculturate.experiment.worker import CellFailure, is_complete
from acculturate.io import write_bytes, write_text
from acculturate.reporting.report import environment, warnings_of
from acculturate.tables import csv_text


@dataclass(frozen=True)
class Published:
    """Everything that was made of an experiment.

    Attributes:
        title: Its name.
        table: The paper's table as text.
        sentences: What it says.
        report: The page.
        results: The tidy table.
        failed: Cells that failed, and why.
        missing: Number of cells that are not complete.
    """

    title: str
    table: TextTable
    sentences: tuple[str, ...]
    report: Path
    results: Path
    failed: dict[str, str]
    missing: int


def publish(
    prepared: PreparedExperiment,
    out: Path,
    failures: Mapping[Cell, CellFailure],
    trials: Sequence[Trial] = (),
) -> Published:
    """Make everything anew from the cells that are complete.

    Args:
        prepared: Everything the experiment needed.
        out: Its directory.
        failures: Cells that failed, and why.
        trials: Trials of a search over settings; they are in the tidy table and not in the paper's.

    Raises:
        FailureError: A file is damaged or cannot be written.
    """
    experiment, cells = prepared.experiment, prepared.cells
    trial_cells = [cell for trial in trials for cell in prepared.cells_of(trial.method)]
    measured = collect(out, cells, experiment.baselines)
    write_results(experiment, (*measured, *collect(out, trial_cells, ())), out)
    table, compared = paper_table(measured), differences(measured)
    robustness, shifts = robustness_table(table), shift_table(table)
    figures = figures_of(measured, experiment.budget)
    for name, text in (("table", table.text), ("elsewhere", robustness), ("attained", shifts)):
        if text is not None:
            write_text(out / f"{name}.md", markdown(text))
            write_text(out / f"{name}.tex", latex(text, experiment.name))
    write_text(out / "comparisons.csv", _csv(Difference, compared))
    if trials:
        write_text(out / "trials.csv", _csv(Trial, trials))
    for chart in chain.from_iterable(figures.values()):
        write_bytes(out / "figures" / f"{chart.key}.svg", draw([chart], "svg"))
    complete = sum(is_complete(cell, out) for cell in cells)
    head = headline(experiment, measured, complete, len(cells))
    untouched = untouched_models(prepared, out)
    found = findings(measured, compared, len(failures), untouched)
    shown = _cells_and_facts(prepared, measured, failures) | {
        "headline": head,
        "findings": found,
        "table": table,
        "robustness": robustness,
        "shifts": shifts,
        "compared": compared,
        "untouched": untouched,
        "drawn": figures,
        "trials": trials,
    }
    templates = environment("acculturate.experiment")
    for file, template in (("table.html", "table"), ("report.html", "experiment")):
        write_text(out / file, templates.get_template(f"{template}.html.j2").render(shown))
    return Published(
        experiment.name,
        table.text,
        (head, *(f"{each.head} {each.text}" for each in found)),
        out / "report.html",
        out / "results.csv",
        {str(cell.folder): why.error for cell, why in failures.items()},
        len(cells) - complete + sum(not is_complete(cell, out) for cell in trial_cells),
    )


def _cells_and_facts(
    prepared: PreparedExperiment,
    measured: Sequence[Measured],
    failures: Mapping[Cell, CellFailure],
) -> dict[str, Any]:
    """Return what the page says of the experiment and its cells."""
    experiment, cells = prepared.experiment, prepared.cells
    searching = (cell for cell in cells if cell.seed is not None)
    return {
        "experiment": experiment,
        "title": experiment.name,
        "groups": grouped(searching, lambda cell: cell.place),
        "names": place_names(cells),
        "by_cell": {result.cell: result for result in measured},
        "failures": failures,
        "version": version("acculturate"),
        "instruments": warnings_of([result.run for result in measured if result.run is not None]),
        "hofstede": "vsm" in experiment.instrument.lower(),
        "digits": measured[0].evaluation.digits if measured else 1,
        "aggregate": measured[0].evaluation.aggregate if measured else "mean",
    }


def _csv(kind: type, records: Iterable[Any]) -> str:
    return csv_text([field.name for field in fields(kind)], map(astuple, records))
