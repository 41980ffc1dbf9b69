"""The checks of a finished run as records: what `evaluate` writes under evaluation/.

A record's fields are the keys of its file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from acculturate.benchmarks import Result
from acculturate.metrics.behaviour import Behaviour
from acculturate.metrics.extremes import Extremes
from acculturate.metrics.held_out import HEADLINE, FormSetResult, carry_over_of
from acculturate.metrics.other_surveys import SurveyCheck
from acculturate.metrics.ratings import Rated
from acculturate.metrics.respondents import Respondents
from acculturate.metrics.responsiveness import Responsiveness
from acculturate.metrics.side_effects import SideEffects
from acculturate.metrics.specificity import Specificity
from acculturate.metrics.written_answers import Generated
from acculturate.record_files import Numbers, OptionalInterval
from acculturate.runs.inputs import OptionalNumber


@dataclass(frozen=True)
class HeldOut:
    """The run asked in every other way: evaluation/held_out.json.

    Attributes:
        rows: One a way of asking.
        carry_over: Share of the shift attained on the tuning forms that is attained on the held-out ones; None
            where it was not measured or says nothing.
        carry_over_interval: Its 95% bootstrap interval over the forms of both.
        wanted: The wanted shift of each dimension: target less untouched scores on all tuning forms of the
            survey, without those whose score is not known.
        fingerprint: SHA-256 of all that the wanted shift depends on.
    """

    rows: tuple[FormSetResult, ...]
    carry_over: OptionalNumber = None
    carry_over_interval: OptionalInterval = None
    wanted: Numbers = field(default_factory=dict)
    fingerprint: str = ""

    @classmethod
    def of(cls, rows: tuple[FormSetResult, ...]) -> HeldOut:
        """Return rows with their carry-over."""
        carried = carry_over_of(rows)
        return cls(rows, carried and carried.value, carried and carried.interval)


@dataclass(frozen=True)
class OtherSurveys:
    """The run in surveys that its search knew nothing of: evaluation/other_surveys.json.

    Attributes:
        checks: One a survey.
        missing: Tables of other surveys in which the target is not.
        country: The target.
    """

    checks: tuple[SurveyCheck, ...]
    missing: tuple[str, ...] = ()
    country: str = ""


@dataclass(frozen=True)
class Refusal:
    """A way of asking, a check or a benchmark that could not be asked.

    Attributes:
        key: "asked:KEY" for a way of asking, "survey:KEY", "benchmark:KEY", or the name of a check's file.
        label: In words.
        reason: The message of the error.
    """

    key: str
    label: str
    reason: str


@dataclass(frozen=True)
class Refusals:
    """Everything that was tried last and could not be asked: evaluation/refused.json."""

    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Checks:
    """The checks of a finished run: the files under evaluation/.

    Attributes:
        rows: One a way of asking.
        carry_over: See `HeldOut`, as for the next.
        carry_over_interval: Its interval.
        responsiveness: How far the untouched model answers as it is told to.
        specificity: Where the target stands among countries.
        extremes: Whether scores went towards the middle.
        generated: Whether written answers say what the probabilities say.
        surveys: Whether other surveys agree.
        missing: Tables of other surveys in which the target is not.
        respondents: Scores of a survey of respondents.
        behaviour: Whether choices in everyday situations and written answers moved too.
        ratings: Blind judgements of its answers by people.
        benchmarks: Scores in questions outside the survey.
        side_effects: Effects of the prompt on ordinary text.
        refused: What could not be asked, and why.
    """

    rows: tuple[FormSetResult, ...] = ()
    carry_over: OptionalNumber = None
    carry_over_interval: OptionalInterval = None
    responsiveness: Responsiveness | None = None
    specificity: Specificity | None = None
    extremes: Extremes | None = None
    generated: Generated | None = None
    surveys: tuple[SurveyCheck, ...] = ()
    missing: tuple[str, ...] = ()
    respondents: Respondents | None = None
    behaviour: Behaviour | None = None
    ratings: Rated | None = None
    benchmarks: tuple[Result, ...] = ()
    side_effects: SideEffects | None = None
    refused: tuple[Refusal, ...] = ()

    def row(self, key: str) -> FormSetResult | None:
        """Return the row of a way of asking, or None where it was not asked."""
        return next((row for row in self.rows if row.key == key), None)

    @property
    def samples(self) -> tuple[float, ...]:
        """Bootstrap losses of the tuned model on the headline's forms."""
        row = self.row(HEADLINE)
        return tuple(filter(math.isfinite, row.samples.get("tuned", ()) if row else ()))
