"""From derivatives in the answers back to derivatives in the soft prompts that were answered under."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from acculturate.model.answers import Cotangent
from acculturate.model.forward import array_of, does_not_fit
from acculturate.model.soft_prompt import Prompts
from acculturate.model.tree_attention import attending_over_trees


def backward(
    network: PreTrainedModel,
    prompts: torch.Tensor,
    outcome: Sequence[torch.Tensor],
    cotangent: Cotangent,
) -> Prompts:
    """Return the gradients of a quantity in the soft prompts.

    Args:
        network: The frozen model.
        prompts: The soft prompts.
        outcome: Probabilities, valid mass and divergence as they were computed from the prompts.
        cotangent: The quantity's derivatives in them.

    Raises:
        FailureError: What has to be computed does not fit into memory.
    """
    total = torch.zeros((), device=prompts.device)
    derivatives = cotangent.probabilities, cotangent.valid_mass, cotangent.divergence
    for part, derivative in zip(outcome, derivatives, strict=False):
        if derivative is not None and part.requires_grad:
            weight = torch.from_numpy(np.asarray(derivative, np.float32)).to(total.device)
            total = total + (part * weight).sum()
    try:
        # Checkpointed layers attend once more.
        with attending_over_trees(network):
            (gradient,) = torch.autograd.grad(total, prompts)
    except torch.OutOfMemoryError as error:
        raise does_not_fit() from error
    return array_of(gradient)
