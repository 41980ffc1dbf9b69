"""The start of a search: its space and its first population.

The same stream gives the same of both, so that a resumed run stands in the space it began in.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.model.answers import Answering, AnswerModel, PrefixedModel
from acculturate.model.prompt_checks import check_prompt
from acculturate.model.soft_prompt import Prompts
from acculturate.model.start import start_population
from acculturate.runs import load_multitask, load_prompt
from acculturate.search import Full, Mixture, NewTask, Scaled, SharedPrompt, Space, read_name
from acculturate.tuning.baselines import in_context_line
from acculturate.tuning.settings import Settings
from acculturate.tuning.shown_answers import space_of_shown_answers
from acculturate.tuning.task import Task

_LEAST_SPREAD = 0.01
"""Least unit of an entry of a prefix, as a share of the mean one."""


def start_search(
    model: AnswerModel,
    task: Task,
    size: int,
    rng: np.random.Generator,
    measured: Answering | None = None,
) -> tuple[Space, Float[np.ndarray, "candidate entry"]]:
    """Return the space, and a first population in it.

    Args:
        model: Gives the embeddings and their scale.
        task: Its settings, resolved, and its country, for a start at its description.
        size: Candidates.
        rng: Draws everything.
        measured: The same model, which remembers untouched answers; `model` if None.

    Raises:
        UsageError: The run to start from does not fit, or no question into the tokens.
    """
    settings = task.settings
    assert settings.init_scale is not None and settings.space is not None
    kind, number = read_name(settings.space)
    if settings.shared_directory is not None:
        space = NewTask(_known_tasks(settings, model), settings.init_scale)
        return space, space.first(size, rng)
    if kind == "demonstrations":
        space = space_of_shown_answers(measured or model, task, settings.init_scale)
        return space, space.first(size, rng)
    real = model.embed_random_tokens(number, rng) if kind == "mixture" else None
    init, text = settings.init, settings.init_text
    assert init is not None
    if init == "in-context":
        init, text = "text", in_context_line(task.target, task.scoring.dimensions)
    prompts = start_population(
        model,
        size,
        settings.token_count,
        rng,
        init=init,
        scale=settings.init_scale,
        text=text,
        prompt=_prompt_of_run(settings, model),
    )
    if settings.placement == "prefix":
        return _prefix_around(model, prompts)
    if real is not None:
        space = Mixture(prompts[0], real, settings.init_scale)
        return space, space.first(size, rng)
    # A start without noise leaves the space its size: that of the embeddings.
    spread = (settings.init_scale or 1.0) * model.embedding_scale()
    return Full(np.zeros_like(prompts[0]), spread), prompts.reshape(size, -1)


def _prefix_around(
    model: AnswerModel, prompts: Prompts
) -> tuple[Space, Float[np.ndarray, "candidate entry"]]:
    """Return the space of prefixes around the keys and values that the first soft prompt has.

    An entry's unit is its spread over the virtual tokens: keys and values differ in size from layer to layer,
    and from entry to entry. Of a single token it is the spread of all entries.
    """
    assert isinstance(model, PrefixedModel)
    prefixes = model.prefix_of(prompts)
    spread = prefixes[0].std(axis=0)
    if not spread.any():
        spread[:] = prefixes[0].std() or 1.0
    space = Scaled(prefixes[0], np.maximum(spread, _LEAST_SPREAD * spread.mean()))
    return space, space.vectors(prefixes)


def _prompt_of_run(
    settings: Settings, model: AnswerModel
) -> Float[np.ndarray, "token hidden"] | None:
    if settings.init_run is None:
        return None
    prompt = load_prompt(settings.init_run, any_model=settings.any_model)
    check_prompt(prompt, model)
    if prompt.placement == "prefix":
        raise UsageError(
            f"{settings.init_run} holds keys and values, which are no start for embeddings",
            "Start from a run of another placement.",
        )
    return prompt.embeddings


def _known_tasks(settings: Settings, model: AnswerModel) -> SharedPrompt:
    """Return what the countries of a directory share, which has to be of this model, length and placement."""
    assert settings.shared_directory is not None
    known = load_multitask(settings.shared_directory)
    if not settings.any_model:
        check_prompt(known.prompts[0], model)
    there, here = (
        (len(known.parts.shared), known.placement),
        (settings.token_count, settings.placement),
    )
    if there != here:
        raise UsageError(
            f"the countries of {settings.shared_directory} share {there[0]} tokens at {there[1]!r}, and "
            f"{here[0]} at {here[1]!r} are asked for",
            f"Use --tokens {there[0]} --placement {there[1]}.",
        )
    return known.parts
