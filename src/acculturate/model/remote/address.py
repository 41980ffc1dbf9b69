"""The name of a model behind an endpoint: where it is, what it is called there, and which key opens it."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass

import httpx2
from pydantic import SecretStr

from acculturate.errors import UsageError
from acculturate.formatting import short, visible

KEY_VARIABLE = "OPENAI_API_KEY"
_NAME = re.compile(r"openai(?:@(?P<variable>\w+))?:(?P<url>[^#]*)(?:#(?P<model>.*))?", re.DOTALL)
_HINT = (
    "Write openai:BASE_URL#NAME, such as openai:http://localhost:8000/v1#meta-llama/Llama-3.1-8B."
)


@dataclass(frozen=True)
class Address:
    """The address of a model.

    Attributes:
        url: The base URL, without a slash at its end; its API begins there, most often in /v1.
        model: The name that the endpoint knows it by; empty for the only one it serves.
        variable: The environment variable that holds the key.
    """

    url: str
    model: str
    variable: str = KEY_VARIABLE

    @property
    def name(self) -> str:
        """The name that `load_model` takes."""
        named = "" if self.variable == KEY_VARIABLE else f"@{self.variable}"
        return f"openai{named}:{self.url}#{self.model}"

    @property
    def root(self) -> str:
        """The server's own address, where vLLM and llama.cpp have more than the API."""
        return self.url.removesuffix("/v1")

    def key(self) -> SecretStr | None:
        """Return the key; None where there is none, or where it would cross a network unencrypted.

        Raises:
            UsageError: It holds what no key can.
        """
        key = os.environ.get(self.variable, "").strip()
        if not key or not self.keeps_secrets:
            return None
        if not (key.isascii() and key.isprintable()):
            raise UsageError(
                f"the key in {self.variable} holds a line break or a letter that no key has",
                "Copy it anew, without quotation marks.",
            )
        return SecretStr(key)

    @property
    def keeps_secrets(self) -> bool:
        """True where nobody on the way can read a request: HTTPS, or this very machine."""
        return self.is_here or httpx2.URL(self.url).scheme == "https"

    @property
    def is_here(self) -> bool:
        """True for a server on this very machine."""
        return _is_here(httpx2.URL(self.url).host)


def read_address(name: str) -> Address:
    """Read the name of a model behind an endpoint.

    Raises:
        UsageError: It is no such name, or its URL holds what would be stored with it.
    """
    match = _NAME.fullmatch(name)
    shown = visible(short(name, 200))
    if match is not None and "@" in match["url"]:
        raise _holds_secrets()
    if match is None:
        raise UsageError(f"{shown} names no model behind an endpoint", _HINT)
    try:
        url = httpx2.URL(match["url"].strip())
        url.host.encode("idna")
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise UsageError(f"the address in {shown} is no URL: {error}", _HINT) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise UsageError(f"the address in {shown} is no http or https URL", _HINT)
    if url.query:
        raise _holds_secrets()
    return Address(
        str(url).rstrip("/"), (match["model"] or "").strip(), match["variable"] or KEY_VARIABLE
    )


def _holds_secrets() -> UsageError:
    return UsageError(
        "the address of the endpoint holds a user, a password or a query, and would be stored",
        f"Leave it out, and put the key into {KEY_VARIABLE}, or into VARIABLE: openai@VARIABLE:URL#NAME.",
    )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
