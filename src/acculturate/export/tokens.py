"""A soft prompt -> a model folder that has it inside: its virtual tokens are rows of the vocabulary.

The tokenizer puts these tokens in front of every text, and the chat template in front of every conversation (or
at its end, before the answer), so that any server that loads the folder has the culture in it. Where the output
embeddings are the input's, the rows would be words to write too: generation_config.json suppresses them.
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from acculturate.errors import FailureError, UsageError
from acculturate.export.card import is_converted
from acculturate.export.formats import Export, Written
from acculturate.export.placing import VirtualTokens, check_placed, place
from acculturate.export.proof import (
    SINGLE_ROWS,
    check_rounding,
    compare,
    first_step,
    next_logits,
)
from acculturate.export.unused_rows import embedding_factor, find_unused_rows
from acculturate.formatting import first_line
from acculturate.io import write_text
from acculturate.model.language_model import LanguageModel
from acculturate.model.pretrained import quiet_transformers
from acculturate.model.soft_prompt import Placement, SoftPrompt
from acculturate.progress import task

_PRECISIONS = (torch.bfloat16, torch.float16)
_OF_OLD_CLASSES = ("add_bos_token", "add_eos_token")
"""Settings from which some classes of tokenizers make what stands in front of a text anew."""


class ModelFolder:
    """A whole model with the virtual tokens in its vocabulary; see `Format`."""

    noun = "model"
    placements: tuple[Placement, ...] = ("front", "after-bos", "before-answer")

    def check(self, model: LanguageModel, /) -> None:
        """See `Format.check`."""
        if model.network.dtype != torch.float32:
            raise UsageError(
                f"the model was loaded in {str(model.network.dtype).removeprefix('torch.')}, and a folder is "
                "proved in float32",
                'Load it with load_model(..., dtype="float32").',
            )
        if is_converted(model) and model.name != "embedded":
            raise UsageError(
                f"{model.name} is a GGUF file, whose weights would become a folder many times its size",
                "Export it --format gguf.",
            )

    def write(self, folder: Path, export: Export) -> Written:
        """See `Format.write`."""
        model, network = export.model, export.model.network
        count, rows = len(export.prompt.embeddings), len(network.get_input_embeddings().weight)
        virtual = VirtualTokens(
            find_unused_rows(model.name, model.tokenizer, rows, count),
            export.prompt.placement,
            model.leading,
        )
        tokenizer = place(model.tokenizer, virtual)
        factor = embedding_factor(model.name, network)
        precision = _smallest_precision(network)
        stored = torch.from_numpy(np.array(export.prompt.embeddings, np.float32)) / factor
        stored = stored.to(precision)
        with task("writing the model"), quiet_transformers():
            _save_network(folder, network, stored, virtual, precision)
            _save_tokenizer(folder, tokenizer)
        with task("proving the model"):
            rounded = (stored.float() * factor).numpy()
            as_stored = replace(export.prompt, embeddings=rounded)
            proof, stray = _prove(folder, export, virtual, as_stored)
        facts = {
            "virtual": virtual,
            "precision": str(precision).removeprefix("torch."),
            "rounding": check_rounding(export, as_stored),
            "stray": stray,
            "tied": _is_tied(network),
        }
        return Written(proof, facts)


def _smallest_precision(network: Any) -> torch.dtype:
    """Return the precision with the fewest bits that holds all weights of a network as they are."""
    weights = [weight.data for weight in network.parameters()]
    for precision in _PRECISIONS:
        if all(torch.equal(weight.to(precision).to(weight), weight) for weight in weights):
            return precision
    return torch.float32


def _is_tied(network: Any) -> bool:
    head = network.get_output_embeddings()
    return head is not None and head.weight is network.get_input_embeddings().weight


def _save_network(
    folder: Path,
    network: Any,
    stored: torch.Tensor,
    virtual: VirtualTokens,
    precision: torch.dtype,
) -> None:
    """Save a network with other rows in its embedding; the one in memory stays as it is."""
    embedding = network.get_input_embeddings().weight
    changed = embedding.detach().to(precision, copy=True)
    changed[list(virtual.ids.values())] = stored.to(changed.device)
    state: dict[str, torch.Tensor] = {}
    for name, tensor in network.state_dict().items():
        is_float = tensor.is_floating_point()
        state[name] = tensor.to(precision) if is_float else tensor
        if tensor.data_ptr() == embedding.data_ptr():
            state[name] = changed  # tied heads too
    loaded_in = network.config.dtype
    try:
        network.save_pretrained(folder, state_dict=state)
    finally:
        network.config.dtype = loaded_in
    _change_json(folder / "config.json", dtype=str(precision).removeprefix("torch."))
    generation = copy.deepcopy(network.generation_config)
    generation.suppress_tokens = sorted(
        {*(generation.suppress_tokens or ()), *virtual.ids.values()}
    )
    generation.save_pretrained(folder)


def _save_tokenizer(folder: Path, tokenizer: Any) -> None:
    """Save a tokenizer whose class makes nothing of it anew when it is loaded."""
    tokenizer.save_pretrained(folder)
    _change_json(
        folder / "tokenizer_config.json",
        tokenizer_class="PreTrainedTokenizerFast",
        **dict.fromkeys(_OF_OLD_CLASSES),
    )


def _change_json(file: Path, **changes: str | None) -> None:
    """Set keys of a JSON file, or take them out where they are None."""
    settings = json.loads(file.read_text(encoding="utf-8")) | changes
    kept = {
        key: value for key, value in settings.items() if key not in changes or value is not None
    }
    write_text(file, json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def _prove(folder: Path, export: Export, virtual: VirtualTokens, stored: SoftPrompt) -> Any:
    """Prove a folder with plain transformers.

    Returns:
        The proof, and the largest share of the next token that the virtual tokens themselves get.
    """
    model = export.model
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(folder)
            loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
            network = loaded.to(model.network.device).eval()
    except Exception as error:
        raise FailureError(
            f"transformers cannot load the folder that was written: {first_line(error)}",
            "Nothing was written. Export it --format vllm or peft instead.",
        ) from error
    check_placed(model.tokenizer, tokenizer, virtual)
    rows = [
        virtual.among(form.tokens, form.prompt_at("before-answer"))
        for form in map(model.encode, export.shown)
    ]
    with torch.inference_mode():
        batch = next_logits(network, rows)
        ways = {
            "one row at a time": [next_logits(network, [row])[0] for row in rows[:SINGLE_ROWS]],
            "a right-padded batch": batch,
            "the first step of a generation": [first_step(network, rows[0])],
        }
    shares = torch.stack(batch).softmax(-1)[:, list(virtual.ids.values())].sum(-1)
    return compare(export, ways, "through transformers", stored), float(shares.max())
