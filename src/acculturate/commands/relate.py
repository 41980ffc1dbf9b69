"""`acculturate relate`: survey losses against downstream scores of many runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from acculturate import display
from acculturate.commands.options import JsonOption
from acculturate.commands.shared import print_json
from acculturate.io import json_text, write_bytes, write_text


def relate(
    runs: Annotated[
        list[Path], typer.Argument(help="Directories of runs that were asked benchmarks.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for relate.json and relate.svg.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the bootstrap over runs.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Relate the survey losses of many runs to their scores in benchmarks, from their files alone."""
    from acculturate.drawing import draw
    from acculturate.reporting import relate_narrative
    from acculturate.reporting.relate import relate as relate_runs
    from acculturate.reporting.relate_figure import relate_charts

    found = relate_runs(runs, seed)
    if out is not None:
        write_text(out / "relate.json", json_text(found.to_dict()))
        write_bytes(out / "relate.svg", draw(relate_charts(found), "svg"))
    if as_json:
        print_json(found.to_dict())
        return
    display.show_related(
        found, relate_narrative.sentences(found), relate_narrative.coefficient_text
    )
    if out is not None:
        display.say(f"{out / 'relate.json'} and {out / 'relate.svg'} hold all of it.")
