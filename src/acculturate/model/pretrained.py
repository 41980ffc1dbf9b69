"""From a name to a frozen `LanguageModel`: a hub name, a folder, a GGUF file or "embedded"."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from acculturate.errors import AcculturateError, FailureError, UsageError
from acculturate.model.answers import Chat
from acculturate.model.embedded import embedded_folder
from acculturate.model.language_model import LanguageModel

_MODELS = 'Give "embedded", a Hugging Face hub name, a folder with config.json, or a .gguf file.'
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


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
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": trust_remote_code}
    with _quiet_transformers():
        source, gguf = _locate(name, progress)
        progress(f"loading {name}")
        try:
            if gguf:
                options["gguf_file"] = gguf
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            if gguf:
                from transformers import GgufConfig

                options["quantization_config"] = GgufConfig(dequantize=True)
            network: Any = AutoModelForCausalLM.from_pretrained(
                source, dtype=chosen_dtype, **options
            )
            network = network.to(chosen_device)
        except Exception as error:
            raise _load_error(name, revision, chosen_device, error) from error
    return LanguageModel(str(name), revision, network, tokenizer, chat=chat)


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
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"device {name!r} is not available here: {reason}", "Use auto, cpu, cuda or mps."
        ) from error
    raise UsageError(f"device {name!r} computes nothing", "Use auto, cpu, cuda or mps.")


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


def _locate(name: str | Path, progress: Callable[[str], None]) -> tuple[str, str | None]:
    """Return what transformers loads: a hub name or folder, and the GGUF file in it, if it is one."""
    if name == "embedded":
        return str(embedded_folder(progress)), None
    path = Path(name)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise UsageError(f"no GGUF file at {name}", "Check the path.")
        return str(path.parent), path.name
    if path.is_dir() and not (path / "config.json").is_file():
        raise UsageError(f"the folder {name} has no config.json", _MODELS)
    return str(name), None


def _load_error(
    name: str | Path, revision: str | None, device: torch.device, error: Exception
) -> AcculturateError:
    """Say what went wrong in terms of what was asked for."""
    first = str(error).strip().partition("\n")[0] or type(error).__name__
    if isinstance(error, torch.OutOfMemoryError):
        return FailureError(
            f"{name} does not fit into the memory of {device}",
            "Use --dtype bfloat16, a smaller model, or --device cpu.",
        )
    if isinstance(error, ImportError):
        return UsageError(
            f"{name} needs a package that is not installed: {error}",
            "pip install 'acculturate[gguf]'" if Path(name).suffix == ".gguf" else None,
        )
    if "trust_remote_code" in str(error):
        return UsageError(
            f"{name} needs Python code of its own from the hub",
            "Read that code first; then pass --trust-remote-code.",
        )
    if isinstance(error, OSError):
        shown = f"{name}@{revision}" if revision else str(name)
        return UsageError(
            f"no usable model {shown!r}: {first}",
            f"{_MODELS} A gated model needs `hf auth login`.",
        )
    return FailureError(
        f"{name} could not be loaded: {first.removesuffix(':')}",
        "Check that it is a causal language model, complete and with its tokenizer.",
    )


@contextmanager
def _quiet_transformers() -> Generator[None]:
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
