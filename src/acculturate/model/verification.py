"""The check, once for every loaded model, that packed rows give what the model itself gives.

The evaluator works on the model's parts: embeddings, decoder, head. A model with a step of its own between
or behind them would answer wrongly and without an error; it is refused here.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from transformers import PreTrainedModel

from acculturate.errors import FailureError
from acculturate.model.answers import Query
from acculturate.model.encoding import FormEncoder
from acculturate.model.evaluator import PopulationEvaluator

# Alike but for their first word: whatever leaks from the one into the other foretells all of it.
TEXTS = (
    "First, a grey boat with 3 sails goes past the silent island towards 7 distant hills.",
    "Second, a grey boat with 3 sails goes past the silent island towards 7 distant hills.",
)
_TOLERANCE = {torch.float32: 1e-4}
_TOLERANCE_OF_OTHERS = 0.03
_HINT = "Use a decoder-only transformer, such as a Llama, Qwen, Mistral, Gemma, OLMo or Phi model."


@torch.no_grad()
def verify(
    name: str, network: PreTrainedModel, encoder: FormEncoder, evaluator: PopulationEvaluator
) -> None:
    """Compare the nats a token of two texts: packed, and one by one by the model itself.

    A model that does not take its attention from us is run sequence by sequence, and checked again.

    Raises:
        FailureError: They differ, or the model cannot be run our way at all.
    """
    expected = _nats_a_token(network, encoder)
    if not math.isfinite(expected):
        raise FailureError(
            f"{name} gives no finite numbers in {str(network.dtype).removeprefix('torch.')}",
            "Use --dtype float32 or bfloat16.",
        )
    tolerance = _TOLERANCE.get(network.dtype, _TOLERANCE_OF_OTHERS) * max(1.0, expected)
    if _fault(evaluator, expected, tolerance) is None:
        return
    evaluator.run_sequentially()
    fault = _fault(evaluator, expected, tolerance)
    if fault is not None:
        raise FailureError(f"{name} ({type(network).__name__}) cannot be run: {fault}", _HINT)
    warnings.warn(
        "this model computes its attention in a way of its own: forms are asked one by one, "
        "which is right and slow",
        stacklevel=2,
    )


def _fault(evaluator: PopulationEvaluator, expected: float, tolerance: float) -> str | None:
    try:
        answers = evaluator.ask(None, Query(texts=TEXTS))
    except Exception as error:
        if isinstance(error.__cause__, torch.OutOfMemoryError):
            raise
        return (str(error).splitlines() or [""])[0]
    packed = math.nan if answers.perplexity is None else math.log(answers.perplexity[0])
    if abs(packed - expected) <= tolerance:
        return None
    return f"our pass gives {packed:.4f} nats a token where the model itself gives {expected:.4f}"


def _nats_a_token(network: Any, encoder: FormEncoder) -> float:
    total, count = 0.0, 0
    for text in TEXTS:
        ids = torch.tensor([encoder.encode_text(text)], device=network.device)
        logits = network(input_ids=ids, use_cache=False).logits[0, :-1].float()
        total += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        count += ids.shape[1] - 1
    return total / count
