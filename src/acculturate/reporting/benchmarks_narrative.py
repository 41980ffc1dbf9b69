"""What a benchmark says, in plain sentences computed from its numbers.

In: a `Result`. Out: sentences and the lines of its tables, for the report and the terminal alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from acculturate.benchmarks.result import Change, MethodScore, Part, Result, Test
from acculturate.formatting import LEVEL, MISSING, loss_text, share_text, short

_SURE = 0.05
METHODS = {
    "naive": "Untouched",
    "persona": "Persona line",
    "in-context": "In-context: the scores in words",
    "tuned": "Tuned",
}


@dataclass(frozen=True)
class Cell:
    """A score as it is shown.

    Attributes:
        value: The score.
        span: Its interval; empty where there is none.
    """

    value: str
    span: str = ""


@dataclass(frozen=True)
class Line:
    """A method in the table of a benchmark.

    Attributes:
        name: Of the method.
        tuned: Whether it is the tuned model.
        cells: In the order of `Section.columns`.
    """

    name: str
    tuned: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Section:
    """A benchmark as a section of the report.

    Attributes:
        title: In full.
        meaning: What it says.
        about: What was asked and how; the table's caption.
        terms: Where the questions are from and their licence, and what a reader must know.
        columns: Their names.
        lines: One a method.
        countries: Name, number of questions, untouched and tuned score of each country.
    """

    title: str
    meaning: str
    about: str
    terms: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    countries: tuple[tuple[str, int, Cell, Cell], ...]


def section(result: Result) -> Section:
    """All that a section shows."""
    return Section(
        title=short(result.title),
        meaning=meaning(result),
        about=_about(result),
        terms=terms(result),
        columns=_columns(result),
        lines=tuple(_line(row, result) for row in result.rows),
        countries=_countries(result),
    )


def sentences(result: Result) -> tuple[str, ...]:
    """What a benchmark says, and its terms."""
    return meaning(result), terms(result)


def meaning(result: Result) -> str:
    """What the tuned model's score means beside the untouched one's."""
    naive, tuned, test = result.row("naive"), result.row("tuned"), result.against("naive")
    if naive is None or tuned is None or test is None:
        return f"{short(result.title)} was not asked of both models."
    if not math.isfinite(naive.score) or not math.isfinite(tuned.score):
        return "What it is worth here cannot be said: answers are not finite."
    if result.kind == "opinions":
        return _of_opinions(result, naive, tuned, test)
    return _of_questions(result, naive, tuned, test)


def terms(result: Result) -> str:
    """Where the questions are from, their licence, and what else has to be known."""
    left = "; ".join(f"{short(why)}: {count}" for why, count in result.left_out.items())
    said = [
        f"{short(result.title)}: {short(result.source, 120)}. Licence: {short(result.licence, 120)}.",
        short(result.note, 300),
        f"Left out: {left}." if left else "",
    ]
    return " ".join(part for part in said if part)


def p_text(value: float | None) -> str:
    """A p-value."""
    if value is None:
        return MISSING
    return "under 0.001" if value < 0.001 else f"{value:.3f}"


def _of_questions(result: Result, naive: MethodScore, tuned: MethodScore, test: Test) -> str:
    change, country = test, short(result.country)
    if change.gained == change.lost == 0:
        said = f"The tuned model gets the same {share_text(tuned.score)} of the questions right as untouched."
    else:
        said = (
            f"The tuned model gets {share_text(tuned.score)} of the questions right instead of "
            f"{share_text(naive.score)} untouched: it gained {change.gained} and lost "
            f"{change.lost}, {_chance_words(change)}."
        )
    if result.chance is not None and naive.low <= result.chance <= naive.high:
        said += (
            f" Untouched it cannot be told from guessing, which gets {share_text(result.chance)}."
        )
    if tuned.target is None or naive.target is None or test.target is None:
        return f"{said} None of them is about {country}."
    return (
        f"{said} On the {tuned.target.questions} about {country} it is {share_text(tuned.target.score)} "
        f"instead of {share_text(naive.target.score)} (p {p_text(test.target.p)})."
    )


def _of_opinions(result: Result, naive: MethodScore, tuned: MethodScore, test: Test) -> str:
    country, change = short(result.country), test
    if tuned.target is None:
        return (
            f"Nobody from {country} was asked these questions. The mean similarity to the countries that were "
            f"is {_plain(tuned.score)} instead of {_plain(naive.score)} untouched."
        )
    moved = "nearer to" if change.gain > 0 else "farther from"
    span = f"{LEVEL}: {loss_text(change.low, 3)} to {loss_text(change.high, 3)}"
    sure = change.p is not None and change.p < _SURE
    certain = (
        "more than other questions would explain" if sure else "which other questions could undo"
    )
    return (
        f"Tuned, its opinions are {moved} those of people in {country}: a similarity of "
        f"{_plain(tuned.score)} instead of {_plain(naive.score)}, {certain} ({span}). {country} is number "
        f"{tuned.rank} of {tuned.ranked} countries; untouched it was number {naive.rank}."
    )


def _chance_words(change: Change) -> str:
    sure = change.p is not None and change.p < _SURE
    said = "more than chance would explain" if sure else "which can be chance"
    return f"{said} (p {p_text(change.p)})"


def _about(result: Result) -> str:
    opinions = result.kind == "opinions"
    what = {
        "choice": "Share of questions whose right option is chosen",
        "judged": "Share of questions of which every judgement is right",
        "opinions": f"Similarity to the answers of people in {short(result.country)}, 1 minus the "
        "Jensen-Shannon distance to base 2",
    }.get(result.kind, "Score")
    read = (
        "the option with the highest probability"
        if result.how == "probability"
        else "read from what the model writes"
    )
    order = (
        "options in the file’s order"
        if result.orders == 0
        else f"averaged over {result.orders} random option orders (seed {result.seed})"
    )
    read = "" if opinions else f"{read}, "
    return (
        f"{what}: {result.questions} questions, {read}{order}. Small print: 95 % interval "
        f"({short(result.interval)}). p of the tuned model against each other method: {short(result.test)}."
    )


def _columns(result: Result) -> tuple[str, ...]:
    country = short(result.country, 30)
    if result.kind == "opinions":
        return "similarity", f"rank of {country}", "other countries", "p"
    single = ("single judgements",) if result.kind == "judged" else ()
    return "right", f"about {country}", "about others", *single, "no answer", "p"


def _line(row: MethodScore, result: Result) -> Line:
    test = result.against(row.method)
    p = Cell("" if row.method == "tuned" else p_text(test.p if test else None))
    score = _cell(Part(row.score, row.low, row.high, result.questions), result)
    others = _cell(row.others, result)
    if result.kind == "opinions":
        rank = Cell(MISSING if row.rank is None else f"{row.rank} of {row.ranked}")
        cells = score, rank, others, p
    else:
        single = (Cell(share_text(row.judgements)),) if result.kind == "judged" else ()
        cells = score, _cell(row.target, result), others, *single, Cell(str(row.unanswered)), p
    return Line(METHODS.get(row.method, short(row.method)), row.method == "tuned", cells)


def _countries(result: Result) -> tuple[tuple[str, int, Cell, Cell], ...]:
    naive, tuned = result.row("naive"), result.row("tuned")
    if naive is None or tuned is None:
        return ()
    return tuple(
        (
            short(name, 40),
            part.questions,
            _cell(naive.by_country.get(name), result),
            _cell(part, result),
        )
        for name, part in tuned.by_country.items()
    )


def _cell(part: Part | None, result: Result) -> Cell:
    if part is None or not math.isfinite(part.score):
        return Cell(MISSING)
    text = _plain if result.kind == "opinions" else share_text
    if not (math.isfinite(part.low) and math.isfinite(part.high)):
        return Cell(text(part.score))
    return Cell(text(part.score), f"{text(part.low)} to {text(part.high)}")


def _plain(value: float) -> str:
    return loss_text(value, 3)
