"""The proof of an export: loaded by others, it answers as our own forward does.

In: the logits that others give behind some forms. Out: a `Proof`, or a `FailureError`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.special
import torch
from jaxtyping import Float

from acculturate.errors import FailureError
from acculturate.metrics.treatments import ask_state
from acculturate.model.encoding import EncodedForm
from acculturate.model.language_model import LanguageModel
from acculturate.model.soft_prompt import SoftPrompt

if TYPE_CHECKING:
    from acculturate.export.formats import Export

TOLERANCE = 1e-4
"""Largest difference of an option probability that rounding in float32 explains."""
LARGEST_ROUNDING = 0.1
"""Largest difference of an option probability that rounding a soft prompt may make; in Q8_0 that of
random virtual tokens makes 0.053 on the embedded model."""
SINGLE_ROWS = 2
"""Forms that are asked alone too."""


@dataclass(frozen=True)
class Proof:
    """Result of the comparison.

    Attributes:
        forms: Forms asked.
        difference: Largest difference of an option probability, over all ways of asking.
        effect: Largest change of an option probability that the soft prompt makes at all.
    """

    forms: int
    difference: float
    effect: float


def compare(
    export: Export,
    ways: Mapping[str, Sequence[torch.Tensor]],
    through: str,
    stored: SoftPrompt | None = None,
) -> Proof:
    """Compare the answers that others give with those of our own forward.

    Args:
        export: What was exported.
        ways: Logits behind the first forms of the export, by ways of asking for them.
        through: Who gave them, in words that follow "differently".
        stored: The soft prompt as it was stored, where that rounds it.

    Raises:
        FailureError: The answers differ, or the prompt changes nothing.
    """
    encoded = [export.model.encode(form) for form in export.shown]
    own = option_probabilities(export, stored or export.prompt)
    difference = 0.0
    for way, logits in ways.items():
        for index, row in enumerate(logits):
            theirs = _probabilities(row, encoded[index])
            found = float(np.abs(theirs - own[index, : len(theirs)]).max())
            if not found <= TOLERANCE:
                raise FailureError(
                    f"the export answers differently {through} ({way}): an option probability of "
                    f"form {index + 1} is off by {found:.2g}, allowed is {TOLERANCE:g}",
                    "Nothing was written. Serve the prompt with acculturate itself, and report this "
                    "with the model's name and the versions of the packages.",
                )
            difference = max(difference, found)
    return Proof(len(export.forms), difference, effect_of(export))


def effect_of(export: Export) -> float:
    """Return the largest change of an option probability that the soft prompt makes.

    Raises:
        FailureError: It changes none, so that nothing can be proved by comparing them.
    """
    own, untouched = (option_probabilities(export, prompt) for prompt in (export.prompt, None))
    effect = float(np.nanmax(np.abs(own - untouched)))
    if effect <= TOLERANCE:
        raise FailureError(
            f"the soft prompt moves no option probability of the {len(export.forms)} forms by more than "
            f"{TOLERANCE:g}, so comparing them proves nothing",
            "Give forms that it changes, or check that it was tuned on this model.",
        )
    return effect


def check_rounding(export: Export, stored: SoftPrompt) -> float:
    """Return the largest difference of an option probability that the stored soft prompt's rounding makes.

    Raises:
        FailureError: It is too large for the same prompt.
    """
    own, rounded = (option_probabilities(export, prompt) for prompt in (export.prompt, stored))
    difference = float(np.nanmax(np.abs(own - rounded)))
    if difference > LARGEST_ROUNDING:
        raise FailureError(
            f"rounded to the precision of the model's weights, the soft prompt moves an option probability by "
            f"{difference:.2g}, allowed is {LARGEST_ROUNDING:g}",
            "Nothing was written. Export it --format vllm or peft instead: they keep float32.",
        )
    return difference


def option_probabilities(
    export: Export, prompt: SoftPrompt | None
) -> Float[np.ndarray, "form option"]:
    """Return our own option probabilities of an export's forms, not a number behind a form's last option."""
    return ask_state(export.model, prompt, export.forms).probabilities[0]


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


def next_logits(
    network: Any, rows: Sequence[tuple[int, ...]], virtual: int = 0, task: int | None = None
) -> list[torch.Tensor]:
    """Return the logits behind each row of tokens, asked in one batch padded on the right.

    Args:
        network: Any model of transformers' kind.
        rows: Token ids.
        virtual: Virtual tokens that the model itself puts before each row.
        task: Number of the task whose virtual tokens those are, where there are several.
    """
    widest = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), widest, dtype=torch.int64, device=network.device)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row, device=network.device)
        mask[index, : len(row)] = 1
    logits = network(input_ids=ids, attention_mask=mask, **_of_task(task, ids)).logits
    return [logits[index, virtual + len(row) - 1].float() for index, row in enumerate(rows)]


def first_step(network: Any, row: tuple[int, ...], task: int | None = None) -> torch.Tensor:
    """Return the logits of the first token that transformers' generation writes behind a row."""
    ids = torch.tensor([row], device=network.device)
    made = network.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=1,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
        **_of_task(task, ids),
    )
    return made.logits[0][0].float()


def _of_task(task: int | None, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    return {} if task is None else {"task_ids": torch.full_like(ids[:, 0], task)}


def _probabilities(logits: torch.Tensor, form: EncodedForm) -> Float[np.ndarray, " option"]:
    options = (
        logits[[option for (option,) in form.options]].float().cpu().numpy().astype(np.float64)
    )
    return scipy.special.softmax(options)
