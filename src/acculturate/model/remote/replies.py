"""Answers of an endpoint, read: the likeliest next tokens, tokens with their log-probabilities, texts.

In: JSON of `/completions` or `/chat/completions`. Out: plain values that were checked, or an error that says
what is missing. Completions come in OpenAI's old shape, or as llama.cpp gives them, in that of chats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from acculturate.errors import FailureError
from acculturate.formatting import short, visible

Json = dict[str, Any]


class Token(NamedTuple):
    """A token, and its natural log-probability."""

    text: str
    logprob: float


class UnreadableError(FailureError):
    """An answer that holds no JSON of the kind that was asked for."""

    def __init__(self, lacks: str) -> None:
        super().__init__(
            f"the endpoint's answer {lacks}",
            "Check with `curl` what the endpoint answers; docs/large-models.md says what each reading needs.",
        )


def choices(answer: Json) -> list[Json]:
    """Return the alternatives of an answer, at least one."""
    found: Any = answer.get("choices")
    if not isinstance(found, list) or not found:
        raise UnreadableError("has no choices")
    return [_object(choice, "choices that are no objects") for choice in cast("list[Any]", found)]


def text(choice: Json) -> str:
    """Return the text of an alternative; empty where there is none, such as behind a refusal."""
    message: Any = choice.get("message")
    written: Any = (
        cast("Json", message).get("content") if isinstance(message, dict) else choice.get("text")
    )
    if written is not None and not isinstance(written, str):
        raise UnreadableError("holds a text that is no text")
    return written or ""


def next_tokens(answer: Json) -> list[Token]:
    """Return the likeliest first tokens of an answer, the likeliest first."""
    shown = as_object(choices(answer)[0].get("logprobs"))
    if content := as_list(shown.get("content")):
        entries = _object(content[0], "a token that is no object").get("top_logprobs")
        given = [_token(entry) for entry in as_list(entries)]
    else:
        first = as_object(next(iter(as_list(shown.get("top_logprobs"))), None))
        given = [Token(str(key), _number(value)) for key, value in first.items()]
    if not given:
        raise UnreadableError("has no log-probabilities of the likeliest tokens")
    return sorted(given, key=lambda token: -token.logprob)


def labels_seen(tokens: Iterable[Token], labels: Iterable[str]) -> dict[str, float]:
    """Return the probability of each label among next tokens, white space aside; 0 where it is not seen."""
    seen = dict.fromkeys(labels, 0.0)
    for token in tokens:
        if (label := token.text.strip()) in seen:
            seen[label] += math.exp(token.logprob)
    return seen


def echoed_tokens(answer: Json) -> list[Token]:
    """Return the tokens of an echoed prompt behind its first one, without the one that was written last."""
    shown = as_object(choices(answer)[0].get("logprobs"))
    texts, values = shown.get("tokens"), shown.get("token_logprobs")
    if not isinstance(texts, list) or not isinstance(values, list) or len(texts) != len(values):
        raise UnreadableError("echoes no log-probabilities of the prompt")
    pairs = list(zip(cast("list[Any]", texts), cast("list[Any]", values), strict=True))[:-1]
    return [Token(str(token), _number(value)) for token, value in pairs[1:]]


def token_places(answer: Json) -> list[dict[int, float]]:
    """Return the log-probabilities by token id that `return_tokens_as_token_ids` gives, place by place.

    They are those of the likeliest tokens, and of the token itself.
    """
    shown = as_object(choices(answer)[0].get("logprobs"))
    columns = [as_list(shown.get(name)) for name in ("tokens", "token_logprobs", "top_logprobs")]
    if len(set(map(len, columns))) != 1:
        raise UnreadableError("has no log-probabilities by token")
    places: list[dict[int, float]] = []
    for token, value, top in zip(*columns, strict=True):
        given = {**_object(top or {}, "likeliest tokens that are no object"), token: value}
        places.append({_id(str(key)): _number(log) for key, log in given.items()})
    if not places:
        raise UnreadableError("has no log-probabilities by token")
    return places


def _id(token: str) -> int:
    number = token.removeprefix("token_id:")
    if not number.isdecimal():
        raise UnreadableError(f"names a token {visible(short(token, 40))!r}, not by its id")
    return int(number)


def prompt_tokens(answer: Json) -> list[Token]:
    """Return the tokens of a prompt behind its first one, as vLLM's `prompt_logprobs` gives them."""
    found: Any = answer.get("prompt_logprobs") or choices(answer)[0].get("prompt_logprobs")
    if not isinstance(found, list) or len(cast("list[Any]", found)) < 2:
        raise UnreadableError("has no log-probabilities of the prompt")
    tokens: list[Token] = []
    for entry in cast("list[Any]", found)[1:]:
        # The prompt's own token stands first, whatever else was likely.
        key, value = next(
            iter(_object(entry, "a token of the prompt without log-probability").items()), ("", {})
        )
        tokens.append(
            Token(key, _number(_object(value, "a token that is no object").get("logprob")))
        )
    return tokens


def written_tokens(answer: Json) -> list[Token]:
    """Return the tokens of a text that was written, with their log-probabilities."""
    content: Any = as_object(choices(answer)[0].get("logprobs")).get("content")
    if not isinstance(content, list):
        raise UnreadableError("has no log-probabilities of what was written")
    return [_token(entry) for entry in as_list(content)]


def token_ids(answer: Json) -> list[int]:
    """Return the ids that `/tokenize` gives."""
    ids = as_list(answer.get("tokens"))
    if not all(isinstance(token, int) for token in ids):
        raise UnreadableError("holds tokens that are no numbers")
    return ids


def model_of(answer: Json) -> str:
    """Return the name of the model that answered; empty where the endpoint does not say."""
    return visible(short(str(answer.get("model") or ""), 200))


def as_list(value: Any) -> list[Any]:
    """Return a list; an empty one for all else."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def as_object(value: Any) -> Json:
    """Return an object; an empty one for all else."""
    return cast("Json", value) if isinstance(value, dict) else {}


def _object(value: Any, fault: str) -> Json:
    if not isinstance(value, dict):
        raise UnreadableError(f"holds {fault}")
    return cast("Json", value)


def _token(entry: Any) -> Token:
    given = _object(entry, "a token that is no object")
    return Token(str(given.get("token", "")), _number(given.get("logprob")))


def _number(value: Any) -> float:
    """Return a log-probability."""
    if value is None:
        raise UnreadableError("lacks a log-probability")
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or math.isnan(value)
        or value > 1e-3
    ):
        raise FailureError(
            f"the endpoint gives {visible(short(str(value), 40))} as a log-probability",
            "The model's numbers may overflow there: start the server with another precision, such as "
            "--dtype float32, and run again.",
        )
    return min(float(value), 0.0)
