"""`PromptableModel`: a model behind an endpoint that takes `prompt_embeds`, and so soft prompts.

In: soft prompts and a query, encoded here with the model's own tokenizer and embeddings. Out: the answers
that the whole model would give here, in the precision of the endpoint. Every candidate and form is a
request of its own.
Where the endpoint echoes texts behind embeddings, a text is one request; elsewhere each of its places is one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from acculturate.errors import UsageError
from acculturate.model.answers import NEXT_QUESTION, Answers, Chat, Passage, Query, TextReading
from acculturate.model.encoding import EncodedForm, EncodedText
from acculturate.model.language_model import LanguageModel
from acculturate.model.prompt_checks import check_width
from acculturate.model.prompt_embeds import dump_embeddings
from acculturate.model.remote.embeddings import load_embedding_model
from acculturate.model.remote.model import RemoteModel
from acculturate.model.remote.patience import Patience
from acculturate.model.remote.prompting import Shown
from acculturate.model.remote.replies import Json, UnreadableError, choices, text, token_places
from acculturate.model.remote.transport import RequestRefusedError
from acculturate.model.soft_prompt import Placement, Prompt, Prompts, SoftPrompt
from acculturate.survey.forms import Form

_MOST_LIKELIEST = 1000
"""Likeliest tokens whose probabilities are compared on ordinary text, where an endpoint shows so many."""
_LOWEST = -9999.0
_LEAST_REST = 1e-6
"""Probability that all tokens have at least that two answers do not both show."""
_NOTHING = Shown("")
_PROOF = "The capital of France is"
_ELSEWHERE = 0.05
"""Share of the next token's probability that may lie elsewhere, by rounding, where embeddings are given."""


class _Behind(NamedTuple):
    """Tokens, and a soft prompt among them.

    Attributes:
        tokens: All tokens.
        at: Number of those in front of the soft prompt.
        virtual: The soft prompt; None for none.
    """

    tokens: tuple[int, ...]
    at: int
    virtual: Prompt | None


class PromptableModel(RemoteModel):
    """A model behind an endpoint that takes `prompt_embeds`.

    Args:
        remote: The endpoint.
        embeddings: The model's tokenizer and embeddings.

    Raises:
        UsageError: The endpoint takes no embeddings, or shows no log-probabilities, or its own are others.
    """

    def __init__(self, remote: RemoteModel, embeddings: LanguageModel) -> None:
        super().__init__(remote.name, remote.transport, remote.abilities)
        self._local = embeddings
        self.hidden_size = embeddings.hidden_size
        engine = self.abilities.style.engine
        self._echoes = engine == "acculturate"
        self._likeliest = _MOST_LIKELIEST if self._echoes else self.abilities.top
        if not self.abilities.top:
            raise UsageError(
                f"{self.name} shows no log-probabilities of the likeliest tokens",
                "Serve it with vLLM or with `acculturate serve` (docs/large-models.md).",
            )
        virtual = embeddings.embed_ids([0])
        try:
            self._predict(_Behind((0,), 0, virtual), [1], 1)
        except (RequestRefusedError, UnreadableError) as error:
            raise UsageError(
                f"{self.name} takes no prompt_embeds of {self.hidden_size} numbers a token: {error}",
                "Start vLLM with --enable-prompt-embeds, or `acculturate serve`; give --embeddings of the very "
                "model.",
            ) from error
        self._prove()

    @classmethod
    def load(
        cls,
        name: str,
        embeddings: str,
        dtype: str = "auto",
        chat: Chat = "auto",
        patience: Patience | None = None,
    ) -> PromptableModel:
        """Open an endpoint as text, and load tokenizer and embeddings; see `load_embedding_model`."""
        local = load_embedding_model(embeddings, dtype, chat)
        return cls(RemoteModel.open(name, "none", patience), local)

    def provenance(self) -> dict[str, str]:
        """See `AnswerModel.provenance`."""
        chat = {} if self._local.chat == "auto" else {"chat": self._local.chat}
        about = super().provenance() | {"embeddings": self._local.name}
        about["dtype"] = str(self._local.network.dtype).removeprefix("torch.")
        del about["chat"]
        return about | chat

    def embedding_scale(self) -> float:
        """See `AnswerModel.embedding_scale`."""
        return self._local.embedding_scale()

    def embed_text(self, text: str) -> Prompt:
        """See `AnswerModel.embed_text`."""
        return self._local.embed_text(text)

    def embed_random_tokens(self, count: int, rng: np.random.Generator) -> Prompt:
        """See `AnswerModel.embed_random_tokens`."""
        return self._local.embed_random_tokens(count, rng)

    def ask(self, prompts: Prompts | None, query: Query) -> Answers:
        """See `AnswerModel.ask`.

        The divergence is that between the distributions over the tokens that both the tuned and the untouched
        model hold likeliest, all others taken together: it is at most the whole one, and that where all tokens
        are shown.
        """
        self._check(prompts)
        before = self.transport.tokens
        population: Sequence[Prompt | None] = [None] if prompts is None else list(prompts)
        encoded = [self._local.encode(form) for form in query.forms]
        read = self.transport.each(
            lambda job: self._answer(job[1], query.placement, job[0]),
            list(product(population, encoded)),
        )
        widest = max((len(form.options) for form in encoded), default=0)
        probabilities = np.zeros((len(population) * len(encoded), widest))
        mass = np.zeros(len(read))
        for index, logs in enumerate(read):
            shares = np.exp(logs - logs.max())
            probabilities[index, : len(logs)] = shares / shares.sum()
            mass[index] = np.exp(logs).sum()
        shape = (len(population), len(encoded))
        texts = [self._read(query, prompt) for prompt in population] if query.texts else []
        return Answers(
            forms=tuple(query.forms),
            probabilities=probabilities.reshape(*shape, widest),
            valid_mass=mass.reshape(shape) if query.valid_mass else None,
            divergence=np.array([max(0.0, float(np.mean(d))) for d, _ in texts]) if texts else None,
            perplexity=np.array([float(np.exp(np.mean(s))) for _, s in texts]) if texts else None,
            tokens=(self.transport.tokens - before) // max(1, len(population)),
        )

    def continue_text(
        self, text: str, prompt: SoftPrompt | None = None, *, max_tokens: int = 40
    ) -> str:
        """See `AnswerModel.continue_text`."""
        encoded = EncodedForm(self._local.encode_text(text), (), 0, len(self._local.leading))
        return self._write(encoded, prompt, max_tokens, None)

    def read_texts(
        self,
        texts: Sequence[Passage],
        prompt: Prompt | None = None,
        *,
        placement: Placement = "front",
    ) -> tuple[TextReading, ...]:
        """See `ProseModel.read_texts`; the divergence is as in `ask`."""
        self._check(prompt)
        readings = self.transport.each(
            lambda text: self._read_text(text, placement, 1, prompt), texts
        )
        return tuple(TextReading(divergence, surprise) for divergence, surprise in readings)

    def _prove(self) -> None:
        """Compare what follows a text that is given as embeddings and as tokens.

        Raises:
            UsageError: These are the embeddings of another model.
        """
        ids = self._local.encode_text(_PROOF)
        behind = _Behind(ids, 0, None)
        as_tokens = self.abilities.style.body(self.abilities.model, _NOTHING, 1)
        bodies = [self._body(behind, len(ids)), as_tokens | {"prompt": list(ids)}]
        options = {"temperature": 0, "logprobs": self._likeliest}
        given, own = (self._post(body | options, behind)[0] for body in bodies)
        tokens = own.keys() | given.keys()
        theirs, ours = (
            np.exp([side.get(token, _LOWEST) for token in tokens]) for side in (own, given)
        )
        share = float(np.abs(theirs - ours).sum()) / 2
        if share > _ELSEWHERE:
            raise UsageError(
                f"the embeddings of {self._local.name} are not those of {self.name}: behind a text given as "
                f"embeddings, {share:.0%} of the next token's probability lies elsewhere",
                "Give --embeddings of the very model that is served, and --dtype as it is served.",
            )

    def _write_answer(
        self, form: Form, prompt: SoftPrompt | None, max_tokens: int, seed: int | None
    ) -> str:
        return self._write(self._local.encode(form), prompt, max_tokens, seed)

    def _write_reply(
        self, question: str, prompt: SoftPrompt | None, max_tokens: int, seed: int | None
    ) -> str:
        encoded = self._local.encode_question(question, prompt.line if prompt else "")
        return self._write(encoded, prompt, max_tokens, seed, (NEXT_QUESTION,))

    def _answer(
        self, form: EncodedForm, placement: Placement, virtual: Prompt | None
    ) -> np.ndarray:
        """Return the log-probability of each option's tokens."""
        at, count = form.prompt_at(placement), len(form.tokens)
        if all(len(option) == 1 for option in form.options):
            (shown,) = self._predict(_Behind(form.tokens, at, virtual), [count], self._likeliest)
            least = _left(shown)
            return np.array([shown.get(option[0], least) for option in form.options])
        logs: list[float] = []
        for option in form.options:
            behind = _Behind(form.tokens + option, at, virtual)
            places = range(count, count + len(option))
            shown = self._predict(behind, places, 1 if self._echoes else self._likeliest)
            logs.append(sum(p.get(t, _left(p)) for p, t in zip(shown, option, strict=True)))
        return np.array(logs)

    def _read(self, query: Query, virtual: Prompt | None) -> tuple[np.ndarray, np.ndarray]:
        read = self.transport.each(
            lambda text: self._read_text(text, query.placement, query.read_every, virtual),
            query.texts,
        )
        divergence, surprise = zip(*read, strict=True)
        return np.concatenate(divergence), np.concatenate(surprise)

    def _read_text(
        self, passage: Passage, placement: Placement, every: int, virtual: Prompt | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return divergence and surprise of each token of a text that is read."""
        encoded: EncodedText = self._local.encode_passage(passage)
        at = encoded.prompt_at(placement)
        places = range(max(at, encoded.first), len(encoded.tokens), every)
        if not places:
            return np.empty(0), np.empty(0)
        own = self._predict(_Behind(encoded.tokens, at, None), places, self._likeliest)
        tuned = own
        if virtual is not None:
            tuned = self._predict(_Behind(encoded.tokens, at, virtual), places, self._likeliest)
        divergence = [coarse_divergence(p, q) for p, q in zip(own, tuned, strict=True)]
        surprise = [
            -q.get(encoded.tokens[place], _left(q)) for q, place in zip(tuned, places, strict=True)
        ]
        return np.array(divergence), np.array(surprise)

    def _predict(
        self, behind: _Behind, places: Sequence[int], likeliest: int
    ) -> list[dict[int, float]]:
        """Return log-probabilities of the likeliest tokens at some places, and of the tokens that stand there.

        Args:
            behind: Tokens and soft prompt; the latter in front of the first place.
            places: Numbers of tokens that stand in front; ascending.
            likeliest: Number of likeliest tokens.
        """
        first = places[0]
        if self._echoes and first < len(behind.tokens):
            rest = list(behind.tokens[first:])
            body = self._body(behind, first) | {"prompt": rest, "echo": True, "max_tokens": 0}
            shown = self._post(body | {"logprobs": likeliest}, behind)
            if len(shown) != len(rest):
                raise UnreadableError("has not the tokens of the text that was read")
            return [shown[place - first] for place in places]
        bodies = [
            self._body(behind, place) | {"logprobs": likeliest, "max_tokens": 1} for place in places
        ]
        return [self._post(body, behind)[0] for body in bodies]

    def _body(self, behind: _Behind, count: int) -> Json:
        """Return what a request for what follows some tokens is made of."""
        ids, at = behind.tokens[:count], behind.at
        parts = [self._local.embed_ids(part) for part in (ids[:at], ids[at:]) if part]
        if behind.virtual is not None:
            parts.insert(1 if at else 0, behind.virtual)
        body = self.abilities.style.body(self.abilities.model, _NOTHING, 1)
        del body["prompt"]
        return body | {"prompt_embeds": dump_embeddings(np.concatenate(parts))}

    def _post(self, body: Json, behind: _Behind) -> list[dict[int, float]]:
        body |= {"return_tokens_as_token_ids": True}
        return self.transport.post("completions", body, token_places, keep=behind.virtual is None)

    def _write(
        self,
        encoded: EncodedForm,
        prompt: SoftPrompt | None,
        max_tokens: int,
        seed: int | None,
        stop: Sequence[str] = (),
    ) -> str:
        self._check(prompt)
        virtual = None if prompt is None else prompt.embeddings
        at = encoded.prompt_at("front" if prompt is None else prompt.placement)
        body = self._body(_Behind(encoded.tokens, at, virtual), len(encoded.tokens))
        body |= {
            "max_tokens": max_tokens,
            **({"temperature": 0} if seed is None else {"seed": seed}),
        }
        body |= {"stop": list(stop)} if stop else {}
        return self.transport.post(
            "completions", body, lambda answer: text(choices(answer)[0]), keep=prompt is None
        )

    def _check(self, prompt: SoftPrompt | Prompt | Prompts | None) -> None:
        if isinstance(prompt, SoftPrompt):
            check_width(prompt.embeddings.shape[-1], self, prompt.placement)
        elif prompt is not None:
            check_width(prompt.shape[-1], self)


def coarse_divergence(p: dict[int, float], q: dict[int, float]) -> float:
    """Return the KL divergence of q from p over the tokens that both show, all others taken together [nats].

    To take tokens together never makes it larger (Cover & Thomas, Elements of Information Theory, 2.7).

    Args:
        p: Log-probabilities of some tokens.
        q: Likewise.
    """
    both = sorted(p.keys() & q.keys())
    a, b = (np.exp([side[token] for token in both]) for side in (p, q))
    rest = [max(_LEAST_REST, 1 - float(side.sum())) for side in (a, b)]
    inside = sum(x * math.log(x / max(y, 1e-300)) for x, y in zip(a, b, strict=True) if x > 0)
    # Where p has next to nothing left over, it is rounding.
    return float(inside + (rest[0] * math.log(rest[0] / rest[1]) if rest[0] > 1e-4 else 0.0))


def _left(shown: dict[int, float]) -> float:
    """Return the largest log-probability that a token can have which is not shown."""
    least = min(shown.values(), default=0.0)
    left = 1 - sum(math.exp(value) for value in shown.values())
    return min(least, math.log(left)) if left > 1e-9 else max(_LOWEST, least - 20.0)
