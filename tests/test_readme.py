"""The README is a program: its Python block runs, its commands exist, its file tree is the tree."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import acculturate as ac
from acculturate.cli import app
from acculturate.survey import crossed_forms
from acculturate.survey.selection import limit_forms

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_python_block_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    shown = capsys.readouterr().out
    before, after = names["before"], names["after"]
    assert f"loss {before.loss:.1f} -> {after.loss:.1f} on forms the search never saw" in shown
    assert after.loss < before.loss / 2
    # The result of the run asks a balanced part of these forms.
    forms = limit_forms(crossed_forms(names["survey"], "held-out", "held-out", "en", "words"))
    for key, prompt in (("naive", None), ("tuned", names["run"].soft_prompt)):
        asked = names["model"], names["survey"]
        part = ac.measure(*asked, soft_prompt=prompt, forms=forms, target=names["target"])
        assert names["run"].summary.method(key).held_out.loss == pytest.approx(part.loss)
    assert (tmp_path / "runs" / "us" / "report.html").is_file()


def test_the_commands_and_their_options_exist() -> None:
    lines = re.findall(r"^acculturate .*$|`acculturate ([^`]*)`", README, re.M)
    block = re.findall(r"^(acculturate .*)$", README, re.M)
    assert lines and block
    root = get_command(app)
    for line in block:
        words = shlex.split(line, comments=True)[1:]
        command = root.commands[words[0]]  # pyright: ignore
        known = {name for parameter in command.params for name in parameter.opts}
        for option in (word for word in words if word.startswith("--")):
            assert option in known, (line, option)


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_make_targets_exist(target: str) -> None:
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


def test_the_architecture_names_every_subpackage() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    folders = {p.name for p in (ROOT / "src" / "acculturate").iterdir() if p.is_dir()}
    for name in folders - {"__pycache__"}:
        assert f"`{name}/`" in text, name


def test_every_link_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)", README) + re.findall(r'(?:src|srcset)="([^"]+)"', README)
    for target in targets:
        assert "://" in target or (ROOT / target).exists(), target
