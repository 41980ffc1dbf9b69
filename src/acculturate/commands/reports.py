"""Files made from the files of runs: `acculturate report`, `figures`, `relate` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import acculturate as ac
import acculturate.experiment as ex
from acculturate import display, terminal
from acculturate.commands.loading import load_local
from acculturate.commands.options import Seed
from acculturate.errors import UsageError
from acculturate.io import json_text, write_bytes, write_text
from acculturate.progress import task

if TYPE_CHECKING:
    from acculturate.charts import Chart


def report(runs: list[Path], *, out: Path | None = None, as_json: bool = False) -> None:
    """Write one HTML report about one run or several.

    Options:
        runs: Run directories, finished or not.
        out: HTML file of the report [RUN/report.html].
    """
    path = ac.write_report(runs, out)
    display.print_result(as_json, {"report": str(path)}, lambda: print(path))


def figures(
    directory: Path,
    *,
    format: Literal["pdf", "svg", "png"] = "pdf",
    out: Path | None = None,
    as_json: bool = False,
) -> None:
    """Write the figures of a run or an experiment for a paper.

    Every figure is a file of its own, as wide as a column.

    Options:
        directory: Directory of a run or of an experiment.
        format: Format of the files: pdf embeds its fonts, svg keeps text as text, png has 300 dots an inch.
        out: Folder of the files [DIRECTORY/figures].
    """
    from acculturate.drawing import draw

    charts = _charts_of(directory)
    if not charts:
        raise UsageError(f"{directory} has no figures yet", "Wait for its first evaluations.")
    folder = out or directory / "figures"
    files = {str(folder / f"{chart.key}.{format}"): chart for chart in charts}
    with task(f"drawing {len(files)} figures", len(files)) as at:
        for done, (file, chart) in enumerate(files.items(), 1):
            write_bytes(Path(file), draw([chart], format))
            at.reach(done)
    display.print_result(as_json, {"figures": list(files)}, lambda: print(*files, sep="\n"))


def _charts_of(directory: Path) -> tuple[Chart, ...]:
    if not (directory / ex.PLAN).is_file():
        from acculturate.reporting.figures import figures_of
        from acculturate.runs import read_run

        return figures_of(read_run(directory))
    # Its paths start where it was started from. Scores in benchmarks are read from the cells.
    plan = ex.load_experiment(directory / ex.PLAN, base=Path())
    prepared = ex.prepare(plan.model_copy(update={"benchmarks": ()}))
    charts = ex.figures_of(ex.collect(directory, prepared.cells, plan.baselines), plan.budget)
    return tuple(chart for group in charts.values() for chart in group)


def relate(
    runs: list[Path], *, out: Path | None = None, seed: Seed = 0, as_json: bool = False
) -> None:
    """Relate the survey losses of runs to their benchmark scores and to their behaviour.

    Correlations over many runs, with intervals, come from the files of the runs alone; no model is loaded.

    Options:
        runs: Directories of runs that were evaluated, on benchmarks or not.
        out: Folder for relate.json and relate.svg.
        seed: Random seed for the bootstrap over runs.
    """
    from acculturate.drawing import draw
    from acculturate.reporting.relate import relate as relate_runs
    from acculturate.reporting.relate_figure import relate_charts

    related = relate_runs(runs, seed)
    if out is not None:
        write_text(out / "relate.json", json_text(related.to_dict()))
        write_bytes(out / "relate.svg", draw(relate_charts(related), "svg"))
    display.print_result(as_json, related.to_dict(), lambda: display.show_related(related))
    if out is not None and not as_json:
        terminal.say(f"{out / 'relate.json'} and {out / 'relate.svg'} hold all of it.")


def export(
    run: Path,
    *,
    out: Path,
    format: Literal["peft", "tokens", "gguf", "vllm"] = "peft",
    model: str | None = None,
    device: str = "auto",
    trust_remote_code: bool = False,
    any_model: bool = False,
    as_json: bool = False,
) -> None:
    """Export a run's soft prompt for other servers.

    What is written is proved by loading it: it gives the same answers as the soft prompt.

    Options:
        run: Run directory, or for peft that of countries which were tuned together.
        out: Folder to write.
        format: Format: peft is an adapter; tokens a model folder whose vocabulary holds the virtual tokens;
            gguf the same in one file; vllm the tensor of prompt_embeds, with a client.
        model: Name or path of the model, where it is not the one in the run's settings.
    """
    from acculturate.export import export_multitask
    from acculturate.runs import MULTITASK, read_model, read_run

    together = (run / MULTITASK).is_file()
    if together and format != "peft":
        raise UsageError(
            f"{run} holds several countries, and the format {format} one prompt",
            "Use --format peft, or export the run directory of one country.",
        )
    config = read_model(run) if together else read_run(run).config.model
    name, revision = model or config.name, None if model else config.revision or None
    language_model = load_local(name, revision, "float32", device, trust_remote_code, config.chat)
    if together:
        path = export_multitask(run, language_model, out, any_model=any_model)
    else:
        path = ac.export_prompt(run, language_model, out, format=format, any_model=any_model)
    display.print_result(as_json, {"folder": str(path), "format": format}, lambda: print(path))
    if format in ("tokens", "gguf"):
        terminal.say(
            "The virtual tokens must never be written: the export forbids it, and its README.md says which "
            "servers keep to that and what to tell the others."
        )
