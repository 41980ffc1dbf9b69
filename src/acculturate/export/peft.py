"""A soft prompt -> a PEFT adapter.

PEFT puts the virtual tokens before everything. A prompt tuned behind the beginning-of-sequence token is
carried by making that token's embedding the first virtual token, and a prefix by making its keys and values the
first; the text is then tokenised without it.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors.numpy import save

from acculturate.errors import FailureError, UsageError
from acculturate.export.formats import Export, Written
from acculturate.export.proof import SINGLE_ROWS, compare, first_step, next_logits
from acculturate.formatting import first_line
from acculturate.io import write_bytes
from acculturate.model.language_model import LanguageModel
from acculturate.model.soft_prompt import TENSOR, Placement, SoftPrompt
from acculturate.progress import task


class PeftAdapter:
    """Prompt tuning as PEFT keeps it; see `Format`."""

    noun = "adapter"
    placements: tuple[Placement, ...] = ("front", "after-bos", "prefix")

    def check(self, _model: LanguageModel, /) -> None:
        """See `Format.check`."""
        import_peft()

    def write(self, folder: Path, export: Export) -> Written:
        """See `Format.write`."""
        peft = import_peft()
        rows = adapter_rows(export.prompt, export.model)
        kind, shape = _kind_and_shape(export, rows.shape[1])
        config = getattr(peft, kind)(
            task_type="CAUSAL_LM",  # without it PEFT ignores the prompt and says nothing
            num_virtual_tokens=len(rows),
            **shape,
            num_transformer_submodules=1,
            base_model_name_or_path=export.base,
            revision=export.revision,
            inference_mode=True,
        )
        config.save_pretrained(str(folder))
        write_bytes(
            folder / "adapter_model.safetensors",
            save({TENSOR: np.ascontiguousarray(rows, np.float32)}, metadata={"format": "pt"}),
        )
        with task("proving the adapter"):
            # Every form begins with the tokens that an after-bos adapter carries itself.
            carried = len(rows) - len(export.prompt.embeddings)
            asked = [export.model.encode(form).tokens[carried:] for form in export.shown]
            proof = compare(export, ask_adapter(peft, folder, export.model, asked), "through PEFT")
        return Written(proof, {"carried": carried, "peft": str(peft.__version__)})


def adapter_rows(
    prompt: SoftPrompt, model: LanguageModel
) -> Float[np.ndarray, "virtual_token hidden"]:
    """Return the virtual tokens as PEFT has to put them before everything."""
    embeddings = np.asarray(prompt.embeddings, np.float32)
    if prompt.placement == "front":
        return embeddings
    leading = model.embed_ids(model.leading)
    if prompt.placement == "prefix":
        leading = model.prefix_of(leading[None], leading=False)[0]
    return np.concatenate([leading, embeddings], dtype=np.float32)


def _kind_and_shape(export: Export, width: int) -> tuple[str, dict[str, int]]:
    """Return the name of PEFT's configuration, and the shape of the virtual tokens as it keeps it.

    Raises:
        UsageError: The prompt is a prefix, and PEFT has no place for the keys and values of this model.
    """
    if export.prompt.placement != "prefix":
        return "PromptTuningConfig", {"token_dim": width}
    shape = export.model.prefix_shape()
    if shape is None:
        raise UsageError(
            f"keys and values of {export.model.name} differ in shape from layer to layer, and PEFT keeps a "
            "prefix of one shape",
            "Tune a soft prompt of embeddings for it: --placement after-bos.",
        )
    heads, size = shape
    return "PrefixTuningConfig", {
        "token_dim": heads * size,
        "num_attention_heads": heads,
        "num_layers": width // (2 * heads * size),
    }


def ask_adapter(
    peft: Any,
    folder: Path,
    model: LanguageModel,
    rows: Sequence[tuple[int, ...]],
    number: int | None = None,
) -> dict[str, list[torch.Tensor]]:
    """Return the logits behind rows of tokens, by ways of asking an adapter that PEFT loads.

    Args:
        peft: The package.
        folder: The adapter.
        model: Its model.
        rows: Token ids.
        number: The task to ask, where the adapter has several.

    Raises:
        FailureError: PEFT cannot load it, or not run it.
    """
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            adapted = peft.PeftModel.from_pretrained(model.network, str(folder))
            config = adapted.active_peft_config
            # A prefix is in the layers' caches, not among the rows that are read.
            virtual = 0 if config.peft_type == "PREFIX_TUNING" else int(config.num_virtual_tokens)
            return {
                "one row at a time": [
                    next_logits(adapted, [row], virtual, number)[0] for row in rows[:SINGLE_ROWS]
                ],
                "a right-padded batch": next_logits(adapted, rows, virtual, number),
                "the first step of a generation": [first_step(adapted, rows[0], number)],
            }
    except Exception as error:
        kind = model.network.config.model_type
        raise FailureError(
            f"PEFT cannot give {model.name}, a model of the type {kind!r}, a soft prompt: "
            f"{first_line(error)}",
            "Nothing was written. Serve the prompt with acculturate itself.",
        ) from error


def import_peft() -> Any:
    """Import PEFT.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module("peft")
    except ImportError as error:
        raise UsageError(
            "the export needs the package peft, which is not installed",
            "pip install 'acculturate[peft]'",
        ) from error
