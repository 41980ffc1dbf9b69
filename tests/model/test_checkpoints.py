"""Checkpoints that are not what they seem: refused with what is wrong; and those that only look so: loaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import transformers

from acculturate.errors import AcculturateError, FailureError, UsageError
from acculturate.model import LanguageModel, Query, load_model
from acculturate.survey import Form
from tiny_models import ARCHITECTURES, shared_model, tiny_network, tiny_tokenizer

Weights = dict[str, torch.Tensor]


def load(name: Any, **named: Any) -> LanguageModel:
    model = load_model(name, **{"dtype": "float32", "device": "cpu", **named})
    assert isinstance(model, LanguageModel)
    return model


def save(folder: Path, network: Any = None) -> Path:
    """Save a network, a Llama by default, with a tokenizer."""
    (tiny_network("llama") if network is None else network).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def change_config(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def change_weights(folder: Path, change: Callable[[Weights], Weights]) -> None:
    file = folder / "model.safetensors"
    weights = change(safetensors.torch.load_file(file))
    safetensors.torch.save_file(weights, file, metadata={"format": "pt"})


def config_like(name: str) -> Any:
    return tiny_network(name).config


def refusal(folder: Path, **named: Any) -> AcculturateError:
    with pytest.raises(AcculturateError) as caught:
        load(folder, **named)
    assert str(folder) in str(caught.value) and caught.value.hint
    return caught.value


def test_a_reward_model(tmp_path: Path) -> None:
    config = config_like("llama")
    config.num_labels = 2
    save(tmp_path, transformers.LlamaForSequenceClassification(config))
    assert "saved as LlamaForSequenceClassification" in str(refusal(tmp_path))
    change_config(tmp_path, architectures=None)
    error = refusal(tmp_path)
    assert "lacks 1 of 21 weights that LlamaForCausalLM needs, lm_head.weight" in str(error)
    assert "reward and embedding models" in str(error)


@pytest.mark.parametrize("architecture", ["Qwen2ForRewardModel", "LlamaForTextEmbedding"])
def test_a_head_that_transformers_does_not_know(tmp_path: Path, architecture: str) -> None:
    change_config(save(tmp_path), architectures=[architecture])
    assert f"saved as {architecture}" in str(refusal(tmp_path))


def test_an_embedding_model(tmp_path: Path) -> None:
    save(tmp_path, transformers.LlamaModel(config_like("llama")))
    assert "lm_head.weight: reward and embedding models" in str(refusal(tmp_path))


def test_an_embedding_model_whose_head_would_be_its_embedding(tmp_path: Path) -> None:
    config = config_like("llama")
    config.tie_word_embeddings = True
    save(tmp_path, transformers.LlamaModel(config))
    load(tmp_path)
    (tmp_path / "modules.json").write_text("[]")
    assert "it embeds texts" in str(refusal(tmp_path))


def test_a_router_that_lost_its_bias(tmp_path: Path) -> None:
    config = transformers.Glm4MoeConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=48,
        moe_intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        n_routed_experts=4,
        num_experts_per_tok=2,
        first_k_dense_replace=1,
    )
    save(tmp_path, transformers.AutoModelForCausalLM.from_config(config))
    load(tmp_path)
    change_weights(
        tmp_path, lambda w: {key: v for key, v in w.items() if "correction_bias" not in key}
    )
    assert "model.layers.1.mlp.gate.e_score_correction_bias" in str(refusal(tmp_path))


@pytest.mark.parametrize("lost", ["", "lm_head", "embed_tokens"])
def test_zeros_of_a_download_that_broke_off(
    tmp_path: Path, toy_forms: tuple[Form, ...], lost: str
) -> None:
    save(tmp_path)
    change_weights(tmp_path, lambda w: {k: v * (lost not in k) for k, v in w.items()})
    with pytest.raises(FailureError, match="same log-probabilities whatever it reads"):
        load(tmp_path).ask(None, Query(toy_forms))


def test_a_model_that_takes_images_and_writes_by_another_class(tmp_path: Path) -> None:
    transformers.LlavaConfig(text_config=config_like("llama")).save_pretrained(tmp_path)
    error = refusal(tmp_path)
    assert "(llava)" in str(error) and "the language model that is in it" in str(error.hint)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: {k: v for k, v in w.items() if k != "lm_head.weight"}, "lm_head.weight: reward"),
        (
            lambda w: {k: v for k, v in w.items() if "layers.1." not in k},
            "model.layers.1.input_layernorm.weight, .* and 6 more: the checkpoint is not complete",
        ),
        (lambda w: {f"_orig_mod.{k}": v for k, v in w.items()}, "_orig_mod.*torch.compile"),
        (lambda w: {f"module.{k}": v for k, v in w.items()}, "module.*several GPUs"),
        (
            lambda w: {k.replace("layers.0.", "layers.0._orig_mod."): v for k, v in w.items()},
            "layers.0._orig_mod.*torch.compile",
        ),
        (
            lambda w: {k.replace("proj.weight", "proj.q_weight"): v for k, v in w.items()},
            "proj.q_weight.* a quantisation that transformers does not read",
        ),
        (lambda w: {f"net.{k}.w": v for k, v in w.items()}, "not complete; it has net.lm_head"),
        (lambda w: {"a": w["lm_head.weight"]}, "lacks 21 of 21 weights"),
    ],
)
def test_weights_that_are_missing_are_named(
    tmp_path: Path, change: Callable[[Weights], Weights], said: str
) -> None:
    change_weights(save(tmp_path), change)
    error = refusal(tmp_path)
    assert isinstance(error, FailureError)
    with pytest.raises(FailureError, match=said):
        raise error


@pytest.mark.parametrize(
    ("key", "there"),
    [
        ("model.layers.0.self_attn.q_proj.bias", False),
        ("model.layers.0.self_attn.q_proj.weight_scale", False),
        ("model.layers.0.self_attn.q_proj.lora_A.default.weight", False),
        ("model.layers.0.self_attn.q_norm.weight", False),
        ("lm_head.bias", False),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", True),
        ("model.layers.0.self_attn.masked_bias", True),
        ("model.layers.0.self_attn.k_scale", True),
        ("vision_tower.encoder.layers.0.self_attn.q_proj.weight", True),
        ("mtp.layers.0.self_attn.q_proj.weight", True),
        ("v_head.summary.weight", True),
    ],
)
def test_weights_without_a_place_are_refused_where_they_would_count(
    tmp_path: Path, toy_forms: tuple[Form, ...], key: str, there: bool
) -> None:
    change_weights(save(tmp_path), lambda w: w | {key: torch.ones(32)})
    if not there:
        assert f"has no place for: {key}" in str(refusal(tmp_path))
        return
    same = load(tmp_path).ask(None, Query(toy_forms)).probabilities
    assert same == pytest.approx(shared_model("llama").ask(None, Query(toy_forms)).probabilities)


def test_a_layer_more_than_the_configuration_says(tmp_path: Path) -> None:
    change_config(save(tmp_path), num_hidden_layers=1)
    assert "no place for: model.layers.1.input_layernorm.weight" in str(refusal(tmp_path))


def test_a_layer_that_predicts_further_tokens_stays_out(tmp_path: Path) -> None:
    change_config(save(tmp_path), num_hidden_layers=1)
    change_weights(tmp_path, lambda w: w | {"model.layers.1.eh_proj.weight": torch.ones(32, 64)})
    assert load(tmp_path).network.config.num_hidden_layers == 1


def test_weights_of_another_shape(tmp_path: Path) -> None:
    change_config(save(tmp_path), vocab_size=410)
    error = refusal(tmp_path)
    assert (
        "lm_head.weight" in str(error) and "(400, 32)" in str(error) and "(410, 32)" in str(error)
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("tied", [True, False])
def test_whole_checkpoints_are_loaded(tmp_path: Path, name: str, tied: bool) -> None:
    """With tied heads too, which no file holds."""
    config = config_like(name)
    config.tie_word_embeddings = tied
    network = transformers.AutoModelForCausalLM.from_config(config)
    assert load(save(tmp_path, network)).weights_hash()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["Bert", "Roberta", "XLMRoberta", "Electra", "Bart", "MBart"])
def test_encoders_and_encoder_decoders(tmp_path: Path, name: str, dtype: str) -> None:
    sizes = {
        "vocab_size": 400, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1,
        "num_attention_heads": 4, "embedding_size": 32,
    }  # fmt: skip
    of_decoders = {
        "vocab_size": 400, "d_model": 32, "encoder_layers": 1, "decoder_layers": 1,
        "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 48,
    }  # fmt: skip
    both_ways = name in ("Bart", "MBart")
    config = getattr(transformers, f"{name}Config")(**(of_decoders if both_ways else sizes))
    head = "ForConditionalGeneration" if both_ways else "ForMaskedLM"
    save(tmp_path, getattr(transformers, f"{name}{head}")(config))
    for architectures in (None, ["SomethingElse"]):
        error = refusal(tmp_path, dtype=dtype)
        assert ("is an encoder-decoder" if both_ways else "is an encoder (") in str(error)
        change_config(tmp_path, architectures=architectures)


def test_the_decoder_half_of_an_encoder_decoder_is_a_decoder(tmp_path: Path) -> None:
    config = transformers.BartConfig(
        vocab_size=400, d_model=32, encoder_layers=1, decoder_layers=1, decoder_attention_heads=4,
        encoder_attention_heads=4, decoder_ffn_dim=48, encoder_ffn_dim=48,
    )  # fmt: skip
    save(tmp_path, transformers.BartForCausalLM(config))
    assert load(tmp_path).network.config.is_decoder


@pytest.mark.parametrize(
    ("name", "change"),
    [("gemma3", {"use_bidirectional_attention": True}), ("llama", {"is_causal": False})],
)
def test_a_decoder_that_attends_to_both_sides(
    tmp_path: Path, name: str, change: dict[str, Any]
) -> None:
    change_config(save(tmp_path, tiny_network(name)), **change)
    assert "attends to both sides" in str(refusal(tmp_path))


def test_a_git_lfs_pointer(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 123\n"
    for file in ("model.safetensors", "tokenizer.json"):
        folder = save(tmp_path / file)
        (folder / file).write_text(pointer)
        error = refusal(folder)
        assert isinstance(error, UsageError)
        assert f"{folder / file} is a Git LFS pointer" in str(error)
        assert error.hint == f"Run `git lfs pull` in {folder}."


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("kept", [0, 5, 60])
def test_a_damaged_file_is_named(tmp_path: Path, file: str, kept: int) -> None:
    path = save(tmp_path) / file
    path.write_bytes(path.read_bytes()[:kept])
    assert f"{path} is damaged" in str(refusal(tmp_path))


@pytest.mark.parametrize("shard", ["cut", "gone"])
def test_a_shard_that_is_not_whole(tmp_path: Path, shard: str) -> None:
    tiny_network("llama").save_pretrained(tmp_path, max_shard_size="40KB")
    tiny_tokenizer().save_pretrained(tmp_path)
    load(tmp_path)
    file = tmp_path / "model-00002-of-00004.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    if shard == "gone":
        file.unlink()
    error = refusal(tmp_path)
    assert str(file) in str(error) and "Download or copy it again" in str(error.hint)


def test_a_pickled_file_that_is_cut(tmp_path: Path) -> None:
    save(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    file = tmp_path / "pytorch_model.bin"
    torch.save(tiny_network("llama").state_dict(), file)
    load(tmp_path)
    file.write_bytes(file.read_bytes()[:5000])
    assert f"{file} is damaged" in str(refusal(tmp_path))


@pytest.mark.parametrize("content", ["[1]", "{}", "3", '{"model_type": "nonsense"}', "{" * 99999])
def test_a_configuration_that_is_none(tmp_path: Path, content: str) -> None:
    (save(tmp_path) / "config.json").write_text(content)
    refusal(tmp_path)


def test_no_weights(tmp_path: Path) -> None:
    (save(tmp_path) / "model.safetensors").unlink()
    assert "no file named model.safetensors" in str(refusal(tmp_path))


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma3", "qwen2"])
def test_no_tokenizer(tmp_path: Path, name: str) -> None:
    """For some architectures transformers makes an empty one."""
    tiny_network(name).save_pretrained(tmp_path)
    error = refusal(tmp_path)
    assert "tokenizer" in str(error) and "Copy the tokenizer's files" in str(error.hint)


def write_gguf(path: Path, lost: str = "", **factors: list[float]) -> Path:
    """Write a random Llama of two layers as a GGUF file.

    Args:
        path: The file.
        lost: How the names of tensors begin that are left out.
        factors: Tensors of one dimension that it has besides.
    """
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(48)
    writer.add_block_count(2)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(400)
    tokens = json.loads(tiny_tokenizer().backend_tokenizer.to_str())["model"]["vocab"]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(list(tokens))
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens))
    writer.add_token_merges([])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    layer = {"attn_norm": (32,), "ffn_norm": (32,), "attn_q": (32, 32), "attn_k": (16, 32)}
    layer |= {"attn_v": (16, 32), "attn_output": (32, 32), "ffn_gate": (48, 32)}
    layer |= {"ffn_up": (48, 32), "ffn_down": (32, 48)}
    shapes = {f"blk.{k}.{name}": shape for k in (0, 1) for name, shape in layer.items()}
    shapes |= {"token_embd": (400, 32), "output_norm": (32,), "output": (400, 32)}
    rng = np.random.default_rng(0)
    for name, shape in shapes.items():
        if not (lost and name.startswith(lost)):
            writer.add_tensor(f"{name}.weight", rng.normal(size=shape).astype(np.float32))
    for name, values in factors.items():
        whole = name if name.endswith(".bias") else f"{name}.weight"
        writer.add_tensor(whole, np.array(values, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_is_held_against_its_network_too(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "WHOLE.GGUF")
    assert load(whole).network.config.num_hidden_layers == 2
    (tmp_path / "cut.gguf").write_bytes(whole.read_bytes()[:40_000])
    assert "Check that the file is whole" in str(refusal(tmp_path / "cut.gguf").hint)
    error = refusal(write_gguf(tmp_path / "broken.gguf", lost="blk.1."))
    assert "lacks 9 of 21 weights" in str(error) and "model.layers.1.input_layernorm" in str(error)


def test_weights_of_a_gguf_file_that_have_no_place_are_refused(tmp_path: Path) -> None:
    """Transformers leaves them out and says nothing: here the biases of an attention."""
    biased = write_gguf(tmp_path / "biased.gguf", **{"blk.0.attn_q.bias": [1.0] * 32})
    assert "holds 41,152 weights, and LlamaForCausalLM has a place for 41,120" in str(
        refusal(biased)
    )
    further = write_gguf(tmp_path / "further.gguf", **{"blk.2.nextn.eh_proj": [1.0] * 32})
    assert load(further).network.config.num_hidden_layers == 2


def test_factors_of_positions_in_a_gguf_file_are_kept(tmp_path: Path) -> None:
    """Llama 3.1 has them; transformers leaves them out and says nothing."""
    plain = load(write_gguf(tmp_path / "plain.gguf"))
    scaled = load(write_gguf(tmp_path / "scaled.gguf", rope_freqs=[1, 2, 4, 8]))
    frequencies = [model.network.model.rotary_emb.inv_freq.tolist() for model in (plain, scaled)]
    assert frequencies[1] == pytest.approx(np.array(frequencies[0]) / [1, 2, 4, 8])
    other = refusal(write_gguf(tmp_path / "other.gguf", rope_factors_long=[1, 2, 4, 8]))
    assert "rope_factors_long" in str(other)
