"""Terminal tables and progress bars. Knows how things look, not how they are made."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Table

if TYPE_CHECKING:
    from acculturate.evaluation.measure import Profile
    from acculturate.survey.countries import Country, CountryTable
    from acculturate.survey.forms import Form
    from acculturate.survey.instrument import Instrument
    from acculturate.tuning.run import Run
    from acculturate.tuning.tune import Progress


@contextmanager
def step(what: str) -> Generator[Callable[[str], None]]:
    """A spinner with the time spent, while something slow of unknown length happens."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: print(text, file=sys.stderr, flush=True)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what)
        yield lambda text: bar.update(task, description=escape(text))


@contextmanager
def progress_bar(budget: int) -> Generator[Callable[[Progress], None]]:
    """A bar over the budget with the best loss; plain lines where there is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda at: print(_progress_line(at), file=sys.stderr, flush=True)
        return
    columns = (
        TextColumn("tuning"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("best loss {task.fields[best]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("tuning", total=budget, best="-")

        def show(at: Progress) -> None:
            over = f" ({at.best_excess:.2f} past the limit)" if at.best_excess else ""
            bar.update(task, completed=at.evaluations, best=f"{at.best_loss:.2f}{over}")

        yield show


def show_profile(profile: Profile, instrument: Instrument, target: Country | None) -> None:
    """The six scores with intervals, the loss, the nearest countries."""
    table = Table(title=f"{escape(profile.model)} in {escape(instrument.title)}")
    table.add_column("dimension")
    table.add_column("score", justify="right")
    table.add_column("95% over forms", justify="right")
    if target is not None:
        table.add_column(escape(target.name), justify="right")
    for dimension in instrument.dimensions:
        low, high = profile.intervals[dimension.key]
        cells = [
            f"{escape(dimension.name)} ({dimension.key})",
            f"{profile.scores[dimension.key]:.1f}",
            f"{low:.1f} to {high:.1f}",
        ]
        if target is not None:
            cells.append(f"{target.scores[dimension.key]:.0f}")
        table.add_row(*cells)
    console = Console()
    console.print(table)
    if profile.loss is not None and profile.loss_interval is not None:
        low, high = profile.loss_interval
        console.print(
            f"loss to {escape(str(profile.country))} ({profile.table}): {profile.loss:.2f} "
            f"({low:.2f} to {high:.2f}); answering everything alike: {profile.constant_answer_loss:.2f}",
            highlight=False,
        )
    if profile.floor is not None:
        console.print(f"least loss with whole-number answers: {profile.floor:.2f}", highlight=False)
    if profile.nearest:
        near = ", ".join(f"{escape(name)} {loss:.1f}" for name, loss in profile.nearest)
        console.print(f"nearest: {near}", highlight=False)
    mass = "" if profile.valid_mass is None else f"; valid mass {profile.valid_mass:.3f}"
    console.print(f"{profile.forms} forms, reading {profile.reading}{mass}", highlight=False)


def show_run(run: Run) -> None:
    """The result table of a run, and what to do next."""
    country = escape(run.summary["target"]["country"])
    table = Table(title=f"Loss to {country} ({escape(run.summary['target']['table'])})")
    for name in ("", "tuning forms", "held-out forms", "divergence", "perplexity"):
        table.add_column(name, justify="right" if name else "left")
    for row in run.summary["rows"]:
        table.add_row(
            escape(row["label"]),
            _number(row["tuning"]["loss"]),
            _number(row["held_out"]["loss"]),
            _number(row["divergence"]),
            _number(row["perplexity"], 1),
        )
    console = Console()
    console.print(table)
    done = run.outcome
    console.print(
        f"{done['evaluations']} evaluations in {done['seconds']:.0f} s; {done['stop_reason']}.",
        highlight=False,
    )
    console.print(f"run: {escape(str(run.directory))}", highlight=False, soft_wrap=True)


def show_countries(table: CountryTable, countries: Sequence[Country]) -> None:
    """Countries and their scores; a missing score is a dash."""
    shown = Table(title=escape(table.title), caption=escape(f"{table.source}. {table.terms}"))
    shown.add_column("country")
    shown.add_column("ISO")
    for key in table.dimensions:
        shown.add_column(key, justify="right")
    for country in countries:
        scores = [_number(country.scores.get(key), 0) for key in table.dimensions]
        shown.add_row(escape(country.name), country.iso or "", *scores)
    Console().print(shown)


def show_forms(forms: Sequence[Form]) -> None:
    """Forms as they are read, one after the other."""
    for form in forms:
        print(
            f"--- {form.item} wording {form.wording} frame {form.frame} {form.language} "
            f"{form.order} {form.split}\n{form.text}\n{form.cue}"
        )


def _progress_line(at: Progress) -> str:
    over = f", {at.best_excess:.2f} past the limit" if at.best_excess else ""
    return f"{at.evaluations}/{at.budget} evaluations, best loss {at.best_loss:.2f}{over}, {at.seconds:.0f} s"


def _number(value: Any, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
