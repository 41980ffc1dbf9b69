"""Everything that a run directory holds, as frozen records: its writer makes them, all readers get the same.

A record's fields are the keys of its file. What an interrupted run does not have yet is None or empty.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import AliasChoices, Field

from acculturate.benchmarks import Result
from acculturate.formatting import digits_for, loss_text, visible
from acculturate.metrics.behaviour import Behaviour
from acculturate.metrics.content import Content
from acculturate.metrics.extremes import Extremes
from acculturate.metrics.held_out import HEADLINE, FormSetResult, carry_over_of
from acculturate.metrics.other_surveys import SurveyCheck
from acculturate.metrics.respondents import Respondents
from acculturate.metrics.responsiveness import Responsiveness
from acculturate.metrics.side_effects import SideEffects
from acculturate.metrics.specificity import Specificity
from acculturate.metrics.written_answers import Generated
from acculturate.model.answers import Chat, Exchange
from acculturate.record_files import Intervals, Keyed, Numbers, OptionalInterval
from acculturate.survey.instrument import Aggregate
from acculturate.survey.scoring import Anchor, Reading

FORMAT = 2
"""Format of a run directory; version 0.1 wrote none, which counts as 1."""

OptionalNumber = float | None


def _renamed(new: str, old: str) -> Any:
    """Return what makes pydantic read a field under the name that it had in format 1 too."""
    return Field(validation_alias=AliasChoices(new, old))


@dataclass(frozen=True)
class Setting:
    """A setting or a fact as it is shown."""

    section: str
    key: str
    value: str


@dataclass(frozen=True)
class ModelSettings:
    """The section [model] of config.toml.

    Attributes:
        name: Name or path that the model was loaded by.
        revision: Its revision; empty where it has none.
        dtype: Its precision.
        chat: Whether forms were shown in its chat template; "auto" where it has none.
    """

    name: str
    revision: str = ""
    dtype: str = "auto"
    chat: Chat = "auto"


@dataclass(frozen=True)
class SurveySettings:
    """The section [survey] of config.toml, as far as a reader needs it.

    Attributes:
        country: The target's name.
        table: Key of the country table.
        instrument: Key of the questionnaire.
        aggregate: How distances of scores make a loss.
        reading: How answers become numbers.
        forms: Tuning forms in all.
        language: Of the held-out forms.
        languages: Of the tuning forms, joined with commas; None where it is the same.
        labels: Kinds of labels that forms were asked with, joined with commas.
        objective: What was minimised: "scores", "shift" or "items".
        sample: Forms drawn anew for every generation; None where every generation is asked the same.
        anchor: A name, or the constant of each dimension.
        variant: Variant of the scoring.
        respondents: Of the reading "sampled".
    """

    country: str
    table: str
    instrument: str
    aggregate: Aggregate
    reading: Reading
    forms: int
    language: str
    languages: str | None = None
    labels: str = "digits"
    objective: str = "scores"
    sample: int | None = None
    anchor: Anchor = "midpoint"
    variant: str | None = None
    respondents: int = 1


@dataclass(frozen=True)
class SearchSettings:
    """The section [search] of config.toml, as far as a reader needs it.

    Attributes:
        budget: Evaluations at most.
        tokens: Virtual tokens.
        placement: Where the soft prompt goes.
        optimizer: Name of the search algorithm.
        max_divergence: Limit on the divergence [nats a token].
    """

    budget: int
    tokens: int
    placement: str
    optimizer: str = ""
    max_divergence: OptionalNumber = None


@dataclass(frozen=True)
class Config:
    """The settings of a run: config.toml.

    Attributes:
        model: The model that answers.
        survey: What is asked.
        search: How it is searched.
        settings: Every setting of the file, in its order, as it is shown.
    """

    model: ModelSettings
    survey: SurveySettings
    search: SearchSettings
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True)
class InstrumentFacts:
    """The questionnaire of a run."""

    key: str
    title: str
    fingerprint: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class OwnAnswers:
    """The untouched model's own answers, which the guard of a run reads: guard.json."""

    answers: tuple[Exchange, ...]


@dataclass(frozen=True)
class FormFingerprints:
    """SHA-256 of everything shown on the forms, and of the texts of the guard."""

    tuning: str
    held_out: str
    guard: str


@dataclass(frozen=True)
class TableFacts:
    """The country table of a run; without source and terms where it was not given."""

    key: str
    source: str | None
    terms: str | None


@dataclass(frozen=True)
class TargetScores(Keyed):
    """The country that a run is tuned towards, and its score in each dimension."""

    country: str
    scores: Numbers


@dataclass(frozen=True)
class Commit:
    """The checkout that acculturate ran from, and whether anything in it was changed."""

    commit: str
    dirty: bool


@dataclass(frozen=True)
class Provenance:
    """The exact versions and inputs of a run: provenance.json.

    Attributes:
        acculturate: Its version, like those of the other packages.
        model: Facts on the model: name, revision, weights_hash, dtype, device, licence; chat
            where it has a chat template.
        anchor: The constant of each dimension.
        command: The command line; empty for a call from Python.
        git: None where acculturate is installed.
        started: Date and time.
        format: See `FORMAT`.
    """

    acculturate: str | None
    torch: str | None
    transformers: str | None
    numpy: str | None
    safetensors: str | None
    python: str
    platform: str
    model: dict[str, str]
    instrument: InstrumentFacts
    forms: FormFingerprints
    table: TableFacts
    target: TargetScores
    anchor: dict[str, float]
    command: str
    git: Commit | None
    started: str
    format: int = 1

    @property
    def facts(self) -> tuple[Setting, ...]:
        """All of it but what is shown elsewhere, as it is shown."""
        facts = flat(asdict(self))
        return tuple(f for f in facts if f.key not in ("warnings", "command", "format"))


@dataclass(frozen=True)
class Generation:
    """A line of history.jsonl.

    The best candidate is that with the least objective so far. Where every generation is asked other forms, it
    is the latest within the limits, and its loss, on the forms of its own generation, can rise.

    Attributes:
        generation: From 1.
        evaluations: Spent so far; a candidate with its gradient counts for three.
        best_loss: Loss of the best candidate; None while none was finite, as all of the best.
        best_objective: Its objective, which is what the search minimises.
        best_violation: Amount by which it is past the limits; 0 within them.
        best_divergence: Its effect on ordinary text [nats a token].
        best_perplexity: Of the guard's texts under it.
        mean_loss: Mean objective of the generation's finite candidates.
        quantiles: The 5, 25, 50, 75 and 95 % quantiles of their objectives.
        invalid: Candidates of the generation whose answers were not finite.
        seconds: Spent on the generation.
        search_seconds: Spent by the optimiser alone.
        scores: Of the best candidate, by dimension.
    """

    generation: int
    evaluations: int
    best_loss: OptionalNumber
    best_objective: Annotated[OptionalNumber, _renamed("best_objective", "best_cost")]
    best_violation: Annotated[OptionalNumber, _renamed("best_violation", "best_excess")]
    best_divergence: OptionalNumber
    best_perplexity: OptionalNumber
    mean_loss: OptionalNumber
    quantiles: tuple[float, float, float, float, float] | None
    invalid: int
    seconds: float
    search_seconds: float
    scores: dict[str, OptionalNumber]


@dataclass(frozen=True)
class Outcome(Keyed):
    """A method on one form set.

    Attributes:
        loss: To the target; None where an answer was not finite.
        interval: Its bootstrap interval over forms, or None.
        scores: Score of each dimension.
        intervals: Bootstrap interval of each score.
        valid_mass: Share of the next-token probability that the options take; None in words.
        content: Share of the answers that is about the questions; None where it cannot be told.
    """

    loss: OptionalNumber
    interval: Annotated[OptionalInterval, _renamed("interval", "loss_interval")]
    scores: Numbers
    intervals: Intervals
    valid_mass: OptionalNumber
    content: Content | None = None


@dataclass(frozen=True)
class UntouchedContent:
    """Content of the untouched model's answers, measured before the search: evaluation/content.json.

    Attributes:
        asked: On the tuning forms of the result; None where it cannot be told.
        others: By the kinds of labels that these do not have, where the tuning forms have too little.
    """

    asked: Content | None
    others: dict[str, Content] = field(default_factory=dict)

    @property
    def warning(self) -> str | None:
        """Where there is too little of it, that, and the reading that does better; None elsewhere."""
        said = self.asked and self.asked.warn_of(
            "The untouched model's answers to the tuning forms"
        )
        if not said or not self.others:
            return said
        best = max(self.others, key=lambda kind: self.others[kind].coefficient)
        if self.others[best].warning:
            return f"{said} Read by {' or '.join(self.others)} they have too little too."
        return f"{said} Read by {best} they have {self.others[best].text}."


@dataclass(frozen=True)
class Method(Keyed):
    """A row of the results: the model in one state, on both form sets and on ordinary text.

    Attributes:
        method: "naive", "persona", "in-context", "constant", "random start" or "tuned".
        label: In words.
        tuning: On the tuning forms.
        held_out: On the held-out forms.
        divergence: On the guard's texts [nats a token]; None where it was not measured, as the next three.
        perplexity: On the same texts.
        held_out_divergence: On texts that the search never read.
        held_out_perplexity: On the same texts.
        evaluations: Spent; None where nothing was searched.
    """

    method: str
    label: str
    tuning: Outcome | None
    held_out: Outcome | None
    divergence: OptionalNumber = None
    perplexity: OptionalNumber = None
    held_out_divergence: OptionalNumber = None
    held_out_perplexity: OptionalNumber = None
    evaluations: int | None = None

    @property
    def content(self) -> float | None:
        """The content coefficient of its answers to the held-out forms, or None."""
        return (
            self.held_out.content.coefficient if self.held_out and self.held_out.content else None
        )


@dataclass(frozen=True)
class Dimension(Keyed):
    """A dimension's name and the meaning of its ends."""

    key: str
    name: str
    low: str
    high: str


@dataclass(frozen=True)
class Continuation(Keyed):
    """A text and how the model goes on, untouched and tuned."""

    text: str
    naive: str
    tuned: str


@dataclass(frozen=True)
class Target(TargetScores):
    """The target with the key of its table."""

    table: str


@dataclass(frozen=True)
class FormCounts(Keyed):
    """Number of forms in each set."""

    tuning: int
    held_out: int


@dataclass(frozen=True)
class Evaluation(Keyed):
    """The result table, measured after the search: evaluation/summary.json.

    Attributes:
        target: The country.
        dimensions: In the instrument's order.
        rows: One a method.
        floor: Least loss that whole-number answers reach, or None where that means nothing.
        constant_answer_loss: Loss of the same answer to everything.
        baselines: Line of words that a baseline puts in front of every form: persona, in_context.
        reading: How answers became numbers.
        aggregate: How distances of scores make a loss.
        forms: Number of forms in each set.
        nearest: Countries by loss on the held-out forms, nearest first, for "naive" and "tuned".
        continuations: How the model goes on with ordinary texts.
    """

    target: Target
    dimensions: tuple[Dimension, ...]
    rows: tuple[Method, ...]
    floor: OptionalNumber
    constant_answer_loss: OptionalNumber
    baselines: dict[str, str]
    reading: str
    aggregate: str
    forms: FormCounts
    nearest: dict[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    continuations: tuple[Continuation, ...] = ()

    @property
    def digits(self) -> int:
        """Decimals of a loss or score: two where the scores are small, as on a map."""
        return digits_for(self.target.scores.values())

    def text(self, value: float | None) -> str:
        """Return a loss or score as it is shown."""
        return loss_text(value, self.digits)

    @property
    def intervals(self) -> bool:
        """Return whether any loss has an interval."""
        cells = [cell for row in self.rows for cell in (row.tuning, row.held_out)]
        return any(cell is not None and cell.interval is not None for cell in cells)

    def method(self, key: str) -> Method | None:
        """Return the row of a method, or None where it was not measured."""
        return next((row for row in self.rows if row.method == key), None)


@dataclass(frozen=True)
class Done(Keyed):
    """The end of a run and its result in short: DONE.json, the last file to be written.

    Attributes:
        stop_reason: As a clause without its full stop.
        stop_code: "budget", "target" or "stall".
        evaluations: Spent.
        naive_loss: Of the untouched model, on the tuning forms.
        best_loss: Of the tuned one.
        held_out_naive_loss: Of the untouched model, on the held-out forms.
        held_out_loss: Of the tuned one.
        divergence: Of the tuned model from the untouched one, on the guard's texts [nats a token].
        perplexity: Of the same texts, tuned.
        naive_perplexity: Untouched.
        held_out_divergence: On texts that the search never read.
        held_out_perplexity: Of the same texts.
        violation: Amount by which the best prompt is past the limits; 0 within them.
        tokens: Read by the model while it searched.
        seconds: Spent on the search, interrupted sessions included.
    """

    stop_reason: str
    stop_code: str
    evaluations: int
    naive_loss: OptionalNumber
    best_loss: OptionalNumber
    held_out_naive_loss: OptionalNumber
    held_out_loss: OptionalNumber
    divergence: OptionalNumber
    perplexity: OptionalNumber
    naive_perplexity: OptionalNumber
    held_out_divergence: OptionalNumber
    held_out_perplexity: OptionalNumber
    violation: Annotated[float, _renamed("violation", "excess")]
    tokens: int
    seconds: float


@dataclass(frozen=True)
class FrontierPoint:
    """A prompt that no other candidate beats in loss and divergence together."""

    loss: float
    divergence: float
    held_out_loss: OptionalNumber
    held_out_divergence: OptionalNumber


@dataclass(frozen=True)
class FrontierPoints:
    """The frontier of a search for both: evaluation/frontier.json; by rising loss."""

    points: tuple[FrontierPoint, ...]


@dataclass(frozen=True)
class HeldOutRow(FormSetResult):
    """A way of asking in evaluation/held_out.json.

    Attributes:
        fingerprint: SHA-256 of all that it depends on.
    """

    fingerprint: str = ""


@dataclass(frozen=True)
class HeldOut:
    """The run asked in every other way: evaluation/held_out.json.

    Attributes:
        rows: One a way of asking.
        carry_over: Share of the shift attained on the tuning forms that is attained on the held-out ones; None
            where it was not measured or says nothing.
        carry_over_interval: Its 95% bootstrap interval over the forms of both.
    """

    rows: tuple[HeldOutRow, ...]
    carry_over: OptionalNumber = None
    carry_over_interval: OptionalInterval = None

    @classmethod
    def of(cls, rows: tuple[HeldOutRow, ...]) -> HeldOut:
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
        benchmarks: Scores in questions outside the survey.
        side_effects: Effects of the prompt on ordinary text.
        refused: What could not be asked, and why.
    """

    rows: tuple[HeldOutRow, ...] = ()
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
    benchmarks: tuple[Result, ...] = ()
    side_effects: SideEffects | None = None
    refused: tuple[Refusal, ...] = ()

    def row(self, key: str) -> HeldOutRow | None:
        """Return the row of a way of asking, or None where it was not asked."""
        return next((row for row in self.rows if row.key == key), None)

    @property
    def samples(self) -> tuple[float, ...]:
        """Bootstrap losses of the tuned model on the headline's forms."""
        row = self.row(HEADLINE)
        return tuple(filter(math.isfinite, row.samples.get("tuned", ()) if row else ()))


@dataclass(frozen=True)
class RunRecords:
    """All that a run directory holds but for tensors.

    Attributes:
        path: The directory.
        config: What was asked.
        provenance: None where the run was stopped before it was written.
        history: The generations.
        evaluation: None where the search was not finished or not evaluated.
        done: None where the run was interrupted.
        checks: What it was asked after it was finished.
        frontier: Prompts that no other candidate beats in loss and divergence together; of a search for both.
        content: That of the untouched answers, measured before the search; None where no version that
            measures it began the run.
    """

    path: Path
    config: Config
    provenance: Provenance | None
    history: tuple[Generation, ...]
    evaluation: Evaluation | None
    done: Done | None
    checks: Checks = Checks()
    frontier: tuple[FrontierPoint, ...] = ()
    content: UntouchedContent | None = None

    @property
    def sampled(self) -> bool:
        """Whether every generation of the search was asked other forms."""
        return self.config.survey.sample is not None

    def method(self, key: str) -> Method | None:
        """Return a method's row of the result table, or None where there is none."""
        return self.evaluation.method(key) if self.evaluation else None

    @property
    def name(self) -> str:
        """The directory's own name."""
        return visible(self.path.resolve().name)

    @property
    def digits(self) -> int:
        """Decimals of a loss or score."""
        if self.evaluation is not None:
            return self.evaluation.digits
        return 2 if self.config.survey.aggregate == "distance" else 1

    def text(self, value: float | None) -> str:
        """Return a loss or score as it is shown."""
        return loss_text(value, self.digits)


def flat(values: Mapping[str, Any], section: str = "") -> Iterator[Setting]:
    """Yield the settings of nested tables as they are shown."""
    for key, value in values.items():
        if not isinstance(value, Mapping):
            yield Setting(visible(section), visible(key), _shown(value))
            continue
        inner = cast("Mapping[str, Any]", value)
        if len(inner) > 1 and all(type(one) in (int, float) for one in inner.values()):
            numbers = ", ".join(f"{name} {number}" for name, number in inner.items())
            yield Setting(visible(section), visible(key), visible(numbers))
        else:
            yield from flat(inner, f"{section} {key}".strip())


def _shown(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(str(value))
