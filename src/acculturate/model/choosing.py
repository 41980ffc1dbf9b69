"""From the logits of a place to the chances of its tokens, and to the token that is written there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Chance:
    """A token's chance at its place.

    Attributes:
        token: The token.
        log_probability: Of it; None where nothing stands before it.
        likeliest: The likeliest tokens there and their log-probabilities.
    """

    token: int
    log_probability: float | None
    likeliest: tuple[tuple[int, float], ...] = ()


def chances(logits: torch.Tensor, tokens: Sequence[int], likeliest: int) -> list[Chance]:
    """Return the chance of each token under the logits of its place, and that of the likeliest.

    Args:
        logits: `[place, token]`, finite somewhere.
        tokens: The token at each place.
        likeliest: Number of likeliest tokens to return.
    """
    logs = logits.log_softmax(-1)
    own = logs.gather(1, torch.tensor(tokens)[:, None])[:, 0].tolist()
    values, indices = logs.topk(min(likeliest, logs.shape[-1]), dim=-1)
    return [
        Chance(token, log, tuple(zip(ids, best, strict=True)))
        for token, log, ids, best in zip(
            tokens, own, indices.tolist(), values.tolist(), strict=True
        )
    ]


def choose(logits: torch.Tensor, temperature: float, top_p: float, uniform: float) -> int:
    """Choose a token: the likeliest, or one drawn from the tempered distribution.

    Args:
        logits: `[token]`, finite somewhere.
        temperature: Divides the logits; 0 takes the likeliest.
        top_p: Draws from the likeliest tokens alone that hold this share (Holtzman et al. 2020).
        uniform: A number between 0 and 1 that decides.
    """
    if temperature == 0:
        return int(logits.argmax())
    # Less the largest: nothing overflows, however small the temperature.
    probabilities = ((logits - logits.max()).double() / temperature).softmax(-1)
    order = None
    if top_p < 1:
        probabilities, order = probabilities.sort(descending=True, stable=True)
        probabilities[probabilities.cumsum(0) - probabilities >= top_p] = 0.0
    shares = probabilities.cumsum(0)
    drawn = int(torch.searchsorted(shares, uniform * shares[-1], right=True))
    # At the very end a sum's rounding must not lead to a token without a chance.
    drawn = min(drawn, int(probabilities.nonzero()[-1]))
    return drawn if order is None else int(order[drawn])
