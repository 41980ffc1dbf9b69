"""THE HOT PATH: many soft prompts x all forms -> Answers.

Nearly all time goes here. What does not depend on a candidate is prepared once for a set of forms (a
`_Plan`); a candidate then costs one row: the forms' tokens merged by their shared beginnings, the guard
texts among them, no padding, no attention between unrelated forms, and logits of the option tokens only.
Behind the question, a soft prompt leaves the question itself as it is: that runs once, for the whole set.
Candidates are taken in chunks, so that on a processor the activations stay in cache and on a GPU they
fit; a chunk that does not fit is halved.

The result of a candidate does not depend on the others of its population.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from transformers import PreTrainedModel

from acculturate.model.answers import (
    LONGEST_READ,
    Answers,
    Backward,
    Placement,
    Query,
    TextReading,
    join_forms,
)
from acculturate.model.compilation import CompiledLayers, forgetting_layers
from acculturate.model.encoding import EncodedForm, FormEncoder
from acculturate.model.gradient import PromptGradient, does_not_fit
from acculturate.model.prefix_tree import PrefixTree
from acculturate.model.tree_attention import TreeLayout, attending_over_trees
from acculturate.model.vocabulary import Vocabulary

_TILE_ON_CPU = 96
_TILE_ON_GPU = 256
_ROWS_ON_CPU = 512
_ROWS_ON_GPU = 65536
_ROWS_KEPT_FOR_GRADIENTS = 4096
_PLANS_KEPT = 8
_FORMS_IN_CACHE = 192
"""Forms of a row on a processor: what is computed for many more falls out of its cache."""


@dataclass(frozen=True)
class _Plan:
    """Everything about a question set that no candidate changes."""

    layout: TreeLayout
    tokens: torch.Tensor  # [row that runs]; virtual tokens hold id 0 here and are overwritten
    virtual: torch.Tensor  # [virtual row]: where in the row virtual tokens stand
    virtual_index: torch.Tensor  # [virtual row]: virtual_index virtual token stands there
    asked: torch.Tensor  # [form]: the row index whose next token is the answer
    option_head: torch.Tensor  # [distinct option token, hidden], float32
    option_bias: torch.Tensor  # [distinct option token], float32
    option_index: torch.Tensor  # [form, option] into option_head; -1 where an item has fewer
    read: torch.Tensor  # [text position]: row indices whose next token is predicted
    following: torch.Tensor  # [text position]: the token that follows


class PopulationEvaluator:
    """Runs populations of soft prompts through one frozen model.

    Args:
        network: The frozen model.
        encoder: Encodes forms for it.
        rows: Tokens a chunk of candidates holds at most, one candidate at least; chosen by device if
            None.
        compiled: Whether the layers are compiled, virtual_index takes a while at first; on a GPU alone if None.
    """

    def __init__(
        self,
        network: PreTrainedModel,
        encoder: FormEncoder,
        rows: int | None = None,
        compiled: bool | None = None,
    ) -> None:
        self._network: Any = network
        self._encoder = encoder
        self._device: torch.device = network.device
        self._rows = rows or (_ROWS_ON_CPU if self._device.type == "cpu" else _ROWS_ON_GPU)
        wanted = self._device.type == "cuda" if compiled is None else compiled
        self._compiled = CompiledLayers(network) if wanted else None
        self._plans: OrderedDict[object, _Plan] = OrderedDict()
        self._references: OrderedDict[object, tuple[torch.Tensor, torch.Tensor]] = OrderedDict()
        self._embed: Any = network.get_input_embeddings()
        self._vocabulary = Vocabulary(network)
        self._no_prompt = torch.empty(1, 0, self._embed.weight.shape[1], device=self._device)

    @torch.no_grad()
    def ask(
        self,
        prompts: Float[np.ndarray, "candidate token hidden"] | None,
        query: Query,
    ) -> Answers:
        """See `AnswerModel.ask`."""
        if self._device.type == "cpu" and len(query.forms) > _FORMS_IN_CACHE:
            return self._ask_by_frame(prompts, query)
        plan = self._plan(query, 0 if prompts is None else prompts.shape[1])
        reference = self._reference(query.texts, query.placement) if query.texts else None
        population = (
            self._no_prompt
            if prompts is None
            else torch.from_numpy(np.array(prompts, np.float32)).to(self._device)
        )
        parts: list[tuple[np.ndarray, ...]] = []
        size, start = self._chunk_size(plan), 0
        while start < len(population):
            chunk = population[start : start + size]
            try:
                hidden = self._hidden(plan, chunk)
                outcome = self._outcome(plan, hidden, reference, query.valid_mass)
                parts.append(_arrays(outcome))
            except torch.OutOfMemoryError as error:
                if size == 1:
                    raise does_not_fit(len(plan.tokens)) from error
                size = max(1, size // 2)
                self._rows = size * len(plan.tokens)  # the next generation starts where it fits
                torch.cuda.empty_cache()
                continue
            start += len(chunk)
        return _answers(plan, query, parts)

    def _ask_by_frame(
        self,
        prompts: Float[np.ndarray, "candidate token hidden"] | None,
        query: Query,
    ) -> Answers:
        """The same in several rows, each of forms that begin alike."""
        by_frame: dict[object, list[int]] = {}
        for index, form in enumerate(query.forms):
            by_frame.setdefault((form.language, form.frame), []).append(index)
        parts = [
            indices[start : start + _FORMS_IN_CACHE]
            for indices in by_frame.values()
            for start in range(0, len(indices), _FORMS_IN_CACHE)
        ]
        answers = [
            self.ask(
                prompts,
                replace(
                    query,
                    forms=[query.forms[i] for i in part],
                    texts=() if number else query.texts,
                ),
            )
            for number, part in enumerate(parts)
        ]
        return join_forms(answers, parts, tuple(query.forms))

    @torch.no_grad()
    def chunk(
        self,
        virtual_tokens: int,
        query: Query,
        gradient: bool,
    ) -> int:
        """See `ChunkedModel.chunk`."""
        plan = self._plan(query, virtual_tokens)
        return self._chunk_size(plan, gradient)

    def _chunk_size(self, plan: _Plan, gradient: bool = False) -> int:
        rows = min(self._rows, _ROWS_KEPT_FOR_GRADIENTS) if gradient else self._rows
        return max(1, rows // len(plan.tokens))

    @torch.no_grad()
    def ask_with_gradient(
        self,
        prompts: Float[np.ndarray, "candidate token hidden"],
        query: Query,
    ) -> tuple[Answers, Backward]:
        """See `DifferentiableModel.ask_with_gradient`."""
        plan = self._plan(query, prompts.shape[1])
        reference = self._reference(query.texts, query.placement) if query.texts else None
        leaf = torch.from_numpy(np.array(prompts, np.float32)).to(self._device).requires_grad_()
        recompute = partial(self.ask_with_gradient, query=query)
        try:
            with torch.enable_grad():
                outcome = self._outcome(plan, self._hidden(plan, leaf), reference, query.valid_mass)
            answers = _answers(plan, query, [_arrays(outcome)])
            return answers, PromptGradient(self._network, leaf, outcome, recompute)
        except torch.OutOfMemoryError as error:
            if len(prompts) == 1:
                raise does_not_fit(len(plan.tokens)) from error
        torch.cuda.empty_cache()
        answers = self.ask(prompts, query)
        return answers, PromptGradient(self._network, leaf, None, recompute)

    @torch.no_grad()
    def read_texts(
        self,
        texts: Sequence[str],
        prompt: Float[np.ndarray, "token hidden"] | None,
        placement: Placement,
    ) -> tuple[TextReading, ...]:
        """See `ProseModel.read_texts`. A text at a time: a reference holds its tokens x the vocabulary."""
        tokens = 0 if prompt is None else len(prompt)
        chunk = (
            self._no_prompt
            if prompt is None
            else torch.from_numpy(np.array(prompt, np.float32)).to(self._device)[None]
        )
        found: list[TextReading] = []
        for text in texts:
            ids = self._encoder.encode_text(text)[:LONGEST_READ]
            if len(ids) < 2:  # nothing stands before a first token
                found.append(TextReading(np.empty(0), np.empty(0)))
                continue
            reference = self._compute_reference(self._row((), (ids,), placement, 0))
            plan = self._row((), (ids,), placement, tokens)
            by_token = self._read(plan, self._hidden(plan, chunk), reference)
            found.append(TextReading(*(part[0] for part in _arrays(by_token))))
        return tuple(found)

    def _hidden(self, plan: _Plan, chunk: torch.Tensor) -> torch.Tensor:
        """Final hidden states of some candidates, `[candidate, row, hidden]`."""
        rows = self._embed(plan.tokens).repeat(len(chunk), 1, 1)
        rows[:, plan.virtual] = chunk[:, plan.virtual_index].to(rows.dtype)
        forward = self._tree_forward if self._supports_tree_attention else self._sequential_forward
        return forward(rows, plan.layout)

    def _tree_forward(self, rows: torch.Tensor, layout: TreeLayout) -> torch.Tensor:
        """Final hidden states of whole rows, every shared beginning computed once."""
        compiled = nullcontext() if self._compiled is None else self._compiled.running()
        long = rows.requires_grad and rows.shape[0] * rows.shape[1] > _ROWS_KEPT_FOR_GRADIENTS
        forgetting = forgetting_layers(self._network) if long else nullcontext()
        try:
            with attending_over_trees(self._network), compiled, forgetting:
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
            return self._tree_forward(rows, layout)

    def _sequential_forward(self, rows: torch.Tensor, layout: TreeLayout) -> torch.Tensor:
        """The same, sequence by sequence and slower, for a model whose attention is its own."""
        hidden = torch.empty_like(rows)
        for path in layout.tree.paths:
            row = self._tensor(path)
            hidden[:, row] = self._network.get_decoder()(
                inputs_embeds=rows[:, row], use_cache=False
            ).last_hidden_state
        return hidden

    @cached_property
    def _supports_tree_attention(self) -> bool:
        """Whether this model takes its attention from us; proved once, on two short sequences."""
        layout = TreeLayout(
            PrefixTree.build([(3, 4, 5, 6), (3, 4, 7, 8)]),
            self._device,
            self._vocabulary.weight.dtype,
            tile_size(self._device),
        )
        rows = self._embed(self._tensor(layout.tree.tokens))[None]
        expected = self._sequential_forward(rows, layout).float()
        try:
            merged = self._tree_forward(rows, layout).float()
        except Exception:
            merged = torch.zeros_like(expected)
        if (merged - expected).abs().mean() < 0.05 * expected.abs().mean():
            return True
        warnings.warn(
            "this model computes its attention in a way of its own: forms are asked one by one, "
            "virtual_index is right and slow",
            stacklevel=2,
        )
        return False

    def _outcome(
        self,
        plan: _Plan,
        hidden: torch.Tensor,
        reference: tuple[torch.Tensor, torch.Tensor] | None,
        valid_mass: bool,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Probabilities of the options, their valid mass, divergence and perplexity of the texts."""
        candidates = len(hidden)
        answered = hidden[:, plan.asked]
        logits = self._vocabulary.cap(answered.float() @ plan.option_head.T + plan.option_bias)
        shown = plan.option_index >= 0
        index = plan.option_index.clamp(min=0).expand(candidates, -1, -1)
        logits = logits.gather(2, index).masked_fill(~shown, -torch.inf)
        probabilities = logits.softmax(dim=-1)
        mass = torch.zeros(candidates, len(plan.asked))
        divergence = perplexity = torch.zeros(candidates)
        if valid_mass and len(plan.asked):
            whole, _ = self._vocabulary.sums(answered)
            mass = (logits.logsumexp(-1) - whole).exp()
        if reference is not None:
            by_token, surprise = self._read(plan, hidden, reference)
            # Rounding can leave a hair below zero where the divergence is zero.
            divergence = by_token.mean(-1).clamp(min=0)
            perplexity = surprise.mean(-1).exp()
        return probabilities, mass, divergence, perplexity

    def _read(
        self, plan: _Plan, hidden: torch.Tensor, reference: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Divergence and surprise of every token of the texts, `[candidate, text position]`."""
        untouched, negative_entropy = reference
        states = hidden[:, plan.read]
        whole, expected = self._vocabulary.sums(states, untouched)
        follows = self._vocabulary.logit_of_each(states, plan.following)
        return negative_entropy - expected + whole, whole - follows

    def _reference(
        self, texts: Sequence[str], placement: Placement
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The untouched model where the guard texts are read: probabilities, their negative entropy."""
        key = Query(texts=texts, placement=placement)
        if key not in self._references:
            self._references[key] = self._compute_reference(self._plan(key, 0))
            _forget_oldest(self._references, 2)
        return self._references[key]

    def _compute_reference(self, plan: _Plan) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self._hidden(plan, self._no_prompt)
        logged = self._vocabulary.logits(hidden[0, plan.read], slice(None)).log_softmax(-1)
        probabilities = logged.exp()
        return probabilities, torch.linalg.vecdot(probabilities, logged)

    def _plan(self, query: Query, tokens: int) -> _Plan:
        key = query, tokens
        if key not in self._plans:
            self._plans[key] = self._prepare(query, tokens)
            _forget_oldest(self._plans, _PLANS_KEPT)
        self._plans.move_to_end(key)
        return self._plans[key]

    def _prepare(self, query: Query, tokens: int) -> _Plan:
        encoded = [self._encoder.encode(form) for form in query.forms]
        read = [self._encoder.encode_text(text) for text in query.texts]
        return self._row(encoded, read, query.placement, tokens)

    def _row(
        self,
        encoded: Sequence[EncodedForm],
        read: Sequence[tuple[int, ...]],
        placement: Placement,
        tokens: int,
    ) -> _Plan:
        """The row of some forms and of the tokens of some texts."""
        prompt = tuple(-1 - index for index in range(tokens))
        cuts = [self._encoder.prompt_at(ids, placement) for ids in read]
        placed = [(form.tokens, form.prompt_at(placement)) for form in encoded]
        tree = PrefixTree.build(
            [
                ids[:cut] + prompt + ids[cut:]
                for ids, cut in (*placed, *zip(read, cuts, strict=True))
            ]
        )
        layout = self._layout(tree)
        row_of = np.full(len(tree), -1)
        row_of[layout.run] = np.arange(len(layout.run))
        form_paths, text_paths = tree.paths[: len(encoded)], tree.paths[len(encoded) :]
        # What stands before the soft prompt does not feel it, and nothing stands before a first token:
        # all other tokens of a text are predicted.
        first = [max(cut, 1) for cut in cuts]
        predicted = [path[tokens + k - 1 : -1] for path, k in zip(text_paths, first, strict=True)]
        following = [ids[k:] for ids, k in zip(read, first, strict=True)]
        option_tokens = sorted({token for form in encoded for token in form.options})
        widest = max((len(form.options) for form in encoded), default=0)
        index = np.full((len(encoded), widest), -1)
        for row, form in enumerate(encoded):
            index[row, : len(form.options)] = np.searchsorted(option_tokens, form.options)
        running = tree.tokens[layout.run]
        virtual = np.flatnonzero(running < 0)
        options = self._tensor(np.array(option_tokens, np.int64))
        option_head, option_bias = self._vocabulary.of_tokens(options)
        return _Plan(
            layout=layout,
            tokens=self._tensor(np.maximum(running, 0)),
            virtual=self._tensor(virtual),
            virtual_index=self._tensor(-1 - running[virtual]),
            asked=self._tensor(row_of[np.array([path[-1] for path in form_paths], np.int64)]),
            option_head=option_head,
            option_bias=option_bias,
            option_index=self._tensor(index),
            read=self._tensor(row_of[np.concatenate([np.empty(0, np.int64), *predicted])]),
            following=self._tensor(
                np.concatenate([np.empty(0, np.int64), *following]).astype(np.int64)
            ),
        )

    def _layout(self, tree: PrefixTree) -> TreeLayout:
        """A row's layout, with the keys and values of what is worth keeping already in it."""
        keep = tree.kept if self._supports_tree_attention else None
        layout = TreeLayout(
            tree, self._device, self._vocabulary.weight.dtype, tile_size(self._device), keep
        )
        beginning = layout.prefix_layout()
        if beginning is not None:
            tokens = beginning.tree.tokens
            try:
                self._tree_forward(self._embed(self._tensor(tokens))[None], beginning)
            except torch.OutOfMemoryError as error:
                raise does_not_fit(len(tokens)) from error
        return layout

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)


def _arrays(outcome: Sequence[torch.Tensor]) -> tuple[np.ndarray, ...]:
    return tuple(part.detach().double().cpu().numpy() for part in outcome)


def _answers(
    plan: _Plan,
    query: Query,
    parts: Sequence[tuple[np.ndarray, ...]],
) -> Answers:
    """What chunks of candidates came to, each an `_outcome`; what was not asked for is None."""
    probabilities, mass, divergence, perplexity = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return Answers(
        forms=tuple(query.forms),
        probabilities=probabilities,
        valid_mass=mass if query.valid_mass else None,
        divergence=divergence if query.texts else None,
        perplexity=perplexity if query.texts else None,
        tokens=len(plan.tokens),
    )


def tile_size(device: torch.device) -> int:
    """Tokens a tile of attention holds at most: on a GPU few calls count for more than few masked pairs."""
    return _TILE_ON_CPU if device.type == "cpu" else _TILE_ON_GPU


def _forget_oldest(kept: OrderedDict[Any, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
