"""From what a pass leaves at a position to logits, and to sums over a vocabulary that is never held at once.

In: final states. Out: logits in float32 as the model itself has them, or their sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from transformers import PreTrainedModel

_SMALLEST_PART = 1024
"""Tokens of the vocabulary that are summed at once at least."""
_LOGITS_IN_CACHE = 2**19
"""Logits that stay in a processor's cache."""
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
        # A batch of matrices would have the weight copied.
        logits = torch.nn.functional.linear(states.flatten(0, -2), weight, bias)
        return self._cap(logits.unflatten(0, states.shape[:-1]).float())

    def logit_of_each(self, states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Return the logit of one token at each position, `[..., position]`."""
        logits = (states.float() * self._weight[tokens].float()).sum(-1)
        return self._cap(logits if self._bias is None else logits + self._bias[tokens])

    def sums(
        self, states: torch.Tensor, weights: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sum over the vocabulary, part by part so that logits stay in the cache, or fit a GPU.

        For gradients, a part's logits are computed again instead of being kept.

        Args:
            states: Final states, `[candidate, position, width]`.
            weights: `[position, vocabulary]`, or None.

        Returns:
            The log of the summed exponentials of the logits, `[candidate, position]`, and the logits'
            weighted sum likewise (zeros without weights).
        """
        total, weighted = _Sums.apply(states, weights, self)
        return total, weighted

    def parts(self, states: torch.Tensor) -> Iterator[slice]:
        """Iterate over the parts of the vocabulary whose logits are held at once."""
        at_once = _LOGITS_ON_GPU if states.device.type != "cpu" else _LOGITS_IN_CACHE
        size = max(_SMALLEST_PART, at_once // max(1, states.shape[:2].numel()))
        for start in range(0, self._size or states.shape[-1], size):
            yield slice(start, start + size)

    def add_gradient(self, gradient: torch.Tensor, derivative: torch.Tensor, part: slice) -> None:
        """Add to a gradient in states, `[..., width]`, what a part's logits contribute.

        Args:
            gradient: In float32.
            derivative: Derivatives in the part's logits before they are capped, `[..., token]`.
            part: The part.
        """
        share = derivative.flatten(0, -2).to(self._weight.dtype) @ self._weight[part]
        gradient += share.view_as(gradient)

    def before_cap(self, derivative: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Turn derivatives in logits into those before the model scales and caps them, in place."""
        if self._softcap is not None:
            derivative *= 1 - (logits / self._softcap).square()
        if self._scale != 1:
            derivative *= self._scale
        return derivative

    def _cap(self, logits: torch.Tensor) -> torch.Tensor:
        """Scale and cap logits as the model does."""
        if self._scale != 1:
            logits = logits * self._scale
        if self._softcap is None:
            return logits
        return torch.tanh(logits / self._softcap) * self._softcap


class OwnLogits(Vocabulary):
    """The vocabulary for states that are the model's own logits already, whatever its head does."""

    def __init__(self) -> None:
        """Take nothing: the states hold it all."""
        self._size, self._softcap, self._scale = None, None, 1.0

    def of_tokens(self, tokens: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        """See `Vocabulary.of_tokens`."""
        return lambda states: states[..., tokens].float()

    def logits(self, states: torch.Tensor, part: slice) -> torch.Tensor:
        """See `Vocabulary.logits`."""
        return states[..., part].float()

    def logit_of_each(self, states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """See `Vocabulary.logit_of_each`."""
        return states.gather(-1, tokens.expand(states.shape[:-1])[..., None])[..., 0].float()

    def add_gradient(self, gradient: torch.Tensor, derivative: torch.Tensor, part: slice) -> None:
        """See `Vocabulary.add_gradient`."""
        gradient[..., part] += derivative


class _Sums(torch.autograd.Function):
    """`Vocabulary.sums`, with the derivatives of a part's logits computed in place."""

    @staticmethod
    def forward(
        ctx: Any, states: torch.Tensor, weights: torch.Tensor | None, vocabulary: Vocabulary
    ) -> tuple[torch.Tensor, torch.Tensor]:
        total = torch.full(states.shape[:2], -torch.inf, device=states.device)
        weighted = torch.zeros(states.shape[:2], device=states.device)
        for part in vocabulary.parts(states):
            logits = vocabulary.logits(states, part)
            if weights is not None:
                weighted += torch.linalg.vecdot(logits, weights[:, part])
            total = torch.logaddexp(total, logits.logsumexp(-1))
        ctx.save_for_backward(states, total)
        ctx.weights, ctx.vocabulary = weights, vocabulary
        return total, weighted

    @staticmethod
    def backward(ctx: Any, *derivatives: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        states, total = ctx.saved_tensors
        in_total, in_weighted = (derivative[..., None] for derivative in derivatives)
        gradient = torch.zeros(states.shape, device=states.device)
        for part in ctx.vocabulary.parts(states):
            logits = ctx.vocabulary.logits(states, part)
            derivative = (logits - total[..., None]).exp_().mul_(in_total)
            if ctx.weights is not None:
                derivative.addcmul_(in_weighted, ctx.weights[:, part])
            derivative = ctx.vocabulary.before_cap(derivative, logits)
            ctx.vocabulary.add_gradient(gradient, derivative, part)
        return gradient.to(states.dtype), None, None
