"""Language models of a few thousand random weights, with a tokenizer made on the spot: no network, no files.

The weights are large enough that attention, windows and caps all show in the answers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from acculturate.model import LanguageModel

torch.set_num_threads(1)

WINDOW = 8
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "[{{ message.role }}] {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
_LINES = (
    "How often do you plan your day? Answer with the number of one option.",
    "A short survey. Give one number. Do you like to be alone among many people?",
    "A page of a diary asks for one number. 1. Always 2. Often 3. Sometimes 4. Rarely 5. Never",
    "An interviewer asks: Reply with one of these numbers. 1. Agree 2. Undecided 3. Disagree Answer: 1",
)
_SPECIAL = ("<bos>", "<eos>", "<pad>")


def tiny_tokenizer(*, bos: bool = True, chat_template: str | None = None) -> Any:
    """Byte-level BPE whose digits are single tokens; it knows every text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(_SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_LINES, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))]
        )
    named = {"bos_token": "<bos>"} if bos else {}
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>", **named
    )
    made.chat_template = chat_template
    return made


def _gemma3(**common: Any) -> Any:
    return transformers.Gemma3TextConfig(
        **common,
        head_dim=16,
        query_pre_attn_scalar=16,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention"],
    )


ARCHITECTURES: dict[str, Callable[..., Any]] = {
    "llama": transformers.LlamaConfig,
    "qwen2": lambda **common: transformers.Qwen2Config(
        **common, use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1
    ),
    "qwen3": lambda **common: transformers.Qwen3Config(**common, head_dim=16),
    "mistral": lambda **common: transformers.MistralConfig(**common, sliding_window=WINDOW),
    "gemma2": lambda **common: transformers.Gemma2Config(
        **common,
        head_dim=16,
        query_pre_attn_scalar=16,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention"],
        attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0,
    ),
    "gemma3": _gemma3,
    "phi": transformers.PhiConfig,
    "cohere2": lambda **common: transformers.Cohere2Config(
        **common,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention"],
        logit_scale=0.5,
    ),
    "granite": lambda **common: transformers.GraniteConfig(
        **common, logits_scaling=2.0, embedding_multiplier=3.0
    ),
    "gpt2": lambda **common: transformers.GPT2Config(
        vocab_size=common["vocab_size"],
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=256,
        bos_token_id=0,
        eos_token_id=1,
    ),
}
"""Name -> its configuration, given what all share."""


def tiny_network(name: str, **changes: Any) -> Any:
    """A random model of an architecture, float32; the same weights every time.

    Args:
        name: A key of `ARCHITECTURES`.
        changes: Attributes of the configuration to set after the weights are drawn for the original.
    """
    config = ARCHITECTURES[name](**common_sizes())
    for key, value in changes.items():
        setattr(config, key, value)
    return random_network(config)


def common_sizes() -> dict[str, Any]:
    """What the configurations of all tiny models share."""
    return {
        "vocab_size": len(tiny_tokenizer()),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
    }


def random_network(config: Any) -> Any:
    """A model of a configuration, float32; the same weights every time."""
    network = transformers.AutoModelForCausalLM.from_config(config).float()
    draw_weights(network)
    return network


def draw_weights(network: Any) -> None:
    """Give a network the same random weights every time, large enough that every part of it shows."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(1.5 * noise / parameter.shape[-1] ** 0.5)
            else:
                parameter.add_(0.2 * noise)


def tiny_model(name: str, *, rows: int | None = None, **changes: Any) -> LanguageModel:
    """A `LanguageModel` of an architecture, made anew."""
    return LanguageModel(name, None, tiny_network(name, **changes), tiny_tokenizer(), rows)


@cache
def shared_model(name: str) -> LanguageModel:
    """A `LanguageModel` that tests share and must not change."""
    return tiny_model(name)
