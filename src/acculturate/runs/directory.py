"""The writer's side of a run directory.

Every file is written whole or not at all. After an interruption at any moment, kill -9 included, the
state file is the truth: what history.jsonl holds beyond it is dropped on resume and made again, the same.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from acculturate.errors import AcculturateError, FailureError
from acculturate.io import fingerprint, write_bytes, write_text
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.record_files import (
    dump_arrays,
    parse_json,
    parse_record,
    read_arrays,
    write_record,
)
from acculturate.runs.results import Generation as HistoryLine
from acculturate.runs.store import (
    BEST,
    CONFIG,
    CONTENT,
    DONE,
    GUARD,
    HISTORY,
    PROVENANCE,
    STATE,
    SUMMARY,
)

State = dict[str, np.ndarray]

FILES = (CONFIG, PROVENANCE, GUARD, CONTENT, HISTORY, BEST, STATE, SUMMARY, DONE)
"""The files of a finished run directory, in the order of their first writing."""


@dataclass(frozen=True)
class RunDirectory:
    """A run directory to write to, as `open_run` gives it.

    Attributes:
        path: The directory.
        config: Text of its config.toml.
    """

    path: Path
    config: str

    @property
    def earlier_budgets(self) -> tuple[int, ...]:
        """The budgets that the run had before it was given more, the first one first."""
        return tuple(tomllib.loads(self.config)["search"].get("earlier_budgets", ()))

    @property
    def finished(self) -> bool:
        """Return whether the run came to an end, with its result table."""
        return all((self.path / name).is_file() for name in (SUMMARY, DONE))

    def write_record(self, name: str, record: Any) -> None:
        """Write a record as a JSON file."""
        write_record(self.path / name, record)

    def write_generation(
        self, history: Sequence[HistoryLine], best: SoftPrompt, state: State
    ) -> None:
        """Write a generation: history first, the state that makes it true last."""
        lines = self.write_result(history, best)
        self.write_state(state | {"history": np.array(fingerprint(lines))})

    def write_result(self, history: Sequence[HistoryLine], best: SoftPrompt) -> str:
        """Write what a generation found, and return the history's text; its state is written by itself."""
        lines = _history_text(history)
        write_text(self.path / HISTORY, lines)
        self.write_best(best)
        return lines

    def write_state(self, state: State) -> None:
        """Write the state alone, sealed with the configuration that it belongs to."""
        whole = state | {"config": np.array(fingerprint(self.config))}
        write_bytes(self.path / STATE, dump_arrays(whole | {"digest": np.array(_digest(whole))}))

    def write_best(self, best: SoftPrompt) -> None:
        """Write the best soft prompt alone."""
        best.save(self.path / BEST)

    def earlier_results(self) -> list[SoftPrompt]:
        """Return the soft prompts that the run ended with at earlier budgets, where it came to an end."""
        files = [self.path / best_at(budget) for budget in self.earlier_budgets]
        return [SoftPrompt.load(file) for file in files if file.is_file()]

    def read_state(self) -> tuple[State, list[HistoryLine]] | None:
        """Return the saved state and the history up to it, or None where no generation was finished.

        Raises:
            FailureError: The state or the history is damaged.
        """
        with self.naming_state():
            if not (self.path / STATE).is_file():
                if len(self._history_lines()) > 1:
                    raise ValueError("state.npz is missing")
                return None
            state = self.read_arrays()
            generations = int(state["generation"])
            lines = self._history_lines()[:generations]
            if len(lines) != generations:
                raise ValueError(f"history.jsonl has {len(lines)} of {generations} generations")
            if str(state.pop("history")) != fingerprint("".join(lines)):
                raise ValueError("history.jsonl was changed")
        return state, read_history(lines, self.path / HISTORY)

    def read_arrays(self) -> State:
        """Return what `write_state` wrote.

        Raises:
            ValueError: It is damaged, or another configuration's.
        """
        state = read_arrays(self.path / STATE)
        if str(state.pop("digest", "")) != _digest(state):
            raise ValueError("state.npz was changed")
        if str(state.pop("config")) not in self._seals():
            raise ValueError("state.npz belongs to another configuration")
        return state

    def _seals(self) -> list[str]:
        """Return the fingerprints of the configuration now and with every earlier budget."""
        config, seals = tomllib.loads(self.config), [fingerprint(self.config)]
        for count, budget in enumerate(self.earlier_budgets):
            before = with_budget(config, budget, self.earlier_budgets[:count])
            seals.append(fingerprint(tomli_w.dumps(before)))
        return seals

    @contextmanager
    def naming_state(self) -> Generator[None]:
        """Say of an error in the body that the saved state is damaged, or of another version.

        Raises:
            FailureError: Instead of that error.
        """
        try:
            yield
        except (OSError, ValueError, TypeError, KeyError, AcculturateError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else error
            raise FailureError(
                f"the state of the run, {self.path / STATE}, is damaged or of another version: {why}",
                f"Its best prompt so far is still in {self.path / BEST}; to tune again, use another "
                "--out.",
            ) from error

    def _history_lines(self) -> list[str]:
        file = self.path / HISTORY
        return file.read_text("utf-8").splitlines(keepends=True) if file.is_file() else []


def _history_text(history: Sequence[HistoryLine]) -> str:
    """Return a history as its file holds it, a line a generation."""
    return "".join(json.dumps(vars(line), allow_nan=False) + "\n" for line in history)


def read_history(lines: Sequence[str], file: Path) -> list[HistoryLine]:
    """Return the generations of some lines of a history.

    Args:
        lines: The lines.
        file: What to call their file in a message.

    Raises:
        FailureError: A line is damaged.
    """
    return [parse_record(HistoryLine, parse_json(line, file), file) for line in lines]


def best_at(budget: int) -> str:
    """Return the name of the file with the best prompt of an earlier budget."""
    return f"best-{budget}.safetensors"


def with_budget(config: Mapping[str, Any], budget: int, earlier: Sequence[int]) -> dict[str, Any]:
    """Return settings with another budget, the optimiser's as well where it was the same."""
    search = {name: value for name, value in config["search"].items() if name != "earlier_budgets"}
    own = search.get("settings", {})
    if own.get("budget") == search["budget"]:
        search["settings"] = own | {"budget": budget}
    search["budget"] = budget
    return {**config, "search": search | ({"earlier_budgets": [*earlier]} if earlier else {})}


def _digest(state: State) -> str:
    """Return a hash over every array, so that a changed file is not taken for the saved one."""
    digest = hashlib.sha256()
    for name, array in sorted(state.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()
