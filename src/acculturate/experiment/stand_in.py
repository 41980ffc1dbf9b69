"""What a model that stands in for another passes on to it as it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from acculturate.model.answers import Placement
from acculturate.survey.forms import Form


class StandIn(ABC):
    """A model between a cell and the model that answers it; see `AnswerModel` and `GeneratingModel`.

    Attributes:
        name: The name that the other was loaded by.
        hidden_size: Width of a virtual token.
    """

    name: str
    hidden_size: int

    @abstractmethod
    def pass_on(self, method: str, *given: Any, **named: Any) -> Any:
        """Calls a method of the other model."""

    def provenance(self) -> dict[str, str]:
        """See `AnswerModel.provenance`."""
        return self.pass_on("provenance")

    def embed_text(self, text: str) -> Float[np.ndarray, "token hidden"]:
        """See `AnswerModel.embed_text`."""
        return self.pass_on("embed_text", text)

    def continue_text(
        self,
        text: str,
        prompt: Float[np.ndarray, "token hidden"] | None = None,
        *,
        placement: Placement = "front",
        max_tokens: int = 40,
    ) -> str:
        """See `AnswerModel.continue_text`."""
        named = {"placement": placement, "max_tokens": max_tokens}
        return self.pass_on("continue_text", text, prompt, **named)

    def generate_answers(
        self,
        forms: Sequence[Form],
        prompt: Float[np.ndarray, "token hidden"] | None = None,
        *,
        placement: Placement = "front",
        max_tokens: int = 12,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """See `GeneratingModel.generate_answers`."""
        named = {"placement": placement, "max_tokens": max_tokens, "seed": seed}
        return self.pass_on("generate_answers", tuple(forms), prompt, **named)
