"""Proof, once for every loaded model, that our way through it gives what the model itself gives.

The evaluator works on the model's parts: embeddings, decoder, head. A model with a step of its own between
or behind them would answer wrongly and without an error; it is refused here.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from transformers import PreTrainedModel

from acculturate.errors import FailureError
from acculturate.model.answers import Query
from acculturate.model.encoding import FormEncoder
from acculturate.model.population import PopulationEvaluator

# Alike but for their first word: whatever leaks from the one into the other foretells all of it.
TEXTS = (
    "First, a grey boat with 3 sails goes past the silent island towards 7 distant hills.",
    "Second, a grey boat with 3 sails goes past the silent island towards 7 distant hills.",
)
_TOLERANCE = {torch.float32: 1e-4}
_TOLERANCE_OF_OTHERS = 0.03
_HINT = "Use a decoder-only transformer, such as a Llama, Qwen, Mistral, Gemma, OLMo or Phi model."


@torch.no_grad()
def prove(
    name: str, network: PreTrainedModel, encoder: FormEncoder, evaluator: PopulationEvaluator
) -> None:
    """Compares the nats a token of two texts: merged by us, and one by one by the model itself.

    Raises:
        FailureError: They differ, or the model cannot be run our way at all.
    """
    kind = type(network).__name__
    own = _nats_a_token(network, encoder)
    if not math.isfinite(own):
        raise FailureError(
            f"{name} gives no finite numbers in {str(network.dtype).removeprefix('torch.')}",
            "Use --dtype float32 or bfloat16.",
        )
    try:
        answers = evaluator.ask(None, Query(texts=TEXTS))
    except (TypeError, AttributeError, ValueError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        first = (str(error).splitlines() or [""])[0]
        raise FailureError(f"{name} ({kind}) cannot be run: {first}", _HINT) from error
    ours = math.nan if answers.perplexity is None else math.log(answers.perplexity[0])
    tolerance = _TOLERANCE.get(network.dtype, _TOLERANCE_OF_OTHERS)
    if not abs(ours - own) <= tolerance * max(1.0, own):
        raise FailureError(
            f"{name} ({kind}) cannot be run: our pass gives {ours:.4f} nats a token where the model itself "
            f"gives {own:.4f}",
            _HINT,
        )


def _nats_a_token(network: Any, encoder: FormEncoder) -> float:
    total, count = 0.0, 0
    for text in TEXTS:
        ids = torch.tensor([encoder.encode_text(text)], device=network.device)
        logits = network(input_ids=ids, use_cache=False).logits[0, :-1].float()
        total += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        count += ids.shape[1] - 1
    return total / count
