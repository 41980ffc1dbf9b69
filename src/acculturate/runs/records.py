"""Everything that a run directory holds, as one frozen record: its writer makes the parts.

What an interrupted run does not have yet is None or empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from acculturate.formatting import loss_text, visible
from acculturate.runs.checks import Checks
from acculturate.runs.inputs import Config, Provenance
from acculturate.runs.results import (
    Done,
    Evaluation,
    FrontierPoint,
    Generation,
    Method,
    UntouchedContent,
)


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
    checks: Checks = field(default_factory=Checks)
    frontier: tuple[FrontierPoint, ...] = ()
    content: UntouchedContent | None = None

    @property
    def sampled(self) -> bool:
        """True where every generation of the search was asked other forms."""
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
