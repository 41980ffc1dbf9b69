"""`acculturate figures`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from acculturate.commands.options import JsonOption
from acculturate.commands.shared import print_json
from acculturate.errors import UsageError
from acculturate.io import write_bytes

if TYPE_CHECKING:
    from acculturate.drawing import Chart


def figures(
    directory: Annotated[Path, typer.Argument(help="Directory of a run or of an experiment.")],
    format: Annotated[
        Literal["pdf", "svg", "png"],
        typer.Option(
            help="pdf embeds its fonts, svg keeps text as text, png has 300 dots an inch."
        ),
    ] = "pdf",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the files [DIRECTORY/figures].")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write every figure of a run or of an experiment as a file for a paper, as wide as a column."""
    from acculturate.drawing import draw

    experiment = (directory / "experiment.toml").is_file()
    charts = _of_experiment(directory) if experiment else _of_run(directory)
    if not charts:
        raise UsageError(f"{directory} has no figures yet", "Wait for its first evaluations.")
    paths: list[Path] = []
    for chart in charts:
        paths.append((out or directory / "figures") / f"{chart.key}.{format}")
        write_bytes(paths[-1], draw([chart], format))
    if as_json:
        print_json({"figures": [str(path) for path in paths]})
    else:
        print(*paths, sep="\n")


def _of_run(directory: Path) -> tuple[Chart, ...]:
    from acculturate.reporting.figures import figures_of
    from acculturate.runs import read_run

    return figures_of(read_run(directory))


def _of_experiment(directory: Path) -> tuple[Chart, ...]:
    from acculturate.experiment import collect, figures_of, load_experiment, prepare

    # Its paths start where it was started from. Scores in benchmarks are read from the cells.
    plan = load_experiment(directory / "experiment.toml", base=Path())
    prepared = prepare(plan.model_copy(update={"benchmarks": ()}))
    figures = figures_of(collect(directory, prepared.cells, plan.baselines), plan.budget)
    return tuple(chart for charts in figures.values() for chart in charts)
