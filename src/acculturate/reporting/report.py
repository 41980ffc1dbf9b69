"""Run directories -> one HTML file that needs nothing else.

In: directories. Out: a page with inline styles and figures, no scripts, no network, everything that
came from a file escaped. The words are those of the narratives, the figures `figures.py`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import cast

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from acculturate import formatting
from acculturate.drawing import Chart, inline_svg
from acculturate.errors import UsageError
from acculturate.io import write_text
from acculturate.metrics.measure import NEAREST
from acculturate.metrics.side_effects import SideEffects
from acculturate.metrics.specificity import Specificity
from acculturate.reporting import (
    benchmarks_narrative,
    checks_narrative,
    figures,
    narrative,
    run_comparison,
    side_effects_narrative,
)
from acculturate.runs import Continuation, Method, RunRecords, read_run

_LONGEST_EXCERPT = 1200
_FILTERS = {
    "loss": formatting.loss_text,
    "measure": formatting.measure_text,
    "divergence": formatting.divergence_text,
    "perplexity": formatting.perplexity_text,
    "share": formatting.share_text,
    "seconds": formatting.seconds_text,
    "short": formatting.short,
    "p_value": benchmarks_narrative.p_text,
    "label_name": formatting.label_name,
    "label_detail": formatting.label_detail,
}


@dataclass(frozen=True)
class RunView:
    """A run with all that its sections show.

    Attributes:
        id: Anchor, unique on the page.
        odd_interval: Whether the interval of some loss lies beside the loss itself.
        so_far: Best loss of the search on the tuning forms.
        writer: What the divergence means for ordinary text, or None where it was not measured.
        invalid: Candidates whose answers were not finite.
    """

    id: str
    run: RunRecords
    title: str
    subtitle: str
    country: str
    headline: str
    verdict: narrative.Finding | None
    findings: tuple[narrative.Finding, ...]
    naive: Method | None
    tuned: Method | None
    figures: Mapping[str, Chart]
    continuations: tuple[Continuation, ...]
    odd_interval: bool
    so_far: float | None
    writer: str | None
    invalid: int
    resume: str
    checked: CheckedWords
    ranks: tuple[Rank, ...]
    benchmarks: tuple[benchmarks_narrative.Section, ...]
    side_effects: SideEffectsView | None


@dataclass(frozen=True)
class CheckedWords:
    """What each check says; None where it was not made."""

    held_out: str | None
    other_ways: str | None
    specificity: str | None
    extremes: str | None
    generated: str | None
    other_surveys: str | None
    respondents: str | None


@dataclass(frozen=True)
class SideEffectsView:
    """Sentences on side effects, and for each set of longer texts one and the key of its figure."""

    languages: str | None
    own_texts: str | None
    reaches: tuple[tuple[str, str], ...]
    replies: str | None


@dataclass(frozen=True)
class Rank:
    """A line of the countries by loss: who is there untouched and who tuned, with their losses."""

    rank: int
    naive: tuple[str, float] | None
    tuned: tuple[str, float] | None


def write_report(runs: Sequence[Path], out: Path | None = None) -> Path:
    """Writes the report of one run, or of several side by side.

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
    html = render_report([read_run(path) for path in runs])
    target = out or _default_out(runs)
    if target.is_dir():
        raise UsageError(f"{target} is a folder, not a file", "Give the name of an HTML file.")
    write_text(target, html)
    return target


def render_report(runs: Sequence[RunRecords]) -> str:
    """The page of runs that are already read."""
    views = [_view(run, f"run-{number}") for number, run in enumerate(runs, 1)]
    title = views[0].title if len(views) == 1 else f"{len(views)} runs compared"
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
            hofstede=any("vsm" in (run.config.survey.instrument or "").lower() for run in runs),
        )
    )


def _view(run: RunRecords, anchor: str) -> RunView:
    evaluation = run.evaluation
    tuned = evaluation.method("tuned") if evaluation else None
    divergence = tuned.divergence if tuned else None
    return RunView(
        id=anchor,
        run=run,
        title=f"{narrative.model_name(run)}, moved towards {narrative.country(run)}",
        subtitle=_subtitle(run),
        country=narrative.country(run),
        headline=narrative.headline(run),
        verdict=narrative.verdict(run),
        findings=narrative.findings(run),
        naive=evaluation.method("naive") if evaluation else None,
        tuned=tuned,
        figures={chart.key: chart for chart in figures.figures_of(run)},
        continuations=evaluation.continuations if evaluation else (),
        odd_interval=evaluation is not None and narrative.has_odd_interval(evaluation),
        so_far=run.history[-1].best_loss if run.history else None,
        writer=None if divergence is None else narrative.writer_words(divergence),
        invalid=sum(line.invalid for line in run.history),
        resume=narrative.resume_command(run),
        checked=CheckedWords(
            held_out=checks_narrative.held_out(run),
            other_ways=checks_narrative.other_ways(run),
            specificity=checks_narrative.specificity(run),
            extremes=checks_narrative.extremes(run),
            generated=checks_narrative.generated(run),
            other_surveys=checks_narrative.other_surveys(run),
            respondents=checks_narrative.respondents(run),
        ),
        ranks=_ranks(run.checks.specificity),
        benchmarks=tuple(benchmarks_narrative.section(one) for one in run.checks.benchmarks),
        side_effects=_side_effects(run.checks.side_effects),
    )


def _side_effects(found: SideEffects | None) -> SideEffectsView | None:
    if found is None:
        return None
    return SideEffectsView(
        languages=side_effects_narrative.languages(found),
        own_texts=side_effects_narrative.own_texts(found),
        reaches=tuple(
            (side_effects_narrative.reach(one), figures.reach_key(one)) for one in found.reaches
        ),
        replies=side_effects_narrative.replies(found),
    )


def _ranks(found: Specificity | None) -> tuple[Rank, ...]:
    """The nearest countries, and the target wherever it stands."""
    if found is None:
        return ()
    sides = [dict(enumerate(s.losses, 1)) for s in (found.naive, found.tuned)]
    shown = [
        {rank for rank, (name, _) in side.items() if rank <= NEAREST or name == found.country}
        for side in sides
    ]
    return tuple(
        Rank(
            rank,
            *(
                side.get(rank) if rank in own else None
                for side, own in zip(sides, shown, strict=True)
            ),
        )
        for rank in sorted(shown[0] | shown[1])
    )


def _subtitle(run: RunRecords) -> str:
    instrument = run.provenance.instrument.title if run.provenance else None
    parts = [
        f"Run {formatting.short(run.name)}",
        instrument or run.config.survey.instrument,
        f"table {run.config.survey.table}" if run.config.survey.table else None,
    ]
    return " · ".join(formatting.short(part) for part in parts if part)


def warnings_of(runs: Sequence[RunRecords]) -> list[tuple[str, tuple[str, ...]]]:
    """The warnings of every instrument, each instrument once."""
    found: dict[tuple[str, ...], str] = {}
    for run in runs:
        if run.provenance and run.provenance.instrument.warnings:
            title = run.provenance.instrument.title or "the instrument"
            found.setdefault(run.provenance.instrument.warnings, title)
    return [(title, warnings) for warnings, title in found.items()]


@cache
def environment(package: str | None = None) -> Environment:
    """Templates that escape all they are given, compiled once a process.

    Args:
        package: One whose own templates come before those of this room.
    """
    rooms = [PackageLoader(name) for name in (package, "acculturate.reporting") if name]
    environment = Environment(
        loader=ChoiceLoader(rooms),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = cast("dict[str, Callable[..., str]]", environment.filters)
    filters.update(_FILTERS)
    filters["excerpt"] = _excerpt
    filters["drawn"] = _drawn
    filters["kappa"] = _kappa
    filters["digits"] = _digits  # pyright: ignore[reportArgumentType]
    filters["finite"] = _finite  # pyright: ignore[reportArgumentType]
    return environment


def _drawn(chart: Chart, key: str) -> Markup:
    return Markup(inline_svg(chart, key))


def _excerpt(text: str) -> str:
    """A continuation as it is shown; an empty one says so."""
    if not text.strip():
        return "(nothing)"
    kept = text.strip()
    return kept if len(kept) <= _LONGEST_EXCERPT else kept[:_LONGEST_EXCERPT] + " …"


def _kappa(value: float | None) -> str:
    return formatting.loss_text(value, 2)


def _digits(target: Mapping[str, float]) -> int:
    return formatting.digits_for(target.values())


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


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
