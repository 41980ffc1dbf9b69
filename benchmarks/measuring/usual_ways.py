"""The three usual ways to ask a model: what our own is measured against.

In: soft prompts and forms. Out: option probabilities, the same as `LanguageModel.ask` gives. Each way is
what a careful script does with transformers and no more; tokens are made once, for all candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch.nn.utils.rnn import pad_sequence

from acculturate.model.answers import Placement
from acculturate.model.language_model import LanguageModel
from acculturate.survey.forms import Form


class PlainWays:
    """Asks the same forms in the usual ways.

    Args:
        model: Who is asked.
        forms: What is asked, answered by labels.
        placement: Where the soft prompt goes.
        new_tokens: Tokens that `generate` writes at most; the first one is the answer.
    """

    def __init__(
        self, model: LanguageModel, forms: Sequence[Form], placement: Placement, new_tokens: int
    ) -> None:
        self._network: Any = model.network
        self._embed: Any = model.network.get_input_embeddings()
        self._device: torch.device = model.network.device
        self._new_tokens = new_tokens
        encoded = [model.encode(form) for form in forms]
        self._ids = [torch.tensor(form.tokens, device=self._device) for form in encoded]
        self._cuts = [form.prompt_at(placement) for form in encoded]
        self._options = [
            torch.tensor([option[0] for option in form.options], device=self._device)
            for form in encoded
        ]
        self._widest = max(len(form.options) for form in encoded)
        pad = model.tokenizer.pad_token_id
        self._pad = model.tokenizer.eos_token_id if pad is None else pad

    def lengths(self, virtual_tokens: int) -> list[int]:
        """Tokens of each form, the soft prompt included."""
        return [len(ids) + virtual_tokens for ids in self._ids]

    def generate(
        self, population: Float[np.ndarray, "candidate token hidden"]
    ) -> Float[np.ndarray, "candidate form option"]:
        """Greedy generation, one form at a time: what most research scripts do."""

        def last(row: torch.Tensor) -> torch.Tensor:
            made = self._network.generate(
                inputs_embeds=row,
                attention_mask=torch.ones(row.shape[:2], dtype=torch.int64, device=row.device),
                max_new_tokens=self._new_tokens,
                do_sample=False,
                pad_token_id=self._pad,
                return_dict_in_generate=True,
                output_logits=True,
            )
            return made.logits[0][0]

        return self._form_by_form(population, last)

    def single(
        self, population: Float[np.ndarray, "candidate token hidden"]
    ) -> Float[np.ndarray, "candidate form option"]:
        """One forward a form, logits of its last position only."""

        def last(row: torch.Tensor) -> torch.Tensor:
            return self._network(inputs_embeds=row, use_cache=False, logits_to_keep=1).logits[0, -1]

        return self._form_by_form(population, last)

    @torch.inference_mode()
    def padded(
        self, population: Float[np.ndarray, "candidate token hidden"]
    ) -> Float[np.ndarray, "candidate form option"]:
        """All forms of a candidate in one batch, padded on the right, logits of every position."""
        with self._as_loaded():
            return self._padded(population)

    def _padded(
        self, population: Float[np.ndarray, "candidate token hidden"]
    ) -> Float[np.ndarray, "candidate form option"]:
        asked: list[torch.Tensor] = []
        for prompt in self._prompts(population):
            rows = [row[0] for row in self._rows(prompt)]
            lengths = torch.tensor([len(row) for row in rows], device=self._device)
            batch = pad_sequence(rows, batch_first=True)
            mask = torch.arange(batch.shape[1], device=self._device) < lengths[:, None]
            logits = self._network(
                inputs_embeds=batch, attention_mask=mask.long(), use_cache=False
            ).logits
            last = logits[torch.arange(len(rows), device=self._device), lengths - 1]
            answers = zip(last, self._options, strict=True)
            asked.append(torch.stack([self._probabilities(*answer) for answer in answers]))
        return torch.stack(asked).double().cpu().numpy()

    @torch.inference_mode()
    def _form_by_form(
        self,
        population: Float[np.ndarray, "candidate token hidden"],
        last: Callable[[torch.Tensor], torch.Tensor],
    ) -> Float[np.ndarray, "candidate form option"]:
        with self._as_loaded():
            asked = [
                torch.stack(
                    [
                        self._probabilities(last(row), options)
                        for row, options in zip(self._rows(prompt), self._options, strict=True)
                    ]
                )
                for prompt in self._prompts(population)
            ]
        return torch.stack(asked).double().cpu().numpy()

    @contextmanager
    def _as_loaded(self) -> Generator[None]:
        """Mark the weights as trainable, as a script loads them; nothing is trained here.

        Torch 2.13 on a CPU takes another way through the output layer for one position of bfloat16 where
        weights are marked as frozen, twelve times slower; the usual ways must not pay for our marking.
        """
        self._network.requires_grad_(True)
        try:
            yield
        finally:
            self._network.requires_grad_(False)

    def _prompts(self, population: Float[np.ndarray, "candidate token hidden"]) -> torch.Tensor:
        weight = self._embed.weight
        return torch.from_numpy(np.array(population, np.float32)).to(weight.device, weight.dtype)

    def _rows(self, prompt: torch.Tensor) -> Iterator[torch.Tensor]:
        for ids, cut in zip(self._ids, self._cuts, strict=True):
            words = self._embed(ids)
            yield torch.cat([words[:cut], prompt, words[cut:]])[None]

    def _probabilities(self, logits: torch.Tensor, options: torch.Tensor) -> torch.Tensor:
        shown = logits[options].float().softmax(-1)
        return torch.nn.functional.pad(shown, (0, self._widest - len(options)))
