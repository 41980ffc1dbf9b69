"""Files, locks, fingerprints and names that everything else builds on."""

import hashlib

import pytest

from acculturate.errors import FailureError, UsageError
from acculturate.formatting import slug
from acculturate.io import fingerprint, lock_folder


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
