"""A few short sequences that a model runs in its own two ways, and the forward pass in its own.

In: a forward pass. Out: log-probabilities of the whole vocabulary at the ends of the same sequences, with a
random soft prompt in every placement and without one, to be compared in `verification.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from acculturate.model.encoding import FormEncoder
from acculturate.model.forward import Forward
from acculturate.model.prefix_tree import PrefixTree

_TEXT = "A grey boat with 3 sails goes past the silent island towards 7 distant hills."
_VIRTUAL = (-1, -2, -3)
_BEGINNING = 16
"""Tokens of what is run without a soft prompt, and of what stands before a late one at least."""
_EARLY = 4
"""Of these, those that stand around an early soft prompt."""
READ = 3
"""Positions at an end that are read; they have seen all that stands before."""
_LEAST = -50.0
"""Log-probabilities below this are all alike: a model may rule tokens out."""

SHORTEST = _BEGINNING + len(_VIRTUAL) + 2 * READ
"""Tokens of the longest sequence, at least."""

_Ids = tuple[int, ...]


class Probe:
    """Sequences of random words, alike at their ends: what leaks from one into another foretells it.

    All but the last are the same whatever the length.

    Args:
        encoder: Encodes texts for the model.
        forward: Its forward pass.
        length: Tokens of the last sequence, in which a soft prompt comes late.
    """

    def __init__(self, encoder: FormEncoder, forward: Forward, length: int) -> None:
        self._forward = forward
        rng = np.random.default_rng(0)
        words = np.array(encoder.encode_text(_TEXT)[len(encoder.leading) :])
        start = encoder.leading[:_EARLY]

        def draw(count: int) -> _Ids:
            return tuple(rng.choice(words, count).tolist())

        text, end = start + draw(_BEGINNING - len(start)), draw(READ)
        self._plain = [text, text[: _BEGINNING // 2] + draw(_BEGINNING // 2)]
        self._front = [
            _VIRTUAL + text[:_EARLY] + end,
            _VIRTUAL + text[: _EARLY // 2] + draw(_EARLY // 2) + end,
        ]
        if start:
            self._front.append(start + _VIRTUAL + text[len(start) : _EARLY] + end)
        self._words = forward.tensor(np.unique(words))
        spread = float(forward.embed(self._words).float().std())
        drawn = rng.normal(size=(1, len(_VIRTUAL), forward.embed.weight.shape[1])) * spread
        self._prompt = forward.tensor(drawn.astype(np.float32))
        self._late = [text + draw(length - SHORTEST) + _VIRTUAL + draw(READ) + end]

    def alone(self) -> torch.Tensor:
        """Return the model's own log-probabilities for a soft prompt and nothing else.

        To be run first: a model that looks embeddings up among its own takes gigabytes for many.
        """
        return self._own([_VIRTUAL], [len(_VIRTUAL)])

    def plain(self, *, as_embeddings: bool = False) -> torch.Tensor:
        """Return the model's own log-probabilities without a soft prompt, `[position, token]`."""
        return self._own(self._plain, [_BEGINNING], as_embeddings)

    def front(self) -> torch.Tensor:
        """Return the model's own log-probabilities behind early soft prompts, `[position, token]`."""
        return self._own(self._front, [len(self._front[0])])

    def nudged(self) -> torch.Tensor:
        """Return what `front` returns, for embeddings that are off by the rounding of bfloat16."""
        return self._own(self._front, [len(self._front[0])], nudge=2.0**-7)

    def late(self) -> torch.Tensor:
        """Return the model's own log-probabilities of the last sequence, `[position, token]`.

        First where the first sequence of `plain` ends, which it begins with, then behind a soft prompt.
        """
        return self._own(self._late, [_BEGINNING, len(self._late[0])])

    def our_plain(self) -> torch.Tensor:
        """Return what `plain` returns, by the forward pass."""
        return self._ours(self._plain)

    def our_soft(self) -> torch.Tensor:
        """Return what `front`, and what `late` behind the soft prompt returns, by the forward pass."""
        return self._ours([*self._front, *self._late])

    def _own(
        self,
        sequences: Sequence[_Ids],
        ends: Sequence[int],
        as_embeddings: bool = False,
        nudge: float = 0.0,
    ) -> torch.Tensor:
        """Run sequences of one length in one batch, and read what stands before every end."""
        ids = np.array(sequences)
        tokens = self._forward.tensor(np.maximum(ids, 0))
        given: dict[str, Any] = {"input_ids": tokens}
        if as_embeddings or (ids < 0).any():
            rows = self._forward.embed(tokens)
            virtual = self._forward.tensor(ids < 0)
            index = self._forward.tensor(-1 - ids[ids < 0])
            rows[virtual] = self._prompt[0, index].to(rows.dtype)
            if nudge:
                signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), rows.shape)
                rows = (rows.float() * (1 + nudge * self._forward.tensor(signs))).to(rows.dtype)
            given = {"inputs_embeds": rows}
        read = np.concatenate([np.arange(end - READ, end) for end in ends])
        logits = self._forward.own_logits(self._forward.tensor(read), **given)
        return _log_probabilities(logits).flatten(0, 1)

    def _ours(self, sequences: Sequence[_Ids]) -> torch.Tensor:
        tree = PrefixTree.build(sequences)
        layout = self._forward.layout(tree)
        read = layout.among_running(np.concatenate([path[-READ:] for path in tree.paths]))
        (states,) = self._forward(self._prompt, layout, self._forward.tensor(read))
        logits = self._forward.vocabulary.logits(states, slice(None))
        # Options are read from float32 weights of their own.
        logits[:, self._words] = self._forward.vocabulary.of_tokens(self._words)(states)
        return _log_probabilities(logits)


def _log_probabilities(logits: torch.Tensor) -> torch.Tensor:
    return logits.float().log_softmax(-1).clamp(min=_LEAST)
