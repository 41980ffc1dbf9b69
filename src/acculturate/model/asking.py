"""Asking any model, one that somebody plugged in included: its answers are checked once a call, and calibrated.

In: a model, prompts, a query. Out: its answers, which have the shapes and sums that `Answers` promises, or an
error that names the model's class and the fault. Everything above this subpackage asks through here.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, TypeVar
from weakref import ref

import numpy as np
from jaxtyping import Float

from acculturate.errors import FailureError, UsageError
from acculturate.model.answers import (
    Answering,
    AnswerModel,
    Answers,
    Backward,
    Cotangent,
    DifferentiableModel,
    Query,
    SteerableModel,
)
from acculturate.model.calibration import (
    Means,
    calibrate,
    calibrate_backward,
    mean_answers,
    means_of,
)
from acculturate.model.soft_prompt import Prompts
from acculturate.progress import current_task, task
from acculturate.survey.forms import Form

T = TypeVar("T")

FACTS = ("name", "revision", "weights_hash", "dtype", "device", "licence")
"""Keys of a model's provenance."""

_TOLERANCE = 1e-3
"""Of a sum of probabilities, which may be float32."""


def ask(model: Answering, prompts: Prompts | None, query: Query) -> Answers:
    """Ask a model; see `AnswerModel.ask`. Answers in words are calibrated, unless the query says otherwise.

    Raises:
        UsageError: It is to be steered and cannot be.
        FailureError: Its answers are not what was asked for.
    """
    if query.steering is not None:
        steerable(model)
    plain = _plain(query)
    with _counted(query.size * (1 if prompts is None else len(prompts))):
        answers = _checked(model, "ask", model.ask(prompts, plain), prompts, plain)
    if not _calibrates(query):
        return answers
    is_untouched = prompts is None and query.steering is None
    if is_untouched and not query.pool and query.forms == _calibrating_forms(query):
        keep_untouched(model, answers, of_pool=False)
    means = means_of(_means(model, query), query.forms, answers.probabilities.shape[2])
    return replace(answers, probabilities=calibrate(answers.probabilities, means))


def steerable(model: Answering) -> SteerableModel:
    """Return a model, which can be steered.

    Raises:
        UsageError: It cannot.
    """
    if not isinstance(model, SteerableModel):
        raise UsageError(f"{model.name} has no states that can be steered")
    return model


def ask_with_gradient(
    model: DifferentiableModel, prompts: Prompts, query: Query
) -> tuple[Answers, Backward]:
    """Ask a model; see `DifferentiableModel.ask_with_gradient`. Calibrated as in `ask`.

    Raises:
        FailureError: Its answers, or later its gradient, are not what was asked for.
    """
    method, plain = "ask_with_gradient", _plain(query)
    with _counted(query.size * len(prompts)):
        answers, backward = model.ask_with_gradient(prompts, plain)
    raw = _checked(model, method, answers, prompts, plain)

    def checked(cotangent: Cotangent) -> np.ndarray:
        gradient = backward(cotangent)
        if (shape := np.shape(gradient)) != prompts.shape:
            raise _fault(model, method, f"a gradient of shape {shape}, not {prompts.shape}")
        return gradient

    if not _calibrates(query):
        return raw, checked
    probabilities = raw.probabilities
    means = means_of(_means(model, query), query.forms, probabilities.shape[2])

    def calibrated(cotangent: Cotangent) -> np.ndarray:
        gradient = calibrate_backward(probabilities, means, cotangent.probabilities)
        return checked(replace(cotangent, probabilities=gradient))

    return replace(raw, probabilities=calibrate(probabilities, means)), calibrated


def ask_untouched(
    model: Answering, forms: Sequence[Form], pool: Sequence[Form]
) -> Float[np.ndarray, "form option"]:
    """Return the untouched model's answers to some forms of a pool, calibrated.

    Whole questionnaires of the pool are asked, each once, and kept: the same forms always get the same bits,
    whatever was asked before.
    """
    found = np.zeros((len(forms), max(len(form.options) for form in pool)))
    parts = _questionnaires(pool, forms)
    for part, (raw, means) in zip(parts, _untouched(model, parts, of_pool=True), strict=True):
        rows = {form: row for row, form in enumerate(part)}
        asked = [place for place, form in enumerate(forms) if form in rows]
        own = [forms[place] for place in asked]
        probabilities = raw[[rows[form] for form in own]]
        calibrated = calibrate(probabilities[None], means_of(means, own, raw.shape[1]))[0]
        found[asked, : raw.shape[1]] = calibrated
    return found


def _calibrates(query: Query) -> bool:
    return query.calibrated and any(form.word_set is not None for form in query.forms)


def _plain(query: Query) -> Query:
    """Return the query that a model is asked: a model that asks another one asks it plainly, too."""
    if _calibrates(query) or query.pool:
        return replace(query, calibrated=False, pool=())
    return query


def _calibrating_forms(query: Query) -> tuple[Form, ...]:
    """Return the forms whose untouched answers calibrate."""
    own = (form.plain for form in query.forms if form.word_set is not None)
    return tuple(query.pool) or tuple(dict.fromkeys(own))


def _means(model: Answering, query: Query) -> Means:
    forms = _calibrating_forms(query)
    parts = _questionnaires(forms, query.forms) if query.pool else [forms]
    means: Means = {}
    for _, own in _untouched(model, parts, of_pool=bool(query.pool)):
        means |= own
    return means


def _questionnaires(pool: Sequence[Form], asked: Sequence[Form]) -> list[tuple[Form, ...]]:
    """Return the forms of a pool that are of the same questionnaires as others, in parts to ask at once.

    Questionnaires that differ in their option words alone share the questions, and are one part.
    """
    parts: dict[object, list[Form]] = {
        (form.language, form.label_kind, form.frame, form.order): [] for form in asked
    }
    for form in pool:
        key = form.language, form.label_kind, form.frame, form.order
        if key in parts:
            parts[key].append(form)
    return [tuple(part) for part in parts.values()]


_Kept = dict[tuple[tuple[Form, ...], bool], tuple[np.ndarray, Means]]
_KEPT: dict[int, tuple[ref[Answering], _Kept]] = {}
"""Untouched answers of each model that is alive, and their means, to the forms that were asked of it last:
those of pools, and those of queries without one."""
_MOST_KEPT = 128


def _untouched(
    model: Answering, parts: Sequence[tuple[Form, ...]], *, of_pool: bool
) -> list[tuple[Float[np.ndarray, "form option"], Means]]:
    """Return the untouched model's own answers to each part and their means, asked once."""
    kept = [_kept(model).get((part, of_pool)) for part in parts]
    size = sum(len(part) for part, own in zip(parts, kept, strict=True) if own is None)
    with task("asking the untouched model", size) if size else nullcontext():
        return [
            own or _ask_part(model, part, of_pool) for part, own in zip(parts, kept, strict=True)
        ]


def _ask_part(
    model: Answering, forms: tuple[Form, ...], of_pool: bool
) -> tuple[Float[np.ndarray, "form option"], Means]:
    query = Query(forms, calibrated=False)
    with _counted(len(forms)):
        answers = _checked(model, "ask", model.ask(None, query), None, query)
    return keep_untouched(model, answers, of_pool=of_pool)


def keep_untouched(
    model: Answering, answers: Answers, *, of_pool: bool
) -> tuple[Float[np.ndarray, "form option"], Means]:
    """Keep and return answers of the untouched model, not calibrated, for whatever asks the same forms.

    Args:
        model: The model.
        answers: Its answers.
        of_pool: Whether they are kept for questionnaires of a pool, which get the same bits whatever was asked
            before: with valid mass or texts beside them, the last bits of answers differ.
    """
    kept, key = _kept(model), (tuple(answers.forms), of_pool)
    if key not in kept:
        if len(kept) >= _MOST_KEPT:
            kept.pop(next(iter(kept)))
        own = answers.probabilities[0]
        kept[key] = own, mean_answers(own, answers.forms)
    return kept[key]


def _kept(model: Answering) -> _Kept:
    key = id(model)
    if key not in _KEPT or _KEPT[key][0]() is not model:
        _KEPT[key] = ref(model, lambda _: _KEPT.pop(key, None)), {}
    return _KEPT[key][1]


@contextmanager
def _counted(size: int) -> Generator[None]:
    """Count forms and texts as done by the current task, also where the model itself counts none."""
    current = current_task()
    before = current.done if current else 0.0
    yield
    if current is not None and current.total is not None and current.done < before + size:
        current.reach(min(current.total, before + size))


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
