"""Text instead of probabilities: what a model writes after the answer cue, or behind any text.

In: a network, forms, questions or a text, and a soft prompt. Out: what it writes. Rows of one length run
together, so that nothing is padded and every position is what it would be alone: positions, windows and
caches stay the model's own code. What the text means is not decided here.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from acculturate.model.encoding import QUESTION, EncodedForm, FormEncoder
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.survey.forms import Form

_ROWS = 32
_LINE = "\n"  # an answer to a form does not go on behind its line


class TextWriter:
    """Lets one frozen model write.

    Args:
        network: The frozen model.
        tokenizer: Its tokenizer.
        encoder: Encodes forms for it.
    """

    def __init__(self, network: Any, tokenizer: Any, encoder: FormEncoder) -> None:
        self._network, self._tokenizer, self._encoder = network, tokenizer, encoder
        self._embed: Any = network.get_input_embeddings()
        # All logits of all positions would be gigabytes; every common model can leave out the others.
        known = inspect.signature(network.forward).parameters
        self._last: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in known else {}

    @torch.inference_mode()
    def continue_text(self, text: str, prompt: SoftPrompt | None, max_tokens: int) -> str:
        """See `AnswerModel.continue_text`."""
        encoded = EncodedForm(
            self._encoder.encode_text(text), options=(), cue=0, leading=len(self._encoder.leading)
        )
        return self._write([encoded], prompt, max_tokens)[0]

    @torch.inference_mode()
    def answer(
        self,
        forms: Sequence[Form],
        prompt: SoftPrompt | None,
        max_tokens: int,
        seed: int | None,
    ) -> tuple[str, ...]:
        """See `GeneratingModel.generate_answers`."""
        encoded = [self._encoder.encode(form) for form in forms]
        return self._write(encoded, prompt, max_tokens, _LINE, seed)

    @torch.inference_mode()
    def reply(
        self, questions: Sequence[str], prompt: SoftPrompt | None, max_tokens: int
    ) -> tuple[str, ...]:
        """See `ProseModel.reply`."""
        encoded = [self._encoder.encode_question(text) for text in questions]
        texts = self._write(encoded, prompt, max_tokens, f"\n{QUESTION}")
        return tuple(text.split(f"\n{QUESTION}")[0].strip() for text in texts)

    def _write(
        self,
        encoded: Sequence[EncodedForm],
        prompt: SoftPrompt | None,
        max_tokens: int,
        stop: str | None = None,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """Write behind every row, up to `stop` or a little further."""
        placement = "front" if prompt is None else prompt.placement
        groups: dict[tuple[int, int], list[int]] = {}
        for index, form in enumerate(encoded):
            groups.setdefault((len(form.tokens), form.prompt_at(placement)), []).append(index)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        texts = [""] * len(encoded)
        contiguous = self._network.get_output_embeddings().register_forward_pre_hook(_contiguous)
        try:
            for (_, cut), members in sorted(groups.items()):
                for start in range(0, len(members), _ROWS):
                    chunk = members[start : start + _ROWS]
                    rows = self._rows([encoded[index].tokens for index in chunk], cut, prompt)
                    written = self._continue(rows, max_tokens, stop, generator)
                    for index, text in zip(chunk, written, strict=True):
                        texts[index] = text
        finally:
            contiguous.remove()
        return tuple(texts)

    def _rows(
        self, tokens: Sequence[tuple[int, ...]], cut: int, prompt: SoftPrompt | None
    ) -> torch.Tensor:
        """Embed rows of one length, with the soft prompt behind `cut` tokens."""
        rows = self._embed(torch.tensor(tokens, device=self._network.device))
        if prompt is None:
            return rows
        virtual = torch.from_numpy(np.array(prompt.embeddings, np.float32)).to(rows)
        virtual = virtual.expand(len(rows), *virtual.shape)
        return torch.cat([rows[:, :cut], virtual, rows[:, cut:]], dim=1)

    def _continue(
        self,
        rows: torch.Tensor,
        max_tokens: int,
        stop: str | None,
        generator: torch.Generator | None,
    ) -> list[str]:
        """Write behind rows of one length, token by token, until all have come to an end."""
        given: dict[str, Any] = {"inputs_embeds": rows}
        ends, cache = self._end_tokens(), None
        written: list[list[int]] = [[] for _ in rows]
        unfinished = [True] * len(rows)
        for _ in range(max_tokens):
            out = self._network(**given, past_key_values=cache, use_cache=True, **self._last)
            cache = out.past_key_values
            following = _choose(out.logits[:, -1].float().cpu(), generator)
            for row, token in enumerate(following.tolist()):
                if unfinished[row] and token not in ends:
                    written[row].append(token)
                unfinished[row] &= token not in ends
                if stop is not None:
                    unfinished[row] &= stop not in self._text(written[row]).lstrip()
            if not any(unfinished):
                break
            given = {"input_ids": following[:, None].to(rows.device)}
        return [self._text(row) for row in written]

    def _end_tokens(self) -> set[int]:
        config = getattr(self._network, "generation_config", None)
        ends: Any = getattr(config, "eos_token_id", None)
        ends = ends if isinstance(ends, list | tuple) else [ends]
        return {end for end in (*ends, self._tokenizer.eos_token_id) if end is not None}

    def _text(self, tokens: Any) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))


def _contiguous(_: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Make the last positions of several rows one block.

    A slice of them, times a frozen head, takes torch 2.13 through a copy of the whole head: seconds.
    """
    return (arguments[0].contiguous(), *arguments[1:])


def _choose(logits: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Choose the likeliest token of each row, or draw one from its distribution."""
    logits = logits.nan_to_num(nan=-torch.inf)
    if generator is None:
        return logits.argmax(dim=-1)
    broken = torch.isinf(logits).all(dim=-1, keepdim=True)
    logits = torch.where(broken, torch.zeros_like(logits), logits)
    return torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)[:, 0]
