"""Cells: complete ones stay, failed ones are tried again and stop nothing, and nobody else writes there."""

from __future__ import annotations

import errno
import fcntl
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from experiment_runs import ODD, PLAN, TOYLAND, Failing, plan, run, tables

from acculturate.errors import FailureError, UsageError
from acculturate.experiment import Cell, load_experiment, run_experiment
from acculturate.model import Answers, Backward, FakeModel, Query


class Log:
    """Writes down what a watcher is told."""

    def __init__(self) -> None:
        self.ran: list[Cell] = []
        self.before: list[Cell] = []
        self.again: list[str] = []
        self.failed: list[str] = []
        self.generations = 0
        self.stop_after: int | None = None

    def on_start(self, cell: Cell) -> None:
        self.ran.append(cell)

    def on_step(self, cell: Cell, at: Any) -> None:
        self.generations += 1
        if self.generations == self.stop_after:
            raise KeyboardInterrupt

    def on_end(self, cell: Cell, error: str | None, before: bool) -> None:
        if before:
            self.before.append(cell)
        if error:
            self.failed.append(error)

    def on_retry(self, cell: Cell, error: str) -> None:
        self.again.append(error)


def failing(*calls: int, error: BaseException | None = None) -> Callable[[], FakeModel]:
    Failing.calls, Failing.fail_at = 0, calls
    Failing.error = error or RuntimeError("the machine is on fire")
    return lambda: Failing()


def test_what_is_complete_needs_no_model(tmp_path: Path):
    run(tmp_path)
    before = tables(tmp_path / "out")

    def load() -> FakeModel:
        raise AssertionError("nothing is left to run")

    log = Log()
    run(tmp_path, model=load, listener=log)
    assert not log.ran
    assert len(log.before) == 14
    assert tables(tmp_path / "out") == before


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", [1, 17])
def test_after_ctrl_c_it_goes_on(stop_after: int, tmp_path: Path, whole: dict[str, bytes]):
    log = Log()
    log.stop_after = stop_after
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, listener=log)
    assert (tmp_path / "out" / "report.html").is_file()
    run(tmp_path)
    assert tables(tmp_path / "out") == whole


def test_a_cell_that_fails_once_is_run_again(tmp_path: Path, whole: dict[str, bytes]):
    log = Log()
    found = run(tmp_path, model=failing(30), listener=log)
    assert log.again == ["the machine is on fire"]
    assert not found.failed
    assert tables(tmp_path / "out").keys() == whole.keys()
    assert not (tmp_path / "out" / "failures.json").exists()


def test_a_cell_that_fails_twice_stops_nothing(tmp_path: Path):
    log = Log()
    found = run(tmp_path, model=failing(30, 31), listener=log)
    assert len(found.failed) == len(log.failed) == 1
    assert found.missing == 1
    (name,) = found.failed
    kept = json.loads((tmp_path / "out" / "failures.json").read_text())["failed"]
    assert "the machine is on fire" in kept[0]["error"]
    assert "Traceback" in kept[0]["trace"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "1 cell failed twice" in page and "the machine is on fire" in page
    assert any("failed twice" in sentence for sentence in found.sentences)
    again = run(tmp_path, model=lambda: Failing())
    assert not again.failed and not again.missing and name
    assert not (tmp_path / "out" / "failures.json").exists()


def test_what_the_model_cannot_be_asked_fails_in_its_own_cells(tmp_path: Path):
    class Picky(FakeModel):
        """Refuses gradients."""

        def ask_with_gradient(self, *given: Any, **named: Any) -> tuple[Answers, Backward]:
            raise UsageError("no gradients today")

    found = run(tmp_path, model=Picky)
    assert len(found.failed) == 4
    assert all("adam" in name for name in found.failed)
    assert set(found.failed.values()) == {"no gradients today"}


def test_a_model_that_cannot_be_loaded_stops_everything(tmp_path: Path):
    def load() -> FakeModel:
        raise UsageError("there is no such model")

    with pytest.raises(UsageError, match="no such model"):
        run(tmp_path, model=load)


def test_another_file_is_refused_with_the_difference(finished: Path):
    folder = finished.parent
    with pytest.raises(UsageError, match="another experiment: budget is 24 there and 30 here"):
        run(folder, text=PLAN.replace("budget = 24", "budget = 30"))
    with pytest.raises(UsageError, match=r"countries is .* there and .* here"):
        run(folder, text=PLAN.replace(f'["{TOYLAND}", ', "["))


def test_cells_of_another_table_are_not_mixed_in(tmp_path: Path):
    run(tmp_path)
    file, table = tmp_path / "small.toml", tmp_path / "toy.csv"
    table.write_text(table.read_text().replace("Toyland,80,20", "Toyland,20,90"))
    with pytest.raises(UsageError, match="the scores of Toyland in toy changed since"):
        run_experiment(load_experiment(file), tmp_path / "out")


def test_seeds_countries_and_methods_are_added_without_doing_anything_again(
    tmp_path: Path, whole: dict[str, bytes]
):
    of_one = PLAN.replace("seeds = [0, 1]", "seeds = [0]").replace("adam = {}\n", "")
    run(
        tmp_path,
        text=of_one.replace(
            f"""countries = ["{TOYLAND}", '{ODD}']""", f'countries = ["{TOYLAND}"]'
        ),
    )
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("DONE.json")}
    assert len(done) == 2
    run(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert tables(tmp_path / "out") == whole
    run(tmp_path)  # what was added belongs to it from now on
    with pytest.raises(UsageError, match=r"seeds is \[0, 1\] there and \[0\] here"):
        run(tmp_path, text=of_one)


def test_baselines_are_not_added(tmp_path: Path):
    run(tmp_path, text=PLAN.replace("persona = {}\n", ""))
    with pytest.raises(UsageError, match=r"methods\.persona is not set there"):
        run(tmp_path)


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds files and no experiment"):
        run(tmp_path)


def test_a_second_process_is_refused(tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another process is writing to"):
            run(tmp_path)
    assert [file.name for file in out.iterdir()] == [".lock"]


@pytest.mark.slow
@pytest.mark.parametrize("write", [1, 4, 60, 117])
def test_a_full_disk_loses_nothing(
    write: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes]
):
    real, calls = Path.open, 0
    full = OSError(errno.ENOSPC, "No space left on device")

    class Full(io.FileIO):
        def write(self, content: Any, /) -> int:
            super().write(memoryview(content)[: len(content) // 2])
            raise full

    def open_file(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += mode == "xb"
        if mode == "xb" and calls >= write:
            return Full(path, mode)
        return real(path, mode, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr("acculturate.io.Path.open", open_file)
        with pytest.raises(FailureError, match="the disk is full") as caught:
            run(tmp_path)
    assert "Make space" in (caught.value.hint or "")
    assert "--resume" not in (caught.value.hint or "")
    for file in (tmp_path / "out").rglob("*.json"):
        json.loads(file.read_text())
    run(tmp_path)
    assert tables(tmp_path / "out") == whole


def test_without_a_method_that_searches(tmp_path: Path):
    text = PLAN[: PLAN.index("random =")].replace("seeds = [0, 1]\nbudget = 24\n", "")
    found = run(tmp_path, text=text)
    assert [line[1] for line in found.table.lines] == ["naive", "persona", "constant"] * 2
    assert not (tmp_path / "out" / "figures" / "loss-toyland.svg").exists()


def test_a_benchmark_that_does_not_exist_is_refused_before_anything_runs(tmp_path: Path):
    text = PLAN.replace("budget = 24", 'budget = 24\nbenchmarks = ["culturalbenhc"]')
    with pytest.raises(UsageError, match="no benchmark 'culturalbenhc'"):
        run_experiment(plan(tmp_path, text), tmp_path / "out", load=lambda _: FakeModel())
    assert not (tmp_path / "out").exists()


def test_benchmarks_come_into_the_table(tmp_path: Path):
    asked = 'benchmarks = ["acculturate-culture-easy"]'
    run(
        tmp_path, text=PLAN.replace("budget = 24", f"budget = 24\n{asked}").replace("[0, 1]", "[0]")
    )
    rows = (tmp_path / "out" / "results.csv").read_text()
    assert ",benchmark:acculturate-culture-easy," in rows


def test_evaluations_come_into_the_table(tmp_path: Path):
    text = PLAN.replace("budget = 24", "budget = 24\nevaluate = true").replace("[0, 1]", "[0]")
    run(tmp_path, text=text)
    rows = (tmp_path / "out" / "results.csv").read_text()
    assert ",asked:held-out:gain," in rows and ",asked:held-out:loss," in rows
    assert ",behaviour:words," in rows and "evaluation/behaviour.json" in rows


class Numbered(FakeModel):
    """Refuses options with letters; its weights are the fake model's."""

    def provenance(self) -> dict[str, str]:
        return FakeModel().provenance()

    def ask(self, prompts: Any, query: Query) -> Answers:
        if query.forms and query.forms[0].labels[0] == "A":
            raise UsageError("no letters here")
        return super().ask(prompts, query)


def test_a_refused_check_leaves_its_cell_complete_and_is_tried_again(tmp_path: Path):
    text = PLAN.replace("seeds", "evaluate = true\nseeds").replace("[0, 1]", "[0]")
    text = text.partition("random = ")[0] + "random = { population = 6 }\n"
    published = run(tmp_path, text=text, model=Numbered)
    assert (published.failed, published.missing) == ({}, 0)
    said = next(each for each in published.sentences if each.startswith("Not asked"))
    assert said.startswith(
        "Not asked in 4 cells: options lettered; everyday situations by letters. no letters here."
    )
    assert said in " ".join(
        (tmp_path / "out" / "report.html").read_text().replace("</b>", "").split()
    )
    log = Log()
    again = run(tmp_path, text=text, listener=log)
    assert len(log.ran) == 4 and not log.failed
    assert not any("Not asked" in sentence for sentence in again.sentences)
    whole = run(tmp_path, "other", text)
    assert whole.sentences == again.sentences
    assert tables(tmp_path / "out") == tables(tmp_path / "other")


def test_a_cell_that_lacks_a_last_file_is_gone_on_with(tmp_path: Path):
    text = PLAN.partition("random = ")[0] + "random = { population = 6 }\n"
    run(tmp_path, text=text)
    before, out = tables(tmp_path / "out"), tmp_path / "out"
    cell = next(out.glob("cells/*/*/random/seed-1"))
    for name in ("DONE.json", "evaluation/summary.json", "cell.json"):
        (cell / name).unlink()
        log = Log()
        run(tmp_path, text=text, listener=log)
        assert [out / ran.folder for ran in log.ran] == [cell]
        assert (cell / name).is_file() and tables(out) == before
