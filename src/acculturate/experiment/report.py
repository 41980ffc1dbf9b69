"""An experiment as one HTML page, from its overview to single cells.

In: measured cells. Out: a page that needs nothing else. Templates and styles are shared with the
report of a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from acculturate.experiment import narrative
from acculturate.experiment.comparisons import Difference
from acculturate.experiment.figures import Figures
from acculturate.experiment.plan import Experiment
from acculturate.experiment.prepared import BASELINE_CELL, Cell
from acculturate.experiment.results import Measured
from acculturate.experiment.tables import PaperTable, TextTable
from acculturate.formatting import perplexity_text
from acculturate.reporting.report import environment, warnings_of


@dataclass(frozen=True)
class Trial:
    """A trial of a search over settings.

    Attributes:
        number: From 0.
        settings: What was tried, in words.
        loss: Mean held-out loss of its cells; None where none was complete.
        best: Whether it is the best.
    """

    number: int
    settings: str
    loss: float | None
    best: bool


@dataclass(frozen=True)
class Page:
    """What an experiment's page shows.

    Attributes:
        experiment: What was asked for.
        measured: Complete cells.
        table: The paper's table.
        elsewhere: What methods were asked in other ways, or None.
        compared: Methods against the untouched model.
        cells: All cells.
        complete: Those that are complete.
        failed: Cells that failed, and why.
        trials: Of a search over settings.
    """

    experiment: Experiment
    measured: tuple[Measured, ...]
    table: PaperTable
    elsewhere: TextTable | None
    compared: tuple[Difference, ...]
    cells: tuple[Cell, ...]
    complete: frozenset[Cell]
    failed: dict[Cell, str]
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True)
class CellLine:
    """A cell in the list of all.

    Attributes:
        state: Empty for a complete one.
        link: To its own report, or empty.
    """

    cell: Cell
    measured: Measured | None
    state: str
    link: str
    perplexity: str


def render(page: Page, drawn: Figures) -> str:
    """The page."""
    complete, cells = len(page.complete), len(page.cells)
    runs = [one.run for one in page.measured if one.run is not None]
    titles = {one.evaluation.aggregate for one in page.measured}
    return (
        environment("acculturate.experiment")
        .get_template("experiment.html.j2")
        .render(
            page=page,
            drawn=drawn,
            title=page.experiment.name,
            headline=narrative.headline(page.experiment, page.measured, complete, cells),
            findings=narrative.findings(page.measured, page.compared, len(page.failed)),
            facts=_facts(page.experiment),
            groups=_groups(page),
            p_text=narrative.p_text,
            version=version("acculturate"),
            instruments=warnings_of(runs),
            hofstede="vsm" in page.experiment.instrument.lower(),
            aggregate=next(iter(titles), "mean"),
        )
    )


def _groups(page: Page) -> list[tuple[str, list[CellLine]]]:
    """All cells, country by country."""
    by_cell = {one.cell: one for one in page.measured}
    several = len({cell.table for cell in page.cells}) > 1
    groups: dict[str, list[CellLine]] = {}
    for cell in page.cells:
        if cell.method == BASELINE_CELL:
            continue
        measured = by_cell.get(cell)
        state = "" if measured else "failed" if cell in page.failed else "not complete"
        link = quote((cell.folder / "report.html").as_posix()) if measured else ""
        read = perplexity_text(measured.row.perplexity if measured else None)
        place = f"{cell.country} ({cell.table})" if several else cell.country
        groups.setdefault(place, []).append(CellLine(cell, measured, state, link, read))
    return list(groups.items())


def _facts(experiment: Experiment) -> list[tuple[str, str]]:
    """What was asked for, as names and values."""
    model = experiment.model
    methods = [
        (f"method {one.label}", _words({**one.own, **one.settings})) for one in experiment.methods
    ]
    shared = _words(experiment.settings)
    return [
        (
            "model",
            f"{model.name}{f', revision {model.revision}' if model.revision else ''}, {model.dtype}",
        ),
        ("questionnaire", experiment.instrument),
        ("tables", ", ".join(experiment.tables)),
        ("countries", ", ".join(experiment.countries)),
        ("seeds", ", ".join(map(str, experiment.seeds)) if experiment.methods else "none"),
        ("evaluations a run", str(experiment.budget) if experiment.methods else "none"),
        ("shared settings", shared),
        *methods,
    ]


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items()) or "the defaults"


def sentences(page: Page) -> Sequence[str]:
    """What the terminal says of it."""
    complete, cells = len(page.complete), len(page.cells)
    head = narrative.headline(page.experiment, page.measured, complete, cells)
    found = narrative.findings(page.measured, page.compared, len(page.failed))
    return [head, *(f"{one.head} {one.text}" for one in found)]
