"""A disk that fills up at any write: one message, nothing lost, and with space the run goes on."""

from __future__ import annotations

import errno
import io
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tuning_runs import Interrupter, files, refused, same, tune_toy

from acculturate.errors import FailureError

pytestmark = pytest.mark.slow

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("where", "call"),
    [("write", call) for call in range(1, 18)]
    + [(where, call) for where in ("open", "rename") for call in (1, 5, 9, 17)],
)
def test_a_full_disk(where: str, call: int, tmp_path, monkeypatch, whole):
    """At every write of a run: one message, what was there stays, and with space it goes on."""
    calls = 0

    def full(real: Callable[..., Any]) -> Callable[..., Any]:
        def maybe(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= call:
                raise FULL
            return real(*arguments, **options)

        return maybe

    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        if where == "open":
            patched.setattr("acculturate.io.Path.open", opening(full(Path.open)))
        elif where == "rename":
            patched.setattr(Path, "replace", full(Path.replace))
        else:
            patched.setattr("acculturate.io.Path.open", opening(filling_disk(call)))
        with pytest.raises(FailureError, match=r"cannot write .*: the disk is full") as caught:
            tune_toy(run)
        assert str(run) in str(caught.value)
        assert "Make space" in (caught.value.hint or "")
        assert "--resume" in (caught.value.hint or "")
    assert not list(run.rglob(".*-*")), "a half-written file is left"
    for name, content in files(run).items():
        if name.endswith(".json"):
            json.loads(content)
    tune_toy(run, resume=True)
    same(run, whole)


def opening(opened: Callable[..., Any]) -> Callable[..., Any]:
    """A `Path.open` that is another one for new files."""
    real = Path.open

    def either(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        return (opened if mode == "xb" else real)(path, mode, *arguments, **options)

    return either


def filling_disk(call: int) -> Callable[..., Any]:
    """A `Path.open` whose files are full from the so-manieth on, after half of their content."""
    real, calls = Path.open, 0

    class Full(io.FileIO):
        def write(self, content: Any, /) -> int:
            super().write(memoryview(content)[: len(content) // 2])
            raise FULL

    def open_file(path: Path, mode: str) -> Any:
        nonlocal calls
        calls += 1
        return Full(path, mode) if calls >= call else real(path, mode)

    return open_file


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB, where the machine lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except OSError:
        pytest.skip("no mount here")
    if done.returncode:
        pytest.skip("not allowed to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path, whole):
    with pytest.raises(KeyboardInterrupt):
        tune_toy(small_disk / "run", on_generation=Interrupter(2))
    before = files(small_disk / "run")
    with pytest.raises(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    refused(small_disk / "run", FailureError, "the disk is full")
    assert files(small_disk / "run") == before
    (small_disk / "filler").unlink()
    tune_toy(small_disk / "run", resume=True)
    same(small_disk / "run", whole)


def test_another_reason_for_a_failed_write(interrupted: Path, monkeypatch):
    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("acculturate.io.Path.open", opening(denied))
    refused(interrupted, FailureError, "cannot write", "Permission denied")
