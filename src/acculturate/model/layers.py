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
from torch.utils.hooks import RemovableHandle
from transformers import AttentionInterface, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from acculturate.errors import FailureError
from acculturate.model.steering import SteeringVector
from acculturate.model.tree_attention import NAME, tree_attention
from acculturate.progress import advance, current_task

_KEPT_IN_FLOAT32 = 2**29
"""Numbers of a model that is converted to float32 as a whole, at most."""


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


@contextmanager
def counting_layers(network: PreTrainedModel, amount: float) -> Generator[None]:
    """Count an amount of the current task as done while the layers run once, each with its share."""
    layers = _layers(network) if current_task() else []

    def count(*_: Any) -> None:
        advance(amount / len(layers))

    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def steered(network: PreTrainedModel, steering: SteeringVector | None) -> Generator[None]:
    """Add a vector to the output of one layer for a while, if there is one."""
    if steering is None:
        yield
        return
    added = steering.strength * torch.tensor(steering.direction)

    def add(_: Any, __: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (output[0] + added.to(output[0]), *output[1:])
        return output + added.to(output)

    handle = _layers(network)[steering.layer].register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()


def last_states(network: PreTrainedModel, tokens: Sequence[int]) -> torch.Tensor:
    """Return the output of every layer at the last of some tokens, `[layer, hidden]`.

    Raises:
        FailureError: Its layers are not known.
    """
    states: list[torch.Tensor] = []

    def keep(_: Any, __: Any, output: Any) -> None:
        states.append((output[0] if isinstance(output, tuple) else output)[0, -1].float().cpu())

    handles = [layer.register_forward_hook(keep) for layer in _layers(network)]
    try:
        network(torch.tensor([list(tokens)], device=network.device))
    finally:
        for handle in handles:
            handle.remove()
    if not states:
        raise FailureError(f"the layers of a {type(network).__name__} are not known")
    return torch.stack(states)


@contextmanager
def in_float32(network: PreTrainedModel) -> Generator[None]:
    """Let a model compute in float32 for a while.

    A small model's weights are all converted; of a large one, only those of the layer that runs, so that it
    needs hardly more memory.
    """
    original: dict[torch.Tensor, torch.Tensor] = {}
    handles: list[RemovableHandle] = []

    def enter(recurse: bool, module: torch.nn.Module, *_: Any) -> None:
        for tensor in (*module.parameters(recurse), *module.buffers(recurse)):
            if tensor.dtype in (torch.bfloat16, torch.float16) and tensor not in original:
                original[tensor] = tensor.data
                tensor.data = tensor.data.float()

    def leave(recurse: bool, module: torch.nn.Module, *_: Any) -> None:
        for tensor in (*module.parameters(recurse), *module.buffers(recurse)):
            tensor.data = original.pop(tensor, tensor.data)

    layers = _layers(network)
    inside = {part for layer in layers for part in layer.modules()}
    outside = [module for module in network.modules() if module not in inside]
    small = sum(map(torch.numel, network.parameters())) <= _KEPT_IN_FLOAT32
    for module, recurse in (
        [] if small else [*((part, False) for part in outside), *((part, True) for part in layers)]
    ):
        handles.append(module.register_forward_pre_hook(partial(enter, recurse)))
        handles.append(module.register_forward_hook(partial(leave, recurse)))
    try:
        if small:
            enter(True, network)
        yield
    finally:
        for handle in handles:
            handle.remove()
        for tensor, data in original.items():
            tensor.data = data


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
    return [part for part in network.modules() if isinstance(part, GradientCheckpointingLayer)]
