"""PEFT adapters given as a model: merged into their base, or a sentence about what to do."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from acculturate.errors import AcculturateError, FailureError, UsageError
from acculturate.export import export_prompt
from acculturate.model import LanguageModel, Query, SoftPrompt, load_model
from acculturate.survey import Form
from tiny_models import tiny_network, tiny_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers, in PEFT


def load(name: Any, dtype: Any = "float32") -> LanguageModel:
    model = load_model(name, dtype=dtype, device="cpu")
    assert isinstance(model, LanguageModel)
    return model


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    """A LoRA adapter's folder, its base beside it."""
    tiny_network("llama").save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    torch.manual_seed(0)
    config = peft.LoraConfig(
        r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=False
    )
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    peft.get_peft_model(network, config).save_pretrained(tmp_path / "lora")
    return tmp_path / "lora"


def refusal(name: Any) -> AcculturateError:
    with pytest.raises(AcculturateError) as caught:
        load(name)
    assert str(name) in str(caught.value) and caught.value.hint
    return caught.value


def test_an_adapter_answers_as_transformers_loads_it(
    lora: Path, toy_forms: tuple[Form, ...]
) -> None:
    merged, base = load(lora), load(lora.parent / "base")
    theirs = AutoModelForCausalLM.from_pretrained(lora, dtype=torch.float32)
    theirs.set_adapter(theirs.active_adapters())
    other = LanguageModel("theirs", None, theirs, tiny_tokenizer())
    query = Query(toy_forms)
    assert merged.ask(None, query).probabilities == pytest.approx(
        other.ask(None, query).probabilities, abs=1e-5
    )
    assert (
        np.abs(merged.ask(None, query).probabilities - base.ask(None, query).probabilities).max()
        > 0.01
    )


def test_a_merged_adapter_is_said_in_the_provenance(lora: Path) -> None:
    record = load(lora).provenance()
    assert record["name"] == str(lora)
    assert record["merged_into"] == str(lora.parent / "base")
    assert "merged_into" not in load(lora.parent / "base").provenance()


def test_a_merged_adapter_is_the_same_model_in_every_precision(lora: Path) -> None:
    exact, half, base = load(lora), load(lora, "bfloat16"), load(lora.parent / "base")
    assert half.network.dtype == torch.bfloat16
    assert exact.model_hash() == half.model_hash() != base.model_hash()


def test_an_adapter_with_a_tokenizer_of_its_own(lora: Path) -> None:
    tokenizer = tiny_tokenizer(bos=False)
    tokenizer.save_pretrained(lora)
    assert not load(lora).tokenizer.bos_token and load(lora.parent / "base").tokenizer.bos_token


def test_without_peft_it_is_said_how_to_get_it(lora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    error = refusal(lora)
    assert isinstance(error, UsageError)
    assert error.hint == "pip install 'acculturate[peft]'"


def test_a_base_that_is_not_there(lora: Path) -> None:
    shutil.rmtree(lora.parent / "base")
    error = refusal(lora)
    assert "its base is not here: there is no folder at" in str(error)
    assert "adapter_config.json" in str(error.hint)


def change(folder: Path, **changes: Any) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_an_adapter_of_an_adapter_or_of_nothing(lora: Path) -> None:
    change(lora, base_model_name_or_path=str(lora))
    assert "which is an adapter itself" in str(refusal(lora))
    change(lora, base_model_name_or_path=None)
    assert "names no base_model_name_or_path" in str(refusal(lora))
    (lora / "adapter_config.json").write_text("{")
    assert "adapter_config.json is damaged" in str(refusal(lora))


def test_an_adapter_that_lacks_weights(lora: Path) -> None:
    file = lora / "adapter_model.safetensors"
    weights = {key: value for key, value in load_file(file).items() if "layers.1." not in key}
    save_file(weights, file)
    error = refusal(lora)
    assert isinstance(error, FailureError) and "missing adapter keys" in str(error)


@pytest.mark.parametrize("other", ["layers.9.self_attn.q_proj", "layers.0.self_attn.o_proj"])
def test_an_adapter_with_weights_without_a_place(lora: Path, other: str) -> None:
    """Those of a deeper base, or of modules that its configuration does not list."""
    file = lora / "adapter_model.safetensors"
    weights = load_file(file)
    more = {
        key.replace("layers.0.self_attn.q_proj", other): weights[key].clone() for key in weights
    }
    save_file(weights | more, file)
    assert f"without a place, such as base_model.model.model.{other}" in str(refusal(lora))


def test_an_adapter_of_another_task(lora: Path) -> None:
    change(lora, task_type="SEQ_CLS")
    assert "another task than writing, SEQ_CLS" in str(refusal(lora))


def test_an_adapter_without_its_weights(lora: Path) -> None:
    (lora / "adapter_model.safetensors").unlink()
    assert "has no adapter_model.safetensors" in str(refusal(lora))


def test_an_adapter_of_another_base(lora: Path) -> None:
    tiny_network("gpt2").save_pretrained(lora.parent / "gpt2")
    tiny_tokenizer().save_pretrained(lora.parent / "gpt2")
    change(lora, base_model_name_or_path=str(lora.parent / "gpt2"))
    assert "cannot be merged into" in str(refusal(lora))


def test_an_exported_soft_prompt_is_no_model(lora: Path, toy_forms: tuple[Form, ...]) -> None:
    base = load(lora.parent / "base")
    noise = np.random.default_rng(0).normal(size=(2, 32)).astype(np.float32)
    out = export_prompt(
        SoftPrompt(noise, "front", base.name), base, lora.parent / "adapter", forms=toy_forms
    )
    error = refusal(out)
    assert f"is a soft prompt for {base.name}, not a model" in str(error)
    assert "--prompt" in str(error.hint)
