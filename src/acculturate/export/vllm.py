"""A soft prompt -> the tensor that `prompt_embeds` takes in vLLM's API, and a client that builds all of it.

Such a server takes the embeddings of a whole prompt, as they enter the model's layers: the client looks up
those of the text, and puts the soft prompt among them. On disk the tensor is safetensors; torch.save, which the
API asks for, happens in the client's memory.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save

from acculturate.export.card import is_converted, render
from acculturate.export.formats import Export, Written
from acculturate.export.proof import SINGLE_ROWS, compare
from acculturate.io import write_bytes, write_text
from acculturate.model.embedding import ScaledEmbedding, input_embedding
from acculturate.model.language_model import LanguageModel
from acculturate.model.soft_prompt import Placement
from acculturate.progress import task

TENSOR = "prompt_embeds"


class PromptEmbeds:
    """The tensor and its client; see `Format`."""

    noun = "tensor"
    placements: tuple[Placement, ...] = ("front", "after-bos", "before-answer")

    def check(self, _model: LanguageModel, /) -> None:
        """See `Format.check`."""

    def write(self, folder: Path, export: Export) -> Written:
        """See `Format.write`."""
        embed = input_embedding(export.model.network)
        tensor = np.ascontiguousarray(export.prompt.embeddings, np.float32)
        write_bytes(
            folder / f"{TENSOR}.safetensors", save({TENSOR: tensor}, metadata={"format": "pt"})
        )
        client = render(
            "client.py.j2",
            model=export.model.name,
            revision=export.revision,
            through_acculturate=is_converted(export.model),
            leading=list(export.model.leading),
            placement=export.prompt.placement,
            factor=embed.factor if isinstance(embed, ScaledEmbedding) else 1.0,
        )
        write_text(folder / "client.py", client)
        with task("proving the client"):
            proof = compare(export, _ask(folder / "client.py", export), "as embeddings")
        return Written(proof, {"tensor": TENSOR})


def _ask(client: Path, export: Export) -> dict[str, list[torch.Tensor]]:
    """Return the logits behind forms whose embeddings the client made."""
    network = export.model.network
    build = _functions(client)["prompt_embeds"]
    layer = network.get_input_embeddings()
    found: list[torch.Tensor] = []
    with torch.inference_mode():
        for form in map(export.model.encode, export.shown[:SINGLE_ROWS]):
            cut = form.prompt_at("before-answer")
            rows = [build(form.tokens[:cut], layer), _embed(export, form.tokens[cut:])]
            whole = torch.cat(rows)[None].to(network.device)
            found.append(network(inputs_embeds=whole, use_cache=False).logits[0, -1].float())
    return {"one row at a time": found}


def _embed(export: Export, ids: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(export.model.embed_ids(ids)).to(export.model.network.device)


def _functions(file: Path) -> dict[str, Any]:
    """Return the functions of the client, which were written a moment ago from our own template."""
    spec = importlib.util.spec_from_file_location("client", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)
