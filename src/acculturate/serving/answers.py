"""Answers of the engine as OpenAI's API words them, whole or piece by piece."""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from acculturate.model import Chance
from acculturate.serving.engine import Job, Piece
from acculturate.serving.requests import ChatRequest, CompletionRequest, Sampled
from acculturate.serving.writing import Writing

_LOWEST = -9999.0
"""Stands for the log-probability of what is impossible, which JSON has no number for."""

Decode = Callable[[Sequence[int]], str]


class Answer(ABC):
    """The answer to a request.

    Args:
        asked: The request.
        jobs: Write its choices.
        decode: Makes a text of tokens.

    Attributes:
        asked: The request.
        jobs: Write its choices.
    """

    kind = ""
    chunk_kind = ""
    prefix = ""

    def __init__(self, asked: Sampled, jobs: Sequence[Job], decode: Decode) -> None:
        self.asked, self.jobs, self._decode = asked, jobs, decode
        self._id, self._created = f"{self.prefix}-{uuid.uuid4().hex}", int(time.time())
        self._written, self._texts = [0] * len(jobs), [""] * len(jobs)
        self._ends: list[str | None] = [None] * len(jobs)
        self._chances: list[list[Chance]] = [[] for _ in jobs]

    def first(self) -> list[dict[str, Any]]:
        """Return the chunks in front of everything."""
        return []

    def add(self, index: int, piece: Piece) -> list[dict[str, Any]]:
        """Take a piece of a choice, and return its chunks."""
        self._texts[index] += piece.text
        self._written[index] = piece.written
        self._ends[index] = piece.end
        return []

    def last(self) -> list[dict[str, Any]]:
        """Return the chunks behind everything."""
        options = self.asked.stream_options
        if options is None or not options.include_usage:
            return []
        return [self._head(self.chunk_kind, []) | {"usage": self._usage()}]

    def whole(self) -> dict[str, Any]:
        """Return the answer as one body."""
        choices = [self._choice(index) for index in range(len(self.jobs))]
        return self._head(self.kind, choices) | {"usage": self._usage()}

    @abstractmethod
    def _choice(self, index: int) -> dict[str, Any]: ...

    def _head(self, kind: str, choices: Sequence[Any]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self.asked.model,
            "choices": choices,
        }

    def _usage(self) -> dict[str, int]:
        """Count the tokens of each prompt once, and those that were written; no virtual tokens of a variant."""
        prompts = self.jobs[:: self.asked.n]
        read = sum(len(job.given) + (job.virtual_count if job.embedded else 0) for job in prompts)
        written = sum(self._written)
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }


class CompletionAnswer(Answer):
    """The answer of /v1/completions."""

    kind = chunk_kind = "text_completion"
    prefix = "cmpl"
    asked: CompletionRequest

    def __init__(self, asked: CompletionRequest, jobs: Sequence[Job], decode: Decode) -> None:
        super().__init__(asked, jobs, decode)
        self._offsets = [0] * len(jobs)
        # The text that grows by the tokens told of: several of them can make one letter.
        self._told = [Writing(decode, () if asked.echo else job.context, ()) for job in jobs]
        if asked.echo:
            self._texts = [decode(job.given) for job in jobs]

    def first(self) -> list[dict[str, Any]]:
        """See `Answer.first`."""
        return [self._chunk(index, Piece(text)) for index, text in enumerate(self._texts) if text]

    def add(self, index: int, piece: Piece) -> list[dict[str, Any]]:
        """See `Answer.add`."""
        super().add(index, piece)
        self._chances[index] += piece.chances
        return [self._chunk(index, piece)] if self.asked.stream else []

    def _choice(self, index: int) -> dict[str, Any]:
        piece = Piece(self._texts[index], tuple(self._chances[index]), self._ends[index])
        return self._worded(index, piece)

    def _chunk(self, index: int, piece: Piece) -> dict[str, Any]:
        return self._head(self.chunk_kind, [self._worded(index, piece)])

    def _worded(self, index: int, piece: Piece) -> dict[str, Any]:
        wanted = self.asked.logprobs is not None and (piece.chances or not self.asked.stream)
        return {
            "index": index,
            "text": piece.text,
            "logprobs": self._logprobs(index, piece.chances) if wanted else None,
            "finish_reason": piece.end,
        }

    def _logprobs(self, index: int, chances: Sequence[Chance]) -> dict[str, Any]:
        tokens = [self._name(chance.token) for chance in chances]
        offsets: list[int] = []
        for chance in chances:
            offsets.append(self._offsets[index])
            self._offsets[index] += len(self._told[index].add(chance.token))
        logs = [chance.log_probability for chance in chances]
        return {
            "tokens": tokens,
            "token_logprobs": [None if log is None else max(log, _LOWEST) for log in logs],
            "top_logprobs": [
                None if chance.log_probability is None else self._top(chance) for chance in chances
            ],
            "text_offset": offsets,
        }

    def _top(self, chance: Chance) -> dict[str, float]:
        """Return the likeliest tokens; of two that look alike the likelier one stays."""
        top: dict[str, float] = {}
        for token, log in chance.likeliest:
            top.setdefault(self._name(token), max(log, _LOWEST))
        return top

    def _name(self, token: int) -> str:
        if self.asked.return_tokens_as_token_ids:
            return f"token_id:{token}"
        return self._decode([token])


class ChatAnswer(Answer):
    """The answer of /v1/chat/completions."""

    kind, chunk_kind, prefix = "chat.completion", "chat.completion.chunk", "chatcmpl"
    asked: ChatRequest

    def __init__(self, asked: ChatRequest, jobs: Sequence[Job], decode: Decode) -> None:
        super().__init__(asked, jobs, decode)
        self._read: list[Chance] = []

    def first(self) -> list[dict[str, Any]]:
        """See `Answer.first`."""
        role = {"role": "assistant", "content": ""}
        return [self._chunk(index, role) for index in range(len(self.jobs))]

    def add(self, index: int, piece: Piece) -> list[dict[str, Any]]:
        """See `Answer.add`."""
        text = self._begun(piece.text) if not self._texts[index].strip() else piece.text
        super().add(index, piece)
        if not piece.written:  # what was read, the same for every choice
            self._read += piece.chances if index == 0 else ()
            return []
        self._chances[index] += piece.chances
        told = self._logprobs(piece.chances)
        chunks = [self._chunk(index, {"content": text}, told)] if text or told else []
        return chunks + ([self._chunk(index, {}, end=piece.end)] if piece.end else [])

    def whole(self) -> dict[str, Any]:
        """See `Answer.whole`."""
        if (count := self.asked.prompt_logprobs) is None:
            return super().whole()
        return super().whole() | {"prompt_logprobs": [self._place(c, count) for c in self._read]}

    def _choice(self, index: int) -> dict[str, Any]:
        content = self._begun(self._texts[index])
        return {
            "index": index,
            "message": {"role": "assistant", "content": content, "refusal": None},
            "logprobs": self._logprobs(self._chances[index]),
            "finish_reason": self._ends[index],
        }

    def _chunk(
        self, index: int, delta: dict[str, str], told: Any = None, end: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": told, "finish_reason": end}
        return self._head(self.chunk_kind, [choice])

    def _begun(self, text: str) -> str:
        """Begin a reply with its first word, not with the space between that and what stands before."""
        return text if self.asked.continue_final_message else text.lstrip()

    def _logprobs(self, chances: Sequence[Chance]) -> dict[str, Any] | None:
        if not self.asked.logprobs or not chances:
            return None
        count = self.asked.top_logprobs or 0
        content = [
            self._token(chance.token, chance.log_probability)
            | {"top_logprobs": [self._token(*each) for each in chance.likeliest[:count]]}
            for chance in chances
        ]
        return {"content": content, "refusal": None}

    def _token(self, token: int, log: float | None) -> dict[str, Any]:
        text = self._decode([token])
        return {"token": text, "logprob": max(log or 0.0, _LOWEST), "bytes": list(text.encode())}

    def _place(self, chance: Chance, count: int) -> dict[str, Any] | None:
        """Return a token of the prompt, the likeliest tokens of its place behind it, as vLLM does."""
        if chance.log_probability is None:
            return None
        told = dict([(chance.token, chance.log_probability), *chance.likeliest[:count]])
        return {
            str(token): {"logprob": max(log, _LOWEST), "decoded_token": self._decode([token])}
            for token, log in told.items()
        }
