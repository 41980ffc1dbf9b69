"""kill -9 of a search over the wire, and of the server under it: resumed, it ends as if nothing had been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from acculturate.model import LanguageModel
from acculturate.serving import open_socket

pytestmark = pytest.mark.slow

TABLE = "country,planning,company\nToyland,80,20\nElsewhere,10,90\n"
SEARCH = (
    *("--instrument", "toy", "--country", "Toyland", "--labels", "digits", "--guard", "sentences"),
    *("--budget", "60", "--population", "10", "--tokens", "2", "--dtype", "float32"),
)


@contextmanager
def running(*command: str, cache: Path) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "acculturate", *command],
        env=os.environ | {"ACCULTURATE_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def served(folder: Path, port: int) -> Generator[subprocess.Popen[str]]:
    command = ("serve", "--model", str(folder), "--port", str(port))
    with running(*command, cache=folder / "cache") as process:
        assert process.stderr is not None
        while "Serving" not in process.stderr.readline():
            assert process.poll() is None
        yield process


def wait_for(generations: int, out: Path, process: subprocess.Popen[str]) -> None:
    file = out / "history.jsonl"
    while not file.exists() or file.read_text().count("\n") < generations:
        assert process.poll() is None
        time.sleep(0.005)


def without_times(file: Path) -> list[dict[str, Any]]:
    text = file.read_text()
    records = map(json.loads, text.splitlines()) if file.suffix == ".jsonl" else [json.loads(text)]
    return [{k: v for k, v in record.items() if "seconds" not in k} for record in records]


@pytest.mark.parametrize("optimizer", ["de/rand/1", "l-shade"])
def test_killed_client_and_killed_server(tiny: LanguageModel, tmp_path: Path, optimizer: str):
    folder, table = tmp_path / "tiny", tmp_path / "toy-table.csv"
    tiny.network.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    table.write_text(TABLE)
    with open_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    given = ("--model", f"openai:http://127.0.0.1:{port}/v1#tiny", "--embeddings", str(folder))
    common = ("tune", *SEARCH, *given, "--table", str(table), "--optimizer", optimizer, "--out")

    def search(name: str, *more: str):
        return running(*common, str(tmp_path / name), *more, cache=tmp_path / f"cache of {name}")

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with served(folder, port) as server:
        with search("whole") as process:
            assert process.wait(300) == 0
        with search("killed") as process:
            wait_for(2, killed, process)
            process.kill()
        with search("killed", "--resume") as process:
            wait_for(4, killed, process)
            server.kill()
            _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "cannot be reached any more, 6 times in a row" in said and "--resume" in said
    assert "Traceback" not in said and not (killed / "DONE.json").exists()
    with served(folder, port), search("killed", "--resume") as process:
        assert process.wait(300) == 0
    for file in ("history.jsonl", "DONE.json", "evaluation/summary.json"):
        left, right = (without_times(run / file) for run in (whole, killed))
        assert left == right and left
    assert len(without_times(whole / "history.jsonl")) > 4
    left, right = ((run / "best.safetensors").read_bytes() for run in (whole, killed))
    assert left == right
