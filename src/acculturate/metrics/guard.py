"""The guard: what a soft prompt does to ordinary text.

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
from acculturate.model.answers import AnswerModel, Placement, Query

TUNING_TEXTS = (
    "The town council met on Tuesday to decide whether the old bridge should be repaired or replaced.",
    "To make a simple soup, chop an onion and two carrots, fry them gently in oil, and add a litre of water.",
    "When the bus finally came, the children ran to the back seats and waved at their teacher.",
    "A volcano forms where molten rock from deep inside the earth reaches the surface and cools.",
    "Press the green button for three seconds, then wait until the light stops blinking.",
)
HELD_OUT_TEXTS = (
    "The train to the coast leaves at half past eight and arrives shortly before noon.",
    "Bees find their way back to the hive by the position of the sun and by landmarks they remember.",
    "She opened the window, looked at the rain, and decided to finish the letter before going out.",
    "A triangle with two equal sides has two equal angles, and the third angle follows from them.",
    "The museum has a small collection of clocks, most of them made in the eighteenth century.",
    "If the engine does not start, check the battery first and then the fuel.",
    "Our team lost the first match but won the next two, so we stayed in the tournament.",
    "Water boils at a lower temperature in the mountains because the air pressure is lower there.",
)
OPENINGS = (
    "The best way to spend a rainy afternoon is",
    "Once upon a time, in a village by the sea,",
)
"""Beginnings whose continuations a report shows."""


@dataclass(frozen=True)
class GuardReading:
    """What a soft prompt does to ordinary text.

    Attributes:
        divergence: KL divergence from the untouched model's next-token distributions, nats a token.
        perplexity: Of the texts.
    """

    divergence: float
    perplexity: float


def read_guard(
    model: AnswerModel,
    prompt: Float[np.ndarray, "token hidden"] | None,
    placement: Placement,
    texts: Sequence[str] = HELD_OUT_TEXTS,
) -> GuardReading:
    """Reads the guard for one soft prompt, or for the untouched model."""
    prompts = None if prompt is None else np.asarray(prompt)[None]
    answers = model.ask(prompts, Query(texts=texts, placement=placement))
    if answers.divergence is None or answers.perplexity is None:
        raise ValueError("a guard is read on at least one text")
    return GuardReading(float(answers.divergence[0]), float(answers.perplexity[0]))


def guard_fingerprint() -> str:
    """SHA-256 over all guard texts."""
    return fingerprint([TUNING_TEXTS, HELD_OUT_TEXTS])
