"""Decoder layers in other clothes: compiled for a GPU, or forgetting what they computed to save memory.

What stands between a layer's matrix products (norms, rotary positions, activations, residuals) moves all
states once a step and multiplies nothing. Compiled, those steps become a few kernels. Attention stays
outside, a call of ours in the middle of a layer: who sees whom changes with the forms, and must not
compile anything anew.

A pass that keeps gradients keeps all that every layer computed. Where that is too much, a layer keeps its
input alone and computes the rest again on the way back: a third more work, a tenth of the memory.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from acculturate.model.tree_attention import NAME, tree_attention


class CompiledLayers:
    """The layers of a decoder, compiled when they first run.

    Args:
        network: The model. It keeps its own layers, and has the compiled ones within `running` only.
    """

    def __init__(self, network: PreTrainedModel) -> None:
        AttentionInterface.register(NAME, torch.compiler.disable(tree_attention))
        self._layers: list[tuple[Any, Any]] = [
            (one, torch.compile(one.forward)) for one in _layers(network)
        ]

    @contextmanager
    def running(self) -> Generator[None]:
        """Puts the compiled layers in place, and takes them away again."""
        for layer, compiled in self._layers:
            layer.forward = compiled
        try:
            yield
        finally:
            for layer, _ in self._layers:
                del layer.forward


@contextmanager
def forgetting_layers(network: PreTrainedModel) -> Generator[None]:
    """Lets layers keep their inputs alone for the way back; takes effect where gradients are kept."""
    layers = _layers(network)
    before = [vars(layer).get("forward") for layer in layers]
    for layer in layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
    try:
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            del layer.forward
            if own is not None:
                layer.forward = own


def _layers(network: PreTrainedModel) -> list[Any]:
    decoder: Any = network.get_decoder()
    return [one for one in decoder.modules() if isinstance(one, GradientCheckpointingLayer)]
