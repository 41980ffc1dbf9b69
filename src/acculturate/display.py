"""Terminal tables and messages. Knows how things look, not how they are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from acculturate.benchmarks.result import Result
    from acculturate.evaluation.evaluate import RunEvaluation
    from acculturate.evaluation.examine import Examined
    from acculturate.experiment import Estimate, Published
    from acculturate.metrics.correlation import Coefficient
    from acculturate.metrics.measure import Profile
    from acculturate.metrics.side_effects import SideEffects
    from acculturate.reporting.relate import Related
    from acculturate.runs import Run
    from acculturate.survey.countries import Country, CountryTable
    from acculturate.survey.forms import Form
    from acculturate.survey.instrument import Instrument


def show_estimates(found: Sequence[Estimate], trials: int) -> None:
    """Show the cells of an experiment with the work of each, and all together; trials are not counted."""
    table = Table(title="Cells")
    for name in ("cell", "evaluations", "tokens", "time"):
        table.add_column(name, justify="left" if name == "cell" else "right")
    for one in found:
        spent = "complete" if one.complete else duration(one.seconds)
        table.add_row(one.cell.title, str(one.evaluations or "-"), f"{one.tokens:,}", spent)
    console = open_console()
    console.print(table)
    left = [one for one in found if not one.complete]
    console.print(
        f"{len(left)} of {len(found)} cells to run: {sum(one.evaluations for one in left):,} evaluations, "
        f"{sum(one.tokens for one in left):,} tokens, about "
        f"{duration(sum(one.seconds for one in left))} on this machine, cell after cell"
        f"{f'; not counted: {trials} trials of the search' if trials else ''}.",
        soft_wrap=True,
    )


def show_experiment(found: Published) -> None:
    """The table of an experiment, and where everything is."""
    table = Table(title=found.title)
    for name in found.table.header:
        table.add_column(name, justify="left" if name in ("country", "method") else "right")
    before = ""
    for country, *texts in found.table.lines:
        table.add_row("" if country == before else country, *texts)
        before = country
    console = open_console()
    console.print(table)
    for sentence in found.sentences:
        console.print(f"- {sentence}", soft_wrap=True)
    for what, path in (("report", found.report), ("results", found.results)):
        console.print(f"{what}: {path!s}", soft_wrap=True)


def show_profile(profile: Profile, instrument: Instrument, target: Country | None) -> None:
    """The six scores with intervals, the loss, the nearest countries."""
    table = Table(title=f"{profile.model} in {instrument.title}")
    table.add_column("dimension")
    table.add_column("score", justify="right")
    table.add_column("95% over forms", justify="right")
    if target is not None:
        table.add_column(target.name, justify="right")
    digits = (
        2 if max(high - low for low, high in (d.range for d in instrument.dimensions)) < 20 else 1
    )
    for dimension in instrument.dimensions:
        cells = [
            f"{dimension.name} ({dimension.key})",
            f"{profile.scores[dimension.key]:.{digits}f}",
            _interval(profile.intervals.get(dimension.key), digits),
        ]
        if target is not None:
            cells.append(_score(target.scores[dimension.key]))
        table.add_row(*cells)
    console = open_console()
    console.print(table)
    if target is not None and profile.loss is not None:
        console.print(
            f"loss to {target.name} ({target.table}): {profile.loss:.2f} "
            f"({_interval(profile.loss_interval, 2)}); "
            f"answering everything alike: {profile.constant_answer_loss:.2f}"
        )
    if profile.floor is not None:
        console.print(f"least loss with whole-number answers: {profile.floor:.2f}")
    if profile.nearest:
        near = ", ".join(f"{name} {loss:.{digits}f}" for name, loss in profile.nearest)
        console.print(f"nearest: {near}")
    mass = "" if profile.valid_mass is None else f"; valid mass {profile.valid_mass:.3f}"
    console.print(f"{profile.forms} forms, reading {profile.reading}{mass}")


def show_run(run: Run) -> None:
    """The result table of a run, and what to do next."""
    target = run.summary.target
    table = Table(title=f"Loss to {target.country} ({target.table})")
    for name in ("", "tuning forms", "held-out forms", "divergence", "perplexity"):
        table.add_column(name, justify="right" if name else "left")
    for row in run.summary.rows:
        table.add_row(
            row.label,
            _number(row.tuning and row.tuning.loss),
            _number(row.held_out and row.held_out.loss),
            _number(row.divergence),
            _number(row.perplexity, 1),
        )
    console = open_console()
    console.print(table)
    done = run.outcome
    console.print(f"{done.evaluations} evaluations in {done.seconds:.0f} s; {done.stop_reason}.")
    if done.violation:
        console.print(
            f"No candidate was within the divergence limit; the best is {done.violation:.2f} past it."
        )
    console.print(f"run: {run.directory!s}", soft_wrap=True)


def show_line(text: str) -> None:
    """A sentence on standard output."""
    open_console().print(text, soft_wrap=True)


def show_evaluation(found: RunEvaluation, sentences: Sequence[str]) -> None:
    """The losses of a run, asked in every way, with intervals over the forms, and what they say."""
    table = Table(title=f"{found.directory}: loss, asked in other ways")
    for name in ("", "untouched", "95%", "tuned", "95%"):
        table.add_column(name, justify="right" if name else "left")
    for row in found.parts["held_out"]["rows"]:
        cells = [row["label"]]
        for state in (row["naive"], row["tuned"]):
            cells += [_number(state["loss"]), _interval(state["interval"], 1)]
        table.add_row(*cells)
    open_console().print(table)
    for sentence in sentences:
        show_line(f"- {sentence}")


def show_examined(found: Examined, words: Callable[[Result], Sequence[str]]) -> None:
    """A table for each benchmark, every method with its interval and its test, and what it says."""
    for result in found.results:
        opinions = result.kind == "opinions"
        table = Table(title=f"{found.directory}: {result.title}, {result.questions} questions")
        score = "similarity" if opinions else "right"
        extra = "rank" if opinions else f"on {result.country}"
        for name in ("", score, "95%", extra, "tuned is ahead by", "95%", "p"):
            table.add_column(name, justify="right" if name else "left")
        for row in result.rows:
            rank = "-" if row.rank is None else f"{row.rank} of {row.ranked}"
            own = "-" if row.target is None else _share(row.target.score, opinions)
            change = result.against(row.method)
            table.add_row(
                row.method,
                _share(row.score, opinions),
                f"{_share(row.low, opinions)} to {_share(row.high, opinions)}",
                rank if opinions else own,
                "-" if change is None else _share(change.gain, opinions),
                "-"
                if change is None
                else f"{_share(change.low, opinions)} to {_share(change.high, opinions)}",
                "-" if change is None or change.p is None else f"{change.p:.3g}",
            )
        open_console().print(table)
        for sentence in words(result):
            show_line(f"- {sentence}")


def show_side_effects(directory: Path, found: SideEffects, sentences: Sequence[str]) -> None:
    """Divergence and perplexity on ordinary texts with intervals over them, and what they say."""
    table = Table(title=f"{directory}: ordinary text, 95% over texts")
    for name in ("", "divergence", "95%", "perplexity", "tuned", "ratio", "95%"):
        table.add_column(name, justify="right" if name else "left")
    for one in found.sets:
        table.add_row(
            one.label,
            _number(one.divergence.value),
            _interval(one.divergence.interval, 2),
            _number(one.naive.value, 1),
            _number(one.tuned.value, 1),
            _number(one.ratio.value),
            _interval(one.ratio.interval, 2),
        )
    open_console().print(table)
    for sentence in sentences:
        show_line(f"- {sentence}")


def show_related(
    found: Related, sentences: Sequence[str], text: Callable[[Coefficient | None], str]
) -> None:
    """Correlations of losses with scores, a table a benchmark, and what they say."""
    for one in found.benchmarks:
        table = Table(
            title=f"{one.name}, {one.questions} questions: loss with score, 95% over runs"
        )
        for name in ("loss", "score", "runs towards", "runs", "Spearman", "Pearson"):
            table.add_column(name, justify="left" if name in ("loss", "score") else "right")
        for each in one.relations:
            for group, own in (*each.groups.items(), ("all, pooled", each.pooled)):
                cells = (
                    (text(own.spearman), text(own.pearson)) if own.why is None else (own.why, "")
                )
                table.add_row(each.loss, each.score, group, str(own.runs), *cells)
        open_console().print(table)
    for sentence in sentences:
        show_line(f"- {sentence}")


def show_countries(table: CountryTable, countries: Sequence[Country]) -> None:
    """Countries and their scores; a missing score is a dash."""
    shown = Table(title=table.title, caption=f"{table.source}. {table.terms}")
    shown.add_column("country")
    shown.add_column("ISO")
    for key in table.dimensions:
        shown.add_column(key, justify="right")
    for country in countries:
        scores = [_score(country.scores.get(key)) for key in table.dimensions]
        shown.add_row(country.name, country.iso or "", *scores)
    open_console().print(shown)


def show_forms(forms: Sequence[Form]) -> None:
    """Forms as they are read, one after the other."""
    for form in forms:
        print(
            f"--- {form.item} wording {form.wording} frame {form.frame} {form.language} "
            f"{form.order} {form.split}\n{form.text}\n{form.cue}"
        )


def say(text: str, style: str = "") -> None:
    """A message on standard error, without line breaks of our own."""
    open_console(stderr=True).print(text, style=style, soft_wrap=True)


def open_console(stderr: bool = False) -> Console:
    """Names and files may hold anything: what looks like markup or an emoji code is shown as it is."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def duration(seconds: float) -> str:
    """Seconds for a reader."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _number(value: Any, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(value: float, plain: bool) -> str:
    """An accuracy as a percentage, or a similarity as it is."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.3f}" if plain else f"{100 * value:.1f}%"


def _score(value: float | None) -> str:
    """A published score: whole, or with two decimals where it is not."""
    return _number(value, 0 if value is not None and value.is_integer() else 2)


def _interval(pair: Sequence[float | None] | None, digits: int) -> str:
    if pair is None or pair[0] is None or pair[1] is None:
        return "no interval"
    return f"{pair[0]:.{digits}f} to {pair[1]:.{digits}f}"
