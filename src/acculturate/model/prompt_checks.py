"""Checks that a soft prompt fits a model: it takes soft prompts, of this width, and this one was made for it.

In: a soft prompt or its width, and a model. Out: nothing, or an error with the next step.
"""

from __future__ import annotations

from acculturate.errors import UsageError
from acculturate.model.answers import Answering, AnswerModel, IdentifiedModel, PrefixedModel
from acculturate.model.soft_prompt import Placement, SoftPrompt


def identify(model: AnswerModel) -> str:
    """Return the hash of a model, or an empty text where it has none."""
    return model.model_hash() if isinstance(model, IdentifiedModel) else ""


def has_embeddings(model: Answering) -> bool:
    """Return whether a model has embeddings at hand; one behind an endpoint need not have them."""
    return not isinstance(model, AnswerModel) or bool(model.hidden_size)


def check_embeddings(model: AnswerModel) -> None:
    """Refuse a model that has no embeddings, and so takes no soft prompts.

    Raises:
        UsageError: It is behind an endpoint.
    """
    if not has_embeddings(model):
        raise without_embeddings(model)


def without_embeddings(model: AnswerModel) -> UsageError:
    """Return the error of a model that has no embeddings."""
    return UsageError(
        f"{model.name} takes no soft prompt: an endpoint shows no embeddings",
        "Give the served model's folder or name: --embeddings. The endpoint has to take prompt_embeds "
        "(docs/large-models.md).",
    )


def width_of(model: AnswerModel, placement: Placement) -> int:
    """Return the width of a virtual token in a placement.

    Raises:
        UsageError: The model takes no prefix.
    """
    if placement != "prefix":
        return model.hidden_size
    if not isinstance(model, PrefixedModel):
        raise UsageError(
            f"{model.name} takes no prefix: it has no layers whose keys and values could be given",
            "Use --placement after-bos.",
        )
    return model.prefix_width()


def check_width(width: int, model: AnswerModel, placement: Placement = "front") -> None:
    """Refuse virtual tokens of another width than a model's.

    Raises:
        UsageError: They are, or the model takes no prefix.
    """
    needed = width_of(model, placement)
    if width != needed:
        raise UsageError(
            f"the soft prompt is {width} wide, {model.name} needs {needed}",
            "A soft prompt works only on the model it was tuned on.",
        )


def check_prompt(prompt: SoftPrompt, model: AnswerModel) -> None:
    """Refuse a soft prompt that was made for another model.

    A prompt of an earlier version carries the model's name alone, one that was loaded with `any_model` not
    even that.

    Raises:
        UsageError: It is of another width than the model, or made for another one.
    """
    check_embeddings(model)
    check_width(prompt.embeddings.shape[-1], model, prompt.placement)
    here = identify(model) if prompt.model_hash else ""
    if here:
        differs, why = here != prompt.model_hash, f"{model.name} has other weights"
    else:
        differs = prompt.model not in ("", model.name)
        why = f"its file does not say whether {model.name} has the same weights"
    if differs:
        raise UsageError(
            f"the soft prompt was made for {prompt.model}, and {why}",
            "Give the model it was tuned on, or insist: --any-model; in Python, load it with any_model=True.",
        )
