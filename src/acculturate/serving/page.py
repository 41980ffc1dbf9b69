"""The page at `/`: one question to all variants side by side, and the survey's scores beside each.

In: finished runs. Out: routes for the page, its files, and `/profiles`. The page asks the API as any client
does; nothing in it comes from a user but through `/profiles` and the API, which it shows as text alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from acculturate.formatting import short
from acculturate.runs import Evaluation, Method, Run
from acculturate.serving.variants import Variant
from acculturate.serving.web import file_routes

_FILES = {
    "/": ("acculturate.serving", "page.html", "text/html"),
    "/page.css": ("acculturate.serving", "page.css", "text/css"),
    "/page.js": ("acculturate.serving", "page.js", "text/javascript"),
    "/colours.css": ("acculturate.reporting", "colours.css", "text/css"),
}
_KINDS = (("naive", "Untouched"), ("persona", "Persona line: {}"), ("tuned", "Tuned towards {}"))
"""Methods of a run's results, with the titles of their columns."""


@dataclass(frozen=True)
class DimensionScore:
    """A dimension of a profile; what was not measured is None.

    Attributes:
        key: Of the dimension.
        name: Its name.
        low: Meaning of its low end.
        high: Meaning of its high end.
        score: Of the variant, on the held-out forms.
        interval: 95 % bootstrap interval of the score over forms.
        untouched: Score of the untouched model.
        target: Published score of the country.
    """

    key: str
    name: str
    low: str
    high: str
    score: float | None
    interval: tuple[float, float] | None
    untouched: float | None
    target: float | None


@dataclass(frozen=True)
class VariantProfile:
    """A variant as the survey sees it.

    Attributes:
        title: Its name in words.
        line: Line that stands in front of every question; empty for none.
        country: Country of the targets; None where there are none.
        axis: Ends of the scale that holds every score and target of the run.
        digits: Decimals of a score.
        warning: What a reader has to know first, where the answers are not about the questions.
        dimensions: Its scores; empty where it was not measured.
    """

    title: str
    line: str
    country: str | None
    axis: tuple[float, float]
    digits: int
    warning: str | None
    dimensions: tuple[DimensionScore, ...]


def make_profiles(variants: Iterable[Variant], runs: Sequence[Run]) -> dict[str, VariantProfile]:
    """Return the profile of every variant by its name: untouched, then each persona and its runs.

    Untouched and personas have the scores of the first run; the untouched model has targets where all runs
    have the same country. Without runs there is nothing but its name.

    Args:
        variants: The variants.
        runs: The runs that they are from.
    """
    if not runs:
        return {
            each.name: VariantProfile("Untouched", "", None, (0, 1), 0, None, ())
            for each in variants
        }
    countries = list(dict.fromkeys(run.summary.target.country for run in runs))
    profiles: list[tuple[int, int, str, VariantProfile]] = []
    for variant in variants:
        own = [run for run in runs if run.directory == variant.run]
        alike = [run for run in runs if run.summary.target.country == variant.country]
        made = (own or alike or runs)[0].summary
        kind = 2 if variant.run else 1 if variant.country else 0
        country = made.target.country if kind or len(countries) == 1 else None
        place = countries.index(made.target.country) if kind else 0
        profiles.append((place + min(kind, 1), kind, variant.name, _profile(made, kind, country)))
    return {name: profile for _, _, name, profile in sorted(profiles, key=itemgetter(0, 1))}


def page_routes(profiles: Mapping[str, VariantProfile]) -> list[Route]:
    """Return the routes of the page, its files and `/profiles`."""

    def send_profiles(_: Request) -> Response:
        return JSONResponse({"profiles": {name: asdict(made) for name, made in profiles.items()}})

    return [*file_routes(_FILES), Route("/profiles", send_profiles)]


def _profile(made: Evaluation, kind: int, country: str | None) -> VariantProfile:
    """Return a profile from a run's results; without a country, without targets."""
    method, title = _KINDS[kind]
    scores, intervals, warning = _held_out(made.method(method))
    untouched = _held_out(made.method("naive"))[0] if kind else {}
    targets = made.target.scores if country else {}
    dimensions = [
        DimensionScore(
            key=dimension.key,
            name=dimension.name,
            low=dimension.low,
            high=dimension.high,
            score=scores.get(dimension.key),
            interval=intervals.get(dimension.key),
            untouched=untouched.get(dimension.key),
            target=targets.get(dimension.key),
        )
        for dimension in made.dimensions
    ]
    return VariantProfile(
        title=title.format(short(country or "")),
        line=made.baselines.get("persona", "") if method == "persona" else "",
        country=country and short(country),
        axis=_axis(made),
        digits=made.digits,
        warning=warning,
        dimensions=tuple(dimensions) if scores else (),
    )


def _held_out(
    row: Method | None,
) -> tuple[Mapping[str, float], Mapping[str, tuple[float, float]], str | None]:
    """Return scores, intervals and the warning of a method on the held-out forms."""
    if row is None or row.held_out is None:
        return {}, {}, None
    outcome = row.held_out
    return outcome.scores, outcome.intervals, outcome.content and outcome.content.warning


def _axis(made: Evaluation) -> tuple[float, float]:
    """Return 0 and 100, or 0 and what small scores need to either side; further where scores are."""
    outcomes = [row.held_out for row in made.rows if row.held_out is not None]
    values = [*made.target.scores.values(), *(x for each in outcomes for x in each.scores.values())]
    values += [end for each in outcomes for ends in each.intervals.values() for end in ends]
    usual = 0.0 if made.digits > 1 else 100.0
    return min(0.0, *values), max(usual, *values)
