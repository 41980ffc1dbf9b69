"""Steps that several commands share: load a model, read an anchor, print JSON."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from acculturate import display, progress_bars
from acculturate.errors import UsageError
from acculturate.io import json_text

if TYPE_CHECKING:
    from acculturate.model.answers import AnswerModel
    from acculturate.runs import Run
    from acculturate.survey.scoring import Anchor


def load(
    name: str, revision: str | None, dtype: str, device: str, trust_remote_code: bool
) -> AnswerModel:
    """Load the model of the options, with a line of progress."""
    import acculturate as ac

    with progress_bars.step("loading the model") as progress:
        return ac.load_model(
            name,
            revision=revision,
            dtype=cast("Any", dtype),
            device=device,
            trust_remote_code=trust_remote_code,
            progress=progress,
        )


def read_anchor(given: str) -> Anchor:
    """Read the value of --anchor.

    Raises:
        UsageError: It is neither a name nor numbers.
    """
    if given in ("midpoint", "zero"):
        return cast("Anchor", given)
    try:
        pairs = [part.split("=") for part in given.split(",")]
        return {key.strip().lower(): float(value) for key, value in pairs}
    except ValueError as error:
        raise UsageError(
            f"anchor {given!r} is not understood",
            "Use midpoint, zero, or a number for every dimension: pdi=50,idv=50,...",
        ) from error


class Models:
    """The models that runs were tuned on, each loaded once.

    Args:
        name: Name of the runs' model now, or None for the one in their settings.
        device: Device that runs it.
        trust_remote_code: Whether a hub repository may run its own code.
    """

    def __init__(self, name: str | None, device: str, trust_remote_code: bool) -> None:
        self._name, self._device, self._trust = name, device, trust_remote_code
        self._loaded: dict[tuple[str, str | None, str], AnswerModel] = {}

    def of(self, run: Run) -> AnswerModel:
        """Return the model of a run."""
        from acculturate.evaluation.evaluate import made_with

        name, revision, dtype = made_with(run)
        key = (self._name or name, revision, dtype)
        if key not in self._loaded:
            self._loaded[key] = load(*key, self._device, self._trust)
        return self._loaded[key]


def say_report(runs: Sequence[Path]) -> None:
    """Say how the report of some runs is written."""
    display.say(f"`acculturate report {shlex.join(str(run) for run in runs)}` shows all of it.")


def print_json(value: object) -> None:
    """Print JSON, in ASCII where the terminal takes nothing else."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    print(json_text(value, ascii_only=not unicode), end="")
