"""The paper's table and those of other ways of asking, country x method, as data and as escaped text.

In: measured cells. Out: lines with a mean over seeds and its interval; Markdown and LaTeX.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from acculturate.experiment.results import Measured, grouped, place_names
from acculturate.formatting import MISSING, divergence_text, loss_text
from acculturate.metrics import Interval, State, bootstrap_means, interval_of
from acculturate.metrics.held_out import HEADLINE
from acculturate.tables import latex_table, latex_text

_SAMPLES = 1000
_SURVEY_DIGITS = 2


@dataclass(frozen=True)
class Value:
    """A number with its 95% interval.

    Attributes:
        value: A mean over seeds, or the single number; None where it was not measured.
        interval: Over seeds; of a baseline, over forms. None where there is none.
        digits: Decimals to show.
        unit: Unit to show behind the number.
    """

    value: float | None
    interval: Interval | None = None
    digits: int = 1
    unit: str = ""

    @property
    def text(self) -> str:
        """The number and its interval in brackets."""
        ends = [loss_text(end, self.digits) for end in self.interval or ()]
        return loss_text(self.value, self.digits) + (f" [{', '.join(ends)}]" if ends else "")


@dataclass(frozen=True)
class Line:
    """A method towards a country.

    Attributes:
        place: The country, with its table where there are several.
        method: Label of the method, with its model where there are several.
        seeds: Number of seeds; 0 where nothing is random.
        tuning: Loss on the tuning forms.
        held_out: Loss on forms that no search saw.
        content: Content coefficient of the answers to these.
        divergence: Divergence on ordinary text [nats per token].
        tokens: Tokens in front of a question.
        shifts: Attained shift on the held-out forms, its correlation with the wanted one, and the carry-over,
            where they count.
        benchmarks: Right answers in percent, or similarities of opinions, in the order of
            `PaperTable.benchmarks`.
        members: Its cells, one a seed.
        best: Whether its held-out loss is the country's smallest.
    """

    place: str
    method: str
    seeds: int
    tuning: Value
    held_out: Value
    content: Value
    divergence: Value
    tokens: Value
    shifts: tuple[Value, ...]
    benchmarks: tuple[Value, ...]
    members: tuple[Measured, ...]
    best: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """The line as text, in the order of the header."""
        return (
            self.place,
            self.method,
            str(self.seeds) if self.seeds else MISSING,
            self.tuning.text,
            self.held_out.text,
            self.content.text,
            divergence_text(self.divergence.value),
            *(value.text for value in (self.tokens, *self.shifts, *self.benchmarks)),
        )


@dataclass(frozen=True)
class PaperTable:
    """All lines, country by country.

    Attributes:
        shifts: Names of the columns of `Line.shifts`; none where no cell was asked for them.
        benchmarks: Keys of the benchmarks.
        lines: The lines.
    """

    shifts: tuple[str, ...]
    benchmarks: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def groups(self) -> dict[str, list[Line]]:
        """The lines of each country."""
        return grouped(self.lines, lambda line: line.place)

    @property
    def text(self) -> TextTable:
        """The table as text."""
        losses = ("loss, tuning forms", "loss, held-out forms", "content", "divergence")
        return TextTable(
            (
                "country",
                "method",
                "seeds",
                *losses,
                "tokens in front",
                *self.shifts,
                *self.benchmarks,
            ),
            tuple(line.texts for line in self.lines),
            frozenset(line.texts for line in self.lines if line.best),
        )


@dataclass(frozen=True)
class TextTable:
    """A table as text: country, method, then the other columns of its header.

    Attributes:
        header: Names of the columns.
        lines: Its lines, country by country.
        bold: Those of the lines whose held-out loss is the country's smallest.
    """

    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    bold: frozenset[tuple[str, ...]] = frozenset()

    @property
    def groups(self) -> dict[str, list[tuple[str, ...]]]:
        """The lines of each country."""
        return grouped(self.lines, lambda line: line[0])


def paper_table(measured: Sequence[Measured]) -> PaperTable:
    """Return the table of some measured cells, in their order."""
    benchmarks = tuple(dict.fromkeys(key for cell in measured for key in cell.benchmarks))
    names = place_names(cell.cell for cell in measured)
    shifted = any(row.shift for cell in measured for row in cell.checks.rows)
    shifts = ("attained, held-out forms", "correlation", "carry-over") if shifted else ()
    lines: list[Line] = []
    for place, here in grouped(measured, lambda cell: cell.cell.place).items():
        own = [
            _line(names[place], members, shifted, benchmarks)
            for cells in grouped(here, lambda cell: cell.cell.method).values()
            for members in grouped(cells, lambda cell: cell.cell.name).values()
        ]
        losses = [line.held_out.value for line in own if line.held_out.value is not None]
        least = min(losses, default=None)
        lines += [replace(line, best=line.held_out.value == least is not None) for line in own]
    return PaperTable(shifts, benchmarks, tuple(lines))


def _line(
    place: str, members: Sequence[Measured], shifted: bool, benchmarks: Sequence[str]
) -> Line:
    first = members[0]
    loss_digits = first.evaluation.digits

    def value(
        numbers: Iterable[float | None],
        interval: Interval | None = None,
        digits: int = loss_digits,
    ) -> Value:
        known = [number for number in numbers if number is not None]
        if first.cell.seed is None:
            return Value(known[0] if known else None, interval, digits)
        return Value(*_over_seeds(known), digits)

    def benchmark(key: str) -> Value:
        scores = [cell.benchmarks.get(key) for cell in members]
        share = value([each and each.score for each in scores], scores[0] and scores[0].interval, 2)
        if share.value is None or any(each and each.similarity for each in scores):
            return share
        ends = share.interval and (100 * share.interval[0], 100 * share.interval[1])
        return Value(100 * share.value, ends, 1, "\xa0%")

    def shift(name: str, ends: str) -> Value:
        found = [cell.shift(HEADLINE) for cell in members]
        return value(
            [getattr(each, name, None) for each in found], getattr(found[0], ends, None), 2
        )

    shifts = shift("attained", "interval"), shift("correlation", "correlation_interval")
    carried = [cell.carry_over for cell in members if cell.carry_over is not None]
    ratio = value([each.value for each in carried], carried[0].interval if carried else None, 2)
    tuning, held_out = first.row.tuning, first.row.held_out
    return Line(
        place=place,
        method=first.cell.name,
        seeds=0 if first.cell.seed is None else len(members),
        tuning=value([cell.tuning for cell in members], tuning and tuning.interval),
        held_out=value([cell.held_out for cell in members], held_out and held_out.interval),
        content=replace(value([cell.row.content for cell in members]), digits=2),
        divergence=value([cell.row.divergence for cell in members]),
        tokens=Value(first.row.tokens, digits=0),
        shifts=(*shifts, ratio) if shifted else (),
        benchmarks=tuple(benchmark(key) for key in benchmarks),
        members=tuple(members),
    )


def _over_seeds(values: Sequence[float]) -> tuple[float | None, Interval | None]:
    """Return a mean over seeds and its 95% bootstrap interval; none for one seed."""
    array = np.array(values)
    if len(array) < 2:
        return (float(array[0]) if len(array) else None), None
    rng = np.random.default_rng(0)
    means = bootstrap_means(array, [[range(len(array))]], _SAMPLES, rng)[:, 0]
    return float(array.mean()), interval_of(means)


def robustness_table(table: PaperTable) -> TextTable | None:
    """Return the losses in other ways of asking, means over seeds; None where nothing was asked."""
    everyone = [cell for line in table.lines for cell in line.members]
    ways = {row.key: row.label for cell in everyone for row in cell.checks.rows}
    surveys = {each.instrument: each.title for cell in everyone for each in cell.checks.surveys}
    if not ways and not surveys:
        return None
    lines: list[tuple[str, ...]] = []
    for line in table.lines:
        asked = [cell for cell in line.members if cell.ways]
        if asked:
            losses = [
                *(_loss_text([cell.ways for cell in asked], k, line.held_out.digits) for k in ways),
                *(_loss_text([cell.surveys for cell in asked], k, _SURVEY_DIGITS) for k in surveys),
            ]
            divergence = divergence_text(line.divergence.value)
            lines.append((line.place, line.method, *losses, _rank_text(asked), divergence))
    header = "country", "method", *ways.values(), *surveys.values(), "Rank of the target"
    return TextTable((*header, "Divergence"), tuple(lines))


def _loss_text(asked: Sequence[dict[str, State]], key: str, digits: int) -> str:
    return _mean_text([states[key].loss for states in asked if key in states], digits)


def shift_table(table: PaperTable) -> TextTable | None:
    """Return attained shift and correlation by way of asking, means over seeds; None where nothing counts."""
    everyone = [cell for line in table.lines for cell in line.members]
    ways = {row.key: row.label for cell in everyone for row in cell.checks.rows}
    ways |= {each.instrument: each.title for cell in everyone for each in cell.checks.surveys}
    lines = [
        (line.place, line.method, *(_shift_text(line.members, key) for key in ways))
        for line in table.lines
    ]
    known = tuple(line for line in lines if any(text != MISSING for text in line[2:]))
    return TextTable(("country", "method", *ways.values()), known) if known else None


def _shift_text(members: Sequence[Measured], key: str) -> str:
    shifts = [shift for cell in members if (shift := cell.shift(key)) is not None]
    attained, correlation = (
        _mean_text([value for value in values if value is not None], 2)
        for values in (
            [shift.attained for shift in shifts],
            [shift.correlation for shift in shifts],
        )
    )
    return attained if correlation == MISSING else f"{attained} / {correlation}"


def _mean_text(values: Sequence[float], digits: int) -> str:
    return loss_text(float(np.mean(values)) if values else None, digits)


def _rank_text(asked: Sequence[Measured]) -> str:
    """Return the middle rank of the target, and among how many countries."""
    ranks = [cell.rank for cell in asked if cell.rank is not None]
    sizes = [each.countries for cell in asked if (each := cell.checks.specificity)]
    return f"{np.median(ranks):g} of {max(sizes)}" if ranks else MISSING


def markdown(table: TextTable) -> str:
    """Return a table for a page."""
    header, *lines = (tuple(map(_markdown_text, line)) for line in (table.header, *table.lines))
    lines = [header, tuple("---" for _ in header), *lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(table: TextTable, experiment: str) -> str:
    """Return a table for a paper, which needs the package booktabs."""
    groups: list[list[list[str]]] = []
    for own in table.groups.values():
        groups.append([])
        for number, line in enumerate(own):
            texts = [latex_text(text) for text in line]
            texts[0] = "" if number else texts[0]
            if line in table.bold:
                texts[4] = f"\\textbf{{{texts[4]}}}"
            groups[-1].append(texts)
    return latex_table(table.header, groups, 2, f"experiment {experiment}")


def _markdown_text(text: str) -> str:
    """Return text that means nothing to Markdown, nor to HTML inside it."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", flat)
