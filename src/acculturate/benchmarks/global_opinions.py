"""GlobalOpinionQA: survey questions, and how the people of many countries answered them.

E. Durmus et al. (2023), Towards Measuring the Representation of Subjective Global Opinions in Language
Models, arXiv 2306.16388; `Anthropic/llm_global_opinions` on the hub, CC-BY-NC-SA-4.0: not for commercial use.
In: a table with its columns. Out: an `OpinionSet`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from typing import Any, cast

from acculturate.benchmarks.questions import MOST_OPTIONS, Opinion, OpinionSet, Origin
from acculturate.benchmarks.tables import Row, Rows
from acculturate.errors import UsageError
from acculturate.survey import country_name

_SAMPLE = re.compile(r"\s*\([^()]*sample\)$", re.IGNORECASE)
_DEFAULT_DICT = re.compile(r"defaultdict\(<class '\w+'>,\s*(\{.*\})\)", re.DOTALL)
_BLANK = "questions without words or options"
_MANY = f"questions with more than {MOST_OPTIONS} options"
_UNFIT = "answers of a country that do not fit the options"
_NOBODY = "questions that no country answered"


def read_opinions(table: Rows, origin: Origin) -> OpinionSet:
    """Read questions with the shares of each country's answers.

    Columns: question; selections, a dictionary of country to shares as Python writes it, in a
    `defaultdict` or not; options, a list as Python writes it. What such a text holds is read as literals,
    never run. Samples of one country, such as "India (Current national sample)", are averaged. Rows that
    cannot be asked and answers that do not fit are left out and counted: the published file has some.

    Raises:
        UsageError: A column is missing, a text is no such dictionary or list, or nothing can be asked.
    """
    table.need("question", "selections", "options")
    left_out: Counter[str] = Counter()
    questions: list[Opinion] = []
    for row in table.rows:
        text = row.text("question", empty=True)
        options = row.options("options") if row.cells.get("options") else ()
        if not text or len(options) < 2 or not all(options):
            left_out[_BLANK] += 1
        elif len(options) > MOST_OPTIONS:
            left_out[_MANY] += 1
        else:
            shares, unfit = _shares(row, len(options))
            left_out.update({_UNFIT: unfit} if unfit else {})
            if shares:
                questions.append(Opinion(row.place, text, options, shares))
            else:
                left_out[_NOBODY] += 1
    if not questions:
        raise UsageError(
            f"{table.path} has no question that can be asked: {dict(left_out)}",
            "Check that this is the file you meant.",
        )
    return OpinionSet(origin, tuple(questions), dict(left_out))


def _shares(row: Row, options: int) -> tuple[dict[str, tuple[float, ...]], int]:
    """Return each country's shares, which sum to 1, and how many countries' do not fit."""
    samples: dict[str, list[list[float]]] = {}
    unfit = 0
    for name, values in _selections(row).items():
        shares = _numbers(values)
        if shares is None or len(shares) != options or min(shares) < 0 or sum(shares) <= 0:
            unfit += 1
            continue
        total = sum(shares)
        country = country_name(_SAMPLE.sub("", " ".join(name.split())))
        samples.setdefault(country, []).append([share / total for share in shares])
    return {
        country: tuple(math.fsum(column) / len(own) for column in zip(*own, strict=True))
        for country, own in samples.items()
    }, unfit


def _selections(row: Row) -> dict[str, object]:
    value = row.cells.get("selections")
    if isinstance(value, str) and (inside := _DEFAULT_DICT.fullmatch(value.strip())):
        row = replace(row, cells={**row.cells, "selections": inside[1]})
    value = row.literal("selections")
    if isinstance(value, dict):
        read = cast("dict[Any, object]", value)
        if all(isinstance(name, str) and name.strip() for name in read):
            # A table of nested columns has every country in every row, most of them null.
            return {name: shares for name, shares in read.items() if shares is not None}
    hint = "It has to be a dictionary of country to shares, as Python writes it."
    raise row.fault("selections", hint)


def _numbers(value: object) -> list[float] | None:
    numbers = cast("list[Any]", value) if isinstance(value, list | tuple) else []
    fine = (
        isinstance(n, int | float) and type(n) is not bool and math.isfinite(n) for n in numbers
    )
    return [float(n) for n in numbers] if numbers and all(fine) else None
