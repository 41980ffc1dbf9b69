"""`acculturate serve` as a process: it answers, ends when told to, and says what is wrong before it loads."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from acculturate.cli import main
from acculturate.serving import open_socket
from tiny_models import tiny_network, tiny_tokenizer


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


def test_a_process_answers_until_it_is_stopped(folder: Path) -> None:
    command = [sys.executable, "-m", "acculturate", "serve", "--model", str(folder), "--port", "0"]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # Where tests run in the background, SIGINT is ignored, and stays so.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            assert process.stderr is not None
            found = None
            while not found:
                line = process.stderr.readline()
                assert line, "the server ended"
                found = re.search(r"Serving tiny at (http://127\.0\.0\.1:\d+)/v1", line)
            models = httpx2.get(f"{found[1]}/v1/models", timeout=60).json()["data"]
            assert [model["id"] for model in models] == ["tiny"]
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 130
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()


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
