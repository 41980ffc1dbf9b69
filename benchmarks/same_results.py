"""Show that a change of the code changes no bit of a tuning: record before, record after, compare.

    PYTHONPATH=BEFORE/src python benchmarks/same_results.py record before.json
    python benchmarks/same_results.py record after.json
    python benchmarks/same_results.py compare before.json after.json

A case is one `acculturate tune` in a process of its own, on one thread. What is compared is every
number of its history and its outcome, but for times, and the bytes of its best prompt. Both records
have to come from one machine: another processor or version of torch may round differently.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

NAMES: dict[str, str | None] = {
    "best_cost": "best_objective",
    "best_excess": "best_violation",
    "excess": "violation",
    "tokens_saved": None,  # of early rejection
}
"""What a field was called to what it is called; None for one that went."""

TIMES = frozenset({"seconds", "search_seconds"})
"""Fields that differ from run to run."""

Case = dict[str, Any]
"""What `record` keeps of a tuning: sha256, history, outcome, prompt."""


def list_cases(only: str | None) -> dict[str, list[str]]:
    """List the options of `acculturate tune` for each case."""
    cases: dict[str, list[str]] = {}
    fake = ["--model", "fake", "--country", "United States", "--budget", "120"]
    for optimizer in ("de/rand/1", "l-shade", "adam", "cma-es", "random"):
        for seed in ("0", "1", "2"):
            cases[f"fake {optimizer} {seed}"] = [*fake, "--optimizer", optimizer, "--seed", seed]
    # The other optimisers, and limits that the first candidates break.
    for optimizer in ("de/current-to-best/1", "pso", "sep-cma-es"):
        cases[f"fake {optimizer} 0"] = [*fake, "--optimizer", optimizer, "--seed", "0"]
    for optimizer in ("de", "l-shade", "adam", "gde3"):
        limits = ["--max-divergence", "0.1", "--optimizer", optimizer, "--seed", "0"]
        cases[f"fake {optimizer} 0 limited"] = [*fake, *limits]
    embedded = ["--model", "embedded", "--country", "China", "--budget", "30", "--seed", "0"]
    for optimizer in ("adam", "l-shade"):
        cases[f"embedded {optimizer} 0"] = [*embedded, "--optimizer", optimizer]
    return {name: options for name, options in cases.items() if name.startswith(only or "")}


def record(file: Path, only: str | None) -> bool:
    """Run the cases, write what came out, and tell whether all of them ran."""
    package = find_spec("acculturate")
    cases: dict[str, Case] = {}
    failed = False
    for name, options in list_cases(only).items():
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            done = subprocess.run(
                [sys.executable, "-m", "acculturate", "tune", *options, "--out", str(run)],
                env=os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
            )
            if done.returncode:
                failed = True
                print(f"{name}: failed\n{done.stderr}", file=sys.stderr)
                continue
            cases[name] = read_case(run)
            print(f"{name}: {cases[name]['sha256'][:12]}", file=sys.stderr)
    about = {"package": package.origin if package else None, "python": sys.version}
    file.write_text(json.dumps({"about": about, "cases": cases}, indent=1) + "\n", encoding="utf-8")
    return not failed


def read_case(run: Path) -> Case:
    """Read what a run directory holds but its times."""
    lines = (run / "history.jsonl").read_text("utf-8").splitlines()
    prompt = load_file(run / "best.safetensors")["prompt_embeddings"]
    case: Case = {
        "history": [_without_times(json.loads(line)) for line in lines],
        "outcome": _without_times(json.loads((run / "DONE.json").read_text("utf-8"))),
        "prompt": prompt.astype("<f4", casting="equiv").tobytes().hex(),
    }
    return {"sha256": hash_case(case), **case}


def hash_case(case: Case) -> str:
    """Hash the numbers, by their new names, and the prompt."""
    numbers = json.dumps(read_numbers(case), sort_keys=True)
    return hashlib.sha256(f"{numbers} {case['prompt']}".encode()).hexdigest()


def read_numbers(case: Case) -> dict[str, float | None]:
    """Read the numbers of a case by their new names, such as history.3.scores.pdi."""
    return dict(_flatten({"history": case["history"], "outcome": case["outcome"]}, ""))


def compare(before: dict[str, Case], after: dict[str, Case]) -> bool:
    """Print a table of how two records differ, and tell whether they do not.

    A case that is no longer listed, such as one of an optimiser that went, is left out.
    """
    listed = list_cases(None)
    cases = [name for name in dict.fromkeys((*before, *after)) if name in listed]
    width = max(map(len, cases), default=4)
    print(f"{'case':{width}}  generations  {'numbers':>9}  {'prompt':>9}")
    notes: list[str] = []
    same = bool(cases)
    for name in cases:
        if name not in before or name not in after:
            same = False
            print(f"{name:{width}}  only {'before' if name in before else 'after'}")
            continue
        old, new = read_numbers(before[name]), read_numbers(after[name])
        shared = [key for key in old if key in new]
        alone = [key for key in (*old, *new) if key not in old or key not in new]
        numbers = _difference([old[key] for key in shared], [new[key] for key in shared])
        prompt = _difference(_entries(before[name]), _entries(after[name]))
        generations = len(before[name]["history"])
        print(f"{name:{width}}  {generations:11}  {numbers:>9}  {prompt:>9}")
        if alone:
            notes.append(f"{name}: {len(alone)} numbers on one side alone, such as {alone[0]}")
        same &= numbers == prompt == "equal" and not alone
    print(*notes, "No bit differs." if same else "The records differ.", sep="\n")
    return same


def main() -> None:
    """Read the command line; exit code 1 where a case fails or differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    verbs = parser.add_subparsers(dest="verb", required=True)
    recording = verbs.add_parser("record", help="run the cases and write what came out")
    recording.add_argument("out", type=Path)
    recording.add_argument("--only", choices=("fake", "embedded"))
    comparing = verbs.add_parser("compare", help="print how two records differ")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    given = parser.parse_args()
    if given.verb == "record":
        good = record(given.out, given.only)
    else:
        files = [json.loads(file.read_text("utf-8")) for file in (given.before, given.after)]
        for which, file in zip(("before", "after"), files, strict=True):
            print(f"{which}: {file['about']['package']}")
        good = compare(files[0]["cases"], files[1]["cases"])
    sys.exit(0 if good else 1)


def _without_times(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in TIMES}


def _flatten(value: Any, at: str) -> Iterator[tuple[str, float | None]]:
    """Go through the numbers in a JSON value; texts, such as why a run ended, are left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            name = NAMES.get(key, key)
            if name is not None:
                yield from _flatten(inner, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _flatten(inner, f"{at}.{place}")
    elif not isinstance(value, str):
        yield at, None if value is None else float(value)


def _entries(case: Case) -> list[float]:
    return np.frombuffer(bytes.fromhex(case["prompt"]), "<f4").astype(float).tolist()


def _difference(before: list[Any], after: list[Any]) -> str:
    """Say "equal", bit for bit, or the largest difference; nan where one side has no number."""
    if json.dumps(before) == json.dumps(after):
        return "equal"
    if len(before) != len(after):
        return "shape"
    pairs = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    return f"{np.abs(np.diff(np.array(pairs, float).reshape(-1, 2))).max(initial=0):.2e}"


if __name__ == "__main__":
    main()
