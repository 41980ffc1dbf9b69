"""Embeddings as text: the base64 of a tensor that `torch.save` wrote, as vLLM's `prompt_embeds` are.

They come from strangers: nothing but a tensor is read, and nothing else is run.
"""

from __future__ import annotations

import base64
import binascii
import io
import zipfile

import numpy as np
import torch

from acculturate.errors import UsageError
from acculturate.model.soft_prompt import Prompt

_NUMBERS = (torch.float32, torch.bfloat16, torch.float16)
_HOW = "Send the base64 of what torch.save(tensor) writes, for a tensor [token, hidden size]."


def dump_embeddings(embeddings: Prompt) -> str:
    """Return embeddings as text."""
    file = io.BytesIO()
    torch.save(torch.from_numpy(np.array(embeddings, np.float32)), file)
    return base64.b64encode(file.getvalue()).decode()


def load_embeddings(text: str, hidden_size: int) -> Prompt:
    """Read embeddings from text.

    Args:
        text: The text.
        hidden_size: Width that they have to have.

    Raises:
        UsageError: They are no tensor of finite numbers, `[token, hidden_size]`.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"prompt_embeds are no base64: {error}", _HOW) from error
    _check_archive(content)
    try:
        with torch.sparse.check_sparse_tensor_invariants():
            tensor = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged archive or a forbidden object brings about
        first = str(error).partition("\n")[0]
        raise UsageError(f"prompt_embeds hold no tensor: {first}", _HOW) from error
    if not isinstance(tensor, torch.Tensor) or tensor.layout is not torch.strided:
        raise UsageError("prompt_embeds hold no dense tensor", _HOW)
    if tensor.ndim == 3 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.dtype not in _NUMBERS or tensor.ndim != 2 or tensor.shape[1] != hidden_size:
        kind = f"{str(tensor.dtype).removeprefix('torch.')} of shape {list(tensor.shape)}"
        raise UsageError(
            f"prompt_embeds are {kind}, and the model takes floats of shape [token, {hidden_size}]",
            _HOW,
        )
    # A view may claim to be larger than what was sent.
    if not 0 < tensor.nbytes <= len(content) or not tensor.isfinite().all():
        raise UsageError("prompt_embeds are empty, or not all finite numbers", _HOW)
    return tensor.float().numpy()


def _check_archive(content: bytes) -> None:
    """Refuse an archive that would be larger in memory than what was sent; torch's own are not compressed."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return  # torch says what is wrong
    if size > len(content):
        raise UsageError("prompt_embeds are compressed", _HOW)
