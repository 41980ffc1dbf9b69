"""The documentation: what it says to run, runs; what is made from the code, is; what it quotes, exists."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

import acculturate as ac
from acculturate.cli import app
from acculturate.tuning import setting_fields

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted({*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"})
NOT_IN_TESTS = {"openai", "lm_eval"}
"""Packages of blocks that need a server or a download."""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def commands() -> Iterator[tuple[str, str]]:
    """Yield every command of acculturate in a block of shell or an indented line, with its page."""
    for page in PAGES:
        text = page.read_text("utf-8")
        shell = [*blocks(page, "sh"), *re.findall(r"^    (acculturate .*)$", text, re.M)]
        for line in "\n".join(shell).replace("\\\n", " ").splitlines():
            match = re.match(r"(?:\w+=(?:\$\(.*?\)|\S)+ )*acculturate (.*)", line.strip())
            if match:
                yield str(page.relative_to(ROOT)), match[1]


@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_every_command_is_understood(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "china.toml").write_text("tokens = 16\ncountry = 'China'\n")  # of --config
    words = shlex.split(re.split(r" [&|<>]", line)[0], comments=True)
    command: Any = get_command(app)
    while words and hasattr(command, "commands"):
        if words[0].startswith("--") or words[0] == "COMMAND":
            return
        command = command.commands[words.pop(0)]
    command.make_context(page, words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the blocks of Python read: a run and an experiment's table."""
    folder = tmp_path_factory.mktemp("docs")
    model, survey = ac.load_model("fake"), ac.load_instrument("vsm13")
    china = ac.load_countries("hofstede-insights")["China"]
    run = ac.tune(
        model, survey, china, budget=12, tokens=4, out=folder / "runs/china", measured_forms=48
    )
    ac.evaluate(run, model, languages=())
    (folder / "runs/rivals").mkdir()
    for name in ("results.csv", "experiment.toml"):
        shutil.copy(DOCS / "paper-embedded" / name, folder / "runs/rivals")
    return folder


PYTHON = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    if page.name != "README.md" or page.parent != ROOT  # test_readme.py runs that one
    for number, block in enumerate(blocks(page, "python"))
]


@pytest.mark.parametrize("block", PYTHON)
def test_every_block_of_python_runs_on_the_fake_model(
    block: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = set(re.findall(r"^(?:import|from) (\w+)", block, re.M))
    if imported & NOT_IN_TESTS:
        compile(block, "docs", "exec")
        return
    for package in imported:
        pytest.importorskip(package)
    monkeypatch.chdir(folder)
    exec(compile(block, "docs", "exec"), {})


@pytest.mark.parametrize("name", ["settings.md", "reference/command-line.md"])
def test_pages_made_from_the_code_are_true(name: str) -> None:
    """If one is not: python docs/generate.py."""
    made = runpy.run_path(str(DOCS / "generate.py"))
    page = DOCS / name
    assert page.read_text("utf-8") == made["page_with"](page, made["PAGES"][name]())


def test_the_table_of_settings_has_every_setting() -> None:
    table = (DOCS / "settings.md").read_text("utf-8")
    assert all(f"| `{name}` |" in table for name in setting_fields())


def test_the_reference_has_every_public_name() -> None:
    page = (DOCS / "reference/api.md").read_text("utf-8")
    public = {name for name in ac.__all__ if not name.startswith("_")}
    assert public == set(re.findall(r"^\.\. (?:auto\w+|data):: (\w+)", page, re.M))


def test_troubleshooting_quotes_messages_that_there_are() -> None:
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src/acculturate").rglob("*.py"))
    source = re.sub(r'"\s*f?"', "", source)
    for message in re.findall(r"^### `(.*)`$", page, re.M):
        assert message in source, message


def test_the_notebook_runs_on_the_fake_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jupyter itself runs it in CI; here a figure is read and not shown."""
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    package, shown = ModuleType("IPython"), ModuleType("IPython.display")
    package.version_info = (9, 0)  # pyright: ignore[reportAttributeAccessIssue]
    shown.SVG = lambda filename: Path(filename).read_text("utf-8")  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    names: dict[str, Any] = {}
    for cell in json.loads((DOCS / "notebook.ipynb").read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]
            exec(compile("".join(cell["source"]), "notebook", "exec"), names)
    assert names["after"].loss < names["before"].loss
    assert all(hasattr(names[shown], "_repr_html_") for shown in ("before", "run", "attained"))
    assert names["report"].is_file()


def test_the_citation_is_of_this_version() -> None:
    assert f"\nversion: {ac.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


@pytest.mark.slow
def test_the_tutorial_shows_what_is_printed() -> None:
    """If it does not: python docs/transcript.py. Digits differ between processors and are not compared."""
    page = DOCS / "tutorial.md"
    shown = page.read_text("utf-8")
    made = runpy.run_path(str(DOCS / "transcript.py"))["transcript"](shown)
    assert words_of(made) == words_of(shown)


def words_of(text: str) -> list[str]:
    return re.sub(r"[−\d.]*\d", "0", text).split()
