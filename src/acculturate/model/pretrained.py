"""From a name to a frozen `LanguageModel`: a hub name, a folder, a GGUF file, an adapter or "embedded"."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import has_file
from transformers.utils import logging as transformers_logging
from transformers.utils.peft_utils import find_adapter_config_file

from acculturate.errors import AcculturateError, FailureError, UsageError
from acculturate.formatting import first_line
from acculturate.model.adapter import Adapter, MergedAdapter, merge
from acculturate.model.answers import Chat
from acculturate.model.checkpoint import (
    check_architecture,
    check_weights,
    damaged_file,
)
from acculturate.model.language_model import LanguageModel
from acculturate.model.source import MODELS, Source, locate

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_OF_EMBEDDING_MODELS = "modules.json"
_GGUF_HINT = "Use the model's folder or hub name instead of the GGUF file."
_TOKENIZER_HINT = (
    "Copy the tokenizer's files, such as tokenizer.json, from the model that it was made from."
)


def load_language_model(
    name: str | Path,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
    chat: Chat = "auto",
    progress: Callable[[str], None] = lambda _: None,
) -> LanguageModel:
    """Load a causal language model and freeze it; see `load_model` for the arguments and errors."""
    chosen_device = resolve_device(device)
    chosen_dtype = resolve_dtype(dtype, chosen_device)
    trust = {"trust_remote_code": trust_remote_code}
    merged: MergedAdapter | None = None
    with quiet_transformers():
        source = base = locate(name, revision, trust, progress)
        if revision is not None and not source.on_hub:
            raise UsageError(
                f"{name} is not on the hub and has no revisions", "Leave --revision out."
            )
        progress(f"loading {name}")
        try:
            adapter = _read_adapter(source)
            if adapter is not None:
                base = _locate_base(adapter, trust, progress)
            network = _load_network(base, chosen_dtype)
            if adapter is not None:
                network, merged = merge(adapter, network, source.on_hub)
            network = network.to(chosen_device)
            has_own = adapter is None or has_file(
                source.place, "tokenizer_config.json", **source.on_hub
            )
            tokenizer = load_tokenizer(source if has_own else base)
        except AcculturateError:
            raise
        except Exception as error:
            raise _load_error(source, chosen_device, error) from error
    commit = source.options.get("revision") or revision
    return LanguageModel(str(name), commit, network, tokenizer, chat=chat, adapter=merged)


def _read_adapter(source: Source) -> Adapter | None:
    """Read the adapter that a source is, or return None."""
    file = None
    if source.gguf is None:
        file = find_adapter_config_file(source.place, **source.on_hub)
    return None if file is None else Adapter.read(source.name, Path(file))


def _locate_base(
    adapter: Adapter, trust: dict[str, Any], progress: Callable[[str], None]
) -> Source:
    progress(f"loading {adapter.base}, the base of {adapter.name}")
    try:
        base = locate(adapter.base, adapter.base_revision, trust, progress)
    except UsageError as error:
        raise UsageError(
            f"{adapter.name} is an adapter, and its base is not here: {error}",
            "Fetch the base, or name another place of it in adapter_config.json.",
        ) from error
    if _read_adapter(base) is not None:
        raise UsageError(
            f"{adapter.name} is an adapter of {adapter.base}, which is an adapter itself",
            "Merge that one into its base with PEFT first.",
        )
    return base


def _load_network(source: Source, dtype: torch.dtype) -> Any:
    """Load a network, whole and as its checkpoint describes it."""
    options = dict(source.options)
    if source.gguf is None:
        check_architecture(source.name, AutoConfig.from_pretrained(source.place, **options))
        if has_file(source.place, _OF_EMBEDDING_MODELS, **source.on_hub):
            raise UsageError(
                f"{source.name} has a {_OF_EMBEDDING_MODELS}: it embeds texts, with sentence-transformers",
                "Use the language model that it was made from.",
            )
    else:
        from transformers import GgufConfig

        options["quantization_config"] = GgufConfig(dequantize=True)
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        source.place, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True, **options
    )
    network, loading = loaded
    check_weights(source.name, network, loading)
    if source.gguf is not None:
        _complete_from_gguf(Path(source.place) / source.gguf, network)
    return network


def _complete_from_gguf(file: Path, network: Any) -> None:
    """Take over what transformers leaves out of a GGUF file without a word, or refuse it.

    Files of Llama 3.1 and later hold factors of positions, by which their frequencies are divided. All other
    tensors have a place in the network, in whatever order and shape, where their numbers are as many as its.

    Raises:
        FailureError: The factors are of another kind, or there are more numbers than the network has.
    """
    from gguf import GGUFReader

    layers = network.config.get_text_config().num_hidden_layers
    tensors = {t.name: t for t in GGUFReader(file).tensors}
    factors = {name: t.data for name, t in tensors.items() if name.startswith("rope_f")}
    # What stands behind the last layer predicts further tokens.
    further = {n for n in tensors if (at := re.match(r"blk\.(\d+)\.", n)) and int(at[1]) >= layers}
    held = sum(int(t.n_elements) for n, t in tensors.items() if n not in {*factors, *further})
    taken = sum(weight.numel() for weight in network.parameters())
    if network.get_output_embeddings().weight is network.get_input_embeddings().weight:
        held -= int(tensors["output.weight"].n_elements) if "output.weight" in tensors else 0
    if held > taken:
        raise FailureError(
            f"{file} holds {held:,} weights, and {type(network).__name__} has a place for {taken:,}",
            _GGUF_HINT,
        )
    rotary = [module for module in network.modules() if hasattr(module, "inv_freq")]
    scale = factors.get("rope_freqs.weight")
    if factors and (scale is None or any(m.inv_freq.shape != scale.shape for m in rotary)):
        raise FailureError(
            f"{file} scales positions by {', '.join(factors)}, which cannot be taken over from it",
            _GGUF_HINT,
        )
    for module in rotary if factors else ():
        module.inv_freq /= torch.tensor(scale).to(module.inv_freq)


def load_tokenizer(source: Source) -> Any:
    """Load the tokenizer of a source.

    Raises:
        FailureError: There is none, or it cannot be read.
    """
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(source.place, **source.options)
        known = set(tokenizer("a 1", add_special_tokens=False)["input_ids"])
    except ImportError:
        raise
    except Exception as error:
        damage = _damage(source) or first_line(error)
        raise FailureError(
            f"the tokenizer of {source.name} cannot be loaded: {damage}", _TOKENIZER_HINT
        ) from error
    # Where its files are missing, transformers makes an empty one of some classes.
    if known <= {tokenizer.unk_token_id}:
        raise FailureError(f"{source.name} has no tokenizer", _TOKENIZER_HINT)
    return tokenizer


def resolve_device(name: str) -> torch.device:
    """Return the device of a name; "auto" is a GPU, Apple's too, where there is one that computes.

    Raises:
        UsageError: There is no such device here.
    """
    if name != "auto":
        return _working_device(name)
    for there, gpu in (
        (torch.cuda.is_available(), "cuda"),
        (torch.backends.mps.is_available(), "mps"),
    ):
        with suppress(UsageError):
            if there:
                return _working_device(gpu)
    return torch.device("cpu")


def _working_device(name: str) -> torch.device:
    """Return the device of a name after a first computation on it."""
    try:
        device = torch.device(name)
        if device.type != "meta":  # it has no numbers
            assert float(torch.ones(1, device=device).sum()) == 1
            return device
    except Exception as error:
        raise UsageError(
            f"device {name!r} is not available here: {first_line(error)}",
            "Use auto, cpu, cuda or mps.",
        ) from error
    raise UsageError(f"device {name!r} computes nothing", "Use auto, cpu, cuda or mps.")


def device_name(device: torch.device) -> str:
    """Return a device as a reader knows it, such as "cuda (NVIDIA H100)"."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return f"{device} ({name})" if name else str(device)


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the precision of a name; "auto" is bfloat16 where the device multiplies it fast.

    Apple's GPUs get float32: not all of them have bfloat16, and some models overflow in float16.

    Raises:
        UsageError: There is no such precision.
    """
    if name in _DTYPES:
        return _DTYPES[name]
    if name != "auto":
        raise UsageError(f"unknown dtype {name!r}", f"Use auto, {', '.join(_DTYPES)}.")
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def _damage(source: Source) -> str | None:
    folder = Path(source.place)
    return damaged_file(folder) if folder.is_dir() and source.gguf is None else None


def _load_error(source: Source, device: torch.device, error: Exception) -> AcculturateError:
    """Say what went wrong in terms of what was asked for."""
    name = source.name
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return FailureError(
            f"{name} does not fit into the memory of {device}",
            "Use --dtype bfloat16, a smaller model, or --device cpu.",
        )
    if isinstance(error, ImportError):
        return UsageError(
            f"{name} needs a package that is not installed: {error}",
            "pip install 'acculturate[gguf]'" if source.gguf else None,
        )
    if "trust_remote_code" in str(error):
        return UsageError(
            f"{name} needs Python code of its own from the hub",
            "Read that code first; then pass --trust-remote-code.",
        )
    if damage := _damage(source):
        return FailureError(f"{name} cannot be loaded: {damage}", "Download or copy it again.")
    if isinstance(error, OSError) and Path(source.place).is_dir():
        return UsageError(
            f"{name} cannot be loaded: {first_line(error)}",
            "Download or copy it again, with all its files.",
        )
    if isinstance(error, OSError):
        return UsageError(
            f"no usable model {name!r}: {first_line(error)}",
            f"{MODELS} A gated model needs `hf auth login`.",
        )
    return FailureError(
        f"{name} could not be loaded: {first_line(error)}",
        "Check that it is a causal language model, complete and with its tokenizer."
        if source.gguf is None
        else "Check that the file is whole, and of a type that transformers reads; download it again.",
    )


@contextmanager
def quiet_transformers() -> Generator[None]:
    """Silence transformers' own bars and hints; ours are the ones that a user sees."""
    level, bars = (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
    )
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
