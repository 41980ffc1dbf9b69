"""`acculturate serve` as a process: it answers, ends when told to, and says what is wrong before it loads."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from acculturate.cli import main
from acculturate.serving import open_socket
from tiny_models import tiny_network, tiny_tokenizer

SLOW = """
import sys, time
from acculturate.cli import main
from acculturate.model import Decoder
from acculturate.serving import web

write, web._TO_END = Decoder.write, 0.2

def slowly(decoder, texts, tokens):
    print("writing", len(texts), file=sys.stderr, flush=True)
    time.sleep(0.1)
    return write(decoder, texts, tokens)

Decoder.write = slowly
main(sys.argv[1:])
"""
"""A server that writes ten tokens a second, and gives them two tenths of one to end."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("served") / "tiny"
    tiny_network("llama").save_pretrained(made)
    tiny_tokenizer().save_pretrained(made)
    return made


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(["serve", *arguments])
    assert end.value.code == 2
    return " ".join(capsys.readouterr().err.split())


@contextmanager
def serving(folder: Path, *program: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve in a process, killed at the end at the latest; gives it and its address."""
    command = [sys.executable, *program, "serve", "--model", str(folder), "--port", "0"]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # Where tests run in the background, SIGINT is ignored, and stays so.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            yield process, read_until(process, r"Serving tiny at (http://127\.0\.0\.1:\d+)/v1")[1]
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found
    pytest.fail("the server ended")


def stop(process: subprocess.Popen[str], number: int) -> int:
    """Stop a server, which has nothing to complain of, and give its exit code."""
    process.send_signal(number)
    said = process.communicate(timeout=120)[1]
    assert "Traceback" not in said and "ERROR" not in said
    return process.returncode


def test_a_process_answers_until_it_is_stopped(folder: Path) -> None:
    with serving(folder, "-m", "acculturate") as (process, url):
        models = httpx2.get(f"{url}/v1/models", timeout=60).json()["data"]
        assert [model["id"] for model in models] == ["tiny"]
        assert stop(process, signal.SIGINT) == 130


def test_clients_of_a_process_that_is_stopped_are_told(folder: Path) -> None:
    with serving(folder, "-c", SLOW) as (process, url), ThreadPoolExecutor() as pool:
        body = {"model": "tiny", "prompt": "a", "max_tokens": 200, "temperature": 0}
        whole, stream = (
            pool.submit(
                httpx2.post, f"{url}/v1/completions", json=body | {"stream": stream}, timeout=120
            )
            for stream in (False, True)
        )
        read_until(process, "writing 2")
        assert stop(process, signal.SIGTERM) == 143
        assert whole.result().status_code == 503
        error, end = stream.result().text.split("\n\n")[-3:-1]
        assert end == "data: [DONE]"
        assert json.loads(error.removeprefix("data: ")) == whole.result().json()
        assert whole.result().json()["error"]["message"] == "the server is shutting down"


def test_a_taken_port_is_said_before_the_model_is_loaded(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_socket("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        said = refused(capsys, "--model", "no such model", "--port", port)
    assert f"port {port} of 127.0.0.1 cannot be used" in said


def test_what_cannot_be_served(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ACCULTURATE_API_KEY", raising=False)
    assert "nothing to serve" in refused(capsys)
    assert "no run in" in refused(capsys, str(tmp_path))
    assert "no key is set" in refused(capsys, "--model", "fake", "--host", "0.0.0.0")
    assert "writes no text" in refused(capsys, "--model", "fake", "--port", "0")
