"""The file of countries that were tuned together: one shared prompt and the part of each.

In: a directory of such a tuning. Out: a `MultitaskPrompt`. The tensors have the names and shapes of PEFT's
multitask prompt tuning.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from acculturate.errors import FailureError, UsageError
from acculturate.io import write_bytes
from acculturate.model.soft_prompt import Placement, SoftPrompt, in_order
from acculturate.record_files import parse_record, read_toml
from acculturate.runs.inputs import ModelSettings
from acculturate.runs.store import MULTITASK, SETTINGS
from acculturate.search import SharedPrompt, Sharing

TENSORS = "prompt_embeddings", "prefix_task_cols", "prefix_task_rows"


@dataclass(frozen=True)
class MultitaskPrompt:
    """A shared prompt with the part of each country.

    Attributes:
        parts: P, and u and v of each country.
        names: The countries.
        lines: Words in front of every question beside each country's prompt; empty where there are none.
        placement: Where the prompts stand.
        model: Name of the model they were made for.
        model_hash: See `SoftPrompt`.
    """

    parts: SharedPrompt
    names: tuple[str, ...]
    lines: tuple[str, ...]
    placement: Placement
    model: str
    model_hash: str

    @property
    def prompts(self) -> tuple[SoftPrompt, ...]:
        """The plain prompt of each country."""
        about = self.placement, self.model, self.model_hash
        each = zip(self.parts.prompts.astype(np.float32), self.lines, strict=True)
        return tuple(SoftPrompt(prompt, *about, line) for prompt, line in each)

    def save(self, path: Path) -> None:
        """Write a safetensors file, whole or not at all.

        Raises:
            FailureError: The file cannot be written.
        """
        about = {
            "format": "acculturate-multitask-1",
            "sharing": self.parts.sharing,
            "names": json.dumps(self.names),
            "lines": json.dumps(self.lines),
            "placement": self.placement,
            "model": self.model,
            "model_hash": self.model_hash,
        }
        write_bytes(path, in_order(save(multitask_tensors(self.parts), metadata=about)))


def multitask_tensors(parts: SharedPrompt) -> dict[str, np.ndarray]:
    """Return a shared prompt with rank-one parts as PEFT keeps it."""
    arrays = parts.shared, parts.cols[:, :, None], parts.rows[:, None, :]
    floats = (np.ascontiguousarray(array, np.float32) for array in arrays)
    return dict(zip(TENSORS, floats, strict=True))


def load_multitask(directory: Path) -> MultitaskPrompt:
    """Read what the countries of a directory share.

    Raises:
        UsageError: It is not the directory of countries that were tuned together.
        FailureError: Its file is damaged.
    """
    path = directory / MULTITASK
    if not path.is_file():
        raise UsageError(
            f"no countries were tuned together in {directory}: it holds no {MULTITASK}",
            "Give the directory of a tune command with several countries.",
        )
    try:
        with safe_open(path, framework="numpy") as file:
            about: dict[str, str] = file.metadata() or {}
            shared, cols, rows = (file.get_tensor(name).astype(np.float64) for name in TENSORS)
        names, lines = (tuple(map(str, json.loads(about[key]))) for key in ("names", "lines"))
        tokens, hidden = shared.shape
        sound = all(np.isfinite(a).all() for a in (shared, cols, rows))
        shapes = cols.shape == (len(names), tokens, 1) and rows.shape == (len(names), 1, hidden)
        known = about["sharing"] in get_args(Sharing) and about["placement"] in get_args(Placement)
        if not (sound and shapes and known and len(names) == len(lines) > 0):
            raise ValueError("its tensors do not fit together")
    except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
        raise FailureError(
            f"{path} is damaged or of another version: {error}",
            "Repeat its tune command with --resume, or in another --out.",
        ) from error
    sharing, placement = cast("Sharing", about["sharing"]), cast("Placement", about["placement"])
    parts = SharedPrompt(shared, cols[:, :, 0], rows[:, 0], sharing)
    made_for = about.get("model", ""), about.get("model_hash", "")
    return MultitaskPrompt(parts, names, lines, placement, *made_for)


def read_model(directory: Path) -> ModelSettings:
    """Read which model the countries of a directory were tuned on.

    Raises:
        FailureError: The settings are missing or damaged.
    """
    path = directory / SETTINGS
    return parse_record(_Settings, read_toml(path), path).model


@dataclass(frozen=True)
class _Settings:
    model: ModelSettings
