"""`examine` on a run directory: what it writes, what it does not ask twice, what it refuses."""

import json
import shutil
import tomllib

import numpy as np
import pytest

from acculturate.benchmarks import Exam, load_benchmarks
from acculturate.errors import UsageError
from acculturate.evaluation.examine import examine
from acculturate.model import FakeModel
from acculturate.runs import open_run
from acculturate.survey import load_countries
from acculturate.tuning import tune
from answering import EASY, HARD, Oracle, easy_row, hard_rows_of, write_csv


def chosen(form, tuned):
    """Tuned knows everything, the persona line helps with India, the untouched model says A."""
    right = int(form.item.split(".")[0]) % 4
    return right if tuned or form.text.startswith("Answer as a person from India") else 0


@pytest.fixture(scope="module")
def made(tmp_path_factory, vsm13):
    target = load_countries()["India"]
    folder = tmp_path_factory.mktemp("runs")
    for name, seed in (("one", 0), ("two", 1)):
        tune(FakeModel(), vsm13, target, budget=20, tokens=2, seed=seed, out=folder / name)
    return folder


@pytest.fixture
def runs(made, tmp_path):
    shutil.copytree(made, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def exam(tmp_path):
    rows = [easy_row(k, "ABCD"[k % 4], "India" if k < 4 else "China") for k in range(8)]
    file = write_csv(tmp_path / "easy.csv", EASY, rows)
    return Exam(load_benchmarks([f"culturalbench-easy={file}"]))


def read(run, key="culturalbench-easy"):
    return json.loads((run / "evaluation" / "benchmarks" / f"{key}.json").read_text())


def test_the_file_holds_every_method_and_the_tests(runs, exam):
    found = examine(runs / "one", Oracle(chosen), exam)
    written = read(runs / "one")
    assert json.loads(json.dumps(found.to_dict())) == {"culturalbench-easy": written}
    assert (written["benchmark"], written["questions"]) == ("culturalbench-easy", 8)
    scores = {row["method"]: row["score"] for row in written["rows"]}
    assert scores == {"naive": 0.25, "persona": 1.0, "in-context": 0.25, "tuned": 1.0}
    for row in written["rows"]:
        assert row["low"] <= row["score"] <= row["high"]
        assert set(row["by_country"]) == {"India", "China"}
    tests = {test["against"]: test for test in written["tests"]}
    assert set(tests) == {"naive", "persona", "in-context"}
    assert tests["naive"]["p"] == pytest.approx(2 / 2**6)
    assert (tests["naive"]["gained"], tests["naive"]["target"]["gained"]) == (6, 3)
    assert len(written["fingerprint"]) == 64


def test_a_second_call_asks_nothing_and_changes_nothing(runs, exam):
    first = examine(runs / "one", Oracle(chosen), exam)
    folder = runs / "one" / "evaluation" / "benchmarks"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    oracle = Oracle(chosen)
    again = examine(runs / "one", oracle, exam)
    assert (first.computed, again.computed, oracle.asked) == (("culturalbench-easy",), (), [])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_runs_of_one_model_ask_the_untouched_one_once(runs, exam):
    known, oracle = {}, Oracle(chosen)
    examine(runs / "one", oracle, exam, known=known)
    assert len(oracle.asked) == 4
    examine(runs / "two", oracle, exam, known=known)
    assert len(oracle.asked) == 5
    alone = Oracle(chosen)
    examine(runs / "two", alone, exam)
    assert alone.asked == []


def test_only_what_changed_is_asked_again(runs, exam):
    examine(runs / "one", Oracle(chosen), exam)
    plain = read(runs / "one")
    oracle = Oracle(chosen)
    mixed = Exam(exam.benchmarks, orders=2)
    examine(runs / "one", oracle, mixed)
    assert len(oracle.asked) == 8
    assert read(runs / "one")["orders"] == 2
    # Both are known now, and another run's prompt is not.
    examine(runs / "one", oracle, exam)
    assert len(oracle.asked) == 8
    assert read(runs / "one") == plain
    (runs / "one" / "best.safetensors").write_bytes(
        (runs / "two" / "best.safetensors").read_bytes()
    )
    examine(runs / "one", oracle, exam)
    assert len(oracle.asked) == 9


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"[]"])
def test_damaged_answers_are_asked_anew(runs, exam, content):
    examine(runs / "one", Oracle(chosen), exam)
    kept = runs / "one" / "evaluation" / "benchmarks" / "culturalbench-easy.npz"
    before = kept.read_bytes()
    kept.write_bytes(content)
    assert examine(runs / "one", Oracle(chosen), exam).computed
    assert kept.read_bytes() == before


def test_an_interruption_loses_one_method_at_most(runs, exam):
    class Interrupted(Oracle):
        def ask(self, prompts, query):
            if len(self.asked) == 2:
                raise KeyboardInterrupt
            return super().ask(prompts, query)

    with pytest.raises(KeyboardInterrupt):
        examine(runs / "one", Interrupted(chosen), exam)
    oracle = Oracle(chosen)
    examine(runs / "one", oracle, exam)
    assert len(oracle.asked) == 2


def test_written_answers_have_a_file_of_their_own(runs, tmp_path):
    rows = [row for k in range(3) for row in hard_rows_of(k, "TFFF", "India")]
    file = write_csv(tmp_path / "hard.csv", HARD, rows)
    exam = Exam(load_benchmarks([f"culturalbench-hard={file}"]), orders=3, written=True)
    # Untouched it says True to everything, tuned it is right and once says nothing.
    oracle = Oracle(
        lambda form, tuned: (
            None if form.item == "0/1" else int(not form.item.endswith("/0")) if tuned else 0
        )
    )
    found = examine(runs / "one", oracle, exam)
    assert [result.benchmark for result in found.results] == [
        "culturalbench-hard",
        "culturalbench-hard-written",
    ]
    naive, *_, tuned = read(runs / "one", "culturalbench-hard-written")["rows"]
    assert (tuned["score"], tuned["judgements"]) == (2 / 3, 11 / 12)
    assert (naive["score"], naive["judgements"]) == (0, 3 / 12)
    assert (naive["unanswered"], tuned["unanswered"]) == (1, 1)


def test_a_broken_model_is_counted_and_becomes_no_number(runs, tmp_path):
    shares = "{'India': [0.5, 0.5]}"
    rows = [["Is it?", shares, "['Yes', 'No']"], ["And this?", shares, "['Yes', 'No']"]]
    file = write_csv(tmp_path / "o.csv", ["question", "selections", "options"], rows)
    exam = Exam(load_benchmarks([f"global-opinions={file}"]), written=True)
    found = examine(runs / "one", Oracle(lambda _, tuned: None if tuned else 0), exam)
    naive, *_, tuned = read(runs / "one", "global-opinions")["rows"]
    assert [result.benchmark for result in found.results] == ["global-opinions"]
    assert (tuned["score"], tuned["unanswered"]) == (None, 2)
    assert np.isfinite(naive["score"])


def test_what_it_refuses(runs, exam, tmp_path):
    class Other(Oracle):
        def model_hash(self):
            return FakeModel(seed=9).model_hash()

    with pytest.raises(UsageError, match="fake has other weights"):
        examine(runs / "one", Other(chosen), exam)
    with pytest.raises(UsageError, match="no run in"):
        examine(tmp_path, Oracle(chosen), exam)
    with pytest.raises(UsageError, match="101 option orders"):
        Exam(exam.benchmarks, orders=101)
    config = tomllib.loads((runs / "one" / "config.toml").read_text())
    with (
        open_run(runs / "one", config, resume=True),
        pytest.raises(UsageError, match="another process"),
    ):
        examine(runs / "one", Oracle(chosen), exam)
