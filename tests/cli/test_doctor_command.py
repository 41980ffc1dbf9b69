"""`acculturate doctor`: what a bug report needs, and how to install what is missing."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from cli_runs import CommandLine

from acculturate.commands import doctor


@pytest.fixture(autouse=True)
def _requirements(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    needed = ["numpy>=2", "numpy>=999; python_version < '3'"]
    extras = [
        "numpy>=1; extra == 'there'",
        "numpy>=999; extra == 'old'",
        "lacks-99; extra == 'dev'",
    ]
    lacking = ["no-such-package>=1; extra == 'lacking'"]
    monkeypatch.setattr(doctor, "requires", lambda _: [*needed, *extras, *lacking])
    monkeypatch.setenv("ACCULTURATE_CACHE", str(tmp_path / "cache"))


def test_doctor_as_json(cli: CommandLine, tmp_path: Path):
    (tmp_path / "cache" / "model").mkdir(parents=True)
    (tmp_path / "cache" / "model" / "weights").write_bytes(b"1234567")
    shown = cli("doctor", "--json").json
    assert list(shown["versions"]) == ["acculturate", "Python", "numpy", "torch", "transformers"]
    assert shown["versions"]["torch"] == metadata.version("torch")
    assert shown["device"].split()[0] in ("cpu", "cuda", "mps")
    assert shown["bfloat16"] in (True, False)
    assert shown["cache"] == str(tmp_path / "cache")
    assert shown["cache_bytes"] == 7
    assert shown["free_bytes"] > 0
    assert shown["missing"] == []
    assert shown["extras"] == {
        "there": {"missing": [], "install": "pip install 'acculturate[there]'"},
        "old": {"missing": ["numpy>=999"], "install": "pip install 'acculturate[old]'"},
        "lacking": {
            "missing": ["no-such-package>=1"],
            "install": "pip install 'acculturate[lacking]'",
        },
    }


def test_doctor_as_a_table(cli: CommandLine):
    shown = cli("doctor")
    assert shown.code == 0
    assert "no-such-package>=1 missing: pip install 'acculturate[lacking]'" in shown.out
    assert "GB free" in shown.out
    assert "extra dev" not in shown.out


def test_torch_that_does_not_load_is_told(cli: CommandLine, monkeypatch: pytest.MonkeyPatch):
    from acculturate.model import pretrained

    def fail(_: str) -> None:
        raise OSError("libcudart.so.13: cannot open shared object file\nand more")

    monkeypatch.setattr(pretrained, "resolve_device", fail)
    shown = cli("doctor", "--json").json
    assert shown["device"] == "none: libcudart.so.13: cannot open shared object file"
    assert shown["bfloat16"] is None
