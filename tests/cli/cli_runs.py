"""The command line run in this process, as a user's shell would run it."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from acculturate.cli import main


@dataclass(frozen=True)
class Result:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be JSON and nothing else."""
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    def message(self, code: int) -> str:
        """The one error message, after checking that it is one: an exit code and no traceback."""
        assert self.code == code, (self.code, self.err)
        assert self.out == ""
        assert "Traceback" not in self.err
        errors = re.findall(r"^Error: .+", self.err, re.MULTILINE)
        assert len(errors) == 1, self.err
        return self.err.removeprefix("asking 1632 forms\n")  # what it was doing


class CommandLine:
    """Calls `main` with an argument vector."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Result:
        self._monkeypatch.setattr(sys, "argv", ["acculturate", *map(str, arguments)])
        self._capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        out, err = self._capsys.readouterr()
        assert "Traceback" not in out + err
        return Result(code, out, err)

    def tune(self, *arguments: object) -> Result:
        """A short tuning of the fake model towards the United States, unless told otherwise."""
        given: dict[str, object] = {"--model": "fake", "--country": "us", "--budget": 12}
        given |= {"--optimizer": "de", "--population": 6, "--tokens": 2}
        if "-c" in arguments:
            del given["--country"]
        fixed = [
            part for key, value in given.items() if key not in arguments for part in (key, value)
        ]
        return self("tune", *fixed, *arguments)
