"""Rows of a vocabulary that no text uses, and what has to be stored in them.

In: a tokenizer and a network. Out: tokens whose rows are free, and the factor from a row to what enters the
layers.
"""

from __future__ import annotations

import re
from typing import Any

import torch

from acculturate.errors import UsageError
from acculturate.model.embedding import input_embedding

_UNUSED = re.compile(
    r"[<\[]\|?(unused|reserved|reserved_special_token|placeholder|dummy|special|control|pad)"
    r"[ _-]?\d+\|?[>\]]",
    re.IGNORECASE,
)
"""Names that makers give to tokens kept for later: Gemma's <unused0>, Llama's <|reserved_special_token_0|>,
Phi's <|placeholder1|>, Mistral's [control_8], and [PAD151665], which GGUF files call padded rows."""
_PADDED = "<|virtual_{}|>"
_ELSEWHERE = "Export it --format vllm or peft instead: they need no row."


def find_unused_rows(name: str, tokenizer: Any, rows: int, count: int) -> dict[str, int]:
    """Return tokens that no text holds and their ids: reserved ones, the last first; else padded rows.

    Args:
        name: Name of the model.
        tokenizer: Its tokenizer.
        rows: Number of its embeddings.
        count: Tokens that are needed.

    Raises:
        UsageError: There are fewer.
    """
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    template = str(tokenizer.chat_template or "")
    in_use = set(tokenizer.special_tokens_map.values())
    reserved = sorted(
        (row, token)
        for token, row in vocabulary.items()
        if row < rows and _UNUSED.fullmatch(token) and token not in template and token not in in_use
    )
    padded = range(max(vocabulary.values()) + 1, rows)
    free = {token: row for row, token in reserved[-count:]}
    free |= {_PADDED.format(at): row for at, row in enumerate(padded[: count - len(free)])}
    if len(free) < count:
        raise UsageError(
            f"the soft prompt needs {count} unused rows of the vocabulary, and {name} has {len(free)}: of "
            f"{rows} rows, {len(reserved)} are reserved and {len(padded)} are behind the last token",
            _ELSEWHERE,
        )
    return free


@torch.no_grad()
def embedding_factor(name: str, network: Any) -> float:
    """Return the factor from a stored row to what enters a network's layers, such as Gemma's root of the width.

    Raises:
        UsageError: The network does more with a row than multiply it.
    """
    embed = input_embedding(network)
    weight = embed.weight[:512].float()
    ids = torch.arange(len(weight), device=weight.device)
    entering = embed(ids).float()
    if entering.shape == weight.shape:
        factor = float((entering * weight).sum() / (weight * weight).sum())
        if torch.allclose(entering, factor * weight, rtol=1e-3, atol=1e-6):
            return factor
    raise UsageError(
        f"{name} does more with a row of its vocabulary than look it up, so that no virtual token can be "
        "stored in one",
        _ELSEWHERE,
    )
