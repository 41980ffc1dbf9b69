"""A soft prompt -> a PEFT adapter, proved by loading it.

In: a run directory or a soft prompt, and its model. Out: a folder that `PeftModel.from_pretrained` loads.
The folder appears only after the adapter, loaded through PEFT, has given the same option probabilities
as our own forward; until then it is a temporary one beside it.

PEFT puts the virtual tokens before everything. A prompt tuned behind the beginning-of-sequence token is
carried by making that token's embedding the first virtual token; the text is then tokenised without it.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors.numpy import save

from acculturate.arguments import checked
from acculturate.errors import FailureError, UsageError
from acculturate.export.card import model_card
from acculturate.export.proof import computing_in_float32, prove
from acculturate.io import write_bytes, write_text
from acculturate.model.answers import check_prompt
from acculturate.model.language_model import LanguageModel
from acculturate.model.soft_prompt import TENSOR, SoftPrompt
from acculturate.progress import task
from acculturate.runs import RunRecords, check_model, load_prompt, read_run
from acculturate.survey.forms import Form
from acculturate.survey.instrument import load_instrument
from acculturate.survey.selection import balanced_forms

_FORMS = slice(0, 40, 11)  # of the VSM 2013's tuning forms: four, both option orders among them
_EMBEDDED_BASE = "google/gemma-3-270m"
_PLACEMENTS = ("front", "after-bos")


@checked
def export_peft(
    source: Path | str | SoftPrompt,
    model: LanguageModel,
    out: Path | str,
    *,
    forms: Sequence[Form] | None = None,
    any_model: bool = False,
) -> Path:
    """Write a PEFT adapter and prove it.

    Args:
        source: A run directory, whose best prompt is exported with its results in the card, or a
            soft prompt alone.
        model: The model that the prompt was tuned on. The proof is computed in float32; a model of
            another precision is cast for it and back, exactly.
        out: The adapter's folder; must not exist, or be empty.
        forms: What the proof asks, answered by labels; four VSM 2013 forms if None.
        any_model: Whether to give a run's soft prompt to another model than the run's.

    Returns:
        The folder.

    Raises:
        UsageError: PEFT is not installed, the prompt does not fit the model, its placement cannot be
            expressed, the run is another model's, a form is answered in words, or the folder is taken.
        FailureError: The adapter does not give the same answers, or cannot be written.
    """
    run = None if isinstance(source, SoftPrompt) else read_run(Path(source))
    prompt = source if isinstance(source, SoftPrompt) else load_prompt(source, any_model=any_model)
    asked = tuple(_default_forms() if forms is None else forms)
    target = Path(out)
    _check(prompt, model, target, asked)
    if run is None:
        check_prompt(prompt, model)
    else:
        check_model(run.path, prompt, model)
    peft = _import_peft()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".exporting-") as scratch:
            folder = Path(scratch) / "adapter"
            with computing_in_float32(model) as exact:
                rows = adapter_rows(prompt, exact)
                _write(folder, rows, model, peft, run)
                with task("proving the adapter"):
                    proof = prove(peft, folder, exact, prompt, asked)
            card = model_card(target.name, prompt, model, proof, run, _base_name(model))
            write_text(folder / "README.md", card)
            if target.is_dir():
                target.rmdir()
            folder.rename(target)
    except OSError as error:
        raise FailureError(
            f"the adapter cannot be written to {target}: {error.strerror or error}",
            "Free some space or choose another folder.",
        ) from error
    return target


def adapter_rows(
    prompt: SoftPrompt, model: LanguageModel
) -> Float[np.ndarray, "virtual_token hidden"]:
    """Return the virtual tokens as PEFT has to put them before everything."""
    embeddings = np.asarray(prompt.embeddings, np.float32)
    if prompt.placement == "front":
        return embeddings
    return np.concatenate([model.embed_ids(model.leading), embeddings])


def _check(prompt: SoftPrompt, model: Any, target: Path, asked: Sequence[Form]) -> None:
    if any(form.word_set is not None for form in asked):
        raise UsageError(
            "the proof reads one token, and forms answered in words have several",
            'Give forms with labels="digits", or none: the prompt is the same.',
        )
    if not hasattr(model, "network"):
        raise UsageError(
            f"the model {model.name!r} has no weights that PEFT could load",
            "Export a prompt that was tuned on a Hugging Face model.",
        )
    if prompt.placement not in _PLACEMENTS:
        raise UsageError(
            f"PEFT cannot put a soft prompt at {prompt.placement!r}, only before everything",
            f"Tune with --placement {' or '.join(_PLACEMENTS)}.",
        )
    shape = prompt.embeddings.shape
    if len(shape) != 2 or shape[0] < 1 or shape[1] != model.hidden_size:
        raise UsageError(
            f"the soft prompt has the shape {shape}, {model.name} needs (tokens, {model.hidden_size})",
            "A soft prompt works only on the model that it was tuned on.",
        )
    if not np.isfinite(prompt.embeddings).all():
        raise UsageError("the soft prompt holds values that are not finite", "Tune it again.")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(f"{target} already exists", "Choose another folder, or delete it first.")


def _import_peft() -> Any:
    try:
        return importlib.import_module("peft")
    except ImportError as error:
        raise UsageError(
            "the export needs the package peft, which is not installed",
            "pip install 'acculturate[peft]'",
        ) from error


def _write(
    folder: Path,
    rows: Float[np.ndarray, "virtual_token hidden"],
    model: LanguageModel,
    peft: Any,
    run: RunRecords | None,
) -> None:
    folder.mkdir()
    config = peft.PromptTuningConfig(
        task_type="CAUSAL_LM",  # without it PEFT ignores the prompt and says nothing
        num_virtual_tokens=len(rows),
        token_dim=rows.shape[1],
        num_transformer_submodules=1,
        base_model_name_or_path=_base_name(model),
        revision=_revision(run, model),
        inference_mode=True,
    )
    config.save_pretrained(str(folder))
    write_bytes(
        folder / "adapter_model.safetensors",
        save({TENSOR: np.ascontiguousarray(rows, np.float32)}, metadata={"format": "pt"}),
    )


def _base_name(model: LanguageModel) -> str:
    """Return the name under which others know the model."""
    return _EMBEDDED_BASE if model.name == "embedded" else model.name


def _default_forms() -> tuple[Form, ...]:
    return balanced_forms(load_instrument("vsm13"), "tuning")[_FORMS]


def _revision(run: RunRecords | None, model: LanguageModel) -> str | None:
    """Return the revision that the run recorded, where its model is this one."""
    recorded = None if run is None else run.config.model
    same = recorded is not None and recorded.name == _base_name(model)
    return recorded.revision or None if recorded and same else None
