"""Tables on a terminal, in several parts where one would be wider than it is, and the lines below them.

In: names of columns and cells. Out: text on standard output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.table import Table

from acculturate.terminal import open_console

_MARGIN = 3
"""Width of a column beyond its text: a space on either side, and a line."""
_LONGEST = 40
"""Width of a column's text up to which it is not broken."""


def show_table(
    title: str,
    header: Sequence[str],
    rows: Iterable[Iterable[object]],
    *,
    left: int = 1,
    caption: str | None = None,
    below: Iterable[str] = (),
) -> None:
    """Print a table, in several where one would be wider than the terminal.

    Args:
        title: Its title.
        header: Names of the columns.
        rows: Their cells.
        left: Number of columns that hold words and stand to the left; numbers stand to the right.
        caption: A line in small print, such as the source.
        below: Lines that follow the table.
    """
    console, cells = open_console(), [[*map(str, row)] for row in rows]
    columns = [*zip(header, *cells, strict=True)]
    widths = [
        _width((*name.split(), *(numbers if at >= left else " ".join(numbers).split())))
        for at, (name, *numbers) in enumerate(columns)
    ]
    for part in _fitting(widths, left, console.width):
        is_tight = 1 + sum(_width(columns[index]) for index in part) > console.width
        table = Table(title=title, caption=caption)
        for index in part:
            is_number = index >= left
            width = widths[index] - _MARGIN if is_tight and is_number else None
            justify = "right" if is_number else "left"
            table.add_column(header[index], justify=justify, width=width)
        for row in cells:
            table.add_row(*(row[index] for index in part))
        console.print(table)
    show_lines(below)


def _width(texts: Iterable[str]) -> int:
    """Return the width of a column that breaks none of some texts, a long one aside."""
    return _MARGIN + min(_LONGEST, max(map(cell_len, texts), default=0))


def _fitting(widths: Sequence[int], left: int, width: int) -> Iterator[list[int]]:
    """Yield the columns of each table that fits, the ones of words first in all of them."""
    words, part = [*range(min(left, len(widths)))], list[int]()
    for index in range(len(words), len(widths)):
        taken = 1 + sum(widths[each] for each in (*words, *part, index))
        if part and taken > width:
            yield words + part
            part = []
        part.append(index)
    yield words + part


def show_lines(lines: Iterable[str]) -> None:
    """Print lines on standard output, without line breaks of our own."""
    for line in lines:
        open_console().print(line, soft_wrap=True)
