"""Commands that ask an endpoint: what is kept at Ctrl-C and offline, and what is said of wrong requests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cli_runs import CommandLine, Result

from openai_server import Endpoint, serving

TABLE = "country,planning,company\nToyland,80,20\n"
TOY = ("--instrument", "toy", "--table", "toy.csv", "--labels", "digits", "--forms", "tuning")


@pytest.fixture(autouse=True)
def own_cache(cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ACCULTURATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "toy.csv").write_text(TABLE)


def measured(cli: CommandLine, endpoint: Endpoint, *more: str) -> Result:
    return cli("measure", "--model", f"openai:{endpoint.url}#{endpoint.model}", *TOY, *more)


def test_the_same_measurement_again_needs_no_server(cli: CommandLine) -> None:
    with serving(Endpoint()) as endpoint:
        first = measured(cli, endpoint)
        assert first.code == 0 and "141 requests were sent" in first.err
    again = measured(cli, endpoint)
    assert again.code == 0 and again.out == first.out and "0 requests were sent" in again.err
    assert "0 requests would be sent" in measured(cli, endpoint, "--dry-run").out
    more = measured(cli, endpoint, "--language", "en", "--forms", "all")
    assert "cannot be reached" in more.message(1) and "Start the server" in more.err


def test_ctrl_c_says_what_is_kept_and_keeps_it(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from acculturate.model.remote.readings import Reader

    asked: list[Any] = []
    read = Reader.read_form

    def interrupted(self: Reader, form: Any) -> Any:
        asked.append(form)
        if len(asked) == 20:
            raise KeyboardInterrupt
        return read(self, form)

    with serving(Endpoint()) as endpoint:
        monkeypatch.setattr(Reader, "read_form", interrupted)
        stopped = measured(cli, endpoint)
        assert stopped.code == 130
        assert "Stopped. What was answered is kept: the same command goes on" in stopped.err
        before = len(endpoint.asked)
        monkeypatch.setattr(Reader, "read_form", read)
        assert measured(cli, endpoint).code == 0
        repeated = [body for body in endpoint.asked[before:] if body in endpoint.asked[:before]]
        assert len(repeated) < 16  # those under way


@pytest.mark.parametrize(
    ("name", "fault", "message"),
    [
        ("toyy", None, "has no model 'toyy'"),
        ("toy", (401, {}), "there is no key in OPENAI_API_KEY"),
        ("toy", (500, {}), "does not take a chat or text to go on with: .* status 500"),
    ],
)
def test_wrong_requests(cli: CommandLine, name: str, fault: Any, message: str) -> None:
    with serving(Endpoint()) as endpoint:
        endpoint.faults = [fault] * 100 if fault else []
        refused = cli("measure", "--model", f"openai:{endpoint.url}#{name}", *TOY)
    assert refused.code in (1, 2) and "Traceback" not in refused.err
    assert re.search(message, refused.err)
