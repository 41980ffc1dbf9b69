"""Requests that cannot be met: a status code, and a body that says why."""

import base64
import io
import json
import pickle
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import pytest
import torch

from acculturate.model import LanguageModel, dump_embeddings

GOOD: dict[str, Any] = {"model": "tiny", "prompt": "One number.", "max_tokens": 2}


@pytest.fixture(scope="module")
def http(address: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=address, timeout=60) as client:
        yield client


def refused(http: httpx2.Client, status: int, path: str = "/v1/completions", **changes: Any) -> Any:
    response = http.post(path, json=GOOD | changes)
    assert response.status_code == status, response.text
    return response.json()["error"]


def saved(value: Any) -> str:
    file = io.BytesIO()
    torch.save(value, file)
    return base64.b64encode(file.getvalue()).decode()


def deflated(value: Any) -> str:
    """The same tensor in an archive that is smaller than it."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(base64.b64decode(saved(value)))) as archive,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as smaller,
    ):
        for name in archive.namelist():
            smaller.writestr(name, archive.read(name))
    return base64.b64encode(file.getvalue()).decode()


def test_an_unknown_variant_is_told_which_there_are(http: httpx2.Client) -> None:
    error = refused(http, 404, model="tiny+narnia")
    assert error["code"] == "model_not_found"
    assert "tiny+china" in error["message"]
    assert http.get("/v1/models/tiny+narnia").status_code == 404


def test_too_long_a_prompt_is_refused(http: httpx2.Client) -> None:
    for changes in ({"prompt": "1" * 300}, {"max_tokens": 300}, {"prompt": [5] * 255}):
        assert refused(http, 400, **changes)["code"] == "context_length_exceeded"
    assert refused(http, 400, model="tiny+china", prompt=[5] * 251)["param"] == "prompt"
    assert "letters" in refused(http, 400, prompt="a" * 100_000)["message"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b'{"model": "tiny", "prompt": "\xff"}', b"[" * 100_000],
    ids=repr,
)
def test_wrong_json_is_refused(http: httpx2.Client, body: bytes) -> None:
    for path in ("/v1/completions", "/v1/chat/completions"):
        response = http.post(path, content=body)
        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 1000}, "n"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"logprobs": 1001}, "logprobs"),
        ({"stop": ""}, "stop[1]"),
        ({"stop": ["x"] * 20}, "stop"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
        ({"frequency": 1}, "frequency"),
        ({"prompt": ""}, None),
        ({"prompt": []}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [100_000]}, "prompt"),
        ({"prompt": [-1]}, "prompt[1]"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"prompt": ["a"] * 65, "n": 2}, "n"),
        ({"prompt_embeds": ["AAAA"] * 12, "prompt": ["a"] * 12, "echo": True}, "prompt"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
        ({"prompt": {"text": "x"}}, "prompt"),
        ({"model": "tiny+late", "echo": True, "logprobs": 1}, "model"),
        ({"model": "tiny+china", "prompt_embeds": "AAAA"}, "model"),
    ],
    ids=str,
)
def test_a_field_that_is_wrong_is_named(
    http: httpx2.Client, changes: dict[str, Any], param: str | None
) -> None:
    if param is None:  # a text begins with the beginning-of-sequence token, which is a prompt
        assert http.post("/v1/completions", json=GOOD | changes).status_code == 200
    else:
        assert refused(http, 400, **changes)["param"] == param


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "assistant", "content": "x"}],
        [{"role": "user", "content": "x"}] * 2,
        [{"role": "tool", "content": "x"}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
        [{"role": "user"}],
    ],
    ids=str,
)
def test_a_conversation_in_the_wrong_order_is_refused(http: httpx2.Client, messages: Any) -> None:
    body = {"model": "tiny", "messages": messages}
    response = http.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith("messages")


@pytest.mark.parametrize(
    "changes",
    [
        {"top_logprobs": 2},
        {"logprobs": True, "top_logprobs": 1001},
        {"prompt_logprobs": 1, "stream": True},
        {"continue_final_message": True},
        {"add_generation_prompt": False},
        {"continue_final_message": True, "add_generation_prompt": False},  # the last is the user's
    ],
    ids=str,
)
def test_log_probabilities_and_beginnings_that_a_chat_refuses(
    http: httpx2.Client, changes: dict[str, Any]
) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], **changes}
    response = http.post("/v1/chat/completions", json=body)
    assert response.status_code == 400 and response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"content": [{"type": "text"}]}, "messages[1].content[1].text: Field required"),
        ({"content": [{"type": "audio"}]}, "messages[1].content[1].type: Input should be 'text'"),
        ({"content": 5}, "messages[1].content: Input should be a valid string"),
        ({"content": None}, "messages[1]: content is missing"),
    ],
    ids=str,
)
def test_the_wrong_part_of_a_message_is_named(
    http: httpx2.Client, message: dict[str, Any], said: str
) -> None:
    body = {"model": "tiny", "messages": [{"role": "user"} | message]}
    response = http.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["message"] == said


@pytest.mark.parametrize(
    "changes",
    [
        {"tools": [{}]},
        {"tool_choice": "auto"},
        {"response_format": {"type": "json"}},
        {"store": True},
    ],
    ids=str,
)
def test_what_a_chat_would_ignore_is_refused(http: httpx2.Client, changes: dict[str, Any]) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], **changes}
    response = http.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"].split(".")[0] == next(iter(changes))


def test_texts_are_counted_before_they_are_read(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LanguageModel, "encode_text", lambda *_: pytest.fail("it was read"))
    assert "more than 128 texts" in refused(http, 400, prompt=["a"] * 1000)["message"]


class Attack:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> Any:
        return print, ("attacked",)


@pytest.mark.parametrize(
    "given",
    [
        "not base64!",
        base64.b64encode(b"no archive").decode(),
        base64.b64encode(pickle.dumps(Attack())).decode(),
        saved(Attack()),
        saved({"a": torch.zeros(3, 32)}),
        saved(torch.zeros(3, 31)),
        saved(torch.zeros(0, 32)),
        saved(torch.zeros(3, 32, dtype=torch.int64)),
        saved(torch.zeros(2, 3, 32)),
        saved(torch.full((3, 32), torch.nan)),
        saved(torch.zeros(1, 32).expand(10**9, 32)),
        saved(torch.zeros(3, 32).to_sparse()),
        deflated(torch.zeros(10_000, 32)),
        [],
    ],
    ids=range(14),
)
def test_embeddings_that_are_none_are_refused(
    http: httpx2.Client, given: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(http, 400, prompt_embeds=given, prompt=None)["param"].startswith("prompt")
    assert "attacked" not in capsys.readouterr().out


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_embeddings_of_any_float_are_taken(http: httpx2.Client, dtype: torch.dtype) -> None:
    body = GOOD | {"prompt": None, "prompt_embeds": saved(torch.ones(1, 3, 32, dtype=dtype))}
    response = http.post("/v1/completions", json=body)
    assert response.status_code == 200, response.text
    assert response.json()["usage"]["prompt_tokens"] == 3


def test_a_prompt_that_breaks_the_model_is_answered_all_the_same(http: httpx2.Client) -> None:
    huge = dump_embeddings(np.full((3, 32), 3e38, np.float32))
    body = {"model": "tiny", "prompt_embeds": huge, "max_tokens": 2, "logprobs": 1}
    response = http.post("/v1/completions", json=body)
    assert response.status_code == 200
    json.loads(response.text, parse_constant=pytest.fail)
    assert http.post("/v1/completions", json=GOOD).status_code == 200


def test_other_methods_and_paths(http: httpx2.Client) -> None:
    assert http.get("/v1/completions").status_code == 405
    assert http.get("/v1/nowhere").status_code == 404
    large = http.post("/v1/completions", content=b"x" * (17 * 2**20))
    assert large.status_code == 413 and "bytes" in large.json()["error"]["message"]
