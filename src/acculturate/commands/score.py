"""`acculturate score`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import acculturate as ac
from acculturate import display
from acculturate.commands.loading import load_survey, read_scoring, say_warnings
from acculturate.commands.options import Seed, takes_settings
from acculturate.drawing import Format
from acculturate.errors import UsageError
from acculturate.io import write_bytes, write_text
from acculturate.tables import csv_text

if TYPE_CHECKING:
    from acculturate.metrics import SurveyScores


@takes_settings("anchor", "aggregate", "variant")
def score(
    file: Path,
    *,
    by: list[str] | None = None,
    weight: str | None = None,
    country: str | None = None,
    out: Path | None = None,
    figure: Path | None = None,
    beside: list[Path] | None = None,
    instrument: str = "vsm13",
    table: str | None = None,
    seed: Seed = 0,
    as_json: bool = False,
    **settings: Any,
) -> None:
    """Score people's answers to a survey as a model's are scored.

    Options:
        file: Table with a row for each respondent and a column for each item: CSV, or .sav of SPSS.
        by: Column that divides the respondents into groups, such as country; may be given several times.
        weight: Column of how much each respondent counts.
        country: Name or ISO code of a country whose published scores are shown beside.
        out: CSV file of the scores, a row for each group, which --table of other commands reads.
        figure: Figure of the scores, by its ending a .pdf, .svg or .png.
        beside: Model in the figure: a run directory, or a file that `measure --json` printed; may be given
            several times.
        seed: Random seed for the bootstrap over respondents.
    """
    survey, countries = load_survey(instrument, table)
    target = None if country is None else countries[country]
    if out is not None and out.resolve() == file.resolve():
        raise UsageError("--out is the file of the respondents", "Give another --out.")
    if beside and figure is None:
        raise UsageError("--beside is of a figure", "Add --figure FILE.pdf.")
    kind = None if figure is None else _format_of(figure)
    scoring = read_scoring(survey, settings)
    has_all = {d.key for d in survey.dimensions} <= set(countries.dimensions)
    result = ac.score(
        file,
        survey,
        by=by or (),
        weight=weight,
        scoring=scoring,
        table=countries if has_all else None,
        seed=seed,
    )
    say_warnings(result.warnings)
    if figure is not None and kind is not None:
        from acculturate.drawing import draw
        from acculturate.reporting.people_figure import people_chart, read_models

        models = [model for path in beside or () for model in read_models(path, survey)]
        write_bytes(figure, draw([people_chart(result, survey, models, target)], kind))
    if out is not None:
        write_text(out, _country_table(result))
    display.print_result(
        as_json, result.to_dict(), lambda: display.show_survey_scores(result, survey, target)
    )


def _country_table(result: SurveyScores) -> str:
    rows = [
        (group.group, *(None if math.isnan(s) else round(s, 4) for s in group.scores.values()))
        for group in result.groups
    ]
    return csv_text(("country", *result.anchor), rows)


def _format_of(figure: Path) -> Format:
    for kind in get_args(Format):
        if figure.suffix.casefold() == f".{kind}":
            return kind
    raise UsageError(f"no figure can be written to {figure}", "Let it end in .pdf, .svg or .png.")
