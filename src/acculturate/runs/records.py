"""A run, as everybody who reads one sees it: frozen data, no files.

What an interrupted run does not have yet is None or empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from acculturate.formatting import digits_for, loss_text
from acculturate.runs.checks import NO_CHECKS, Checks
from acculturate.runs.fields import clean


@dataclass(frozen=True)
class Setting:
    """One effective setting, as it is shown."""

    section: str
    key: str
    value: str


@dataclass(frozen=True)
class Config:
    """What the run was asked to do.

    Attributes:
        settings: Every setting, in the file's order.
        model: Name the model was loaded by.
        revision: Its revision, or None.
        country: The target's name.
        table: Key of the country table.
        instrument: Key or path of the instrument.
        budget: Candidates to evaluate.
        tokens: Virtual tokens.
        placement: Where the soft prompt goes.
        max_divergence: Limit on the guard, in nats a token, or None.
    """

    settings: tuple[Setting, ...]
    model: str
    revision: str | None
    country: str
    table: str | None
    instrument: str | None
    budget: int | None
    tokens: int | None
    placement: str | None
    max_divergence: float | None


@dataclass(frozen=True)
class Provenance:
    """What ran, exactly.

    Attributes:
        facts: Name and value of everything recorded, flattened.
        command: The command line, or None.
        warnings: The instrument's own warnings.
        instrument_title: The instrument's title, or None.
        table_source: Where the target's table comes from, or None.
        model: Facts on the model: name, revision, weights_hash, dtype, device, licence.
    """

    facts: tuple[Setting, ...]
    command: str | None
    warnings: tuple[str, ...]
    instrument_title: str | None
    table_source: str | None
    model: Mapping[str, str]


@dataclass(frozen=True)
class Generation:
    """One line of the history; losses are None where no candidate had a finite one.

    Attributes:
        quantiles: The 5, 25, 50, 75 and 95 % quantiles of the generation's finite losses.
        best_violation: How far the best is past the guard's limit; 0 within it.
        search_seconds: Seconds of ask and tell.
    """

    generation: int
    evaluations: int
    best_loss: float | None
    best_violation: float
    best_divergence: float | None
    best_perplexity: float | None
    quantiles: tuple[float, float, float, float, float] | None
    invalid: int
    seconds: float | None
    search_seconds: float | None = None


@dataclass(frozen=True)
class Outcome:
    """A method on one form set.

    Attributes:
        loss: How far the scores are from the target's, as the evaluation's aggregate says.
        interval: Bootstrap interval of the loss, or None.
        scores: Score of each dimension.
        intervals: Bootstrap interval of each score.
        valid_mass: Share of the next-token probability that the options take.
    """

    loss: float | None
    interval: tuple[float, float] | None
    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    valid_mass: float | None


@dataclass(frozen=True)
class Method:
    """A row of the results: the model in one state, on both form sets and on ordinary text.

    Attributes:
        key: "naive", "persona", "in-context", "constant", "random start" or "tuned".
        divergence: On the guard's texts, nats a token.
        held_out_divergence: On texts that the search never read.
    """

    key: str
    label: str
    tuning: Outcome | None
    held_out: Outcome | None
    divergence: float | None
    perplexity: float | None
    held_out_divergence: float | None
    held_out_perplexity: float | None
    evaluations: int | None


@dataclass(frozen=True)
class Dimension:
    """A dimension's name and what its ends mean."""

    key: str
    name: str
    low: str
    high: str


@dataclass(frozen=True)
class Continuation:
    """A text and how the model goes on, untouched and tuned."""

    text: str
    naive: str
    tuned: str


@dataclass(frozen=True)
class Evaluation:
    """What the run was worth, measured after the search.

    Attributes:
        floor: Least loss that whole-number answers reach, or None where that means nothing.
        nearest: Countries by loss on the held-out forms, nearest first, for "naive" and "tuned".
        lines: The line of words that a baseline puts in front of every form, by name.
        forms: Number of forms in each set.
    """

    country: str
    table: str
    target: Mapping[str, float]
    dimensions: tuple[Dimension, ...]
    methods: tuple[Method, ...]
    floor: float | None
    constant_answer_loss: float | None
    nearest: Mapping[str, tuple[tuple[str, float], ...]]
    continuations: tuple[Continuation, ...]
    lines: Mapping[str, str]
    reading: str
    aggregate: str
    tuning_forms: int | None
    held_out_forms: int | None

    @property
    def digits(self) -> int:
        """Decimals of a loss or score: two where the scores are small, as on a map."""
        return digits_for(self.target.values())

    def text(self, value: float | None) -> str:
        """A loss or score as it is shown."""
        return loss_text(value, self.digits)

    @property
    def intervals(self) -> bool:
        """Whether any loss has an interval."""
        cells = [cell for method in self.methods for cell in (method.tuning, method.held_out)]
        return any(cell is not None and cell.interval is not None for cell in cells)

    def method(self, key: str) -> Method | None:
        """The row of a method, or None where it was not measured."""
        return next((row for row in self.methods if row.key == key), None)


@dataclass(frozen=True)
class FrontierPoint:
    """A prompt that no other one beat in both loss and divergence.

    Attributes:
        loss: On the tuning forms.
        divergence: On the guard's texts, nats a token.
        held_out_loss: On the held-out forms, or None where it is not finite.
        held_out_divergence: On texts that the search never read.
    """

    loss: float
    divergence: float
    held_out_loss: float | None
    held_out_divergence: float | None


@dataclass(frozen=True)
class Done:
    """Why the run stopped, as a clause without its full stop, and its result in short."""

    stop_reason: str
    stop_code: str
    evaluations: int
    naive_loss: float | None
    best_loss: float | None
    seconds: float | None


@dataclass(frozen=True)
class Run:
    """A run directory.

    Attributes:
        provenance: None where the run was stopped before it was written.
        evaluation: None where the search was not finished or not evaluated.
        done: None where the run was interrupted.
        checks: What it was asked after it was finished.
        frontier: Of a search of loss and divergence together; empty for other searches.
    """

    path: Path
    config: Config
    provenance: Provenance | None
    history: tuple[Generation, ...]
    evaluation: Evaluation | None
    done: Done | None
    checks: Checks = NO_CHECKS
    frontier: tuple[FrontierPoint, ...] = ()

    @property
    def name(self) -> str:
        """The directory's own name."""
        return clean(self.path.resolve().name)

    @property
    def digits(self) -> int:
        """Decimals of a loss or score."""
        if self.evaluation is not None:
            return self.evaluation.digits
        on_a_map = any(s.key == "aggregate" and s.value == "distance" for s in self.config.settings)
        return 2 if on_a_map else 1

    def text(self, value: float | None) -> str:
        """A loss or score as it is shown."""
        return loss_text(value, self.digits)

    @property
    def model_name(self) -> str:
        """The name its model was loaded by."""
        return self.config.model

    @property
    def model_revision(self) -> str | None:
        """The revision of that model, or None where none is recorded."""
        return self.config.revision
