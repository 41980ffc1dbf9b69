"""The guard: the effect of a soft prompt on ordinary text.

In: a model and a soft prompt. Out: divergence from the untouched model and perplexity, on short texts of
our own that have nothing to do with surveys. A search may see the tuning texts only; the held-out ones
say whether a prompt that stays under a limit there also leaves other texts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from acculturate.io import fingerprint
from acculturate.metrics.texts import HELD_OUT_TEXTS, TUNING_TEXTS
from acculturate.model.answers import Answering, Placement, Query
from acculturate.model.asking import ask


@dataclass(frozen=True)
class GuardReading:
    """The effect of a soft prompt on ordinary text.

    Attributes:
        divergence: KL divergence from the untouched model's next-token distributions, nats a token.
        perplexity: Of the texts.
    """

    divergence: float
    perplexity: float


def read_guard(
    model: Answering,
    prompt: Float[np.ndarray, "token hidden"] | None,
    placement: Placement,
    texts: Sequence[str] = HELD_OUT_TEXTS,
) -> GuardReading:
    """Read the guard for one soft prompt, or for the untouched model."""
    prompts = None if prompt is None else np.asarray(prompt)[None]
    answers = ask(model, prompts, Query(texts=texts, placement=placement))
    if answers.divergence is None or answers.perplexity is None:
        raise ValueError("a guard is read on at least one text")
    return GuardReading(float(answers.divergence[0]), float(answers.perplexity[0]))


def guard_fingerprint() -> str:
    """Return the SHA-256 over all guard texts."""
    return fingerprint([TUNING_TEXTS, HELD_OUT_TEXTS])
