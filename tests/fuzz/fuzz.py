"""Thousands of wrong files and arguments: every one ends with a result or one message, and no file is lost.

    python tests/fuzz/fuzz.py --inputs 10000 --seed 0
    python tests/fuzz/fuzz.py --seed 0 --only 4711        # one of them again, with its output and folder

An input is wrong in its own way for its seed and number alone. It fails where a traceback or the message of an
unexpected error is shown, where it takes over 30 seconds, where a control character reaches the terminal, and
where a file that was there is changed or gone.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from commands import KINDS, Kind, write_corpus, wrong_arguments
from mutations import mutate

from acculturate.cli import main as acculturate
from acculturate.formatting import visible

_LONG, _LONGEST = 2.0, 30.0
"""Seconds of processor time until Ctrl-C, where that is allowed, and until an input hangs."""
_MEMORY = 6 * 2**30
"""Bytes that an input may take beyond what the process has already."""
_RUNS = ("run", "half")
_WRITTEN_ON_SUCCESS = ("report.html", "figures", "evaluation", "DONE.json")
_WRITTEN_BY_RESUME = ("history.jsonl", "state.npz", "best.safetensors")
_REMOVED_WHEN_DONE = "half/evaluation/answers.npz"
"""Answers that an unfinished run keeps until its result is measured."""
Files = dict[str, bytes | None]


class Hang(BaseException):
    """An input that takes too long."""


@dataclass(frozen=True)
class Outcome:
    """What came of one input; `fault` is empty where all is well."""

    number: int
    kind: str
    arguments: tuple[str, ...]
    code: object
    output: str
    fault: str


def run_input(number: int, seed: int, corpus: Path, folder: Path) -> Outcome:
    """Make one input in an empty folder and run its command there."""
    rng = random.Random(f"{seed}-{number}")
    name = rng.choices(list(KINDS), [kind.weight for kind in KINDS.values()])[0]
    kind = KINDS[name]
    shutil.copytree(corpus, folder, dirs_exist_ok=True)
    arguments = rng.choice(kind.commands)
    if kind.files:
        files = sorted(
            file for pattern in kind.files for file in folder.glob(pattern) if file.is_file()
        )
        everything = sorted(file for file in folder.rglob("*") if file.is_file())
        mutate(rng.choice(files), everything, rng)
    else:
        arguments = wrong_arguments(arguments, rng)
    before = read_files(folder)
    os.chdir(folder)
    code, output, fault = _call(arguments, kind)
    fault = fault or find_fault(arguments, code, output, before, read_files(folder))
    return Outcome(number, name, arguments, code, output, fault)


def _call(arguments: tuple[str, ...], kind: Kind) -> tuple[object, str, str]:
    """Run a command; return its exit code, its output and, where it hung, that."""
    out, error = io.StringIO(), io.StringIO()
    signal.signal(signal.SIGPROF, _press if kind.is_long else _give_up)
    signal.setitimer(signal.ITIMER_PROF, _LONG if kind.is_long else _LONGEST, _LONGEST)
    code: object = "none"
    try:
        with redirect_stdout(out), redirect_stderr(error), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            acculturate(arguments)
    except SystemExit as end:
        code = end.code
    except Hang:
        return code, out.getvalue() + error.getvalue(), "it hangs"
    except BaseException as raised:
        return code, out.getvalue() + error.getvalue(), f"it raises {raised!r}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return code, out.getvalue() + error.getvalue(), ""


def _press(*_: object) -> None:
    """Do what Ctrl-C does, once."""
    signal.signal(signal.SIGPROF, _give_up)
    raise KeyboardInterrupt


def _give_up(*_: object) -> None:
    raise Hang


def _press_again(lost: Any) -> None:
    """Press Ctrl-C again where Python loses it, in a finaliser; all else is shown."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        signal.signal(signal.SIGPROF, _press)
        signal.setitimer(signal.ITIMER_PROF, 0.1, _LONGEST)
    else:
        sys.__unraisablehook__(lost)


def find_fault(
    arguments: tuple[str, ...], code: object, output: str, before: Files, after: Files
) -> str:
    """Return what is wrong with a command that ended, or nothing."""
    if "Traceback" in output or "is at fault here" in output:
        return "an unexpected error"
    if code not in (0, 1, 2, 130):
        return f"exit code {code}"
    if code in (1, 2) and output.count("Error: ") < 1 and "Usage:" not in output:
        return "no message"
    if visible(output) != output:
        return "a control character"
    for name, content in before.items():
        if name == _REMOVED_WHEN_DONE and arguments[0] == "tune" and code == 0:
            continue
        if name not in after and not name.rpartition("/")[2].startswith("."):
            return f"{name} is gone"
        if after.get(name) != content and not _may_change(name, code, arguments):
            return f"{name} is changed"
    return ""


def _may_change(name: str, code: object, arguments: tuple[str, ...]) -> bool:
    """Return whether a file that was there may have been written anew."""
    named = {*arguments, *(argument.partition("=")[2] for argument in arguments)}
    if (
        code == 0
        and name in named
        and {"-o", "--out", "--figure"} & {a.partition("=")[0] for a in arguments}
    ):
        return True  # the user names a file for the result
    folder, _, rest = name.partition("/")
    part = rest.partition("/")[0]
    if arguments[0] == "tune" and code == 1 and part == "history.jsonl":
        return True  # the next file could not be written; lines beyond the state are dropped
    if folder not in _RUNS or code in (1, 2):
        return False
    written = _WRITTEN_ON_SUCCESS + (_WRITTEN_BY_RESUME if arguments[0] == "tune" else ())
    return part in written or part.startswith(".")


def read_files(folder: Path) -> Files:
    """Return every file by its name, and None for folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def run_all(numbers: Iterable[int], seed: int, keep: Path | None = None) -> list[Outcome]:
    """Run inputs by their numbers, each in a folder of its own, or in one that is kept."""
    importlib.import_module(
        "acculturate.model.pretrained"
    )  # which an interrupt would leave half done
    sys.unraisablehook = _press_again
    here = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (here + _MEMORY, resource.RLIM_INFINITY))
    os.environ |= {"HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
    home = Path.cwd()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["ACCULTURATE_CACHE"] = str((keep or Path(scratch)) / "cache")
        corpus = Path(scratch) / "corpus"
        corpus.mkdir()
        os.chdir(corpus)
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                write_corpus(corpus)
            for number in numbers:
                folder = keep or Path(scratch) / "a" / "b" / str(
                    number
                )  # whose parents may be written
                folder.mkdir(parents=True, exist_ok=True)
                outcomes.append(run_input(number, seed, corpus, folder))
                os.chdir(home)
                if keep is None:
                    shutil.rmtree(Path(scratch) / "a")
        finally:
            os.chdir(home)
    return outcomes


def _main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000, help="How many.")
    parser.add_argument("--first", type=int, default=0, help="Number of the first.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of all of them.")
    parser.add_argument("--processes", type=int, default=2, help="How many run them.")
    parser.add_argument("--only", type=int, help="Number of the one to run again.")
    given = parser.parse_args()
    if given.only is not None:
        folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{given.seed}-{given.only}-"))
        (outcome,) = run_all(range(given.only, given.only + 1), given.seed, folder)
        print(outcome.output, f"in {folder}: acculturate {outcome.arguments}", sep="\n")
        print(f"exit code {outcome.code}; {outcome.fault or 'no fault'}")
        sys.exit(bool(outcome.fault))
    began = time.monotonic()
    numbers = range(given.first, given.first + given.inputs)
    shares = [numbers[start :: given.processes] for start in range(given.processes)]
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        parts = pool.map(run_all, shares, [given.seed] * len(shares))
        outcomes = [outcome for part in parts for outcome in part]
    outcomes.sort(key=lambda outcome: outcome.number)
    seconds = time.monotonic() - began
    for (kind, code), count in sorted(Counter((o.kind, str(o.code)) for o in outcomes).items()):
        print(f"{kind:12} exit code {code:4} {count:6}")
    faults = [outcome for outcome in outcomes if outcome.fault]
    for outcome in faults:
        last = [line for line in outcome.output.splitlines() if line.startswith("Error")][-1:]
        print(
            f"--only {outcome.number} ({outcome.kind}): {outcome.fault}; {outcome.arguments!a} {last}"
        )
    print(f"{len(outcomes)} inputs in {seconds:.0f} s, seed {given.seed}: {len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    _main()
