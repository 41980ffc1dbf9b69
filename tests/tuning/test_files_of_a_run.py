"""Files of a run that are not what their writer made: one message each, and no file changes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuning_runs import Interrupter, files, refused, tune_toy

import acculturate as ac
from acculturate.errors import AcculturateError, FailureError
from acculturate.evaluation.fluency import evaluate_fluency
from acculturate.record_files import dump_arrays
from acculturate.reporting.figures import figures_of
from acculturate.runs import CHECKS, Run, read_run
from acculturate.runs.directory import _digest
from acculturate.search import Adam, by_name

LOOP = [
    *("generation", "evaluations", "since_better", "tokens", "seconds", "loss", "objective"),
    *("violation", "divergence", "perplexity", "scores", "leaders", "start"),
]


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the saved state as an older version would have written it: its digest is right."""
    with np.load(folder / "state.npz") as saved:
        state = {name: saved[name] for name in saved.files if name != "digest"}
    change(state)
    (folder / "state.npz").write_bytes(dump_arrays({**state, "digest": np.array(_digest(state))}))


@pytest.mark.parametrize(
    "entry", [*LOOP, "search_best_vector", "search_generator", "search_optimizer"]
)
@pytest.mark.parametrize(
    "change",
    [
        lambda state, entry: state.pop(entry),
        lambda state, entry: state.update({entry: np.array("word")}),
        lambda state, entry: state.update({entry: np.zeros((2, 1, 3, 1))}),
        lambda state, entry: state.update({entry: state[entry][None]}),
        lambda state, entry: state.update({entry: np.array([True, False])}),
        lambda state, entry: state.update({entry: state[entry].ravel()[:0]}),
        lambda state, entry: state.update({entry: np.zeros(3, complex)}),
    ],
    ids=["missing", "word", "axes", "more", "flags", "empty", "complex"],
)
def test_a_state_of_another_version(interrupted: Path, entry: str, change: Any):
    rewrite(interrupted, lambda state: change(state, entry))
    refused(
        interrupted, FailureError, str(interrupted / "state.npz"), "damaged or of another version"
    )


@pytest.mark.parametrize("entry", ["scores", "leaders", "start"])
def test_a_state_of_other_lengths(interrupted: Path, entry: str):
    rewrite(interrupted, lambda state: state.update({entry: state[entry].repeat(2, axis=-1)}))
    refused(interrupted, FailureError, str(interrupted / "state.npz"), f"`{entry}` is ")


def test_a_state_that_holds_a_nan(interrupted: Path):
    rewrite(interrupted, lambda state: state.update(leaders=state["leaders"] * np.nan))
    refused(interrupted, FailureError, "`leaders` holds a NaN")


def test_numbers_that_may_not_be_finite_are_read_back(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        tune_toy(tmp_path, optimizer=Adam(30), on_generation=Interrupter(2))
    rewrite(
        tmp_path, lambda state: state.update(divergence=np.array(np.nan), loss=np.array(np.inf))
    )
    assert tune_toy(tmp_path, optimizer=Adam(30), resume=True).outcome.evaluations == 30


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with every check."""
    out = tmp_path_factory.mktemp("files") / "run"
    run = tune(out)
    ac.evaluate(run, ac.FakeModel(4), table=table(out), respondents=2)
    ac.examine(run, ac.FakeModel(4), EXAM)
    evaluate_fluency(run, ac.FakeModel(4))
    return out


EXAM = ac.Exam((ac.load_benchmark("acculturate-culture-easy"),))


def table(out: Path) -> ac.CountryTable:
    file = out.parent / "toy-table.csv"
    file.write_text("country,planning,company\nToyland,80,20\nElsewhere,10,90\n")
    return ac.load_countries(file)


def tune(out: Path, **options: Any) -> Run:
    countries = table(out)
    own = by_name("de", population=6)
    return tune_toy(out, optimizer=own, table=countries, budget=12, **options)


@pytest.fixture
def run(evaluated: Path, tmp_path: Path) -> Path:
    table(tmp_path / "run")
    return shutil.copytree(evaluated, tmp_path / "run")


def readers(run: Path) -> dict[str, Callable[[], object]]:
    """Everything that reads a run."""
    model = ac.FakeModel(4)
    return {
        "report": lambda: ac.write_report([run], run.parent / "page.html"),
        "figures": lambda: figures_of(read_run(run)),
        "evaluate": lambda: ac.evaluate(run, model, table=table(run)),
        "examine": lambda: ac.examine(run, model, EXAM),
        "fluency": lambda: evaluate_fluency(run, model),
        "resume": lambda: tune(run, resume=True),
    }


WRONG = [
    *("", "{", "[]", "null", "[" * 50_000, '{"a": 1e999}', "\ufeff{}", "\0"),
    *('{"rows": 3}', '{"target": null}', '{"model": {}}', '{"best_loss": 1' + "0" * 400 + "}"),
]


@pytest.mark.parametrize("name", ["provenance.json", "DONE.json", "evaluation/summary.json"])
def test_a_record_that_every_reader_needs(run: Path, name: str):
    for text in WRONG:
        (run / name).write_text(text)
        before = files(run)
        for reader, read in readers(run).items():
            if (reader, name) == ("resume", "provenance.json"):
                continue  # a finished run is read, not compared
            with pytest.raises(AcculturateError) as caught:
                read()
                pytest.fail(f"{reader} reads {name} that holds {text[:20]}")
            assert Path(name).name in str(caught.value) and caught.value.hint, reader
        assert files(run) == before


@pytest.mark.parametrize("name", [*CHECKS, "fluency"])
def test_a_check_that_holds_something_else_is_made_again(run: Path, name: str):
    file = run / "evaluation" / f"{name}.json"
    whole = json.loads(file.read_text())
    for key in whole.keys() - {"fingerprint", "own_fingerprint"}:
        # The fingerprint is right: only the record's own types say that it is damaged.
        for wrong in ({**whole, key: {"x": [3]}}, {k: v for k, v in whole.items() if k != key}):
            try:
                file.write_text(json.dumps(wrong))
                read_run(run)
                continue  # such a record is whole without it
            except FailureError as error:
                assert f"{name}.json" in str(error) and "evaluate" in (error.hint or "")
            read = readers(run)["fluency" if name == "fluency" else "evaluate"]
            if name == "respondents":
                read = lambda: ac.evaluate(run, ac.FakeModel(4), table=table(run), respondents=2)  # noqa: E731
            read()
            assert json.loads(file.read_text()) == whole


def test_a_run_without_its_result_table_is_measured_again(run: Path, evaluated: Path):
    for name in ("DONE.json", "evaluation/summary.json"):
        (run / name).unlink()
        with pytest.raises(AcculturateError, match=r"not finished|summary\.json"):
            ac.evaluate(run, ac.FakeModel(4), table=table(run))
        tune(run, resume=True)
        found = files(run)["evaluation/summary.json"]
        assert found == (evaluated / "evaluation" / "summary.json").read_bytes()


def test_benchmark_answers_that_cannot_be_read_are_asked_again(run: Path):
    folder = run / "evaluation" / "benchmarks"
    before = files(folder)
    (folder / "acculturate-culture-easy.npz").write_bytes(b"PK\x03\x04" + b"\0" * 50)
    assert ac.examine(run, ac.FakeModel(4), EXAM).computed
    assert files(folder).keys() == before.keys()
    result = "acculturate-culture-easy.json"
    assert files(folder)[result] == before[result]
