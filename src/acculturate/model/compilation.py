"""Compiled decoder layers, for a GPU.

What stands between a layer's matrix products (norms, rotary positions, activations, residuals) moves all
states once a step and multiplies nothing. Compiled, those steps become a few kernels. Attention stays
outside, a call of ours in the middle of a layer: who sees whom changes with the forms, and must not
compile anything anew.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from acculturate.model.tree_attention import NAME, tree_attention


class CompiledLayers:
    """The layers of a decoder, compiled when they first run.

    Args:
        network: The model. It keeps its own layers, and has the compiled ones within `running` only.
    """

    def __init__(self, network: PreTrainedModel) -> None:
        decoder: Any = network.get_decoder()
        layers = [one for one in decoder.modules() if isinstance(one, GradientCheckpointingLayer)]
        AttentionInterface.register(NAME, torch.compiler.disable(tree_attention))
        self._layers: list[tuple[Any, Any]] = [(one, torch.compile(one.forward)) for one in layers]

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
