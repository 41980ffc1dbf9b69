"""Readings: an answer's probability from what an endpoint shows of it.

In: forms. Out: the probability of each option, in the item's own order. Labels are read from the likeliest next
tokens; answers in words as whole sequences, from the log-probabilities of their tokens; where an endpoint shows
neither, from answers that are sampled and strictly parsed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.model.prefix_tree import shared_length
from acculturate.model.remote.abilities import Abilities
from acculturate.model.remote.prompting import Shown
from acculturate.model.remote.replies import (
    Json,
    Token,
    UnreadableError,
    choices,
    echoed_tokens,
    labels_seen,
    next_tokens,
    prompt_tokens,
    text,
    token_ids,
    written_tokens,
)
from acculturate.model.remote.transport import Transport
from acculturate.survey.forms import Form
from acculturate.survey.parsing import parse_answer

T = TypeVar("T")

SAMPLES = 16
"""Answers that are sampled of a form where no probability is shown."""
_PRIOR = 0.5
"""Answers that every option has beforehand, so that one which was never drawn is not impossible: Jeffreys'
prior (Krichevsky & Trofimov, IEEE Transactions on Information Theory 27, 1981)."""
_ANSWER_TOKENS = 16


@dataclass(frozen=True)
class FormReading:
    """The answer to a form.

    Attributes:
        probabilities: Of each option in the item's own order, given that one of them is answered.
        valid_mass: Probability that one of them is answered, as far as it was seen; of answers in words the
            summed probability of the sequences, behind what all of them begin with; of sampled answers the
            share that could be read.
        bound: Share of the probabilities that no token was seen for: labels that are not among the likeliest
            tokens, taken to be as likely as the last of these.
        kinds: Sampled answers by kind, "valid", "refusal" or "unparsable"; empty where none was sampled.
    """

    probabilities: Float[np.ndarray, " option"]
    valid_mass: float
    bound: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True)
class Reader:
    """Reads the answers of a model behind an endpoint.

    Attributes:
        transport: Asks it.
        abilities: What it can do.
    """

    transport: Transport
    abilities: Abilities

    def read_form(self, form: Form) -> FormReading:
        """Read the answer to a form.

        Raises:
            UsageError: An answer in words is the beginning of another one.
            FailureError: The endpoint does not answer, or not what was asked.
        """
        if form.word_set is None:
            found = self._read_labels(form) if self.abilities.top else self._sample(form)
        else:
            found = self._sample(form) if self.abilities.words == "none" else self._read_words(form)
        in_order = np.zeros(len(form.options))
        in_order[list(form.options)] = found.probabilities
        return replace(found, probabilities=in_order)

    def show(self, form: Form) -> Shown:
        """Show a form, up to its answer."""
        style, kind = self.abilities.style, "digits" if form.labels[0].isdigit() else "letters"
        gap = self.abilities.gaps.get(kind, "") if form.word_set is None else ""
        return style.behind(style.form(form), gap)

    def score(self, shown: Shown, continuations: Sequence[str]) -> list[list[Token]]:
        """Return the tokens, behind the first, of what a model is shown with each of several continuations.

        Tokens that all of them share may have no log-probability of their own, but 0.

        Raises:
            UsageError: The endpoint shows no log-probabilities of texts.
        """
        style = self.abilities.style
        if self.abilities.words == "grammar":
            return self._write_exactly(shown, continuations)
        wholes = [style.behind(shown, continuation) for continuation in continuations]
        if self.abilities.words == "prompt_logprobs":
            return [self._ask(whole, 1, prompt_tokens, prompt_logprobs=0) for whole in wholes]
        if self.abilities.words == "echo":
            return [self._ask(whole, 1, echoed_tokens, echo=True, logprobs=1) for whole in wholes]
        raise UsageError(
            f"{self.abilities.model} shows no log-probabilities of texts at {self.transport.address.url}",
            "docs/large-models.md names servers that do.",
        )

    def write(
        self, shown: Shown, max_tokens: int, seed: int | None, stop: Sequence[str] = ()
    ) -> str:
        """Write what follows: the likeliest, or with a seed drawn from the model's own distribution."""
        options: Json = {"temperature": 0} if seed is None else {"seed": seed}
        if stop:
            options["stop"] = list(stop)
        return self._ask(shown, max_tokens, _texts, **options)[0].removeprefix(shown.reply)

    def _ask(
        self,
        shown: Shown,
        max_tokens: int,
        read: Callable[[Json], T],
        *,
        draw: int = 0,
        **options: Any,
    ) -> T:
        style = self.abilities.style
        body = style.body(self.abilities.model, shown, max_tokens, **options)
        return self.transport.post(style.path, body, read, draw=draw)

    def _read_labels(self, form: Form) -> FormReading:
        style = self.abilities.style
        tokens = self._ask(self.show(form), 1, next_tokens, **style.likeliest(self.abilities.top))
        seen = np.array(list(labels_seen(tokens, form.labels).values()))
        mass, missing = float(seen.sum()), seen == 0
        left = max(0.0, 1 - sum(math.exp(token.logprob) for token in tokens))
        if missing.any():
            least = math.exp(tokens[-1].logprob)
            seen[missing] = max(1e-12, min(least, left) if mass else least)
        share = seen / seen.sum()
        return FormReading(share, mass, float(share[missing].sum()))

    def _read_words(self, form: Form) -> FormReading:
        style, shown = self.abilities.style, self.show(form)
        scored = self.score(shown, [style.words(words) for words in form.labels])
        ids = [[token.text for token in tokens] for tokens in scored]
        stem = min(shared_length(ids[0], other) for other in ids[1:])
        for (tokens, words), (longer, others) in pairwise(
            sorted(zip(ids, form.labels, strict=True))
        ):
            if shared_length(tokens, longer) == len(tokens):
                raise UsageError(
                    f"the answer {words!r} is the beginning of {others!r}, or the same, for the tokenizer of "
                    f"{self.abilities.model}",
                    "Word the answers so that none begins with the whole of another one.",
                )
        logs = np.array([sum(token.logprob for token in tokens[stem:]) for tokens in scored])
        shares = np.exp(logs - logs.max())
        return FormReading(shares / shares.sum(), float(np.exp(logs).sum()))

    def _write_exactly(self, shown: Shown, continuations: Sequence[str]) -> list[list[Token]]:
        """Let llama.cpp write just these tokens; it tells how likely they were before its grammar."""
        before = self._rendered(shown)
        stem = tokenize(self.transport, before)
        wholes = [tokenize(self.transport, before + behind) for behind in continuations]
        count = max(1, min(shared_length(stem, whole) for whole in wholes))
        return [self._write_tokens(whole, count) for whole in wholes]

    def _write_tokens(self, whole: list[int], count: int) -> list[Token]:
        if len(whole) <= count:
            return [Token(str(token), 0.0) for token in whole[1:]]
        grammar = "root ::= " + " ".join(f"<[{token}]>" for token in whole[count:])
        style = replace(self.abilities.style, chat=False)
        body = style.body(
            self.abilities.model, Shown(""), len(whole) - count, logprobs=1, grammar=grammar
        )
        body |= {"prompt": whole[:count]}
        written = self.transport.post("completions", body, written_tokens)
        if len(written) != len(whole) - count:
            raise UnreadableError("has not the tokens that the grammar allows")
        values = [0.0] * (count - 1) + [token.logprob for token in written]
        return [Token(str(token), value) for token, value in zip(whole[1:], values, strict=True)]

    def _rendered(self, shown: Shown) -> str:
        """Return the text that llama.cpp makes of a chat."""
        style = self.abilities.style
        if not style.chat:
            return shown.text
        messages = style.body("", shown, 1)["messages"]
        return self.transport.post(
            f"{self.transport.address.root}/apply-template",
            {"messages": messages},
            rendered_text,
        )

    def _sample(self, form: Form) -> FormReading:
        """Draw answers and count them by option; one that cannot be read counts for none."""
        kinds, shown = Counter[str](), self.show(form)
        seed = seed_of(shown.text)
        counts = np.full(len(form.options), _PRIOR)
        drawn = 0
        while drawn < SAMPLES:
            left = SAMPLES - drawn
            options = {
                "many": {"n": left, "seed": seed + drawn},
                "one": {"seed": seed + drawn},
                "unseeded": {},
            }[self.abilities.draws]
            texts = self._ask(shown, _ANSWER_TOKENS, _texts, draw=drawn, **options)[:left]
            drawn += len(texts)
            for written in texts:
                parsed = parse_answer(written.removeprefix(shown.reply), form)
                kinds[parsed.kind] += 1
                if parsed.option is not None:
                    counts[form.options.index(parsed.option)] += 1
        return FormReading(counts / counts.sum(), kinds["valid"] / drawn, kinds=kinds)


def _texts(answer: Json) -> list[str]:
    return [text(choice) for choice in choices(answer)]


def seed_of(text: str, seed: int = 0) -> int:
    """Return a text's own seed, so that what chance does to one it does not do to all."""
    return (seed + crc32(text.encode())) % 2**31


def rendered_text(answer: dict[str, Any]) -> str:
    """Return the text that `/apply-template` makes of a chat."""
    return str(answer.get("prompt"))


def tokenize(transport: Transport, text: str, begins: bool = True) -> list[int]:
    """Return the tokens that llama.cpp sees in a text.

    Args:
        transport: Asks it.
        text: The text.
        begins: Whether the tokens in front of every text are among them.
    """
    body = {"content": text, "add_special": begins, "parse_special": True}
    return transport.post(f"{transport.address.root}/tokenize", body, token_ids)
