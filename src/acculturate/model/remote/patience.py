"""Limits to what an endpoint is asked and waited for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """Limits to what an endpoint is asked and waited for.

    Attributes:
        requests_at_once: Requests under way at the same time.
        seconds: Time that an answer may take.
        attempts: Times that a request is sent at most.
        first_wait: Time before the second attempt [seconds]; it doubles with each further one.
        longest_wait: Time that is waited between two attempts at most [seconds].
        max_requests: Requests that are sent in all; None sets no limit. Answers that are known cost none.
        max_tokens: Tokens of requests and answers in all; None sets no limit.
    """

    requests_at_once: int = 16
    seconds: float = 300.0
    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 60.0
    max_requests: int | None = None
    max_tokens: int | None = None
