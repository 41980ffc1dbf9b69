"""Requests to an endpoint: with patience, within limits, and never again where the answer is known.

In: a path and a body. Out: the endpoint's answer as JSON, or an error with the next step. Busy endpoints,
broken connections and answers that end in the middle are asked again, later each time; nothing for ever.
The key goes into one header; no message, file or log has it.
"""

from __future__ import annotations

import json
import random
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

import httpx2

from acculturate.errors import (
    AcculturateError,
    FailureError,
    UnreachableError,
    UsageError,
)
from acculturate.formatting import first_line, seconds_text, short, visible
from acculturate.model.remote.address import Address
from acculturate.model.remote.cache import AnswerCache
from acculturate.model.remote.patience import Patience
from acculturate.model.remote.replies import model_of
from acculturate.model.remote.token_count import estimate_tokens, tokens_of
from acculturate.progress import advance

T = TypeVar("T")
Item = TypeVar("Item")
Json = dict[str, Any]

_BUSY = (408, 409, 425, 429)
_NEVER = (501, 505)
"""Faults of a server, of status 500 and above, that no second attempt mends."""
_LARGEST = 64 * 2**20
"""Bytes of an answer that are read at most."""
_SHORTEST_KEY = 12
_TO_END = 1.0
"""Time that threads have to end where no answer is waited for any more [seconds]."""
_KEPT = "What was answered is kept: the same command, a search with --resume, goes on from there."


class RequestRefusedError(FailureError):
    """A request that the endpoint does not serve."""


class RequestFailedError(RequestRefusedError):
    """A request at which the endpoint failed each time, which may pass."""


class _BusyError(Exception):
    """A request that may be served later.

    Args:
        reason: The reason, as part of a sentence.
        wait: Time that the endpoint wants to be left alone [seconds]; None where it says nothing.
        is_fault: Whether the server failed at it, as some do at what they do not serve (status 500).
    """

    def __init__(self, reason: str, wait: float | None = None, is_fault: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.is_fault = wait, is_fault


class Transport:
    """Asks one model behind an endpoint.

    Args:
        address: Where it is.
        patience: Limits.

    Attributes:
        cache: Answers that are known; None to ask each time.
        sent: Requests that were sent so far.
        tokens: Tokens of these and their answers.
    """

    def __init__(self, address: Address, patience: Patience) -> None:
        self.address, self.patience = address, patience
        self.cache: AnswerCache | None = None
        self.sent = self.tokens = 0
        self._key, self._lock = address.key(), threading.Lock()
        self._reached = False
        self._client = self._open_client()
        weakref.finalize(self, self._client.close)

    def get(self, url: str, *, attempts: int, faults: int) -> Json:
        """Read what an endpoint says of itself; asked anew each time.

        Args:
            url: The whole URL.
            attempts: Times that it is asked at most.
            faults: Times that the server may fail at it, after which it does not serve this.

        Raises:
            RequestRefusedError: The endpoint does not serve this.
            FailureError: It cannot be reached, or says nothing that can be read.
        """
        return self._persist("GET", url, None, attempts, faults)

    def post(
        self,
        path: str,
        body: Json,
        read: Callable[[Json], T],
        *,
        faults: int = 0,
        keep: bool = True,
        draw: int = 0,
    ) -> T:
        """Ask, unless the answer is known.

        Args:
            path: Path below the base URL, or a whole URL.
            body: The question.
            read: Reads the answer, or raises an error: such an answer is not kept.
            faults: Times that the server may fail at it, after which it does not serve this; any if 0.
            keep: Whether the answer is kept.
            draw: Number of the draw where the same question is asked several times.

        Raises:
            UsageError: A limit is reached, or the key is not accepted.
            RequestRefusedError: The endpoint does not serve this.
            FailureError: There is no answer, after all attempts, or none that can be read.
        """
        cache = self.cache if keep else None
        known = cache and cache.find(path, body, draw)
        if known:
            try:
                return read(known)
            except AcculturateError:
                pass  # written by another version
        expected = estimate_tokens(body)
        self._reserve(expected)
        url = path if "://" in path else f"{self.address.url}/{path}"
        answer = self._persist("POST", url, body, self.patience.attempts, faults)
        with self._lock:
            self.tokens += tokens_of(answer, expected) - expected
        self._check_model(answer, body)
        value = read(answer)
        if cache:
            cache.keep(path, body, answer, draw)
        return value

    def each(self, ask: Callable[[Item], T], items: Sequence[Item]) -> list[T]:
        """Ask several things at once, and count each as done.

        Errors end it; unless the endpoint is gone, what is under way then is still answered and kept. After
        Ctrl-C threads that ask are no reason for the program to stay, but those that compute have a moment to
        end: torch aborts a program that ends while a thread is in it.
        """
        todo: SimpleQueue[int] = SimpleQueue()
        for index in range(len(items)):
            todo.put(index)
        done: SimpleQueue[tuple[int, T | None, BaseException | None]] = SimpleQueue()
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                try:
                    index = todo.get_nowait()
                except Empty:
                    return
                try:
                    done.put((index, ask(items[index]), None))
                except BaseException as error:
                    over.set()
                    done.put((index, None, error))

        count = min(self.patience.requests_at_once, len(items))
        threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        results: dict[int, T] = {}
        patience = _TO_END
        try:
            while len(results) < len(items):
                index, value, error = done.get()
                if error is not None:
                    raise error
                results[index] = cast("T", value)
                advance(1)
        except AcculturateError as error:
            patience = _TO_END if isinstance(error, UnreachableError) else self.patience.seconds
            raise
        finally:
            over.set()
            ends = time.monotonic() + patience
            for thread in threads:
                thread.join(max(0.0, ends - time.monotonic()))
        return [results[index] for index in range(len(items))]

    def _check_model(self, answer: Json, body: Json) -> None:
        """Refuse the answer of another model; a dated version of the one that was asked is the same."""
        asked, answered = str(body.get("model", "")), model_of(answer)
        if asked and answered and not answered.startswith(asked) and not asked.endswith(answered):
            raise FailureError(
                f"{self._shown} was asked for {visible(short(asked, 100))} and answered with {answered}",
                "Name the model that is served there, behind # in openai:BASE_URL#NAME.",
            )

    def _open_client(self) -> httpx2.Client:
        key = self._key and self._key.get_secret_value()
        try:
            return httpx2.Client(
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx2.Timeout(self.patience.seconds, connect=10.0),
                limits=httpx2.Limits(max_connections=self.patience.requests_at_once),
                trust_env=not self.address.is_here,  # what is meant for this machine passes no proxy
            )
        except (ImportError, ValueError, OSError) as error:  # as its settings are read
            raise UsageError(
                "no connection can be made with the proxy and certificates of the environment: "
                f"{first_line(error)}",
                "Check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.",
            ) from error

    def _count(self) -> None:
        """Count a request, unless that passes the limit."""
        most = self.patience.max_requests
        with self._lock:
            if most is not None and self.sent >= most:
                raise UsageError(
                    f"the limit of {most:,} requests is reached", f"{_KEPT} Raise --max-requests."
                )
            self.sent += 1

    def _reserve(self, expected: int) -> None:
        """Count the tokens of a question and its answer, unless that passes the limit."""
        tokens = self.patience.max_tokens
        with self._lock:
            if tokens is not None and self.tokens + expected > tokens:
                raise UsageError(
                    f"the limit of {tokens:,} tokens is reached, with {self.tokens:,} used in {self.sent:,} "
                    "requests",
                    f"{_KEPT} Raise --max-tokens.",
                )
            self.tokens += expected

    def _persist(
        self, method: str, url: str, body: Json | None, attempts: int, faults: int = 0
    ) -> Json:
        """Send a request until it is answered, or as often as is allowed."""
        wait, patience, reason = 0.0, self.patience, ""
        for attempt in range(1, attempts + 1):
            time.sleep(wait)
            if body is not None:
                self._count()
            try:
                return self._send(method, url, body)
            except _BusyError as error:
                reason, asked = str(error), error.wait
                if error.is_fault and attempt == faults:
                    raise RequestFailedError(f"{self._shown} {reason}") from error
            if asked is not None and asked > patience.longest_wait:
                raise UnreachableError(
                    f"{self._shown} {reason}, and asks to be left alone for {seconds_text(asked)}",
                    f"Wait that long. {_KEPT}",
                )
            backoff = min(patience.longest_wait, patience.first_wait * 2 ** (attempt - 1))
            wait = max(asked or 0.0, backoff * random.uniform(0.5, 1.0))
        times = f", {attempts} times in a row" if attempts > 1 else ""
        raise UnreachableError(
            f"{self._shown} {reason}{times}",
            f"Check the address (most base URLs end in /v1), the server and its log. {_KEPT}",
        )

    def _send(self, method: str, url: str, body: Json | None) -> Json:
        """Send a request once.

        Raises:
            _BusyError: Another attempt may help.
        """
        ends = time.monotonic() + self.patience.seconds
        content = bytearray()
        try:
            with self._client.stream(method, url, json=body) as response:
                for piece in response.iter_bytes():
                    content += piece
                    if time.monotonic() > ends:
                        raise _BusyError(f"takes longer than {seconds_text(self.patience.seconds)}")
                    if len(content) > _LARGEST:
                        raise FailureError(
                            f"{self._shown} gave more than {_LARGEST:,} bytes", "Is it a model's?"
                        )
        except httpx2.ConnectError as error:
            if not self._reached:
                raise UnreachableError(
                    f"{self._shown} cannot be reached: {first_line(error)}",
                    "Start the server, or check the address: most base URLs end in /v1.",
                ) from error
            raise _BusyError("cannot be reached any more") from error
        except httpx2.TimeoutException as error:
            raise _BusyError(
                f"gives no answer within {seconds_text(self.patience.seconds)}"
            ) from error
        except httpx2.HTTPError as error:
            raise _BusyError(f"broke the connection ({type(error).__name__})") from error
        self._reached = True
        return self._read(response, bytes(content))

    def _parse(self, content: bytes) -> Any:
        """Parse an answer without the key, and with a question mark for half a pair of surrogates.

        A key too short to be a secret is a word like any other.
        """
        text = json.dumps(json.loads(content), ensure_ascii=False)
        key = self._key.get_secret_value() if self._key else ""
        if len(key) >= _SHORTEST_KEY:
            text = text.replace(json.dumps(key)[1:-1], "[key]")
        return json.loads(text.encode("utf-8", "replace"))

    def _read(self, response: httpx2.Response, content: bytes) -> Json:
        """Read an answer by its status."""
        status = response.status_code
        if status in (401, 403):
            state, hint = self._key_state()
            raise UsageError(f"{self._shown} refuses access (status {status}): {state}", hint)
        if status in range(300, 400):
            raise FailureError(
                f"{self._shown} redirects elsewhere (status {status})",
                "Give the address it moved to.",
            )
        try:
            answer = self._parse(content)
        except (ValueError, RecursionError) as error:
            if status == 200:
                raise _BusyError("gives an answer that is no JSON") from error
            answer = None
        if status in _BUSY or (status >= 500 and status not in _NEVER):
            said = f" ({message})" if (message := _message(answer)) else ""
            reason = f"answers with status {status}{said}"
            raise _BusyError(reason, _retry_after(response.headers), status == 500)
        if status != 200 or not isinstance(answer, dict) or cast("Json", answer).get("error"):
            raise RequestRefusedError(
                f"{self._shown} refuses the request (status {status}): {_message(answer) or 'it says no more'}",
                "Check the address and the model's name; docs/large-models.md says what each reading needs.",
            )
        return cast("Json", answer)

    @property
    def _shown(self) -> str:
        return visible(short(self.address.url, 100))

    def _key_state(self) -> tuple[str, str]:
        """Return what is the matter with the key, and the next step."""
        variable = self.address.variable
        if not self.address.keeps_secrets:
            return "no key is sent over http to another machine", "Use https or a tunnel."
        given = "there is no key" if self._key is None else "it does not accept the key"
        hint = f"Set {variable}, or name another variable: openai@VARIABLE:URL#NAME."
        return f"{given} in {variable}", hint


def _retry_after(headers: Any) -> float | None:
    """Return the seconds that a header Retry-After asks for: a number, or a date."""
    value = str(headers.get("Retry-After", "")).strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _message(answer: Any) -> str:
    """Return the message of an error, on one line that is fit to be shown."""
    error: Any = (
        cast("Json", answer).get("error", cast("Json", answer))
        if isinstance(answer, dict)
        else answer
    )
    if isinstance(error, dict):
        named = cast("Json", error)
        error = named.get("message") or named.get("detail") or ""
    return visible(short(str(error or ""), 300))
