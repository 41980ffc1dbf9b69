"""Loading the model that a command asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import acculturate as ac
from acculturate import progress_bars

if TYPE_CHECKING:
    from acculturate.model import AnswerModel


def load(
    name: str, revision: str | None, dtype: str, device: str, trust_remote_code: bool
) -> AnswerModel:
    """Load the model of the options, with a line of progress."""
    with progress_bars.step("loading the model") as progress:
        return ac.load_model(
            name,
            revision=revision,
            dtype=dtype,
            device=device,
            trust_remote_code=trust_remote_code,
            progress=progress,
        )
