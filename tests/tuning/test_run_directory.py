"""Directories that are not what a run expects: each gets one message, and nothing in them is lost."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuning_runs import (
    HIDDEN,
    TOY,
    TOYLAND,
    Interrupter,
    optimizer,
    refused,
    same,
    tune_toy,
)

from acculturate.errors import FailureError, UsageError
from acculturate.model import FakeModel
from acculturate.runs import Run
from acculturate.tuning import tune


@pytest.mark.parametrize(
    ("settings", "name", "there", "here"),
    [
        ({"seed": 7}, "search.seed", "0", "7"),
        ({"tokens": 3}, "search.tokens", "2", "3"),
        ({"max_divergence": 0.3}, "search.max_divergence", "not set", "0.3"),
        ({"target_loss": 3.0}, "search.target_loss", "not set", "3.0"),
        ({"placement": "after-bos"}, "search.placement", "'front'", "'after-bos'"),
        ({"init_scale": 2.0}, "search.init_scale", "1.0", "2.0"),
        ({"space": "full"}, "search.space", "'mixture:64'", "'full'"),
        ({"reading": "modal"}, "survey.reading", "'expected'", "'modal'"),
        ({"aggregate": "sum"}, "survey.aggregate", "'mean'", "'sum'"),
        ({"anchor": "zero"}, "survey.anchor", "'midpoint'", "'zero'"),
        ({"forms": 16}, "survey.forms", "8", "16"),
        ({"variant": "crowd-only"}, "survey.variant", "not set", "'crowd-only'"),
        ({"optimizer": optimizer("pso")}, "search.optimizer", "'de/best/1'", "'pso'"),
        ({"optimizer": optimizer(population=7)}, "search.settings.population", "6", "7"),
        ({"model": FakeModel(HIDDEN, seed=3)}, "model.revision", "'seed 0'", "'seed 3'"),
    ],
)
@pytest.mark.parametrize("resume", [False, True])
def test_a_run_of_another_configuration(
    settings: dict[str, Any], name: str, there: str, here: str, resume: bool, interrupted: Path
):
    words = f"another run: {name} is {there} there and {here} here"
    refused(interrupted, UsageError, str(interrupted), words, **settings, resume=resume)


def test_a_run_of_another_country_or_instrument(interrupted: Path):
    other = replace(TOYLAND, name="Elsewhere")
    with pytest.raises(UsageError, match="country is 'Toyland' there and 'Elsewhere' here"):
        tune(FakeModel(HIDDEN), TOY, other, out=interrupted, tokens=2, budget=30, resume=True)


def of_version_0_1(directory: Path) -> None:
    """Adds the settings that version 0.1 wrote and that changed no result."""
    config = directory / "config.toml"
    config.write_text(
        config.read_text().replace("seed = 0\n", "seed = 0\nstages = 1\nreject = true\n")
    )


def test_an_unfinished_run_of_version_0_1(interrupted: Path):
    of_version_0_1(interrupted)
    refused(interrupted, UsageError, str(interrupted), "begun by acculturate 0.1", resume=True)


def test_a_finished_run_of_version_0_1_is_read(tmp_path):
    first = tune_toy(tmp_path)
    of_version_0_1(tmp_path)
    assert tune_toy(tmp_path, resume=True).outcome == first.outcome


def test_the_same_run_without_resume(interrupted: Path):
    with pytest.raises(UsageError, match="already holds this run") as caught:
        tune_toy(interrupted)
    assert "--resume" in (caught.value.hint or "")


def test_the_same_run_finished_without_resume(tmp_path):
    tune_toy(tmp_path)
    refused(tmp_path, UsageError, "already holds this run", resume=False)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    "name", ["thesis.txt", ".hidden", "state.npz", "history.jsonl", ".bashrc-x"]
)
def test_a_directory_with_other_files(name: str, resume: bool, tmp_path):
    (tmp_path / name).write_text("mine")
    refused(tmp_path, UsageError, str(tmp_path), "holds files and no run", resume=resume)


def test_an_empty_directory_is_fine(tmp_path, whole):
    (tmp_path / "run").mkdir()
    tune_toy(tmp_path / "run")
    same(tmp_path / "run", whole)


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_for_a_directory(resume: bool, tmp_path):
    (tmp_path / "file").write_text("mine")
    refused(tmp_path / "file", UsageError, str(tmp_path / "file"), "not a directory", resume=resume)


@pytest.mark.parametrize("tail", ["below/a/file", "x" * 300])
def test_a_directory_that_cannot_be_made(tail: str, tmp_path):
    (tmp_path / "below").write_text("a file")
    with pytest.raises(FailureError, match="cannot make") as caught:
        tune_toy(tmp_path / tail)
    assert "--out" in (caught.value.hint or "")


def test_a_truncated_state(interrupted: Path):
    whole = (interrupted / "state.npz").read_bytes()
    for length in (0, 1, 4, 100, len(whole) // 2, len(whole) - 1):
        (interrupted / "state.npz").write_bytes(whole[:length])
        refused(interrupted, FailureError, str(interrupted), "damaged", "state.npz cannot be read")


def test_an_edited_state_of_flipped_bytes(interrupted: Path, whole):
    """Every byte counts, or changes nothing that the run goes on with."""
    original = (interrupted / "state.npz").read_bytes()
    refused_at = 0
    for position in range(0, len(original), 151):
        for flip in (0x01, 0xFF):
            changed = bytearray(original)
            changed[position] ^= flip
            (interrupted / "state.npz").write_bytes(changed)
            try:
                tune_toy(interrupted, resume=True, on_generation=Interrupter(1))
            except FailureError as error:
                assert str(interrupted) in str(error)
                assert (interrupted / "state.npz").read_bytes() == changed
                refused_at += 1
            except KeyboardInterrupt:  # a time stamp or a flag of the archive: went on
                (interrupted / "state.npz").write_bytes(original)
    assert refused_at > 0.6 * 2 * len(original) / 151
    (interrupted / "state.npz").write_bytes(original)
    tune_toy(interrupted, resume=True)
    same(interrupted, whole)


@pytest.mark.parametrize(
    "edit",
    [
        lambda state: state | {"evaluations": np.array(6)},
        lambda state: state | {"search_best_vector": state["search_best_vector"] + 1},
        lambda state: state | {"extra": np.array(1)},
        lambda state: {k: v for k, v in state.items() if k != "search_generator"},
        lambda state: {k: v for k, v in state.items() if k != "generation"},
        lambda state: {k: v for k, v in state.items() if k != "digest"},
        lambda state: {},
    ],
)
def test_an_edited_state_of_changed_arrays(edit: Callable[..., Any], interrupted: Path):
    with np.load(interrupted / "state.npz") as saved:
        state = {name: saved[name] for name in saved.files}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **edit(state))
    (interrupted / "state.npz").write_bytes(buffer.getvalue())
    refused(interrupted, FailureError, str(interrupted), "damaged")


def test_a_state_that_would_run_code(interrupted: Path):
    buffer = io.BytesIO()
    np.savez(buffer, generation=np.array([object()], dtype=object))
    (interrupted / "state.npz").write_bytes(buffer.getvalue())
    refused(interrupted, FailureError, "damaged")


def test_the_state_of_another_run(interrupted: Path, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        tune_toy(tmp_path / "other", seed=1, on_generation=Interrupter(3))
    shutil.copy(tmp_path / "other" / "state.npz", interrupted / "state.npz")
    refused(interrupted, FailureError, "belongs to another configuration")


def test_a_missing_state(interrupted: Path):
    (interrupted / "state.npz").unlink()
    refused(interrupted, FailureError, "state.npz is missing")


def test_a_missing_history(interrupted: Path):
    (interrupted / "history.jsonl").unlink()
    refused(interrupted, FailureError, "history.jsonl has 0 of 3 generations")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text[: text.index("\n") + 1], "1 of 3 generations"),
        (lambda text: text[:-20], "history.jsonl was changed"),
        (
            lambda text: text.replace('"generation": 2', '"generation": 5'),
            "history.jsonl was changed",
        ),
        (lambda text: text.replace("{", "", 1), "history.jsonl was changed"),
    ],
)
def test_an_edited_history(edit: Callable[[str], str], words: str, interrupted: Path):
    file = interrupted / "history.jsonl"
    file.write_text(edit(file.read_text()))
    refused(interrupted, FailureError, words)


def test_a_history_that_is_no_text(interrupted: Path):
    (interrupted / "history.jsonl").write_bytes(b"\xff\xfe\0")
    refused(interrupted, FailureError, "damaged")


def test_a_history_beyond_the_state_is_made_again(interrupted: Path, whole):
    with (interrupted / "history.jsonl").open("a") as file:
        file.write('{"generation": 4, "evaluations": 24}\n')
    tune_toy(interrupted, resume=True)
    same(interrupted, whole)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("seed = 0", "seed = 1"), "search.seed is 1 there and 0 here"),
        (("[search]\n", "[search]\nmore = 3\n"), "search.more is 3 there and not set here"),
        (('language = "en"\n', ""), "survey.language is not set there and 'en' here"),
    ],
)
def test_edited_settings(edit: tuple[str, str], words: str, interrupted: Path):
    file = interrupted / "config.toml"
    file.write_text(file.read_text().replace(*edit))
    refused(interrupted, UsageError, words)


@pytest.mark.parametrize("text", ["seed = = 3", "\0", "[model\n"])
def test_settings_that_cannot_be_read(text: str, interrupted: Path):
    (interrupted / "config.toml").write_text(text)
    refused(interrupted, FailureError, "config.toml is damaged")


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"model": 3}'])
def test_a_provenance_that_cannot_be_read(text: str, interrupted: Path):
    (interrupted / "provenance.json").write_text(text)
    refused(interrupted, FailureError, str(interrupted))


def test_leftovers_of_a_killed_process_are_removed(interrupted: Path, whole):
    for name in (".state.npz-abc123", ".history.jsonl-x_1", "evaluation/.summary.json-y"):
        (interrupted / name).write_bytes(b"half")
    (interrupted / "notes.txt").write_text("mine")
    tune_toy(interrupted, resume=True)
    assert (interrupted / "notes.txt").read_text() == "mine"
    (interrupted / "notes.txt").unlink()
    same(interrupted, whole)


def test_a_second_writer_in_the_same_process(tmp_path):
    def meddle(_: Any) -> None:
        with pytest.raises(UsageError, match="another process is writing to"):
            tune_toy(tmp_path, resume=True)

    tune_toy(tmp_path, on_generation=meddle)
    tune_toy(tmp_path, resume=True)


def test_the_lock_is_let_go_of_when_a_run_cannot_begin(interrupted: Path):
    (interrupted / "state.npz").write_bytes(b"")
    for _ in range(3):
        refused(interrupted, FailureError, "state.npz cannot be read")


def test_a_finished_run_that_was_damaged_afterwards(tmp_path):
    tune_toy(tmp_path)
    (tmp_path / "DONE.json").write_text("{")
    refused(tmp_path, FailureError, "DONE.json")


def test_reading_a_run_that_is_none_or_not_finished(interrupted: Path, tmp_path):
    for folder, words in (
        (tmp_path / "nowhere", "no run in"),
        (tmp_path, "no run in"),
        (interrupted, "is not finished"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            Run.load(folder)
        assert caught.value.hint


def test_a_run_needs_no_network(tmp_path, monkeypatch, whole):
    def no(*_: Any, **__: Any) -> Any:
        raise AssertionError("the network was used")

    for name in ("socket.socket.connect", "socket.getaddrinfo", "socket.create_connection"):
        monkeypatch.setattr(name, no)
    tune_toy(tmp_path / "run")
    same(tmp_path / "run", whole)


def test_results_are_read_by_key_as_in_version_0_1(tmp_path):
    run = tune_toy(tmp_path / "run")
    assert run.outcome["best_loss"] == run.outcome.best_loss
    naive = run.summary["rows"][0]
    assert (naive["method"], naive["tuning"]["loss"]) == ("naive", naive.tuning.loss)
    with pytest.raises(KeyError):
        run.outcome["nothing"]


@pytest.mark.parametrize("space", ["full", "mixture:5"])
def test_a_start_too_wide_for_its_numbers_leaves_the_directory_free(space: str, tmp_path):
    with pytest.raises(UsageError, match="not finite") as caught:
        tune_toy(tmp_path / "run", space=space, init_scale=1e39)
    assert "--init-scale" in str(caught.value.hint)
    tune_toy(tmp_path / "run", space=space)


def test_an_optimiser_that_searched_before_leaves_the_directory_free(tmp_path):
    used = optimizer()
    tune_toy(tmp_path / "one", optimizer=used)
    with pytest.raises(UsageError, match="started once"):
        tune_toy(tmp_path / "other", optimizer=used)
    tune_toy(tmp_path / "other")
