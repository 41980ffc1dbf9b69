"""Decoder layers that run differently: compiled for a GPU, or recomputed to save memory.

What stands between a layer's matrix products (norms, rotary positions, activations, residuals) moves all
states once a step and multiplies nothing. Compiled, those steps become a few kernels. Attention stays
outside, a call of ours in the middle of a layer: who sees whom changes with the forms, and must not
compile anything anew.

A pass that keeps gradients keeps all that every layer computed. Where that is too much, a layer keeps its
input alone and computes the rest again in the backward pass: a third more work, a tenth of the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
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
        self._compiled = {layer: torch.compile(layer.forward) for layer in _layers(network)}

    def running(self) -> AbstractContextManager[None]:
        """Put the compiled layers in place for a while."""
        return _replaced_forwards(list(self._compiled), self._compiled.__getitem__)


def checkpointed_layers(network: PreTrainedModel) -> AbstractContextManager[None]:
    """Let layers keep their inputs alone for a while; takes effect where gradients are kept."""

    def checkpointed(layer: Any) -> Callable[..., Any]:
        return partial(checkpoint, layer.forward, use_reentrant=False)

    return _replaced_forwards(_layers(network), checkpointed)


@contextmanager
def _replaced_forwards(
    layers: Sequence[Any], replacement: Callable[[Any], Callable[..., Any]]
) -> Generator[None]:
    before = [vars(layer).get("forward") for layer in layers]
    for layer in layers:
        layer.forward = replacement(layer)
    try:
        yield
    finally:
        for layer, forward in zip(layers, before, strict=True):
            del layer.forward
            if forward is not None:
                layer.forward = forward


def _layers(network: PreTrainedModel) -> list[Any]:
    decoder: Any = network.get_decoder()
    return [part for part in decoder.modules() if isinstance(part, GradientCheckpointingLayer)]
