"""Write what the blocks of docs/tutorial.md print into it anew: python docs/transcript.py."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

PAGE = Path(__file__).with_name("tutorial.md")
WIDTH = 84
_SHOWN = re.compile(r"(```(?P<language>sh|python)\n(?P<code>[^`]*)```\n\n)```text\n[^`]*```")


def transcript(text: str) -> str:
    """Return the page with the output of every block of shell or Python that a `text` block follows."""
    with tempfile.TemporaryDirectory() as folder:

        def run(match: re.Match[str]) -> str:
            if match["language"] == "python":
                shown = _output(["-c", match["code"]], folder)
            else:
                shown = "".join(
                    _output(_words(line), folder) for line in match["code"].splitlines()
                )
            return f"{match[1]}```text\n{shown}```"

        return _SHOWN.sub(run, text)


def _words(line: str) -> list[str]:
    name, *arguments = shlex.split(line, comments=True)
    if name != "acculturate":
        raise ValueError(f"{line} is no command of acculturate")
    return ["-m", name, *arguments]


def _output(arguments: list[str], folder: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return "".join(f"{_folded(row.rstrip())}\n" for row in done.stdout.splitlines())


def _folded(row: str) -> str:
    """Return a line of prose in lines of the page's width; a table stays as it is."""
    return row if row[:1] in ("", " ", *"┏┃┡│└") else textwrap.fill(row, WIDTH)


if __name__ == "__main__":
    PAGE.write_text(transcript(PAGE.read_text("utf-8")), "utf-8")
