"""Countries that were tuned together -> one PEFT adapter of multitask prompt tuning, a task a country.

A country's virtual tokens are the shared ones times a rank-one part. Tokens in front of them, such as
that of the beginning, are carried along; a second rank keeps them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from acculturate.arguments import checked
from acculturate.errors import UsageError
from acculturate.export.card import is_converted, render
from acculturate.export.export import check_export, default_forms, writing
from acculturate.export.formats import Export, recorded_revision
from acculturate.export.peft import PeftAdapter, ask_adapter, import_peft
from acculturate.export.proof import Proof, compare, computing_in_float32
from acculturate.io import write_bytes, write_text
from acculturate.model.language_model import LanguageModel
from acculturate.model.prompt_checks import check_prompt
from acculturate.progress import task
from acculturate.runs import MultitaskPrompt, load_multitask, multitask_tensors, read_model
from acculturate.search import SharedPrompt
from acculturate.survey.forms import Form


@checked
def export_multitask(
    directory: Path | str,
    model: LanguageModel,
    out: Path | str,
    *,
    forms: Sequence[Form] | None = None,
    any_model: bool = False,
) -> Path:
    """Write what countries share as one PEFT adapter, and prove every country's answers through PEFT.

    Args:
        directory: Directory of countries that were tuned together.
        model: The model that they were tuned on; the proof is computed in float32.
        out: The folder to write; must not exist, or be empty.
        forms: What the proof asks, answered by labels; four VSM 2013 forms if None.
        any_model: Whether to give the soft prompts to another model.

    Returns:
        The folder.

    Raises:
        UsageError: PEFT is missing, the model is another one, the countries share a sum, which PEFT does not
            have, or the folder is taken.
        FailureError: What was written does not give the same answers, or cannot be written; or the countries'
            settings are missing or damaged.
    """
    known, target, writer = load_multitask(Path(directory)), Path(out), PeftAdapter()
    asked = tuple(default_forms() if forms is None else forms)
    if known.parts.sharing != "product":
        raise UsageError(
            "PEFT multiplies a shared prompt with a task's part, and these countries add theirs to it",
            "Export each country's run directory by itself.",
        )
    for prompt in known.prompts:
        check_export(prompt, model, target, asked, writer)
    if not any_model:
        check_prompt(known.prompts[0], model)
    writer.check(model)
    base = Export(known.prompts[0], model, asked, None).base
    revision = recorded_revision(read_model(Path(directory)), base)
    with writing(target, "adapter") as folder:
        with computing_in_float32(model) as exact:
            proofs = _write(folder, known, exact, asked, revision)
        card = render(
            "multitask.md.j2",
            folder=target.resolve().name,
            base=base,
            revision=revision,
            carried_base=is_converted(model),
            name=model.name,
            tokens=known.parts.shared.shape[0],
            carried=_carried(known, model),
            countries=[*zip(known.names, known.lines, proofs, strict=True)],
            peft=str(import_peft().__version__),
        )
        write_text(folder / "README.md", card)
    return target


def _write(
    folder: Path,
    known: MultitaskPrompt,
    model: LanguageModel,
    asked: tuple[Form, ...],
    revision: str | None,
) -> list[Proof]:
    """Write the files of the adapter, and return the proof of each country."""
    peft, exports = import_peft(), [Export(p, model, asked, None) for p in known.prompts]
    carried = _carried(known, model)
    tensors = _with_carried(known.parts, model.embed_ids(model.leading)[:carried])
    shared, cols = tensors["prompt_embeddings"], tensors["prefix_task_cols"]
    peft.MultitaskPromptTuningConfig(
        task_type="CAUSAL_LM",
        num_virtual_tokens=len(shared),
        token_dim=shared.shape[1],
        num_transformer_submodules=1,
        num_tasks=len(cols),
        num_ranks=cols.shape[2],
        base_model_name_or_path=exports[0].base,
        revision=revision,
        inference_mode=True,
    ).save_pretrained(str(folder))
    write_bytes(folder / "adapter_model.safetensors", save(tensors, metadata={"format": "pt"}))
    proofs: list[Proof] = []
    with task("proving the adapter", len(exports)) as at:
        for number, export in enumerate(exports):
            rows = [model.encode(form).tokens[carried:] for form in export.shown]
            ways = ask_adapter(peft, folder, model, rows, number)
            proofs.append(compare(export, ways, f"through PEFT as {known.names[number]}"))
            at.reach(number + 1)
    return proofs


def _carried(known: MultitaskPrompt, model: LanguageModel) -> int:
    """Return the number of tokens in front of the prompt that the adapter carries itself."""
    return 0 if known.placement == "front" else len(model.leading)


def _with_carried(parts: SharedPrompt, leading: np.ndarray) -> dict[str, np.ndarray]:
    """Return the tensors of a shared prompt with tokens in front that are the same for all tasks."""
    tensors = multitask_tensors(parts)
    if not len(leading):
        return tensors
    shared, cols, rows = tensors.values()
    in_front = np.zeros((len(cols), len(leading), 2), np.float32)
    in_front[:, :, 1] = 1
    own = np.concatenate([cols, np.zeros_like(cols)], axis=2)
    values = (
        np.concatenate([leading.astype(np.float32), shared]),
        np.concatenate([in_front, own], axis=1),
        np.concatenate([rows, np.ones_like(rows)], axis=1),
    )
    return dict(zip(tensors, values, strict=True))
