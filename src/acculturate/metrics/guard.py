"""The guard: the effect of a soft prompt on ordinary text.

In: a model and a soft prompt. Out: divergence from the untouched model and perplexity, on texts that have
nothing to do with surveys and on answers that the untouched model wrote itself. A search may see the tuning
texts only; the held-out ones say whether a prompt that stays under a limit there also leaves other texts alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from acculturate.io import fingerprint
from acculturate.metrics.texts import (
    GUARD_QUESTIONS,
    HELD_OUT_PASSAGES,
    HELD_OUT_TEXTS,
    TUNING_PASSAGES,
    TUNING_TEXTS,
)
from acculturate.model.answers import Answering, Exchange, Passage, Placement, ProseModel, Query
from acculturate.model.asking import ask, one_each
from acculturate.model.soft_prompt import Prompt
from acculturate.model.steering import SteeringVector
from acculturate.progress import task

GuardKind = Literal["texts", "sentences"]
"""Longer texts and the model's own answers, or the short sentences of the first versions."""

ANSWER_TOKENS = 40
"""Tokens of an answer of the model's own."""
_READ_EVERY = 4
"""With it, longer texts take no larger share of an evaluation than the sentences, read whole."""

Texts = tuple[Passage, ...]


@dataclass(frozen=True)
class GuardReading:
    """The effect of a soft prompt on ordinary text.

    Attributes:
        divergence: KL divergence from the untouched model's next-token distributions, nats a token.
        perplexity: Of the texts.
    """

    divergence: float
    perplexity: float


@dataclass(frozen=True)
class Guard:
    """The texts on which a run reads what its prompts do to ordinary text.

    Attributes:
        fixed: Read together where candidates of different generations are compared by what they do to
            them, and for the result.
        drawn: Groups of texts of which a step reads one, drawn anew, where they are not.
        held_out: Groups that no search sees; each is read by itself.
        read_every: See `Query.read_every`.
    """

    fixed: Texts
    drawn: tuple[Texts, ...]
    held_out: tuple[Texts, ...]
    read_every: int = 1

    def draw(self, rng: np.random.Generator) -> Texts:
        """Draw a group for a step."""
        return self.drawn[rng.integers(len(self.drawn))]

    def read(
        self,
        model: Answering,
        prompt: Prompt | SteeringVector | None,
        placement: Placement,
    ) -> GuardReading:
        """Read the fixed texts under one soft prompt or steering vector, or under none."""
        return read_guard(model, prompt, placement, self.fixed, self.read_every)

    def read_held_out(
        self,
        model: Answering,
        prompt: Prompt | SteeringVector | None,
        placement: Placement,
    ) -> GuardReading:
        """Read what no search sees: the mean over its groups, which count alike."""
        readings = [
            read_guard(model, prompt, placement, texts, self.read_every) for texts in self.held_out
        ]
        return GuardReading(
            sum(reading.divergence for reading in readings) / len(readings),
            math.prod(reading.perplexity for reading in readings) ** (1 / len(readings)),
        )


SENTENCES_GUARD = Guard(TUNING_TEXTS, (TUNING_TEXTS,), (HELD_OUT_TEXTS,))
"""The guard of the first versions: short sentences, every token of them."""


def make_guard(kind: GuardKind, answers: Sequence[Exchange] = ()) -> Guard:
    """Return the guard of a kind.

    Args:
        kind: The kind.
        answers: Of the untouched model's own, for the kind "texts".
    """
    if kind == "sentences":
        return SENTENCES_GUARD
    pairs = [tuple(answers[at : at + 2]) for at in range(0, len(answers), 2)]
    return Guard(
        fixed=(TUNING_PASSAGES[0], *answers[:1]),
        drawn=(*((text,) for text in TUNING_PASSAGES), *pairs),
        held_out=tuple((text,) for text in HELD_OUT_PASSAGES),
        read_every=_READ_EVERY,
    )


def write_own_answers(
    model: ProseModel, questions: Sequence[str], seed: int
) -> tuple[Exchange, ...]:
    """Let the untouched model answer questions for a guard, its tokens drawn; empty answers are left out.

    The mean divergence over answers that are drawn from the untouched model is that of its whole answers
    from the tuned model's, a token.
    """
    with task(f"writing {len(questions)} answers of the untouched model", len(questions)):
        answers = model.reply(questions, max_tokens=ANSWER_TOKENS, seed=seed)
    one_each(model, "reply", questions, answers)
    pairs = zip(questions, answers, strict=True)
    return tuple(Exchange(question, answer) for question, answer in pairs if answer.strip())


def read_guard(
    model: Answering,
    prompt: Prompt | SteeringVector | None,
    placement: Placement,
    texts: Sequence[Passage] = HELD_OUT_TEXTS,
    read_every: int = 1,
) -> GuardReading:
    """Read the guard for one soft prompt or steering vector, or for the untouched model."""
    query = Query(texts=texts, placement=placement, read_every=read_every)
    if isinstance(prompt, SteeringVector):
        answers = ask(model, None, replace(query, steering=prompt))
    else:
        answers = ask(model, None if prompt is None else np.asarray(prompt)[None], query)
    if answers.divergence is None or answers.perplexity is None:
        raise ValueError("a guard is read on at least one text")
    return GuardReading(float(answers.divergence[0]), float(answers.perplexity[0]))


def guard_fingerprint(kind: GuardKind = "sentences") -> str:
    """Return the SHA-256 over all texts and questions of a kind of guard."""
    if kind == "sentences":
        return fingerprint([TUNING_TEXTS, HELD_OUT_TEXTS])
    return fingerprint([TUNING_PASSAGES, HELD_OUT_PASSAGES, GUARD_QUESTIONS, _READ_EVERY])
