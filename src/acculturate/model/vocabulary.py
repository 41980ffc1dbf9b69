"""From what a pass leaves at a position to logits, and to sums over a vocabulary that is never held at once.

In: final states. Out: logits in float32 as the model itself has them, or their sums.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

_SLICE = 4096
"""Tokens of the vocabulary that are summed at once at least: on a processor, as many as stay in its cache."""
_LOGITS_ON_GPU = 2**26
"""Logits that stand in a GPU's memory at once: few calls count for more there."""


class Vocabulary:
    """The output embeddings of a frozen model, for states that are its hidden ones.

    Args:
        network: The model. A head that does more than its configuration says by the common names gives
            other logits here; `verification.py` finds that out.
    """

    def __init__(self, network: PreTrainedModel) -> None:
        head: Any = network.get_output_embeddings()
        self._weight: torch.Tensor = head.weight
        self._size: int | None = len(self._weight)
        self._bias: torch.Tensor | None = getattr(head, "bias", None)
        config: Any = network.config.get_text_config()
        self._softcap: float | None = getattr(config, "final_logit_softcapping", None)
        self._scale = float(getattr(config, "logit_scale", None) or 1.0) / float(
            getattr(config, "logits_scaling", None) or 1.0
        )

    def of_tokens(self, tokens: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what turns states into the logits of some tokens, `[..., token]`."""
        weight = self._weight[tokens].float()
        bias = 0.0 if self._bias is None else self._bias[tokens].float()
        return lambda states: self._cap(states.float() @ weight.T + bias)

    def logits(self, states: torch.Tensor, part: slice) -> torch.Tensor:
        """Return the logits of a part of the vocabulary, `[..., token]`."""
        weight = self._weight[part].to(states.dtype)
        bias = None if self._bias is None else self._bias[part].to(states.dtype)
        return self._cap(torch.nn.functional.linear(states, weight, bias).float())

    def logit_of_each(self, states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Return the logit of one token at each position, `[..., position]`."""
        logits = (states.float() * self._weight[tokens].float()).sum(-1)
        return self._cap(logits if self._bias is None else logits + self._bias[tokens])

    def sums(
        self, states: torch.Tensor, weights: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sum over the vocabulary, slice by slice so that logits stay in the cache, or fit a GPU.

        Where gradients are kept, a slice's logits are computed again for them instead of being kept.

        Args:
            states: Final states, `[candidate, position, width]`.
            weights: `[position, vocabulary]`, or None.

        Returns:
            The log of the summed exponentials of the logits, `[candidate, position]`, and the logits'
            weighted sum likewise (zeros without weights).
        """
        total = torch.full(states.shape[:2], -torch.inf, device=states.device)
        weighted = torch.zeros(states.shape[:2], device=states.device)
        slice_sums: Any = self._slice_sums
        if states.requires_grad:
            slice_sums = partial(checkpoint, slice_sums, use_reentrant=False)
        size = _SLICE
        if states.device.type != "cpu":
            size = max(size, _LOGITS_ON_GPU // states.shape[:2].numel())
        for start in range(0, self._size or states.shape[-1], size):
            log_sum, weighted_sum = slice_sums(states, weights, slice(start, start + size))
            total = torch.logaddexp(total, log_sum)
            weighted = weighted + weighted_sum
        return total, weighted

    def _slice_sums(
        self, states: torch.Tensor, weights: torch.Tensor | None, part: slice
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.logits(states, part)
        if weights is None:
            return logits.logsumexp(-1), torch.zeros(states.shape[:2], device=states.device)
        return logits.logsumexp(-1), torch.linalg.vecdot(logits, weights[:, part])

    def _cap(self, logits: torch.Tensor) -> torch.Tensor:
        """Scale and cap logits as the model does."""
        logits = logits * self._scale
        if self._softcap is None:
            return logits
        return torch.tanh(logits / self._softcap) * self._softcap


class OwnLogits(Vocabulary):
    """The vocabulary for states that are the model's own logits already, whatever its head does."""

    def __init__(self) -> None:
        """Take nothing: the states hold it all."""
        self._size = None

    def of_tokens(self, tokens: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        """See `Vocabulary.of_tokens`."""
        return lambda states: states[..., tokens].float()

    def logits(self, states: torch.Tensor, part: slice) -> torch.Tensor:
        """See `Vocabulary.logits`."""
        return states[..., part].float()

    def logit_of_each(self, states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """See `Vocabulary.logit_of_each`."""
        return states.gather(-1, tokens.expand(states.shape[:-1])[..., None])[..., 0].float()
