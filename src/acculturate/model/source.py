"""The place of a model's files: a folder, a GGUF file, the embedded model's cache or the hub, asked once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import model_info, try_to_load_from_cache
from huggingface_hub.errors import (
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from acculturate.errors import UsageError
from acculturate.formatting import first_line, nearest
from acculturate.model.checkpoint import check_files
from acculturate.model.embedded import embedded_folder

MODELS = 'Give "embedded", a Hugging Face hub name, a folder with config.json, or a .gguf file.'
_OF_A_RUN = (
    "It is a run of `acculturate tune`: `acculturate measure --prompt RUN` measures its model with it, "
    "`acculturate evaluate RUN` compares the two."
)
_OWN_NAMES = ("embedded", "fake")
_DESCRIPTIONS = ("config.json", "adapter_config.json")
_OF_THE_HUB = ("revision", "local_files_only")
_HUB_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True)
class Source:
    """A model's files, as transformers finds them.

    Attributes:
        name: The name that was asked for.
        place: Folder or hub name.
        options: Arguments of every `from_pretrained`.
        gguf: Name of the GGUF file in the folder, if it is one.
    """

    name: str
    place: str
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    gguf: str | None = None

    @property
    def on_hub(self) -> dict[str, Any]:
        """The options that say where on the hub it is."""
        return {key: value for key, value in self.options.items() if key in _OF_THE_HUB}


def locate(
    name: str | Path,
    revision: str | None,
    trust: dict[str, Any],
    progress: Callable[[str], None],
) -> Source:
    """Find a model's files without a long wait for a hub that cannot be reached.

    Raises:
        UsageError: There is no such model.
    """
    shown, path = str(name), Path(name)
    if name == "embedded":
        return Source(shown, str(embedded_folder(progress)), trust)
    if path.is_dir():
        try:
            check_files(path)
        except OSError as error:
            raise UsageError(
                f"the folder {name} cannot be read: {error}", "Check its permissions."
            ) from error
        if not any((path / file).is_file() for file in _DESCRIPTIONS):
            is_run = (path / "config.toml").is_file()
            raise UsageError(
                f"the folder {name} has no config.json", _OF_A_RUN if is_run else MODELS
            )
        return Source(shown, shown, trust)
    if path.suffix.casefold() == ".gguf" and path.is_file():
        options = trust | {"gguf_file": path.name}
        return Source(shown, str(path.parent), options, path.name)
    if path.exists():
        raise UsageError(f"{name} is a file, and no model is in one of its kind", MODELS)
    if _is_path(name):
        kind = "GGUF file" if path.suffix.casefold() == ".gguf" else "folder"
        raise UsageError(f"there is no {kind} at {name}", f"{_meant(path)}Check the path.")
    commit, cached = _ask_hub(shown, revision)
    return Source(shown, shown, trust | {"revision": commit, "local_files_only": cached})


def _is_path(name: str | Path) -> bool:
    """Return whether a name can be a path only, not a hub's."""
    text = str(name)
    is_path = isinstance(name, Path) or text.casefold().endswith((".gguf", "/"))
    return is_path or text.startswith((".", "~", "/")) or "\\" in text or text.count("/") > 1


def _ask_hub(name: str, revision: str | None) -> tuple[str | None, bool]:
    """Ask the hub for a model once, where transformers would try for most of a minute.

    Returns:
        The commit, and whether it is loaded from the cache, as the hub cannot be reached.

    Raises:
        UsageError: There is no such model, or the hub cannot be reached and the cache has none.
    """
    shown = f"{name}@{revision}" if revision else name
    hint = f"{_meant(Path(name))}{MODELS} A private or gated model needs `hf auth login`."
    try:
        return model_info(name, revision=revision, timeout=_HUB_TIMEOUT).sha or revision, False
    except (HFValidationError, RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise UsageError(
            f"there is no model {shown!r}: no such folder, and none of that name on the Hugging Face Hub",
            hint,
        ) from error
    except OfflineModeIsEnabled:
        reason = "HF_HUB_OFFLINE is set"
    except Exception as error:  # of whichever package the hub's client asks through
        reason = first_line(error)
    for file in _DESCRIPTIONS:
        cached = try_to_load_from_cache(name, file, revision=revision)
        if isinstance(cached, str):
            return Path(cached).parent.name, True
    raise UsageError(
        f"there is no model {shown!r} here: no such folder, nothing in the cache, and the Hugging Face "
        f"Hub cannot be asked ({reason})",
        hint,
    )


def _meant(path: Path) -> str:
    """Return a question for a misspelt name, or nothing."""
    beside = [str(path.parent / other.name) for other in _siblings(path)]
    matches = nearest(str(path), [*_OWN_NAMES, *beside])
    return f"Did you mean {' or '.join(matches)}? " if matches else ""


def _siblings(path: Path) -> list[Path]:
    try:
        return [p for p in path.parent.iterdir() if p.is_dir() or p.suffix == ".gguf"]
    except OSError:
        return []
