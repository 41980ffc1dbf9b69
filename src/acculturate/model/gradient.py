"""From a quantity of the answers back to the soft prompts that were answered under.

In: what a forward kept for its gradient. Out: gradients. Candidates whose ways back do not fit into memory
together are taken back one after another, each asked anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from acculturate.errors import FailureError
from acculturate.model.answers import Answers, Backward, Cotangent
from acculturate.model.tree_attention import attending_over_trees


class PromptGradient:
    """A `Backward` of some candidates.

    Args:
        network: The frozen model.
        prompts: The soft prompts, of which gradients are wanted.
        outcome: Probabilities, valid mass and divergence as they came from the prompts; None where they
            could not be kept.
        recompute: Asks some candidates anew, with their way back.
    """

    def __init__(
        self,
        network: Any,
        prompts: torch.Tensor,
        outcome: Sequence[torch.Tensor] | None,
        recompute: Callable[[np.ndarray], tuple[Answers, Backward]],
    ) -> None:
        self._network, self._prompts = network, prompts
        self._outcome, self._recompute = outcome, recompute

    def __call__(self, cotangent: Cotangent) -> Float[np.ndarray, "candidate token hidden"]:
        """The gradients; what was kept for them is let go.

        Raises:
            FailureError: One candidate alone does not fit into memory.
        """
        outcome, self._outcome = self._outcome, None
        if outcome is not None:
            try:
                return self._at_once(outcome, cotangent)
            except torch.OutOfMemoryError as error:
                if len(self._prompts) == 1:
                    raise does_not_fit() from error
            outcome = None
            torch.cuda.empty_cache()
        prompts = self._prompts.detach().cpu().numpy()
        gradients: list[np.ndarray] = []
        for one in (slice(at, at + 1) for at in range(len(prompts))):
            _, back = self._recompute(prompts[one])
            gradients.append(back(cotangent.of(one)))
        return np.concatenate(gradients)

    def _at_once(self, outcome: Sequence[torch.Tensor], cotangent: Cotangent) -> np.ndarray:
        total = torch.zeros((), device=self._prompts.device)
        given = cotangent.probabilities, cotangent.valid_mass, cotangent.divergence
        for part, direction in zip(outcome, given, strict=False):
            if direction is not None and part.requires_grad:
                slope = torch.from_numpy(np.asarray(direction, np.float32)).to(total.device)
                total = total + (part * slope).sum()
        # Layers that forgot what they computed attend once more.
        with attending_over_trees(self._network):
            (gradient,) = torch.autograd.grad(total, self._prompts)
        return gradient.double().cpu().numpy()


def does_not_fit(tokens: int | None = None) -> FailureError:
    """What is said where one candidate is too large for the device."""
    size = "" if tokens is None else f" with {tokens} tokens"
    return FailureError(
        f"one candidate{size} does not fit into the device's memory",
        "Ask fewer forms (--forms), or use a smaller model or a larger device.",
    )
