"""Forms -> token ids, proved: the text can be read from them, a label is one token, answers differ.

In: a form and a tokenizer. Out: `EncodedForm`. Nothing here depends on a candidate, so it is done once
for a set of forms.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, dropwhile, pairwise
from typing import TYPE_CHECKING, Any

from acculturate.errors import UsageError
from acculturate.model.answers import ANSWER, LONGEST_READ, QUESTION, Chat, Passage
from acculturate.model.chat import ChatTemplate
from acculturate.model.prefix_tree import shared_length
from acculturate.model.soft_prompt import Placement
from acculturate.survey.forms import Example, Form

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BEGINNING = 8
"""Tokens at the beginning of a text that do not count where the tokenizer puts none in front of it."""


@dataclass(frozen=True)
class EncodedForm:
    """A form as the model sees it.

    Attributes:
        tokens: Everything up to the answer, the tokens included that the tokenizer puts before every
            text. The answer begins with the very next token.
        options: The tokens of each option, in the item's own order: one of a label, one or more of an
            answer in words. None of them is the beginning of another.
        cue: Number of the tokens, at their end, that belong to the answer cue.
        leading: Number of the tokens, at their beginning, that the tokenizer puts before every text.
    """

    tokens: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]
    cue: int
    leading: int

    def prompt_at(self, placement: Placement) -> int:
        """Count the tokens that stand before a soft prompt."""
        return _prompt_at(placement, self.leading, len(self.tokens) - self.cue)

    def without_mass(self) -> EncodedForm:
        """Return the form with the beginning that all its options share in front of them.

        Among themselves they are as likely as before, and less is read; their joint mass is another one.
        """
        first, *others = self.options
        count = min((shared_length(first, other) for other in others), default=0)
        return EncodedForm(
            tokens=self.tokens + first[:count],
            options=tuple(option[count:] for option in self.options),
            cue=self.cue + count,
            leading=self.leading,
        )


@dataclass(frozen=True)
class EncodedText:
    """A text to be read as the model sees it.

    Attributes:
        tokens: All of it, as far as it is read.
        first: Place of the first token that counts where nothing else keeps it from it.
        before_answer: Number of tokens that stand before a soft prompt placed before the answer.
        leading: Number of the tokens, at their beginning, that the tokenizer puts before every text.
    """

    tokens: tuple[int, ...]
    first: int
    before_answer: int
    leading: int

    def prompt_at(self, placement: Placement) -> int:
        """Count the tokens that stand before a soft prompt."""
        return _prompt_at(placement, self.leading, self.before_answer)


class FormEncoder:
    """Encodes forms for one tokenizer.

    Chat models get the form in their template and begin the reply with the answer cue; other models
    get the text and the cue on the next line. The answer is always what comes right after the cue, so
    that the same token is the label for both kinds of model. Only where a chat model answers in words
    does the reply begin with the answer itself, as its replies do.

    Args:
        tokenizer: The model's tokenizer.
        embeddings: Number of the model's embeddings, which a tokenizer may exceed; None checks nothing.
        chat: Whether its chat template is used.

    Attributes:
        leading: The tokens that the tokenizer puts before every text, such as the beginning-of-sequence
            token.
        chat: "template" or "none", as is done; "auto" where there is no template.

    Raises:
        UsageError: There is no template to use, or it cannot be used; see `ChatTemplate`.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        embeddings: int | None = None,
        chat: Chat = "auto",
    ) -> None:
        self._tokenizer: Any = tokenizer
        self._embeddings = embeddings
        self.leading = self._find_leading()
        has_template = bool(tokenizer.chat_template)
        if chat == "template" and not has_template:
            raise UsageError(
                "the model has no chat template",
                "Give a model whose tokenizer has one, or ask without: --chat none.",
            )
        self._template = ChatTemplate(tokenizer) if has_template and chat != "none" else None
        self._contexts: dict[object, ChatTemplate | None] = {}
        self.chat: Chat = "template" if self._template else "none" if has_template else "auto"

    def encode(self, form: Form) -> EncodedForm:
        """Encode one form.

        Raises:
            UsageError: The form cannot be read from its tokens, the chat template changes it, an option
                label is not a single token in its place, two labels share one, or an answer in words
                begins with another one.
        """
        prompt, texts = self._shown(form)
        if form.word_set is not None:
            return self._encode_words(form, prompt, texts)
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
        self._check((*texts, form.cue), stem)
        return self._encoded(prompt, stem, _in_item_order(form, [(token,) for token in answers]))

    def encode_text(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a plain text, beginning as the tokenizer begins it."""
        return tuple(self._ids(text, ""))

    def encode_question(self, text: str, line: str = "") -> EncodedForm:
        """Encode a question to answer in words: no options, and the next token begins the answer.

        Raises:
            UsageError: It cannot be read from its tokens, or the chat template changes it.
        """
        return self.encode_chat([("user", text)], line)

    def encode_chat(
        self, messages: Sequence[tuple[str, str]], line: str = "", reply: str = ""
    ) -> EncodedForm:
        """Encode a conversation, so that the next token begins the reply; see `encode_question`.

        Args:
            messages: Roles ("system", "user", "assistant") and texts; the last is the user's.
            line: A system message of our own, in front of theirs.
            reply: Beginning of the reply; the next token then goes on with it.

        Raises:
            UsageError: The roles are in another order, or the chat template cannot show them.
        """
        texts = [(role, text) for role, text in messages if role != "system"]
        turns = ["assistant" if index % 2 else "user" for index in range(len(texts))]
        if [role for role, _ in texts] != turns or not len(texts) % 2:
            raise UsageError(
                "the messages are not of user and assistant in turns, the user's last",
                'Begin and end with {"role": "user", ...}; "system" may stand in front.',
            )
        system = "\n".join([line] * bool(line) + [t for role, t in messages if role == "system"])
        *earlier, (_, question) = texts
        if not self._template:
            shown = "".join(
                f"{QUESTION if role == 'user' else ANSWER} {text}\n" for role, text in earlier
            )
            front = f"{system}\n" if system else ""
            prompt, cue = (
                f"{front}{shown}{QUESTION} {question}\n",
                f"{ANSWER} {reply}" if reply else ANSWER,
            )
        else:
            template = self._template
            if system or earlier:
                before = [{"role": role, "content": text} for role, text in earlier]
                try:
                    template = ChatTemplate(self._tokenizer, system, before)
                except UsageError:
                    if not system:
                        raise
                    # A template without a system message.
                    (_, first), *rest = texts
                    return self.encode_chat([("user", f"{system}\n{first}"), *rest], "", reply)
            prompt = template.prompt(question) if reply else template.question(question)
            cue = reply
        tokens = self._ids(prompt, cue)
        self._check((question,), tokens)
        return self._encoded(prompt, tokens, ())

    def encode_passage(self, passage: Passage) -> EncodedText:
        """Encode something to read, of a text or an answer the first `LONGEST_READ` tokens.

        A text has no answer cue: "before-answer" puts the soft prompt behind the first third of the
        tokens that follow the leading ones, behind one at least. Where the tokenizer puts no token in
        front of it, its beginning does not count: there the untouched model is at a loss, and anything
        in front of the text changes what it predicts by several nats.
        """
        leading = len(self.leading)
        if isinstance(passage, str):
            tokens = self.encode_text(passage)[:LONGEST_READ]
            third = leading + max(1, (len(tokens) - leading) // 3)
            first = max(1, min(leading or _BEGINNING, len(tokens) - 1))
            return EncodedText(tokens, first, min(third, len(tokens) - 1), leading)
        question, answer = passage
        asked = self.encode_question(question)
        if not self._template:
            question, answer = f"{QUESTION} {question}", f"{ANSWER} {answer}"
        tokens = tuple(self._ids(self._message(question), answer))
        first = shared_length(asked.tokens, tokens)
        tokens = tokens[: first + LONGEST_READ]
        before_answer = min(asked.prompt_at("before-answer"), first)
        return EncodedText(tokens, first, before_answer, leading)

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

    def _encode_words(self, form: Form, prompt: str, texts: Sequence[str]) -> EncodedForm:
        """Encode a form whose options are answers in words, each with what a tokenizer joins to it."""
        cue, space = ("", "") if self._template else (form.cue, " ")
        whole = [self._ids(prompt, f"{cue}{space}{words}") for words in form.labels]
        stem = self._ids(prompt, cue)
        stem = stem[: min(shared_length(stem, ids) for ids in whole)]
        options = [tuple(ids[len(stem) :]) for ids in whole]
        self._check((*texts, cue), whole[0])
        for words, tokens in zip(form.labels, options, strict=True):
            self._check((words,), tokens)
        by_tokens = sorted(zip(options, form.labels, strict=True))
        for (tokens, words), (longer, others) in pairwise(by_tokens):
            if shared_length(tokens, longer) == len(tokens):
                raise UsageError(
                    f"the answer {words!r} is the beginning of {others!r}, or the same, for this "
                    f"tokenizer: {self._tokenizer.convert_ids_to_tokens(longer)}",
                    "Word the answers so that none begins with the whole of another one.",
                )
        return self._encoded(prompt, stem, _in_item_order(form, options))

    def _encoded(
        self, prompt: str, tokens: list[int], options: tuple[tuple[int, ...], ...]
    ) -> EncodedForm:
        # A tokenizer may join the end of the question with the cue: that token is the cue's.
        cue = len(tokens) - shared_length(self._ids(prompt, ""), tokens)
        return EncodedForm(tuple(tokens), options, cue, len(self.leading))

    def _shown(self, form: Form) -> tuple[str, Sequence[str]]:
        """Return a form as the model is shown it, up to the reply, and the texts that stand in it."""
        system, turns = form.line if form.told else "", self._turns(form)
        if self._template and (system or turns):
            if (system, turns) not in self._contexts:
                self._contexts[system, turns] = self._template_behind(system, turns)
            if template := self._contexts[system, turns]:
                text = form.plain.text if system else form.text
                return template.prompt(text), (system, *chain.from_iterable(turns), text)
        return self._message(form.dialogue + form.text), (form.dialogue, form.text)

    def _template_behind(self, system: str, turns: Sequence[Example]) -> ChatTemplate | None:
        """Return the template with messages in front; None where it cannot show them."""
        earlier = [
            {"role": role, "content": text}
            for turn in turns
            for role, text in zip(("user", "assistant"), turn, strict=True)
        ]
        with suppress(UsageError):
            template = ChatTemplate(self._tokenizer, system, earlier)
            shown = template.prompt("?")
            if all(message["content"].strip() in shown for message in earlier):
                return template
        return None

    def _turns(self, form: Form) -> tuple[Example, ...]:
        """Return the examples of a form as a chat model answers them."""
        cue = "" if form.word_set is not None else f"{form.cue} "
        return tuple(Example(asked, f"{cue}{answer}") for asked, answer in form.examples)

    def _message(self, text: str) -> str:
        """Show a text as the model is shown it, up to the reply."""
        return self._template.prompt(text) if self._template else f"{text}\n"

    def _ids(self, prompt: str, continuation: str) -> list[int]:
        ids = self._bare_ids(prompt + continuation)
        self.check_ids(ids)
        # Some templates write the leading tokens themselves, others leave them to the tokenizer.
        return [*self.leading, *dropwhile(lambda token: token in self.leading, ids)]

    def _bare_ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _find_leading(self) -> tuple[int, ...]:
        bare, whole = self._bare_ids("a"), list(self._tokenizer("a")["input_ids"])
        ends = range(len(whole) - len(bare) + 1)
        return tuple(whole[: next((at for at in ends if whole[at : at + len(bare)] == bare), 0)])

    def _check(self, texts: Sequence[str], tokens: Sequence[int]) -> None:
        """Check that texts can be read from tokens, marks and spaces aside."""
        shown = str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))
        for text in texts:
            if _letters(text) not in _letters(shown):
                raise UsageError(
                    f"the tokenizer does not know all of {text!r}: it reads {shown!r}",
                    "Ask in another language, or use a model that knows this one.",
                )


def _in_item_order(form: Form, shown: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tokens for _, tokens in sorted(zip(form.options, shown, strict=True)))


def _letters(text: str) -> str:
    """Return the letters and digits of a text, as tokenizers that normalise leave them."""
    whole = unicodedata.normalize("NFKD", text).casefold()
    return "".join(sign for sign in whole if sign.isalnum())


def _prompt_at(placement: Placement, leading: int, before_answer: int) -> int:
    at = {"front": 0, "after-bos": leading, "prefix": leading, "before-answer": before_answer}
    return at[placement]
