"""The forward pass over packed rows: every shared beginning once, or sequence by sequence.

In: embeddings of a row laid out by a `TreeLayout`, for several candidates. Out: final hidden states. The
layers are the model's own; only its attention is replaced, and on a GPU its layers are compiled. A model
that takes no attention from us runs one sequence after another, which is slow and right.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from acculturate.errors import FailureError
from acculturate.model.layers import CompiledLayers, checkpointed_layers
from acculturate.model.prefix_tree import PrefixTree
from acculturate.model.tree_attention import TreeLayout, attending_over_trees

_TILE_ON_CPU = 96
_TILE_ON_GPU = 256
_ROWS_KEPT_FOR_GRADIENTS = 4096
"""Rows above which layers recompute for the backward pass what they would keep otherwise."""


class Forward:
    """A frozen decoder that runs packed rows.

    Args:
        network: The frozen model.
        compiled: Whether the layers are compiled, which takes a while at first; on a GPU alone if None.

    Attributes:
        device: Where the model runs.
        embed: Its embedding layer.
        over_trees: Whether the model takes its attention from us; see `verification.py`.
    """

    def __init__(self, network: PreTrainedModel, compiled: bool | None = None) -> None:
        self._network: Any = network
        self.device: torch.device = network.device
        self.embed: Any = network.get_input_embeddings()
        self.over_trees = True
        wanted = self.device.type == "cuda" if compiled is None else compiled
        self._compiled = CompiledLayers(network) if wanted else None

    def __call__(self, rows: torch.Tensor, layout: TreeLayout) -> torch.Tensor:
        """Return the final hidden states of embedded rows; both `[candidate, row, hidden]`."""
        run = self._over_tree if self.over_trees else self._sequentially
        return run(rows, layout)

    def layout(self, tree: PrefixTree) -> TreeLayout:
        """Lay out a tree, with the keys and values of what all candidates share already in it.

        Raises:
            FailureError: What they share does not fit into memory.
        """
        cached = tree.cacheable if self.over_trees else None
        dtype = self._network.get_output_embeddings().weight.dtype
        layout = TreeLayout(tree, self.device, dtype, tile_size(self.device), cached)
        prefix = layout.prefix_layout()
        if prefix is not None:
            tokens = prefix.tree.tokens
            try:
                self._over_tree(self.embed(self.tensor(tokens))[None], prefix)
            except torch.OutOfMemoryError as error:
                raise does_not_fit(len(tokens)) from error
        return layout

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        """Put an array where the model runs."""
        return torch.from_numpy(array).to(self.device)

    def _over_tree(self, rows: torch.Tensor, layout: TreeLayout) -> torch.Tensor:
        compiled = nullcontext() if self._compiled is None else self._compiled.running()
        large = rows.requires_grad and rows.shape[0] * rows.shape[1] > _ROWS_KEPT_FOR_GRADIENTS
        checkpointed = checkpointed_layers(self._network) if large else nullcontext()
        try:
            with attending_over_trees(self._network), compiled, checkpointed:
                return self._network.get_decoder()(
                    inputs_embeds=rows,
                    position_ids=layout.positions[None],
                    use_cache=False,
                    tree_layout=layout,
                ).last_hidden_state
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if self._compiled is None:
                raise
            self._compiled = None
            warnings.warn(f"the model's layers run uncompiled: {error}", stacklevel=2)
            return self._over_tree(rows, layout)

    def _sequentially(self, rows: torch.Tensor, layout: TreeLayout) -> torch.Tensor:
        hidden = torch.empty_like(rows)
        for path in layout.tree.paths:
            row = self.tensor(path)
            hidden[:, row] = self._network.get_decoder()(
                inputs_embeds=rows[:, row], use_cache=False
            ).last_hidden_state
        return hidden


def tile_size(device: torch.device) -> int:
    """Return the tokens a tile of attention holds at most: on a GPU few calls count for more."""
    return _TILE_ON_CPU if device.type == "cpu" else _TILE_ON_GPU


def does_not_fit(tokens: int | None = None) -> FailureError:
    """Make the error for one candidate that is too large for the device."""
    size = "" if tokens is None else f" with {tokens} tokens"
    return FailureError(
        f"one candidate{size} does not fit into the device's memory",
        "Ask fewer forms (--forms), or use a smaller model or a larger device.",
    )
