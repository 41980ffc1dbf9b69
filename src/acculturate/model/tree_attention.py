"""Attention over a prefix tree, for any transformers model.

In: one layer's queries, keys and values for a row laid out by `PrefixTree`. Out: what its attention
would give for every sequence by itself. It is registered with transformers as an attention
implementation, so norms, rotary positions, grouped queries, sliding windows and soft-capping stay the
model's own code; only who sees whom is ours. `prefix_tree.py` has a picture of it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from acculturate.errors import FailureError
from acculturate.model.prefix import KeysAndValues, Prefix
from acculturate.model.prefix_tree import PrefixTree, Range, Tile

NAME = "acculturate_tree"
_HANDLED = {
    "dropout",
    "is_causal",
    "position_ids",
    "cache_position",
    "use_cache",
    "output_attentions",
}
"""Arguments of the model's attention that change nothing here."""


@dataclass(frozen=True)
class Block:
    """A tile as a layer computes it.

    Attributes:
        queries: Its queries among the rows that run.
        cached_keys: Ranges of its keys among the cached rows.
        run_keys: Ranges of its keys among the rows that run.
        mask: Added to the scores, `[query, key]`; cached keys come first.
    """

    queries: Range
    cached_keys: list[Range]
    run_keys: list[Range]
    mask: torch.Tensor


class TreeLayout:
    """A prefix tree's tiles as tensors, made once for all layers, candidates and generations.

    Rows that are the same for every candidate may be cached: one pass over the `prefix_layout` leaves
    their keys and values here, and every further pass runs only the other rows, behind them.

    Args:
        tree: The merged sequences.
        device: Where the model runs.
        tile: Tokens a tile holds at most; what a tile computes for nothing stays below this.
        cached: Rows of the tree that are cached, each with all that stands before it; none if None.

    Attributes:
        tree: The merged sequences.
        run: The rows of the tree that run, in order.
        tokens: Their tokens; virtual ones hold id 0 here.
        positions: Their positions.
        virtual: Where among them virtual tokens stand, `[virtual row]`.
        virtual_index: The number of the virtual token that stands there, `[virtual row]`.
        prefix_cache: What each attention layer attends to of the rows that are cached.
        record_into: Where a pass leaves the keys and values of all its rows; nowhere if None.
    """

    def __init__(
        self,
        tree: PrefixTree,
        device: torch.device,
        tile: int,
        cached: Bool[np.ndarray, " row"] | None = None,
    ) -> None:
        self._cached = np.zeros(len(tree), bool) if cached is None else cached
        self.tree = tree
        self.run = np.flatnonzero(~self._cached)
        running = tree.tokens[self.run]
        virtual = np.flatnonzero(running < 0)
        self.tokens = torch.from_numpy(np.maximum(running, 0)).to(device)
        self.positions = torch.from_numpy(tree.positions[self.run]).to(device)
        self.virtual = torch.from_numpy(virtual).to(device)
        self.virtual_index = torch.from_numpy(-1 - running[virtual]).to(device)
        self.prefix_cache: KeysAndValues = {}
        self.record_into: KeysAndValues | None = None
        self._tile = tile
        self._longest = int(tree.positions.max()) + 1
        self._device = device
        self._blocks: dict[tuple[int | None, int, torch.dtype], list[Block]] = {}

    def prefix_layout(self) -> TreeLayout | None:
        """Return the layout of the cached rows, if there are any; a pass over it fills `prefix_cache`."""
        if not self._cached.any():
            return None
        layout = TreeLayout(self.tree.part(self._cached), self._device, self._tile)
        layout.record_into = self.prefix_cache
        return layout

    def among_running(self, rows: Int[np.ndarray, " _"]) -> Int[np.ndarray, " _"]:
        """Return where rows of the tree stand among those that run, in which they have to be."""
        return np.searchsorted(self.run, rows)

    def blocks(self, window: int | None, repeat: int, dtype: torch.dtype) -> list[Block]:
        """Return every tile that has something to run.

        Args:
            window: How many positions back the layer looks; masks nothing where none is so far back.
            repeat: Copies of the queries in a mask, for the query heads that share a key head.
            dtype: Precision of the scores, to which the masks are added.
        """
        limit = window if window is not None and window < self._longest else None
        if (limit, repeat, dtype) not in self._blocks:
            self._blocks[limit, repeat, dtype] = [
                self._block(tile, limit, repeat, dtype)
                for tile in self.tree.tiles(self._tile)
                if not self._cached[tile.start : tile.stop].all()
            ]
        return self._blocks[limit, repeat, dtype]

    def _block(self, tile: Tile, window: int | None, repeat: int, dtype: torch.dtype) -> Block:
        cached_first = np.argsort(~self._cached[tile.keys], kind="stable")
        running = ~self._cached[tile.start : tile.stop]
        seen = torch.from_numpy(self.tree.mask(tile, window)[running][:, cached_first])
        mask = torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, -torch.inf)
        ranges = [*tile.ancestors, (tile.start, tile.stop)]
        cached, run = (_ranges_among(rows, ranges) for rows in (self._cached, ~self._cached))
        return Block(run[-1], cached, run, mask.to(self._device).repeat(repeat, 1))


def _ranges_among(rows: Bool[np.ndarray, " row"], ranges: list[Range]) -> list[Range]:
    """Count ranges in some of the rows alone; those that hold none of them are left out."""
    before = np.append(0, rows.cumsum())
    counted = [(int(before[start]), int(before[stop])) for start, stop in ranges]
    return [(start, stop) for start, stop in counted if start < stop]


def tree_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    tree_layout: TreeLayout,
    tree_prefix: Prefix | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **other: Any,
) -> tuple[torch.Tensor, None]:
    """Compute one layer's attention.

    Args:
        module: The layer.
        query: `[candidate, head, row, width]`.
        key: `[candidate, key head, row, width]`.
        value: As `key`.
        attention_mask: None; the tree says who sees whom.
        tree_layout: The row's layout.
        tree_prefix: Keys and values that virtual tokens have instead of those given, if any.
        scaling: Factor on the scores; the inverse root of the width where None.
        sliding_window: How many positions back this layer looks, itself included.
        softcap: Bound of the scores' soft-capping (Gemma 2).
        other: Whatever else the model hands on; anything that would change the result is refused.

    Returns:
        `[candidate, row, head, width]`, and None for the weights.
    """
    refuse_unknown(attention_mask, other)
    candidates, heads = query.shape[:2]
    groups = key.shape[1]
    parts: list[torch.Tensor] = []
    if tree_prefix is not None:
        own = zip((key, value), tree_prefix.in_layers[module], strict=True)
        key, value = (_with_virtual(tree_layout, rows, virtual) for rows, virtual in own)
    if tree_layout.record_into is not None:
        _record(tree_layout.record_into, module, key, value)
    cached_key, cached_value = tree_layout.prefix_cache.get(module, (key[:1], value[:1]))
    blocks = tree_layout.blocks(sliding_window, heads // groups, query.dtype)
    queries = query.split([b.queries[1] - b.queries[0] for b in blocks], dim=2)
    keys = _of_blocks(key, cached_key, blocks)
    values = _of_blocks(value, cached_value, blocks)
    for block, own, k, v in zip(blocks, queries, keys, values, strict=True):
        # Query heads that share a key head go in as more queries of that head: larger products.
        q = own.reshape(candidates, groups, -1, own.shape[-1])
        part = attend(q, k, v, block.mask, scaling, softcap)
        part = part.reshape(candidates, heads, own.shape[2], -1)
        parts.append(part.transpose(1, 2))
    return torch.cat(parts, dim=1), None  # the blocks follow on one another


def _of_blocks(
    run: torch.Tensor, cached: torch.Tensor, blocks: list[Block]
) -> Iterable[torch.Tensor]:
    """Return the keys, or the values, of every block; without gradients one block's are held at a time."""
    if run.requires_grad:
        return _OfBlocks.apply(run, cached, blocks)
    return (_keys(block, cached, run) for block in blocks)


class _OfBlocks(torch.autograd.Function):
    """The keys, or the values, of every block: the cached ones, which all candidates share, first.

    Blocks share most keys. Left to autograd, each would make a gradient as large as all keys.
    """

    @staticmethod
    def forward(
        ctx: Any, run: torch.Tensor, cached: torch.Tensor, blocks: list[Block]
    ) -> tuple[torch.Tensor, ...]:
        ctx.shape, ctx.blocks = run.shape, blocks
        return tuple(_keys(block, cached, run) for block in blocks)

    @staticmethod
    def backward(ctx: Any, *derivatives: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        gradient = derivatives[0].new_zeros(ctx.shape)
        for block, derivative in zip(ctx.blocks, derivatives, strict=True):
            at = sum(stop - start for start, stop in block.cached_keys)
            for start, stop in block.run_keys:
                gradient[:, :, start:stop] += derivative[:, :, at : at + stop - start]
                at += stop - start
        return gradient, None, None


def _keys(block: Block, cached: torch.Tensor, run: torch.Tensor) -> torch.Tensor:
    """Return a block's keys, or its values."""
    parts = [
        cached[:, :, start:stop].expand(len(run), -1, -1, -1) for start, stop in block.cached_keys
    ]
    parts += [run[:, :, start:stop] for start, stop in block.run_keys]
    return torch.cat(parts, dim=2)


def _with_virtual(layout: TreeLayout, rows: torch.Tensor, virtual: torch.Tensor) -> torch.Tensor:
    """Return keys, or values, in which virtual tokens have others."""
    given = virtual[:, :, layout.virtual_index].to(rows.dtype)
    return rows.index_copy(2, layout.virtual, given)


def _record(
    cache: KeysAndValues, module: torch.nn.Module, key: torch.Tensor, value: torch.Tensor
) -> None:
    if module in cache:
        raise FailureError(
            "this model runs one attention layer twice, so that its keys and values cannot be kept",
            "Use --placement front.",
        )
    # Copies: a view would hold on to all that the layer projected.
    cache[module] = key.clone(), value.clone()


def refuse_unknown(attention_mask: torch.Tensor | None, other: Mapping[str, Any]) -> None:
    """Refuse arguments of a model's attention that would change its result.

    Raises:
        FailureError: There is one.
    """
    unknown = [name for name, given in other.items() if given is not None and name not in _HANDLED]
    if unknown or attention_mask is not None:
        raise FailureError(f"this model's attention needs {unknown or ['a mask of its own']}")


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float | None,
    softcap: float | None,
) -> torch.Tensor:
    """Compute attention, with soft-capped scores where a bound for them is given.

    Args:
        query: `[row, head, query, width]`.
        key: `[row, head, key, width]`.
        value: As `key`.
        mask: Added to the scores, `[query, key]`; every query sees every key if None.
        scaling: Factor on the scores; the inverse root of the width where None.
        softcap: Bound of the scores.
    """
    if softcap is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling)
    scores = query @ key.transpose(2, 3) * (scaling or query.shape[-1] ** -0.5)
    scores = torch.tanh(scores / softcap) * softcap
    if mask is not None:
        scores = scores + mask
    return scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype) @ value


AttentionInterface.register(NAME, tree_attention)


def attending_over_trees(network: PreTrainedModel) -> AbstractContextManager[None]:
    """Switch a model to `tree_attention` and back."""
    return attending(network, NAME)


@contextmanager
def attending(network: PreTrainedModel, name: str) -> Generator[None]:
    """Switch a model to the attention that is registered under a name, and back."""
    config: Any = network.config
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before
