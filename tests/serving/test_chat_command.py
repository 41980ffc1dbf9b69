"""Chat in a terminal: the same answers as the API's, in lines or in columns, and a clean end."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from chatting import on_tiny_model
from openai import OpenAI
from rich.console import Console

from acculturate.cli import main
from acculturate.commands.chat import _side_by_side
from acculturate.formatting import visible
from acculturate.model import LanguageModel

NAMES = ["tiny", "tiny+china", "tiny+persona:china"]


def chat(*options: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["chat", "runs/china", "--max-tokens", "12", *options])
    return int(end.value.code or 0)


def test_lines_are_answered_as_the_api_answers(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tiny: LanguageModel,
    client: OpenAI,
):
    on_tiny_model(monkeypatch, tiny)
    lines = b"Do you plan your day?\n\n  Who decides? \xff\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines), "utf-8"))
    assert chat("--plain", "--seed", "5") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in said] == NAMES * 2
    for line, name in zip(said, NAMES, strict=False):
        reply = client.chat.completions.create(
            model=name,
            messages=[{"role": "user", "content": "Do you plan your day?"}],
            temperature=0.7,
            max_tokens=12,
            seed=5,
        )
        content = reply.choices[0].message.content or ""
        assert line == visible(f"{name}: {' '.join(content.split())}")


def test_too_long_a_question_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny: LanguageModel
):
    on_tiny_model(monkeypatch, tiny)
    monkeypatch.setattr(sys, "stdin", io.StringIO("why? " * 5000 + "\nWho decides?\n"))
    assert chat() == 2
    said = capsys.readouterr()
    assert "there is room for" in said.err and "not answered" in said.err
    assert len(said.out.splitlines()) == len(NAMES)  # the next one is answered


def test_a_setting_out_of_range_is_refused(capsys: pytest.CaptureFixture[str]):
    assert chat("--temperature", "-1") == 2
    assert "--temperature" in capsys.readouterr().err


@pytest.mark.parametrize("width", [100, 40])
def test_answers_stand_beside_each_other_where_there_is_room(width: int):
    console = Console(file=io.StringIO(), width=width)
    answers = {"m": "One two.", "m+cn": "[bold]Three", "m+persona:cn": "x" * 60}
    console.print(_side_by_side(answers, width))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert all(len(line) <= width for line in lines)
    together = [line for line in lines if "One two." in line and "[bold]Three" in line]
    assert len(together) == (width == 100)


@contextmanager
def terminal() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    ours, theirs = pty.openpty()
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
    child = subprocess.Popen(
        [sys.executable, str(here / "chatting.py"), "chat", "runs/china", "--max-tokens", "8"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": path, "TERM": "xterm", "COLUMNS": "120"},
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    try:
        yield ours, child
    finally:
        child.kill()
        child.wait(60)
        os.close(ours)


def _take_terminal() -> None:
    import fcntl
    import signal
    import termios

    signal.signal(signal.SIGINT, signal.default_int_handler)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def read_until(ours: int, wanted: str, seconds: float = 90) -> str:
    shown, ends = "", time.monotonic() + seconds
    while not re.search(wanted, shown):
        assert time.monotonic() < ends, shown
        try:
            shown += os.read(ours, 4096).decode(errors="replace")
        except OSError:  # the other side is closed
            break
    assert re.search(wanted, shown), shown
    return shown


@pytest.mark.slow
@pytest.mark.parametrize(("key", "code"), [(b"\x04", 0), (b"\x03", 130)])
def test_in_a_terminal(key: bytes, code: int):
    with terminal() as (ours, child):
        read_until(ours, "Ctrl-D ends(.|\n)*> ")
        os.write(ours, b"Do you plan your day?\n")
        shown = read_until(ours, r"persona:china(.|\n)*\n> ")
        assert all(name in shown for name in NAMES)
        time.sleep(1)  # readline loses a signal that comes after its prompt, before it waits
        os.write(ours, key)
        rest = read_to_end(ours)
        assert child.wait(120) == code
        assert "Traceback" not in rest


def read_to_end(ours: int) -> str:
    shown = b""
    with suppress(OSError):  # the other side is closed
        while select.select([ours], [], [], 60)[0] and (piece := os.read(ours, 4096)):
            shown += piece
    return shown.decode(errors="replace")
