"""What several commands do: load a model, read an anchor or benchmarks, print JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from acculturate import display
from acculturate.errors import UsageError
from acculturate.files import json_text

if TYPE_CHECKING:
    from acculturate.benchmarks.exam import Exam
    from acculturate.model.answers import AnswerModel
    from acculturate.survey.scoring import Anchor


def load(
    name: str, revision: str | None, dtype: str, device: str, trust_remote_code: bool
) -> AnswerModel:
    """The model of the options, with a line of progress."""
    import acculturate as ac

    with display.step("loading the model") as progress:
        return ac.load_model(
            name,
            revision=revision,
            dtype=cast("Any", dtype),
            device=device,
            trust_remote_code=trust_remote_code,
            progress=progress,
        )


def read_anchor(given: str) -> Anchor:
    """What --anchor says.

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


def read_exam(on: Sequence[str] | None, permute: int, written: bool) -> Exam | None:
    """What --on, --permute and --written say; None without --on.

    Raises:
        UsageError: A benchmark is unknown, or there is none and the others were given.
        FailureError: One cannot be fetched from the hub.
    """
    from acculturate.benchmarks.catalogue import benchmark_names, load_benchmarks
    from acculturate.benchmarks.exam import Exam

    if on is None:
        if permute or written:
            raise UsageError(
                f"{'--permute' if permute else '--written'} is about benchmarks, and none is given",
                f"Give some with --on: {', '.join(benchmark_names())}, or a .toml file.",
            )
        return None
    names = [part.strip() for given in on for part in given.split(",") if part.strip()]
    if not names:
        raise UsageError("--on names no benchmark", f"Known: {', '.join(benchmark_names())}.")
    with display.step("loading the benchmarks") as progress:
        return Exam(load_benchmarks(names, progress), permute, written)


def print_json(value: object) -> None:
    """Prints JSON, in ASCII where the terminal takes nothing else."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    print(json_text(value, ascii_only=not unicode), end="")
