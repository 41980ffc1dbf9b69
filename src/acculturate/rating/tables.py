"""Tables on judgements, whose cells a page and a terminal share.

In: `Results`. Out: tables as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from acculturate.formatting import LEVEL, MISSING, loss_text, share_text, short
from acculturate.metrics.ratings import Wins
from acculturate.metrics.statistics import Quantity
from acculturate.rating.folder import AGAIN
from acculturate.rating.narrative import ends_text, label
from acculturate.rating.statistics import Results

Cell = tuple[str, str]
"""A value, and small print below it."""

_ASPECTS = {"typical": "more typical", "better": "better written"}
_WINS = f"""Share of judgements that the first of two ways of answering wins; a tie is half a win. Small
print: {LEVEL} interval, raters and questions drawn anew. Needed: judgements that would show a difference of
POINTS points from one half in four of five studies like this one."""
_STRENGTHS = f"""Bradley-Terry strengths with ties (Davidson 1970; Newman 2023), all comparisons together, as
log-odds of a win over the untouched model, whose own is 0. Small print: {LEVEL} interval. Marked: share of the
answers that raters found stereotyped or offensive."""
_AGREEMENT = """Raw: share of two raters’ judgements of the same pair that are the same, a tie being one of
three answers. Alpha: Krippendorff’s, nominal; 0 is chance. With itself: pairs that one rater saw twice, sides
swapped."""
_RATERS = """Side bias: left choices of what is more typical less right ones, as a share of both; 1 is always
left."""


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        title: Its title.
        caption: How to read it.
        header: Names of the columns.
        rows: Its cells; the first of a row names it.
    """

    title: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def tables_of(results: Results, country: str) -> tuple[Table, ...]:
    """Return all tables."""
    return _wins(results, country), _strengths(results), _agreement(results), _raters(results)


def _wins(results: Results, country: str) -> Table:
    header = (
        "",
        f"more typical of {short(country, 30)}",
        "better written",
        "ties",
        "judged",
        "needed",
    )
    rows = tuple(
        (
            (label(wins.variant), f"against {_against(wins)}"),
            _share(wins.typical),
            _share(wins.better),
            (share_text(wins.ties), ""),
            (str(wins.judgements), ""),
            (MISSING if wins.needed is None else f"{wins.needed:,}", ""),
        )
        for wins in (*results.wins, *([results.floor] if results.floor else []))
    )
    caption = _WINS.replace("POINTS", str(round(100 * results.difference)))
    return _table("Shares of wins", caption, header, rows)


def _strengths(results: Results) -> Table:
    rows = tuple(
        ((label(name), ""), *_strength_cells(results, name), _share(results.marked.get(name)))
        for name in results.variants
    )
    return _table("Strengths", _STRENGTHS, ("", *_ASPECTS.values(), "marked"), rows)


def _agreement(results: Results) -> Table:
    rows = tuple(
        (
            (_ASPECTS[found.aspect], ""),
            (share_text(found.raw), f"{found.pairs} pairs"),
            (loss_text(found.alpha, 2), ""),
            (share_text(found.self_raw), f"{found.self_pairs} pairs"),
        )
        for found in results.agreement
    )
    return _table("Agreement", _AGREEMENT, ("", "raw", "alpha", "with itself"), rows)


def _raters(results: Results) -> Table:
    rows = tuple(
        (
            (rater.rater, ""),
            (str(rater.judgements), ""),
            (loss_text(rater.side_bias, 2), ""),
            (share_text(rater.ties), ""),
        )
        for rater in results.raters
    )
    return _table("Raters", _RATERS, ("", "judged", "side bias", "ties"), rows)


def _table(
    title: str, caption: str, header: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...]
) -> Table:
    return Table(title, caption.replace("\n", " "), header, rows)


def _against(wins: Wins) -> str:
    return "itself" if wins.variant == AGAIN else label(wins.against)


def _share(quantity: Quantity | None) -> Cell:
    return (
        (MISSING, "")
        if quantity is None
        else (share_text(quantity.value), ends_text(quantity, 100, 0))
    )


def _strength_cells(results: Results, name: str) -> Iterator[Cell]:
    for strength in results.strengths:
        found = None if strength.log_odds is None else strength.log_odds[name]
        yield (
            (MISSING, "") if found is None else (loss_text(found.value, 2), ends_text(found, 1, 2))
        )
