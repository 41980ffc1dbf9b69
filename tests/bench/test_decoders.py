"""A decoder of every kind, beside plain transformers; benchmarks/decoders.py asks all types there are."""

import pytest
import torch

from measuring.decoder_check import check_decoder

PATHS = {
    "llama": "merged",
    "gemma2": "merged",  # caps and windows
    "gpt2": "merged",  # learnt positions
    "gptj": "form by form",  # attention of its own
    "bloom": "form by form",  # a bias on distances
    "modernbert-decoder": "merged, own head",  # get_decoder() is no decoder
    "mamba": "form by form",  # no attention
    "falcon_h1": "form by form",  # attention beside it, and scales in many places
    "qwen3_next": "form by form",  # linear attention in most layers
    "bart": "form by form",  # transformers' own generation gives positions of its own
    "git": "form by form",  # changes its embeddings in place
}


@pytest.mark.parametrize("name", PATHS)
def test_a_decoder_of_its_kind_is_right(name: str) -> None:
    check = check_decoder(name)
    assert (check.result, check.reason) == (PATHS[name], "")
    assert check.written.startswith("same words")
    half = check_decoder(name, torch.bfloat16)
    assert half.result == PATHS[name] or "Use --dtype float32" in half.reason, half.reason


def test_what_needs_more_than_embeddings_is_refused() -> None:
    check = check_decoder("gemma3n_text")
    assert check.result == "refused"
    assert "its tokens reach its layers by more ways than their embeddings" in check.reason
