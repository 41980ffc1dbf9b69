"""What `acculturate evaluate` left in a run directory, as checked, frozen data.

In: the files under evaluation/. Out: `Checks`, made of the evaluation room's own results. What was not
evaluated is None or empty; what is there and wrong is an error that names file and key.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from acculturate.benchmarks.result import Result
from acculturate.errors import FailureError
from acculturate.metrics.comparison import State
from acculturate.metrics.extremes import Extreme, Extremes
from acculturate.metrics.held_out import HEADLINE, FormSetResult
from acculturate.metrics.other_surveys import SurveyCheck
from acculturate.metrics.respondents import Respondents, Sampled
from acculturate.metrics.side_effects import SideEffects
from acculturate.metrics.specificity import Specificity, Standing
from acculturate.metrics.written_answers import Generated, Written
from acculturate.runs.benchmarks import read_benchmarks
from acculturate.runs.fields import Record, clean, read_json
from acculturate.runs.side_effects import read_side_effects


@dataclass(frozen=True)
class Checks:
    """What was asked of a finished run.

    Attributes:
        rows: One a way of asking.
        samples: Bootstrap losses of the tuned model on the headline's forms.
        specificity: Where the target stands among countries.
        extremes: Whether scores went towards the middle.
        generated: Whether written answers say what the probabilities say.
        surveys: Whether other surveys agree.
        missing: Tables of other surveys in which the target is not.
        respondents: What a survey of respondents would give.
        benchmarks: What it came to in questions outside the survey.
        side_effects: What the prompt does to ordinary text.
    """

    rows: tuple[FormSetResult, ...] = ()
    samples: tuple[float, ...] = ()
    specificity: Specificity | None = None
    extremes: Extremes | None = None
    generated: Generated | None = None
    surveys: tuple[SurveyCheck, ...] = ()
    missing: tuple[str, ...] = ()
    respondents: Respondents | None = None
    benchmarks: tuple[Result, ...] = ()
    side_effects: SideEffects | None = None

    def row(self, key: str) -> FormSetResult | None:
        """The row of a way of asking, or None where it was not asked."""
        return next((row for row in self.rows if row.key == key), None)


NO_CHECKS = Checks()
"""Of a run that was not evaluated."""


def read_checks(folder: Path) -> Checks:
    """Reads the files of a run's folder evaluation/.

    Raises:
        FailureError: One of them cannot be read or is damaged.
    """
    try:
        return _read(folder)
    except FailureError as error:
        again = "Delete that file; `acculturate evaluate` makes it again."
        raise FailureError(str(error), again) from error


def _read(folder: Path) -> Checks:
    def file(name: str) -> Record | None:
        path = folder / f"{name}.json"
        return read_json(path) if path.is_file() else None

    held_out, special, extreme = (file(n) for n in ("held_out", "specificity", "extremes"))
    written, others, people = (file(n) for n in ("generated", "other_surveys", "respondents"))
    prose = file("fluency")
    entries = held_out.records("rows") if held_out else ()
    return Checks(
        rows=tuple(_row(entry) for entry in entries),
        samples=next((_samples(e) for e in entries if e.text("key") == HEADLINE), ()),
        specificity=_specificity(special) if special else None,
        extremes=_extremes(extreme) if extreme else None,
        generated=_generated(written) if written else None,
        surveys=tuple(_survey(e) for e in others.records("checks")) if others else (),
        missing=others.texts("missing") if others else (),
        respondents=_respondents(people) if people else None,
        benchmarks=read_benchmarks(folder / "benchmarks"),
        side_effects=read_side_effects(prose) if prose else None,
    )


def _row(entry: Record) -> FormSetResult:
    return FormSetResult(
        key=entry.text("key"),
        label=entry.text("label"),
        forms=entry.integer("forms"),
        naive=_state(entry.record("naive")),
        tuned=_state(entry.record("tuned")),
        gain=_or_nan(entry.optional_number("gain")),
        gain_interval=entry.interval("gain_interval"),
    )


def _samples(entry: Record) -> tuple[float, ...]:
    kept = entry.optional_record("samples")
    values = kept.numbers("tuned") if kept else None
    return tuple(value for value in values or () if value is not None)


def _state(entry: Record) -> State:
    loss = entry.optional_number("loss")
    return State(
        loss=math.inf if loss is None else loss,
        interval=entry.interval("interval"),
        scores=dict(entry.by_key("scores")),
        intervals=_intervals(entry.optional_record("intervals")),
        valid_mass=entry.optional_number("valid_mass"),
    )


def _specificity(file: Record) -> Specificity:
    return Specificity(
        country=file.text("country"),
        table=file.text("table"),
        countries=file.integer("countries"),
        forms=file.integer("forms"),
        naive=_standing(file.record("naive")),
        tuned=_standing(file.record("tuned")),
    )


def _standing(entry: Record) -> Standing:
    return Standing(
        rank=entry.integer("rank"),
        nearest_share=entry.optional_number("nearest_share"),
        losses=entry.pairs("losses"),
    )


def _extremes(file: Record) -> Extremes:
    tuning, held_out = (
        tuple(_extreme(entry) for entry in file.records(key)) for key in ("tuning", "held_out")
    )
    return Extremes(tuning, held_out)


def _extreme(entry: Record) -> Extreme:
    return Extreme(
        key=entry.text("key"),
        name=entry.text("name"),
        middle=entry.number("middle"),
        target=entry.number("target"),
        naive=_or_nan(entry.optional_number("naive")),
        tuned=_or_nan(entry.optional_number("tuned")),
        inward=_or_nan(entry.optional_number("inward")),
        inward_interval=entry.interval("inward_interval"),
    )


def _generated(file: Record) -> Generated:
    return Generated(
        forms=file.integer("forms"),
        max_tokens=file.integer("max_tokens"),
        seed=file.optional_integer("seed"),
        naive=_written(file.record("naive")),
        tuned=_written(file.record("tuned")),
    )


def _written(entry: Record) -> Written:
    return Written(
        counts={key: int(value) for key, value in entry.by_key("counts").items()},
        agreement=entry.optional_number("agreement"),
        kappa=entry.optional_number("kappa"),
        loss=entry.optional_number("loss"),
        unread=entry.texts("unread"),
    )


def _survey(entry: Record) -> SurveyCheck:
    names = entry.record("dimensions")
    return SurveyCheck(
        instrument=entry.text("instrument"),
        title=entry.text("title"),
        table=entry.text("table"),
        country=entry.text("country"),
        aggregate=entry.text("aggregate"),
        forms=entry.integer("forms"),
        language=entry.text("language"),
        dimensions={clean(key): names.text(key) for key in names.names()},
        target=dict(entry.by_key("target")),
        naive=_state(entry.record("naive")),
        tuned=_state(entry.record("tuned")),
        gain=_or_nan(entry.optional_number("gain")),
        gain_interval=entry.interval("gain_interval"),
    )


def _respondents(file: Record) -> Respondents:
    return Respondents(
        respondents=file.integer("respondents"),
        seed=file.integer("seed"),
        language=file.text("language"),
        example=file.text("example"),
        naive=_sampled(file.record("naive")),
        tuned=_sampled(file.record("tuned")),
        gain=_or_nan(file.optional_number("gain")),
        gain_interval=file.interval("gain_interval") or (math.nan, math.nan),
    )


def _sampled(entry: Record) -> Sampled:
    loss = entry.optional_number("loss")
    values = entry.numbers("samples") or ()
    return Sampled(
        loss=math.inf if loss is None else loss,
        interval=entry.interval("interval") or (math.nan, math.nan),
        scores=dict(entry.by_key("scores")),
        respondent_intervals=_intervals(entry.optional_record("respondent_intervals")),
        intervals=_intervals(entry.optional_record("intervals")),
        samples=tuple(value for value in values if value is not None),
    )


def _intervals(record: Record | None) -> dict[str, tuple[float, float]]:
    found = {clean(key): record.interval(key) for key in record.names()} if record else {}
    return {key: pair for key, pair in found.items() if pair is not None}


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
