"""Evaluation of a population, the hot path: many soft prompts x all forms -> Answers.

Nearly all time goes here. A candidate costs one packed row (see `plan.py`): the forms' tokens merged by
their shared beginnings, the guard texts among them, no padding, no attention between unrelated forms, and
logits of the option tokens only, of the whole vocabulary where an answer in words goes on. Behind the
question, a soft prompt leaves the question itself as it is:
that runs once, for the whole query. Candidates are taken in chunks, so that on a processor the
activations stay in cache and on a GPU they fit; a chunk that does not fit is halved.

The result of a candidate does not depend on the others of its population.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from acculturate.errors import FailureError, UsageError
from acculturate.model.answers import Answers, Backward, Passage, Query, TextReading
from acculturate.model.decoding import Decoder
from acculturate.model.encoding import FormEncoder
from acculturate.model.forward import PATHS, Forward, Path, array_of, does_not_fit
from acculturate.model.gradient import backward
from acculturate.model.layers import counting_layers, steered
from acculturate.model.plan import Plan, Planner, Steps
from acculturate.model.prefix import KeyValueLayout
from acculturate.model.soft_prompt import Placement, Prefixes, Prompt, Prompts
from acculturate.model.verification import Verification
from acculturate.progress import advance

_ROWS_ON_CPU = 512
_ROWS_ON_GPU = 65536
_PLANS_KEPT = 8
_SHARE_OF_LAYERS = 0.9
"""Of the time of a row, about."""
_FORMS_IN_CACHE = 192
"""Forms of a row on a processor: what is computed for many more falls out of its cache."""

_Reference = tuple[torch.Tensor, torch.Tensor]
"""The untouched model where texts are read: probabilities of all tokens, and their negative entropy."""


class PopulationEvaluator:
    """Runs populations of soft prompts through one frozen model.

    Args:
        name: The model's name, for messages.
        network: The frozen model.
        encoder: Encodes forms for it.
        rows: Tokens a chunk of candidates holds at most, one candidate at least; chosen by device if
            None.
        compiled: Whether the layers are compiled; see `Forward`.
    """

    def __init__(
        self,
        name: str,
        network: PreTrainedModel,
        encoder: FormEncoder,
        rows: int | None = None,
        compiled: bool | None = None,
    ) -> None:
        self._network: Any = network
        self._encoder = encoder
        self._forward = Forward(network, compiled)
        self._verification = Verification(name, network, encoder, self._forward, self._forget)
        self._planner = Planner(encoder, self._forward, self._verification)
        self._plan = lru_cache(_PLANS_KEPT)(self._planner.plan)
        self._references: dict[Query, _Reference] = {}
        self._on_cpu = self._forward.device.type == "cpu"
        self._rows = rows or (_ROWS_ON_CPU if self._on_cpu else _ROWS_ON_GPU)

    @property
    def path(self) -> Path:
        """The forward pass of this model's sequences, which is proved when it is first asked."""
        return self._forward.path

    def verify(self) -> None:
        """Prove that the model is run rightly, if nothing was asked yet.

        Raises:
            FailureError: It cannot be.
        """
        self._verification.cover(1)

    @torch.no_grad()
    def key_values(self) -> KeyValueLayout:
        """Return the layout of a prefix.

        Raises:
            UsageError: This kind of model takes none.
        """
        self.verify()
        return self._forward.key_values

    @torch.no_grad()
    def prefix_of(self, prompts: Prompts, leading: Sequence[int]) -> Prefixes:
        """See `PrefixedModel.prefix_of`."""
        self._verification.cover(len(leading) + prompts.shape[1])
        return array_of(self._forward.prefix_of(self._population(prompts), leading))

    def decoder(self, rows: int) -> Decoder:
        """Return what writes texts with the model; see `verify`."""
        self.verify()
        return Decoder(self._network, self._forward, rows)

    @torch.no_grad()
    def ask(self, prompts: Prompts | None, query: Query) -> Answers:
        """See `AnswerModel.ask`."""
        if self._on_cpu and len(query.forms) > _FORMS_IN_CACHE:
            return self._ask_by_frame(prompts, query)
        if prompts is not None:
            _refuse_steering(query)
        population = self._population(prompts)
        plan, reference = self._prepare(replace(query, steering=None), population.shape[1])
        outcomes: list[Sequence[torch.Tensor]] = []
        tokens = len(plan.layout.tokens)
        chunk_size, start = max(1, self._rows // tokens), 0
        while start < len(population):
            chunk = population[start : start + chunk_size]
            try:
                steering = steered(self._network, query.steering)
                with self._counted(len(chunk) * query.size), steering:
                    outcomes.append(self._outcome(plan, chunk, reference, query.valid_mass))
            except torch.OutOfMemoryError as error:
                if chunk_size == 1:
                    raise does_not_fit(tokens) from error
                chunk_size = max(1, chunk_size // 2)
                # The next generation starts where this one fits.
                self._rows = chunk_size * tokens
                torch.cuda.empty_cache()
            else:
                start += len(chunk)
        return _answers(plan, query, outcomes)

    @contextmanager
    def _counted(self, size: int) -> Generator[None]:
        """Count forms and texts as done, on a processor also while their one row runs."""
        in_layers = _SHARE_OF_LAYERS * size if self._on_cpu and self.path != PATHS[-1] else 0.0
        with counting_layers(self._network, in_layers) if in_layers else nullcontext():
            yield
        advance(size - in_layers)

    def _ask_by_frame(self, prompts: Prompts | None, query: Query) -> Answers:
        """Ask the same in several rows, each of forms that begin alike."""
        by_frame: dict[object, list[int]] = {}
        for index, form in enumerate(query.forms):
            by_frame.setdefault((form.language, form.frame), []).append(index)
        parts = [
            indices[start : start + _FORMS_IN_CACHE]
            for indices in by_frame.values()
            for start in range(0, len(indices), _FORMS_IN_CACHE)
        ]
        texts = [query.texts, *[()] * (len(parts) - 1)]
        answers = [
            self.ask(prompts, replace(query, forms=[query.forms[i] for i in part], texts=read))
            for part, read in zip(parts, texts, strict=True)
        ]
        widest = max(part.probabilities.shape[2] for part in answers)
        probabilities = np.zeros((len(answers[0].probabilities), len(query.forms), widest))
        valid_mass = np.zeros(probabilities.shape[:2]) if query.valid_mass else None
        for indices, part in zip(parts, answers, strict=True):
            probabilities[:, indices, : part.probabilities.shape[2]] = part.probabilities
            if valid_mass is not None:
                valid_mass[:, indices] = part.valid_mass
        return replace(
            answers[0],
            forms=tuple(query.forms),
            probabilities=probabilities,
            valid_mass=valid_mass,
            tokens=sum(part.tokens for part in answers),
        )

    @torch.no_grad()
    def ask_with_gradient(self, prompts: Prompts, query: Query) -> tuple[Answers, Backward]:
        """See `DifferentiableModel.ask_with_gradient`."""
        _refuse_steering(query)
        population = self._population(prompts).requires_grad_()
        plan, reference = self._prepare(query, population.shape[1])
        try:
            with torch.enable_grad():
                outcome = self._outcome(plan, population, reference, query.valid_mass)
        except torch.OutOfMemoryError as error:
            raise does_not_fit(len(plan.layout.tokens)) from error
        answers = _answers(plan, query, [outcome])
        return answers, partial(backward, self._network, population, outcome)

    @torch.no_grad()
    def read_texts(
        self, texts: Sequence[Passage], prompt: Prompt | None, placement: Placement
    ) -> tuple[TextReading, ...]:
        """See `ProseModel.read_texts`. A text at a time: a reference holds its tokens x the vocabulary."""
        population = self._population(None if prompt is None else prompt[None])
        readings: list[TextReading] = []
        for text in texts:
            encoded = self._encoder.encode_passage(text)
            if len(encoded.tokens) <= encoded.first:  # nothing stands before a first token
                readings.append(TextReading(np.empty(0), np.empty(0)))
                continue
            plan = self._planner.pack((), (encoded,), placement, population.shape[1])
            reference = self._compute_reference(self._planner.pack((), (encoded,), placement, 0))
            by_token = self._read(plan, self._states(plan, population), reference)
            readings.append(TextReading(*(array_of(part[0]) for part in by_token)))
            advance(1)
        return tuple(readings)

    def _population(self, prompts: Prompts | None) -> torch.Tensor:
        """Put soft prompts on the device; the untouched model is a candidate of no virtual tokens."""
        if prompts is None:
            prompts = np.empty((1, 0, self._forward.embed.weight.shape[1]))
        return self._forward.tensor(np.array(prompts, np.float32))

    def _forget(self) -> None:
        """Drop what was prepared for another path through the model."""
        self._plan.cache_clear()
        self._references.clear()

    def _states(self, plan: Plan, chunk: torch.Tensor) -> torch.Tensor:
        """Compute the final states that are read under some candidates, `[candidate, row, width]`."""
        return self._forward(chunk, plan.layout, plan.read, prefixed=plan.prefixed)

    def _outcome(
        self, plan: Plan, chunk: torch.Tensor, reference: _Reference | None, valid_mass: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Compute probabilities of the options, their valid mass, divergence and perplexity of the texts."""
        states, candidates, forms = self._states(plan, chunk), len(chunk), len(plan.option_index)
        texts = forms + plan.steps.rows
        answered = states[:, :forms].contiguous()
        logits = plan.option_logits(answered)
        index = plan.option_index.clamp(min=0).expand(candidates, -1, -1)
        logits = logits.gather(2, index).masked_fill(plan.option_index < 0, -torch.inf)
        if plan.steps.rows:
            logits = self._continue(plan.steps, logits, states[:, forms:texts].contiguous())
        mass = torch.zeros(candidates, forms)
        if valid_mass and forms:
            whole, _ = self._forward.vocabulary.sums(answered)
            mass = (logits.logsumexp(-1) - whole).exp()
        divergence = perplexity = torch.zeros(candidates)
        if reference is not None:
            by_token, surprise = self._read(plan, states[:, texts:].contiguous(), reference)
            # Rounding can leave a hair below zero where the divergence is zero.
            divergence = by_token.mean(-1).clamp(min=0)
            perplexity = surprise.mean(-1).exp()
        return logits.softmax(dim=-1), mass, divergence, perplexity

    def _continue(self, steps: Steps, logits: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """Add the log-probabilities of all further tokens to the logits of options' first ones."""
        whole, _ = self._forward.vocabulary.sums(states)
        follows = self._forward.vocabulary.logit_of_each(states[:, steps.row], steps.token)
        log_probabilities = follows - whole[:, steps.row]
        return logits.flatten(1).index_add(1, steps.option, log_probabilities).view_as(logits)

    def _read(
        self, plan: Plan, states: torch.Tensor, reference: _Reference
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute divergence and surprise of every token of the texts, `[candidate, text position]`."""
        probabilities, negative_entropy = reference
        whole, expected = self._forward.vocabulary.sums(states, probabilities)
        follows = self._forward.vocabulary.logit_of_each(states, plan.following)
        return negative_entropy - expected + whole, whole - follows

    def _prepare(self, query: Query, virtual_tokens: int) -> tuple[Plan, _Reference | None]:
        """Return the plan of a query, and the reference of its texts."""
        reference = self._reference(query, self._plan(query, virtual_tokens))
        # A longer reference can lead to another path through the model, for which plans are made anew.
        return self._plan(query, virtual_tokens), reference

    def _reference(self, query: Query, plan: Plan) -> _Reference | None:
        """Return the reference of a query's texts, of which the last two are kept.

        Raises:
            FailureError: What is read for it does not end in the same tokens.
        """
        if not query.texts:
            return None
        texts, placement = query.reference or query.texts, query.placement
        key = Query(texts=texts, placement=placement, read_every=query.read_every)
        if key not in self._references:
            while len(self._references) > 1:
                self._references.pop(next(iter(self._references)))
            untouched = self._plan(key, 0)
            if not torch.equal(untouched.following, plan.following):
                raise FailureError("a text and its reference do not end in the same tokens")
            self._references[key] = self._compute_reference(untouched)
        return self._references[key]

    def _compute_reference(self, plan: Plan) -> _Reference:
        (states,) = self._states(plan, self._population(None))
        logged = self._forward.vocabulary.logits(states, slice(None)).log_softmax(-1)
        probabilities = logged.exp()
        return probabilities, torch.linalg.vecdot(probabilities, logged)


def _refuse_steering(query: Query) -> None:
    """Refuse to steer a model under soft prompts, whose gradients and shared beginnings would not feel it."""
    if query.steering is not None:
        raise UsageError(
            "a model is not steered under soft prompts", "Ask with the prompts or with the vector."
        )


def _answers(plan: Plan, query: Query, outcomes: Sequence[Sequence[torch.Tensor]]) -> Answers:
    """Join the outcomes of chunks of candidates; what was not asked for is None."""
    probabilities, mass, divergence, perplexity = (
        np.concatenate([array_of(part) for part in column])
        for column in zip(*outcomes, strict=True)
    )
    return Answers(
        forms=tuple(query.forms),
        probabilities=probabilities,
        valid_mass=mass if query.valid_mass else None,
        divergence=divergence if query.texts else None,
        perplexity=perplexity if query.texts else None,
        tokens=len(plan.layout.tokens),
    )
