"""The results of a run as records: its generations, its result table, its end.

A record's fields are the keys of its file; those that have another name in format 1 are read under both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AliasChoices, Field

from acculturate.formatting import digits_for, divergence_text, loss_text, perplexity_text
from acculturate.metrics.content import Content
from acculturate.record_files import Intervals, Keyed, Numbers, OptionalInterval
from acculturate.runs.inputs import OptionalNumber, TargetScores


def _renamed(new: str, old: str) -> Any:
    """Return what makes pydantic read a field under the name that it had in format 1 too."""
    return Field(validation_alias=AliasChoices(new, old))


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
        """The warning where there is too little of it, with the reading that does better; None elsewhere."""
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
        method: "naive", a name of words in front such as "persona", "constant", "random start" or "tuned".
        label: In words.
        tuning: On the tuning forms.
        held_out: On the held-out forms.
        divergence: On the guard's texts [nats a token]; None where it was not measured, as the next three.
        perplexity: On the same texts.
        held_out_divergence: On texts that the search never read.
        held_out_perplexity: On the same texts.
        evaluations: Spent; None where nothing was searched.
        tokens: In front of a question, words and virtual tokens; None where it was not counted.
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
    tokens: int | None = None

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
        baselines: Words that a baseline puts in front of a form, here the first one (persona, in_context and so
            on); of a steering vector, layer and strength.
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

    def texts(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return header and rows of the table as they are shown."""
        asked = f"{self.forms.tuning} tuning forms", f"{self.forms.held_out} held-out forms"
        return ("", *asked, "held-out content", "divergence", "perplexity"), [
            (
                row.label,
                self.text(row.tuning and row.tuning.loss),
                self.text(row.held_out and row.held_out.loss),
                loss_text(row.content, 2),
                divergence_text(row.divergence),
                perplexity_text(row.perplexity),
            )
            for row in self.rows
        ]

    @property
    def title(self) -> str:
        """The title of the table."""
        return f"Loss to {self.target.country} ({self.target.table})"

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
        earlier_budgets: Budgets that the run had before it was given more, the first one first.
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
    earlier_budgets: tuple[int, ...] = ()

    @property
    def more_budget(self) -> str | None:
        """A sentence on a run that was given more budget; None for any other."""
        if not self.earlier_budgets:
            return None
        budgets = ", then ".join(f"{budget:,}" for budget in self.earlier_budgets)
        return (
            f"It began with a budget of {budgets} evaluations and was given more: a search that plans with its "
            "budget, as adam and l-shade do, is then not the one that all of it makes from the start."
        )


@dataclass(frozen=True)
class FrontierPoint:
    """A prompt that no other candidate beats in objective and divergence together."""

    loss: OptionalNumber
    divergence: float
    held_out_loss: OptionalNumber
    held_out_divergence: OptionalNumber


@dataclass(frozen=True)
class FrontierPoints:
    """The frontier of a search for both: evaluation/frontier.json; by rising objective."""

    points: tuple[FrontierPoint, ...]
