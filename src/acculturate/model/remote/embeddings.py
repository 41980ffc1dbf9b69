"""Tokenizer and embeddings of a model whose layers run elsewhere.

In: a folder or a name. Out: a `LanguageModel` of a single layer: it encodes and embeds as the whole one does,
and nothing else is asked of it. Of a model on the hub, the one file is fetched that holds the embeddings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM

from acculturate.errors import AcculturateError, FailureError
from acculturate.formatting import first_line
from acculturate.model.answers import Chat
from acculturate.model.language_model import LanguageModel
from acculturate.model.pretrained import (
    load_language_model,
    load_tokenizer,
    resolve_device,
    resolve_dtype,
)
from acculturate.model.source import Source, locate

_INDEX, _SINGLE = "model.safetensors.index.json", "model.safetensors"


def load_embedding_model(name: str, dtype: str = "auto", chat: Chat = "auto") -> LanguageModel:
    """Load tokenizer and embeddings.

    Args:
        name: As of `load_model`.
        dtype: Precision of the embeddings, that in which the model is served.
        chat: As of `load_model`.

    Raises:
        UsageError: There is no such model.
        FailureError: Its embeddings cannot be read.
    """
    source = locate(name, None, {}, lambda _: None)
    if source.gguf is not None:
        return load_language_model(name, dtype=dtype, device="cpu", chat=chat)
    try:
        config: Any = AutoConfig.from_pretrained(source.place, **source.options)
        text = config.get_text_config()
        text.num_hidden_layers = 1
        if getattr(text, "layer_types", None):
            text.layer_types = text.layer_types[:1]
        network: Any = AutoModelForCausalLM.from_config(
            config, dtype=resolve_dtype(dtype, resolve_device("cpu"))
        )
        layer = network.get_input_embeddings()
        rows = _read_rows(source, layer.weight.shape)
        with torch.no_grad():
            layer.weight.copy_(rows)
        return LanguageModel(name, None, network, load_tokenizer(source), chat=chat)
    except AcculturateError:
        raise
    except Exception as error:
        raise FailureError(
            f"the embeddings of {name} cannot be read: {first_line(error)}",
            "Give the folder of the very model that is served: config.json, tokenizer and safetensors.",
        ) from error


def _read_rows(source: Source, shape: torch.Size) -> torch.Tensor:
    """Return the rows of the embedding layer."""
    try:
        index = json.loads(_file(source, _INDEX).read_text("utf-8"))["weight_map"]
    except (FileNotFoundError, EntryNotFoundError):
        index = None
    files = (
        sorted({file for key, file in index.items() if _is_embedding(key)}) if index else [_SINGLE]
    )
    for file in files:
        with safe_open(_file(source, file), "pt") as tensors:
            for key in filter(_is_embedding, tensors.keys()):
                if tensors.get_slice(key).get_shape() == list(shape):
                    return tensors.get_tensor(key)
    raise FailureError(
        f"{source.name} holds no embeddings of shape {list(shape)}",
        "Give the folder or the hub name of the very model that is served.",
    )


def _is_embedding(key: str) -> bool:
    return key.endswith(
        ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")
    )


def _file(source: Source, name: str) -> Path:
    if (folder := Path(source.place)).is_dir():
        return folder / name
    options = {key: value for key, value in source.on_hub.items() if value is not None}
    return Path(hf_hub_download(source.place, name, **options))
