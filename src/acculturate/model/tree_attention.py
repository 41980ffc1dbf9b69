"""Attention over a prefix tree, for any transformers model.

In: one layer's queries, keys and values for a row laid out by `PrefixTree`. Out: what its attention
would give for every sequence by itself. It is registered with transformers as an attention
implementation, so norms, rotary positions, grouped queries, sliding windows and soft-capping stay the
model's own code; only who sees whom is ours.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from acculturate.errors import FailureError
from acculturate.model.prefix_tree import PrefixTree

NAME = "acculturate_tree"
_HANDLED = {
    "dropout",
    "is_causal",
    "position_ids",
    "cache_position",
    "use_cache",
    "output_attentions",
}


class TreeLayout:
    """A prefix tree's tiles as tensors, made once for all layers, candidates and generations.

    Args:
        tree: The merged sequences.
        device: Where the model runs.
        dtype: The model's precision, in which masks are added to the scores.
        tile: Tokens a tile holds at most; what a tile computes for nothing stays below this.
    """

    def __init__(
        self, tree: PrefixTree, device: torch.device, dtype: torch.dtype, tile: int
    ) -> None:
        self.tree = tree
        self.positions = torch.from_numpy(tree.positions).to(device)
        self._tiles = tree.tiles(tile)
        self._longest = int(tree.positions.max()) + 1
        self._device = device
        self._dtype = dtype
        self._masks: dict[tuple[int | None, int], list[torch.Tensor]] = {}

    def tiles(
        self, window: int | None, repeat: int
    ) -> list[tuple[int, int, list[tuple[int, int]], torch.Tensor]]:
        """Start, stop, key ranges and additive mask of every tile; no window where none bites.

        The mask holds `repeat` copies of the queries, for the query heads that share a key head.
        """
        limit = window if window is not None and window < self._longest else None
        if (limit, repeat) not in self._masks:
            self._masks[limit, repeat] = [
                torch.where(
                    torch.from_numpy(self.tree.mask(tile, limit)).to(self._device),
                    torch.zeros((), dtype=self._dtype, device=self._device),
                    torch.full((), -torch.inf, dtype=self._dtype, device=self._device),
                ).repeat(repeat, 1)
                for tile in self._tiles
            ]
        return [
            (tile.start, tile.stop, [*tile.ancestors, (tile.start, tile.stop)], mask)
            for tile, mask in zip(self._tiles, self._masks[limit, repeat], strict=True)
        ]


def tree_attention(
    module: torch.nn.Module,  # noqa: ARG001
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    tree_layout: TreeLayout,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **other: Any,
) -> tuple[torch.Tensor, None]:
    """One layer's attention.

    Args:
        module: The layer, unused; part of transformers' interface.
        query: `[candidate, head, row, width]`.
        key: `[candidate, key head, row, width]`.
        value: As `key`.
        attention_mask: None; the tree says who sees whom.
        tree_layout: The row's layout.
        scaling: Factor on the scores; the inverse root of the width where None.
        sliding_window: How many positions back this layer looks, itself included.
        softcap: Bound of the scores' soft-capping (Gemma 2).
        other: Whatever else the model hands on; anything that would change the result is refused.

    Returns:
        `[candidate, row, head, width]`, and None for the weights.
    """
    unknown = [name for name, given in other.items() if given is not None and name not in _HANDLED]
    if unknown or attention_mask is not None:
        raise FailureError(f"this model's attention needs {unknown or ['a mask of its own']}")
    candidates, heads, rows, _ = query.shape
    groups = key.shape[1]
    out = query.new_empty(candidates, rows, heads, value.shape[-1])
    for start, stop, ranges, mask in tree_layout.tiles(sliding_window, heads // groups):
        # Query heads that share a key head go in as more queries of that head: larger products.
        q = query[:, :, start:stop].reshape(candidates, groups, -1, query.shape[-1])
        if len(ranges) == 1:
            k, v = key[:, :, start:stop], value[:, :, start:stop]
        else:
            k = torch.cat([key[:, :, a:b] for a, b in ranges], dim=2)
            v = torch.cat([value[:, :, a:b] for a, b in ranges], dim=2)
        if softcap is None:
            part = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scaling)
        else:
            part = _softcapped(q, k, v, mask, scaling, softcap)
        out[:, start:stop] = part.reshape(candidates, heads, stop - start, -1).transpose(1, 2)
    return out, None


def _softcapped(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    scaling: float | None,
    softcap: float,
) -> torch.Tensor:
    scores = query @ key.transpose(2, 3) * (scaling or query.shape[-1] ** -0.5)
    scores = torch.tanh(scores / softcap) * softcap + mask
    return scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype) @ value


AttentionInterface.register(NAME, tree_attention)


@contextmanager
def attending_over_trees(network: PreTrainedModel) -> Generator[None]:
    """Switches a model to `tree_attention` and back."""
    config: Any = network.config
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before
