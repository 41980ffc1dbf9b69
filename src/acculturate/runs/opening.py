"""Opening a run directory to write to: a new one, the same search again, or one that is given more budget."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import tomli_w

from acculturate.errors import FailureError, UsageError, WriteError
from acculturate.io import LOCK, is_leftover, lock_folder, remove_leftovers, write_bytes, write_text
from acculturate.record_files import read_toml
from acculturate.runs.directory import FILES, RunDirectory, best_at, with_budget
from acculturate.runs.store import (
    ANSWERS,
    BEST,
    CONFIG,
    CONTENT,
    DONE,
    GUARD,
    PROVENANCE,
    STATE,
    SUMMARY,
    TEACHER,
)

_OF_EARLIER_VERSIONS = {"stages", "reject"}
"""Settings of version 0.1 that changed no result."""


@contextmanager
def open_run(
    path: str | Path, config: Mapping[str, Any], *, resume: bool
) -> Generator[RunDirectory]:
    """Hold a run directory to write to.

    Args:
        path: The directory; made where it is missing.
        config: The effective settings.
        resume: Whether to go on with what is there, which may have had a smaller budget.

    Raises:
        UsageError: It holds a run and `resume` was not asked for, or another run or one of a larger budget, or
            another process is writing to it.
        FailureError: It cannot be written, or the state of a run that is given more budget is damaged.
    """
    try:
        with open_resumable(Path(path), CONFIG, "run", config, resume=resume) as directory:
            for name in (*FILES, TEACHER):
                remove_leftovers(directory.path / name)
            try:
                yield directory
            except UsageError:
                # Before its first generation: the mended request may use the same directory.
                if not (directory.path / BEST).is_file():
                    for name in (CONFIG, PROVENANCE, GUARD, TEACHER, CONTENT, ANSWERS):
                        (directory.path / name).unlink(missing_ok=True)
                    with suppress(OSError):  # where it holds anything else
                        (directory.path / CONTENT).parent.rmdir()
                raise
    except WriteError as error:
        raise FailureError(
            str(error), f"{error.hint} The same command with --resume goes on."
        ) from error


@contextmanager
def open_resumable(
    path: Path, file: str, what: str, config: Mapping[str, Any], *, resume: bool
) -> Generator[RunDirectory]:
    """Hold the directory of a search that is new, or goes on with the same settings or a larger budget.

    Args:
        path: The directory; made where it is missing.
        file: Name of the file with its settings.
        what: Kind of the search, for messages.
        config: The settings.
        resume: Whether to go on with what is there.

    Raises:
        UsageError: It holds a search and `resume` was not asked for, or another search or one of a larger
            budget, or another process is writing to it.
        FailureError: It cannot be written, or the state of a search that is given more budget is damaged.
    """
    with _hold(path, file, what) as saved:
        budget = config["search"]["budget"]
        before, earlier = _saved_budgets(saved or config, budget)
        _check_same(path, what, saved, with_budget(config, before, earlier))
        more = before != budget
        whole = with_budget(config, budget, [*earlier, before] if more else earlier)
        directory = RunDirectory(path, tomli_w.dumps(whole))
        old = saved is not None and set(saved["search"]) & _OF_EARLIER_VERSIONS
        if old and (more or not directory.finished):
            raise UsageError(
                f"the run in {path} was begun by acculturate 0.1, whose state cannot be read",
                "Use another --out, or finish it with that version.",
            )
        if saved and not resume:
            raise UsageError(
                f"{path} already holds this {what}",
                "Add --resume to go on, or use another --out.",
            )
        if more and budget < before:
            raise UsageError(
                f"the {what} in {path} has a budget of {before}, and {budget} is less",
                f"Give --budget {before} to go on with it, or more.",
            )
        if more:
            _take_up(directory, before)
        if more or not saved:
            write_text(path / file, directory.config)
        yield directory


@contextmanager
def open_directory(
    path: Path,
    file: str,
    what: str,
    settings: str,
    without_additions: Callable[[dict[str, Any]], dict[str, Any]],
) -> Generator[None]:
    """Hold a directory that is new or was made with the same settings, and write these where it is new.

    Args:
        path: The directory; made where it is missing.
        file: Name of the file with its settings.
        what: Kind of the directory, for messages.
        settings: The settings, as TOML.
        without_additions: Returns, given the saved settings, those asked for less what may be added to a
            directory, such as further seeds.

    Raises:
        UsageError: It holds something else, or another process is writing to it.
        FailureError: It cannot be written, or its settings are damaged.
    """
    with _hold(path, file, what) as saved:
        asked = tomllib.loads(settings)
        same = asked if saved is None else without_additions(saved)
        _check_same(path, what, saved, same)
        if saved is None or same != asked:
            write_text(path / file, settings)
        yield


@contextmanager
def _hold(path: Path, file: str, what: str) -> Generator[dict[str, Any] | None]:
    """Hold a directory, and give the settings that were saved in it, or None where it is new."""
    try:
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is not a directory", "Choose another --out.")
        is_new = not (path / file).is_file()
        # A process that was killed before it had written the settings leaves these.
        left = [p.name == LOCK or is_leftover(p, file) for p in path.glob("*") if is_new]
        if not all(left):
            raise UsageError(
                f"{path} holds files and no {what}", "Choose an empty or new directory."
            )
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FailureError(
            f"cannot make {path}: {error.strerror}", "Choose another --out."
        ) from error
    with lock_folder(path):
        remove_leftovers(path / file)
        yield None if is_new else read_toml(path / file)


def _check_same(path: Path, what: str, saved: dict[str, Any] | None, asked: dict[str, Any]) -> None:
    """Check that saved settings are those asked for.

    Raises:
        UsageError: One differs.
    """
    if saved is not None and (difference := _first_difference(saved, asked)):
        raise UsageError(
            f"{path} holds another {what}: {difference}",
            f"Use another --out, or the settings of that {what} to go on with it.",
        )


def _take_up(directory: RunDirectory, budget: int) -> None:
    """Prepare a search of this budget for more: its result, if it has one, is set aside, the prompt first.

    Killed at any moment, it is a search of the old budget that did not write its result yet.

    Raises:
        FailureError: Its state is damaged.
    """
    path = directory.path
    if "together" not in tomllib.loads(directory.config)["search"]:
        directory.read_state()
    elif (path / STATE).is_file():
        with directory.naming_state():
            directory.read_arrays()
    if (path / SUMMARY).is_file():
        write_bytes(path / best_at(budget), (path / BEST).read_bytes())
        aside = path / f"evaluation-{budget}"
        shutil.rmtree(aside, ignore_errors=True)
        (path / SUMMARY).parent.rename(aside)
    (path / DONE).unlink(missing_ok=True)


def _saved_budgets(config: Mapping[str, Any], asked: int) -> tuple[int, list[int]]:
    """Return the budget of saved settings, and those before it; the one asked for where it is damaged."""
    search = config.get("search")
    table = cast("dict[str, Any]", search) if isinstance(search, dict) else {}
    budget, earlier = table.get("budget"), table.get("earlier_budgets", [])
    if type(budget) is int and isinstance(earlier, list):
        return budget, cast("list[int]", earlier)
    return asked, []


def _first_difference(saved: dict[str, Any], asked: dict[str, Any], at: str = "") -> str | None:
    """Return the first setting in which two configurations differ, in words, or None."""
    for key in [key for key in saved | asked if key not in _OF_EARLIER_VERSIONS]:
        name = f"{at}{key}"
        there, here = saved.get(key), asked.get(key)
        if isinstance(there, dict) and isinstance(here, dict):
            tables = cast("dict[str, Any]", there), cast("dict[str, Any]", here)
            if inner := _first_difference(*tables, f"{name}."):
                return inner
        elif there != here:
            shown = ["not set" if value is None else repr(value) for value in (there, here)]
            return f"{name} is {shown[0]} there and {shown[1]} here"
    return None
