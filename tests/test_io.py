"""Files, locks, fingerprints and names that everything else builds on."""

import hashlib
import json
import os
import tomllib
from pathlib import Path

import pytest

from acculturate.errors import FailureError, UsageError, WriteError
from acculturate.formatting import slug
from acculturate.io import fingerprint, lock_folder, parse_plain, write_bytes


def test_a_fingerprint_is_that_of_the_canonical_json():
    assert fingerprint(["ü", 1]) == hashlib.sha256('["ü", 1]'.encode()).hexdigest()
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(("a", "b")) == fingerprint(["a", "b"]) != fingerprint(["b", "a"])
    assert len(fingerprint("\ud800")) == 64


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("United States", "united-states"),
        ("Côte d'Ivoire", "côte-d-ivoire"),
        ("DE/rand/1: F=0.5,CR=0.9", "de-rand-1-f=0.5,cr=0.9"),
        ("../..", "unnamed"),
        ("a" * 100, "a" * 60),
    ],
)
def test_a_name_becomes_a_file_name(name, kept):
    assert slug(name) == kept
    assert slug("?!", "") == ""


def test_a_locked_folder_has_one_writer(tmp_path):
    for _ in range(2):
        with lock_folder(tmp_path), pytest.raises(UsageError, match="another process is writing"):
            lock_folder(tmp_path).__enter__()
    (tmp_path / "file").write_text("")
    with pytest.raises(FailureError, match="cannot write"):
        lock_folder(tmp_path / "file").__enter__()


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (json.loads, "[" * 100_000, "nested too deeply"),
        (json.loads, "[" * 101 + "]" * 101, "nested too deeply"),
        (tomllib.loads, "a = " + "[" * 100_000, "nested too deeply"),
        (
            json.loads,
            f'{{"a": [1, {{"b": {10**400}}}]}}',
            r"a\[2\].b is a whole number of 1329 bits",
        ),
        (json.loads, f"-{2**64}", "it is a whole number of 65 bits"),
        (tomllib.loads, f"a = 0x{'f' * 5000}", "a is a whole number of 20000 bits"),
        (json.loads, "9" * 5000, "a number in it has thousands of digits"),
        (json.loads, "{", "Expecting"),
    ],
)
def test_values_that_no_reader_could_take_are_refused_when_they_are_parsed(parse, text, words):
    with pytest.raises(ValueError, match=words):
        parse_plain(parse, text)


def test_plain_values_are_parsed():
    text = f'[{{"a": [-{2**63}, {2**63 - 1}, 1e400, true, null]}}]'
    assert parse_plain(json.loads, text) == json.loads(text)
    assert parse_plain(json.loads, "[" * 99 + "]" * 99)


@pytest.mark.parametrize("path", [".", "/", ""])
def test_a_folder_is_no_file_to_write(path):
    with pytest.raises(WriteError, match="it is a folder"):
        write_bytes(Path(path), b"x")


def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_bytes(pipe, b"scores")
    assert os.read(reader, 100) == b"scores"
    os.close(reader)
    assert pipe.is_fifo() and [path.name for path in tmp_path.iterdir()] == ["pipe"]
