"""Text instead of probabilities: what a model writes after the answer cue, or behind any text.

In: a network, forms, questions or a text, and a soft prompt. Out: what it writes. It is written by
transformers' own generation, which knows the model's caches; which token follows, and where a text ends,
is decided here, from the model's plain distribution. Rows of one length run together, so that nothing is
padded and every position is what it would be alone. Whatever is first written in a placement is compared
with a pass over the whole text; a model that generation leads elsewhere writes by such passes, which is
right and slow. What the text means is not decided here.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from acculturate.errors import FailureError
from acculturate.formatting import first_line
from acculturate.model.answers import NEXT_QUESTION
from acculturate.model.embedding import input_embedding
from acculturate.model.encoding import EncodedForm, FormEncoder
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.progress import advance, skip
from acculturate.survey.forms import Form

if TYPE_CHECKING:
    from acculturate.model.decoding import Decoder

_ROWS = 32
_UNTOUCHED_KEPT = 64
"""Requests whose texts without a soft prompt are remembered."""
_PROVED_ROWS, _PROVED_TOKENS = 2, 3
_LARGEST = {torch.float32: 1e-3}
_LARGEST_OF_OTHERS = 0.1
"""Share of the probability of the next token that generation may put elsewhere than a whole pass does."""
_LINE = "\n"  # an answer to a form does not go on behind its line


class TextWriter:
    """Lets one frozen model write.

    Args:
        network: The frozen model.
        tokenizer: Its tokenizer.
        encoder: Encodes forms for it.
        decoder: Makes what writes so many texts at once behind a prefix, whose keys and values transformers'
            generation has no place for.
    """

    def __init__(
        self,
        network: Any,
        tokenizer: Any,
        encoder: FormEncoder,
        decoder: Callable[[int], Decoder],
    ) -> None:
        self._network, self._tokenizer, self._encoder = network, tokenizer, encoder
        self._decoder = lru_cache(1)(decoder)
        self._embed: Any = input_embedding(network)
        known = inspect.signature(network.forward).parameters
        # All logits of all positions would be gigabytes; every common model can leave out the others.
        wanted = {"use_cache": False, "logits_to_keep": 1}
        self._whole = {name: value for name, value in wanted.items() if name in known}
        self._ends = end_tokens(network, tokenizer)
        # The weights are frozen: all runs are compared with the same untouched texts.
        self._write_untouched = lru_cache(_UNTOUCHED_KEPT)(self._write_anew)
        self._generates = True
        self._proved: set[str] = set()

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
        self,
        questions: Sequence[str],
        prompt: SoftPrompt | None,
        max_tokens: int,
        seed: int | None,
    ) -> tuple[str, ...]:
        """See `ProseModel.reply`."""
        line = "" if prompt is None else prompt.line
        encoded = [self._encoder.encode_question(text, line) for text in questions]
        texts = self._write(encoded, prompt, max_tokens, NEXT_QUESTION, seed)
        return tuple(text.split(NEXT_QUESTION)[0].strip() for text in texts)

    def _write(
        self,
        encoded: Sequence[EncodedForm],
        prompt: SoftPrompt | None,
        max_tokens: int,
        stop: str | None = None,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """Write behind every row, up to `stop` or a little further; without a prompt only once."""
        if prompt is not None:
            return self._write_anew(tuple(encoded), prompt, max_tokens, stop, seed)
        known = self._write_untouched.cache_info().hits
        texts = self._write_untouched(tuple(encoded), None, max_tokens, stop, seed)
        if self._write_untouched.cache_info().hits > known:
            skip(len(texts))
        return texts

    def _write_anew(
        self,
        encoded: tuple[EncodedForm, ...],
        prompt: SoftPrompt | None,
        max_tokens: int,
        stop: str | None,
        seed: int | None,
    ) -> tuple[str, ...]:
        placement = "front" if prompt is None else prompt.placement
        groups: dict[tuple[int, int], list[int]] = {}
        for index, form in enumerate(encoded):
            groups.setdefault((len(form.tokens), form.prompt_at(placement)), []).append(index)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        texts = [""] * len(encoded)
        with _contiguous_states(self._network):
            for (_, cut), members in sorted(groups.items()):
                for start in range(0, len(members), _ROWS):
                    chunk = members[start : start + _ROWS]
                    tokens = [encoded[index].tokens for index in chunk]
                    if prompt is not None and placement == "prefix":
                        written = self._behind_prefix(
                            tokens, cut, prompt, max_tokens, stop, generator
                        )
                    else:
                        rows = self._rows(tokens, cut, prompt)
                        written = self._continue(rows, placement, max_tokens, stop, generator)
                    for index, text in zip(chunk, written, strict=True):
                        texts[index] = text
                    advance(len(chunk))
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
        placement: str,
        max_tokens: int,
        stop: str | None,
        generator: torch.Generator | None,
    ) -> list[str]:
        """Write behind rows of one length until all have come to an end."""
        choose, end = _Choice(generator), _End(self._ends, stop, self._text)
        try:
            if self._generates and placement not in self._proved:
                self._prove(rows[:_PROVED_ROWS], placement)
            write = self._generate if self._generates else self._pass_by_pass
            made = write(rows, max_tokens, choose, end)
        except Exception as error:
            raise FailureError(
                f"this model's written answers cannot be had: {first_line(error)}",
                "Its probabilities can: leave the written answers out.",
            ) from error
        return [self._text(end.before(tokens)) for tokens in made.tolist()]

    def _behind_prefix(
        self,
        tokens: Sequence[tuple[int, ...]],
        cut: int,
        prompt: SoftPrompt,
        max_tokens: int,
        stop: str | None,
        generator: torch.Generator | None,
    ) -> list[str]:
        """Write behind rows of tokens, in which a prefix stands behind the first `cut` of each."""
        decoder, end = self._decoder(_ROWS), _End(self._ends, stop, self._text)
        texts = [decoder.behind_prefix(row, prompt.embeddings, cut) for row in tokens]
        logits = torch.cat([decoder.logits(decoder.read_all(text)[-1:]) for text in texts])
        made = torch.empty(len(texts), 0, dtype=torch.int64)
        for _ in range(max_tokens):
            following = _choose(logits, generator)
            made = torch.cat([made, following[:, None]], dim=1)
            if end(made, following).all() or made.shape[1] == max_tokens:
                break
            logits = decoder.logits(decoder.write(texts, following.tolist()), len(texts))
        return [self._text(end.before(row)) for row in made.tolist()]

    def _prove(self, rows: torch.Tensor, placement: str) -> None:
        """Compare what generation sees at each token with passes over the whole text; they must agree."""
        seen: list[torch.Tensor] = []
        try:
            made = self._generate(
                rows, _PROVED_TOKENS, _Choice(None, seen), _End(set(), None, self._text)
            )
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            fault = first_line(error)
        else:
            text, share = torch.cat([rows, self._embed(made)], dim=1), 0.0
            for index, logits in enumerate(seen):
                whole = self._pass(text[:, : rows.shape[1] + index]).softmax(-1)
                if not whole.isfinite().all():
                    return  # a soft prompt that breaks the model proves nothing
                share = max(share, float((logits.softmax(-1) - whole).abs().sum(-1).max()) / 2)
            if share <= largest_share(rows.dtype):
                self._proved.add(placement)
                return
            fault = f"{share:.0%} of the next token's probability lies elsewhere"
        self._generates = False
        warnings.warn(
            "this model writes by a pass over the whole text for every token, which is right and slow: "
            f"with transformers' own generation {fault}",
            stacklevel=2,
        )

    def _generate(
        self, rows: torch.Tensor, max_tokens: int, choose: _Choice, end: _End
    ) -> torch.Tensor:
        """Write token ids, `[row, token]`, by transformers' own generation."""
        own, prepare = (
            self._network.generation_config,
            self._network.prepare_inputs_for_generation,
        )
        # What a checkpoint sets there (temperature, penalties, forced tokens) would be merged in.
        self._network.generation_config = GenerationConfig()

        # Asked for by name in the signature, though many models hand it on without.
        def with_embeddings(*given: Any, inputs_embeds: Any = None, **named: Any) -> Any:
            return prepare(*given, inputs_embeds=inputs_embeds, **named)

        self._network.prepare_inputs_for_generation = with_embeddings
        try:
            return self._network.generate(
                inputs_embeds=rows.clone(),
                generation_config=GenerationConfig(max_new_tokens=max_tokens, do_sample=False),
                logits_processor=LogitsProcessorList([choose]),
                stopping_criteria=StoppingCriteriaList([end]),
            )
        finally:
            self._network.generation_config = own
            del self._network.prepare_inputs_for_generation

    def _pass_by_pass(
        self, rows: torch.Tensor, max_tokens: int, choose: _Choice, end: _End
    ) -> torch.Tensor:
        """Write the same, without a cache, by a pass over the whole text for every token."""
        made = torch.empty(len(rows), 0, dtype=torch.int64, device=rows.device)
        for _ in range(max_tokens):
            following = choose(made, self._pass(rows)).argmax(-1, keepdim=True)
            made = torch.cat([made, following], dim=1)
            rows = torch.cat([rows, self._embed(following)], dim=1)
            if end(made, following).all():
                break
        return made

    def _pass(self, rows: torch.Tensor) -> torch.Tensor:
        # A copy: some models scale their embeddings, or add positions to them, in place.
        return self._network(inputs_embeds=rows.clone(), **self._whole).logits[:, -1].float()

    def _text(self, tokens: Any) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))


class _Choice(LogitsProcessor):
    """The choice of the next token: the likeliest, or one drawn from the model's own distribution.

    Args:
        generator: Draws; the likeliest is taken if None.
        seen: Where the logits of every step are left, if anywhere.
    """

    def __init__(
        self, generator: torch.Generator | None, seen: list[torch.Tensor] | None = None
    ) -> None:
        self._generator, self._seen = generator, seen

    def __call__(self, _: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Leave each row the chosen token alone."""
        if self._seen is not None:
            self._seen.append(scores)
        chosen = _choose(scores.float().cpu(), self._generator).to(scores.device)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen[:, None], 0.0)


class _End(StoppingCriteria):
    """The end of a text: an end token, or the token that brings a string.

    Args:
        tokens: The end tokens.
        stop: The string, if any; not counted at the beginning of a text.
        text: Decodes tokens.
    """

    def __init__(self, tokens: set[int], stop: str | None, text: Callable[[Any], str]) -> None:
        self._tokens, self._stop, self._text = tokens, stop, text

    def __call__(self, input_ids: torch.Tensor, *_: Any, **__: Any) -> Any:
        """Say which rows have come to their end."""
        ended = [self._ended(row) for row in input_ids.tolist()]
        return torch.tensor(ended, device=input_ids.device)

    def before(self, written: list[int]) -> list[int]:
        """Return the tokens of a text up to its end, without an end token."""
        lengths = range(1, len(written))
        length = next((n for n in lengths if self._ended(written[:n])), len(written))
        return [token for token in written[:length] if token not in self._tokens]

    def _ended(self, written: list[int]) -> bool:
        if not self._tokens.isdisjoint(written):
            return True
        return self._stop is not None and self._stop in self._text(written).lstrip()


@contextmanager
def _contiguous_states(network: Any) -> Generator[None]:
    """Copy the last positions of rows, of one too, into a block of their own for a while.

    A slice of them, times a frozen head, takes torch 2.13 through a copy of the whole head: seconds.
    """

    def contiguous(_: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        states: torch.Tensor = arguments[0]
        return (states.clone(memory_format=torch.contiguous_format), *arguments[1:])

    handle = network.get_output_embeddings().register_forward_pre_hook(contiguous)
    try:
        yield
    finally:
        handle.remove()


def _choose(logits: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Choose the likeliest token of each row, or draw one from its distribution."""
    logits = logits.nan_to_num(nan=-torch.inf)
    if generator is None:
        return logits.argmax(dim=-1)
    broken = torch.isinf(logits).all(dim=-1, keepdim=True)
    logits = torch.where(broken, torch.zeros_like(logits), logits)
    return torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)[:, 0]


def largest_share(dtype: torch.dtype) -> float:
    """Return the share of the next token's probability that rounding alone may move in a precision."""
    return _LARGEST.get(dtype, _LARGEST_OF_OTHERS)


def end_tokens(network: Any, tokenizer: Any) -> set[int]:
    """Return the tokens that end a text of a model."""
    ends: Any = getattr(getattr(network, "generation_config", None), "eos_token_id", None)
    ends = ends if isinstance(ends, list | tuple) else [ends]
    return {end for end in (*ends, tokenizer.eos_token_id) if end is not None}
