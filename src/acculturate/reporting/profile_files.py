"""A measured profile as files for a paper and for other programs.

In: a `Profile`. Out: a folder with profile.json, answers.csv, scores.csv, profile.tex and figures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from acculturate.arguments import checked
from acculturate.charts import Chart, Look
from acculturate.drawing import Format, draw
from acculturate.errors import UsageError
from acculturate.formatting import LEVEL, MISSING, digits_for, interval_text, loss_text, short
from acculturate.io import json_text, write_bytes, write_text
from acculturate.metrics import Profile
from acculturate.metrics.measure import MEASURES, FormAnswer
from acculturate.reporting.figures import strips
from acculturate.reporting.map_figure import TUNED, Place, map_chart
from acculturate.runs import Dimension
from acculturate.survey import Country, Instrument
from acculturate.tables import csv_text, latex_table, latex_text

_PROFILE, _TABLES = "profile.json", ("answers.csv", "scores.csv", "profile.tex")
_OF_A_FORM = (
    *("item", "wording", "frame", "language", "order", "labels", "word_set", "split"),
    *("value", "option", "text"),
)
"""Columns of answers.csv before the probability of each option."""


def check_profile_folder(folder: Path) -> None:
    """Refuse a folder in which a profile would overwrite other files than those of an earlier one.

    Raises:
        UsageError: It holds such a file, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder", "Give --out a folder for the profile's files.")
    for name in () if (folder / _PROFILE).exists() else _TABLES:
        if (folder / name).exists():
            raise UsageError(
                f"{folder / name} is there, and is of no earlier profile", "Use another --out."
            )


@checked
def write_profile(
    profile: Profile, instrument: Instrument, folder: str | Path, target: Country | None = None
) -> tuple[Path, ...]:
    """Write a measured profile as files, and return their paths.

    profile.json holds what `measure --json` prints, answers.csv the answer to every form, scores.csv a row for
    every number; profile.tex is a table (booktabs), profile.pdf, .svg and .png a figure,
    and of a survey with two dimensions so is map.pdf.

    Args:
        profile: The profile.
        instrument: The questionnaire it was measured with.
        folder: Where to write.
        target: A country whose published scores are shown beside.

    Raises:
        UsageError: The profile is of another questionnaire, or would overwrite what is of no earlier one.
        FailureError: A file cannot be written.
    """
    if profile.instrument != instrument.key:
        raise UsageError(
            f"the profile is of {profile.instrument}, not of {instrument.key}",
            "Give the questionnaire that it was measured with.",
        )
    instrument = target.part_of(instrument) if target else instrument
    folder = Path(folder)
    check_profile_folder(folder)
    contents = (
        _answers_text(profile),
        csv_text(MEASURES, profile.to_rows()),
        _latex(profile, instrument, target),
    )
    texts = {_PROFILE: json_text(profile.to_dict()), **dict(zip(_TABLES, contents, strict=True))}
    for name, text in texts.items():
        write_text(folder / name, text)
    charts = profile_charts(profile, instrument, target)
    figures = {
        f"{chart.key}.{kind}": (chart, kind) for chart in charts for kind in get_args(Format)
    }
    for name, (chart, kind) in figures.items():
        write_bytes(folder / name, draw([chart], kind))
    return tuple(folder / name for name in (*texts, *figures))


def profile_charts(
    profile: Profile, instrument: Instrument, target: Country | None = None
) -> tuple[Chart, ...]:
    """Return the scores by dimension, beside a country's, and of two dimensions a map of the countries too."""
    dimensions = [Dimension(d.key, d.name, d.low, d.high) for d in instrument.dimensions]
    scores = {key: (value, profile.intervals.get(key)) for key, value in profile.scores.items()}
    lanes = [[(short(profile.model, 40), Look("blue", "o"), scores)]]
    published = {} if target is None else target.scores
    name = "" if target is None else short(target.name, 20)
    title = f"{short(instrument.title)}: scores of {short(profile.model, 40)}"
    place = Place(short(profile.model, 40), TUNED, profile.scores, profile.intervals)
    country = "" if target is None else target.name
    charts = (
        strips(dimensions, published, lanes, "profile", title, target_name=name),
        map_chart(dimensions, [place], profile.table, country, published),
    )
    return tuple(chart for chart in charts if chart is not None)


def _answers_text(profile: Profile) -> str:
    options = max((len(answer.probabilities) for answer in profile.answers), default=0)
    columns = (*_OF_A_FORM, *(f"p{number}" for number in range(1, options + 1)))
    return csv_text(columns, (_answer_row(answer, options) for answer in profile.answers))


def _answer_row(answer: FormAnswer, options: int) -> tuple[Any, ...]:
    """Return the row of a form; wordings, sets of words and options count from 1."""
    form, chances = answer.form, answer.probabilities
    word_set = None if form.word_set is None else form.word_set + 1
    kind = "words" if word_set else form.label_kind
    likeliest = max(range(len(chances)), key=chances.__getitem__) + 1
    about = form.item, form.wording + 1, form.frame, form.language, form.order, kind, word_set
    padded = (*chances, *[None] * (options - len(chances)))
    return *about, form.split, answer.value, likeliest, form.text, *padded


def _latex(profile: Profile, instrument: Instrument, target: Country | None) -> str:
    digits = digits_for(end for dimension in instrument.dimensions for end in dimension.range)
    rows = [
        (
            f"{dimension.name} ({dimension.key.upper()})",
            loss_text(profile.scores[dimension.key], digits),
            interval_text(profile.intervals.get(dimension.key), digits, MISSING),
            *([loss_text(target.scores.get(dimension.key), digits)] if target else []),
        )
        for dimension in instrument.dimensions
    ]
    header = ("Dimension", "Score", f"{LEVEL} interval", *([target.name] if target else []))
    content = "cannot be told" if profile.content is None else profile.content.text
    comment = f"{profile.model} in {instrument.key}, {profile.forms} forms; content {content}"
    return latex_table(header, [[tuple(map(latex_text, row)) for row in rows]], 1, comment)
