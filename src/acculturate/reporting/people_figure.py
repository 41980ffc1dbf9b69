"""A figure of people's scores, with models and a country's published scores beside them.

In: `SurveyScores`, and what `acculturate measure --json` and a run directory hold. Out: one chart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from acculturate.charts import Chart, look_of
from acculturate.errors import UsageError
from acculturate.formatting import short
from acculturate.io import decode, parse_plain, read_bytes
from acculturate.metrics import SurveyScores
from acculturate.record_files import Intervals, Numbers
from acculturate.reporting.figures import Scored, strips
from acculturate.runs import Dimension, read_run
from acculturate.schema import validated
from acculturate.survey import Country, Instrument, Scoring

_WHAT = "measured profile"
MOST_LANES = 12


@dataclass(frozen=True)
class ModelScores:
    """The scores of a model: those keys of what `acculturate measure --json` prints that a figure needs."""

    model: str
    instrument: str
    anchor: dict[str, float]
    scores: Numbers
    intervals: Intervals


def read_models(path: Path, instrument: Instrument) -> tuple[ModelScores, ...]:
    """Read the scores of a model from a file, or from a run directory untouched and tuned on held-out forms.

    Raises:
        UsageError: There is no such file or run, or the run has no result yet.
        FailureError: A file of the run is damaged.
    """
    if not path.is_dir():
        text = decode(read_bytes(path, _WHAT), path, _WHAT)
        try:
            values = parse_plain(json.loads, text)
        except ValueError as error:
            raise UsageError(
                f"{_WHAT} {path} is no valid JSON: {error}",
                "Give a run directory, or what `acculturate measure --json` printed.",
            ) from error
        return (validated(ModelScores, values, path),)
    run = read_run(path)
    survey, models = run.config.survey, list[ModelScores]()
    for key, state in (("naive", "untouched"), ("tuned", f"tuned to {short(survey.country, 20)}")):
        row = run.evaluation.method(key) if run.evaluation else None
        if row is not None and row.held_out is not None:
            anchor: Mapping[str, float] = {}
            if survey.instrument == instrument.key:
                scoring = Scoring(instrument, survey.anchor, variant=survey.variant)
                anchor = scoring.by_key(scoring.constants)
            scores, name = row.held_out, f"{short(run.config.model.name, 30)}, {state}"
            models.append(
                ModelScores(name, survey.instrument, dict(anchor), scores.scores, scores.intervals)
            )
    if not models:
        raise UsageError(f"the run in {path} has no result yet", "Wait for its evaluation.")
    return tuple(models)


def people_chart(
    people: SurveyScores,
    instrument: Instrument,
    models: Sequence[ModelScores] = (),
    country: Country | None = None,
) -> Chart:
    """Return a row a dimension: groups of people, models, and a line at a country's published score.

    Raises:
        UsageError: A model was asked another instrument or scored with other constants, or there are more
            groups and models than can be told apart.
    """
    for model in models:
        if model.instrument != people.instrument or not _alike(model.anchor, people.anchor):
            raise UsageError(
                f"{model.model} was measured with instrument {model.instrument} and constants "
                f"{model.anchor}, the people with {people.instrument} and {people.anchor}",
                "Use the same --instrument, --anchor and --variant for both.",
            )
    lanes: list[list[Scored]] = []
    for group in people.groups:
        scores = {k: (v, group.intervals.get(k)) for k, v in group.scores.items() if v == v}
        name = f"{short(group.group, 30)} ({group.respondents} people)"
        lanes.append([(name, look_of(len(lanes)), scores)])
    for model in models:
        look = replace(look_of(len(lanes)), hollow=True)
        shown = {k: (v, model.intervals.get(k)) for k, v in model.scores.items()}
        lanes.append([(short(model.model, 60), look, shown)])
    if len(lanes) > MOST_LANES:
        raise UsageError(
            f"{len(lanes)} groups and models are too many for one figure; {MOST_LANES} fit",
            "Take fewer groups, or draw them from --json or --out.",
        )
    dimensions = [Dimension(d.key, d.name, d.low, d.high) for d in instrument.dimensions]
    published = {} if country is None else country.scores
    name = "" if country is None else f"{short(country.name, 20)}, published"
    title = "Scores of people and models" if models else "Scores of people"
    return strips(dimensions, published, lanes, "people", title, target_name=name)


def _alike(left: Mapping[str, float], right: Mapping[str, float]) -> bool:
    return left.keys() == right.keys() and all(math.isclose(left[k], right[k]) for k in left)
