"""Two models measured on the same forms: by how much their scores differ, and how sure that is.

In: two profiles with their answers. Out: a `ModelComparison`. Both are resampled over the same forms, so that
an interval is that of a difference within pairs of answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from acculturate.arguments import Seed, checked
from acculturate.errors import UsageError
from acculturate.formatting import LEVEL, MISSING, interval_text, loss_text
from acculturate.metrics.measure import Profile
from acculturate.metrics.scores import bootstrap_scores
from acculturate.metrics.statistics import Quantity, interval_around
from acculturate.survey import Country, Instrument, Scoring
from acculturate.tables import html_table


@dataclass(frozen=True)
class ModelComparison:
    """The profiles of two models on the same forms.

    Attributes:
        first: The profile that the other is compared with.
        second: The other.
        differences: By dimension, the second's score less the first's, with the 95% interval over forms.
        loss_difference: The second's loss to the target less the first's, likewise; None without a target.
    """

    first: Profile
    second: Profile
    differences: Mapping[str, Quantity]
    loss_difference: Quantity | None = None

    def __repr__(self) -> str:
        numbers = ", ".join(f"{key} {loss_text(d.value)}" for key, d in self.differences.items())
        return f"ModelComparison({self.second.model!r} less {self.first.model!r}: {numbers})"

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        return html_table(self.title, self.header, self.rows(), self.sentences)

    @property
    def title(self) -> str:
        """The title of its table."""
        return f"{self.first.model} and {self.second.model} in {self.first.instrument}"

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns of its table."""
        return "dimension", "first", "second", "difference", LEVEL, "differ"

    def rows(self, digits: int = 2) -> list[tuple[str, ...]]:
        """Return a row a dimension as it is shown."""
        rows: list[tuple[str, ...]] = []
        for key, difference in self.differences.items():
            scores = (loss_text(each.scores[key], digits) for each in (self.first, self.second))
            interval = interval_text(difference.interval, digits, MISSING)
            differ = {True: "yes", False: "not shown", None: MISSING}[_differ(difference)]
            rows.append((key, *scores, loss_text(difference.value, digits), interval, differ))
        return rows

    @property
    def sentences(self) -> list[str]:
        """The sentences beside the table: content, and the difference of losses."""
        lines: list[str] = []
        for each in (self.first, self.second):
            content = each.content
            told = "cannot be told" if content is None else content.text
            lines.append(f"{each.model}: content {told}.")
            if content is not None and content.warning:
                lines.append(f"{each.model}: {content.warning}")
        if (loss := self.loss_difference) is not None:
            ends = interval_text(loss.interval, 2, "no interval")
            lines.append(
                f"Loss to {self.first.country}: {loss_text(self.first.loss, 2)} and "
                f"{loss_text(self.second.loss, 2)}, difference {loss_text(loss.value, 2)} ({ends})."
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "first": self.first.to_dict(),
            "second": self.second.to_dict(),
            "differences": {key: asdict(each) for key, each in self.differences.items()},
            "loss_difference": self.loss_difference and asdict(self.loss_difference),
        }


def _differ(difference: Quantity) -> bool | None:
    """Return whether 0 is outside the interval; None without a finite one."""
    ends = difference.interval
    return None if ends is None or np.isnan(ends).any() else not ends[0] <= 0 <= ends[1]


@checked
def compare_profiles(
    first: Profile,
    second: Profile,
    instrument: Instrument,
    *,
    target: Country | None = None,
    scoring: Scoring | None = None,
    seed: Seed = 0,
) -> ModelComparison:
    """Compare two models that were measured on the same forms, dimension by dimension.

    Args:
        first: The profile to compare with.
        second: The other.
        instrument: The questionnaire of both.
        target: The country of both, for the difference of their losses.
        scoring: Anchor, loss and variant that both were measured with; the instrument's defaults if None.
        seed: Of the bootstrap over forms, the same drawn forms for both.

    Raises:
        UsageError: They were asked other forms, or read or scored in another way.
    """
    scoring = scoring or Scoring(instrument)
    if target is not None:
        scoring = scoring.towards(target)
        instrument = scoring.instrument
    forms = tuple(answer.form for answer in first.answers)
    if not forms or forms != tuple(answer.form for answer in second.answers):
        raise UsageError(
            f"{first.model} and {second.model} were not asked the same forms",
            "Measure both with the same instrument, forms, labels and language.",
        )
    constants = scoring.by_key(scoring.constants)
    if first.reading != second.reading or not first.anchor == second.anchor == constants:
        raise UsageError(
            f"{first.model} and {second.model} were not read and scored alike",
            "Measure both with the same reading and scoring, and pass that scoring.",
        )
    scores = np.array([[each.scores[key] for key in constants] for each in (first, second)])
    samples = [
        bootstrap_scores(
            np.array([answer.value for answer in each.answers]),
            forms,
            scoring,
            np.random.default_rng(seed),
        )
        for each in (first, second)
    ]
    before, after = samples
    paired = None if before is None or after is None else (before, after)

    def quantity(values: np.ndarray, drawn: np.ndarray | None) -> Quantity:
        value = float(values[1] - values[0])
        return Quantity(value, None if drawn is None else interval_around(drawn, value))

    differences = {
        key: quantity(scores[:, at], None if paired is None else (paired[1] - paired[0])[:, at])
        for at, key in enumerate(constants)
    }
    loss = None
    if target is not None:
        vector = target.vector(instrument)
        losses = scoring.loss(scores, vector)
        own = [each.loss for each in (first, second)]
        if not all(a is None or np.isclose(a, b) for a, b in zip(own, losses, strict=True)):
            raise UsageError(
                f"the losses of {first.model} and {second.model} are of another kind or country",
                "Measure both with the scoring and the target that you pass.",
            )
        drawn = None
        if paired is not None:
            drawn = scoring.loss(paired[1], vector) - scoring.loss(paired[0], vector)
        loss = quantity(losses, drawn)
    return ModelComparison(first, second, differences, loss)
