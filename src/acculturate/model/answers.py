"""The language of this subpackage: what is asked (`Query`), what is answered (`Answers`), and by whom.

This file knows no torch. The real model is in `language_model.py`, one with a known optimum in `fake.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from acculturate.model.soft_prompt import Placement, Prefixes, Prompt, Prompts, SoftPrompt
from acculturate.model.steering import SteeringVector
from acculturate.survey.forms import Form

Chat = Literal["auto", "template", "none"]
"""Whether forms are shown in the model's chat template; "auto" shows them so where it has one."""

LONGEST_READ = 256
"""Tokens of a text that are read at most: each needs a distribution over the whole vocabulary."""

QUESTION, ANSWER = "Question:", "Answer:"
"""Shown to a model without a chat template around a question that it answers in words."""
NEXT_QUESTION = f"\n{QUESTION}"
"""Ends such an answer: the model goes on with a question of its own."""


class Exchange(NamedTuple):
    """A question and an answer to it in words; where it is read, the answer's tokens alone count."""

    question: str
    answer: str


Passage = str | Exchange
"""Something to read."""


@dataclass(frozen=True)
class Query:
    """Everything that candidates are asked in one pass; equal queries are one cache key.

    Attributes:
        forms: The forms to answer; may be empty when only texts are read. Stored as a tuple.
        texts: The guard texts to read in the same pass. Stored as a tuple.
        read_every: Of the texts' tokens, every so manieth is read, the first one first.
        placement: Where the soft prompt goes.
        valid_mass: Whether the mass of the options in the whole vocabulary is computed.
        calibrated: Whether answers in words are calibrated (`calibrate`), which `ask` does for every model.
        pool: Forms whose untouched answers calibrate, whole questionnaires; the query's own forms where it is
            empty. Stored as a tuple.
        steering: Added to the states of one layer, where a `SteerableModel` is asked.
        reference: What the untouched model reads to compare the texts with, one for each, which ends in the
            same tokens; the texts themselves where it is empty. Stored as a tuple.
    """

    forms: Sequence[Form] = ()
    texts: Sequence[Passage] = ()
    placement: Placement = "front"
    valid_mass: bool = False
    read_every: int = 1
    calibrated: bool = True
    pool: Sequence[Form] = ()
    steering: SteeringVector | None = None
    reference: Sequence[Passage] = ()

    def __post_init__(self) -> None:
        for name in ("forms", "texts", "reference", "pool"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def size(self) -> int:
        """Number of forms and texts."""
        return len(self.forms) + len(self.texts)


@dataclass(frozen=True)
class Answers:
    """The answers of every candidate to every form.

    Attributes:
        forms: The forms asked, in order.
        probabilities: Probability of each option in the item's own order, given that one of the
            options is answered; rows sum to 1, options an item does not have hold 0, and a candidate
            that broke the model holds NaN.
        valid_mass: Share of the next-token probability that the options take together, in words the
            summed probabilities of their whole sequences; None where it was not asked for (it needs the
            whole vocabulary).
        divergence: KL divergence of the untouched model's next-token distribution to this
            candidate's on the guard texts [nats a token], or None where no text was given. Only
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

    def mean_valid_mass(self, candidate: int) -> float | None:
        """Return the mean over the forms; None in words, of which no share is the right one to expect."""
        if self.valid_mass is None or any(form.word_set is not None for form in self.forms):
            return None
        return float(self.valid_mass[candidate].mean())


def join_answers(parts: Sequence[Answers]) -> Answers:
    """Join the answers of several populations to the same query into those of one population."""

    def column(name: str) -> np.ndarray | None:
        columns = [getattr(part, name) for part in parts]
        return None if columns[0] is None else np.concatenate(columns)

    return replace(
        parts[0],
        probabilities=np.concatenate([part.probabilities for part in parts]),
        valid_mass=column("valid_mass"),
        divergence=column("divergence"),
        perplexity=column("perplexity"),
    )


@dataclass(frozen=True)
class Cotangent:
    """The derivatives of a quantity of each candidate in its answers.

    Attributes:
        probabilities: In each option's probability.
        valid_mass: In each form's valid mass, or None.
        divergence: In the divergence, or None.
    """

    probabilities: Float[np.ndarray, "candidate form option"]
    valid_mass: Float[np.ndarray, "candidate form"] | None = None
    divergence: Float[np.ndarray, " candidate"] | None = None


Backward = Callable[[Cotangent], np.ndarray]
"""Takes derivatives in the answers back to derivatives in the soft prompts, `[candidate, token, hidden]`;
can be called once."""


@dataclass(frozen=True)
class TextReading:
    """One text, token by token, behind the place of the soft prompt.

    Attributes:
        divergence: KL divergence of the untouched model's next-token distribution to this one's, where
            each token is predicted [nats]; rounding can leave it a hair below 0.
        surprise: Minus the log probability of each token [nats].
    """

    divergence: Float[np.ndarray, " position"]
    surprise: Float[np.ndarray, " position"]


@runtime_checkable
class Answering(Protocol):
    """The part of a model that is asked."""

    @property
    def name(self) -> str:
        """The name it was loaded by."""
        ...

    def ask(self, prompts: Prompts | None, query: Query) -> Answers:
        """Ask every form, and read every guard text, under every soft prompt.

        Args:
            prompts: The candidates, or None for the untouched model, which then is the only one.
            query: The forms, the texts and how they are asked.
        """
        ...

    def continue_text(
        self, text: str, prompt: SoftPrompt | None = None, *, max_tokens: int = 40
    ) -> str:
        """Continue a text greedily, behind an optional soft prompt."""
        ...

    def embed_text(self, text: str) -> Prompt:
        """Return the embedding layer's output for a text, without special tokens."""
        ...


@runtime_checkable
class AnswerModel(Answering, Protocol):
    """Anything that answers forms under soft prompts: a language model, or the fake one."""

    @property
    def hidden_size(self) -> int:
        """Width of a virtual token."""
        ...

    def provenance(self) -> dict[str, str]:
        """Return name, revision, weights_hash, dtype, device and licence, for a record.

        And "chat", "template" or "none", of a model that has a chat template.
        """
        ...

    def embedding_scale(self) -> float:
        """Return the standard deviation of the embedding layer's output over the vocabulary."""
        ...

    def embed_random_tokens(self, count: int, rng: np.random.Generator) -> Prompt:
        """Return the embedding layer's output for `count` ordinary tokens drawn uniformly."""
        ...


@runtime_checkable
class IdentifiedModel(AnswerModel, Protocol):
    """A model that soft prompts can be held against: were they made for it?"""

    def model_hash(self) -> str:
        """Return a hash that another model does not have, and the same one in another precision has."""
        ...


@runtime_checkable
class DifferentiableModel(AnswerModel, Protocol):
    """A model whose weights are at hand, so that its answers can be differentiated."""

    def ask_with_gradient(self, prompts: Prompts, query: Query) -> tuple[Answers, Backward]:
        """Ask as `ask` does, and also return the function that takes derivatives back to the prompts.

        All that was computed for all candidates is kept until then: ask few at a time.
        """
        ...


@runtime_checkable
class PrefixedModel(DifferentiableModel, Protocol):
    """A model that takes prefixes: its layers can be given keys and values in front of their own."""

    def prefix_width(self) -> int:
        """Return the width of a virtual token of a prefix: the keys and values of all layers.

        Raises:
            UsageError: This kind of model takes no prefix.
        """
        ...

    def prefix_of(self, prompts: Prompts, *, leading: bool = True) -> Prefixes:
        """Return the keys and values that soft prompts have in the untouched model, as prefixes.

        Args:
            prompts: Soft prompts, in the space of the embedding layer's output.
            leading: Whether the tokens that the tokenizer puts before every text stand in front of them.

        Raises:
            UsageError: This kind of model takes no prefix.
        """
        ...


@runtime_checkable
class SteerableModel(AnswerModel, Protocol):
    """A model whose states can be read and added to; its `ask` heeds `Query.steering`."""

    def mean_states(self, forms: Sequence[Form]) -> Float[np.ndarray, "layer hidden"]:
        """Return the mean of the states behind every layer at the last token of forms, before the answer."""
        ...


@runtime_checkable
class GeneratingModel(AnswerModel, Protocol):
    """A model that can write its answer instead of giving probabilities."""

    def generate_answers(
        self,
        forms: Sequence[Form],
        prompt: SoftPrompt | None = None,
        *,
        max_tokens: int = 12,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """Write what follows the answer cue of every form, up to the end of its first line.

        Args:
            forms: The forms to answer.
            prompt: The soft prompt, or None for the untouched model.
            max_tokens: Tokens an answer has at most.
            seed: Draws every token from the model's own distribution; None takes the likeliest.
        """
        ...


@runtime_checkable
class ProseModel(AnswerModel, Protocol):
    """A model that reads ordinary text and replies in its own words."""

    def read_texts(
        self,
        texts: Sequence[Passage],
        prompt: Prompt | None = None,
        *,
        placement: Placement = "front",
    ) -> tuple[TextReading, ...]:
        """Read texts as guard texts are read, and keep what each token gives.

        Args:
            texts: The texts; of one longer than `LONGEST_READ` tokens only the beginning is read.
            prompt: The soft prompt, or None for the untouched model.
            placement: Where it goes.
        """
        ...

    def reply(
        self,
        questions: Sequence[str],
        prompt: SoftPrompt | None = None,
        *,
        max_tokens: int = 60,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """Reply to questions in the model's own words.

        A chat model is asked through its template; any other sees the question and the beginning of an
        answer, and stops where it begins a question of its own.

        Args:
            questions: The questions.
            prompt: The soft prompt, or None for the untouched model.
            max_tokens: Tokens a reply has at most.
            seed: Draws every token from the model's own distribution; None takes the likeliest.
        """
        ...
