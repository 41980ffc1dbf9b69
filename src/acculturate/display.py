"""Terminal tables and messages. Knows how things look, not how they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from acculturate.formatting import (
    MISSING,
    divergence_text,
    interval_text,
    loss_text,
    p_text,
    perplexity_text,
    seconds_text,
    share_text,
)

if TYPE_CHECKING:
    from pathlib import Path

    from acculturate.benchmarks import Result
    from acculturate.evaluation.examine import Examined
    from acculturate.experiment import Estimate, Published
    from acculturate.metrics import Quantity
    from acculturate.metrics.measure import Profile
    from acculturate.metrics.side_effects import SideEffects
    from acculturate.reporting.relate import Related
    from acculturate.runs import Run, RunRecords
    from acculturate.survey.countries import Country, CountryTable
    from acculturate.survey.forms import Form
    from acculturate.survey.instrument import Instrument


def show_estimates(found: Sequence[Estimate], trials: int) -> None:
    """Show the cells of an experiment with the work of each, and all together; trials are not counted."""
    rows = [
        (
            one.cell.title,
            str(one.evaluations or MISSING),
            f"{one.tokens:,}",
            "complete" if one.complete else seconds_text(one.seconds),
        )
        for one in found
    ]
    _show_table("Cells", ("cell", "evaluations", "tokens", "time"), rows, left=1)
    left = [one for one in found if not one.complete]
    show_line(
        f"{len(left)} of {len(found)} cells to run: {sum(one.evaluations for one in left):,} evaluations, "
        f"{sum(one.tokens for one in left):,} tokens, about "
        f"{seconds_text(sum(one.seconds for one in left))} on this machine, cell after cell"
        f"{f'; not counted: {trials} trials of the search' if trials else ''}."
    )


def show_experiment(found: Published) -> None:
    """Show the table of an experiment, and where everything is."""
    rows: list[Sequence[str]] = []
    before = ""
    for country, *texts in found.table.lines:
        rows.append(("" if country == before else country, *texts))
        before = country
    left = sum(name in ("country", "method") for name in found.table.header)
    _show_table(found.title, found.table.header, rows, left)
    _show_findings(found.sentences)
    show_line(f"report: {found.report!s}")
    show_line(f"results: {found.results!s}")


def show_profile(profile: Profile, instrument: Instrument, target: Country | None) -> None:
    """Show the scores with intervals, the loss, the nearest countries."""
    digits = 2 if max(d.range[1] - d.range[0] for d in instrument.dimensions) < 20 else 1
    rows = [
        (
            f"{dimension.name} ({dimension.key})",
            loss_text(profile.scores[dimension.key], digits),
            _span(profile.intervals.get(dimension.key), digits),
            *([_published(target.scores[dimension.key])] if target else []),
        )
        for dimension in instrument.dimensions
    ]
    columns = "dimension", "score", "95% over forms", *([target.name] if target else [])
    _show_table(f"{profile.model} in {instrument.title}", columns, rows, left=1)
    if target is not None and profile.loss is not None:
        show_line(
            f"loss to {target.name} ({target.table}): {loss_text(profile.loss, 2)} "
            f"({_span(profile.loss_interval, 2)}); "
            f"answering everything alike: {loss_text(profile.constant_answer_loss, 2)}"
        )
    if profile.floor is not None:
        show_line(f"least loss with whole-number answers: {loss_text(profile.floor, 2)}")
    if profile.nearest:
        near = ", ".join(f"{name} {loss_text(loss, digits)}" for name, loss in profile.nearest)
        show_line(f"nearest: {near}")
    mass = "" if profile.valid_mass is None else f"; valid mass {profile.valid_mass:.3f}"
    show_line(f"{profile.forms} forms, reading {profile.reading}{mass}")


def show_run(run: Run) -> None:
    """Show the result table of a run, and what to do next."""
    target, done = run.summary.target, run.outcome
    rows = [
        (
            row.label,
            loss_text(row.tuning and row.tuning.loss, 2),
            loss_text(row.held_out and row.held_out.loss, 2),
            divergence_text(row.divergence),
            perplexity_text(row.perplexity),
        )
        for row in run.summary.rows
    ]
    columns = "", "tuning forms", "held-out forms", "divergence", "perplexity"
    _show_table(f"Loss to {target.country} ({target.table})", columns, rows, left=1)
    show_line(f"{done.evaluations} evaluations in {done.seconds:.0f} s; {done.stop_reason}.")
    if done.violation:
        show_line(
            f"No candidate was within the divergence limit; the best is {done.violation:.2f} past it."
        )
    show_line(f"run: {run.directory!s}")


def show_line(text: str) -> None:
    """Print a sentence on standard output."""
    open_console().print(text, soft_wrap=True)


def show_evaluation(run: RunRecords, sentences: Sequence[str]) -> None:
    """Show the losses of a run, asked in every way, with intervals over the forms, and what they say."""
    rows = [
        (
            row.label,
            loss_text(row.naive.loss, 2),
            _span(row.naive.interval, 1),
            loss_text(row.tuned.loss, 2),
            _span(row.tuned.interval, 1),
        )
        for row in run.checks.rows
    ]
    columns = "", "untouched", "95%", "tuned", "95%"
    _show_table(f"{run.path}: loss, asked in other ways", columns, rows, left=1)
    _show_findings(sentences)


def show_examined(found: Examined, sentences: Callable[[Result], Sequence[str]]) -> None:
    """Show each benchmark, every method with its interval and its test, and what it says."""
    for result in found.results:
        opinions = result.kind == "opinions"
        text = partial(loss_text, digits=3) if opinions else partial(share_text, digits=1)
        score, extra = ("similarity", "rank") if opinions else ("right", f"on {result.country}")
        rows: list[Sequence[str]] = []
        for row in result.rows:
            rank = MISSING if row.rank is None else f"{row.rank} of {row.ranked}"
            change = result.against(row.method)
            rows.append(
                (
                    row.method,
                    text(row.score),
                    f"{text(row.low)} to {text(row.high)}",
                    rank if opinions else text(row.target and row.target.score),
                    text(change and change.gain),
                    f"{text(change.low)} to {text(change.high)}" if change else MISSING,
                    p_text(change and change.p),
                )
            )
        title = f"{found.directory}: {result.title}, {result.questions} questions"
        columns = "", score, "95%", extra, "tuned is ahead by", "95%", "p"
        _show_table(title, columns, rows, left=1)
        _show_findings(sentences(result))


def show_side_effects(directory: Path, found: SideEffects, sentences: Sequence[str]) -> None:
    """Show divergence and perplexity on ordinary texts with intervals over them, and what they say."""

    def both(quantity: Quantity) -> tuple[str, str]:
        return loss_text(quantity.value, 2), _span(quantity.interval, 2)

    rows = [
        (
            texts.label,
            *both(texts.divergence),
            perplexity_text(texts.naive.value),
            perplexity_text(texts.tuned.value),
            *both(texts.ratio),
        )
        for texts in found.sets
    ]
    columns = "", "divergence", "95%", "perplexity", "tuned", "ratio", "95%"
    _show_table(f"{directory}: ordinary text, 95% over texts", columns, rows, left=1)
    _show_findings(sentences)


def show_related(
    found: Related, sentences: Sequence[str], text: Callable[[Quantity | None], str]
) -> None:
    """Show correlations of losses with scores, a table a benchmark, and what they say."""
    for benchmark in found.benchmarks:
        rows: list[Sequence[str]] = []
        for relation in benchmark.relations:
            for group, one in (*relation.groups.items(), ("all, pooled", relation.pooled)):
                cells = (one.why, "") if one.why else (text(one.spearman), text(one.pearson))
                rows.append((relation.loss, relation.score, group, str(one.runs), *cells))
        title = f"{benchmark.name}, {benchmark.questions} questions: loss with score, 95% over runs"
        columns = "loss", "score", "runs towards", "runs", "Spearman", "Pearson"
        _show_table(title, columns, rows, left=2)
    _show_findings(sentences)


def show_countries(table: CountryTable, countries: Sequence[Country]) -> None:
    """Show countries and their scores; a missing score is a dash."""
    rows = [
        (
            country.name,
            country.iso or "",
            *(_published(country.scores.get(key)) for key in table.dimensions),
        )
        for country in countries
    ]
    caption = f"{table.source}. {table.terms}"
    _show_table(table.title, ("country", "ISO", *table.dimensions), rows, left=2, caption=caption)


def show_forms(forms: Sequence[Form]) -> None:
    """Print forms as they are read, one after the other."""
    for form in forms:
        print(
            f"--- {form.item} wording {form.wording} frame {form.frame} {form.language} "
            f"{form.order} {form.split}\n{form.text}\n{form.cue}"
        )


def say(text: str, style: str = "") -> None:
    """Print a message on standard error, without line breaks of our own."""
    open_console(stderr=True).print(text, style=style, soft_wrap=True)


def open_console(stderr: bool = False) -> Console:
    """Return a console that shows as it is what looks like markup or an emoji code."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def _show_table(
    title: str,
    columns: Iterable[str],
    rows: Iterable[Sequence[str]],
    left: int,
    caption: str | None = None,
) -> None:
    """Print a table whose first columns, as many as `left`, stand to the left."""
    table = Table(title=title, caption=caption)
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number < left else "right")
    for row in rows:
        table.add_row(*row)
    open_console().print(table)


def _show_findings(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        show_line(f"- {sentence}")


def _published(score: float | None) -> str:
    """Return a published score: whole, or with two decimals where it is not."""
    return loss_text(score, 0 if score is not None and score.is_integer() else 2)


def _span(ends: tuple[float, float] | None, digits: int) -> str:
    return interval_text(ends, digits, "no interval")
