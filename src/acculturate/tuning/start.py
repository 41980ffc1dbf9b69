"""The start of a search: its space and its first population.

The same stream gives the same of both, so that a resumed run stands in the space it began in.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from acculturate.model.answers import AnswerModel, check_prompt
from acculturate.model.start import start_population
from acculturate.runs import load_prompt
from acculturate.search import Full, LowRank, Mixture, Space, read_name
from acculturate.tuning.baselines import in_context_line
from acculturate.tuning.settings import Settings
from acculturate.tuning.task import Task


def start_search(
    model: AnswerModel, task: Task, size: int, rng: np.random.Generator
) -> tuple[Space, Float[np.ndarray, "candidate entry"]]:
    """Return the space, and a first population in it.

    Args:
        model: Gives the embeddings and their scale.
        task: Its settings, resolved, and its country, for a start at its description.
        size: Candidates.
        rng: Draws everything.

    Raises:
        UsageError: The run to start from does not fit.
    """
    settings = task.settings
    assert settings.init_scale is not None and settings.space is not None
    kind, number = read_name(settings.space)
    zeros = np.zeros((settings.tokens, model.hidden_size))
    real = model.embed_random_tokens(number, rng) if kind == "mixture" else None
    if settings.init is None:
        assert real is not None
        space = Mixture(zeros, real, settings.init_scale)
        return space, space.first(size, rng)
    init, text = settings.init, settings.init_text
    if init == "in-context":
        init, text = "text", in_context_line(task.target, task.scoring.dimensions)
    prompts = start_population(
        model,
        size,
        settings.tokens,
        rng,
        init=init,
        scale=settings.init_scale,
        text=text,
        prompt=_prompt_of_run(settings, model),
    )
    # A start without noise leaves the space its size: that of the embeddings.
    spread = (settings.init_scale or 1.0) * model.embedding_scale()
    if kind == "full":
        return Full(zeros, spread), prompts.reshape(size, -1)
    # Of a start at real tokens the first candidate is the start itself; Gaussian ones are around zero.
    base = zeros if settings.init == "gaussian" else prompts[0]
    space = (
        LowRank(base, number, spread) if real is None else Mixture(base, real, settings.init_scale)
    )
    return space, space.first(size, rng, from_base=settings.init not in ("gaussian", "tokens"))


def _prompt_of_run(
    settings: Settings, model: AnswerModel
) -> Float[np.ndarray, "token hidden"] | None:
    if settings.init_run is None:
        return None
    prompt = load_prompt(settings.init_run, any_model=settings.any_model)
    check_prompt(prompt, model)
    return prompt.embeddings
