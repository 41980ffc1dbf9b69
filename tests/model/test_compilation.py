"""Compiled layers answer as the others do, and a machine that cannot compile goes on without."""

import shutil

import numpy as np
import pytest
import torch

from acculturate.model import Query
from acculturate.model.encoding import FormEncoder
from acculturate.model.evaluator import PopulationEvaluator
from acculturate.model.layers import CompiledLayers
from acculturate.survey import Form
from tiny_models import tiny_model

pytestmark = pytest.mark.slow

PROMPTS = np.random.default_rng(1).normal(size=(2, 3, 32)).astype(np.float32)


def evaluator(name: str, compiled: bool) -> PopulationEvaluator:
    model = tiny_model(name)
    return PopulationEvaluator(name, model.network, FormEncoder(model.tokenizer), compiled=compiled)


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
@pytest.mark.parametrize("name", ["gemma3", "llama"])
def test_compiled_layers_change_nothing(name: str, toy_forms: tuple[Form, ...]) -> None:
    plain, compiled = (evaluator(name, choice) for choice in (False, True))
    asked = PROMPTS, Query(toy_forms, valid_mass=True)
    expected, found = plain.ask(*asked), compiled.ask(*asked)
    assert compiled._forward._compiled is not None, "the layers were not compiled"
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    again = plain.ask(*asked)
    assert again.probabilities.tobytes() == expected.probabilities.tobytes()


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
def test_a_prefix_compiles_nothing_anew(toy_forms: tuple[Form, ...]) -> None:
    plain, compiled = (evaluator("llama", choice) for choice in (False, True))
    prefixes = plain.prefix_of(PROMPTS, (0,)).astype(np.float32)
    frames: list[int] = []
    for forms in (toy_forms, toy_forms[::2], toy_forms[::3]):
        asked = prefixes, Query(forms, placement="prefix")
        found, expected = compiled.ask(*asked), plain.ask(*asked)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        frames.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert compiled._forward._compiled is not None, "the layers were not compiled"
    assert frames[1] == frames[2]


def test_where_nothing_compiles_the_layers_run_as_they_are(
    monkeypatch: pytest.MonkeyPatch, toy_forms: tuple[Form, ...]
) -> None:
    def no_compiler(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", lambda _: no_compiler)
    expected = evaluator("llama", False).ask(PROMPTS, Query(toy_forms))
    broken = evaluator("llama", True)
    with pytest.warns(UserWarning, match="no compiler here"):
        found = broken.ask(PROMPTS, Query(toy_forms))
    assert found.probabilities.tobytes() == expected.probabilities.tobytes()


def test_a_model_keeps_its_own_layers() -> None:
    network = tiny_model("llama").network
    before = [vars(module).get("forward") for module in network.modules()]
    with CompiledLayers(network).running():
        pass
    assert [vars(module).get("forward") for module in network.modules()] == before
