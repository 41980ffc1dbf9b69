"""An OpenAI-compatible server for tests, whose model is a formula and whose faults are ordered."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zlib import crc32


def logprob(text: str, token: str) -> float:
    """Log-probability of a token behind a text: somewhere between -1 and -5."""
    return -1 - 4 * (crc32(f"{text}|{token}".encode()) % 1000) / 1000


def tokens_of(text: str) -> list[str]:
    return re.findall(r" ?\w+|[^\w ]| ", text)


class Endpoint:
    """What the server can do, what it was asked, and what goes wrong.

    `faults` are taken by the next requests, one each: a status with headers, or a function of the handler;
    `listing_faults`, functions, by those that ask for its models. `listed` is what it says more of its model.
    """

    def __init__(self, **options: Any) -> None:
        self.model, self.engine = "toy", "other"
        self.completions = self.chat = self.echo = True
        self.prompt_logprobs = False
        self.top = 20
        self.refused: tuple[str, ...] = ()
        self.answers: list[str] = ["1"]
        self.edit: Callable[[dict[str, Any]], Any] = lambda answer: answer
        vars(self).update(options)
        self.faults: list[Any] = []
        self.listing_faults: list[Any] = []
        self.listed: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.url = ""

    def next_tokens(self, text: str, count: int) -> dict[str, float]:
        """Labels take most of the probability, those of a shorter text the space with them."""
        gap = "" if text.endswith(" ") else " "
        labels = [*"12345ABCDE"]
        weights = {f"{gap}{label}": logprob(text, label) for label in labels}
        whole = math.log(sum(math.exp(v) for v in weights.values()) / 0.9)
        ranked = sorted(((v - whole, k) for k, v in weights.items()), reverse=True)[:count]
        return {key: value for value, key in ranked}

    def reply(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path.endswith("/chat/completions"):
            return self._chat(body)
        return self._complete(body)

    def _chat(self, body: dict[str, Any]) -> dict[str, Any]:
        text = "\n".join(m["content"] for m in body["messages"])
        if body["messages"][-1]["role"] != "assistant":
            text += " "  # a reply begins with its first word
        choices = []
        for index in range(body.get("n", 1)):
            choice: dict[str, Any] = {"message": {"content": self._drawn(body, index)}}
            if body.get("logprobs"):
                top = self.next_tokens(text, body["top_logprobs"]).items()
                entries = [{"token": key, "logprob": value} for key, value in top]
                choice["logprobs"] = {
                    "content": [{"token": " ", "logprob": -1.0, "top_logprobs": entries}]
                }
            choices.append(choice)
        answer: dict[str, Any] = {"choices": choices, "model": self.model}
        if body.get("prompt_logprobs") is not None and self.prompt_logprobs:
            answer["prompt_logprobs"] = [
                None,
                *(
                    {token: {"logprob": value, "rank": 1}}
                    for token, value in self._scored(text)[1:]
                ),
            ]
        return answer

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        text = body["prompt"]
        choices = []
        for index in range(body.get("n", 1)):
            choice: dict[str, Any] = {"text": self._drawn(body, index)}
            if body.get("echo") and self.echo:
                scored = [*self._scored(text), (" x", -1.0)]
                choice["logprobs"] = {
                    "tokens": [token for token, _ in scored],
                    "token_logprobs": [None, *(value for _, value in scored[1:])],
                }
            elif body.get("logprobs"):
                choice["logprobs"] = {"top_logprobs": [self.next_tokens(text, body["logprobs"])]}
            choices.append(choice)
        return {"choices": choices, "model": self.model, "usage": {"total_tokens": 10}}

    def _scored(self, text: str) -> list[tuple[str, float]]:
        scored, before = [], ""
        for token in tokens_of(text):
            scored.append((token, logprob(before, token)))
            before += token
        return scored

    def _drawn(self, body: dict[str, Any], index: int) -> str:
        return self.answers[(body.get("seed", 0) + index) % len(self.answers)]


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Promise more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    handler.connection.close()


def says(content: bytes, status: int = 200) -> Callable[[BaseHTTPRequestHandler], None]:
    def say(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return say


def trickle(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


@contextmanager
def serving(endpoint: Endpoint) -> Generator[Endpoint]:
    """Serve it on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def _send(self, value: Any) -> None:
            says(json.dumps(value).encode())(self)

        def do_GET(self) -> None:
            if endpoint.listing_faults:
                endpoint.listing_faults.pop(0)(self)
                return
            entry = {"id": endpoint.model, "owned_by": endpoint.engine, "created": time.time()}
            self._send({"data": [entry | endpoint.listed]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            endpoint.asked.append(body)
            endpoint.keys.append(self.headers.get("Authorization"))
            fault = endpoint.faults.pop(0) if endpoint.faults else None
            if callable(fault):
                fault(self)
            elif fault is not None:
                self.send_response(fault[0])
                for key, value in fault[1].items():
                    self.send_header(key, value)
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif not (endpoint.chat if "chat" in self.path else endpoint.completions):
                says(b'{"error": {"message": "not here"}}', 404)(self)
            elif max(body.get("top_logprobs", 0), int(body.get("logprobs") or 0)) > endpoint.top:
                says(b'{"error": {"message": "too many logprobs"}}', 400)(self)
            elif any(body.get(field, 1) != 1 for field in endpoint.refused):
                says(b'{"error": {"message": "not supported"}}', 400)(self)
            else:
                self._send(endpoint.edit(endpoint.reply(self.path, body)))

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # with fewer, connections that come at once are broken

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
