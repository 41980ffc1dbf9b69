"""A model whose answers are a formula with a known optimum, for tests, docs and dry runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.model.answers import (
    LONGEST_READ,
    Answers,
    Backward,
    Cotangent,
    Passage,
    Query,
    TextReading,
)
from acculturate.model.prompt_checks import check_width
from acculturate.model.soft_prompt import Placement, Prompt, Prompts, SoftPrompt
from acculturate.survey.forms import Form


class FakeModel:
    """A model whose answers are a formula, for tests, docs and dry runs.

    Every item's answer is binomial on its scale with success rate
    `sigmoid(bias[item] + direction[item] . prompt + nudge[form])`, so that the expected answer
    is a monotone function of one projection of the prompt and any item means strictly inside the
    scale are reached by `optimum`. Divergence on guard texts is the mean square of the prompt, in units of the
    embedding scale (1), times `harm`.

    An item's bias is its content. What else moves an answer is a nudge for each form, and where it is asked
    for, one for each item in a wording, frame, order or kind of labels. With small effects an answer to a
    scale of five moves by as many steps as its logit, so that the variances of all these are known.

    Args:
        hidden_size: Width of a virtual token.
        seed: Draws the biases, the directions and the nudges.
        form_effect: Standard deviation of the nudge of a form, on the logit scale, as all effects are; 0
            makes held-out forms answer exactly as tuning forms.
        harm: Divergence, in nats a token, of a prompt whose entries have variance 1.
        item_effect: Standard deviation of the items' biases.
        wording_effect: Standard deviation of the nudges of items in a wording.
        frame_effect: The same in a frame.
        order_effect: The same in an order of listed options: a pull to a place.
        labels_effect: The same with digits, letters or a set of option words.
    """

    def __init__(
        self,
        hidden_size: int = 16,
        seed: int = 0,
        form_effect: float = 0.1,
        harm: float = 0.2,
        *,
        item_effect: float = 1.0,
        wording_effect: float = 0.0,
        frame_effect: float = 0.0,
        order_effect: float = 0.0,
        labels_effect: float = 0.0,
    ) -> None:
        self.name = "fake"
        self.hidden_size = hidden_size
        self._seed = seed
        self._form_effect = form_effect
        self._harm = harm
        self._item_effect = item_effect
        nudges = {
            "wording": wording_effect,
            "frame": frame_effect,
            "order": order_effect,
            "labels": labels_effect,
        }
        self._nudges = {facet: effect for facet, effect in nudges.items() if effect}

    def provenance(self) -> dict[str, str]:
        """See `AnswerModel.provenance`."""
        return {
            "name": self.name,
            "revision": f"seed {self._seed}",
            "weights_hash": self.model_hash(),
            "dtype": "float64",
            "device": "cpu",
            "licence": "Apache-2.0",
        }

    def model_hash(self) -> str:
        """See `IdentifiedModel.model_hash`."""
        formula = ("name", "hidden_size", "_seed", "_form_effect", "_harm")
        constants = {name: getattr(self, name) for name in formula} | self._nudges
        if self._item_effect != 1:
            constants["item"] = self._item_effect
        return hashlib.sha256(repr(constants).encode()).hexdigest()

    def embedding_scale(self) -> float:
        """See `AnswerModel.embedding_scale`; 1 by construction."""
        return 1.0

    def embed_text(self, text: str) -> Prompt:
        """See `AnswerModel.embed_text`; a fixed random vector a word."""
        words = [self._stream("word", word).normal(size=self.hidden_size) for word in text.split()]
        return np.array(words).reshape(-1, self.hidden_size)

    def embed_random_tokens(self, count: int, rng: np.random.Generator) -> Prompt:
        """See `AnswerModel.embed_random_tokens`."""
        return rng.normal(size=(count, self.hidden_size))

    def optimum(self, means: dict[str, float], tokens: int, options: int = 5) -> Prompt:
        """Return the smallest prompt whose expected answers are `means`, form effects aside.

        Args:
            means: Item to wanted mean answer, strictly between 1 and `options`.
            tokens: Virtual tokens of the prompt.
            options: Options of the items' scale.

        Raises:
            UsageError: A mean is not strictly inside the scale.
        """
        wanted: list[float] = []
        for item, mean in means.items():
            if not 1 < mean < options:
                raise UsageError(
                    f"item {item}: a mean of {mean} is not strictly between 1 and {options}"
                )
            rate = (mean - 1) / (options - 1)
            wanted.append(np.log(rate / (1 - rate)) - self._bias(item))
        directions = np.stack([self._direction(item, tokens) for item in means])
        return (np.linalg.pinv(directions) @ np.array(wanted)).reshape(tokens, self.hidden_size)

    def ask(self, prompts: Prompts | None, query: Query) -> Answers:
        """See `AnswerModel.ask`."""
        population = np.zeros((1, 1, self.hidden_size)) if prompts is None else prompts
        check_width(population.shape[2], self)
        if query.steering is not None:
            population = population + query.steering.strength * np.array(query.steering.direction)
        tokens = population.shape[1]
        flat = population.reshape(len(population), -1).astype(np.float64)
        widest = max((len(form.options) for form in query.forms), default=0)
        probabilities = np.zeros((len(flat), len(query.forms), widest))
        for column, form in enumerate(query.forms):
            # A sum a row, not a matrix product, whose bits depend on how many rows there are.
            along = (flat * self._direction(form.item, tokens)).sum(axis=1)
            logit = self._bias(form.item) + self._nudge(form) + along
            probabilities[:, column, : len(form.options)] = _binomial(logit, len(form.options))
        divergence = self._harm * (flat**2).mean(axis=1) if query.texts else None
        read = [text if isinstance(text, str) else " ".join(text) for text in query.texts]
        return Answers(
            forms=tuple(query.forms),
            probabilities=probabilities,
            valid_mass=np.full(probabilities.shape[:2], 0.9) if query.valid_mass else None,
            divergence=divergence,
            perplexity=None if divergence is None else 17.0 * np.exp(np.minimum(divergence, 60.0)),
            tokens=sum(len(text.split()) for text in (*(f.text for f in query.forms), *read)),
        )

    def ask_with_gradient(self, prompts: Prompts, query: Query) -> tuple[Answers, Backward]:
        """See `DifferentiableModel.ask_with_gradient`."""
        answers = self.ask(prompts, query)

        def backward(cotangent: Cotangent) -> Prompts:
            flat = prompts.reshape(len(prompts), -1)
            gradient = np.zeros(flat.shape)
            for column, form in enumerate(query.forms):
                p = answers.probabilities[:, column]
                successes = np.arange(p.shape[1])
                # Of a binomial: dp/dlogit = p (successes - their mean). Sums a row, as in `ask`.
                slope = p * (successes - (p * successes).sum(axis=1, keepdims=True))
                along = (cotangent.probabilities[:, column] * slope).sum(axis=1)
                gradient += along[:, None] * self._direction(form.item, prompts.shape[1])
            if cotangent.divergence is not None:
                steep = cotangent.divergence[:, None] * self._harm * 2
                gradient += steep * flat / flat.shape[1]
            return gradient.reshape(prompts.shape)

        return answers, backward

    def mean_states(self, forms: Sequence[Form]) -> Float[np.ndarray, "layer hidden"]:
        """See `SteerableModel.mean_states`; one layer, which adds up the words."""
        return np.mean([self.embed_text(form.text).sum(axis=0) for form in forms], axis=0)[None]

    def continue_text(
        self, text: str, prompt: SoftPrompt | None = None, *, max_tokens: int = 40
    ) -> str:
        """See `AnswerModel.continue_text`; a fixed phrase."""
        return "(the fake model writes nothing)"

    def generate_answers(
        self,
        forms: Sequence[Form],
        prompt: SoftPrompt | None = None,
        *,
        max_tokens: int = 12,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """See `GeneratingModel.generate_answers`; the label of an option, the likeliest or a drawn one."""
        if prompt is None:
            answers = self.ask(None, Query(forms))
        else:
            answers = self.ask(prompt.embeddings[None], Query(forms, placement=prompt.placement))
        rng = None if seed is None else np.random.default_rng(seed)
        texts: list[str] = []
        for form, p in zip(forms, answers.probabilities[0], strict=True):
            option = int(p.argmax()) if rng is None else int(rng.choice(len(p), p=p))
            texts.append(form.labels[form.options.index(option)])
        return tuple(texts)

    def read_texts(
        self,
        texts: Sequence[Passage],
        prompt: Prompt | None = None,
        *,
        placement: Placement = "front",
    ) -> tuple[TextReading, ...]:
        """See `ProseModel.read_texts`; every letter behind the first diverges as the whole text does."""
        guard = self.ask(None if prompt is None else prompt[None], Query(texts=("text",)))
        divergence = 0.0 if guard.divergence is None else float(guard.divergence[0])
        surprise = float(np.log(17.0)) + divergence
        read = [text if isinstance(text, str) else text.answer for text in texts]
        counts = [max(0, min(len(text), LONGEST_READ) - 1) for text in read]
        return tuple(TextReading(np.full(n, divergence), np.full(n, surprise)) for n in counts)

    def reply(
        self,
        questions: Sequence[str],
        prompt: SoftPrompt | None = None,
        *,
        max_tokens: int = 60,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """See `ProseModel.reply`; the same phrase to every question."""
        return (self.continue_text("", prompt),) * len(questions)

    def _stream(self, *key: str) -> np.random.Generator:
        digest = hashlib.sha256("\0".join((str(self._seed), *key)).encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little"))

    def _bias(self, item: str) -> float:
        return self._item_effect * float(self._stream("bias", item).normal())

    def _nudge(self, form: Form) -> float:
        shown = (form.text,) if form.word_set is None else (form.text, *form.labels)
        nudge = self._form_effect * self._stream("form", *shown).normal()
        levels = {
            "wording": (form.language, str(form.wording)),
            "frame": (form.language, form.frame),
            "order": tuple(map(str, form.options)),
            "labels": form.answer_kind,
        }
        for facet, effect in self._nudges.items():
            if facet != "order" or form.word_set is None:
                nudge += effect * self._stream(facet, form.item, *levels[facet]).normal()
        return nudge

    def _direction(self, item: str, tokens: int) -> Float[np.ndarray, " entry"]:
        vector = self._stream("direction", item).normal(size=tokens * self.hidden_size)
        return vector / np.linalg.norm(vector)


def _binomial(
    logit: Float[np.ndarray, " candidate"], options: int
) -> Float[np.ndarray, "candidate option"]:
    rate = 1 / (1 + np.exp(-np.clip(logit, -60, 60)))[:, None]
    successes = np.arange(options)
    ways = np.cumprod(np.r_[1.0, (options - successes[1:]) / successes[1:]])
    return ways * rate**successes * (1 - rate) ** (options - 1 - successes)
