"""Decoders of transformers with a few thousand random weights: one of every type, nothing downloaded.

In: a type's name, as `AutoModelForCausalLM` knows it. Out: its network. A configuration's own defaults are
kept, and every size in it is made small, in nested configurations too; of layers that differ one of each kind
is kept. Scales and caps of logits, which are mostly off by default, are on, so that leaving them out shows.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

DECODERS: tuple[str, ...] = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
"""Every type of decoder that this version of transformers knows."""

_WIDTH, _HEADS, _LAYERS, _MOST_LAYERS = 32, 4, 2, 6
_WINDOW = 16
"""Shorter than any form, so that it matters."""

_SIZES: tuple[tuple[float, str], ...] = (
    (
        _WIDTH,
        "hidden_size d_model n_embd dim embedding_size embedding_dim word_embed_proj_dim lru_width "
        "attention_hidden_size input_embedding_size output_embedding_size backbone_hidden_size "
        "router_hidden_size adapter_in_dim adapter_out_dim adapter_input_size hidden_size_global",
    ),
    (
        48,
        "intermediate_size ffn_dim n_inner dff dim_ff d_inner ffn_hidden_size decoder_ffn_dim encoder_ffn_dim "
        "intermediate_size_mlp dense_intermediate_size feed_forward_size emb_dim",
    ),
    (
        24,
        "moe_intermediate_size expert_ffn_hidden_size shared_expert_intermediate_size "
        "shared_experts_intermediate_size shared_intermediate_size moe_shared_expert_intermediate_size",
    ),
    (
        _LAYERS,
        "num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers num_blocks "
        "num_layers_per_stack num_encoder_layers num_decoder_layers num_local_layers",
    ),
    (
        _HEADS,
        "num_attention_heads n_head n_heads num_heads decoder_attention_heads encoder_attention_heads "
        "attention_heads num_encoder_attention_heads num_decoder_attention_heads swa_num_attention_heads "
        "linear_num_value_heads linear_num_heads mamba_n_heads index_n_heads num_query_groups "
        "num_experts num_local_experts n_routed_experts moe_num_experts",
    ),
    (
        2,
        "num_key_value_heads num_kv_heads swa_num_key_value_heads linear_num_key_heads num_experts_per_tok "
        "num_experts_per_token moe_topk moe_k n_group num_expert_group n_mamba_heads altup_num_inputs n_groups "
        "attn_layer_period expert_layer_period num_hash_functions o_groups layer_group_size",
    ),
    (
        1,
        "n_shared_experts moe_num_shared_experts num_shared_experts topk_group first_k_dense_replace "
        "num_dense_layers attn_layer_offset expert_layer_offset mamba_n_groups mamba_ngroups n_langs",
    ),
    (
        8,
        "head_dim swa_head_dim qk_nope_head_dim v_head_dim kv_channels d_head dim_head attention_head_size "
        "linear_key_head_dim linear_value_head_dim linear_head_dim mamba_d_state state_size ssm_state_size "
        "qk_rope_head_dim query_pre_attn_scalar hidden_size_per_layer_input laurel_rank rotary_dim "
        "mamba_dt_rank time_step_rank gated_norm_rank o_lora_rank zero_expert_num block_size "
        "attention_head_dim hc_lowrank adapter_rank d_rel",
    ),
    (
        16,
        "q_lora_rank kv_lora_rank qk_head_dim index_head_dim mamba_d_head mamba_head_dim mamba_headdim "
        "chunk_size mamba_chunk_size attention_chunk_size block_multiple_of rel_extent prompt_length "
        "prompt_types segment_types position_bias_num_buckets pronunciation_embed_dim shape_embed_dim "
        "index_block_size",
    ),
    (64, "mamba_d_ssm encoder_hash_byte_group_vocab"),
    (
        512,
        "max_position_embeddings n_positions max_seq_len max_target_positions n_ctx context_length "
        "model_max_length index_topk original_max_position_embeddings position_bias_max_distance "
        "relative_max_distance",
    ),
    (
        _WINDOW,
        "sliding_window window_size attention_window_size local_attention sliding_window_size "
        "local_attention_window_len local_attn_chunk_length lsh_attn_chunk_length",
    ),
    (0.25, "lm_head_multiplier logit_scale"),
    (2.0, "logits_scaling attn_logit_softcapping embedding_multiplier"),
    (3.0, "final_logit_softcapping logits_soft_cap output_logit_soft_cap"),
)
_SMALL = {name: size for size, names in _SIZES for name in names.split()}
_UNUSED_TOKENS = 150
"""Tokens from here on are bytes of no English text; they stand for images and the like."""
_TOKENS = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}

_ROTARY = {"rope_type": "default", "rope_theta": 10000.0}
_INDEXER = {
    "indexer_n_heads": 4,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 8,
    "indexer_budget": 16,
    "indexer_compress_ratio": 4,
}
_OWN: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1]},
    "cohere_compass_text": {"rope_parameters": {"full_attention": _ROTARY}},
    "dbrx": {"attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0}},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "dots3_note_text": {
        **{
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
        },
        **{"head_dim": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8},
        **{"swa_num_attention_heads": 4, "swa_num_key_value_heads": 4, "swa_q_lora_rank": 16},
        **{
            "swa_kv_lora_rank": 16,
            "swa_head_dim": 16,
            "swa_qk_nope_head_dim": 8,
            "swa_v_head_dim": 8,
        },
    },
    "gemma3n_text": {"num_kv_shared_layers": 2},
    "gemma4_text": {"head_dim": 8, "global_head_dim": 16},
    "gemma4_unified_text": {"head_dim": 8, "global_head_dim": 16},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"]},
    "hrm_text": {"num_layers_per_stack": None},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "mamba2": {"head_dim": 16},
    "ministral": {"head_dim": 8},
    "nemotron": {"num_key_value_heads": 2},
    "qwen4_exp_text": _INDEXER,
    "recurrent_gemma": {"num_hidden_layers": 3},
    "reformer": {"axial_pos_shape": (16, 32), "axial_pos_embds_dim": (16, 16)},
    "xlstm": {"hidden_size": 64, "embedding_dim": 64, "qk_dim_factor": 1.0},
    "xmod": {"default_language": "en_XX"},
    "zaya": {"num_experts_per_tok": 1},
    "zamba": {
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
        "num_key_value_heads": 4,
        "num_hidden_layers": 4,
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
    },
}
"""Type -> values of its own, where sizes depend on each other in its own way."""


def small_network(name: str, vocabulary: int, dtype: torch.dtype = torch.float32) -> Any:
    """Make a type's network, the same weights every time, large enough that every part of it shows.

    Args:
        name: One of `DECODERS`.
        vocabulary: Number of tokens.
        dtype: Precision of the weights; they are drawn in float32.
    """
    config = small_config(type(AutoConfig.for_model(name)), vocabulary)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # some weights, such as a state space's, keep what they begin with
        network = AutoModelForCausalLM.from_config(config).float()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(1.5 * noise / parameter.shape[-1] ** 0.5)
            elif parameter.is_floating_point():
                parameter.add_(0.2 * noise)
    return network.to(dtype).eval()


def small_config(kind: type[PreTrainedConfig], vocabulary: int) -> PreTrainedConfig:
    """Make a configuration with its class's own defaults and small sizes."""
    default: Any = kind()
    given = {field.name: _value(default, field.name) for field in fields(kind)}
    values: dict[str, Any] = {
        name: _SMALL[name] for name, value in given.items() if name in _SMALL and value
    }
    values |= {name: token for name, token in _TOKENS.items() if name in given}
    values |= {name: True for name in ("is_decoder",) if name in given}
    if given.get("kv_lora_rank"):  # latent attention has a key for every query head
        values["num_key_value_heads"] = _HEADS
    values |= _layers(given)
    unused = iter(range(_UNUSED_TOKENS, vocabulary))
    for name, value in given.items():
        if "vocab_size" in name and isinstance(value, int):
            values[name] = vocabulary
        elif name.endswith(("_token_id", "_token_index")) and isinstance(value, int):
            values.setdefault(name, next(unused))
        elif isinstance(value, PreTrainedConfig):
            values[name] = small_config(type(value), vocabulary)
    return kind(**{**values, **_OWN.get(kind.model_type, {})})


def _value(config: Any, name: str) -> Any:
    try:
        return getattr(config, name)
    except (AttributeError, RuntimeError):  # the latter where every layer has a value of its own
        return None


def _layers(given: dict[str, Any]) -> dict[str, Any]:
    """Choose one layer of every kind, two at least; what is said layer by layer is said of those."""
    counts = [given.get(name) for name in ("num_hidden_layers", "n_layer", "num_layers")]
    count = next((count for count in counts if count), 0)
    told = {
        name: list(value)
        for name, value in given.items()
        if isinstance(value, list | tuple) and len(value) == count > 1
    }
    kinds: dict[Any, int] = {}
    for layer in range(count if told else 0):
        kinds.setdefault(tuple(str(values[layer]) for values in told.values()), layer)
    chosen = sorted(kinds.values())[:_MOST_LAYERS]
    if len(chosen) < _LAYERS:
        chosen = list(range(_LAYERS))
    chosen_values = {name: [values[layer] for layer in chosen] for name, values in told.items()}
    sizes = {
        name: len(chosen)
        for name in ("num_hidden_layers", "n_layer", "num_layers")
        if given.get(name)
    }
    return {**sizes, **chosen_values}
