"""PEFT adapters given as a model: merged into their base."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acculturate.errors import FailureError, UsageError
from acculturate.model.weights import model_hash

_PROMPTS = {"PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING", "CPT"}


@dataclass(frozen=True)
class Adapter:
    """An adapter's configuration.

    Attributes:
        name: Hub name or folder.
        base: Hub name or folder of its base.
        base_revision: The base's revision on the hub, if it names one.
    """

    name: str
    base: str
    base_revision: str | None

    @classmethod
    def read(cls, name: str, file: Path) -> Adapter:
        """Read an adapter_config.json.

        Raises:
            UsageError: It is damaged, names no base, or is a soft prompt's, which has no weights to merge.
        """
        try:
            config: dict[str, Any] = dict(json.loads(file.read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise UsageError(
                f"{file} is damaged: {error}", "Download the adapter again."
            ) from error
        base, revision = config.get("base_model_name_or_path"), config.get("revision")
        if not isinstance(base, str) or not base:
            raise UsageError(
                f"{name} is an adapter, and its adapter_config.json names no base_model_name_or_path",
                "Write the name of its base there.",
            )
        if (task := config.get("task_type")) not in (None, "CAUSAL_LM"):
            raise UsageError(
                f"{name} is an adapter for another task than writing, {task}",
                f"Give {base} itself, or an adapter of the task CAUSAL_LM.",
            )
        if config.get("peft_type") in _PROMPTS:
            raise UsageError(
                f"{name} is a soft prompt for {base}, not a model",
                f"Give {base} as the model. A run of acculturate that was exported to it is given as the "
                "prompt: --prompt RUN.",
            )
        return cls(name, base, revision if isinstance(revision, str) else None)


@dataclass(frozen=True)
class MergedAdapter:
    """An adapter in a network.

    Attributes:
        base: Name of the model that it was merged into.
        model_hash: Hash of base and adapter before the merge, whose rounding depends on the precision.
    """

    base: str
    model_hash: str


def merge(adapter: Adapter, network: Any, options: dict[str, Any]) -> tuple[Any, MergedAdapter]:
    """Merge an adapter into its base.

    Args:
        adapter: Read from its folder.
        network: The base; changed.
        options: `revision` and `local_files_only` of the adapter.

    Raises:
        UsageError: PEFT is not installed.
        FailureError: The adapter does not fit the base, or cannot be merged.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise UsageError(
            f"{adapter.name} is an adapter for {adapter.base}, and PEFT, which loads it, is not installed",
            "pip install 'acculturate[peft]'",
        ) from error
    folder = Path(adapter.name)
    if folder.is_dir() and not any(folder.glob("adapter_model.*")):
        raise FailureError(
            f"the adapter {folder} has no adapter_model.safetensors",
            "Download or copy it again, with all its files.",
        )
    try:
        with warnings.catch_warnings():
            # PEFT leaves random numbers where a file lacks weights, and warns.
            warnings.filterwarnings("error", message="Found missing adapter keys")
            adapted: Any = PeftModel.from_pretrained(network, adapter.name, **options)
            # What it has no place for it leaves out, and says only when the file is read once more.
            loading = adapted.load_adapter(adapter.name, adapted.active_adapter, **options)
        if surplus := sorted(loading.unexpected_keys):
            raise ValueError(
                f"it holds {len(surplus)} weights without a place, such as {surplus[0]}"
            )
        identity = MergedAdapter(adapter.base, model_hash(adapted))
        return adapted.merge_and_unload(), identity
    except Exception as error:
        reason = " ".join(str(error).split("\n")[:2]).strip() or type(error).__name__
        raise FailureError(
            f"the adapter {adapter.name} cannot be merged into {adapter.base}: {reason}",
            "Check that this is its base, or merge it with PEFT and give the merged model's folder.",
        ) from error
