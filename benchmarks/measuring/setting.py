"""What every measurement is made on: the forms, the soft prompts, the machine's description."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from acculturate.model.language_model import LanguageModel
from acculturate.survey.forms import ORDERS, Form, LabelKind
from acculturate.survey.instrument import Instrument
from acculturate.survey.selection import balanced_forms
from measuring import machine

VIRTUAL_TOKENS = 8
_PACKAGES = ("acculturate", "torch", "transformers", "numpy")


def bench_forms(
    instrument: Instrument, count: int, labels: LabelKind = "digits"
) -> tuple[Form, ...]:
    """Tuning forms to ask: every item equally often.

    As many as there are items: each once, its options forward and reversed in turn from item to item,
    where they are listed. Otherwise `balanced_forms`.

    Raises:
        UsageError: The count cannot be balanced.
    """
    if count != len(instrument.items) or labels == "words":
        return balanced_forms(instrument, "tuning", count, labels=labels)
    order = {item.id: ORDERS[place % 2] for place, item in enumerate(instrument.items)}
    both = balanced_forms(instrument, "tuning")
    return tuple(form for form in both if form.order == order[form.item])


def gaussian_population(
    model: LanguageModel, candidates: int
) -> Float[np.ndarray, "candidate token hidden"]:
    """Soft prompts with the spread of the embeddings, the same every time."""
    drawn = np.random.default_rng(0).normal(size=(candidates, VIRTUAL_TOKENS, model.hidden_size))
    return (drawn * model.embedding_scale()).astype(np.float32)


def about(model: LanguageModel) -> dict[str, Any]:
    """Machine and versions, for the record."""
    device: torch.device = model.network.device
    return {
        "device": str(device),
        "device_name": machine.device_name(device),
        "dtype": str(model.network.dtype).removeprefix("torch."),
        "attention": model.network.config._attn_implementation,
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
    }
