"""Several texts written at once, under different soft prompts, each as if it were alone.

In: texts as embeddings, and the tokens that are chosen for them. Out: the logits of each next token. The
texts that are written stand side by side in one packed row, one token each; every one attends to its own
keys and values alone, through the model's own layers and our own attention (as `tree_attention.py` does it).
What texts begin with in common, such as a soft prompt, is read once (`Decoder.text`).

A text's numbers must not depend on what else is being written. A text is read by itself. Rows of different
heights may round differently, so every step has the same height, filled up with rows that nobody reads. Packed
rows are compared with a pass over a whole text once; a model that they lead elsewhere is given whole texts, one
by one, for every token.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface

from acculturate.errors import UsageError
from acculturate.formatting import first_line
from acculturate.model.forward import PATHS, Forward, count_positions
from acculturate.model.generation import largest_share
from acculturate.model.soft_prompt import Prompt
from acculturate.model.tree_attention import attend, attending, refuse_unknown
from acculturate.model.vocabulary import OwnLogits

_NAME = "acculturate_texts"
_CHUNK = 256
"""Tokens of a text that are read at once."""
_PROVED = 12
"""Tokens of the text that is compared."""
_ROOM = 64
"""Tokens by which a text's memory grows at least."""


class Text:
    """A text that is read and written: what the model keeps of it.

    Args:
        beginning: A text that it goes on from; nothing if None.

    Attributes:
        length: Number of tokens that were read.
        unread: Embeddings of those that were not, `[token, hidden]`.
        whole: Embeddings of all of them, for a model that keeps nothing else.
    """

    def __init__(self, unread: torch.Tensor, beginning: Text | None = None) -> None:
        self.length = 0 if beginning is None else beginning.length
        self.unread = unread
        self.whole = unread if beginning is None else torch.cat([beginning.whole, unread])
        # Views that end where the beginning does: what is added goes into memory of this text's own.
        self._kept: dict[torch.nn.Module, tuple[torch.Tensor, torch.Tensor]] = {
            layer: (keys[:, :, : self.length], values[:, :, : self.length])
            for layer, (keys, values) in (beginning._kept if beginning else {}).items()
        }

    def extend(
        self, layer: torch.nn.Module, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep a layer's keys and values behind those of before, and return all, `[1, head, token, width]`."""
        stop = self.length + key.shape[2]
        keys, values = self._kept.get(layer, (key[:, :, :0], value[:, :, :0]))
        if keys.shape[2] < stop:
            room = max(stop, self.length * 3 // 2) + _ROOM
            keys, values = (_enlarged(each, self.length, room) for each in (keys, values))
            self._kept[layer] = keys, values
        keys[:, :, self.length : stop], values[:, :, self.length : stop] = key, value
        return keys[:, :, :stop], values[:, :, :stop]


def _enlarged(kept: torch.Tensor, length: int, room: int) -> torch.Tensor:
    larger = kept.new_empty(*kept.shape[:2], room, kept.shape[3])
    larger[:, :, :length] = kept[:, :, :length]
    return larger


class _PackedRow:
    """Texts side by side in one row.

    Args:
        texts: The texts.
        count: Number of tokens of each.
    """

    def __init__(self, texts: Sequence[Text], count: int) -> None:
        self.texts, self.count = texts, count
        self._masks: dict[int | None, torch.Tensor | None] = {}

    def mask(self, text: Text, window: int | None, repeat: int, like: torch.Tensor) -> Any:
        """Return what is added to the scores of several tokens of one text, `[query, key]`."""
        if window not in self._masks:
            keys = torch.arange(text.length + self.count, device=like.device)
            back = keys[text.length :, None] - keys
            seen = (back >= 0) if window is None else (back >= 0) & (back < window)
            mask = torch.zeros(seen.shape, dtype=like.dtype, device=like.device)
            self._masks[window] = mask.masked_fill(~seen, -torch.inf).repeat(repeat, 1)
        return self._masks[window]


def text_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    packed_row: _PackedRow,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **other: Any,
) -> tuple[torch.Tensor, None]:
    """Compute one layer's attention in which every text sees itself alone; see `tree_attention`.

    Args:
        module: The layer.
        query: `[1, head, row, width]`; rows beyond the texts give zeros.
        key: `[1, key head, row, width]`.
        value: As `key`.
        attention_mask: None; who sees whom is known.
        packed_row: The texts.
        scaling: Factor on the scores; the inverse root of the width where None.
        sliding_window: How many positions back this layer looks, itself included.
        softcap: Bound of the scores' soft-capping.
        other: Whatever else the model hands on; anything that would change the result is refused.

    Returns:
        `[1, row, head, width]`, and None for the weights.
    """
    refuse_unknown(attention_mask, other)
    heads, groups, count = query.shape[1], key.shape[1], packed_row.count
    result = query.new_zeros(1, query.shape[2], heads, value.shape[3])
    for index, text in enumerate(packed_row.texts):
        rows = slice(index * count, (index + 1) * count)
        keys, values = text.extend(module, key[:, :, rows], value[:, :, rows])
        mask = None
        if count > 1:
            mask = packed_row.mask(text, sliding_window, heads // groups, query)
        elif sliding_window is not None:
            keys, values = keys[:, :, -sliding_window:], values[:, :, -sliding_window:]
        # Query heads that share a key head go in as more queries of that head.
        q = query[:, :, rows].reshape(1, groups, -1, query.shape[3])
        part = attend(q, keys, values, mask, scaling, softcap)
        result[:, rows] = part.reshape(1, heads, count, -1).transpose(1, 2)
    return result, None


AttentionInterface.register(_NAME, text_attention)


class Decoder:
    """Reads and writes texts with one frozen model.

    Args:
        network: The model.
        forward: Its forward pass, proved.
        rows: Number of texts that are written at once, at most.

    Attributes:
        rows: That number.
        longest: Number of tokens that the model has positions for.
    """

    def __init__(self, network: Any, forward: Forward, rows: int) -> None:
        self._network, self._forward = network, forward
        self.rows = rows
        self.longest = count_positions(network) or 2**31
        self._packed, self._vocabulary = forward.path != PATHS[-1], forward.vocabulary
        if self._packed and not self._agrees():
            self._packed, self._vocabulary = False, OwnLogits()
        self._beginnings: dict[tuple[object, ...], Text] = {}

    @torch.inference_mode()
    def text(
        self, tokens: Sequence[int], virtual: Prompt | None, at: int, name: str | None = None
    ) -> Text:
        """Return a text to read.

        Args:
            tokens: Its tokens.
            virtual: Virtual tokens in it, if any.
            at: Number of tokens that stand before the virtual ones.
            name: Of the virtual tokens where they, and what stands before them, are to be read only once for
                all texts that begin alike; then nothing can be said of the beginning itself.
        """
        rows = self._embed(tokens)
        if virtual is None:
            return Text(rows)
        given = torch.from_numpy(np.array(virtual, np.float32)).to(rows)
        beginning = torch.cat([rows[:at], given])
        if name is None or at == len(tokens) or not self._packed:
            return Text(torch.cat([beginning, rows[at:]]))

        def begin() -> Text:
            begun = Text(beginning)
            self.read_all(begun)
            return begun

        return Text(rows[at:], self._begun((name, *tokens[:at]), begin))

    @torch.inference_mode()
    def behind_prefix(
        self, tokens: Sequence[int], prefix: Prompt, at: int, name: str | None = None
    ) -> Text:
        """Return a text to read, with a prefix in every layer.

        Args:
            tokens: Its tokens.
            prefix: The prefix.
            at: Number of tokens that stand before it.
            name: Of the prefix, as in `text`.

        Raises:
            UsageError: This kind of model takes no prefix, or nothing follows it.
        """
        if at == len(tokens):
            raise UsageError(
                "a prefix has no states of its own to go on from, and no text follows it",
                "Give a text that is not empty.",
            )
        if not self._packed:
            raise UsageError("this model keeps no keys and values to put a prefix in front of")
        rows = self._embed(tokens)
        begin = partial(self._begin_prefix, rows[:at], prefix)
        return Text(
            rows[at:], begin() if name is None else self._begun((name, *tokens[:at]), begin)
        )

    def _begun(self, key: tuple[object, ...], begin: Callable[[], Text]) -> Text:
        """Return what texts begin with in common, which is read once."""
        if key not in self._beginnings:
            self._beginnings[key] = begin()
        return self._beginnings[key]

    def _begin_prefix(self, rows: torch.Tensor, prefix: Prompt) -> Text:
        """Return the text of a prefix and of what stands before it, read."""
        begun = Text(rows)
        if len(rows):
            self.read_all(begun)
        given = torch.from_numpy(np.array(prefix, np.float32))[None].to(rows)
        for layer, (keys, values) in self._forward.key_values.split(given).in_layers.items():
            begun.extend(layer, keys, values)
        begun.length += len(prefix)
        return begun

    @torch.inference_mode()
    def read(self, text: Text, every: bool = True) -> torch.Tensor:
        """Read the next part of what is unread, and return the states behind its tokens, `[token, _]`.

        Args:
            text: The text.
            every: Whether the states behind all tokens are wanted, and not of the last one alone.
        """
        if not self._packed:
            part, text.unread = text.unread, text.unread[:0]
            count = len(part) if every else 1
            read = torch.arange(len(text.whole) - count, len(text.whole))
            states = self._forward.own_logits(
                read.to(self._forward.device), inputs_embeds=text.whole[None].clone()
            )
            text.length = len(text.whole)
            return states[0]
        part, text.unread = text.unread[:_CHUNK], text.unread[_CHUNK:]
        return self._run([text], part, len(part))

    @torch.inference_mode()
    def read_all(self, text: Text) -> torch.Tensor:
        """Read all that is unread, and return states of which the last is the one behind all of it."""
        states = self.read(text, every=False)
        return self.read_all(text) if len(text.unread) else states

    @torch.inference_mode()
    def write(self, texts: Sequence[Text], tokens: Sequence[int]) -> torch.Tensor:
        """Write a token in each text, and return the states behind them; see `logits`."""
        rows = self._embed(tokens)
        if not self._packed:
            for text, row in zip(texts, rows, strict=True):
                text.unread, text.whole = row[None], torch.cat([text.whole, row[None]])
            return torch.cat([self.read(text) for text in texts])
        missing = self.rows - len(rows)
        return self._run(texts, torch.cat([rows, rows.new_zeros(missing, rows.shape[1])]), 1)

    @torch.inference_mode()
    def logits(self, states: torch.Tensor, count: int | None = None) -> torch.Tensor:
        """Return the logits of the whole vocabulary, `[position, token]`, float32 and on the processor.

        Args:
            states: As `read` and `write` return them.
            count: Number of the first positions that are wanted: later ones may be those of no text.
        """
        logits = self._vocabulary.logits(states, slice(None))[:count].float().cpu()
        if logits.amax(-1).isfinite().all():
            return logits
        logits = logits.nan_to_num(nan=-torch.inf, posinf=torch.finfo(logits.dtype).max)
        broken = torch.isinf(logits).all(dim=-1, keepdim=True)
        return torch.where(broken, torch.zeros_like(logits), logits)

    @torch.inference_mode()
    def _agrees(self) -> bool:
        """Tell whether a text read and written in packed rows gets what a pass over all of it gives."""
        rows = self._embed(range(_PROVED))
        text = Text(rows[:-2])
        try:
            states = [self.read_all(text)[-1:]]
            states += [self._run([text], rows[[at]], 1) for at in (-2, -1)]
            ours = self.logits(torch.cat(states)).softmax(-1)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            fault = first_line(error)
        else:
            read = torch.arange(_PROVED - 3, _PROVED, device=rows.device)
            whole = (
                self._forward.own_logits(read, inputs_embeds=rows[None].clone())[0].float().cpu()
            )
            share = float((ours - whole.softmax(-1)).abs().sum(-1).max()) / 2
            if share <= largest_share(rows.dtype):
                return True
            fault = f"{share:.0%} of the next token's probability lies elsewhere"
        warnings.warn(
            "texts are written one by one, each by a pass over all of it for every token, which is right and "
            f"slow: side by side {fault}",
            stacklevel=2,
        )
        return False

    def _embed(self, tokens: Sequence[int]) -> torch.Tensor:
        return self._forward.embed(
            torch.tensor(tokens, dtype=torch.int64, device=self._forward.device)
        )

    def _run(self, texts: Sequence[Text], rows: torch.Tensor, count: int) -> torch.Tensor:
        """Run a packed row of `count` tokens of each text, and return the states behind all its tokens."""
        positions = torch.zeros(1, len(rows), dtype=torch.int64)
        for index, text in enumerate(texts):
            at = torch.arange(text.length, text.length + count)
            positions[0, index * count : (index + 1) * count] = at
        given: dict[str, Any] = {
            "inputs_embeds": rows[None].clone(),
            "position_ids": positions.to(self._forward.device),
            "packed_row": _PackedRow(texts, count),
        }
        with attending(self._network, _NAME):
            if self._forward.path == PATHS[0]:
                states = self._network.get_decoder()(**given, use_cache=False).last_hidden_state[0]
            else:
                every = torch.arange(len(rows), device=self._forward.device)
                states = self._forward.own_logits(every, **given)[0]
        for text in texts:
            text.length += count
        return states
