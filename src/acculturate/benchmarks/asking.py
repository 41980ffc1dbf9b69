"""How a benchmark is put to a model, in one option order or several, and what comes back.

In: a benchmark and a model. Out: the share of each option, in the file's order, a row for each question, or
for each judgement where every option is judged by itself. What is right is not known here.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from acculturate.benchmarks.questions import Benchmark, OpinionSet, QuestionSet
from acculturate.metrics.written_answers import MAX_TOKENS, parse_answer
from acculturate.model.answers import AnswerModel, GeneratingModel, Query
from acculturate.model.prefix_tree import shared_length
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.survey.forms import Form

How = Literal["probability", "text"]
"""Whether an answer is the probability of each option's label, or read from what the model writes."""

TRUTHS = ("True", "False")
"""What a judgement is answered with; option 0 says that the proposed answer is right."""

Shares = Float[np.ndarray, "row option"]
Count = Callable[[int, int], None]
"""Called with how many forms are answered and how many there are."""

_BYTES = 16_000
"""Of the text that runs together, shared beginnings once: about 4,000 tokens of English. More would hold more
memory and share no more beginnings, since questions differ from their first words on."""
_WRITTEN = 512
"""Forms that are written together; only those of one length share a pass."""


@dataclass(frozen=True)
class Method:
    """One way of making the model answer.

    Attributes:
        key: "naive", "persona", "in-context" or "tuned".
        line: Text in front of every form, or None.
        prompt: The soft prompt, or None.
    """

    key: str
    line: str | None = None
    prompt: SoftPrompt | None = None


def rounds(benchmark: Benchmark, orders: int, seed: int) -> tuple[tuple[Form, ...], ...]:
    """The forms of a benchmark, once for each option order.

    Args:
        benchmark: What is asked.
        orders: How many random orders; 0 keeps that of the file.
        seed: Draws the orders.
    """
    if orders == 0:
        return (tuple(_forms(benchmark, None)),)
    spawned = np.random.SeedSequence(seed).spawn(orders)
    return tuple(tuple(_forms(benchmark, np.random.default_rng(one))) for one in spawned)


def with_method(forms: Sequence[Form], method: Method) -> tuple[Form, ...]:
    """The forms as a method puts them: with its line in front, if it has one."""
    if method.line is None:
        return tuple(forms)
    return tuple(replace(form, text=f"{method.line}\n{form.text}") for form in forms)


def ask(
    model: AnswerModel,
    asked: Sequence[Sequence[Form]],
    prompt: SoftPrompt | None,
    how: How,
    count: Count = lambda _done, _all: None,
) -> Shares:
    """Asks all rounds and averages them.

    Args:
        model: Who answers; a `GeneratingModel` where `how` is "text".
        asked: The same rows in every round.
        prompt: The soft prompt, or None for the untouched model.
        how: How an answer is read.
        count: Progress.

    Returns:
        Share of each option in the file's own order, averaged over the rounds; options that a row does
        not have hold 0. By text, a row whose answers cannot be read holds 0 everywhere; a broken model's
        probabilities are NaN.
    """
    widest = max(len(form.options) for form in asked[0])
    total = np.zeros((len(asked[0]), widest))
    whole, done = sum(len(forms) for forms in asked), 0
    for forms in asked:
        start = 0
        for chunk in _chunks(forms, how):
            read = _probabilities if how == "probability" else _written
            shares = read(model, chunk, prompt)
            total[start : start + len(chunk), : shares.shape[1]] += shares
            start += len(chunk)
            done += len(chunk)
            count(done, whole)
    return total / len(asked)


def _probabilities(model: AnswerModel, forms: Sequence[Form], prompt: SoftPrompt | None) -> Shares:
    if prompt is None:
        return model.ask(None, Query(forms)).probabilities[0]
    return model.ask(
        prompt.embeddings[None], Query(forms, placement=prompt.placement)
    ).probabilities[0]


def _written(model: AnswerModel, forms: Sequence[Form], prompt: SoftPrompt | None) -> Shares:
    if not isinstance(model, GeneratingModel):
        raise TypeError(f"{model.name} writes no text")
    texts = (
        model.generate_answers(forms, max_tokens=MAX_TOKENS)
        if prompt is None
        else model.generate_answers(
            forms, prompt.embeddings, placement=prompt.placement, max_tokens=MAX_TOKENS
        )
    )
    shares = np.zeros((len(forms), max(len(form.options) for form in forms)))
    for row, (text, form) in enumerate(zip(texts, forms, strict=True)):
        option = parse_answer(text, form).option
        if option is not None:
            shares[row, option] = 1.0
    return shares


def _chunks(forms: Sequence[Form], how: How) -> Iterator[Sequence[Form]]:
    """Neighbouring forms, so that what they begin alike with runs once."""
    start, length, before = 0, 0, b""
    for index, form in enumerate(forms):
        text = form.text.encode()
        own = len(text) - shared_length(before, text)
        full = length + own > _BYTES if how == "probability" else index - start >= _WRITTEN
        if full and index > start:
            yield forms[start:index]
            start, length, own = index, 0, len(text)
        length, before = length + own, text
    yield forms[start:]


def _forms(benchmark: Benchmark, rng: np.random.Generator | None) -> Iterator[Form]:
    if isinstance(benchmark, OpinionSet):
        for question in benchmark.questions:
            yield _choice(question.id, question.text, question.options, _OPINION, rng)
    elif benchmark.kind == "choice":
        for question in benchmark.questions:
            yield _choice(question.id, question.text, question.options, _KNOWLEDGE, rng)
    else:
        yield from _judgements(benchmark, rng)


_KNOWLEDGE = "Answer the question with the letter of one option and with nothing else."
_OPINION = "What do you think? Answer with the letter of one option and with nothing else."
_JUDGE = "Is the proposed answer to the question right? Reply {} or {} and nothing else."


def _choice(
    id: str,
    text: str,
    options: tuple[str, ...],
    instruction: str,
    rng: np.random.Generator | None,
) -> Form:
    shown = _order(len(options), rng)
    labels = tuple(string.ascii_uppercase[: len(options)])
    lines = [f"{label}. {options[k]}" for label, k in zip(labels, shown, strict=True)]
    body = "\n".join((instruction, f"Question: {text}", *lines))
    return _form(id, body, "Answer:", labels, shown)


def _judgements(benchmark: QuestionSet, rng: np.random.Generator | None) -> Iterator[Form]:
    for question in benchmark.questions:
        for number, option in enumerate(question.options):
            shown = _order(len(TRUTHS), rng)
            labels = tuple(TRUTHS[k] for k in shown)
            body = f"{_JUDGE.format(*labels)}\nQuestion: {question.text}\nProposed answer: {option}"
            yield _form(f"{question.id}/{number}", body, "Judgement:", labels, shown)


def _form(id: str, text: str, cue: str, labels: tuple[str, ...], shown: tuple[int, ...]) -> Form:
    return Form(
        item=id,
        wording=0,
        frame="benchmark",
        language="en",
        order="forward" if shown == tuple(range(len(shown))) else "shuffled",
        split="held-out",
        text=text,
        cue=cue,
        labels=labels,
        options=shown,
    )


def _order(count: int, rng: np.random.Generator | None) -> tuple[int, ...]:
    if rng is None:
        return tuple(range(count))
    return tuple(int(k) for k in rng.permutation(count))
