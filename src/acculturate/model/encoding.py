"""Forms -> token ids, with the option labels proved to be single tokens where they are answered.

In: a form and a tokenizer. Out: `EncodedForm`. Nothing here depends on a candidate, so it is done once
for a set of forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acculturate.errors import UsageError
from acculturate.model.prefix_tree import shared_length
from acculturate.model.soft_prompt import Placement
from acculturate.survey.forms import Form

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


QUESTION, ANSWER = "Question:", "Answer:"
"""Shown to a model without a chat template around a question that it answers in words."""


@dataclass(frozen=True)
class EncodedForm:
    """A form as the model sees it.

    Attributes:
        tokens: Everything up to the answer, the beginning-of-sequence token included where the model
            has one. The answer is the very next token.
        options: The answer token of each option, in the item's own order.
        cue: Number of the tokens, at their end, that belong to the answer cue.
    """

    tokens: tuple[int, ...]
    options: tuple[int, ...]
    cue: int

    def prompt_at(self, placement: Placement) -> int:
        """Count the tokens that stand before a soft prompt."""
        return _prompt_at(placement, len(self.tokens) - self.cue)


class FormEncoder:
    """Encodes forms for one tokenizer.

    Chat models get the form in their template and begin the reply with the answer cue; other models
    get the text and the cue on the next line. The answer is always the token right after the cue, so
    that the same token is the label for both kinds of model.

    Args:
        tokenizer: The tokenizer.
        embeddings: Number of the model's embeddings, which a tokenizer may exceed; None checks nothing.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, embeddings: int | None = None) -> None:
        self._tokenizer: Any = tokenizer
        self._embeddings = embeddings
        self.bos: int | None = self._bos()

    def encode(self, form: Form) -> EncodedForm:
        """Encode one form.

        Raises:
            UsageError: An option label is not a single token in its place, or two labels share one.
        """
        prompt = self._message(form.text)
        labelled = [self._ids(prompt, f"{form.cue} {label}") for label in form.labels]
        stem = labelled[0][:-1]
        for label, ids in zip(form.labels, labelled, strict=True):
            if ids[:-1] != stem or self._tokenizer.decode(ids[-1:]).strip() != label:
                shown = self._tokenizer.convert_ids_to_tokens(ids[-4:])
                raise UsageError(
                    f"option label {label!r} is not a single token after {form.cue!r}: the text ends in "
                    f"the tokens {shown}",
                    "Use other labels, or another model: answers are read from one token's probability.",
                )
        answers = [ids[-1] for ids in labelled]
        if len(set(answers)) != len(answers):
            raise UsageError(
                f"the option labels {list(form.labels)} are not told apart by this tokenizer: their "
                f"tokens are {self._tokenizer.convert_ids_to_tokens(answers)}",
                "Use other labels, or a model whose tokenizer knows them.",
            )
        in_item_order = sorted(zip(form.options, answers, strict=True))
        return self._encoded(prompt, stem, tuple(token for _, token in in_item_order))

    def encode_text(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a plain text, behind the beginning-of-sequence token if there is one."""
        return tuple(self._ids("" if self.bos is None else self._tokenizer.bos_token, text))

    def encode_question(self, text: str) -> EncodedForm:
        """Encode a question to answer in words: no options, and the next token begins the answer."""
        prompt, cue = self._message(text), ""
        if not self._tokenizer.chat_template:
            prompt, cue = self._message(f"{QUESTION} {text}"), ANSWER
        return self._encoded(prompt, self._ids(prompt, cue), ())

    def prompt_at(self, tokens: Sequence[int], placement: Placement) -> int:
        """Count the tokens of a plain text that stand before a soft prompt.

        A text has no answer cue: "before-answer" puts the soft prompt behind the first third of the
        tokens that follow the beginning-of-sequence token, behind one at least.
        """
        start = 0 if self.bos is None else 1
        third = max(1, (len(tokens) - start) // 3)
        return _prompt_at(placement, min(start + third, len(tokens) - 1))

    def check_ids(self, ids: Sequence[int]) -> None:
        """Refuse tokens that the tokenizer has and the model has not.

        Raises:
            UsageError: A token lies above the model's embeddings.
        """
        highest = max(ids, default=0)
        if self._embeddings is not None and highest >= self._embeddings:
            raise UsageError(
                f"the text holds the token {self._tokenizer.convert_ids_to_tokens(highest)!r} with the id "
                f"{highest}, and the model has {self._embeddings} embeddings",
                "Use the tokenizer that the model was trained with, or a text without this token.",
            )

    def _encoded(self, prompt: str, tokens: list[int], options: tuple[int, ...]) -> EncodedForm:
        # A tokenizer may join the end of the question with the cue: that token is the cue's.
        cue = len(tokens) - shared_length(self._ids(prompt, ""), tokens)
        return EncodedForm(tuple(tokens), options, cue)

    def _message(self, text: str) -> str:
        """Show a text as the model is shown it, up to the reply."""
        start = "" if self.bos is None else self._tokenizer.bos_token
        if not self._tokenizer.chat_template:
            return f"{start}{text}\n"
        prompt = str(
            self._tokenizer.apply_chat_template(
                [{"role": "user", "content": text}],
                tokenize=False,
                add_generation_prompt=True,
                # Templates that would print today's date or open a chain of thought must not: the
                # same form has to give the same tokens every day.
                date_string="01 Jan 2025",
                enable_thinking=False,
            )
        )
        # Some templates leave the beginning-of-sequence token to the tokenizer.
        return prompt if prompt.startswith(start) else start + prompt

    def _ids(self, prompt: str, continuation: str) -> list[int]:
        ids = list(self._tokenizer(prompt + continuation, add_special_tokens=False)["input_ids"])
        self.check_ids(ids)
        return ids

    def _bos(self) -> int | None:
        bos = self._tokenizer.bos_token_id
        ids = self._tokenizer("a")["input_ids"]
        return int(bos) if bos is not None and ids and ids[0] == bos else None


def _prompt_at(placement: Placement, before_answer: int) -> int:
    return {"front": 0, "after-bos": 1, "before-answer": before_answer}[placement]
