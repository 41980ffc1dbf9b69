"""Gradients of the answers in the soft prompt: equal to differences, and they leave the model as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from acculturate.errors import FailureError, UsageError
from acculturate.metrics import TUNING_TEXTS
from acculturate.model import (
    Answers,
    Cotangent,
    DifferentiableModel,
    FakeModel,
    LanguageModel,
    Placement,
    Query,
    vocabulary,
)
from acculturate.survey import Form
from tiny_models import CHAT_TEMPLATE, shared_model, tiny_model, tiny_network, tiny_tokenizer

TEXTS = TUNING_TEXTS[:2]
TOKENS, HIDDEN = 3, 32
PARTS = ["probabilities", "valid_mass", "divergence", "all"]
CASES: list[tuple[str, Placement, bool]] = [
    ("llama", "front", False),
    ("llama", "before-answer", False),
    ("llama", "front", True),
    ("gemma3", "front", False),
    ("gemma3", "after-bos", False),
    ("gemma2", "front", False),
    ("gemma2", "before-answer", False),
    ("cohere2", "front", False),
    ("gpt2", "front", False),
]
cases = pytest.mark.parametrize(("name", "placement", "chat"), CASES)


@pytest.fixture(autouse=True)
def several_parts_of_the_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums over the vocabulary are computed again on the way back, part by part."""
    monkeypatch.setattr(vocabulary, "_SMALLEST_PART", 150)


@pytest.fixture
def forms(toy_forms: tuple[Form, ...], toy_words: tuple[Form, ...]) -> tuple[Form, ...]:
    """Answers by digits, and in words."""
    return toy_forms + toy_words


def double_model(name: str, chat: bool = False) -> LanguageModel:
    """Double precision, so that differences are of the formula and not of its rounding."""
    tokenizer = tiny_tokenizer(chat_template=CHAT_TEMPLATE if chat else None)
    return LanguageModel(name, None, tiny_network(name).double(), tokenizer)


def start(model: DifferentiableModel, seed: int = 1) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(TOKENS, model.hidden_size))
    return (drawn * model.embedding_scale()).astype(np.float32)


def ask(
    model: DifferentiableModel,
    prompts: np.ndarray,
    forms: Sequence[Form],
    placement: Placement = "front",
) -> Answers:
    return model.ask(prompts, Query(forms, texts=TEXTS, placement=placement, valid_mass=True))


def cotangent(answers: Answers, part: str) -> Cotangent:
    """A random one of a part of the answers, or of all."""
    rng = np.random.default_rng(2)
    drawn = Cotangent(
        rng.normal(size=answers.probabilities.shape),
        rng.normal(size=(len(answers.probabilities), len(answers.forms))),
        rng.normal(size=len(answers.probabilities)),
    )
    if part == "all":
        return drawn
    nothing = Cotangent(np.zeros_like(drawn.probabilities))
    return replace(nothing, **{part: getattr(drawn, part)})


def along(given: Cotangent, answers: Answers) -> np.ndarray:
    """What the cotangent makes of each candidate's answers."""
    total = (answers.probabilities * given.probabilities).sum(axis=(1, 2))
    if given.valid_mass is not None and answers.valid_mass is not None:
        total = total + (answers.valid_mass * given.valid_mass).sum(axis=1)
    if given.divergence is not None and answers.divergence is not None:
        total = total + answers.divergence * given.divergence
    return total


def check(
    model: DifferentiableModel,
    forms: Sequence[Form],
    placement: Placement,
    part: str,
    *,
    step: float,
    tolerance: float,
) -> None:
    """Compares the gradient with central differences in random directions."""
    prompt = start(model)
    answers, backward = model.ask_with_gradient(
        prompt[None], Query(forms, texts=TEXTS, placement=placement, valid_mass=True)
    )
    given = cotangent(answers, part)
    (gradient,) = backward(given)
    assert gradient.shape == prompt.shape
    length = np.linalg.norm(gradient)
    assert length > 0
    directions = np.random.default_rng(3).normal(size=(8, *prompt.shape))
    directions /= np.linalg.norm(directions, axis=(1, 2), keepdims=True)
    # One direction is the gradient's own, where all of it shows.
    directions[0] = gradient / length
    moved = directions * (step * np.linalg.norm(prompt))
    ahead, behind = ((prompt + sign * moved).astype(np.float32) for sign in (1, -1))
    found = along(given, ask(model, ahead, forms, placement)) - along(
        given, ask(model, behind, forms, placement)
    )
    went = ahead.astype(np.float64) - behind  # rounding of the prompts included
    expected = (went * gradient).sum(axis=(1, 2))
    largest = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * largest)


@cases
@pytest.mark.parametrize("part", PARTS)
def test_it_equals_differences_of_a_network_in_double_precision(
    name: str, placement: Placement, chat: bool, part: str, forms: tuple[Form, ...]
) -> None:
    model = double_model(name, chat)
    check(model, forms, placement, part, step=1e-3, tolerance=1e-3)


@cases
def test_it_equals_differences_of_a_network_in_single_precision(
    name: str, placement: Placement, chat: bool, forms: tuple[Form, ...]
) -> None:
    model = shared_model(name)
    check(model, forms, placement, "all", step=3e-3, tolerance=1e-2)


@pytest.mark.parametrize("part", ["probabilities", "divergence"])
def test_it_equals_differences_of_the_fake_model(part: str, toy_forms: tuple[Form, ...]) -> None:
    check(FakeModel(HIDDEN), toy_forms, "front", part, step=1e-3, tolerance=1e-4)


def test_the_fake_models_valid_mass_is_constant(
    fake: FakeModel, toy_forms: tuple[Form, ...]
) -> None:
    answers, backward = fake.ask_with_gradient(start(fake)[None], Query(toy_forms, valid_mass=True))
    assert not backward(cotangent(answers, "valid_mass")).any()


@pytest.mark.parametrize(("name", "placement"), [case[:2] for case in CASES] + [("fake", "front")])
def test_its_answers_are_those_of_ask(
    name: str, placement: Placement, forms: tuple[Form, ...]
) -> None:
    model = FakeModel(HIDDEN) if name == "fake" else shared_model(name)
    prompt = start(model)
    answers, _ = model.ask_with_gradient(
        prompt[None], Query(forms, texts=TEXTS, placement=placement, valid_mass=True)
    )
    plain = ask(model, prompt[None], forms, placement)
    assert answers.forms == plain.forms
    assert answers.tokens == plain.tokens
    for part in ("probabilities", "valid_mass", "divergence", "perplexity"):
        ours, theirs = getattr(answers, part), getattr(plain, part)
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["llama", "fake"])
def test_what_was_not_asked_for_is_not_there(name: str, toy_forms: tuple[Form, ...]) -> None:
    model = FakeModel(HIDDEN) if name == "fake" else shared_model(name)
    answers, backward = model.ask_with_gradient(start(model)[None], Query(toy_forms))
    assert answers.valid_mass is answers.divergence is answers.perplexity is None
    gradient = backward(Cotangent(np.ones_like(answers.probabilities)))
    # Probabilities of a form sum to 1, wherever the prompt is.
    assert np.abs(gradient).max() < 1e-5


@pytest.mark.parametrize("placement", ["front", "before-answer"])
def test_the_model_stays_as_it_is(placement: Placement, toy_forms: tuple[Form, ...]) -> None:
    model = tiny_model("gemma3")
    prompt = start(model)
    before = model.provenance()["weights_hash"]
    plain = ask(model, prompt[None], toy_forms, placement)
    answers, backward = model.ask_with_gradient(
        prompt[None], Query(toy_forms, texts=TEXTS, placement=placement, valid_mass=True)
    )
    backward(cotangent(answers, "all"))
    for parameter in model.network.parameters():
        assert parameter.grad is None
        assert not parameter.requires_grad
    assert tiny_model("gemma3").provenance()["weights_hash"] == before
    fresh = LanguageModel("gemma3", None, model.network, model.tokenizer)
    assert fresh.provenance()["weights_hash"] == before
    # And what was asked before is answered as before.
    again = ask(model, prompt[None], toy_forms, placement)
    assert again.probabilities.tobytes() == plain.probabilities.tobytes()


@pytest.mark.parametrize("placement", ["front", "before-answer"])
@pytest.mark.parametrize("name", ["llama", "gemma2", "fake"])
def test_the_same_prompt_gives_the_same_bits(
    name: str, placement: Placement, toy_forms: tuple[Form, ...]
) -> None:
    model = FakeModel(HIDDEN) if name == "fake" else tiny_model(name)
    prompt, seen = start(model), []
    for other in (None, start(model, 9), None):
        if other is not None:  # another prompt in between leaves nothing behind
            ask(model, other[None], toy_forms, placement)
            continue
        answers, backward = model.ask_with_gradient(
            prompt[None], Query(toy_forms, texts=TEXTS, placement=placement, valid_mass=True)
        )
        seen.append((answers.probabilities.tobytes(), backward(cotangent(answers, "all"))))
    assert seen[0][0] == seen[1][0]
    assert seen[0][1].tobytes() == seen[1][1].tobytes()


@pytest.mark.parametrize("name", ["llama", "gemma3", "fake"])
def test_several_candidates_have_the_gradients_that_each_has_alone(
    name: str, toy_forms: tuple[Form, ...]
) -> None:
    model = FakeModel(HIDDEN) if name == "fake" else shared_model(name)
    together, each = gradients(model, toy_forms)
    np.testing.assert_allclose(together, each, rtol=1e-4, atol=1e-5 * np.abs(each).max())


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_gradient_that_does_not_fit_is_said(
    where: str, toy_forms: tuple[Form, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("llama")
    answers, backward = model.ask_with_gradient(start(model)[None], Query(toy_forms, texts=TEXTS))

    def too_large(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError

    with pytest.raises(FailureError, match="does not fit"):
        if where == "forward":
            monkeypatch.setattr(model.network.get_decoder(), "forward", too_large)
            model.ask_with_gradient(start(model)[None], Query(toy_forms, texts=TEXTS))
        else:
            monkeypatch.setattr(torch.autograd, "grad", too_large)
            backward(cotangent(answers, "probabilities"))


def gradients(model: DifferentiableModel, forms: tuple[Form, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Those of three candidates asked together, and of each asked alone."""
    prompts = np.stack([start(model, seed) for seed in range(3)])
    answers, backward = model.ask_with_gradient(prompts, Query(forms, texts=TEXTS, valid_mass=True))
    given = cotangent(answers, "all")
    each: list[np.ndarray] = []
    for at in range(3):
        prompt = prompts[at : at + 1]
        _, back = model.ask_with_gradient(prompt, Query(forms, texts=TEXTS, valid_mass=True))
        each.append(
            back(Cotangent(**{name: part[at : at + 1] for name, part in vars(given).items()}))
        )
    return backward(given), np.concatenate(each)


def test_a_prompt_that_does_not_fit_is_refused(toy_forms: tuple[Form, ...]) -> None:
    narrow = np.zeros((2, 5), np.float32)
    for model in (shared_model("llama"), FakeModel(HIDDEN)):
        with pytest.raises(UsageError, match="5 wide"):
            model.ask_with_gradient(narrow[None], Query(toy_forms))


def test_behind_no_token_is_in_front(toy_forms: tuple[Form, ...]) -> None:
    without = LanguageModel("llama", None, tiny_network("llama"), tiny_tokenizer(bos=False))
    behind, front = (
        without.ask(start(without)[None], Query(toy_forms, placement=placement)).probabilities
        for placement in ("after-bos", "front")
    )
    np.testing.assert_array_equal(behind, front)


def test_both_models_say_that_they_can() -> None:
    assert isinstance(shared_model("llama"), DifferentiableModel)
    assert isinstance(FakeModel(), DifferentiableModel)
