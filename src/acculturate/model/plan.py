"""Plans: everything about a query that no candidate changes, prepared once.

In: a `Query` and the number of virtual tokens. Out: a `Plan`: all forms and texts packed into one row of
tokens, without padding, every shared beginning once; where in it the soft prompt stands, where answers
and texts are read, and the weights of the option tokens alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from acculturate.model.answers import Query
from acculturate.model.encoding import EncodedForm, FormEncoder
from acculturate.model.forward import Forward
from acculturate.model.prefix_tree import PrefixTree
from acculturate.model.soft_prompt import Placement
from acculturate.model.tree_attention import TreeLayout
from acculturate.model.vocabulary import Vocabulary


@dataclass(frozen=True)
class Plan:
    """A packed query.

    Attributes:
        layout: The row.
        tokens: `[row that runs]`; virtual tokens hold id 0 here and are overwritten.
        virtual: `[virtual row]`: the rows where virtual tokens stand.
        virtual_index: `[virtual row]`: the number of the virtual token that stands there.
        asked: `[form]`: the row whose next token is the answer.
        option_head: `[distinct option token, hidden]`, float32.
        option_bias: `[distinct option token]`, float32.
        option_index: `[form, option]` into `option_head`; -1 where an item has fewer.
        read: `[text position]`: the rows whose next token is predicted.
        following: `[text position]`: the token that follows.
    """

    layout: TreeLayout
    tokens: torch.Tensor
    virtual: torch.Tensor
    virtual_index: torch.Tensor
    asked: torch.Tensor
    option_head: torch.Tensor
    option_bias: torch.Tensor
    option_index: torch.Tensor
    read: torch.Tensor
    following: torch.Tensor


class Planner:
    """Plans queries for one model.

    Args:
        encoder: Encodes forms and texts.
        forward: Runs what all candidates share.
        vocabulary: Gives the weights of the option tokens.
    """

    def __init__(self, encoder: FormEncoder, forward: Forward, vocabulary: Vocabulary) -> None:
        self._encoder, self._forward, self._vocabulary = encoder, forward, vocabulary

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
        layout = self._forward.layout(tree)
        row_of = np.full(len(tree), -1)
        row_of[layout.run] = np.arange(len(layout.run))
        running = tree.tokens[layout.run]
        virtual = np.flatnonzero(running < 0)
        form_paths, text_paths = tree.paths[: len(forms)], tree.paths[len(forms) :]
        # What stands before the soft prompt does not feel it, and nothing stands before a first token:
        # all other tokens of a text are predicted.
        first = [max(cut, 1) for cut in text_cuts]
        read = [p[virtual_tokens + k - 1 : -1] for p, k in zip(text_paths, first, strict=True)]
        following = [token for text, k in zip(texts, first, strict=True) for token in text[k:]]
        options = sorted({token for form in forms for token in form.options})
        widest = max((len(form.options) for form in forms), default=0)
        option_index = np.full((len(forms), widest), -1)
        for row, form in zip(option_index, forms, strict=True):
            row[: len(form.options)] = np.searchsorted(options, form.options)
        tensor = self._forward.tensor
        option_head, option_bias = self._vocabulary.of_tokens(tensor(np.array(options, np.int64)))
        return Plan(
            layout=layout,
            tokens=tensor(np.maximum(running, 0)),
            virtual=tensor(virtual),
            virtual_index=tensor(-1 - running[virtual]),
            asked=tensor(row_of[np.array([path[-1] for path in form_paths], np.int64)]),
            option_head=option_head,
            option_bias=option_bias,
            option_index=tensor(option_index),
            read=tensor(row_of[np.concatenate([np.empty(0, np.int64), *read])]),
            following=tensor(np.array(following, np.int64)),
        )
