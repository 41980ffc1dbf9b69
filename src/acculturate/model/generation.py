"""Text instead of probabilities: what a model writes after the answer cue.

In: a network, encoded forms, a soft prompt. Out: a short text a form. Rows of one length run together, so
that nothing is padded and every position is what it would be alone: positions, windows and caches stay the
model's own code. What the text means is not decided here.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from acculturate.model.answers import Placement
from acculturate.model.encoding import QUESTION, EncodedForm, FormEncoder
from acculturate.survey.forms import Form

_ROWS = 32
_LINE = "\n"  # an answer to a form does not go on behind its line


class AnswerWriter:
    """Lets one frozen model write answers.

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
    def write(
        self,
        forms: Sequence[Form],
        prompt: Float[np.ndarray, "token hidden"] | None,
        placement: Placement,
        max_tokens: int,
        seed: int | None,
    ) -> tuple[str, ...]:
        """See `GeneratingModel.generate_answers`."""
        encoded = [self._encoder.encode(form) for form in forms]
        return self._write(encoded, prompt, placement, max_tokens, _LINE, seed)

    @torch.inference_mode()
    def reply(
        self,
        questions: Sequence[str],
        prompt: Float[np.ndarray, "token hidden"] | None,
        placement: Placement,
        max_tokens: int,
    ) -> tuple[str, ...]:
        """See `ProseModel.reply`."""
        encoded = [self._encoder.encode_question(text) for text in questions]
        texts = self._write(encoded, prompt, placement, max_tokens, f"\n{QUESTION}")
        return tuple(text.split(f"\n{QUESTION}")[0].strip() for text in texts)

    def _write(
        self,
        encoded: Sequence[EncodedForm],
        prompt: np.ndarray | None,
        placement: Placement,
        max_tokens: int,
        stop: str,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """What follows each row, up to `stop` or a little behind it."""
        groups: dict[tuple[int, int], list[int]] = {}
        for index, one in enumerate(encoded):
            groups.setdefault((len(one.tokens), one.prompt_at(placement)), []).append(index)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        texts = [""] * len(encoded)
        contiguous = self._network.get_output_embeddings().register_forward_pre_hook(_contiguous)
        try:
            for (_, at), members in sorted(groups.items()):
                for start in range(0, len(members), _ROWS):
                    chunk = members[start : start + _ROWS]
                    tokens = [encoded[index].tokens for index in chunk]
                    written = self._continue(tokens, at, prompt, max_tokens, stop, generator)
                    for index, text in zip(chunk, written, strict=True):
                        texts[index] = text
        finally:
            contiguous.remove()
        return tuple(texts)

    def _continue(
        self,
        tokens: Sequence[tuple[int, ...]],
        at: int,
        prompt: np.ndarray | None,
        max_tokens: int,
        stop: str,
        generator: torch.Generator | None,
    ) -> list[str]:
        """What follows rows of one length, with the soft prompt behind `at` tokens."""
        device = self._network.device
        rows = self._embed(torch.tensor(tokens, device=device))
        if prompt is not None:
            virtual = torch.from_numpy(np.array(prompt, np.float32)).to(rows)
            virtual = virtual.expand(len(rows), *virtual.shape)
            rows = torch.cat([rows[:, :at], virtual, rows[:, at:]], dim=1)
        given: dict[str, Any] = {"inputs_embeds": rows}
        ends, cache = self._ends(), None
        made: list[list[int]] = [[] for _ in tokens]
        open_rows = [True] * len(tokens)
        for _ in range(max_tokens):
            out = self._network(**given, past_key_values=cache, use_cache=True, **self._last)
            cache = out.past_key_values
            following = _choose(out.logits[:, -1].float().cpu(), generator)
            for row, token in enumerate(following.tolist()):
                if open_rows[row] and token not in ends:
                    made[row].append(token)
                open_rows[row] &= token not in ends and stop not in self._text(made[row]).lstrip()
            if not any(open_rows):
                break
            given = {"input_ids": following[:, None].to(device)}
        return [self._text(row) for row in made]

    def _ends(self) -> set[int]:
        config = getattr(self._network, "generation_config", None)
        ends: Any = getattr(config, "eos_token_id", None)
        found = set(ends) if isinstance(ends, list | tuple) else {ends}
        return {end for end in {*found, self._tokenizer.eos_token_id} if end is not None}

    def _text(self, made: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(made), skip_special_tokens=True))


def _contiguous(_: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The last positions of several rows as one block.

    A slice of them, times a frozen head, takes torch 2.13 through a copy of the whole head: seconds.
    """
    return (arguments[0].contiguous(), *arguments[1:])


def _choose(logits: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """The likeliest token of each row, or one drawn from its distribution."""
    logits = logits.nan_to_num(nan=-torch.inf)
    if generator is None:
        return logits.argmax(dim=-1)
    broken = torch.isinf(logits).all(dim=-1, keepdim=True)
    logits = torch.where(broken, torch.zeros_like(logits), logits)
    return torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)[:, 0]
