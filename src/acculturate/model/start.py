"""The first population of a search."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.model.answers import AnswerModel
from acculturate.model.soft_prompt import Prompts

Init = Literal["gaussian", "tokens", "text", "run"]
_START_HINTS = {"text": "Give --init-text TEXT.", "run": "Give --init-run DIRECTORY."}


def start_population(
    model: AnswerModel,
    size: int,
    tokens: int,
    rng: np.random.Generator,
    *,
    init: Init = "gaussian",
    scale: float = 1.0,
    text: str | None = None,
    prompt: Float[np.ndarray, "given hidden"] | None = None,
) -> Prompts:
    """Make the first population of a search.

    Args:
        model: Gives the embeddings and their scale.
        size: Candidates.
        tokens: Virtual tokens of a soft prompt.
        rng: Draws everything.
        init: "gaussian": independent entries with the standard deviation of the embedding layer's
            output times `scale`. "tokens": random real tokens, each candidate its own, plus such
            Gaussian noise (none at scale 0). "text": the tokens of `text`, repeated or cut to length,
            plus such noise for all candidates but the first. "run": `prompt` likewise.
        scale: Multiple of the embeddings' standard deviation.
        text: The start text of "text".
        prompt: The soft prompt of "run".

    Raises:
        UsageError: An argument is out of range, or "text" has no text.
    """
    if tokens < 1 or size < 1:
        raise UsageError(f"a population of {size} prompts of {tokens} tokens", "Use at least 1.")
    if not np.isfinite(scale) or scale < 0 or (scale == 0 and init == "gaussian"):
        raise UsageError(f"an init scale of {scale}", "Use a positive number, such as 1.")
    shape = (size, tokens, model.hidden_size)
    noise = rng.normal(size=shape) * (scale * model.embedding_scale())
    if init == "gaussian":
        start = noise
    elif init == "tokens":
        drawn = [model.embed_random_tokens(tokens, rng) for _ in range(size)]
        start = np.stack(drawn) + noise
    elif init in _START_HINTS:
        base = model.embed_text(text or "") if init == "text" else prompt
        if base is None or not len(base):
            raise UsageError(f"a start at a {init} needs one", _START_HINTS[init])
        noise[0] = 0
        start = np.resize(base, shape[1:]) + noise
    else:
        raise UsageError(f"unknown init {init!r}", f"Use {', '.join(get_args(Init))}.")
    return start.astype(np.float32)
