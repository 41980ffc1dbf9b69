"""The common parts of our web servers: errors as OpenAI words them, access control, and a free port.

The guard keeps out requests for another host (DNS rebinding), requests that another site's page sends, bodies
that are too large, and, where there is a key, requests without it: as a bearer token, as OpenAI's clients send
it, or as the password of whatever user, for which a browser asks by itself.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import socket
import time
from collections.abc import Callable, Mapping
from importlib import resources
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acculturate.errors import FailureError, UsageError

API_KEY = "ACCULTURATE_API_KEY"
"""Variable of the environment that holds the key."""
MAX_BODY = 16 * 2**20
"""Bytes of a request's body, at most."""
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
_TO_END = 3
"""Time that answers under way have to end after Ctrl-C [seconds]."""
_TO_CLOSE = 10
"""Time after which connections are cut, whether or not clients have read the end [seconds]."""
_LOCAL = ("localhost", "127.0.0.1", "::1")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Of every response that does not set them itself."""


class ApiError(Exception):
    """A request that is refused.

    Args:
        status: HTTP status code.
        message: The reason, and the next step.
        param: Name of the request's field that is wrong, if one is.
        code: OpenAI's name of the error, if there is one.
    """

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def body(self) -> dict[str, Any]:
        """Return the error as OpenAI words one."""
        kind = _TYPES.get(
            self.status, "invalid_request_error" if self.status < 500 else "server_error"
        )
        return {
            "error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        }

    def response(self) -> JSONResponse:
        """Return the error as a response."""
        headers = {"Retry-After": "1"} if self.status in (429, 503) else {}
        if self.status == 401:
            headers = {"WWW-Authenticate": 'Basic realm="acculturate", charset="UTF-8"'}
        return JSONResponse(self.body(), self.status, headers)


def _answer_api_error(_: Request, error: Any) -> JSONResponse:
    return error.response()


def _answer_http_error(_: Request, error: Any) -> JSONResponse:
    return ApiError(error.status_code, str(error.detail)).response()


def _answer_fault(_: Request, error: Exception) -> JSONResponse:
    return ApiError(500, f"the server is at fault: {type(error).__name__}").response()


error_handlers: dict[Any, Callable[[Request, Any], JSONResponse]] = {
    ApiError: _answer_api_error,
    HTTPException: _answer_http_error,
    Exception: _answer_fault,
}
"""Of a Starlette app, so that every error is worded alike."""


class AccessControl:
    """Access control in front of an app: ASGI middleware.

    Args:
        app: The app.
        host: Address that the server listens on.
        key: Key that every request has to have; None where none is needed.
        most: Bytes of a request's body, at most.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str = "127.0.0.1",
        key: str | None = None,
        most: int = MAX_BODY,
    ) -> None:
        self._app, self._key, self._most = app, None if key is None else key.encode(), most
        # Beyond this machine a server has names that nobody can list; there the key keeps strangers out.
        self._hosts = {*_LOCAL, host} if is_local(host) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the app answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        left = self._most

        async def receive_within_limit() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise ApiError(413, f"the body has more than {self._most} bytes")
            return message

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        answer = self._app if refusal is None else refusal.response()
        await answer(scope, receive_within_limit, send_with_headers)

    def _refusal(self, headers: Headers) -> ApiError | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        try:
            name, place = urlsplit(f"//{host}").hostname, urlsplit(origin or "").netloc
        except ValueError:
            return ApiError(403, "the Host or the Origin of the request is none")
        if self._hosts is not None and name not in self._hosts:
            return ApiError(403, f"this server does not answer for the host {host[:100]!r}")
        if origin is not None and place != host:
            return ApiError(403, "pages of other sites cannot use this server")
        if self._key is not None and not hmac.compare_digest(_given_key(headers), self._key):
            return ApiError(
                401, f"a wrong or missing API key: send that of {API_KEY}", code="invalid_api_key"
            )
        return None


def _given_key(headers: Headers) -> bytes:
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return given.strip().encode("latin-1")  # as headers are read
    try:
        return base64.b64decode(given, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def file_routes(files: Mapping[str, tuple[str, str, str]]) -> list[Route]:
    """Return routes of a page's own files, which may load and ask nothing from elsewhere.

    Args:
        files: Package that has it under templates/, name and media type of the file at each path.
    """
    return [Route(path, _file(*where)) for path, where in files.items()]


def _file(package: str, name: str, kind: str) -> Callable[[Request], Response]:
    content = resources.files(package).joinpath("templates", name).read_bytes()

    def send(_: Request) -> Response:
        return Response(content, media_type=kind, headers={"Content-Security-Policy": _PAGE_POLICY})

    return send


def is_local(host: str) -> bool:
    """Return whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_key(host: str, key: str | None) -> str | None:
    """Return the key that requests have to have, without the white space around it; None for an empty one.

    Args:
        host: Address to listen on.
        key: Content of the variable `API_KEY`.

    Raises:
        UsageError: Others could reach the server, and there is no key.
    """
    key = (key or "").strip() or None
    if key is None and not is_local(host):
        raise UsageError(
            f"on {host} others can reach the server, and no key is set",
            f"Set one in the environment: {API_KEY}=$(openssl rand -hex 16), or use --host 127.0.0.1.",
        )
    return key


def open_socket(host: str, port: int) -> socket.socket:
    """Listen on a port; 0 takes one that is free.

    Raises:
        UsageError: It is taken, or may not be used.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{host} is no address: {error}", "Use --host 127.0.0.1.") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"port {port} of {host} cannot be used: {error.strerror}",
            "Another server may have it: stop that, or use another --port; 0 takes one that is free.",
        ) from error
    return listening


def url_of(host: str, listening: socket.socket) -> str:
    """Return the address of a server that listens on a host's socket."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}"


class _Server(uvicorn.Server):
    """A server that ends its app before its connections: clients are told why their answers end."""

    _hurried = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to shut down; a second signal leaves answers under way no more time."""
        if self.should_exit:
            self._hurried = True
        else:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down; what is not answered when the time is over ends in an error."""
        ending = asyncio.create_task(self._end_app())
        await super().shutdown(sockets)
        ending.cancel()

    async def _end_app(self) -> None:
        ends = time.monotonic() + _TO_END
        while time.monotonic() < ends and not self._hurried:
            await asyncio.sleep(0.1)
        await self.lifespan.shutdown()


def run_app(app: ASGIApp, listening: socket.socket) -> None:
    """Serve an app until it is told to stop by a signal.

    Raises:
        FailureError: The app could not be started.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=_TO_CLOSE,
    )
    server = _Server(config)
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()
    if not server.started:
        raise FailureError("the server could not be started")
