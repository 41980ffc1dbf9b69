"""Benchmarks put to a model, in one option order or several, and their answers.

In: a benchmark and a model. Out: the share of each option, in the file's order, a row for each question, or
for each judgement where every option is judged by itself. What is right is not known here.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from acculturate.benchmarks.questions import Benchmark, OpinionSet, QuestionSet
from acculturate.errors import UsageError
from acculturate.metrics.treatments import ask_state
from acculturate.metrics.written_answers import MAX_TOKENS
from acculturate.model import AnswerModel, GeneratingModel, SoftPrompt, one_each
from acculturate.model.prefix_tree import shared_length
from acculturate.survey import Form, with_line
from acculturate.survey.parsing import parse_answer

ReadOut = Literal["probability", "text"]
"""An answer is the probability of each option's label, or read from the text that the model writes."""

TRUTHS = ("True", "False")
"""The answers to a judgement; option 0 says that the proposed answer is right."""

Shares = Float[np.ndarray, "row option"]
_BYTES = 16_000
"""Of the text that runs together, shared beginnings once: about 4,000 tokens of English. More would hold more
memory and share no more beginnings, since questions differ from their first words on."""
_WRITTEN = 512
"""Forms that are written together; only those of one length share a pass."""


@dataclass(frozen=True)
class Prompting:
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
    """Return the forms of a benchmark, once for each option order.

    Args:
        benchmark: The questions.
        orders: Number of random orders; 0 keeps that of the file.
        seed: Draws the orders.
    """
    if orders == 0:
        return (tuple(_forms(benchmark, None)),)
    streams = np.random.SeedSequence(seed).spawn(orders)
    return tuple(tuple(_forms(benchmark, np.random.default_rng(stream))) for stream in streams)


def with_method(forms: Sequence[Form], method: Prompting) -> tuple[Form, ...]:
    """Return the forms as a method puts them: with its line in front, if it has one."""
    return tuple(forms) if method.line is None else with_line(forms, method.line)


def ask(
    model: AnswerModel,
    asked: Sequence[Sequence[Form]],
    prompt: SoftPrompt | None,
    how: ReadOut,
) -> Shares:
    """Ask all rounds and average them.

    Args:
        model: The model to ask; a `GeneratingModel` where `how` is "text".
        asked: The same rows in every round.
        prompt: The soft prompt, or None for the untouched model.
        how: The reading of an answer.

    Returns:
        Share of each option in the file's own order, averaged over the rounds; options that a row does
        not have hold 0. By text, a row whose answers cannot be read holds 0 everywhere; a broken model's
        probabilities are NaN.

    Raises:
        UsageError: The model writes no text and was to.
    """
    widest = max(len(form.options) for form in asked[0])
    total = np.zeros((len(asked[0]), widest))
    for forms in asked:
        start = 0
        for chunk in _chunks(forms, how):
            if how == "probability":
                shares = ask_state(model, prompt, chunk).probabilities[0]
            else:
                shares = _written(model, chunk, prompt)
            total[start : start + len(chunk), : shares.shape[1]] += shares
            start += len(chunk)
    return total / len(asked)


def _written(model: AnswerModel, forms: Sequence[Form], prompt: SoftPrompt | None) -> Shares:
    if not isinstance(model, GeneratingModel):
        raise UsageError(f"{model.name} writes no text")
    texts = model.generate_answers(forms, prompt, max_tokens=MAX_TOKENS)
    one_each(model, "generate_answers", forms, texts)
    shares = np.zeros((len(forms), max(len(form.options) for form in forms)))
    for row, (text, form) in enumerate(zip(texts, forms, strict=True)):
        option = parse_answer(text, form).option
        if option is not None:
            shares[row, option] = 1.0
    return shares


def _chunks(forms: Sequence[Form], how: ReadOut) -> Iterator[Sequence[Form]]:
    """Yield neighbouring forms, so that a beginning they share runs once."""
    start, length, before = 0, 0, b""
    for index, form in enumerate(forms):
        text = form.text.encode()
        new = len(text) - shared_length(before, text)
        full = length + new > _BYTES if how == "probability" else index - start >= _WRITTEN
        if full and index > start:
            yield forms[start:index]
            start, length, new = index, 0, len(text)
        length, before = length + new, text
    yield forms[start:]


def _forms(benchmark: Benchmark, rng: np.random.Generator | None) -> Iterator[Form]:
    if isinstance(benchmark, QuestionSet) and benchmark.kind == "judged":
        yield from _judgements(benchmark, rng)
        return
    instruction = _OPINION if isinstance(benchmark, OpinionSet) else _KNOWLEDGE
    for question in benchmark.questions:
        shown = _order(len(question.options), rng)
        labels = tuple(string.ascii_uppercase[: len(shown)])
        lines = [f"{label}. {question.options[k]}" for label, k in zip(labels, shown, strict=True)]
        body = "\n".join((instruction, f"Question: {question.text}", *lines))
        yield _form(question.id, body, "Answer:", labels, shown)


_KNOWLEDGE = "Answer the question with the letter of one option and with nothing else."
_OPINION = "What do you think? Answer with the letter of one option and with nothing else."
_JUDGE = "Is the proposed answer to the question right? Reply {} or {} and nothing else."


def _judgements(benchmark: QuestionSet, rng: np.random.Generator | None) -> Iterator[Form]:
    for question in benchmark.questions:
        for number, option in enumerate(question.options):
            shown = _order(len(TRUTHS), rng)
            labels = tuple(TRUTHS[k] for k in shown)
            body = f"{_JUDGE.format(*labels)}\nQuestion: {question.text}\nProposed answer: {option}"
            yield _form(f"{question.id}/{number}", body, "Judgement:", labels, shown)


def _form(id: str, text: str, cue: str, labels: tuple[str, ...], shown: tuple[int, ...]) -> Form:
    order = "forward" if shown == tuple(range(len(shown))) else "shuffled"
    return Form(id, 0, "benchmark", "en", order, "held-out", text, cue, labels, shown)


def _order(count: int, rng: np.random.Generator | None) -> tuple[int, ...]:
    return tuple(range(count) if rng is None else map(int, rng.permutation(count)))
