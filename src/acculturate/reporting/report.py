"""Run directories -> one HTML file that needs nothing else.

In: directories. Out: a page with inline styles and figures, no scripts, no network, everything that
came from a file escaped. The words are those of the narratives, the figures `figures.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import cast

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from acculturate import formatting
from acculturate.arguments import checked
from acculturate.charts import Chart
from acculturate.drawing import inline_svg
from acculturate.errors import UsageError
from acculturate.io import write_text
from acculturate.metrics.measure import NEAREST
from acculturate.metrics.specificity import Specificity
from acculturate.progress import task
from acculturate.reporting import (
    attained_narrative,
    behaviour_narrative,
    benchmarks_narrative,
    checks_narrative,
    figures,
    findings,
    narrative,
    run_comparison,
    side_effects_narrative,
)
from acculturate.runs import RunRecords, read_run

_LONGEST_EXCERPT = 1200


@dataclass(frozen=True)
class RunView:
    """A run on a page.

    Attributes:
        id: Anchor, unique on the page.
        run: What its sections show.
        figures: Charts by their keys.
    """

    id: str
    run: RunRecords
    figures: Mapping[str, Chart]


@checked
def write_report(runs: Sequence[str | Path], out: str | Path | None = None) -> Path:
    """Write the report of one run, or of several side by side.

    Args:
        runs: Run directories; unfinished ones are shown as far as they got.
        out: The file to write; `report.html` in the run's directory if None, and for several runs in
            the folder that holds them all.

    Returns:
        The file written.

    Raises:
        UsageError: No directory, one that holds no run, or several without a folder in common.
        FailureError: A file of a run is damaged, or the report cannot be written.
    """
    if not runs:
        raise UsageError("no run to report", "Give one or more run directories.")
    paths = [Path(run) for run in runs]
    with task("writing the report"):
        html = render_report([read_run(path) for path in paths])
    target = _default_out(paths) if out is None else Path(out)
    if target.is_dir():
        raise UsageError(f"{target} is a folder, not a file", "Give the name of an HTML file.")
    write_text(target, html)
    return target


def render_report(runs: Sequence[RunRecords]) -> str:
    """Return the page of runs that are already read."""
    views = [
        RunView(f"run-{number}", run, {chart.key: chart for chart in figures.figures_of(run)})
        for number, run in enumerate(runs, 1)
    ]
    title = narrative.title(runs[0]) if len(runs) == 1 else f"{len(runs)} runs compared"
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            views=views,
            title=title,
            version=version("acculturate"),
            overview=narrative.comparison_headline(runs),
            tradeoff=figures.tradeoff_chart(runs),
            confusions=run_comparison.confusions(runs),
            spreads=run_comparison.spreads(runs),
            instruments=warnings_of(runs),
            hofstede=any("vsm" in run.config.survey.instrument.lower() for run in runs),
        )
    )


def ranks(
    found: Specificity,
) -> list[tuple[int, tuple[str, float] | None, tuple[str, float] | None]]:
    """Return the nearest countries untouched and tuned by rank, and the target wherever it stands."""
    sides = [
        {
            rank: (name, loss)
            for rank, (name, loss) in enumerate(standing.losses, 1)
            if rank <= NEAREST or name == found.country
        }
        for standing in (found.naive, found.tuned)
    ]
    return [
        (rank, sides[0].get(rank), sides[1].get(rank)) for rank in sorted({*sides[0], *sides[1]})
    ]


def warnings_of(runs: Sequence[RunRecords]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the warnings of every instrument, each instrument once."""
    titles: dict[tuple[str, ...], str] = {}
    for run in runs:
        if run.provenance and run.provenance.instrument.warnings:
            instrument = run.provenance.instrument
            titles.setdefault(instrument.warnings, instrument.title)
    return [(title, warnings) for warnings, title in titles.items()]


@cache
def environment(package: str | None = None) -> Environment:
    """Return templates that escape all they are given, compiled once a process.

    Args:
        package: One whose own templates come before those of this subpackage.
    """
    folders = [PackageLoader(name) for name in (package, "acculturate.reporting") if name]
    environment = Environment(
        loader=ChoiceLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = cast("dict[str, Callable[..., str]]", environment.filters)
    filters |= {
        "loss": formatting.loss_text,
        "span": formatting.interval_text,
        "measure": formatting.measure_text,
        "divergence": formatting.divergence_text,
        "perplexity": formatting.perplexity_text,
        "share": formatting.share_text,
        "seconds": formatting.seconds_text,
        "p_value": formatting.p_text,
        "short": formatting.short,
        "label_name": formatting.label_name,
        "label_detail": formatting.label_detail,
        "excerpt": _excerpt,
        "drawn": _drawn,
    }
    cast("dict[str, object]", environment.globals).update(
        {
            "narrative": narrative,
            "findings_of": findings.findings,
            "verdict_of": findings.verdict,
            "writer_words": findings.writer_words,
            "attained": attained_narrative,
            "behaviour": behaviour_narrative,
            "checked": checks_narrative,
            "effects": side_effects_narrative,
            "benchmark_section": benchmarks_narrative.section,
            "digits_for": formatting.digits_for,
            "ranks": ranks,
            "reach_key": figures.reach_key,
        }
    )
    return environment


def _drawn(chart: Chart, key: str) -> Markup:
    return Markup(inline_svg(chart, key))


def _excerpt(text: str) -> str:
    """Return a continuation as it is shown; an empty one says so."""
    kept = text.strip() or "(nothing)"
    return kept if len(kept) <= _LONGEST_EXCERPT else kept[:_LONGEST_EXCERPT] + " …"


def _default_out(runs: Sequence[Path]) -> Path:
    if len(runs) == 1:
        return runs[0] / "report.html"
    parents = {path.resolve().parent for path in runs}
    if len(parents) > 1:
        raise UsageError(
            f"the {len(runs)} runs lie in different folders, so it is not clear where their report goes",
            "Say where with --out FILE.html.",
        )
    return runs[0].resolve().parent / "report.html"
