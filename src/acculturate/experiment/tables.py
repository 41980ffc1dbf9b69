"""The paper's table and that of other ways of asking, country x method, as data and as escaped text.

In: measured cells. Out: lines with a mean over seeds and its interval; Markdown and LaTeX.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from acculturate.experiment.plan import Experiment
from acculturate.experiment.results import Measured
from acculturate.experiment.robustness import columns
from acculturate.formatting import MISSING, divergence_text, loss_text
from acculturate.metrics import bootstrap_means, interval_of

SAMPLES = 1000


@dataclass(frozen=True)
class Value:
    """A number with its 95% interval.

    Attributes:
        value: A mean over seeds, or the one number; None where it was not measured.
        interval: Over seeds; of what has no seed, over forms. None where there is none.
    """

    value: float | None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Line:
    """A method towards a country.

    Attributes:
        table: Key of the country table.
        country: The target.
        method: Label of the method.
        seeds: How many; 0 where nothing is random.
        tuning: Loss on the tuning forms.
        held_out: Loss on forms that no search saw.
        divergence: On ordinary text, nats a token.
        benchmarks: Share of right answers, in the order of `PaperTable.benchmarks`.
        digits: Decimals of a loss.
        best: Whether its held-out loss is the country's smallest.
    """

    table: str
    country: str
    method: str
    seeds: int
    tuning: Value
    held_out: Value
    divergence: Value
    benchmarks: tuple[Value, ...]
    digits: int
    best: bool = False


@dataclass(frozen=True)
class PaperTable:
    """All lines, country by country.

    Attributes:
        benchmarks: Keys of the benchmarks.
        lines: The lines.
        several: Whether there are several country tables.
    """

    benchmarks: tuple[str, ...]
    lines: tuple[Line, ...]
    several: bool

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns."""
        own = ("loss, tuning forms", "loss, held-out forms", "divergence")
        return ("country", "method", "seeds", *own, *self.benchmarks)

    @property
    def groups(self) -> tuple[tuple[str, tuple[Line, ...]], ...]:
        """The lines of each country."""
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            found.setdefault(self.place(line), []).append(line)
        return tuple((place, tuple(lines)) for place, lines in found.items())

    def place(self, line: Line) -> str:
        """A line's country, with its table where there are several."""
        return f"{line.country} ({line.table})" if self.several else line.country


@dataclass(frozen=True)
class TextTable:
    """A table as text: country, method, then whatever its header says.

    Attributes:
        header: Names of the columns.
        lines: Its lines, country by country.
        bold: Numbers of the lines whose held-out loss is the country's smallest.
    """

    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    bold: frozenset[int] = frozenset()

    @property
    def groups(self) -> tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]:
        """The lines of each country, without its name."""
        found: dict[str, list[tuple[str, ...]]] = {}
        for place, *texts in self.lines:
            found.setdefault(place, []).append(tuple(texts))
        return tuple((place, tuple(lines)) for place, lines in found.items())


def paper_table(measured: Sequence[Measured]) -> PaperTable:
    """The table of some measured cells, in their order."""
    benchmarks = tuple(dict.fromkeys(key for one in measured for key in one.benchmarks))
    lines = [_line(members, benchmarks) for members in _by_method(measured).values()]
    least: dict[tuple[str, str], float] = {}
    for line in lines:
        if line.held_out.value is not None:
            at = line.table, line.country
            least[at] = min(least.get(at, np.inf), line.held_out.value)
    marked = tuple(
        replace(line, best=line.held_out.value == least.get((line.table, line.country)))
        for line in lines
    )
    return PaperTable(benchmarks, marked, len({line.table for line in lines}) > 1)


def over_seeds(values: Sequence[float]) -> Value:
    """A mean over seeds and its 95% bootstrap interval; none for one seed."""
    array = np.array(values)
    if len(array) < 2:
        return Value(float(array[0]) if len(array) else None)
    rng = np.random.default_rng(0)
    means = bootstrap_means(array, [[range(len(array))]], SAMPLES, rng)[:, 0]
    return Value(float(array.mean()), interval_of(means))


def elsewhere_table(measured: Sequence[Measured], table: PaperTable) -> TextTable | None:
    """What the methods were asked in other ways; None where nothing was.

    Args:
        measured: The cells of the table.
        table: The paper's table, for its order.
    """
    ways = columns([one.elsewhere for one in measured])
    if not ways.header:
        return None
    groups = _by_method(measured)
    lines: list[tuple[str, ...]] = []
    for line in table.lines:
        members = groups[line.table, line.country, line.method]
        own = [one.elsewhere for one in members if one.elsewhere.ways]
        if own:
            texts = ways.texts(own, line.digits)
            lines.append(
                (table.place(line), line.method, *texts, divergence_text(line.divergence.value))
            )
    return TextTable(("country", "method", *ways.header, "Divergence"), tuple(lines))


def text_table(table: PaperTable) -> TextTable:
    """The paper's table as text."""
    return TextTable(
        table.header,
        tuple(line_texts(table, line) for line in table.lines),
        frozenset(index for index, line in enumerate(table.lines) if line.best),
    )


def markdown(table: TextTable) -> str:
    """A table for a page."""
    lines = [table.header, tuple("---" for _ in table.header)]
    lines += [tuple(map(_markdown_text, line)) for line in table.lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(table: TextTable, experiment: Experiment) -> str:
    """A table for a paper; needs the package booktabs."""
    columns = "ll" + "r" * (len(table.header) - 2)
    lines = ["% \\usepackage{booktabs}", f"\\begin{{tabular}}{{{columns}}}", "\\toprule"]
    lines.append(" & ".join(map(_latex_text, table.header)) + " \\\\")
    before = ""
    for number, line in enumerate(table.lines):
        lines += ["\\midrule"] if line[0] != before else []
        texts = [_latex_text(text) for text in line]
        if number in table.bold:
            texts[4] = f"\\textbf{{{texts[4]}}}"
        texts[0] = "" if line[0] == before else texts[0]
        before = line[0]
        lines.append(" & ".join(texts) + " \\\\")
    name = _latex_text(experiment.name)
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", f"% experiment {name}", ""])


def interval_text(interval: tuple[float, float] | None, digits: int) -> str:
    """An interval in brackets; empty where there is none."""
    if interval is None:
        return ""
    return f" [{loss_text(interval[0], digits)}, {loss_text(interval[1], digits)}]"


def _by_method(measured: Sequence[Measured]) -> dict[tuple[str, str, str], list[Measured]]:
    """The cells of a table, a country and a method, which are its seeds."""
    groups: dict[tuple[str, str, str], list[Measured]] = {}
    for one in measured:
        groups.setdefault((one.cell.table, one.cell.country, one.cell.method), []).append(one)
    return groups


def _line(members: Sequence[Measured], benchmarks: Sequence[str]) -> Line:
    first = members[0]
    searches = first.cell.seed is not None

    def value(found: Sequence[float | None], alone: tuple[float, float] | None) -> Value:
        known = [one for one in found if one is not None]
        if not searches:
            return Value(known[0] if known else None, alone)
        return over_seeds(known)

    return Line(
        table=first.cell.table,
        country=first.cell.country,
        method=first.cell.method,
        seeds=len(members) if searches else 0,
        tuning=value([m.tuning for m in members], first.row.tuning and first.row.tuning.interval),
        held_out=value(
            [m.held_out for m in members], first.row.held_out and first.row.held_out.interval
        ),
        divergence=value([m.row.divergence for m in members], None),
        benchmarks=tuple(
            value(
                [m.benchmarks[key].score if key in m.benchmarks else None for m in members],
                first.benchmarks[key].interval if key in first.benchmarks else None,
            )
            for key in benchmarks
        ),
        digits=first.evaluation.digits,
    )


def line_texts(table: PaperTable, line: Line) -> tuple[str, ...]:
    """A line as text, in the order of the header."""

    def text(value: Value, digits: int) -> str:
        return loss_text(value.value, digits) + interval_text(value.interval, digits)

    return (
        table.place(line),
        line.method,
        str(line.seeds) if line.seeds else MISSING,
        text(line.tuning, line.digits),
        text(line.held_out, line.digits),
        divergence_text(line.divergence.value),
        *(text(Value(_percent(v.value), _percents(v.interval)), 1) for v in line.benchmarks),
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _percents(shares: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if shares is None else (100 * shares[0], 100 * shares[1])


def _markdown_text(text: str) -> str:
    """Text that means nothing to Markdown, nor to HTML inside it."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", flat)


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "–": "--",
    "\N{NO-BREAK SPACE}": "~",
    "[": "{[}",
    "]": "{]}",
}


def _latex_text(text: str) -> str:
    """Text that means nothing to LaTeX."""
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))
