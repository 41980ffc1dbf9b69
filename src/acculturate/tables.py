"""Tables as CSV, LaTeX, HTML and pandas data frames.

In: names of columns and rows of plain values. Out: text in which no cell is markup of LaTeX or HTML, or a
data frame; pandas is imported where one is made.
"""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from acculturate.errors import UsageError
from acculturate.formatting import visible

if TYPE_CHECKING:
    from pandas import DataFrame

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


_LATEX_COLUMN = 13
"""Letters in a line of a column's name."""


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table as CSV; what is None is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return text.getvalue()


def latex_text(text: str) -> str:
    """Return text that means nothing to LaTeX."""
    shown = re.sub(r"[ \t\r\n]+", " ", text).strip()
    return "".join(_LATEX.get(letter, letter) for letter in shown)


def latex_table(
    header: Sequence[str], groups: Iterable[Iterable[Sequence[str]]], left: int, comment: str
) -> str:
    """Return a table for a paper, which needs the package booktabs.

    Args:
        header: Names of the columns.
        groups: Rows of cells that are LaTeX already, with a rule above each group.
        left: Number of columns that stand to the left.
        comment: A line of comment below.
    """
    columns = "l" * left + "r" * (len(header) - left)
    lines = ["% \\usepackage{booktabs}", f"\\begin{{tabular}}{{{columns}}}", "\\toprule"]
    lines.append(" & ".join(map(_latex_heading, header)) + " \\\\")
    for rows in groups:
        lines += ["\\midrule", *(" & ".join(row) + " \\\\" for row in rows)]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", f"% {latex_text(comment)}", ""])


def _latex_heading(name: str) -> str:
    """Return the name of a column in lines about as wide as a number with its interval."""
    lines = textwrap.wrap(name, _LATEX_COLUMN, break_long_words=False)
    text = " \\\\ ".join(map(latex_text, lines))
    return f"\\shortstack[r]{{{text}}}" if len(lines) > 1 else text


def html_table(
    title: str, header: Sequence[str], rows: Iterable[Sequence[str]], below: Iterable[str] = ()
) -> str:
    """Return a small table for a notebook, with its title above and sentences below."""
    lines = [f"<tr>{''.join(f'<td>{_html(text)}</td>' for text in row)}</tr>" for row in rows]
    head = "".join(f"<th>{_html(name)}</th>" for name in header)
    return "".join(
        (
            f"<table><caption>{_html(title)}</caption><thead><tr>{head}</tr></thead>",
            f"<tbody>{''.join(lines)}</tbody></table>",
            *(f"<p>{_html(text)}</p>" for text in below),
        )
    )


def _html(text: str) -> str:
    return escape(visible(text))


def data_frame(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> DataFrame:
    """Return a table as a pandas data frame.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise UsageError(
            "a data frame needs pandas", "pip install 'acculturate[pandas]'"
        ) from error
    return pandas.DataFrame([tuple(row) for row in rows], columns=list(columns))
