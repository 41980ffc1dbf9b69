"""Asking any model, one that somebody plugged in included: its answers are checked once a call.

In: a model, prompts, a query. Out: its answers, which have the shapes and sums that `Answers` promises, or an
error that names the model's class and the fault. Everything above this subpackage asks through here.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from acculturate.errors import FailureError
from acculturate.model.answers import (
    Answering,
    AnswerModel,
    Answers,
    Backward,
    Cotangent,
    DifferentiableModel,
    Query,
)
from acculturate.model.soft_prompt import Prompts
from acculturate.progress import current_task

T = TypeVar("T")

FACTS = ("name", "revision", "weights_hash", "dtype", "device", "licence")
"""Keys of a model's provenance."""

_TOLERANCE = 1e-3
"""Of a sum of probabilities, which may be float32."""


def ask(model: Answering, prompts: Prompts | None, query: Query) -> Answers:
    """Ask a model; see `AnswerModel.ask`.

    Raises:
        FailureError: Its answers are not what was asked for.
    """
    with _counted(query.size * (1 if prompts is None else len(prompts))):
        return _checked(model, "ask", model.ask(prompts, query), prompts, query)


def ask_with_gradient(
    model: DifferentiableModel, prompts: Prompts, query: Query
) -> tuple[Answers, Backward]:
    """Ask a model; see `DifferentiableModel.ask_with_gradient`.

    Raises:
        FailureError: Its answers, or later its gradient, are not what was asked for.
    """
    method = "ask_with_gradient"
    with _counted(query.size * len(prompts)):
        answers, backward = model.ask_with_gradient(prompts, query)

    def checked(cotangent: Cotangent) -> np.ndarray:
        gradient = backward(cotangent)
        if (shape := np.shape(gradient)) != prompts.shape:
            raise _fault(model, method, f"a gradient of shape {shape}, not {prompts.shape}")
        return gradient

    return _checked(model, method, answers, prompts, query), checked


@contextmanager
def _counted(size: int) -> Generator[None]:
    """Count forms and texts as done by the current task, also where the model itself counts none."""
    task = current_task()
    before = task.done if task else 0.0
    yield
    if task is not None and task.total is not None and task.done < before + size:
        task.reach(min(task.total, before + size))


def one_each(
    model: AnswerModel, method: str, asked: Sequence[Any], given: Sequence[T]
) -> Sequence[T]:
    """Return what a model gave for each of several things, after counting it.

    Raises:
        FailureError: There are more or fewer.
    """
    if len(given) != len(asked):
        raise _fault(model, method, f"{len(given)} results for {len(asked)}")
    return given


def provenance(model: AnswerModel) -> dict[str, str]:
    """Return a model's provenance; see `AnswerModel.provenance`.

    Raises:
        FailureError: It lacks a fact, or one is no text.
    """
    facts: dict[str, Any] = model.provenance()
    for key in FACTS:
        if not isinstance(facts.get(key), str):
            raise _fault(model, "provenance", f"{key} as {facts.get(key)!r}, which is no text")
    return facts


def _checked(
    model: Answering, method: str, answers: Any, prompts: Prompts | None, query: Query
) -> Answers:
    if not isinstance(answers, Answers):
        raise _fault(model, method, f"a {type(answers).__name__}, not Answers")
    if answers.forms != query.forms:
        raise _fault(model, method, "answers to other forms than it was asked")
    count = 1 if prompts is None else len(prompts)
    columns: dict[str, tuple[int, ...]] = {}
    if query.forms:
        widest = max(len(form.options) for form in query.forms)
        columns["probabilities"] = count, len(query.forms), widest
        if query.valid_mass:
            columns["valid_mass"] = count, len(query.forms)
    if query.texts:
        columns |= {"divergence": (count,), "perplexity": (count,)}
    for name, shape in columns.items():
        values = getattr(answers, name)
        if np.shape(values) != shape or values.dtype.kind != "f":
            there = f"{getattr(values, 'dtype', type(values).__name__)} of shape {np.shape(values)}"
            raise _fault(model, method, f"{name} as {there}, not numbers of shape {shape}")
    if query.forms and (why := _no_probabilities(answers)):
        raise _fault(model, method, why)
    return answers


def _no_probabilities(answers: Answers) -> str | None:
    """Return why answers are no probabilities, or None; where all options are NaN, the candidate is broken."""
    p = answers.probabilities
    sums = p.sum(axis=2)
    if ((p < 0) | np.isinf(p)).any():
        return "probabilities below 0 or infinite"
    if (np.abs(sums - 1) > _TOLERANCE).any():
        return f"probabilities that sum to {sums[np.abs(sums - 1) > _TOLERANCE][0]:g}, not 1"
    if np.isnan(sums).any():
        counts = np.array([len(form.options) for form in answers.forms])
        own = np.arange(p.shape[2]) < counts[:, None]
        if (np.isnan(sums) & ~(np.isnan(p) | ~own).all(axis=2)).any():
            return "probabilities of which some are NaN and others are not"
    return None


def _fault(model: Answering, method: str, what: str) -> FailureError:
    return FailureError(
        f"{type(model).__name__}.{method}() gave {what}",
        "The docstrings of `acculturate.AnswerModel` and `acculturate.Answers` say what a model gives.",
    )
