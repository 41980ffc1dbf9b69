"""Models whose layers, heads or inputs are of their own kind: right, or refused, never wrong."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from plain_transformers import plain_answers, plain_guard

from acculturate.errors import FailureError
from acculturate.metrics import TUNING_TEXTS
from acculturate.model import Cotangent, LanguageModel, Placement, Query
from acculturate.survey import Form
from tiny_models import draw_weights, tiny_network, tiny_tokenizer

IDS: dict[str, Any] = {
    "vocab_size": 400,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
WIDTHS: dict[str, Any] = {
    **IDS,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
GROUPED: dict[str, Any] = {**WIDTHS, "num_key_value_heads": 2}
LAYERS: dict[str, Any] = {**IDS, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
MPT: dict[str, Any] = {
    "vocab_size": 400,
    "d_model": 32,
    "n_heads": 4,
    "n_layers": 2,
    "max_seq_len": 256,
}
PER_LAYER: dict[str, Any] = {
    **GROUPED,
    "num_hidden_layers": 4,
    "head_dim": 8,
    "sliding_window": 40,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": 400,
}
OWN_KINDS: dict[str, tuple[str, Callable[[], Any]]] = {
    "gpt-j": ("form by form", lambda: transformers.GPTJConfig(rotary_dim=4, **LAYERS)),
    "bloom": (
        "form by form",
        lambda: transformers.BloomConfig(n_layer=2, n_head=4, hidden_size=32, **IDS),
    ),
    "falcon": ("form by form", lambda: transformers.FalconConfig(**WIDTHS)),
    "stablelm": ("form by form", lambda: transformers.StableLmConfig(**GROUPED)),
    "opt": (
        "merged",
        lambda: transformers.OPTConfig(
            hidden_size=32,
            word_embed_proj_dim=16,
            ffn_dim=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=256,
            **IDS,
        ),
    ),
    "mamba": (
        "form by form",
        lambda: transformers.MambaConfig(num_hidden_layers=2, hidden_size=32, **IDS),
    ),
    "lfm2": (
        "form by form",
        lambda: transformers.Lfm2Config(layer_types=["conv", "full_attention"], **GROUPED),
    ),
    "gpt-oss": (
        "form by form",
        lambda: transformers.GptOssConfig(num_local_experts=4, head_dim=8, **GROUPED),
    ),
    "phimoe": ("merged", lambda: transformers.PhimoeConfig(num_local_experts=4, **GROUPED)),
    "falcon-h1": (
        "form by form",
        lambda: transformers.FalconH1Config(
            mamba_n_heads=4,
            mamba_d_head=16,
            mamba_d_ssm=64,
            mamba_d_state=8,
            mamba_n_groups=1,
            mamba_expand=2,
            lm_head_multiplier=0.25,
            **GROUPED,
        ),
    ),
    "modernbert-decoder": (
        "merged, own head",
        lambda: transformers.ModernBertDecoderConfig(**WIDTHS),
    ),
    "llama4": (
        "merged, own head",
        lambda: transformers.Llama4TextConfig(
            intermediate_size_mlp=48,
            head_dim=8,
            num_local_experts=2,
            num_experts_per_tok=1,
            **GROUPED,
        ),
    ),
    "recurrent-gemma": (
        "form by form",
        lambda: transformers.RecurrentGemmaConfig(
            lru_width=32,
            attention_window_size=40,
            block_types=["recurrent", "attention"],
            logits_soft_cap=3.0,
            **GROUPED,
        ),
    ),
    "mpt-text": (
        "form by form",
        lambda: transformers.MptConfig(logit_scale="inv_sqrt_d_model", **MPT),
    ),
    "mpt-number": ("form by form", lambda: transformers.MptConfig(logit_scale=0.5, **MPT)),
}
"""Name -> the path that it runs, and its configuration."""

placements = pytest.mark.parametrize("placement", ["front", "after-bos", "before-answer"])
both_precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
pytestmark = pytest.mark.filterwarnings("ignore:.*one by one")


def random_model(config: Any, dtype: torch.dtype = torch.float32) -> LanguageModel:
    network: Any = transformers.AutoModelForCausalLM.from_config(config).float()
    draw_weights(network)
    return LanguageModel(config.model_type, None, network.to(dtype), tiny_tokenizer())


def changed(network: Any, change: Callable[[Any], Any]) -> LanguageModel:
    """The model of a network whose outcome is changed behind its back."""
    before = network.forward

    def forward(*arguments: Any, **named: Any) -> Any:
        outcome = before(*arguments, **named)
        outcome.logits = change(outcome.logits)
        return outcome

    forward.__signature__ = inspect.signature(before)  # type: ignore[attr-defined]
    network.forward = forward
    return LanguageModel("changed", None, network, tiny_tokenizer())


def check(model: LanguageModel, placement: Placement, forms: tuple[Form, ...]) -> None:
    """Compare all that is asked with plain transformers, with soft prompts and without."""
    network, tokenizer, texts = model.network, model.tokenizer, TUNING_TEXTS[:1]
    query = Query(forms, texts=texts, placement=placement, valid_mass=True)
    drawn = np.random.default_rng(0).normal(size=(2, 3, model.hidden_size)).astype(np.float32)
    for prompts in (None, drawn):
        ours = model.ask(prompts, query)
        for candidate, prompt in enumerate([None] if prompts is None else prompts):
            plain, mass = plain_answers(network, tokenizer, forms, prompt, placement)
            np.testing.assert_allclose(ours.probabilities[candidate], plain, atol=1e-5)
            assert ours.valid_mass is not None
            np.testing.assert_allclose(ours.valid_mass[candidate], mass, atol=1e-5)
            guard = plain_guard(network, tokenizer, texts, prompt, placement)
            assert ours.divergence is not None and ours.perplexity is not None
            assert ours.divergence[candidate] == pytest.approx(guard[0], abs=1e-5)
            assert ours.perplexity[candidate] == pytest.approx(guard[1], rel=1e-4)


@pytest.mark.parametrize("name", OWN_KINDS)
@placements
def test_it_answers_as_it_does_by_itself(
    name: str, placement: Placement, toy_forms: tuple[Form, ...], toy_words: tuple[Form, ...]
) -> None:
    path, config = OWN_KINDS[name]
    model = random_model(config())
    check(model, placement, (*toy_forms[:3], *toy_words[:2]))
    assert model.path == path


@pytest.mark.parametrize("name", OWN_KINDS)
def test_half_precision_takes_the_same_path(name: str, toy_forms: tuple[Form, ...]) -> None:
    path, config = OWN_KINDS[name]
    model = random_model(config(), torch.bfloat16)
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    ours = model.ask(None, Query(toy_forms[:4])).probabilities[0]
    plain, _ = plain_answers(model.network, model.tokenizer, toy_forms[:4], None, "front")
    assert model.path == path
    np.testing.assert_allclose(ours, plain, atol=0.2 if "moe" in name else 0.03)
    after = model.network.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


@pytest.mark.parametrize("name", ["mamba", "modernbert-decoder", "falcon-h1", "gpt-j"])
def test_gradients_of_every_path(
    name: str, toy_forms: tuple[Form, ...], toy_words: tuple[Form, ...]
) -> None:
    model = random_model(OWN_KINDS[name][1]())
    rng = np.random.default_rng(0)
    prompts = rng.normal(size=(1, 2, 32)).astype(np.float32)
    direction = rng.normal(size=prompts.shape).astype(np.float32)
    forms = toy_forms[0], toy_words[0]
    query = Query(forms, texts=TUNING_TEXTS[:1], placement="before-answer", valid_mass=True)
    answers, backward = model.ask_with_gradient(prompts, query)
    weights = Cotangent(
        rng.normal(size=answers.probabilities.shape), rng.normal(size=(1, 2)), rng.normal(size=1)
    )

    def value(step: float) -> float:
        moved = model.ask(prompts + step * direction, query)
        assert moved.valid_mass is not None and moved.divergence is not None
        assert weights.valid_mass is not None and weights.divergence is not None
        total = (moved.probabilities * weights.probabilities).sum()
        total += (moved.valid_mass * weights.valid_mass).sum()
        return float(total + (moved.divergence * weights.divergence).sum())

    slope = (value(5e-3) - value(-5e-3)) / 1e-2
    assert (backward(weights) * direction).sum() == pytest.approx(slope, rel=0.05, abs=2e-3)


def test_that_forms_are_asked_one_by_one_is_said_once_and_why(
    toy_forms: tuple[Form, ...], recwarn: pytest.WarningsRecorder
) -> None:
    model = random_model(OWN_KINDS["mamba"][1]())
    for placement in ("front", "before-answer"):
        model.ask(None, Query(toy_forms, placement=placement))
    said = [str(warning.message) for warning in recwarn if "one by one" in str(warning.message)]
    assert len(said) == 1
    assert "merged" in said[0] and "differ" in said[0]


@both_precisions
@pytest.mark.parametrize("scale", [0.97, 3.0])
def test_a_step_behind_the_head_is_taken_with_it(
    dtype: torch.dtype, scale: float, toy_forms: tuple[Form, ...]
) -> None:
    model = changed(tiny_network("llama").to(dtype), lambda logits: logits * scale)
    ours = model.ask(None, Query(toy_forms)).probabilities[0]
    plain, _ = plain_answers(model.network, model.tokenizer, toy_forms, None, "front")
    np.testing.assert_allclose(ours, plain, atol=1e-5 if dtype is torch.float32 else 0.05)
    assert model.path == "merged, own head"


def test_a_decoder_that_cannot_be_told_apart_is_run_whole(toy_forms: tuple[Form, ...]) -> None:
    model = random_model(transformers.LlamaConfig(**GROUPED))
    model.network.get_decoder = lambda: model.network
    check(model, "front", toy_forms[:2])
    assert model.path == "merged, own head"


@both_precisions
@pytest.mark.parametrize(
    "config",
    [
        pytest.param(lambda: transformers.BertConfig(**WIDTHS), id="bert"),
        pytest.param(lambda: transformers.RobertaConfig(**WIDTHS), id="roberta"),
        pytest.param(
            lambda: transformers.XLNetConfig(d_model=32, n_layer=2, n_head=4, d_inner=48, **IDS),
            id="xlnet",
        ),
    ],
)
def test_a_model_that_reads_ahead_is_refused(
    config: Callable[[], Any], dtype: torch.dtype, toy_forms: tuple[Form, ...]
) -> None:
    with pytest.raises(FailureError, match="does not read from left to right") as caught:
        random_model(config(), dtype).ask(None, Query(toy_forms))
    assert caught.value.hint == "Use a decoder-only language model."


@both_precisions
@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_tokens_that_enter_every_layer_are_refused(
    dtype: torch.dtype, scale: float, toy_forms: tuple[Form, ...]
) -> None:
    config = transformers.Gemma3nTextConfig(
        num_kv_shared_layers=0,
        laurel_rank=4,
        activation_sparsity_pattern=[0.0] * 4,
        altup_num_inputs=2,
        **PER_LAYER,
    )
    model = random_model(config)
    model.network.model.embed_tokens_per_layer.weight.mul_(scale)
    model = LanguageModel("gemma3n", None, model.network.to(dtype), model.tokenizer)
    with pytest.raises(FailureError, match="more ways than their embeddings") as caught:
        model.ask(None, Query(toy_forms))
    assert caught.value.hint is not None and "Gemma" not in caught.value.hint


@both_precisions
def test_a_model_that_wants_embeddings_of_its_own_tokens_is_refused_before_anything_is_spent(
    dtype: torch.dtype, toy_forms: tuple[Form, ...]
) -> None:
    given: dict[str, Any] = {"num_kv_shared_layers": 2, "global_head_dim": 8, **PER_LAYER}
    config = transformers.Gemma4TextConfig(**given)
    with pytest.raises(FailureError, match="cannot take a soft prompt") as caught:
        random_model(config, dtype).ask(None, Query(toy_forms))
    assert caught.value.hint == "Use a model whose tokens enter through its embedding layer alone."


def test_numbers_that_are_not_finite_are_refused(toy_forms: tuple[Form, ...]) -> None:
    model = random_model(transformers.LlamaConfig(**GROUPED))
    model.network.get_output_embeddings().weight[7] = torch.nan
    with pytest.raises(FailureError, match="no finite numbers"):
        model.ask(None, Query(toy_forms))


@pytest.mark.parametrize("fails", ["raises", "overflows"])
def test_what_only_half_precision_breaks_says_so(fails: str, toy_forms: tuple[Form, ...]) -> None:
    def change(logits: torch.Tensor) -> torch.Tensor:
        if logits.dtype == torch.float32:
            return logits
        if fails == "raises":
            raise RuntimeError("Index put requires the source and destination dtypes match")
        return logits * torch.inf

    model = changed(tiny_network("llama").to(torch.bfloat16), change)
    with pytest.raises(FailureError) as caught:
        model.ask(None, Query(toy_forms))
    assert caught.value.hint == "Use --dtype float32."
