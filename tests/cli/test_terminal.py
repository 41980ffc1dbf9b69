"""Nothing from a file or an argument steers the terminal; JSON holds it escaped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import CommandLine, Result

from acculturate.formatting import visible
from acculturate.survey.instrument import DATA
from acculturate.terminal_table import show_table

EVIL = "\x1b]0;pwned\x07\x1b[31m\x9b2J\x08\u202e\u2066"
TOY = (DATA / "toy.toml").read_text("utf-8")

STEERING = set("\x1b\x07\x9b\x08\x0d\u202e\u2066")


def harmless(shown: Result) -> Result:
    for text in (shown.out, shown.err):
        assert not STEERING & set(text)
    return shown


@pytest.fixture
def files(cli: CommandLine) -> CommandLine:
    """An instrument and a country table whose every name and text is hostile."""
    mark = EVIL.encode("unicode_escape").decode().replace("\\x", "\\u00")
    evil = TOY
    for start in ('title = "', 'name = "', '"Do you', 'template = "'):
        evil = evil.replace(start, start.replace('"', f'"{mark}'))
    assert evil.count(mark) > 10
    Path("evil.toml").write_text(evil)
    Path("evil.csv").write_text(f"country,planning,company\nÅ{EVIL}land,80,20\nFrance,30,40\n")
    return cli


def test_texts_of_files_in_tables_progress_and_errors(files: CommandLine):
    inputs = "-i", "evil.toml", "-t", "evil.csv"
    run = f"run{EVIL}"
    for command in (
        ("forms", *inputs[:2]),
        ("measure", "-m", "fake", *inputs, "-c", "France"),
        ("tune", "-m", "fake", *inputs, "-c", "France", "--budget=9", "--out", run),
        ("evaluate", run, *inputs),
        ("figures", run),
    ):
        shown = harmless(files(*command))
        assert shown.code == 0, shown.err
        assert "␛]0;pwned␇␛[31m" in shown.out
    assert visible(run) in harmless(files("report", run)).out
    assert "␛]0;pwned" in harmless(files("countries", "-t", "evil.csv")).out


@pytest.mark.parametrize(
    "arguments",
    [
        ("measure", "-m", "fake", "-c", f"{EVIL}\r"),
        ("measure", f"--{EVIL}"),
        ("measure", "--seed", EVIL),
        ("measure", "--forms", EVIL),
        (f"{EVIL}\r",),
        ("report", f"{EVIL}\r"),
        ("forms", "-i", f"{EVIL}.toml"),
    ],
)
def test_arguments_in_errors(arguments: tuple[str, ...], cli: CommandLine):
    harmless(cli(*arguments)).message(2)


def test_what_libraries_print(cli: CommandLine, monkeypatch: pytest.MonkeyPatch):
    from acculturate.model import FakeModel

    ask = FakeModel.ask

    def warn(*given, **options):
        print(EVIL, file=sys.stderr)
        return ask(*given, **options)

    monkeypatch.setattr(FakeModel, "ask", warn)
    said = harmless(cli("measure", "-m", "fake")).err
    assert said.removeprefix("asking 1632 forms\n").startswith("␛]0;pwned␇")


def test_a_warning_is_a_message_without_its_place_in_the_code():
    show = f"import warnings; warnings.simplefilter('always'); warnings.warn({EVIL!r})"
    code = f"from acculturate.terminal import standard_streams\nwith standard_streams(): {show}"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stderr == f"Warning: {visible(EVIL)}\n"


def test_json_keeps_the_very_names(files: CommandLine):
    shown = harmless(files("countries", "-t", "evil.csv", "--json"))
    assert "\\u202e" in shown.out
    assert shown.json["countries"][0]["name"].startswith("Å\x1b]0;pwned")


def test_a_table_wider_than_the_terminal_is_printed_in_parts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    header = ("country", "method", *(f"a long measure {k}" for k in range(12)))
    rows = [("United States", "in-context", *["[12.3, 45.6]"] * 12)]
    for columns, parts in (("80", 4), ("400", 1)):
        monkeypatch.setenv("COLUMNS", columns)
        show_table("losses", header, rows, left=2)
        shown = capsys.readouterr().out
        assert shown.count("losses") == shown.count("in-context") == parts
        assert "…" not in shown
        assert all(len(line) <= int(columns) for line in shown.splitlines())
        assert shown.count("[12.3,") == 12
