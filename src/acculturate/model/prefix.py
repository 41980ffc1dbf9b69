"""The prefix: virtual tokens as keys and values of every attention layer, instead of embeddings.

In: what the layers' attention was given for some tokens. Out: a `KeyValueLayout`, which turns that into a
prefix and back. Method: X. L. Li, P. Liang (2021), "Prefix-Tuning", ACL, arXiv 2101.00190; the numbers
themselves are tuned, without the network that makes them there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

KeysAndValues = dict[torch.nn.Module, tuple[torch.Tensor, torch.Tensor]]
"""Attention layer -> keys and values as they enter it, each `[candidate, key head, token, width]`."""


class Prefix:
    """The keys and values of virtual tokens: no plain dictionary, for a compiled layer not to look into.

    Attributes:
        in_layers: Of each attention layer.
    """

    def __init__(self, in_layers: KeysAndValues) -> None:
        self.in_layers = in_layers


@dataclass(frozen=True)
class KeyValueLayout:
    """The places of all layers' keys and values in the one row of numbers that a prefix has a token.

    Layer after layer as they run, of each its key and then its value, head after head: as PEFT keeps them.

    Attributes:
        layers: The attention layers, each with the heads and width of its keys and of its values.
    """

    layers: tuple[tuple[torch.nn.Module, tuple[int, int], tuple[int, int]], ...]

    @classmethod
    def of(cls, recorded: KeysAndValues) -> KeyValueLayout:
        """Return the layout of a model whose layers were given these keys and values."""
        return cls(
            tuple(
                (layer, (key.shape[1], key.shape[3]), (value.shape[1], value.shape[3]))
                for layer, (key, value) in recorded.items()
            )
        )

    @property
    def _shapes(self) -> list[tuple[int, int]]:
        """Heads and width, of each layer's keys and then its values."""
        return [shape for _, *both in self.layers for shape in both]

    @property
    def width(self) -> int:
        """Numbers a token."""
        return sum(heads * size for heads, size in self._shapes)

    @property
    def same_in_all_layers(self) -> tuple[int, int] | None:
        """Heads and width of all keys and values; None where they differ."""
        shapes = {*self._shapes}
        return shapes.pop() if len(shapes) == 1 else None

    def join(self, recorded: KeysAndValues) -> torch.Tensor:
        """Return keys and values as rows of numbers, `[candidate, token, width]`."""
        parts = [part for layer, *_ in self.layers for part in recorded[layer]]
        return torch.cat([part.transpose(1, 2).flatten(2) for part in parts], dim=-1)

    def split(self, rows: torch.Tensor) -> Prefix:
        """Return rows of numbers, `[candidate, token, width]`, as keys and values."""
        parts = rows.split([heads * size for heads, size in self._shapes], dim=-1)
        whole = iter(
            part.unflatten(-1, shape).transpose(1, 2)
            for part, shape in zip(parts, self._shapes, strict=True)
        )
        return Prefix({layer: (next(whole), next(whole)) for layer, *_ in self.layers})
