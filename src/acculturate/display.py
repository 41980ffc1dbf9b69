"""Tables on a terminal. Knows how things look, not how they are made."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from acculturate.formatting import (
    LEVEL,
    MISSING,
    digits_for,
    escaped,
    interval_text,
    loss_text,
    p_text,
    perplexity_text,
    seconds_text,
    share_text,
)
from acculturate.io import json_text
from acculturate.terminal_table import show_lines, show_table

if TYPE_CHECKING:
    from acculturate.benchmarks import Change, MethodScore, Result
    from acculturate.experiment import PlannedCell, Published
    from acculturate.metrics import Check, ModelComparison, Profile, SurveyScores
    from acculturate.metrics.attained import AttainedShift
    from acculturate.reporting.relate import Related
    from acculturate.runs import Run, RunRecords
    from acculturate.survey import Country, CountryTable, Form, Instrument


def show_cells(cells: Sequence[PlannedCell], trials: int) -> None:
    """Show the cells of an experiment with the work of each, and all together; trials are not counted."""
    rows = [
        (
            planned.cell.title,
            planned.evaluations or MISSING,
            planned.forms,
            "complete" if planned.complete else "to run",
        )
        for planned in cells
    ]
    left = [planned for planned in cells if not planned.complete]
    total = (
        f"{len(left)} of {len(cells)} cells to run: "
        f"{sum(planned.evaluations for planned in left):,} evaluations"
        f"{f'; not counted: {trials} trials of the search' if trials else ''}."
    )
    header = "cell", "evaluations", "forms in each", "state"
    show_table("Cells", header, rows, below=[total])


def show_experiment(published: Published) -> None:
    """Show the table of an experiment without its intervals, and where everything is."""
    rows = [
        ("" if country == before else country, method, *(text.partition(" [")[0] for text in texts))
        for (before, *_), (country, method, *texts) in pairwise([("", ""), *published.table.lines])
    ]
    intervals = f"with intervals: {published.report.with_name('table.md')!s}"
    files = f"report: {published.report!s}", f"results: {published.results!s}", intervals
    below = [*_listed(published.sentences), *files]
    show_table(published.title, published.table.header, rows, left=2, below=below)


def show_profile(profile: Profile, instrument: Instrument, target: Country | None) -> None:
    """Show content first, then the scores with intervals, the loss and the nearest countries."""
    digits = digits_for(end for dimension in instrument.dimensions for end in dimension.range)
    rows = [
        (
            f"{dimension.name} ({dimension.key})",
            *_estimate(profile.scores[dimension.key], profile.intervals.get(dimension.key), digits),
            *([loss_text(target.scores.get(dimension.key), digits)] if target else []),
        )
        for dimension in instrument.dimensions
    ]
    content = profile.content
    below: list[str] = []
    if content is not None:
        below.append(f"content {content.text}, of a single form {content.one_form:.2f}")
    if profile.responsiveness is not None:
        below.append(f"responsiveness {profile.responsiveness.text}")
    if target is not None and profile.loss is not None:
        loss, interval = _estimate(profile.loss, profile.loss_interval, digits)
        below.append(
            f"loss to {target.name} ({target.table}): {loss} ({interval}); "
            f"answering everything alike: {loss_text(profile.constant_answer_loss, digits)}"
        )
    if profile.floor is not None:
        below.append(f"least loss with whole-number answers: {loss_text(profile.floor, digits)}")
    # Of places and words no country is near, and the only one of a table always is.
    if len(profile.nearest) > 1 and (content is None or content.enough):
        near = (f"{name} {loss_text(loss, digits)}" for name, loss in profile.nearest)
        below.append(f"nearest: {', '.join(near)}")
    mass = "" if profile.valid_mass is None else f"; valid mass {share_text(profile.valid_mass)}"
    below.append(f"{profile.forms} forms, reading {profile.reading}{mass}")
    below += _listed(profile.warnings)
    header = ["dimension", "score", f"{LEVEL} over forms", *([target.name] if target else [])]
    warnings = [each.warning for each in (content, profile.responsiveness) if each is not None]
    show_lines(warning for warning in warnings if warning)
    if content is not None and not content.enough:
        show_lines(["Do not read the scores: `acculturate check` says which --labels to ask with."])
    told = "cannot be told" if content is None else f"{content.coefficient:.2f}"
    title = f"{profile.model} in {instrument.title}: content {told}"
    show_table(title, header, rows, below=below)


def show_model_comparison(compared: ModelComparison, instrument: Instrument) -> None:
    """Show the scores of two models, their differences with intervals, and the content of both."""
    rows = compared.rows(digits_for(e for d in instrument.dimensions for e in d.range))
    show_table(compared.title, compared.header, rows, below=_listed(compared.sentences))


def show_check(checked: Check) -> None:
    """Show the verdict, and content and responsiveness of every reading."""
    rows: list[tuple[str, ...]] = []
    below: list[str] = []
    for kind, reading in checked.readings.items():
        content, told = reading.content, reading.responsiveness
        share = (
            (MISSING, "") if content is None else _estimate(content.coefficient, content.interval)
        )
        fit = "yes" if reading.passed else "no"
        rows.append((kind, *share, *_estimate(told.value, told.interval), fit))
        below.append(
            f"{kind}: moves {share_text(told.own)} of a dimension's range where it is told to, "
            f"{share_text(told.others)} elsewhere"
        )
    header = ["labels", "content", LEVEL, "responsiveness", LEVEL, "fit"]
    below += [f"{kind}: cannot be asked, {reason}" for kind, reason in checked.refused.items()]
    show_lines([checked.sentence])
    show_table(f"{checked.model} in {checked.instrument}", header, rows, below=below)


def show_survey_scores(
    people: SurveyScores, instrument: Instrument, target: Country | None
) -> None:
    """Show the scores of every group with intervals, and the countries nearest to it."""
    digits = digits_for(end for dimension in instrument.dimensions for end in dimension.range)
    rows = [
        (
            "" if number else group.group,
            dimension.key,
            "" if number else group.respondents,
            *_estimate(group.scores[dimension.key], group.intervals.get(dimension.key), digits),
            *([loss_text(target.scores.get(dimension.key), digits)] if target else []),
        )
        for group in people.groups
        for number, dimension in enumerate(instrument.dimensions)
    ]
    below = [
        f"nearest to {group.group}: {', '.join(f'{n} {loss_text(x, digits)}' for n, x in group.nearest)}"
        for group in people.groups
        if len(group.nearest) > 1
    ]
    header = ("group", "dimension", "people", "score", f"{LEVEL} over people")
    published = (f"{target.name}, published",) if target else ()
    title = f"{people.file} in {instrument.title}"
    show_table(title, (*header, *published), rows, left=2, below=below)


def show_run(run: Run) -> None:
    """Show the result table of a run, its most important finding, and where it is."""
    from acculturate.reporting.findings import verdict
    from acculturate.runs import read_run

    done, (header, rows) = run.outcome, run.summary.texts()
    below = [f"{done.evaluations} evaluations in {seconds_text(done.seconds)}; {done.stop_reason}."]
    if done.violation:
        below.append(f"The soft prompt is past the limits of its search, by {done.violation:.2f}.")
    if done.more_budget:
        below.append(done.more_budget)
    if found := verdict(read_run(run.directory)):
        below.append(f"{found.head} {found.text}")
    below.append(f"run: {run.directory!s}")
    show_table(run.summary.title, header, rows, below=below)


def show_evaluation(run: RunRecords, results: Mapping[str, Any]) -> None:
    """Show what a finished run was just asked.

    Args:
        run: The run, with the results in its files.
        results: The same for JSON; parts that it lacks were asked earlier and are not shown.
    """
    from acculturate.reporting import checks_narrative

    if "held_out" in results:
        _show_held_out(run)
    if "fluency" in results:
        _show_side_effects(run)
    for result in run.checks.benchmarks:
        if result.benchmark in results.get("benchmarks", ()):
            _show_benchmark(run, result)
    refused = checks_narrative.refused(run)
    if refused and results["refused"]:
        show_lines(_listed(refused))


def _show_held_out(run: RunRecords) -> None:
    """Show losses and attained shift of a run, asked in every way, with intervals, and what they say."""
    from acculturate.reporting import checks_narrative

    rows: list[Sequence[str]] = []
    marks: set[str] = set()
    for row in run.checks.rows:
        losses, shift = (run.text(row.naive.loss), run.text(row.tuned.loss)), row.shift
        if shift is None:
            rows.append((row.label, *losses, *[MISSING] * 4))
            continue
        content = loss_text(shift.content and shift.content.coefficient, 2)
        attained = _estimate(shift.attained, shift.interval)
        mark = _mark(shift)
        marks.add(mark)
        rows.append(
            (row.label, *losses, *attained, loss_text(shift.correlation, 2), content + mark)
        )
    title = f"{run.path}: loss and attained shift by way of asking"
    header = "", "untouched", "tuned", "attained", LEVEL, "corr.", "content"
    caption = " ".join(text for mark, text in _NOTES.items() if mark in marks) or None
    below = _listed(checks_narrative.sentences(run))
    show_table(title, header, rows, caption=caption, below=below)


_NOTES = {
    "*": "* Not about the question, untouched: does not count.",
    "†": "† One wording an item: content is an upper bound, and intervals do not tell how much hangs on it.",
}


def _mark(shift: AttainedShift) -> str:
    """Return the sign beside the content of a row that needs a note."""
    if not shift.counts:
        return "*"
    return "†" if shift.content and shift.content.one_wording else ""


def _show_benchmark(run: RunRecords, result: Result) -> None:
    """Show every method's score in a benchmark with its interval and its test, and what they say."""
    from acculturate.reporting import benchmarks_narrative

    opinions = result.kind == "opinions"
    text = partial(loss_text, digits=3) if opinions else partial(share_text, digits=1)

    def span(part: MethodScore | Change | None) -> str:
        known = part is not None and math.isfinite(part.low + part.high)
        return f"{text(part.low)} to {text(part.high)}" if part and known else MISSING

    rows: list[Sequence[str]] = []
    for row in result.rows:
        rank = MISSING if row.rank is None else f"{row.rank} of {row.ranked}"
        in_country = rank if opinions else text(row.target and row.target.score)
        change = result.against(row.method)
        ahead = text(change and change.gain), span(change), p_text(change and change.p)
        rows.append((row.method, text(row.score), span(row), in_country, *ahead))
    scores = ("similarity", LEVEL, "rank") if opinions else ("right", LEVEL, f"on {result.country}")
    title = f"{run.path}: {result.title}, {result.questions} questions"
    header = "", *scores, "tuned is ahead by", LEVEL, "p"
    show_table(title, header, rows, below=_listed(benchmarks_narrative.sentences(result)))


def _show_side_effects(run: RunRecords) -> None:
    """Show divergence and perplexity on ordinary texts with intervals over them, and what they say."""
    from acculturate.reporting import side_effects_narrative

    effects = run.checks.side_effects
    if effects is None:
        return
    rows = [
        (
            texts.label,
            *_estimate(texts.divergence.value, texts.divergence.interval),
            perplexity_text(texts.naive.value),
            perplexity_text(texts.tuned.value),
            *_estimate(texts.ratio.value, texts.ratio.interval),
        )
        for texts in effects.sets
    ]
    header = "", "divergence", LEVEL, "perplexity", "tuned", "ratio", LEVEL
    below = _listed(side_effects_narrative.sentences(effects))
    show_table(f"{run.path}: ordinary text, {LEVEL} over texts", header, rows, below=below)


def show_related(related: Related) -> None:
    """Show correlations of losses with scores, a table for each benchmark, and what they say."""
    from acculturate.reporting import relate_narrative

    text = relate_narrative.coefficient_text
    for benchmark in related.benchmarks:
        rows: list[Sequence[object]] = []
        for relation in benchmark.relations:
            for group, found in (*relation.groups.items(), ("all, pooled", relation.pooled)):
                values = text(found.spearman), text(found.pearson)
                shown = (found.why, "") if found.why else values
                rows.append((relation.loss, relation.score, group, found.runs, *shown))
        asked = f"{benchmark.name}, {benchmark.questions} questions"
        title = f"{asked}: loss with score, {LEVEL} over runs"
        header = ("loss", "score", "runs towards", "runs", "Spearman", "Pearson")
        show_table(title, header, rows, left=2)
    show_lines(_listed(relate_narrative.sentences(related)))


def show_countries(table: CountryTable, countries: Sequence[Country]) -> None:
    """Show countries and their scores."""
    rows = [
        (
            country.name,
            country.iso or "",
            *map(_published, map(country.scores.get, table.dimensions)),
        )
        for country in countries
    ]
    caption = f"{table.source}. {table.terms}"
    show_table(table.title, ("country", "ISO", *table.dimensions), rows, left=2, caption=caption)


def show_forms(forms: Sequence[Form]) -> None:
    """Print forms as a model reads them, one after the other."""
    for form in forms:
        print(
            f"--- {form.item} wording {form.wording + 1} frame {form.frame} {form.language} "
            f"{form.order} {form.split}\n{form.text}\n{form.cue}"
        )


def print_result(as_json: bool, value: object, show: Callable[[], object]) -> None:
    """Print a result as JSON, in ASCII where the terminal takes nothing else, or show it to a reader."""
    if as_json:
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        print(escaped(json_text(value, ascii_only=not unicode)), end="")
    else:
        show()


def _published(score: float | None) -> str:
    """Return a published score: whole, or with two decimals where it is not."""
    return loss_text(score, 0 if score is not None and score.is_integer() else 2)


def _estimate(
    value: float | None, interval: Sequence[float | None] | None, digits: int = 2
) -> tuple[str, str]:
    return loss_text(value, digits), interval_text(interval, digits, "no interval")


def _listed(sentences: Iterable[str]) -> list[str]:
    return [f"- {sentence}" for sentence in sentences]
