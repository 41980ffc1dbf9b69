"""The proof of an adapter: loaded through PEFT, it answers as our own forward does.

In: an adapter's folder, the model, the soft prompt, some forms. Out: a `Proof`, or a `FailureError`.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special
import torch
from jaxtyping import Float

from acculturate.errors import FailureError
from acculturate.metrics.measure import ask_state
from acculturate.model.encoding import EncodedForm
from acculturate.model.language_model import LanguageModel
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.survey.forms import Form

TOLERANCE = 1e-4
"""Largest difference of an option probability that rounding in float32 explains."""
_SINGLE_ROWS = 2


@dataclass(frozen=True)
class Proof:
    """Result of the comparison.

    Attributes:
        forms: Forms asked.
        difference: Largest difference of an option probability, over single rows, a right-padded
            batch and the first step of a generation.
        effect: Largest change of an option probability that the soft prompt makes at all.
        peft: PEFT's version.
    """

    forms: int
    difference: float
    effect: float
    peft: str


def prove(
    peft: Any, folder: Path, model: LanguageModel, prompt: SoftPrompt, forms: Sequence[Form]
) -> Proof:
    """Compare an adapter with our own forward.

    Args:
        peft: The package.
        folder: The adapter's folder.
        model: The model, computing in float32.
        prompt: The soft prompt that the adapter should carry.
        forms: What is asked, at least one.

    Raises:
        FailureError: PEFT cannot load the adapter, its answers differ, or the prompt changes nothing.
    """
    encoded = [model.encode(form) for form in forms]
    # Every form begins with the tokens that an after-bos adapter carries itself.
    carried = len(model.leading) if prompt.placement == "after-bos" else 0
    rows = [form.tokens[carried:] for form in encoded]
    own = ask_state(model, prompt, forms).probabilities[0]
    untouched = ask_state(model, None, forms).probabilities[0]
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            adapted = peft.PeftModel.from_pretrained(model.network, str(folder))
            virtual = int(adapted.active_peft_config.num_virtual_tokens)
            ways = {
                "one row at a time": [
                    _forward(adapted, [row], virtual, model)[0] for row in rows[:_SINGLE_ROWS]
                ],
                "a right-padded batch": _forward(adapted, rows, virtual, model),
                "the first step of a generation": [_generate(adapted, rows[0], model)],
            }
    except Exception as error:
        kind, reason = model.network.config.model_type, str(error).strip().partition("\n")[0]
        raise FailureError(
            f"PEFT cannot give {model.name}, a model of the type {kind!r}, a soft prompt: {reason}",
            "Nothing was written. Serve the prompt with acculturate itself.",
        ) from error
    difference = 0.0
    for way, logits in ways.items():
        for index, row in enumerate(logits):
            theirs = _probabilities(row, encoded[index])
            found = float(np.abs(theirs - own[index, : len(theirs)]).max())
            if not found <= TOLERANCE:
                raise FailureError(
                    f"the adapter answers differently through PEFT ({way}): an option probability of "
                    f"form {index + 1} is off by {found:.2g}, allowed is {TOLERANCE:g}",
                    "Nothing was written. Serve the prompt with acculturate itself, and report this "
                    "with the model's name and PEFT's version.",
                )
            difference = max(difference, found)
    effect = float(np.nanmax(np.abs(own - untouched)))
    if effect <= TOLERANCE:
        raise FailureError(
            f"the soft prompt moves no option probability of the {len(forms)} forms by more than "
            f"{TOLERANCE:g}, so comparing them proves nothing",
            "Give forms that it changes, or check that it was tuned on this model.",
        )
    return Proof(len(forms), difference, effect, str(peft.__version__))


@contextmanager
def computing_in_float32(model: LanguageModel) -> Generator[LanguageModel]:
    """Cast the weights of a model to float32 for a while.

    Casting bfloat16 or float16 to float32 and back loses nothing, so that the weights are afterwards
    what they were. The model given must not be asked meanwhile; the one yielded must not be kept.
    """
    network = model.network
    cast: list[tuple[torch.Tensor, torch.dtype]] = []
    try:
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point() and tensor.dtype != torch.float32:
                cast.append((tensor, tensor.dtype))
                tensor.data = tensor.data.float()
        yield (
            LanguageModel(model.name, None, network, model.tokenizer, chat=model.chat)
            if cast
            else model
        )
    except torch.OutOfMemoryError as error:
        raise FailureError(
            f"{model.name} does not fit into memory in float32, which the proof needs",
            "Export on a machine with more memory, or with --device cpu.",
        ) from error
    finally:
        for tensor, dtype in cast:
            tensor.data = tensor.data.to(dtype)


def _forward(
    adapted: Any, rows: Sequence[tuple[int, ...]], virtual: int, model: LanguageModel
) -> list[torch.Tensor]:
    """Return the next-token logits of each row, asked in one batch padded on the right."""
    widest = max(len(row) for row in rows)
    device = model.network.device
    ids = torch.zeros(len(rows), widest, dtype=torch.int64, device=device)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row, device=device)
        mask[index, : len(row)] = 1
    logits = adapted(input_ids=ids, attention_mask=mask).logits
    return [logits[index, virtual + len(row) - 1].float() for index, row in enumerate(rows)]


def _generate(adapted: Any, row: tuple[int, ...], model: LanguageModel) -> torch.Tensor:
    ids = torch.tensor([row], device=model.network.device)
    made = adapted.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=1,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return made.logits[0][0].float()


def _probabilities(logits: torch.Tensor, form: EncodedForm) -> Float[np.ndarray, " option"]:
    options = (
        logits[[option for (option,) in form.options]].float().cpu().numpy().astype(np.float64)
    )
    return scipy.special.softmax(options)
