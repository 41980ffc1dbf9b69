"""Everything that is made of an experiment's cells: tables, figures, the report.

In: a directory with cells. Out: in it results.csv, results.parquet where pyarrow is there, table.html,
table.md, table.tex, elsewhere.md, elsewhere.tex, comparisons.csv, figures/*.svg and report.html. The same cells
give the same tables.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from acculturate.drawing import draw
from acculturate.experiment.comparisons import Difference, differences
from acculturate.experiment.figures import figures_of
from acculturate.experiment.prepared import Cell, PreparedExperiment
from acculturate.experiment.report import Page, Trial, render, sentences
from acculturate.experiment.results import collect, rows, write_rows
from acculturate.experiment.tables import elsewhere_table, latex, markdown, paper_table, text_table
from acculturate.experiment.worker import CellFailure, is_complete
from acculturate.io import write_bytes, write_text
from acculturate.reporting.report import environment


@dataclass(frozen=True)
class Published:
    """What was made of an experiment.

    Attributes:
        title: Its name.
        header: Of the table.
        lines: The paper's table as text.
        sentences: What it says.
        report: The page.
        results: The tidy table.
        failed: Cells that failed, and why.
        missing: Cells that are not complete.
    """

    title: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...]
    report: Path
    results: Path
    failed: dict[str, str]
    missing: int


def publish(
    prepared: PreparedExperiment,
    out: Path,
    failures: Mapping[Cell, CellFailure],
    trial_cells: Sequence[Cell] = (),
    trials: Sequence[Trial] = (),
) -> Published:
    """Makes everything anew from the cells that are complete.

    Args:
        prepared: What the experiment needed.
        out: Its directory.
        failures: Cells that failed, and why.
        trial_cells: Cells of trials over settings; they are in the tidy table and not in the paper's.
        trials: These trials.

    Raises:
        FailureError: A file is damaged or cannot be written.
    """
    experiment = prepared.experiment
    measured = collect(out, prepared.cells, experiment.baselines)
    tried = collect(out, trial_cells, ())
    found = rows(experiment.name, (*measured, *tried), out)
    write_rows(found, out)
    table, compared = paper_table(measured), differences(measured)
    asked, texts = elsewhere_table(measured, table), text_table(table)
    everything = (*prepared.cells, *trial_cells)
    complete = frozenset(cell for cell in prepared.cells if is_complete(cell, out))
    page = Page(
        experiment,
        measured,
        table,
        asked,
        compared,
        prepared.cells,
        complete,
        {cell: why.error for cell, why in failures.items()},
        tuple(trials),
    )
    for name, one in (("table", texts), ("elsewhere", asked)):
        if one is not None:
            write_text(out / f"{name}.md", markdown(one))
            write_text(out / f"{name}.tex", latex(one, experiment))
    html = environment("acculturate.experiment").get_template("table.html.j2")
    write_text(out / "table.html", html.render(page=page, title=experiment.name))
    write_text(out / "comparisons.csv", _csv(compared))
    drawn = figures_of(measured, experiment.budget)
    for drawing in drawn.all:
        write_bytes(out / "figures" / f"{drawing.key}.svg", draw([drawing], "svg"))
    write_text(out / "report.html", render(page, drawn))
    return Published(
        title=experiment.name,
        header=texts.header,
        lines=texts.lines,
        sentences=tuple(sentences(page)),
        report=out / "report.html",
        results=out / "results.csv",
        failed={cell.title: why.error for cell, why in failures.items()},
        missing=sum(not is_complete(cell, out) for cell in everything),
    )


def _csv(compared: Sequence[Difference]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(Difference) if field.name != "interval"]
    writer.writerow([*names, "low", "high"])
    for one in compared:
        values = [getattr(one, name) for name in names]
        ends = one.interval or (None, None)
        writer.writerow(["" if value is None else value for value in (*values, *ends)])
    return text.getvalue()
