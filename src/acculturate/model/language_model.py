"""A frozen Hugging Face causal language model that answers forms: an `AnswerModel`, and all it can be more.

How a population runs through it is `evaluator.py`'s; how it is loaded, `pretrained.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from transformers import PreTrainedModel

from acculturate.model.adapter import MergedAdapter
from acculturate.model.answers import Answers, Backward, Chat, Passage, Query, TextReading
from acculturate.model.decoding import Decoder
from acculturate.model.embedded import LICENCE
from acculturate.model.embedding import input_embedding
from acculturate.model.encoding import EncodedForm, EncodedText, FormEncoder
from acculturate.model.evaluator import PopulationEvaluator
from acculturate.model.forward import Path
from acculturate.model.generation import TextWriter, end_tokens
from acculturate.model.layers import last_states
from acculturate.model.prompt_checks import check_width
from acculturate.model.soft_prompt import Placement, Prefixes, Prompt, Prompts, SoftPrompt
from acculturate.model.weights import model_hash, weights_hash
from acculturate.progress import advance, skip
from acculturate.survey.forms import Form

_UNTOUCHED_KEPT = 128
"""Queries whose answers without a soft prompt are remembered."""


class LanguageModel:
    """A frozen causal language model; every method that asks it may raise what `ask` raises.

    Args:
        name: The name it was loaded by.
        revision: Commit on the hub, or the revision that was asked for, if any.
        network: The transformers model; its gradients are switched off here.
        tokenizer: Its tokenizer.
        rows: Tokens a chunk of candidates holds at most; chosen by device if None.
        chat: Whether forms are shown in the tokenizer's chat template.
        adapter: The adapter that was merged into the network, if one was.

    Attributes:
        network: The frozen transformers model.
        tokenizer: Its tokenizer.
        hidden_size: Width of a virtual token.
    """

    def __init__(
        self,
        name: str,
        revision: str | None,
        network: PreTrainedModel,
        tokenizer: Any,
        rows: int | None = None,
        chat: Chat = "auto",
        adapter: MergedAdapter | None = None,
    ) -> None:
        self.name = name
        self.network: Any = network.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self._revision = revision
        self._adapter = adapter
        self._embed: Any = input_embedding(network)
        self._encoder = FormEncoder(tokenizer, len(self._embed.weight), chat)
        self._evaluator = PopulationEvaluator(name, network, self._encoder, rows)
        self._writer = TextWriter(network, tokenizer, self._encoder, self._evaluator.decoder)
        # The weights are frozen: every cell of an experiment compares with the same untouched answers.
        self._ask_untouched = lru_cache(_UNTOUCHED_KEPT)(partial(self._evaluator.ask, None))
        self.hidden_size = int(self._embed.weight.shape[1])

    @property
    def path(self) -> Path:
        """The forward pass of this model's forms, which is proved when it is first asked."""
        return self._evaluator.path

    @property
    def leading(self) -> tuple[int, ...]:
        """The tokens that the tokenizer puts before every text, such as the beginning-of-sequence token."""
        return self._encoder.leading

    @property
    def chat(self) -> Chat:
        """See `FormEncoder.chat`."""
        return self._encoder.chat

    def provenance(self) -> dict[str, str]:
        """See `AnswerModel.provenance`. Hashes all weights: seconds a gigabyte."""
        adapter = {} if self._adapter is None else {"merged_into": self._adapter.base}
        return {
            "name": self.name,
            "revision": self._revision or "",
            "weights_hash": self.weights_hash(),
            "dtype": str(self.network.dtype).removeprefix("torch."),
            "device": str(self.network.device),
            **({} if self.chat == "auto" else {"chat": self.chat}),
            "licence": LICENCE if self.name == "embedded" else "see the model's own card",
            **adapter,
        }

    def weights_hash(self) -> str:
        """Return the SHA-256 over the names and bytes of all parameters."""
        return weights_hash(self.network)

    def model_hash(self) -> str:
        """See `IdentifiedModel.model_hash`. Of an adapter merged into its base: that of both before."""
        return model_hash(self.network) if self._adapter is None else self._adapter.model_hash

    def encode(self, form: Form) -> EncodedForm:
        """Return a form's tokens and those of its options."""
        return self._encoder.encode(form)

    def encode_question(self, text: str, line: str = "") -> EncodedForm:
        """Return the tokens of a question to answer in words."""
        return self._encoder.encode_question(text, line)

    def encode_passage(self, passage: Passage) -> EncodedText:
        """Return the tokens of something to read."""
        return self._encoder.encode_passage(passage)

    def encode_text(self, text: str) -> tuple[int, ...]:
        """Return a guard text's tokens."""
        return self._encoder.encode_text(text)

    def encode_line(self, line: str) -> tuple[int, ...]:
        """Return the tokens of a line in front of a text, without the leading ones; none of no line."""
        return self.encode_text(f"{line}\n")[len(self.leading) :] if line else ()

    def check_ids(self, ids: Sequence[int]) -> None:
        """See `FormEncoder.check_ids`."""
        self._encoder.check_ids(ids)

    @torch.inference_mode()
    def embedding_scale(self) -> float:
        """See `AnswerModel.embedding_scale`. From the layer's output: Gemma scales it there."""
        ids = torch.arange(0, self._embed.weight.shape[0], 16, device=self.network.device)
        return float(self._embed(ids).float().std())

    @torch.inference_mode()
    def embed_ids(self, ids: Sequence[int]) -> Prompt:
        """Return the embedding layer's output for token ids.

        Raises:
            UsageError: An id lies above the model's embeddings.
        """
        self._encoder.check_ids(ids)
        tensor = torch.tensor(list(ids), dtype=torch.int64, device=self.network.device)
        return self._embed(tensor).float().cpu().numpy()

    def embed_text(self, text: str) -> Prompt:
        """See `AnswerModel.embed_text`."""
        return self.embed_ids(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def embed_random_tokens(self, count: int, rng: np.random.Generator) -> Prompt:
        """See `AnswerModel.embed_random_tokens`."""
        special: set[int] = set(self.tokenizer.all_special_ids)
        known = min(len(self.tokenizer), len(self._embed.weight))
        ordinary = [i for i in range(known) if i not in special]
        return self.embed_ids([int(token) for token in rng.choice(ordinary, size=count)])

    def ask(self, prompts: Prompts | None, query: Query) -> Answers:
        """See `AnswerModel.ask`.

        Raises:
            UsageError: The prompts are of another width than the model's.
            FailureError: This kind of model cannot be run our way (found out at the first call).
        """
        self._check(prompts, query.placement)
        if prompts is not None:
            return self._evaluator.ask(prompts, query)
        known = self._ask_untouched.cache_info().hits
        answers = self._ask_untouched(query)
        if self._ask_untouched.cache_info().hits > known:
            skip(query.size)
        return answers

    def prefix_width(self) -> int:
        """See `PrefixedModel.prefix_width`."""
        return self._evaluator.key_values().width

    def prefix_shape(self) -> tuple[int, int] | None:
        """Return heads and width of the keys and values of every layer; None where they differ.

        Raises:
            UsageError: This kind of model takes no prefix.
        """
        return self._evaluator.key_values().same_in_all_layers

    def prefix_of(self, prompts: Prompts, *, leading: bool = True) -> Prefixes:
        """See `PrefixedModel.prefix_of`."""
        self._check(prompts)
        return self._evaluator.prefix_of(prompts, self.leading if leading else ())

    @torch.inference_mode()
    def mean_states(self, forms: Sequence[Form]) -> Float[np.ndarray, "layer hidden"]:
        """See `SteerableModel.mean_states`."""
        total: Any = 0.0
        for form in forms:
            total = total + last_states(self.network, self.encode(form).tokens)
            advance(1)
        return (total / len(forms)).numpy()

    def ask_with_gradient(self, prompts: Prompts, query: Query) -> tuple[Answers, Backward]:
        """See `DifferentiableModel.ask_with_gradient`."""
        self._check(prompts, query.placement)
        return self._evaluator.ask_with_gradient(prompts, query)

    def continue_text(
        self, text: str, prompt: SoftPrompt | None = None, *, max_tokens: int = 40
    ) -> str:
        """See `AnswerModel.continue_text`."""
        self._check_soft(prompt)
        return self._writer.continue_text(text, prompt, max_tokens)

    def generate_answers(
        self,
        forms: Sequence[Form],
        prompt: SoftPrompt | None = None,
        *,
        max_tokens: int = 12,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """See `GeneratingModel.generate_answers`."""
        self._check_soft(prompt)
        shown = forms if prompt is None else prompt.before(forms)
        return self._writer.answer(shown, prompt, max_tokens, seed)

    def read_texts(
        self,
        texts: Sequence[Passage],
        prompt: Prompt | None = None,
        *,
        placement: Placement = "front",
    ) -> tuple[TextReading, ...]:
        """See `ProseModel.read_texts`."""
        self._check(prompt, placement)
        return self._evaluator.read_texts(texts, prompt, placement)

    def reply(
        self,
        questions: Sequence[str],
        prompt: SoftPrompt | None = None,
        *,
        max_tokens: int = 60,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """See `ProseModel.reply`."""
        self._check_soft(prompt)
        return self._writer.reply(questions, prompt, max_tokens, seed)

    def encode_chat(
        self, messages: Sequence[tuple[str, str]], line: str = "", reply: str = ""
    ) -> EncodedForm:
        """See `FormEncoder.encode_chat`."""
        return self._encoder.encode_chat(messages, line, reply)

    def decoder(self, rows: int) -> Decoder:
        """Return what writes up to `rows` texts at once with this model.

        Raises:
            FailureError: This kind of model cannot be run our way.
        """
        return self._evaluator.decoder(rows)

    def end_tokens(self) -> set[int]:
        """Return the tokens that end a text."""
        return end_tokens(self.network, self.tokenizer)

    def _check_soft(self, prompt: SoftPrompt | None) -> None:
        self._evaluator.verify()
        if prompt is not None:
            self._check(prompt.embeddings, prompt.placement)

    def _check(self, prompts: Prompt | Prompts | None, placement: Placement = "front") -> None:
        """Refuse soft prompts of another width."""
        if prompts is not None:
            check_width(prompts.shape[-1], self, placement)
