"""A benchmark's result in plain sentences computed from its numbers.

In: a `Result`. Out: sentences and the lines of its tables, for the report and the terminal alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from acculturate.benchmarks import Change, MethodScore, Part, Result, Test
from acculturate.formatting import (
    LEVEL,
    MISSING,
    interval_text,
    loss_text,
    p_text,
    share_text,
    short,
)
from acculturate.survey import find_name

_SURE = 0.05
METHODS = {
    "naive": "Untouched",
    "persona": "Persona line",
    "in-context": "In-context: the scores in words",
    "tuned": "Tuned",
}
_similarity = partial(loss_text, digits=3)

Cell = tuple[str, str]
"""A score and its interval as they are shown; empty where there is none."""


@dataclass(frozen=True)
class Section:
    """A benchmark as a section of the report.

    Attributes:
        title: In full.
        meaning: The result in words.
        about: What was asked and how; the table's caption.
        terms: Where the questions are from and their licence, and what a reader must know.
        columns: Their names.
        methods: Cells of each method, in the order of the columns.
        countries: Number of questions, untouched and tuned score of each country.
    """

    title: str
    meaning: str
    about: str
    terms: str
    columns: tuple[str, ...]
    methods: Mapping[str, tuple[Cell, ...]]
    countries: Mapping[str, tuple[int, Cell, Cell]]


def section(result: Result) -> Section:
    """Return all that a section shows."""
    return Section(
        title=short(result.title),
        meaning=meaning(result),
        about=_about(result),
        terms=terms(result),
        columns=_columns(result),
        methods={
            METHODS.get(row.method, short(row.method)): _cells(row, result) for row in result.rows
        },
        countries=_countries(result),
    )


def sentences(result: Result) -> tuple[str, ...]:
    """Return the meaning of a benchmark's result, and its terms."""
    return meaning(result), terms(result)


def meaning(result: Result) -> str:
    """Say what the tuned model's score means beside the untouched one's."""
    naive, tuned, test = result.row("naive"), result.row("tuned"), result.against("naive")
    if naive is None or tuned is None or test is None:
        return f"{short(result.title)} was not asked of both models."
    if not math.isfinite(naive.score) or not math.isfinite(tuned.score):
        return "What it is worth here cannot be said: answers are not finite."
    if result.kind == "opinions":
        return _of_opinions(result, naive, tuned, test)
    return _of_questions(result, naive, tuned, test)


def terms(result: Result) -> str:
    """Say where the questions are from, their licence, and what else has to be known."""
    left = "; ".join(f"{short(why)}: {count}" for why, count in result.left_out.items())
    parts = [
        f"{short(result.title)}: {short(result.source, 120)}. Licence: {short(result.licence, 120)}.",
        short(result.note, 300),
        f"Left out: {left}." if left else "",
    ]
    return " ".join(part for part in parts if part)


def _of_questions(result: Result, naive: MethodScore, tuned: MethodScore, test: Test) -> str:
    country = short(result.country)
    if test.gained == test.lost == 0:
        text = f"The tuned model gets the same {share_text(tuned.score)} of the questions right as untouched."
    else:
        text = (
            f"The tuned model gets {share_text(tuned.score)} of the questions right instead of "
            f"{share_text(naive.score)} untouched: it gained {test.gained} and lost "
            f"{test.lost}, {_chance_words(test)}."
        )
    if result.chance is not None and naive.low <= result.chance <= naive.high:
        text += (
            f" Untouched it cannot be told from guessing, which gets {share_text(result.chance)}."
        )
    if tuned.target is None or naive.target is None or test.target is None:
        return f"{text} None of them is about {country}."
    return (
        f"{text} On the {tuned.target.questions} about {country} it is {share_text(tuned.target.score)} "
        f"instead of {share_text(naive.target.score)} (p {p_text(test.target.p)})."
    )


def _of_opinions(result: Result, naive: MethodScore, tuned: MethodScore, test: Test) -> str:
    country = short(result.country)
    if tuned.target is None:
        unknown = [short(name, 30) for name in tuned.by_country if find_name(name) is None]
        asked = f"Nobody from {country} was asked these questions."
        if unknown:
            asked = (
                f"Nobody who was asked these questions is known to be from {country}; in the data are names "
                f"that are no known country: {', '.join(unknown[:5])}{', ...' if unknown[5:] else ''}."
            )
        return (
            f"{asked} The mean similarity to the countries that were "
            f"is {_similarity(tuned.score)} instead of {_similarity(naive.score)} untouched."
        )
    moved = "nearer to" if test.gain > 0 else "farther from"
    if test.p is None:
        chance = "of a single question"
    elif test.p < _SURE:
        chance = "more than other questions would explain"
    else:
        chance = "which other questions could undo"
    known = math.isfinite(test.low + test.high)
    span = f" ({LEVEL}: {interval_text((test.low, test.high), 3)})" if known else ""
    return (
        f"Tuned, its opinions are {moved} those of people in {country}: a similarity of "
        f"{_similarity(tuned.score)} instead of {_similarity(naive.score)}, {chance}{span}. "
        f"{country} is number {tuned.rank} of {tuned.ranked} countries; untouched it was number "
        f"{naive.rank}."
    )


def _chance_words(change: Change) -> str:
    sure = change.p is not None and change.p < _SURE
    text = "more than chance would explain" if sure else "which can be chance"
    return f"{text} (p {p_text(change.p)})"


def _about(result: Result) -> str:
    opinions, tuned = result.kind == "opinions", result.row("tuned")
    target = tuned.target if opinions and tuned else None
    people = (
        f"people in {short(result.country)}" if target else "people in each country, their mean"
    )
    score = {
        "choice": "Share of questions whose right option is chosen",
        "judged": "Share of questions of which every judgement is right",
        "opinions": f"Similarity to the answers of {people}, 1 minus the "
        "Jensen-Shannon distance to base 2",
    }.get(result.kind, "Score")
    count = target.questions if target else result.questions
    read = "the option with the highest probability, "
    if result.how != "probability":
        read = "read from what the model writes, "
    order = "options in the file’s order"
    if result.orders:
        order = f"averaged over {result.orders} random option orders (seed {result.seed})"
    return (
        f"{score}: {count} questions, {'' if opinions else read}{order}. Small print: 95 % interval "
        f"({short(result.interval)}). p of the tuned model against each other method: {short(result.test)}."
    )


def _columns(result: Result) -> tuple[str, ...]:
    country = short(result.country, 30)
    if result.kind == "opinions":
        return "similarity", f"rank of {country}", "other countries", "p"
    single = ("single judgements",) if result.kind == "judged" else ()
    return "right", f"about {country}", "about others", *single, "no answer", "p"


def _cells(row: MethodScore, result: Result) -> tuple[Cell, ...]:
    test = result.against(row.method)
    p = "" if row.method == "tuned" else p_text(test.p if test else None), ""
    score = _cell(Part(row.score, row.low, row.high, result.questions), result)
    target, others = _cell(row.target, result), _cell(row.others, result)
    if result.kind == "opinions":
        rank = MISSING if row.rank is None else f"{row.rank} of {row.ranked}"
        return score, (rank, ""), others, p
    single = ((share_text(row.judgements), ""),) if result.kind == "judged" else ()
    return score, target, others, *single, (str(row.unanswered), ""), p


def _countries(result: Result) -> dict[str, tuple[int, Cell, Cell]]:
    naive, tuned = result.row("naive"), result.row("tuned")
    if naive is None or tuned is None:
        return {}
    return {
        short(name, 40): (
            part.questions,
            _cell(naive.by_country.get(name), result),
            _cell(part, result),
        )
        for name, part in tuned.by_country.items()
    }


def _cell(part: Part | None, result: Result) -> Cell:
    if part is None or not math.isfinite(part.score):
        return MISSING, ""
    text = _similarity if result.kind == "opinions" else share_text
    ends = f"{text(part.low)} to {text(part.high)}"
    return text(part.score), ends if math.isfinite(part.low + part.high) else ""
