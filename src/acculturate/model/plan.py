"""Plans: everything about a query that no candidate changes, prepared once.

In: a `Query` and the number of virtual tokens. Out: a `Plan`: all forms and texts packed into one row of
tokens, without padding, every shared beginning once; where in it the soft prompt stands, where answers
and texts are read, and how the option tokens alone are read there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from acculturate.model.answers import Query
from acculturate.model.encoding import EncodedForm, FormEncoder
from acculturate.model.forward import Forward
from acculturate.model.prefix_tree import PrefixTree
from acculturate.model.soft_prompt import Placement
from acculturate.model.tree_attention import TreeLayout
from acculturate.model.verification import Verification


@dataclass(frozen=True)
class Plan:
    """A packed query.

    Attributes:
        layout: The row.
        read: `[form + text position]`: the rows that are read: those whose next token is an answer, then
            those of the texts whose next token is predicted.
        option_logits: From states to the logits of all distinct option tokens, `[..., token]`, float32.
        option_index: `[form, option]` into those; -1 where an item has fewer.
        following: `[text position]`: the token that follows.
    """

    layout: TreeLayout
    read: torch.Tensor
    option_logits: Callable[[torch.Tensor], torch.Tensor]
    option_index: torch.Tensor
    following: torch.Tensor


class Planner:
    """Plans queries for one model.

    Args:
        encoder: Encodes forms and texts.
        forward: Runs what all candidates share.
        verification: Proves the forward pass for sequences as long as the query's.
    """

    def __init__(self, encoder: FormEncoder, forward: Forward, verification: Verification) -> None:
        self._encoder, self._forward, self._verification = encoder, forward, verification

    def plan(self, query: Query, virtual_tokens: int) -> Plan:
        """Pack the forms and texts of a query."""
        forms = [self._encoder.encode(form) for form in query.forms]
        texts = [self._encoder.encode_text(text) for text in query.texts]
        return self.pack(forms, texts, query.placement, virtual_tokens)

    def pack(
        self,
        forms: Sequence[EncodedForm],
        texts: Sequence[tuple[int, ...]],
        placement: Placement,
        virtual_tokens: int,
    ) -> Plan:
        """Pack encoded forms, and the tokens of texts, into one row."""
        prompt = tuple(-1 - index for index in range(virtual_tokens))
        text_cuts = [self._encoder.prompt_at(text, placement) for text in texts]
        cuts = [*(form.prompt_at(placement) for form in forms), *text_cuts]
        sequences = [*(form.tokens for form in forms), *texts]
        tree = PrefixTree.build(
            [ids[:cut] + prompt + ids[cut:] for ids, cut in zip(sequences, cuts, strict=True)]
        )
        self._verification.cover(int(tree.positions.max(initial=0)) + 1)
        layout = self._forward.layout(tree)
        form_paths, text_paths = tree.paths[: len(forms)], tree.paths[len(forms) :]
        # What stands before the soft prompt does not feel it, and nothing stands before a first token:
        # all other tokens of a text are predicted.
        first = [max(cut, 1) for cut in text_cuts]
        read = [path[-1:] for path in form_paths]
        read += [p[virtual_tokens + k - 1 : -1] for p, k in zip(text_paths, first, strict=True)]
        following = [token for text, k in zip(texts, first, strict=True) for token in text[k:]]
        options = sorted({token for form in forms for token in form.options})
        widest = max((len(form.options) for form in forms), default=0)
        option_index = np.full((len(forms), widest), -1)
        for row, form in zip(option_index, forms, strict=True):
            row[: len(form.options)] = np.searchsorted(options, form.options)
        tensor = self._forward.tensor
        rows = layout.among_running(np.concatenate([np.empty(0, np.int64), *read]))
        return Plan(
            layout=layout,
            read=tensor(rows),
            option_logits=self._forward.vocabulary.of_tokens(tensor(np.array(options, np.int64))),
            option_index=tensor(option_index),
            following=tensor(np.array(following, np.int64)),
        )
