"""The guard in front of every server, its limits, and its port."""

import socket

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from acculturate.errors import UsageError
from acculturate.serving import AccessControl, ApiError, error_handlers, open_socket
from acculturate.serving.web import check_key


def app(**options: object) -> Starlette:
    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{len(await request.body())} bytes")

    async def broken(_: Request) -> PlainTextResponse:
        raise ValueError("a secret")

    async def refused(_: Request) -> PlainTextResponse:
        raise ApiError(429, "too many", code="rate_limit_exceeded")

    routes = [
        Route("/", page, methods=["GET", "POST"]),
        Route("/broken", broken),
        Route("/refused", refused),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(AccessControl, most=100, **options)],
        exception_handlers=error_handlers,
    )


def asking(**options: object) -> TestClient:
    return TestClient(app(**options), "http://localhost:8000", raise_server_exceptions=False)


def test_responses_carry_headers_that_keep_a_browser_safe() -> None:
    headers = asking().get("/").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000"])
def test_this_machine_is_answered(host: str) -> None:
    assert asking().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8000", "", "[", "a b"])
def test_a_name_that_was_rebound_is_refused(host: str) -> None:
    assert asking().get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:9000", "http://["]
)
def test_pages_of_other_sites_are_refused(origin: str) -> None:
    assert asking().post("/", headers={"origin": origin}).status_code == 403
    assert asking().post("/", headers={"origin": "http://localhost:8000"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Bearer schlüssel".encode("latin-1")}, 401),
        ({"authorization": "Basic ???"}, 401),
        ({"authorization": "Basic é".encode("latin-1")}, 401),
        ({"authorization": "Bearer kéy"}, 200),
        ({"authorization": httpx2.BasicAuth("anybody", "kéy")._auth_header}, 200),
    ],
)
def test_a_key_is_asked_for(headers: dict[str, str], status: int) -> None:
    given = {
        name: value if isinstance(value, bytes) else value.encode()
        for name, value in headers.items()
    }
    response = asking(host="0.0.0.0", key="kéy").get("/", headers=given)
    assert response.status_code == status
    if status == 401:
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert response.headers["www-authenticate"].startswith("Basic ")


def test_errors_are_worded_as_openai_words_them() -> None:
    client = asking()
    assert client.get("/nowhere").json() == {
        "error": {"message": "Not Found", "type": "not_found_error", "param": None, "code": None}
    }
    assert client.delete("/").status_code == 405
    assert client.get("/refused").headers["retry-after"] == "1"
    fault = client.get("/broken")
    assert fault.status_code == 500
    assert "secret" not in fault.text
    assert fault.json()["error"]["type"] == "server_error"


def test_a_large_body_is_refused() -> None:
    client = asking()
    assert client.post("/", content=b"x" * 100).text == "100 bytes"
    for large in (b"x" * 101, (b"x" * 60 for _ in range(2))):
        response = client.post("/", content=large)
        assert response.status_code == 413
        assert response.json()["error"]["message"] == "the body has more than 100 bytes"


def test_a_taken_port_is_named() -> None:
    with open_socket("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 cannot be used"):
            open_socket("127.0.0.1", port)
    with open_socket("127.0.0.1", port):
        pass  # free again at once


@pytest.mark.parametrize("host", ["no such host", "a..b", "."])
def test_a_host_that_is_none_is_named(host: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        open_socket(host, 0)


def test_beyond_this_machine_a_key_is_needed() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        for empty in (None, "", " \n"):
            with pytest.raises(UsageError, match="no key is set"):
                check_key(host, empty)
        assert check_key(host, "k") == check_key(host, " k\n") == "k"
    for host in ("127.0.0.1", "localhost", "::1"):
        assert check_key(host, None) is check_key(host, " ") is None
    assert socket.has_ipv6 is not None
