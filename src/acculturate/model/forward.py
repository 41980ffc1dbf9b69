"""The forward pass over packed rows: every shared beginning once, or sequence by sequence.

In: soft prompts of several candidates, and a row laid out by a `TreeLayout`. Out: the final states of the
rows that are read, and the `Vocabulary` that turns them into logits. The layers are the model's own; where
it can, only its attention is replaced, and on a GPU its layers are compiled. Which path a model takes is
proved in `verification.py`.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, get_args

import numpy as np
import torch
from transformers import PreTrainedModel

from acculturate.errors import FailureError, UsageError
from acculturate.model.embedding import input_embedding
from acculturate.model.layers import CompiledLayers, checkpointed_layers
from acculturate.model.prefix import KeysAndValues, KeyValueLayout, Prefix
from acculturate.model.prefix_tree import PrefixTree
from acculturate.model.tree_attention import TreeLayout, attending_over_trees
from acculturate.model.vocabulary import OwnLogits, Vocabulary

_TILE_ON_CPU = 96
_TILE_ON_GPU = 256
_ROWS_KEPT_FOR_GRADIENTS = 4096
"""Rows above which layers recompute for the backward pass what they would keep otherwise."""

Path = Literal["merged", "merged, own head", "form by form"]
"""How sequences run: merged into one row, with logits from the output embeddings; the same, with logits
from the whole model; or each by itself through the whole model. In the order of their speed."""
PATHS: tuple[Path, ...] = get_args(Path)


class Forward:
    """A frozen decoder that runs packed rows.

    Args:
        network: The frozen model.
        compiled: Whether the layers are compiled, which takes a while at first; on a GPU alone if None.

    Attributes:
        device: Where the model runs.
        embed: Its embedding layer.
        path: How it runs them; change it with `take`.
    """

    def __init__(self, network: PreTrainedModel, compiled: bool | None = None) -> None:
        self._network: Any = network
        self.device: torch.device = network.device
        self.embed: Any = input_embedding(network)
        wanted = self.device.type == "cuda" if compiled is None else compiled
        self._compiled = CompiledLayers(network) if wanted else None
        known = inspect.signature(network.forward).parameters
        self._keeps = "logits_to_keep" in known
        self._uncached = {"use_cache": False} if "use_cache" in known else {}
        self.path: Path = PATHS[0]
        self._vocabulary: Vocabulary | None = None
        self._key_values: KeyValueLayout | None = None

    def take(self, path: Path) -> None:
        """Run sequences another way from now on; layouts and vocabularies of before are void."""
        self.path, self._vocabulary, self._key_values = path, None, None

    @property
    def vocabulary(self) -> Vocabulary:
        """The layer that turns final states into logits."""
        if self._vocabulary is None:
            self._vocabulary = Vocabulary(self._network) if self.path == "merged" else OwnLogits()
        return self._vocabulary

    @property
    def key_values(self) -> KeyValueLayout:
        """The layout of a prefix.

        Raises:
            UsageError: The model takes none.
        """
        if self._key_values is None:
            nobody = torch.empty(1, 0, self.embed.weight.shape[1], device=self.device)
            self._key_values = KeyValueLayout.of(self._record(nobody, [0]))
        return self._key_values

    def prefix_of(self, prompts: torch.Tensor, leading: Sequence[int]) -> torch.Tensor:
        """Return the keys and values of all layers, `[candidate, token, width]`, that soft prompts have.

        Args:
            prompts: `[candidate, virtual token, hidden]`.
            leading: Tokens in front of them.

        Raises:
            UsageError: The model takes no prefix.
        """
        sequence = [*leading, *(-1 - index for index in range(prompts.shape[1]))]
        recorded = self._record(prompts, sequence)
        return self.key_values.join(recorded)[:, len(leading) :]

    def _record(self, prompts: torch.Tensor, sequence: Sequence[int]) -> KeysAndValues:
        """Return the keys and values of a sequence's tokens in every layer."""
        if self.path == PATHS[-1]:
            raise UsageError(
                f"a {type(self._network).__name__} takes no prefix: its layers are not attention alone, or one "
                "that is not known, and have no keys and values that others could stand in front of",
                "Use --placement after-bos.",
            )
        layout = TreeLayout(PrefixTree.build([sequence]), self.device, tile_size(self.device))
        layout.record_into = recorded = dict[torch.nn.Module, tuple[torch.Tensor, torch.Tensor]]()
        self(prompts, layout, self.tensor(np.zeros(1, np.int64)))
        return recorded

    def __call__(
        self,
        prompts: torch.Tensor,
        layout: TreeLayout,
        read: torch.Tensor,
        *,
        prefixed: bool = False,
    ) -> torch.Tensor:
        """Return the final states of some rows under several soft prompts.

        Args:
            prompts: `[candidate, virtual token, hidden]`.
            layout: The rows.
            read: Indices, among the rows that run, of those whose states are returned.
            prefixed: Whether the soft prompts are prefixes, `[candidate, virtual token, width]`.

        Returns:
            `[candidate, row that is read, hidden]`, or `[..., vocabulary]` where the whole model runs.
        """
        rows = self.embed(layout.tokens).repeat(len(prompts), 1, 1)
        if prefixed:
            return self._merged(rows, layout, read, self.key_values.split(prompts))
        rows[:, layout.virtual] = prompts[:, layout.virtual_index].to(rows.dtype)
        run = self._form_by_form if self.path == "form by form" else self._merged
        return run(rows, layout, read)

    def layout(self, tree: PrefixTree) -> TreeLayout:
        """Lay out a tree, with the keys and values of what all candidates share already in it.

        Raises:
            FailureError: What they share does not fit into memory.
        """
        cached = None if self.path == "form by form" else tree.cacheable
        layout = TreeLayout(tree, self.device, tile_size(self.device), cached)
        prefix = layout.prefix_layout()
        if prefix is not None:
            nobody = torch.empty(1, 0, self.embed.weight.shape[1], device=self.device)
            try:
                self(nobody, prefix, self.tensor(np.zeros(1, np.int64)))
            except torch.OutOfMemoryError as error:
                raise does_not_fit(len(prefix.tokens)) from error
        return layout

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        """Put an array where the model runs."""
        return torch.from_numpy(array).to(self.device)

    def own_logits(self, read: torch.Tensor, **given: Any) -> torch.Tensor:
        """Return the logits that the model itself gives at some positions, `[sequence, position, token]`."""
        if self._keeps:
            given |= {"logits_to_keep": read}
            return self._network(**given, **self._uncached).logits
        return self._network(**given, **self._uncached).logits[:, read]

    @contextmanager
    def uncompiled(self) -> Generator[None]:
        """Run the layers as they are for a while."""
        compiled, self._compiled = self._compiled, None
        try:
            yield
        finally:
            self._compiled = compiled

    def _merged(
        self,
        rows: torch.Tensor,
        layout: TreeLayout,
        read: torch.Tensor,
        prefix: Prefix | None = None,
    ) -> torch.Tensor:
        compiled = nullcontext() if self._compiled is None else self._compiled.running()
        size = rows.shape[0] * rows.shape[1]
        large = torch.is_grad_enabled() and size > _ROWS_KEPT_FOR_GRADIENTS
        checkpointed = checkpointed_layers(self._network) if large else nullcontext()
        given = {
            "inputs_embeds": rows,
            "position_ids": layout.positions[None],
            "tree_layout": layout,
            **({} if prefix is None else {"tree_prefix": prefix}),
        }
        try:
            with attending_over_trees(self._network), compiled, checkpointed:
                if self.path != "merged":
                    return self.own_logits(read, **given)
                decoder = self._network.get_decoder()
                return decoder(**given, use_cache=False).last_hidden_state[:, read]
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if self._compiled is None:
                raise
            self._compiled = None
            warnings.warn(f"the model's layers run uncompiled: {error}", stacklevel=2)
            return self._merged(rows, layout, read, prefix)

    def _form_by_form(
        self, rows: torch.Tensor, layout: TreeLayout, read: torch.Tensor
    ) -> torch.Tensor:
        """Run every sequence that holds a row that is read and not in a longer one."""
        wanted = set(read.tolist())
        place: dict[int, int] = {}
        logits: list[torch.Tensor] = []
        for path in sorted(layout.tree.paths, key=len, reverse=True):
            at = [k for k, row in enumerate(path.tolist()) if row in wanted and row not in place]
            if at:
                place |= {int(path[k]): len(place) + count for count, k in enumerate(at)}
                keep = self.tensor(np.array(at))
                logits.append(self.own_logits(keep, inputs_embeds=rows[:, self.tensor(path)]))
        if not logits:
            return rows[:, read]  # nothing is read
        order = self.tensor(np.array([place[row] for row in read.tolist()]))
        return torch.cat(logits, dim=1)[:, order]


def count_positions(network: Any) -> int | None:
    """Return the number of tokens that a model has positions for, all of which turn alike, if it says so."""
    config: Any = network.config.get_text_config()
    rope: dict[str, Any] = getattr(config, "rope_parameters", None) or {}
    positions = getattr(config, "max_position_embeddings", None)
    if rope.get("rope_type") == "longrope":
        # Beyond its original length a pass of this kind turns all positions otherwise, also those of before.
        positions = rope.get("original_max_position_embeddings")
        positions = positions or getattr(config, "original_max_position_embeddings", None)
    return positions if positions and positions > 0 else None  # XLNet says -1


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor's numbers, float64."""
    # float64 begins in numpy: not every device has it.
    return tensor.detach().float().cpu().numpy().astype(np.float64)


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
