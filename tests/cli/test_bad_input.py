"""Bad input: one message with the next step, exit code 2 for usage and 1 for failure, nothing lost."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import CommandLine

from acculturate.cli import main
from acculturate.model import SoftPrompt
from acculturate.progress import Task
from acculturate.survey.instrument import DATA

TOY = (DATA / "toy.toml").read_text("utf-8")
HOSTILE = [
    "[red]",
    "[/]",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "$(touch x); `y`",
    ":smile:",
    "",
]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tune", "-m", "fake", "-c", "Germny"), ("Germny", "Did you mean Germany?")),
        (("measure", "-m", "fake", "-c", "Untied States"), ("Untied States", "United States")),
        (("countries", "Chna"), ("Chna", "China")),
        (("tune", "-m", "fake", "-c", "us", "-i", "vsm31"), ("vsm31", "vsm13")),
        (("forms", "-i", "vsm"), ("vsm", "vsm13")),
        (("instrument", "template", "nope"), ("nope", "vsm13")),
        (("measure", "-m", "fake", "-t", "hofstede-2016"), ("hofstede-2016", "hofstede-2015")),
        (("forms", "--language", "xx"), ("xx", "en")),
        (("tune", "-m", "fake", "-c", "us", "--optimizer", "dee"), ("dee", "de/rand/1")),
        (("tune", "-m", "fake", "-c", "us", "--variant", "dog"), ("dog", "cat")),
        (
            ("tune", "-m", "fake", "-c", "us", "--optimizer=de", "--budget", "19"),
            ("budget of 19", "--budget 20"),
        ),
        (
            ("tune", "-m", "fake", "-c", "us", "--optimizer=de", "--budget", "0"),
            ("budget of 0", "--population"),
        ),
        (("tune", "-m", "fake", "-c", "us", "--optimizer=de", "--population", "3"), ("3", "4")),
        (
            ("tune", "-m", "fake", "-c", "us", "--optimizer", "l-shade", "--budget", "9"),
            ("budget of 9", "--budget 10", "--population"),
        ),
        (
            ("tune", "-m", "fake", "-c", "us", "--optimizer", "adam", "--budget", "2"),
            ("budget of 2", "--budget 3"),
        ),
        (
            ("tune", "-m", "fake", "-c", "us", "--optimizer=adam", "--budget=17", "--population=6"),
            ("budget of 17", "--budget 18", "--population"),
        ),
        (
            ("tune", "-m", "fake", "-c", "us", "--optimizer", "adam+de", "--budget", "30"),
            ("'adam+de' was removed in version 0.2", "Use adam."),
        ),
        (
            ("tune", "-m", "fake", "-c", "us", "--sample", "--forms", "7"),
            ("7 tuning forms", "multiple of 24"),
        ),
        (("tune", "-m", "fake", "-c", "us", "--space", "cube:3"), ("cube:3", "mixture:64")),
        (("tune", "-m", "fake", "-c", "us", "--space", "ball:1"), ("'ball:1' was removed", "full")),
        (("tune", "-m", "fake", "-c", "us", "--space", "mixture"), ("mixture", "mixture:64")),
        (
            ("tune", "-m", "fake", "-c", "us", "--space", "mixture:8", "--init-scale", "0"),
            ("init scale of 0", "mixture:8"),
        ),
        (("tune", "-m", "fake", "-c", "us", "--init", "run"), ("--init-run",)),
        (("tune", "-m", "fake", "-c", "us", "--seed", "-1"), ("seed -1",)),
        (("tune", "-m", "fake", "-c", "us", "--tokens", "0"), ("tokens 0",)),
        (("tune", "-m", "fake", "-c", "us", "--forms", "50"), ("50", "multiple of 24")),
        (
            ("tune", "-m", "fake", "-c", "us", "--forms", "50", "--labels", "digits"),
            ("50", "multiple of 48"),
        ),
        (("tune", "-m", "fake", "-c", "us", "--max-divergence", "nan"), ("max divergence nan",)),
        (("tune", "-m", "fake", "-c", "us", "--init", "text"), ("--init-text",)),
        (("tune", "-m", "fake", "-c", "us", "--init-text", "x"), ("--init text",)),
        (("tune", "-m", "fake", "-c", "us", "--init-scale", "-1"), ("init scale -1",)),
        (("tune", "-m", "fake", "-c", "us", "--anchor", "middle"), ("middle", "midpoint")),
        (("tune", "-m", "fake", "-c", "us", "--anchor", "pdi=50"), ("idv",)),
        (("measure", "-m", "fake", "--anchor", "pdi=x"), ("pdi=x", "midpoint")),
        (("measure", "-m", "fake", "--anchor", "pdi=1,dip=2"), ("dip", "pdi")),
        (("measure", "-m", "fake", "--anchor", ""), ("midpoint",)),
        (("measure", "-m", "fake", "--reading", "sampled", "--respondents", "0"), ("respondents",)),
        (("measure", "-m", "fake", "--seed", "-1"), ("--seed",)),
        (("measure", "-m", "fake", "--prompt", "nowhere"), ("no soft prompt at nowhere",)),
        (("measure", "-m", "fake", "-i", "toy", "-c", "us"), ("planning, company",)),
        (("report", "nowhere"), ("nowhere", "acculturate tune")),
        (("export", "nowhere", "--out", "x"), ("nowhere", "acculturate tune")),
        (("measure", "--reading", "guess"), ("guess", "expected", "modal", "sampled")),
        (("measure", "--forms", "some"), ("some", "held-out")),
        (("tune", "-c", "us", "--budget", "many"), ("--budget", "integer")),
        (("tune",), ("--country",)),
        (("report",), ("runs",)),
        (("measure", "--colour", "red"), ("--colour",)),
        (("frobnicate",), ("frobnicate",)),
        (("measure", "\udcff"), ("\\udcff", "UTF-8")),
    ],
)
def test_usage(arguments: tuple[str, ...], words: tuple[str, ...], cli: CommandLine):
    shown = cli(*arguments)
    message = shown.message(2)
    for word in words:
        assert word in message, message
    assert len([line for line in message.splitlines() if line.strip()]) >= 2, "no next step"
    assert not list(Path().iterdir()), "something was written"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "command",
    [
        ("tune", "-m", "fake", "-c"),
        ("measure", "-m", "fake", "-c"),
        ("countries",),
        ("forms", "-i"),
        ("measure", "-m", "fake", "-t"),
        ("tune", "-m", "fake", "-c", "us", "--optimizer"),
        ("tune", "-m", "fake", "-c", "us", "--anchor"),
        ("measure", "-m", "fake", "--prompt"),
        ("report",),
    ],
    ids=" ".join,
)
def test_hostile_text_is_shown_as_it_is_and_does_nothing(
    command: tuple[str, ...], text: str, cli: CommandLine
):
    message = cli(*command, text).message(2)
    assert text in message
    assert not list(Path().iterdir())


def test_a_country_with_missing_scores_names_them_and_another_table(cli: CommandLine):
    countries = cli("countries", "--table", "hofstede-2015", "--json").json["countries"]
    partial = next(c["name"] for c in countries if len(c["scores"]) < 6)
    shown = cli(
        "measure", "--model", "fake", "--country", partial, "--table", "hofstede-2015", "--json"
    )
    warning = next(line for line in shown.err.splitlines() if "left out" in line)
    assert warning.startswith(f"Warning: {partial} has no")
    assert "hofstede-2015" in warning
    assert shown.json["warnings"][-1] in warning


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("[items]", "[things]"), ("things",)),
        (('plans = { scale = "frequency"', 'plan = { scale = "frequency"'), ("plans",)),
        (("whims = 12.5", "whim = 12.5"), ("weights", "items that do not exist: whim", "whims")),
        (('frequency = ["Always"', 'frequency = ["Always", "x"'), ("frequency",)),
        (("midpoint = 50", "midpoint = fifty"), ("TOML",)),
        (('key = "toy"', 'key = ""'), ("key", "empty")),
    ],
)
def test_an_instrument_file_that_does_not_fit_together(
    edit: tuple[str, str], words: tuple[str, ...], cli: CommandLine
):
    assert edit[0] in TOY
    Path("mine.toml").write_text(TOY.replace(*edit))
    for command in (("forms",), ("measure", "-m", "fake"), ("tune", "-m", "fake", "-c", "us")):
        message = cli(*command, "--instrument", "mine.toml").message(2)
        assert "mine.toml" in message
        for word in words:
            assert word in message, message


@pytest.mark.parametrize(
    "name", ["missing.toml", "folder.toml", "binary.toml", "empty.toml", "missing.csv"]
)
def test_files_that_are_not_what_they_should_be(name: str, cli: CommandLine):
    Path("folder.toml").mkdir()
    Path("binary.toml").write_bytes(b"\0\1\2\xff")
    Path("empty.toml").touch()
    option = "--table" if name.endswith("csv") else "--instrument"
    assert name in cli("measure", "-m", "fake", option, name).message(2)


def test_a_prompt_that_is_not_one(cli: CommandLine):
    Path("text").write_text("not a tensor")
    assert "text is damaged" in cli("measure", "-m", "fake", "-p", "text").message(1)
    SoftPrompt(np.zeros((2, 4), np.float32), "front", "other").save(Path("narrow"))
    message = cli("measure", "-m", "fake", "-p", "narrow").message(2)
    assert "4 wide, fake needs 16" in message
    Path("empty").mkdir()
    assert "no soft prompt" in cli("measure", "-m", "fake", "-p", "empty").message(2)


def test_a_prompt_of_no_numbers(cli: CommandLine):
    SoftPrompt(np.full((2, 16), np.nan, np.float32), "front", "fake").save(Path("nan"))
    for command in (
        cli("measure", "-m", "fake", "-p", "nan"),
        cli.tune("--init", "run", "--init-run", "nan"),
    ):
        assert "nan holds entries that are not finite" in command.message(2)


def test_a_run_refused_at_its_start_leaves_its_directory_free(cli: CommandLine):
    cli.tune("--out", "run", "--init", "run", "--init-run", "nowhere").message(2)
    assert cli.tune("--out", "run").code == 0


def test_a_prompt_of_another_model(cli: CommandLine):
    SoftPrompt(np.ones((2, 16), np.float32), "front", "gpt-x").save(Path("other"))
    commands = [
        ("measure", "-m", "fake", "-p", "other"),
        (
            "tune",
            "-m",
            "fake",
            "-c",
            "China",
            "--budget",
            9,
            "--init",
            "run",
            "--init-run",
            "other",
        ),
    ]
    for command in commands:
        message = cli(*command).message(2)
        assert "made for gpt-x" in message and "--any-model" in message
    assert cli(*commands[0], "--any-model").code == 0
    assert cli(*commands[1], "--any-model", "--out", "insisted").code == 0


@pytest.mark.parametrize(
    "option",
    [
        ("--tokens", 10**9),
        ("--space", "mixture:999999999999"),
        ("--respondents", 10**9),
        ("--respondents", 10**400),
        ("--budget", 2**63),
        ("--seed", 2**63),
    ],
)
def test_sizes_that_no_memory_holds(cli: CommandLine, option: tuple[str, Any]):
    assert " to " in cli.tune(*option).message(2)
    assert not Path("runs").exists()


def test_a_model_file_that_is_not_there(cli: CommandLine):
    pytest.importorskip("torch")
    for name in ("./missing.gguf", "no-such/model", "../nowhere", "[red]", "embeded"):
        message = cli.tune("--model", name).message(2)
        assert name in message
        assert not Path("runs").exists()


class TestRunDirectory:
    """What `--out` may hold."""

    def test_another_configuration(self, cli: CommandLine):
        cli.tune("--out", "run")
        message = cli.tune("--out", "run", "--seed", 3).message(2)
        assert "search.seed is 0 there and 3 here" in message
        assert "--out" in message

    def test_the_same_run(self, cli: CommandLine):
        cli.tune("--out", "run")
        assert "--resume" in cli.tune("--out", "run").message(2)

    def test_a_folder_with_other_files(self, cli: CommandLine):
        Path("mine").mkdir()
        Path("mine/thesis.txt").write_text("words")
        for more in ((), ("--resume",)):
            assert "mine holds files and no run" in cli.tune("--out", "mine", *more).message(2)
        assert [p.name for p in Path("mine").iterdir()] == ["thesis.txt"]

    def test_a_file(self, cli: CommandLine):
        Path("file").write_text("words")
        assert "file is not a directory" in cli.tune("--out", "file").message(2)
        assert "cannot make file/below" in cli.tune("--out", "file/below").message(1)
        assert Path("file").read_text() == "words"

    def test_a_name_that_is_too_long(self, cli: CommandLine):
        assert "cannot make" in cli.tune("--out", "x" * 300).message(1)

    def test_a_damaged_state(self, cli: CommandLine):
        cli.tune("--out", "run")
        Path("run/DONE.json").unlink()
        whole = Path("run/state.npz").read_bytes()
        Path("run/state.npz").write_bytes(whole[:99])
        message = cli.tune("--out", "run", "--resume").message(1)
        assert "the state of the run, run/state.npz, is damaged" in message
        assert "best.safetensors" in message
        Path("run/state.npz").write_bytes(whole)
        assert cli.tune("--out", "run", "--resume").code == 0

    def test_a_full_disk_and_space_again(self, cli: CommandLine):
        real, is_full = Path.open, False

        def full(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            nonlocal is_full
            is_full = is_full or "history" in path.name
            if mode == "xb" and is_full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(path, mode, *arguments, **options)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Path, "open", full)
            message = cli.tune("--out", "run").message(1)
        assert "cannot write run/history.jsonl: the disk is full" in message
        assert "Make space" in message
        assert "--resume" in message
        resumed = cli.tune("--out", "run", "--resume", "--json").json
        whole = cli.tune("--out", "whole", "--json").json
        for done in (resumed, whole):
            del done["run"], done["seconds"]
        assert resumed == whole


def test_ctrl_c_leaves_with_130_and_says_how_to_go_on(cli: CommandLine, monkeypatch):
    import acculturate.progress_bars

    def interrupt(task: Task) -> str:
        if "6/12 evaluations" in task.note:
            raise KeyboardInterrupt
        return "tuning"

    with monkeypatch.context() as patched:
        patched.setattr(acculturate.progress_bars, "_line", interrupt)
        shown = cli.tune("--out", "[red]run")
    assert shown.code == 130
    assert shown.out == ""
    assert shown.err == (
        "tuning\nStopped. What is done is in [red]run; the same command with --resume goes on.\n"
    )
    assert cli.tune("--out", "[red]run", "--resume", "--json").json["evaluations"] == 12


def test_ctrl_c_before_the_first_generation(cli: CommandLine, monkeypatch):
    from acculturate.model import FakeModel

    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(FakeModel, "ask", interrupt)
        shown = cli.tune("--out", "run")
        measured = cli("measure", "-m", "fake")
    assert (shown.code, measured.code) == (130, 130)
    assert (
        "Nothing but the settings is in run; the same command with --resume goes on." in shown.err
    )
    assert cli.tune("--out", "run", "--resume").code == 0


def test_ctrl_c_while_a_run_is_evaluated(cli: CommandLine, monkeypatch):
    from acculturate.model import FakeModel

    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    cli.tune("--out", "run")
    with monkeypatch.context() as patched:
        patched.setattr(FakeModel, "ask", interrupt)
        shown = cli("evaluate", "run")
    assert shown.code == 130
    assert (
        "Stopped. What was asked is in the run directories; the same command goes on." in shown.err
    )
    assert cli("evaluate", "run").code == 0


def test_no_command_touches_the_network(cli: CommandLine, monkeypatch):
    def no(*_: Any, **__: Any) -> Any:
        raise AssertionError("the network was used")

    for name in ("socket.socket.connect", "socket.getaddrinfo", "socket.create_connection"):
        monkeypatch.setattr(name, no)
    assert cli.tune("--out", "run").code == 0
    assert cli("report", "run").code == 0
    assert cli("measure", "-m", "fake", "-p", "run", "-c", "us").code == 0


def test_a_path_that_the_system_refuses(cli: CommandLine):
    cli.tune("--out", "run")
    message = cli("report", "run", "--out", "x" * 300).message(1)
    assert f"\nError: cannot use {'x' * 300}: File name too long\nCheck the path" in message


class TestUnexpectedError:
    """An error that nobody expected is the package's own, and its traceback is kept."""

    @pytest.fixture(autouse=True)
    def _broken(self, monkeypatch: pytest.MonkeyPatch):
        from acculturate.model import FakeModel

        def fail(*_: Any, **__: Any) -> Any:
            raise ZeroDivisionError("division by zero\nand more")

        monkeypatch.setattr(FakeModel, "ask", fail)

    def test_is_one_message_and_a_file(self, cli: CommandLine, monkeypatch, tmp_path):
        monkeypatch.setenv("ACCULTURATE_CACHE", str(tmp_path / "cache"))
        message = cli("measure", "-m", "fake").message(1)
        (kept,) = (tmp_path / "cache" / "errors").iterdir()
        assert message == (
            "Error: acculturate is at fault here, not you: ZeroDivisionError: division by zero\n"
            f"Please report it in the project's issue tracker, with {kept}, which holds the traceback.\n"
        )
        record = kept.read_text()
        assert record.startswith("command: acculturate measure -m fake\nacculturate ")
        assert "Traceback (most recent call last)" in record
        assert "\nZeroDivisionError: division by zero\nand more\n" in record
        assert f"\nnumpy {np.__version__}\n" in record

    def test_is_printed_where_no_file_can_be_written(self, cli, monkeypatch, capsys, tmp_path):
        (tmp_path / "file").touch()
        monkeypatch.setenv("ACCULTURATE_CACHE", str(tmp_path / "file"))
        with pytest.raises(SystemExit, match="1"):
            main(["measure", "-m", "fake"])
        shown = capsys.readouterr().err
        assert "Traceback (most recent call last)" in shown
        assert shown.endswith("issue tracker, with the traceback above.\n")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 64.0 GiB for an array"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes."),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory."),
    ],
)
def test_too_little_memory(error: Exception, cli: CommandLine, monkeypatch):
    from acculturate.model import FakeModel

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(FakeModel, "ask", fail)
    message = cli("measure", "-m", "fake").message(1)
    assert message.startswith(f"Error: there is not enough memory: {error}")
    assert "--tokens" in message
