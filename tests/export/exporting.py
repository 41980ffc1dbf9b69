"""What tests of exports share."""

from typing import Any

import numpy as np
from tokenizers import AddedToken

from acculturate.model import LanguageModel, SoftPrompt
from tiny_models import tiny_network, tiny_tokenizer


def soft_prompt(model: Any, placement: Any = "front", tokens: int = 4) -> SoftPrompt:
    noise = np.random.default_rng(0).normal(size=(tokens, model.hidden_size))
    return SoftPrompt((noise * model.embedding_scale()).astype(np.float32), placement, model.name)


def model_with_room(
    name: str, kind: str, *, bos: bool = True, chat_template: str | None = None
) -> LanguageModel:
    """A model with unused rows: Gemma's or Llama's reserved tokens, or Qwen's padded rows."""
    tokenizer = tiny_tokenizer(bos=bos, chat_template=chat_template)
    names = {"gemma": "<unused{}>", "llama": "<|reserved_special_token_{}|>"}
    if kind in names:
        tokenizer.add_tokens(
            [AddedToken(names[kind].format(at), special=kind == "llama") for at in range(6)]
        )
    network = tiny_network(name)
    network.resize_token_embeddings(len(tokenizer) + 6 * (kind == "qwen"), mean_resizing=False)
    return LanguageModel(name, None, network, tokenizer)
