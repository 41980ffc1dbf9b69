"""A run directory is read whole, interrupted ones as far as they got, and damage is named."""

import json
from dataclasses import fields

import pytest

from acculturate.errors import FailureError, UsageError
from acculturate.metrics.comparison import State
from acculturate.reporting import read_run
from acculturate.runs import Outcome
from fake_run import RESULT, history, provenance, summary, write_fake_run


def edit_summary(run, change):
    file = run / "evaluation" / "summary.json"
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))


def test_a_whole_run(tmp_path):
    run = read_run(write_fake_run(tmp_path / "us", limit=0.3))
    assert (run.name, run.config.model.name, run.config.model.revision) == ("us", "embedded", "")
    assert (run.config.survey.country, run.config.search.budget) == ("United States", 400)
    assert run.config.search.max_divergence == 0.3
    assert len(run.history) == 20
    assert run.history[-1].evaluations == 400
    assert run.done.stop_reason == "the budget is used up"
    assert [row.method for row in run.evaluation.rows] == [
        "naive", "persona", "in-context", "constant", "random start", "tuned",
    ]  # fmt: skip
    tuned = run.evaluation.method("tuned")
    assert tuned.tuning.intervals["pdi"][0] < tuned.tuning.scores["pdi"]
    assert run.evaluation.nearest["tuned"][0] == ("United States", 7.1)
    assert run.provenance.model["dtype"] == "bfloat16"
    assert len(run.provenance.instrument.warnings) == 2


def test_a_row_of_the_table_holds_what_a_row_of_the_checks_holds():
    """They differ in a loss that is not finite: None in the table, infinite where gains are computed.

    The content of the untouched answers stands in the shift of a row of the checks.
    """
    assert [f.name for f in fields(Outcome)] == [*(f.name for f in fields(State)), "content"]


def test_an_interrupted_run(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r", finished=False, evaluated=False, generations=3))
    assert run.done is None
    assert run.evaluation is None
    assert len(run.history) == 3


def test_a_run_stopped_before_anything(tmp_path):
    path = write_fake_run(tmp_path / "r", finished=False, evaluated=False)
    for name in ("history.jsonl", "provenance.json"):
        (path / name).unlink()
    run = read_run(path)
    assert run.history == ()
    assert run.provenance is None


@pytest.mark.parametrize("kind", ["missing", "file", "no config"])
def test_what_is_no_run(tmp_path, kind):
    path = tmp_path / "r"
    if kind == "file":
        path.write_text("")
    elif kind == "no config":
        path.mkdir()
    with pytest.raises(UsageError, match="no run in") as caught:
        read_run(path)
    assert "acculturate tune" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.toml", "[model\n", "no valid TOML"),
        (
            "config.toml",
            "[model]\nname = 1\n",
            "model.name is 1|search is missing|survey",
        ),
        ("provenance.json", "{", "no valid JSON"),
        ("provenance.json", "[]", r"is \[\], not a table"),
        ("history.jsonl", '{"generation": 1}\n', "evaluations is missing"),
        ("history.jsonl", '{"generation": 1, "evalu', "line 1"),
        ("evaluation/summary.json", '{"target": 3}', "target is 3, not a table"),
        ("DONE.json", '{"evaluations": "many"}', "stop_reason is missing"),
        ("DONE.json", '{"stop_reason": "x", "stop_code": "x", "evaluations": "many"}', "is 'many'"),
        ("DONE.json", b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_damage_names_file_and_key(tmp_path, name, content, said):
    path = write_fake_run(tmp_path / "r")
    (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FailureError, match=said) as caught:
        read_run(path)
    assert str(path / name) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v["rows"][5].update(tuning=[1]),
        lambda v: v["rows"][5]["tuning"].update(loss="low"),
        lambda v: v["rows"][5]["tuning"]["intervals"].update(pdi=[1, 2, 3]),
        lambda v: v["nearest"].update(tuned=[["X"]]),
        lambda v: v["continuations"].append({"text": "x"}),
        lambda v: v.update(dimensions=["pdi"]),
        lambda v: v["rows"][0].update(divergence=True),
    ],
)
def test_a_wrong_value_in_the_summary_is_refused(tmp_path, change):
    path = write_fake_run(tmp_path / "r")
    edit_summary(path, change)
    with pytest.raises(FailureError, match=r"summary\.json"):
        read_run(path)


def test_null_and_non_finite_values_are_not_there(tmp_path):
    def change(values):
        tuned = values["rows"][5]
        tuned.update(held_out=None, divergence=None, perplexity=float("inf"))
        tuned["tuning"].update(loss=float("nan"), interval=None, valid_mass=None)
        values.update(floor=None, constant_answer_loss=None)
        del values["nearest"], values["continuations"]

    run = read_run(write_fake_run(tmp_path / "r", change=change))
    tuned = run.evaluation.method("tuned")
    assert (tuned.held_out, tuned.divergence, tuned.perplexity) == (None, None, None)
    assert tuned.tuning.loss is None
    assert run.evaluation.continuations == ()


def test_text_is_fit_to_be_printed(tmp_path):
    def change(values):
        values["continuations"][0].update(naive="a\ud800b\x00c\u202ed\r\ne", tuned="لا\tبأس")

    run = read_run(write_fake_run(tmp_path / "r", change=change))
    said = run.evaluation.continuations[0]
    assert said.naive == "a\ufffdb\u2400c\ufffdd\ne"
    assert said.tuned == "لا\tبأس"
    said.naive.encode("utf-8")


def test_the_writers_records_are_what_is_read(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r", limit=0.3))
    assert run.history == tuple(history(limit=0.3))
    assert run.provenance == provenance()
    assert run.evaluation == summary()
    assert run.done == RESULT


def test_a_run_of_version_0_1_gives_the_same_records(tmp_path):
    new, old = (write_fake_run(tmp_path / name, limit=0.3) for name in ("new", "old"))
    renamed = {"best_objective": "best_cost", "best_violation": "best_excess"}
    renamed |= {"violation": "excess", "interval": "loss_interval"}
    for name in ("history.jsonl", "DONE.json", "evaluation/summary.json"):
        text = (old / name).read_text()
        for now, before in renamed.items():
            text = text.replace(f'"{now}"', f'"{before}"')
        (old / name).write_text(text)
    facts = json.loads((old / "provenance.json").read_text())
    del facts["format"]
    (old / "provenance.json").write_text(json.dumps(facts))
    first, second = read_run(new), read_run(old)
    assert (second.history, second.done, second.evaluation) == (
        first.history,
        first.done,
        first.evaluation,
    )
    assert (first.provenance.format, second.provenance.format) == (2, 1)


def test_a_run_of_a_later_version_is_refused(tmp_path):
    path = write_fake_run(tmp_path / "r")
    facts = json.loads((path / "provenance.json").read_text())
    (path / "provenance.json").write_text(json.dumps(facts | {"format": 3}))
    with pytest.raises(
        FailureError, match="has format 3, and this version reads up to 2"
    ) as caught:
        read_run(path)
    assert "0.1.0" in caught.value.hint
