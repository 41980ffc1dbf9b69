"""A soft prompt -> a folder that others can serve, proved by loading it.

In: a run directory or a soft prompt, and its model. Out: a folder, with a card. It appears only after what is
in it has given the same option probabilities as our own forward; until then it is a temporary one beside it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError

from acculturate.arguments import checked
from acculturate.errors import FailureError, UsageError
from acculturate.export.card import model_card
from acculturate.export.formats import Export, Format
from acculturate.export.gguf import GgufFile
from acculturate.export.peft import PeftAdapter
from acculturate.export.proof import computing_in_float32
from acculturate.export.tokens import ModelFolder
from acculturate.export.vllm import PromptEmbeds
from acculturate.formatting import first_line
from acculturate.io import check_free, disk_is_full, write_text
from acculturate.model.language_model import LanguageModel
from acculturate.model.prompt_checks import check_prompt, width_of
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.runs import check_model, load_prompt, read_run
from acculturate.survey.forms import Form
from acculturate.survey.instrument import load_instrument
from acculturate.survey.selection import balanced_forms

FormatName = Literal["peft", "tokens", "gguf", "vllm"]
_FORMATS: dict[str, type[Format]] = {
    "peft": PeftAdapter,
    "tokens": ModelFolder,
    "gguf": GgufFile,
    "vllm": PromptEmbeds,
}
_FORMS = slice(0, 40, 11)  # of the VSM 2013's tuning forms: four, both option orders among them


@checked
def export_prompt(
    source: Path | str | SoftPrompt,
    model: LanguageModel,
    out: Path | str,
    *,
    format: FormatName = "peft",
    forms: Sequence[Form] | None = None,
    any_model: bool = False,
) -> Path:
    """Write a soft prompt in a format that others can serve, and prove it.

    Args:
        source: A run directory, whose best prompt is exported with its results in the card, or a
            soft prompt alone.
        model: The model that the prompt was tuned on. The proof is computed in float32; a model of
            another precision is cast for it and back, exactly.
        out: The folder to write; must not exist, or be empty.
        format: "peft" writes an adapter of PEFT's; "tokens" a model folder with the virtual tokens in unused
            rows of its vocabulary; "gguf" the same in one file, of a model that came as one; "vllm" the
            tensor that `prompt_embeds` takes in vLLM's API, with a client.
        forms: What the proof asks, answered by labels; four VSM 2013 forms if None.
        any_model: Whether to give a run's soft prompt to another model than the run's.

    Returns:
        The folder.

    Raises:
        UsageError: A package is missing, the prompt does not fit the model, its placement cannot be
            expressed, the run is another model's, a form is answered in words, or the folder is taken.
        FailureError: What was written does not give the same answers, or cannot be written.
    """
    run = None if isinstance(source, SoftPrompt) else read_run(Path(source))
    prompt = source if isinstance(source, SoftPrompt) else load_prompt(source, any_model=any_model)
    asked = tuple(default_forms() if forms is None else forms)
    target, writer = Path(out), _FORMATS[format]()
    check_export(prompt, model, target, asked, writer)
    if run is None:
        check_prompt(prompt, model)
    else:
        check_model(run.path, prompt, model)
    writer.check(model)
    with writing(target, writer.noun) as folder:
        with computing_in_float32(model) as exact:
            export = Export(prompt, exact, asked, run)
            written = writer.write(folder, export)
        write_text(
            folder / "README.md",
            model_card(format, writer.noun, target.resolve().name, export, written),
        )
    return target


@contextmanager
def writing(target: Path, noun: str) -> Generator[Path]:
    """Give a temporary folder, which gets its name when the body is done without an error.

    Raises:
        FailureError: It cannot be written.
    """
    target = target.resolve()  # a folder called . cannot be replaced by that name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".exporting-") as scratch:
            folder = Path(scratch) / "export"
            folder.mkdir()
            yield folder
            if target.is_dir():
                target.rmdir()
            folder.rename(target)
    except (OSError, SafetensorError) as error:
        reason = "the disk is full" if disk_is_full(error) else first_line(error)
        raise FailureError(
            f"the {noun} cannot be written to {target}: {reason}",
            "Free some space or choose another folder.",
        ) from error


def check_export(
    prompt: SoftPrompt, model: Any, target: Path, asked: Sequence[Form], writer: Format
) -> None:
    """Refuse a prompt, a model, a folder or forms that a format cannot be written with.

    Raises:
        UsageError: The message says which.
    """
    if any(form.word_set is not None for form in asked):
        raise UsageError(
            "the proof reads one token, and forms answered in words have several",
            'Give forms with labels="digits", or none: the prompt is the same.',
        )
    if not hasattr(model, "network"):
        raise UsageError(
            f"the model {model.name!r} has no weights that others could load",
            "Export a prompt that was tuned on a Hugging Face model.",
        )
    if prompt.placement not in writer.placements:
        other = "peft" if prompt.placement == "prefix" else "vllm"
        raise UsageError(
            f"the {writer.noun} has no place for a soft prompt at {prompt.placement!r}",
            f"Tune with --placement {' or '.join(writer.placements)}, or export it --format {other}.",
        )
    shape = prompt.embeddings.shape
    width = width_of(model, prompt.placement)
    if len(shape) != 2 or shape[0] < 1 or shape[1] != width:
        raise UsageError(
            f"the soft prompt has the shape {shape}, {model.name} needs (tokens, {width})",
            "A soft prompt works only on the model that it was tuned on.",
        )
    if not np.isfinite(prompt.embeddings).all():
        raise UsageError("the soft prompt holds values that are not finite", "Tune it again.")
    check_free(target)


def default_forms() -> tuple[Form, ...]:
    """Return four forms of the VSM 2013, answered by labels."""
    return balanced_forms(load_instrument("vsm13"), "tuning")[_FORMS]
