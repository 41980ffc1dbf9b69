"""Tokens of a request and its answer: about how many before it is sent, and as the endpoint counts them.

In: the JSON of a request, or of an answer. Out: a number.
"""

from __future__ import annotations

from typing import Any, cast

from acculturate.model.remote.replies import Json, as_object

_LETTERS_A_TOKEN = 4
"""About, where an endpoint does not count."""


def estimate_tokens(body: Json) -> int:
    """Return about how many tokens a request takes, the answer included."""
    prompt = body.get("prompt") or body.get("messages") or ""
    asked = sum(map(len, _texts(prompt))) // _LETTERS_A_TOKEN + 1
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], int):
        asked = len(cast("list[int]", prompt))
    return asked + int(body.get("max_tokens", 0)) * int(body.get("n", 1))


def _texts(prompt: Any) -> list[str]:
    if isinstance(prompt, list):
        parts = cast("list[Any]", prompt)
        return [str(part["content"]) for part in parts if isinstance(part, dict)]
    return [str(prompt)]


def tokens_of(answer: Json, expected: int) -> int:
    """Return the tokens of a request and its answer, as the endpoint counts them, or those expected."""
    total: Any = as_object(answer.get("usage")).get("total_tokens")
    return total if isinstance(total, int) and total >= 0 else expected
