"""What a model answers, and who can answer.

In: forms and a population of soft prompts. Out: `Answers`, a probability for every option. This file
knows no torch; the real model is in `language_model.py`, one with a known optimum in `fake.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from acculturate.survey.forms import Form

Placement = Literal["front", "after-bos", "before-answer"]
"""Where a soft prompt goes: before everything; behind the beginning-of-sequence token; or behind the
question, just before the answer cue, where everything in front of it is computed once for a whole run.
Text that is no form has no cue: a guard text has the soft prompt behind the first third of its tokens,
one that is continued has it at its end."""


@dataclass(frozen=True)
class Query:
    """Everything that candidates are asked in one pass; equal queries are one cache key.

    Attributes:
        forms: The forms to answer; may be empty when only texts are read. Stored as a tuple.
        texts: The guard texts to read in the same pass. Stored as a tuple.
        placement: Where the soft prompt goes.
        valid_mass: Whether the mass of the options in the whole vocabulary is computed.
    """

    forms: Sequence[Form] = ()
    texts: Sequence[str] = ()
    placement: Placement = "front"
    valid_mass: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "forms", tuple(self.forms))
        object.__setattr__(self, "texts", tuple(self.texts))


@dataclass(frozen=True)
class Answers:
    """What every candidate answered to every form.

    Attributes:
        forms: The forms asked, in order.
        probabilities: Probability of each option in the item's own order, given that one of the
            options is answered; rows sum to 1, options an item does not have hold 0, and a candidate
            that broke the model holds NaN.
        valid_mass: Share of the next-token probability that the options take together, or None
            where it was not asked for (it needs the whole vocabulary).
        divergence: KL divergence of the untouched model's next-token distribution to this
            candidate's on the guard texts, in nats a token, or None where no text was given. Only
            tokens behind the place of the soft prompt count, for the untouched model too.
        perplexity: Perplexity of the guard texts over the same tokens, or None likewise.
        tokens: Tokens that one candidate took through the model.
    """

    forms: tuple[Form, ...]
    probabilities: Float[np.ndarray, "candidate form option"]
    valid_mass: Float[np.ndarray, "candidate form"] | None = None
    divergence: Float[np.ndarray, " candidate"] | None = None
    perplexity: Float[np.ndarray, " candidate"] | None = None
    tokens: int = 0

    def of(self, which: slice) -> Answers:
        """Those of some candidates."""

        def part(column: np.ndarray | None) -> np.ndarray | None:
            return None if column is None else column[which]

        return replace(
            self,
            probabilities=self.probabilities[which],
            valid_mass=part(self.valid_mass),
            divergence=part(self.divergence),
            perplexity=part(self.perplexity),
        )


@runtime_checkable
class AnswerModel(Protocol):
    """Anything that answers forms under soft prompts: a language model, or the fake one."""

    @property
    def name(self) -> str:
        """The name it was loaded by."""
        ...

    @property
    def hidden_size(self) -> int:
        """Width of a virtual token."""
        ...

    def provenance(self) -> dict[str, str]:
        """What a record needs: name, revision, weights_hash, dtype, device, licence."""
        ...

    def embedding_scale(self) -> float:
        """Standard deviation of the embedding layer's output over the vocabulary."""
        ...

    def embed_text(self, text: str) -> Float[np.ndarray, "token hidden"]:
        """The embedding layer's output for a text, without special tokens."""
        ...

    def embed_random_tokens(
        self, count: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "count hidden"]:
        """The embedding layer's output for `count` ordinary tokens drawn uniformly."""
        ...

    def ask(
        self,
        prompts: Float[np.ndarray, "candidate token hidden"] | None,
        query: Query,
    ) -> Answers:
        """Ask every form, and read every guard text, under every soft prompt.

        Args:
            prompts: The population in the space of the embedding layer's output, or None for the
                untouched model, which then is the single candidate.
            query: What every candidate is asked.
        """
        ...

    def continue_text(
        self,
        text: str,
        prompt: Float[np.ndarray, "token hidden"] | None = None,
        *,
        placement: Placement = "front",
        max_tokens: int = 40,
    ) -> str:
        """Greedy continuation of a text, plain, behind an optional soft prompt."""
        ...


@dataclass(frozen=True)
class TextReading:
    """One text, token by token, behind the place of the soft prompt.

    Attributes:
        divergence: KL divergence of the untouched model's next-token distribution to this one's, where
            each token is predicted, in nats; rounding can leave it a hair below 0.
        surprise: Minus the log probability of each token, in nats.
    """

    divergence: Float[np.ndarray, " position"]
    surprise: Float[np.ndarray, " position"]


@dataclass(frozen=True)
class Cotangent:
    """How much a quantity of each candidate changes with each part of its answers.

    Attributes:
        probabilities: With each option's probability.
        valid_mass: With each form's valid mass, or None.
        divergence: With the divergence, or None.
    """

    probabilities: Float[np.ndarray, "candidate form option"]
    valid_mass: Float[np.ndarray, "candidate form"] | None = None
    divergence: Float[np.ndarray, " candidate"] | None = None

    def of(self, which: slice) -> Cotangent:
        """That of some candidates."""
        mass, divergence = self.valid_mass, self.divergence
        return Cotangent(
            self.probabilities[which],
            None if mass is None else mass[which],
            None if divergence is None else divergence[which],
        )


Backward = Callable[[Cotangent], np.ndarray]
"""Takes what a quantity makes of the answers back to its gradients in the soft prompts,
`[candidate, token, hidden]`; can be called once."""


@runtime_checkable
class DifferentiableModel(AnswerModel, Protocol):
    """A model whose weights are at hand, so that its answers can be differentiated."""

    def ask_with_gradient(
        self,
        prompts: Float[np.ndarray, "candidate token hidden"],
        query: Query,
    ) -> tuple[Answers, Backward]:
        """As `ask`, and the way back from the answers to the soft prompts.

        All candidates are kept for the way back at the same time, which takes much memory.
        """
        ...


@runtime_checkable
class GeneratingModel(AnswerModel, Protocol):
    """A model that can write its answer instead of giving probabilities."""

    def generate_answers(
        self,
        forms: Sequence[Form],
        prompt: Float[np.ndarray, "token hidden"] | None = None,
        *,
        placement: Placement = "front",
        max_tokens: int = 12,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """Writes what follows the answer cue of every form, up to the end of its first line.

        Args:
            forms: What is asked.
            prompt: The soft prompt, or None for the untouched model.
            placement: Where it goes.
            max_tokens: Tokens an answer has at most.
            seed: Draws every token from the model's own distribution; None takes the likeliest.
        """
        ...


@runtime_checkable
class ProseModel(AnswerModel, Protocol):
    """A model that can be watched as a reader and a writer of ordinary text."""

    def read_texts(
        self,
        texts: Sequence[str],
        prompt: Float[np.ndarray, "token hidden"] | None = None,
        *,
        placement: Placement = "front",
    ) -> tuple[TextReading, ...]:
        """Reads texts as guard texts are read, and keeps what each token gives.

        Args:
            texts: What is read; of a text longer than `LONGEST_READ` tokens only its beginning.
            prompt: The soft prompt, or None for the untouched model.
            placement: Where it goes.
        """
        ...

    def reply(
        self,
        questions: Sequence[str],
        prompt: Float[np.ndarray, "token hidden"] | None = None,
        *,
        placement: Placement = "front",
        max_tokens: int = 60,
    ) -> tuple[str, ...]:
        """Answers questions in its own words, the likeliest token every time.

        A chat model is asked through its template; any other sees the question and the beginning of an
        answer, and stops where it begins a question of its own.

        Args:
            questions: What is asked.
            prompt: The soft prompt, or None for the untouched model.
            placement: Where it goes.
            max_tokens: Tokens an answer has at most.
        """
        ...


LONGEST_READ = 256
"""Tokens of a text that are read one by one; each needs a distribution over the whole vocabulary."""


@runtime_checkable
class ChunkedModel(AnswerModel, Protocol):
    """A model that takes a population in chunks, whose sizes can move the last bits of its answers."""

    def chunk(
        self,
        virtual_tokens: int,
        query: Query,
        *,
        gradient: bool = False,
    ) -> int:
        """Candidates that go through the model together, when they are asked this.

        With `gradient`: those that should be asked together where the way back is wanted.
        """
        ...


def join_answers(parts: Sequence[Answers]) -> Answers:
    """Answers of some candidates after those of others, to the same forms, as those of one population."""

    def column(name: str) -> np.ndarray | None:
        found = [getattr(part, name) for part in parts]
        return None if found[0] is None else np.concatenate(found)

    return replace(
        parts[0],
        probabilities=np.concatenate([part.probabilities for part in parts]),
        valid_mass=column("valid_mass"),
        divergence=column("divergence"),
        perplexity=column("perplexity"),
    )


def join_forms(
    parts: Sequence[Answers], places: Sequence[Sequence[int]], forms: tuple[Form, ...]
) -> Answers:
    """Answers of one population to some forms and to others, as those to all of them.

    Args:
        parts: Answers to some of the forms each; the texts were read with the first.
        places: Where the forms of each part stand among all.
        forms: All of them.
    """
    first = parts[0]
    widest = max(part.probabilities.shape[2] for part in parts)
    probabilities = np.zeros((len(first.probabilities), len(forms), widest))
    valid_mass = None if first.valid_mass is None else np.zeros(probabilities.shape[:2])
    for part, place in zip(parts, places, strict=True):
        probabilities[:, place, : part.probabilities.shape[2]] = part.probabilities
        if valid_mass is not None:
            valid_mass[:, place] = part.valid_mass
    return replace(
        first,
        forms=forms,
        probabilities=probabilities,
        valid_mass=valid_mass,
        tokens=sum(part.tokens for part in parts),
    )
