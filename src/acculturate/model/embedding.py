"""From token ids to what enters a model's layers.

In: a network. Out: its embedding layer, or that and the factor that a model such as Falcon-H1 multiplies
the tokens by which it looks up itself, and embeddings that it is given not. Granite multiplies both.
"""

from __future__ import annotations

from typing import Any

import torch

_SEVERAL = slice(3, 9)
"""Tokens that tell one from the other."""


class ScaledEmbedding:
    """An embedding layer and a factor.

    Args:
        layer: The layer.
        factor: What its output is multiplied by.

    Attributes:
        weight: The layer's own weight, `[token, hidden]`.
        factor: The factor.
    """

    def __init__(self, layer: Any, factor: float) -> None:
        self._layer, self.factor = layer, factor
        self.weight: torch.Tensor = layer.weight

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        """Return embeddings as they enter the model's layers, `[..., hidden]`."""
        return self._layer(ids) * self.factor


@torch.no_grad()
def input_embedding(network: Any) -> Any:
    """Return what makes of token ids the embeddings for which a model gives the same answers."""
    layer = network.get_input_embeddings()
    factor = getattr(network.config.get_text_config(), "embedding_multiplier", None) or 1.0
    if factor == 1.0:
        return layer
    ids = torch.arange(len(layer.weight), device=layer.weight.device)[_SEVERAL][None]
    scaled = ScaledEmbedding(layer, float(factor))
    own, *given = (
        network(**inputs, use_cache=False).logits.float()
        for inputs in (
            {"input_ids": ids},
            {"inputs_embeds": layer(ids)},
            {"inputs_embeds": scaled(ids)},
        )
    )
    plain, multiplied = ((logits - own).abs().max() for logits in given)
    return scaled if multiplied < plain else layer
