"""The soft prompt: the tensor, its start values, its file.

A soft prompt lives in the space of the embedding layer's *output* (some models scale there), so that its
statistics, and a file of it, mean the same for every model.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from acculturate.errors import FailureError, UsageError
from acculturate.io import write_bytes
from acculturate.model.answers import AnswerModel, Placement

Init = Literal["gaussian", "tokens", "text", "run"]
TENSOR = "prompt_embeddings"


@dataclass(frozen=True)
class SoftPrompt:
    """Virtual tokens that stand in a model's context.

    Attributes:
        embeddings: The virtual tokens, float32.
        placement: Where they stand.
        model: Name of the model they were made for.
    """

    embeddings: Float[np.ndarray, "token hidden"]
    placement: Placement
    model: str

    @property
    def fingerprint(self) -> str:
        """SHA-256, hexadecimal, of the virtual tokens."""
        return hashlib.sha256(np.ascontiguousarray(self.embeddings, "<f4").tobytes()).hexdigest()

    def save(self, path: Path) -> None:
        """Writes a safetensors file, whole or not at all; the same prompt gives the same bytes.

        Raises:
            FailureError: The file cannot be written.
        """
        about = {"placement": self.placement, "model": self.model, "format": "acculturate-1"}
        tensor = np.ascontiguousarray(self.embeddings, np.float32)
        write_bytes(path, _in_order(save({TENSOR: tensor}, metadata=about)))

    @classmethod
    def load(cls, path: Path) -> SoftPrompt:
        """Reads a file that `save` wrote.

        Raises:
            UsageError: There is no such file, or it is not a soft prompt.
            FailureError: It is damaged.
        """
        if not path.is_file():
            raise UsageError(f"no soft prompt at {path}", "Give a run directory or its file.")
        try:
            with safe_open(path, framework="numpy") as file:
                about: dict[str, str] = file.metadata() or {}
                embeddings = file.get_tensor(TENSOR)
        except (SafetensorError, OSError) as error:
            raise FailureError(
                f"{path} is damaged or not a soft prompt: {error}",
                "Resume the run to write it anew.",
            ) from error
        placement = about.get("placement")
        if placement not in get_args(Placement) or embeddings.ndim != 2:
            raise UsageError(f"{path} is not a soft prompt of acculturate's")
        return cls(embeddings, cast("Placement", placement), about.get("model", ""))


def _in_order(content: bytes) -> bytes:
    """A safetensors file with its header sorted; the library writes metadata in a random order."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]


def start_population(
    model: AnswerModel,
    size: int,
    tokens: int,
    rng: np.random.Generator,
    *,
    init: Init = "gaussian",
    scale: float = 1.0,
    text: str | None = None,
    prompt: Float[np.ndarray, "given hidden"] | None = None,
) -> Float[np.ndarray, "candidate token hidden"]:
    """The first population of a search.

    Args:
        model: Gives the embeddings and their scale.
        size: Candidates.
        tokens: Virtual tokens of a soft prompt.
        rng: Draws everything.
        init: "gaussian": independent entries with the standard deviation of the embedding layer's
            output times `scale`. "tokens": random real tokens, each candidate its own, plus such
            Gaussian noise (none at scale 0). "text": the tokens of `text`, repeated or cut to length,
            plus such noise for all candidates but the first. "run": `prompt` likewise.
        scale: Multiple of the embeddings' standard deviation.
        text: The start text of "text".
        prompt: The soft prompt of "run".

    Raises:
        UsageError: An argument is out of range, or "text" has no text.
    """
    if tokens < 1 or size < 1:
        raise UsageError(f"a population of {size} prompts of {tokens} tokens", "Use at least 1.")
    if not np.isfinite(scale) or scale < 0 or (scale == 0 and init == "gaussian"):
        raise UsageError(f"an init scale of {scale}", "Use a positive number, such as 1.")
    shape = (size, tokens, model.hidden_size)
    noise = rng.normal(size=shape) * (scale * model.embedding_scale())
    if init == "gaussian":
        start = noise
    elif init == "tokens":
        drawn = [model.embed_random_tokens(tokens, rng) for _ in range(size)]
        start = np.stack(drawn) + noise
    elif init == "text":
        words = model.embed_text(text or "")
        if not len(words):
            raise UsageError("a start at a text needs one", "Give --init-text TEXT.")
        noise[0] = 0
        start = np.resize(words, (tokens, model.hidden_size)) + noise
    elif init == "run":
        if prompt is None:
            raise UsageError("a start at a run needs one", "Give --init-run DIRECTORY.")
        noise[0] = 0
        start = np.resize(prompt, (tokens, model.hidden_size)) + noise
    else:
        raise UsageError(f"unknown init {init!r}", f"Use {', '.join(get_args(Init))}.")
    return start.astype(np.float32)
