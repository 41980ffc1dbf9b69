"""Files of SPSS, read in a process of its own: a damaged file can crash the C library that reads them.

`read_sav` starts this file as a program, which prints the columns and their value labels as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from acculturate.errors import UsageError

LONGEST = 600
"""Seconds."""


def read_sav(path: Path) -> dict[str, tuple[list[Any], dict[Any, str]]]:
    """Return the values of each column, None where one is missing or declared so, and its value labels.

    Raises:
        UsageError: pyreadstat is not installed, or the file cannot be read.
    """
    if find_spec("pyreadstat") is None:
        raise UsageError(
            f"{path} is a file of SPSS, which needs pyreadstat",
            "pip install 'acculturate[sav]', or save it as CSV.",
        )
    command = [sys.executable, "-P", __file__, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LONGEST, check=False)
        fault = done.stderr.decode(errors="replace").strip().split("\n")[-1]
    except subprocess.TimeoutExpired:
        done, fault = None, f"it takes longer than {LONGEST} seconds"
    if done is None or done.returncode:
        raise UsageError(
            f"{path} is no SPSS file that can be read: {fault or 'its reader crashed'}",
            "Save it anew, or save it as CSV.",
        )
    columns: list[Any] = json.loads(done.stdout)
    return {name: (values, dict(labels)) for name, values, labels in columns}


def _print_columns(path: str) -> None:
    import pyreadstat

    try:
        read: Any = pyreadstat.read_sav(path, output_format="dict")
    except Exception as error:
        sys.exit(f"{error}")
    values, meta = read
    labels = {name: list(found.items()) for name, found in meta.variable_value_labels.items()}
    json.dump(
        [(name, values[name], labels.get(name, [])) for name in values], sys.stdout, default=str
    )


if __name__ == "__main__":
    _print_columns(sys.argv[1])
