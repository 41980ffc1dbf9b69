"""An export and its formats: what every format is given, and what it has to do.

In: nothing. Out: `Export`, and the protocol `Format` that each format's file implements.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from acculturate.export.proof import Proof
from acculturate.model.language_model import LanguageModel
from acculturate.model.soft_prompt import Placement, SoftPrompt
from acculturate.runs import ModelSettings, RunRecords
from acculturate.survey.forms import Form

_EMBEDDED_BASE = "google/gemma-3-270m"


@dataclass(frozen=True)
class Export:
    """A soft prompt on its way out.

    Attributes:
        prompt: The soft prompt.
        model: Its model, computing in float32.
        forms: What the proof asks, answered by labels.
        run: The run that it comes from, if there is one.
    """

    prompt: SoftPrompt
    model: LanguageModel
    forms: tuple[Form, ...]
    run: RunRecords | None

    @property
    def shown(self) -> tuple[Form, ...]:
        """The forms as they are shown beside the prompt: with its line in front, if it has one."""
        return self.prompt.before(self.forms)

    @property
    def base(self) -> str:
        """The name under which others know the model."""
        return _EMBEDDED_BASE if self.model.name == "embedded" else self.model.name

    @property
    def revision(self) -> str | None:
        """The revision that the run recorded, where its model is this one."""
        return recorded_revision(self.run.config.model, self.base) if self.run else None


def recorded_revision(recorded: ModelSettings, base: str) -> str | None:
    """Return the revision that a run recorded, if its model is the one that an export names."""
    return recorded.revision or None if recorded.name == base else None


@dataclass(frozen=True)
class Written:
    """The result of a format: its proof and the facts for its card.

    Attributes:
        proof: Result of its proof.
        facts: What its card says beside it, by the names in the card's template.
    """

    proof: Proof
    facts: dict[str, Any]


@runtime_checkable
class Format(Protocol):
    """A format of an export.

    Attributes:
        noun: What is written, in a word or two.
        placements: The placements that it may be able to express.
    """

    noun: str
    placements: tuple[Placement, ...]

    def check(self, model: LanguageModel, /) -> None:
        """Refuse what cannot be exported before anything is spent.

        Raises:
            UsageError: A package is missing, or the model does not suit the format.
        """
        ...

    def write(self, folder: Path, export: Export) -> Written:
        """Write the files into an empty folder and prove them.

        Raises:
            UsageError: The model or the prompt does not suit the format.
            FailureError: The files do not give the same answers.
        """
        ...
