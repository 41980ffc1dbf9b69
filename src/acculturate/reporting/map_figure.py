"""The map of a survey with two dimensions, such as Inglehart and Welzel's: countries, the model and its target.

In: scores of models in two dimensions, and a country table. Out: one chart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from acculturate.charts import Chart, Look, Series, merge
from acculturate.formatting import LEVEL, interval_text, loss_text, short
from acculturate.runs import Dimension, RunRecords
from acculturate.survey import CountryTable, load_countries, table_names

UNTOUCHED, TUNED = Look("black", "o", hollow=True), Look("vermilion", "D")
_COUNTRY, _TARGET = Look("soft"), Look("blue", "s")
_PATH = Look("grey", line="-", width=0.8)
_HEIGHT = 190.0  # points
_DIGITS = 2


class Place(NamedTuple):
    """A model's place on a map: its name, its look, scores and their intervals by dimension.

    A line leads there from its `start`.
    """

    name: str
    look: Look
    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    start: Place | None = None


def map_of_run(run: RunRecords) -> Chart | None:
    """Return the map of a run on held-out forms; None where the survey has not two dimensions."""
    if run.evaluation is None:
        return None
    places: list[Place] = []
    for key, name, look in (("naive", "untouched", UNTOUCHED), ("tuned", "tuned", TUNED)):
        row = run.method(key)
        if row is not None and row.held_out is not None:
            start, outcome = next(iter(places), None), row.held_out
            places.append(Place(name, look, outcome.scores, outcome.intervals, start))
    target, table = run.evaluation.target, run.config.survey.table
    return map_chart(run.evaluation.dimensions, places, table, target.country, target.scores)


def map_chart(
    dimensions: Sequence[Dimension],
    places: Sequence[Place],
    table: str | None,
    country: str = "",
    target: Mapping[str, float] | None = None,
) -> Chart | None:
    """Return the places of models between those of countries, which stand as their ISO codes.

    Args:
        dimensions: Of the survey: from left to right, and from bottom to top.
        places: The models.
        table: Key of the table of the countries, which are shown where it comes with the package.
        country: Name of the target.
        target: Its scores; None without one.

    Returns:
        The chart; None for a survey that has not two dimensions, or where no model has both scores.
    """
    keys = [dimension.key for dimension in dimensions]
    known = [place for place in places if set(keys) <= set(place.scores)]
    if len(keys) != 2 or not known:
        return None
    x, y = keys
    countries = load_countries(table) if table in table_names() else None
    parts = [*_countries(countries, x, y, country)]
    if target and set(keys) <= set(target):
        text = f"{short(country)} {_point(target[x], target[y])}"
        parts.append(Series(short(country, 30), _TARGET, (target[x],), (target[y],), (text,)))
    for place in known:
        if place.start is not None and place.start in known:
            across, up = ([end.scores[key] for end in (place.start, place)] for key in keys)
            parts.append(Series("", _PATH, across, up))
    for place in known:
        parts += _model(place, x, y)
    title = f"Map of {short(dimensions[0].name, 30)} and {short(dimensions[1].name, 30)}"
    labels = f"{short(dimensions[0].name, 40)} →", f"↑ {short(dimensions[1].name, 40)}"
    return Chart("map", title, *labels, merge(parts), height=_HEIGHT)


def _countries(table: CountryTable | None, x: str, y: str, country: str) -> Iterator[Series]:
    for each in table or ():
        if each.iso and {x, y} <= set(each.scores) and each.name != country:
            at = each.scores[x], each.scores[y]
            text = f"{each.name} ({each.iso}) {_point(*at)}"
            yield Series("", _COUNTRY, (at[0],), (at[1],), (text,), labels=(each.iso,))


def _model(place: Place, x: str, y: str) -> Iterator[Series]:
    """Yield the cross of a model's intervals and its mark."""
    at, bar = (place.scores[x], place.scores[y]), Look(place.look.colour, line="-", opacity=0.5)
    across, along = place.intervals.get(x), place.intervals.get(y)
    spans = [f"{LEVEL}: {interval_text(span, _DIGITS)}" for span in (across, along) if span]
    if across:
        yield Series("", bar, across, (at[1], at[1]))
    if along:
        yield Series("", bar, (at[0], at[0]), along)
    text = "; ".join([_point(*at), *spans])
    yield Series(place.name, place.look, (at[0],), (at[1],), (text,))


def _point(x: float, y: float) -> str:
    return f"{loss_text(x, _DIGITS)}, {loss_text(y, _DIGITS)}"
