"""The installed program as a process of its own: imports, signals, pipes, terminals, encodings."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SLOW = Path(__file__).with_name("slow_cli.py")
TUNE = [
    "tune",
    "-m",
    "fake",
    "-c",
    "us",
    "--optimizer",
    "de",
    "--population",
    "6",
    "--tokens",
    "2",
    "--budget",
    "120",
]


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "acculturate", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, **options)  # type: ignore[call-overload]
    assert "Traceback" not in done.stderr
    return done


def test_neither_the_package_nor_its_help_imports_a_framework():
    code = (
        "import sys, acculturate, acculturate.cli\n"
        "acculturate.load_instrument('vsm13'); acculturate.load_countries()\n"
        "acculturate.tune, acculturate.measure, acculturate.FakeModel, acculturate.SoftPrompt\n"
        "try: acculturate.cli.main(['tune', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'peft', 'scipy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=3000
    )
    assert done.returncode == 0, done.stderr


def test_ctrl_c_while_the_command_line_is_loaded(monkeypatch):
    from acculturate.__main__ import main

    class Stopping:
        def find_spec(self, name, *_):
            if name == "acculturate.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "acculturate.cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Stopping(), *sys.meta_path])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 130


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "ACTIVE")]
)
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(given, expected):
    pytest.importorskip("torch")
    environment = os.environ | {"OMP_DISPLAY_ENV": "true"} | given
    code = "import acculturate, torch"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=3000
    )
    if "OMP_WAIT_POLICY" not in done.stderr:
        pytest.skip("this torch does not use an OpenMP that shows its settings")
    assert f"OMP_WAIT_POLICY = '{expected}'" in done.stderr


def test_the_fake_model_needs_no_framework(tmp_path):
    code = (
        "import sys, acculturate.cli\n"
        "for name in ('torch', 'transformers', 'peft'): sys.modules[name] = None\n"
        f"acculturate.cli.main({[*TUNE[:-1], '12', '--out', str(tmp_path / 'run'), '--json']!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=3000
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["evaluations"] == 12


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_and_resumed(sent: signal.Signals, tmp_path):
    command = [sys.executable, str(SLOW), *TUNE, "--out", str(tmp_path / "run")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Under nohup SIGHUP is ignored, and stays so.
        preexec_fn=lambda: signal.signal(sent, signal.SIG_DFL),
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "writing 6 answers of the untouched model\n"
    assert "tuning, 6/120 evaluations" in process.stderr.readline()
    process.send_signal(sent)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 128 + sent, err
    assert out == ""
    assert "Traceback" not in err
    assert err.endswith(
        f"Stopped. What is done is in {tmp_path / 'run'}; the same command with --resume goes on.\n"
    )
    assert not (tmp_path / "run" / "DONE.json").exists()
    resumed = run(*TUNE, "--out", str(tmp_path / "run"), "--resume", "--json")
    whole = run(*TUNE, "--out", str(tmp_path / "whole"), "--json")
    assert resumed.returncode == whole.returncode == 0
    for name in ("best.safetensors", "evaluation/summary.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("ray", [(), pytest.param(("--ray", "local"), marks=pytest.mark.slow)])
def test_an_experiment_is_stopped_as_by_ctrl_c(ray: tuple[str, ...], tmp_path):
    if ray:
        pytest.importorskip("ray")
    command = [sys.executable, "-m", "acculturate", "experiment", "smoke", *ray]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "starts" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert err.endswith("Stopped. What is done is in runs/smoke; the same command goes on.\n")


def test_a_reader_that_stops_reading():
    for arguments in (("forms",), ("forms", "--json")):
        process = subprocess.Popen(
            [sys.executable, "-m", "acculturate", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read().decode()
        process.stderr.close()
        process.wait(timeout=300)
        assert errors == ""


@pytest.mark.parametrize(
    ("closed", "code", "words"),
    [
        (">&-", 1, "standard output is closed"),
        ("2>&-", 0, ""),
        (">&- 2>&-", 1, ""),
        ("2>/dev/full", 0, ""),
        ("<&- 2>&-", 0, ""),
    ],
)
def test_an_output_that_is_closed(closed: str, code: int, words: str):
    command = f"'{sys.executable}' -m acculturate forms -i toy {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=3000)
    assert done.returncode == code
    assert words in done.stderr and bool(words) == bool(done.stderr)
    assert ("Answer:" in done.stdout) == (code == 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    "arguments", [("forms",), ("countries", "--json"), ("instrument", "template")]
)
def test_an_output_that_is_full(arguments: tuple[str, ...]):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "acculturate", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=3000,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot write the output: No space left on device\n")
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_terminal_that_knows_only_ascii(tmp_path):
    (tmp_path / "mine.csv").write_text("country,planning,company\nÅlund,80,20\n", "utf-8")
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    table = ("countries", "--table", str(tmp_path / "mine.csv"))
    shown = run(*table, env=environment)
    assert shown.returncode == 0
    assert "lund" in shown.stdout
    measured = run("measure", "-m", "fake", "-c", "us", env=environment)
    assert " -16.5 " in measured.stdout and "95 % over forms" in measured.stdout
    read = run(*table, "--json", env=environment)
    assert json.loads(read.stdout)["countries"][0]["name"].endswith("lund")
    assert "Ålund" in run(*table, "--json", env=os.environ | {"PYTHONIOENCODING": "utf-8"}).stdout


def test_a_terminal_gets_a_bar_with_best_loss_evaluations_and_time_left(tmp_path):
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        str(SLOW),
        *TUNE[:-1],
        "30",
        "--out",
        str(tmp_path / "run"),
        "--json",
    ]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            try:
                read = os.read(ours, 4096)
            except OSError:
                break
            if not read:
                break
            shown += read
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0
    assert json.loads(out)["evaluations"] == 30
    text = shown.decode()
    for word in ("tuning", "30/30", "best loss", "left", "0:00:0"):
        assert word in text, text
