"""The soft prompt: the tensor and its file.

A soft prompt lives in the space of the embedding layer's *output* (some models scale there), so that its
statistics, and a file of it, mean the same for every model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from acculturate.errors import FailureError, UsageError
from acculturate.io import write_bytes
from acculturate.survey.forms import Form, with_line

Prompt = Float[np.ndarray, "token hidden"]
"""One soft prompt, in the space of the embedding layer's output."""
Prompts = Float[np.ndarray, "candidate token hidden"]
"""A population of soft prompts."""
Prefixes = Float[np.ndarray, "candidate token width"]
"""A population of prefixes: the keys and values of all layers, as wide as the model says."""

Placement = Literal["front", "after-bos", "before-answer", "prefix"]
"""Place of a soft prompt: before everything; behind the tokens that the tokenizer puts before every text, such
as the beginning-of-sequence token, or in front where there are none; or behind the question, just before the
answer cue, where everything in front of it is computed once for a whole run. Text that is no form has no cue: a
guard text has the soft prompt behind the first third of its tokens, one that is continued has it at its end.
A "prefix" stands where "after-bos" does, in every layer: its rows are not embeddings but the keys and values of
all layers (`prefix.py`), so that nothing follows from the last of them."""

TENSOR = "prompt_embeddings"


@dataclass(frozen=True)
class SoftPrompt:
    """Virtual tokens that stand in a model's context.

    Attributes:
        embeddings: The virtual tokens, float32; of a prefix the keys and values of all layers.
        placement: Where they stand.
        model: Name of the model they were made for.
        model_hash: Its `IdentifiedModel.model_hash`; empty where it is not known.
        line: Words that it was tuned with, which stand in front of every form and question beside it.
    """

    embeddings: Prompt
    placement: Placement
    model: str
    model_hash: str = ""
    line: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256, hexadecimal, of the virtual tokens and the line."""
        content = np.ascontiguousarray(self.embeddings, "<f4").tobytes() + self.line.encode()
        return hashlib.sha256(content).hexdigest()

    def before(self, forms: Sequence[Form]) -> tuple[Form, ...]:
        """Return the same forms with the line in front, if there is one."""
        return with_line(forms, self.line) if self.line else tuple(forms)

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, whole or not at all; the same prompt gives the same bytes.

        Raises:
            FailureError: The file cannot be written.
        """
        about = {"placement": self.placement, "model": self.model, "format": "acculturate-1"}
        if self.model_hash:
            about["model_hash"] = self.model_hash
        if self.line:
            about["line"] = self.line
        tensor = np.ascontiguousarray(self.embeddings, np.float32)
        write_bytes(Path(path), in_order(save({TENSOR: tensor}, metadata=about)))

    @classmethod
    def load(cls, path: str | Path, *, any_model: bool = False) -> SoftPrompt:
        """Read a file that `save` wrote.

        Args:
            path: The file.
            any_model: Whether to give it to another model than the one it was made for: what it was made
                for is then left out.

        Raises:
            UsageError: There is no such file, or it is not a soft prompt of finite numbers.
            FailureError: It is damaged.
        """
        if not Path(path).is_file():
            raise UsageError(f"no soft prompt at {path}", "Give a run directory or its file.")
        try:
            with safe_open(path, framework="numpy") as file:
                about: dict[str, str] = file.metadata() or {}
                tensor = file.get_tensor(TENSOR)
        except (
            SafetensorError,
            OSError,
            TypeError,
        ) as error:  # TypeError: numpy has no such numbers
            raise FailureError(
                f"{path} is damaged or not a soft prompt: {error}",
                "Resume the run to write it anew.",
            ) from error
        placement = about.get("placement")
        is_matrix = tensor.ndim == 2 and tensor.size and tensor.dtype.kind == "f"
        if placement not in get_args(Placement) or not is_matrix:
            raise UsageError(
                f"{path} is not a soft prompt of acculturate's",
                "Give a run directory, or the best.safetensors in one.",
            )
        with np.errstate(over="ignore"):
            embeddings = tensor.astype(np.float32)
        if not np.isfinite(embeddings).all():
            raise UsageError(
                f"the soft prompt {path} holds entries that are not finite numbers",
                "Use another one: no model answers under it.",
            )
        known = {} if any_model else about
        made_for = known.get("model", ""), known.get("model_hash", "")
        return cls(embeddings, cast("Placement", placement), *made_for, about.get("line", ""))


def in_order(content: bytes) -> bytes:
    """Sort the header of a safetensors file; the library writes metadata in a random order."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]
