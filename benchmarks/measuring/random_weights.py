"""Language models of a known shape with random weights: what a model costs, without a download.

In: the name of a shape, and the questionnaire that it will be asked. Out: a `LanguageModel` whose answers
mean nothing and whose time, operations and memory are those of the real one.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)

from acculturate.errors import FailureError
from acculturate.model import LanguageModel
from acculturate.model.pretrained import resolve_device, resolve_dtype
from acculturate.survey.forms import all_forms
from acculturate.survey.instrument import Instrument

Shape = Literal["llama-3-8b", "gemma-3-270m", "tiny"]

_BOS, _EOS, _PAD = "<bos>", "<eos>", "<pad>"
# Fewer than the smallest shape has, and enough to make one token of every word that the forms repeat.
_TOKENS_LEARNT = 1500


def load_random_model(
    shape: Shape, instrument: Instrument, *, dtype: str = "auto", device: str = "auto"
) -> LanguageModel:
    """Make a model of a shape; its weights are drawn on the device, the same every time.

    Args:
        shape: Name of the shape.
        instrument: What it will be asked; its tokenizer learns the words.
        dtype: Precision of the weights, as in `load_model`.
        device: Where they are, likewise.

    Raises:
        UsageError: There is no such device or precision.
        FailureError: The device has too little memory.
    """
    where = resolve_device(device)
    precision = resolve_dtype(dtype, where)
    tokenizer = survey_tokenizer(instrument)
    try:
        with torch.random.fork_rng(), torch.device(where):
            torch.manual_seed(0)
            network: Any = AutoModelForCausalLM.from_config(shape_config(shape), dtype=precision)
    except torch.OutOfMemoryError as error:
        raise FailureError(
            f"the shape {shape} does not fit into the memory of {where}",
            "Use --dtype bfloat16, a smaller shape, or a larger device.",
        ) from error
    return LanguageModel(f"{shape} (random weights)", None, network, tokenizer)


def shape_config(shape: Shape) -> PreTrainedConfig:
    """Return the transformers configuration of a shape."""
    values: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    values |= _SHAPES[shape]
    # A layer's output is then about as large as its input, and the answers depend on the prompt.
    return AutoConfig.for_model(**values, initializer_range=values["hidden_size"] ** -0.5)


def survey_tokenizer(instrument: Instrument) -> PreTrainedTokenizerFast:
    """Byte-level BPE learnt from the tuning forms: it knows every text, and each digit is a token of its own.

    Words are cut as the tokenizers of Llama 3 and Gemma cut common English ones, so that a form has
    about as many tokens as it has there.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=_TOKENS_LEARNT,
        special_tokens=[_BOS, _EOS, _PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    forms = [form for form in all_forms(instrument) if form.split == "tuning"]
    tokenizer.train_from_iterator([f"{form.text}\n{form.cue} 1" for form in forms], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single=f"{_BOS} $A", special_tokens=[(_BOS, tokenizer.token_to_id(_BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=_BOS, eos_token=_EOS, pad_token=_PAD
    )


_SHAPES: dict[Shape, dict[str, Any]] = {
    "llama-3-8b": {
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "max_position_embeddings": 8192,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
        "rms_norm_eps": 1e-5,
    },
    "gemma-3-270m": {
        "model_type": "gemma3_text",
        "hidden_size": 640,
        "intermediate_size": 2048,
        "num_hidden_layers": 18,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 256,
        "query_pre_attn_scalar": 256,
        "vocab_size": 262144,
        "max_position_embeddings": 32768,
        "sliding_window": 512,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 3,
    },
    "tiny": {
        "model_type": "gemma3_text",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "vocab_size": 2048,
        "max_position_embeddings": 1024,
        "sliding_window": 32,
        "layer_types": ["sliding_attention", "full_attention"],
    },
}
