"""A decoder of every kind, beside plain transformers; benchmarks/decoders.py asks all types there are."""

import pytest
import torch

from measuring.decoder_check import check_decoder

MERGED = ("llama", "gemma2", "gpt2", "olmo2", "opt")
ONE_BY_ONE = ("bloom", "mamba", "bamba", "qwen3_next")


@pytest.mark.parametrize("name", MERGED + ONE_BY_ONE)
def test_a_decoder_of_its_kind_is_right(name: str) -> None:
    check = check_decoder(name)
    assert (check.result, check.reason) == ("merged" if name in MERGED else "form by form", "")
    assert check.written.startswith("same words")


@pytest.mark.parametrize("name", MERGED)
def test_it_is_right_in_bfloat16(name: str) -> None:
    assert check_decoder(name, torch.bfloat16).result == "merged"
