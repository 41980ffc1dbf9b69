"""From hidden states to logits, and to sums over a whole vocabulary that is never held at once.

In: final hidden states. Out: logits in float32, capped and scaled as the model has them, or their sums.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

_SLICE = 4096


class Vocabulary:
    """The output embeddings of a frozen model.

    Args:
        network: The model.

    Attributes:
        weight: `[token, hidden]`.
    """

    def __init__(self, network: PreTrainedModel) -> None:
        head: Any = network.get_output_embeddings()
        self.weight: torch.Tensor = head.weight
        self._bias: torch.Tensor | None = getattr(head, "bias", None)
        config: Any = network.config.get_text_config()
        self._softcap: float | None = getattr(config, "final_logit_softcapping", None)
        self._scale = float(getattr(config, "logit_scale", None) or 1.0) / float(
            getattr(config, "logits_scaling", None) or 1.0
        )

    def of_tokens(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weights and biases of some tokens in float32, `[token, hidden]` and `[token]`."""
        weight = self.weight[tokens].float()
        if self._bias is None:
            return weight, torch.zeros(len(tokens), device=weight.device)
        return weight, self._bias[tokens].float()

    def logits(self, states: torch.Tensor, part: slice) -> torch.Tensor:
        """Return the logits of a part of the vocabulary, `[..., token]`."""
        bias = None if self._bias is None else self._bias[part]
        return self.cap(torch.nn.functional.linear(states, self.weight[part], bias).float())

    def logit_of_each(self, states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Return the logit of one token at each position, `[..., position]`."""
        logits = (states.float() * self.weight[tokens].float()).sum(-1)
        return self.cap(logits if self._bias is None else logits + self._bias[tokens])

    def cap(self, logits: torch.Tensor) -> torch.Tensor:
        """Scale and cap logits as the model does."""
        logits = logits * self._scale
        if self._softcap is None:
            return logits
        return torch.tanh(logits / self._softcap) * self._softcap

    def sums(
        self, states: torch.Tensor, weights: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sum over the vocabulary, slice by slice so that logits never leave the cache.

        Where gradients are kept, a slice's logits are computed again for them instead of being kept.

        Args:
            states: Final hidden states, `[candidate, position, hidden]`.
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
        for start in range(0, len(self.weight), _SLICE):
            log_sum, weighted_sum = slice_sums(states, weights, slice(start, start + _SLICE))
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
