"""Plans: everything about a query that no candidate changes, prepared once.

In: a `Query` and the number of virtual tokens. Out: a `Plan`: all forms and texts packed into one row of
tokens, without padding, every shared beginning once, the options of a form as branches behind it; where
in it the soft prompt stands, where answers and texts are read, and how the option tokens alone are read
there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from acculturate.model.answers import Query
from acculturate.model.encoding import EncodedForm, EncodedText, FormEncoder
from acculturate.model.forward import Forward
from acculturate.model.prefix_tree import PrefixTree
from acculturate.model.soft_prompt import Placement
from acculturate.model.tree_attention import TreeLayout
from acculturate.model.verification import Verification


@dataclass(frozen=True)
class Steps:
    """The tokens of options behind their first; a label has none.

    Attributes:
        rows: Number of different rows that they follow, each inside one or more options.
        row: `[step]`: which of these it follows.
        token: `[step]`: the token.
        option: `[step]`: its option's place in `[form, option]`, flattened.
    """

    rows: int
    row: torch.Tensor
    token: torch.Tensor
    option: torch.Tensor


@dataclass(frozen=True)
class Plan:
    """A packed query.

    Attributes:
        layout: The row.
        read: `[form + row inside options + text position]`: the rows that are read: those whose next
            token begins an answer, those whose next token continues one, and those of the texts whose
            next token is predicted.
        option_logits: From states to the logits of all distinct first tokens of options, `[..., token]`,
            float32.
        option_index: `[form, option]` into those; -1 where an item has fewer.
        steps: What follows the first tokens.
        following: `[text position]`: the token that follows.
        prefixed: Whether the virtual tokens are those of a prefix.
    """

    layout: TreeLayout
    read: torch.Tensor
    option_logits: Callable[[torch.Tensor], torch.Tensor]
    option_index: torch.Tensor
    steps: Steps
    following: torch.Tensor
    prefixed: bool


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
        if not query.valid_mass:
            forms = [form.without_mass() for form in forms]
        texts = [self._encoder.encode_passage(text) for text in query.texts]
        return self.pack(forms, texts, query.placement, virtual_tokens, query.read_every)

    def pack(
        self,
        forms: Sequence[EncodedForm],
        texts: Sequence[EncodedText],
        placement: Placement,
        virtual_tokens: int,
        read_every: int = 1,
    ) -> Plan:
        """Pack encoded forms and texts into one row."""
        prompt = tuple(-1 - index for index in range(virtual_tokens))
        sequences = [
            (form.tokens + behind, form.prompt_at(placement))
            for form in forms
            for behind in [(), *(option[:-1] for option in form.options if len(option) > 1)]
        ]
        sequences += [(text.tokens, text.prompt_at(placement)) for text in texts]
        tree = PrefixTree.build([ids[:cut] + prompt + ids[cut:] for ids, cut in sequences])
        self._verification.cover(int(tree.positions.max(initial=0)) + 1)
        layout = self._forward.layout(tree)
        text_paths = tree.paths[len(tree.paths) - len(texts) :]
        ends, inside, steps = self._find_options(forms, tree.paths)
        # What stands before the soft prompt does not feel it, nothing stands before a first token, and a
        # prefix has no states behind it: all other tokens of a text that count are predicted.
        read, following = list[np.ndarray](), list[int]()
        for text, path in zip(texts, text_paths, strict=True):
            first = max(text.prompt_at(placement) + (placement == "prefix"), text.first)
            read.append(path[virtual_tokens + first - 1 : -1 : read_every])
            following += text.tokens[first::read_every]
        options = sorted({option[0] for form in forms for option in form.options})
        option_index = np.full((len(forms), _widest(forms)), -1)
        for row, form in zip(option_index, forms, strict=True):
            firsts = [option[0] for option in form.options]
            row[: len(firsts)] = np.searchsorted(options, firsts)
        tensor = self._forward.tensor
        return Plan(
            layout=layout,
            read=tensor(layout.among_running(np.concatenate([ends, inside, *read]))),
            option_logits=self._forward.vocabulary.of_tokens(tensor(np.array(options, np.int64))),
            option_index=tensor(option_index),
            steps=steps,
            following=tensor(np.array(following, np.int64)),
            prefixed=placement == "prefix" and virtual_tokens > 0,
        )

    def _find_options(
        self, forms: Sequence[EncodedForm], paths: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, Steps]:
        """Return the rows where forms end, the different rows inside options, and what follows these.

        Args:
            forms: The forms.
            paths: Rows of each form, each followed by those of its options that have several tokens,
                their last one left out.
        """
        path, widest = iter(paths), _widest(forms)
        ends: list[int] = []
        rows: list[int] = []
        steps: list[tuple[int, int]] = []
        for index, form in enumerate(forms):
            stem = next(path)
            ends.append(stem[-1])
            for place, option in enumerate(form.options):
                if len(option) > 1:
                    rows += next(path)[len(stem) :].tolist()
                    steps += [(token, index * widest + place) for token in option[1:]]
        inside, row = np.unique(np.array(rows, np.int64), return_inverse=True)
        token, option = np.array(steps, np.int64).reshape(-1, 2).T
        tensor = self._forward.tensor
        return (
            np.array(ends, np.int64),
            inside,
            Steps(len(inside), tensor(row), tensor(token.copy()), tensor(option.copy())),
        )


def _widest(forms: Sequence[EncodedForm]) -> int:
    return max((len(form.options) for form in forms), default=0)
