"""Hashes of a network's weights: of every bit, and of what stays the same in another precision."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from acculturate.progress import advance, task

_SAMPLED = 65536


def weights_hash(network: Any) -> str:
    """Return the SHA-256 over the names and bytes of all parameters: seconds a gigabyte."""
    digest = hashlib.sha256()
    weights = sorted(network.named_parameters())
    with task("hashing the model's weights", sum(weight.nbytes for _, weight in weights)):
        for name, weight in weights:
            digest.update(name.encode())
            digest.update(_bytes(weight.detach()))
            advance(weight.nbytes)
    return digest.hexdigest()


def model_hash(network: Any) -> str:
    """Return a SHA-256 that tells models apart, and is the same in every precision and on every device.

    Of every parameter it takes the name, the shape and about 65,536 evenly spaced numbers, all of a small
    one, rounded to what bfloat16 and float16 both hold: weights that were read in another precision round to
    the same. Training changes nearly all tensors, so that a fine-tuned model has another hash. Not covered
    are weights stored in float32 and read in float16: they are rounded twice.
    """
    digest = hashlib.sha256()
    for name, weight in sorted(network.named_parameters()):
        digest.update(f"{name} {tuple(weight.shape)} ".encode())
        step = max(1, weight.numel() // _SAMPLED)
        sample = weight.detach().reshape(-1)[::step].cpu()
        if sample.is_floating_point():
            sample = sample.to(torch.bfloat16).to(torch.float16)
        digest.update(_bytes(sample))
    return digest.hexdigest()


def _bytes(tensor: torch.Tensor) -> Any:
    return tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
