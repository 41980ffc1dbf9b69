"""A soft prompt knows the model that it was made for: another is refused, the same in any precision is not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from acculturate.errors import UsageError
from acculturate.evaluation.evaluate import evaluate
from acculturate.export import export_prompt
from acculturate.metrics.measure import measure
from acculturate.model import (
    FakeModel,
    IdentifiedModel,
    LanguageModel,
    SoftPrompt,
    check_prompt,
    identify,
)
from acculturate.runs import Run
from acculturate.search import RandomSearch
from acculturate.survey import Form, Instrument, load_countries
from acculturate.tuning import tune
from tiny_models import tiny_model, tiny_network, tiny_tokenizer

TARGET = load_countries()["India"]
PRECISIONS = (torch.float32, torch.bfloat16, torch.float16)


def in_precision(network: Any, dtype: torch.dtype) -> str:
    return identify(LanguageModel("tiny", None, network.to(dtype), tiny_tokenizer()))


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
def test_a_model_is_the_same_in_every_precision(name: str, stored: torch.dtype) -> None:
    """Stored in half precision, with weights too small and too large for one of the two halves."""
    hashes: set[str] = set()
    for dtype in PRECISIONS:
        network = tiny_network(name).to(stored)
        with torch.no_grad():
            extremes = torch.tensor([3e-8, 1.3e-6, 2e-5, 1e-7, 60000.0, -3.3e-7, 0.0, -0.0])
            network.get_input_embeddings().weight[0, :8] = extremes.to(stored)
        hashes.add(in_precision(network, dtype))
    assert len(hashes) == 1


def test_a_model_stored_in_float32_is_the_same_in_bfloat16() -> None:
    assert in_precision(tiny_network("llama"), torch.bfloat16) == in_precision(
        tiny_network("llama"), torch.float32
    )


def test_models_are_told_apart() -> None:
    networks = [tiny_network(name) for name in ("llama", "gemma3", "phi", "gpt2", "qwen3")]
    one_weight, other_name = tiny_network("llama"), tiny_network("llama")
    with torch.no_grad():
        one_weight.lm_head.weight[7, 3] *= 1.02
    other_name.model.layers[0].register_module("further", torch.nn.Linear(2, 2))
    hashes = [in_precision(n, torch.bfloat16) for n in (*networks, one_weight, other_name)]
    assert len(set(hashes)) == len(hashes)
    assert identify(FakeModel()) == identify(FakeModel()) != identify(FakeModel(seed=1))


def prompt_of(model: Any, **changes: Any) -> SoftPrompt:
    embeddings = np.ones((2, model.hidden_size), np.float32)
    return replace(SoftPrompt(embeddings, "front", model.name, identify(model)), **changes)


def test_the_hash_is_in_the_file_and_can_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "prompt.safetensors"
    prompt = prompt_of(FakeModel())
    prompt.save(file)
    loaded, anyones = SoftPrompt.load(file), SoftPrompt.load(file, any_model=True)
    assert (loaded.model, loaded.model_hash) == ("fake", identify(FakeModel()))
    assert (anyones.model, anyones.model_hash) == ("", "")
    check_prompt(loaded, FakeModel())
    check_prompt(anyones, FakeModel(seed=1))
    with pytest.raises(UsageError, match="made for fake, and fake has other weights") as caught:
        check_prompt(loaded, FakeModel(seed=1))
    assert "--any-model" in str(caught.value.hint)


def test_a_prompt_without_a_hash_is_known_by_the_models_name(tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    about = {"placement": "front", "model": "gpt-x"}
    save_file({"prompt_embeddings": np.ones((2, 16), np.float32)}, file, metadata=about)
    with pytest.raises(UsageError, match="was made for gpt-x, and its file does not say whether"):
        check_prompt(SoftPrompt.load(file), FakeModel())
    check_prompt(replace(SoftPrompt.load(file), model="fake"), FakeModel())
    check_prompt(SoftPrompt.load(file, any_model=True), FakeModel())


@pytest.mark.wrong_types
def test_a_plugged_in_model_without_a_hash_is_known_by_its_name() -> None:
    prompt = prompt_of(FakeModel())
    plugged: Any = type("Bare", (), {"name": "bare", "hidden_size": 16})()
    assert not isinstance(plugged, IdentifiedModel) and identify(plugged) == ""
    check_prompt(replace(prompt, model="bare"), plugged)
    with pytest.raises(UsageError, match="made for fake"):
        check_prompt(prompt, plugged)


@pytest.fixture
def run(tmp_path: Path, vsm13: Instrument) -> Run:
    return tune(
        FakeModel(), vsm13, TARGET, out=tmp_path / "run", optimizer=RandomSearch(4), budget=8
    )


def test_a_run_writes_its_models_hash(run: Run) -> None:
    assert run.soft_prompt.model_hash == identify(FakeModel())


def test_every_verb_refuses_another_model_and_takes_it_where_it_is_insisted(
    run: Run, vsm13: Instrument, tmp_path: Path
) -> None:
    other, anyones = FakeModel(seed=1), Run.load(run.directory, any_model=True)
    start = {"init": "run", "init_run": str(run.directory), "budget": 8}
    searched = {"optimizer": RandomSearch(4), **start}
    for ask in (
        lambda: measure(other, vsm13, soft_prompt=run.soft_prompt),
        lambda: evaluate(run, other),
        lambda: tune(other, vsm13, TARGET, out=tmp_path / "refused", **searched),
    ):
        with pytest.raises(UsageError, match="was made for fake, and fake has other weights"):
            ask()
    assert measure(other, vsm13, soft_prompt=anyones.soft_prompt).scores
    assert evaluate(anyones, other, generated=False).computed
    started = tune(other, vsm13, TARGET, out=tmp_path / "insisted", any_model=True, **searched)
    assert started.soft_prompt.model_hash == identify(other)


def test_an_export_refuses_another_model(tmp_path: Path, toy_forms: tuple[Form, ...]) -> None:
    prompt, other = prompt_of(tiny_model("llama")), tiny_model("qwen3")
    with pytest.raises(UsageError, match="made for llama, and qwen3 has other weights"):
        export_prompt(prompt, other, tmp_path / "adapter", forms=toy_forms)
