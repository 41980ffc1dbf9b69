"""`RemoteModel`: a model behind an endpoint, asked as any other model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from acculturate.errors import UsageError
from acculturate.formatting import share_text
from acculturate.io import fingerprint
from acculturate.model.answers import (
    LONGEST_READ,
    NEXT_QUESTION,
    Answers,
    Chat,
    Passage,
    Query,
    TextReading,
)
from acculturate.model.prefix_tree import shared_length
from acculturate.model.prompt_checks import without_embeddings
from acculturate.model.remote.abilities import Abilities
from acculturate.model.remote.address import read_address
from acculturate.model.remote.patience import Patience
from acculturate.model.remote.probing import find_abilities
from acculturate.model.remote.prompting import Shown
from acculturate.model.remote.readings import FormReading, Reader, seed_of
from acculturate.model.remote.transport import Transport
from acculturate.model.soft_prompt import Placement, Prompt, Prompts, SoftPrompt
from acculturate.progress import say
from acculturate.survey.forms import Form

_MUCH = 0.01
"""Share of the answers that rest on bounds, or are no answers, from which on it is said."""


@dataclass
class Tally:
    """Counts of the answers by what could be read from them.

    Attributes:
        forms: Forms asked.
        bounded: Of these, the forms with a label that was not among the likeliest tokens.
        largest_bound: Largest share of a form's probabilities that rests on such labels.
        kinds: Sampled answers by kind.
    """

    forms: int = 0
    bounded: int = 0
    largest_bound: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter[str])

    def add(self, reading: FormReading) -> None:
        """Count an answer."""
        self.forms += 1
        self.bounded += reading.bound > 0
        self.largest_bound = max(self.largest_bound, reading.bound)
        self.kinds += reading.kinds

    @property
    def sentences(self) -> list[str]:
        """The sentences for a reader; none where all is well."""
        told: list[str] = []
        if self.largest_bound >= _MUCH:
            told.append(
                f"{self.bounded:,} of {self.forms:,} answers lack a label among the likeliest tokens that are "
                f"shown; up to {share_text(self.largest_bound)} of an answer is a bound, not a probability"
            )
        if drawn := self.kinds.total():
            refused, unread = self.kinds["refusal"], self.kinds["unparsable"]
            told.append(
                f"answers were sampled, {drawn:,} in all: {share_text(self.kinds['valid'] / drawn)} valid, "
                f"{refused:,} refusals and {unread:,} that cannot be read"
            )
        return told


class RemoteModel:
    """A model behind an OpenAI-compatible endpoint, without its embeddings: it takes no soft prompts.

    Args:
        name: Its name: openai:BASE_URL#NAME.
        transport: Asks the endpoint.
        abilities: What the endpoint can do.

    Attributes:
        name: As above.
        transport: As above.
        abilities: As above.
        hidden_size: 0, as there are no embeddings.
        tally: What became of the answers so far.
    """

    def __init__(self, name: str, transport: Transport, abilities: Abilities) -> None:
        self.name, self.transport, self.abilities = name, transport, abilities
        self.hidden_size = 0
        self.tally = Tally()
        self._reader = Reader(transport, abilities)
        self._text_reader = Reader(transport, abilities.of_texts)

    @classmethod
    def open(cls, name: str, chat: Chat = "auto", patience: Patience | None = None) -> RemoteModel:
        """Find out what the endpoint can do, and say it.

        Args:
            name: The model's name: openai:BASE_URL#NAME.
            chat: Whether it is asked in a chat; "auto" does so where it has one of its own.
            patience: Limits to what is asked and waited for.

        Raises:
            UsageError: There is no such model.
            FailureError: The endpoint cannot be reached.
        """
        address = read_address(name)
        transport = Transport(address, patience or Patience())
        abilities = find_abilities(transport, chat)
        say(abilities.sentence)
        return cls(address.name, transport, abilities)

    def provenance(self) -> dict[str, str]:
        """See `AnswerModel.provenance`; the hash is one of what the server says of the model."""
        return {
            "name": self.name,
            "revision": "",
            "weights_hash": self.model_hash(),
            "dtype": "unknown",
            "device": "remote",
            "chat": "template" if self.abilities.style.chat else "none",
            "licence": "see the model's own card",
            "reading": self.abilities.sentence,
        }

    def model_hash(self) -> str:
        """Return a hash of address, name and what the server says of the model."""
        return fingerprint(
            [self.transport.address.url, self.abilities.model, self.abilities.identity]
        )

    def embedding_scale(self) -> float:
        """Raise an error; see `AnswerModel.embedding_scale`."""
        raise without_embeddings(self)

    def embed_text(self, text: str) -> Prompt:
        """Raise an error; see `AnswerModel.embed_text`."""
        raise without_embeddings(self)

    def embed_random_tokens(self, count: int, rng: np.random.Generator) -> Prompt:
        """Raise an error; see `AnswerModel.embed_random_tokens`."""
        raise without_embeddings(self)

    def ask(self, prompts: Prompts | None, query: Query) -> Answers:
        """See `AnswerModel.ask`. Perplexity is NaN where the endpoint shows no log-probabilities of texts.

        Raises:
            UsageError: There are soft prompts, or a limit is reached.
            FailureError: The endpoint does not answer.
        """
        self._check(prompts)
        before = self.transport.tokens
        readings = self.transport.each(self._reader.read_form, query.forms)
        probabilities = np.zeros(
            (1, len(readings), max((len(f.options) for f in query.forms), default=0))
        )
        for row, reading in zip(probabilities[0], readings, strict=True):
            row[: len(reading.probabilities)] = reading.probabilities
            self.tally.add(reading)
        return Answers(
            forms=tuple(query.forms),
            probabilities=probabilities,
            valid_mass=np.array([[reading.valid_mass for reading in readings]])
            if query.valid_mass
            else None,
            divergence=np.zeros(1) if query.texts else None,
            perplexity=np.array([self._perplexity(query)]) if query.texts else None,
            tokens=self.transport.tokens - before,
        )

    def continue_text(
        self, text: str, prompt: SoftPrompt | None = None, *, max_tokens: int = 40
    ) -> str:
        """See `AnswerModel.continue_text`.

        Raises:
            UsageError: It is asked in a chat.
        """
        self._check(prompt)
        if self.abilities.style.chat:
            raise UsageError(
                f"{self.name} goes on with no text, as it is asked in a chat",
                "Ask it with --chat none.",
            )
        return self._reader.write(Shown(text), max_tokens, None)

    def generate_answers(
        self,
        forms: Sequence[Form],
        prompt: SoftPrompt | None = None,
        *,
        max_tokens: int = 12,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """See `GeneratingModel.generate_answers`."""
        self._check(prompt)

        def answer(form: Form) -> str:
            own = None if seed is None else seed_of(form.text, seed)
            return self._write_answer(form, prompt, max_tokens, own).strip().partition("\n")[0]

        shown = forms if prompt is None else prompt.before(forms)
        return tuple(self.transport.each(answer, shown))

    def read_texts(
        self,
        texts: Sequence[Passage],
        prompt: Prompt | None = None,
        *,
        placement: Placement = "front",
    ) -> tuple[TextReading, ...]:
        """See `ProseModel.read_texts`; the untouched model does not diverge from itself."""
        self._check(prompt)
        read = self.transport.each(self._surprise, texts)
        return tuple(TextReading(np.zeros(len(surprise)), surprise) for surprise in read)

    def reply(
        self,
        questions: Sequence[str],
        prompt: SoftPrompt | None = None,
        *,
        max_tokens: int = 60,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """See `ProseModel.reply`."""
        self._check(prompt)

        def write(question: str) -> str:
            own = None if seed is None else seed_of(question, seed)
            written = self._write_reply(question, prompt, max_tokens, own)
            return written.split(NEXT_QUESTION)[0].strip()

        return tuple(self.transport.each(write, questions))

    def _write_answer(
        self, form: Form, prompt: SoftPrompt | None, max_tokens: int, seed: int | None
    ) -> str:
        """Write behind a form."""
        del prompt  # was refused
        return self._reader.write(self._reader.show(form), max_tokens, seed)

    def _write_reply(
        self, question: str, prompt: SoftPrompt | None, max_tokens: int, seed: int | None
    ) -> str:
        """Write behind a question, up to the next one or a little further."""
        del prompt  # was refused
        style = self.abilities.style
        stops = () if style.chat else (NEXT_QUESTION,)
        return self._reader.write(style.question(question), max_tokens, seed, stops)

    def _surprise(self, passage: Passage) -> np.ndarray:
        """Return minus the log-probability of each token of a text, or of an answer."""
        first = 0
        if isinstance(passage, str):
            (whole,) = self._text_reader.score(Shown(""), [passage])
        else:
            style, (question, answer) = self.abilities.style, passage
            whole, stem = self._reader.score(style.question(question), [style.words(answer), ""])
            first = shared_length(*([token.text for token in part] for part in (whole, stem)))
        return -np.array([token.logprob for token in whole[first : first + LONGEST_READ]])

    def _perplexity(self, query: Query) -> float:
        if self.abilities.words == "none":
            return float("nan")
        read = self.transport.each(self._surprise, query.texts)
        return float(
            np.exp(np.concatenate([surprise[:: query.read_every] for surprise in read]).mean())
        )

    def _check(self, prompt: SoftPrompt | Prompt | Prompts | None) -> None:
        if prompt is not None:
            raise without_embeddings(self)
