"""Devices and precisions: what is chosen, and that nothing needs float64, which Apple's GPUs lack."""

from typing import Any

import numpy as np
import pytest
import torch

from acculturate.errors import UsageError
from acculturate.model import Cotangent, Placement, Query, SoftPrompt
from acculturate.model.pretrained import resolve_device, resolve_dtype
from acculturate.survey import Form
from no_float64 import NoFloat64
from tiny_models import tiny_model

TEXTS = ("How often do you plan your day?",)


def test_float64_is_refused() -> None:
    with pytest.raises(TypeError, match="float64"), NoFloat64():
        torch.ones(2).double()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("placement", ["front", "after-bos", "before-answer"])
def test_no_model_needs_float64(
    toy_forms: tuple[Form, ...], placement: Placement, dtype: Any
) -> None:
    prompts = np.random.default_rng(0).normal(size=(2, 3, 32)).astype(np.float32)
    soft = SoftPrompt(prompts[0], placement, "gemma3")
    query = Query(toy_forms[:2], texts=TEXTS, placement=placement, valid_mass=True)
    model = tiny_model("gemma3")
    model.network.to(dtype)
    with NoFloat64():
        untouched = model.ask(None, query)
        answers, backward = model.ask_with_gradient(prompts, query)
        gradient = backward(Cotangent(np.ones_like(answers.probabilities)))
        readings = model.read_texts(TEXTS, prompts[0], placement=placement)
        model.generate_answers(toy_forms[:1], soft, max_tokens=2, seed=0)
        model.embed_random_tokens(2, np.random.default_rng(0))
        model.embedding_scale()
    for array in (untouched.probabilities, answers.probabilities, gradient, readings[0].surprise):
        assert array.dtype == np.float64 and np.isfinite(array).all()


def pretend(monkeypatch: pytest.MonkeyPatch, works: bool, *there: str) -> None:
    """Make torch see GPUs, which work or not."""
    ones = torch.ones

    def made(*shape: int, device: torch.device) -> torch.Tensor:
        if device.type != "cpu" and not works:
            raise RuntimeError("the driver is too old\nfor this")
        return ones(*shape)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)
    monkeypatch.setattr(torch, "ones", made)


@pytest.mark.parametrize(
    ("there", "chosen"),
    [((), "cpu"), (("mps",), "mps"), (("cuda",), "cuda"), (("cuda", "mps"), "cuda")],
)
def test_auto_takes_a_gpu_that_works(
    monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], chosen: str
) -> None:
    pretend(monkeypatch, True, *there)
    assert resolve_device("auto").type == chosen
    pretend(monkeypatch, False, *there)
    assert resolve_device("auto").type == "cpu"


def test_a_device_that_does_not_work_is_said_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(monkeypatch, False, "mps")
    with pytest.raises(UsageError, match=r"'mps' is not available here: the driver is too old\n"):
        resolve_device("mps")


def test_apples_gpu_computes_in_float32_by_itself() -> None:
    mps = torch.device("mps")
    assert resolve_dtype("auto", mps) == torch.float32
    assert resolve_dtype("bfloat16", mps) == torch.bfloat16
