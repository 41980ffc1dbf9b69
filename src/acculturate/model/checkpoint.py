"""A checkpoint, held against the network that is made of it: files, architecture, weights.

transformers fills what a checkpoint lacks with random numbers, leaves out what it has no place for, and only
warns. Here both are refused. What the loader itself allows is allowed: heads tied to the embedding, buffers,
and what its classes name as safe to ignore, such as towers for images or heads that predict further tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    PreTrainedModel,
)

from acculturate.errors import FailureError, UsageError

_LISTED = 3
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LARGEST_POINTER = 1024  # bytes
_WRAPPERS = re.compile(r"(_orig_mod|module|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_OF_ANOTHER_HEAD = re.compile("Reward|Classif|Embed|Regress|Rerank|Score")
"""In names of classes that transformers does not know."""
_LEARNT = re.compile(r"(_correction_bias|balancing_biases|tid2eid|layer_scalar)$")
"""Buffers whose numbers are of the checkpoint: of routers to experts, and of Gemma 4's layers."""
_USE_A_DECODER = "Use a causal language model, such as a Llama, Qwen, Mistral, Gemma or OLMo."


def check_files(folder: Path) -> None:
    """Refuse a folder that was cloned without its large files.

    Raises:
        UsageError: A file is a Git LFS pointer.
    """
    for file in sorted(folder.iterdir()):
        is_small = file.is_file() and file.stat().st_size < _LARGEST_POINTER
        if is_small and file.read_bytes().startswith(_LFS_POINTER):
            raise UsageError(
                f"{file} is a Git LFS pointer, not the file itself",
                f"Run `git lfs pull` in {folder}.",
            )


def damaged_file(folder: Path) -> str | None:
    """Return the first file of a folder that cannot be read, and why, or None."""
    for file in sorted(folder.iterdir()):
        try:
            if file.suffix == ".safetensors":
                with safe_open(file, framework="pt"):
                    pass
            elif file.suffix == ".bin":
                torch.load(file, map_location="meta", weights_only=True)
            elif file.suffix == ".json":
                json.loads(file.read_bytes())
        except Exception as error:
            return f"{file} is damaged: {str(error) or type(error).__name__}"
    return None


def check_architecture(name: str, config: Any) -> None:
    """Refuse a model whose configuration says that it does not write from left to right.

    Raises:
        UsageError: It is an encoder, an encoder-decoder, or a model with a head for something else.
    """
    kind, text = config.model_type, config.get_text_config()
    bidirectional = getattr(text, "use_bidirectional_attention", None) in (True, "all")
    if config.is_encoder_decoder:
        raise UsageError(
            f"{name} is an encoder-decoder ({kind}), not a decoder-only language model",
            _USE_A_DECODER,
        )
    masked = type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "causal", False)
    if masked and not getattr(config, "is_decoder", False):
        raise UsageError(
            f"{name} is an encoder ({kind}): it fills in masked words, and is_decoder is false in its "
            "config.json",
            _USE_A_DECODER,
        )
    if bidirectional or not getattr(text, "is_causal", True):
        raise UsageError(
            f"{name} attends to both sides, as its config.json says: it embeds texts ({kind})",
            _USE_A_DECODER,
        )
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING and not getattr(config, "auto_map", None):
        raise UsageError(
            f"{name} is of a type ({kind}) that transformers does not load as a causal language model",
            f"{_USE_A_DECODER} Of a model with images or sound, give the language model that is in it.",
        )
    for architecture in getattr(config, "architectures", None) or ():
        made: Any = getattr(transformers, str(architecture), None)
        is_known = isinstance(made, type) and issubclass(made, PreTrainedModel)
        is_bare = str(architecture).endswith("Model")  # what it lacks is found when it is loaded
        gives_no_words = (
            not is_bare and not made.can_generate()
            if is_known
            else _OF_ANOTHER_HEAD.search(str(architecture))
        )
        if gives_no_words:
            raise UsageError(
                f"{name} was saved as {architecture}, whose head gives no words: a reward model, a "
                "classifier or the like",
                "Use the language model that it was made from.",
            )


def check_weights(name: str, network: Any, loading: Mapping[str, Any]) -> None:
    """Refuse a network that is not what its checkpoint holds.

    Args:
        name: Name of the model.
        network: The network, loaded.
        loading: What transformers says about it with `output_loading_info`.

    Raises:
        FailureError: Weights are missing, of another shape, or without a place.
    """
    unexpected = set[str](loading["unexpected_keys"])
    for key, there, here in sorted(loading["mismatched_keys"]):
        raise FailureError(
            f"{key} of {name} has the shape {tuple(there)} and config.json asks for {tuple(here)}",
            "config.json and the weights are of different models: take both from one place.",
        )
    missing, whole = _missing(network, loading["missing_keys"])
    if missing:
        reason, hint = _reason(network, missing, unexpected)
        raise FailureError(
            f"{name} lacks {len(missing)} of {whole} weights that {type(network).__name__} needs, "
            f"{_listed(missing)}: {reason}",
            hint,
        )
    # A quantisation that transformers reads has names of its own, which it reports as without a place.
    quantised = getattr(network, "hf_quantizer", None) is not None
    if not quantised and (surplus := _without_a_place(network, unexpected)):
        raise FailureError(
            f"{name} holds weights that its network, {type(network).__name__}, has no place for: "
            f"{_listed(surplus)}",
            "Check that config.json belongs to these weights (the number of layers, the quantisation), "
            "that adapters in them are merged, and that transformers is recent enough for them.",
        )


def _missing(network: Any, keys: Iterable[str]) -> tuple[set[str], int]:
    """Return the missing weights that no loaded one is tied to, and how many there are in all.

    Weights are parameters and those buffers that are learnt too.
    """
    parameters: dict[str, Any] = dict(network.named_parameters(remove_duplicate=False))
    parameters |= {key: value for key, value in network.named_buffers() if _LEARNT.search(key)}
    lost = set(keys) & set(parameters)
    loaded = {id(weight) for key, weight in parameters.items() if key not in lost}
    return {key for key in lost if id(parameters[key]) not in loaded}, len(parameters)


def _reason(network: Any, missing: set[str], unexpected: set[str]) -> tuple[str, str]:
    """Return the likeliest reason for missing weights, and the next step."""
    head = network.get_output_embeddings()
    of_head = {id(weight) for weight in head.parameters()} if head is not None else set[int]()
    heads = {key for key, weight in network.named_parameters() if id(weight) in of_head}
    if missing <= {_WRAPPERS.sub("", key) for key in unexpected}:
        return (
            f"the file has them as {_listed(unexpected)}, as it was saved while the model was wrapped, by "
            "torch.compile or for several GPUs",
            "Save the unwrapped model again, or take that part out of the names.",
        )
    if others := {key for key in unexpected if _parent(key) in map(_parent, missing)}:
        return (
            f"the file has {_listed(others)} in their place, a quantisation that transformers does not read "
            "from it",
            "Use the model without quantisation, or in a format that transformers loads.",
        )
    if missing <= heads:
        return (
            "reward and embedding models have no such head for words, and some trainers lose it",
            "Use the language model that it was made from, or save it again with its head; where that is "
            "the embedding, tie_word_embeddings has to be true in config.json.",
        )
    instead = f"; it has {_listed(unexpected)} instead" if unexpected else ""
    return (
        f"the checkpoint is not complete{instead}",
        "Download it or save it again; all files of its index have to be there.",
    )


def _without_a_place(network: Any, unexpected: set[str]) -> set[str]:
    """Return the unexpected weights that would compute something inside the decoder.

    Those are parts of a module that has weights of its own (a bias, a scale, an adapter); modules inside a
    layer that is there; and further layers like those that are there. All others stand beside the decoder.
    """
    modules = dict(network.named_modules())
    filled = {name for name, module in modules.items() if name and _holds_weights(module)}
    known = {_any_index(key) for key in network.state_dict()}
    further: dict[str, set[str]] = {}
    surplus: set[str] = set()
    for key in unexpected:
        above = [key[: dot.start()] for dot in re.finditer(r"\.", key)]
        layers = [part for part in above if part.rpartition(".")[2].isdigit()]
        if filled.intersection(above):
            surplus.add(key)
        elif layers and layers[-1] in modules:
            is_weight = key.endswith((".weight", ".bias")) and above[-1] not in modules
            surplus.update({key} if is_weight else ())
        elif layers:
            first = next(part for part in layers if part not in modules)
            further.setdefault(first, set()).add(key)
    for keys in further.values():
        if {_any_index(key) for key in keys} <= known:  # else it is a layer of another kind
            surplus |= keys
    return surplus


def _holds_weights(module: Any) -> bool:
    """Return whether all parameters of a module, and there are some, are its own."""
    own = len(list(module.parameters(recurse=False)))
    return 0 < own == len(list(module.parameters()))


def _any_index(key: str) -> str:
    return re.sub(r"(?<=\.)\d+(?=\.)", "*", key)


def _parent(key: str) -> str:
    return key.rpartition(".")[0]


def _listed(keys: Iterable[str]) -> str:
    names = sorted(keys)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
