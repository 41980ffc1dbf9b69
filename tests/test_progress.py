"""Every slow piece of work says how much there is and how far it is; bars and lines show that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import acculturate as ac
from acculturate import progress, progress_bars
from acculturate.evaluation.fluency import evaluate_fluency
from acculturate.experiment import load_experiment, prepare
from acculturate.model import FakeModel, Query
from tiny_models import shared_model
from told import Told


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (progress, progress_bars):
        monkeypatch.setattr(module, "time", clock)
    return clock


def test_the_time_left_follows_from_the_work_s_own_speed(clock: Clock) -> None:
    with progress.task("asking", 100) as at:
        assert at.seconds_left is None
        progress.skip(20)  # known already: says nothing of the speed
        assert at.seconds_left is None
        clock.now = 10.0
        progress.advance(20)
        assert at.seconds_left == pytest.approx(30)
        clock.now = 14.0  # it counts down until the next change
        assert at.seconds_left == pytest.approx(26)
        clock.now = 90.0
        assert at.seconds_left == 0
        progress.advance(1000)
        assert (at.done, at.seconds_left) == (100, 0)
    assert progress.current_task() is None


def test_a_slow_first_step_tells_no_time(clock: Clock) -> None:
    with progress.task("asking", 100) as at:
        clock.now = 8.0
        progress.advance(1)
        assert at.seconds_left is None
        clock.now = 31.0
        progress.advance(1)
        assert at.seconds_left == pytest.approx(31 / 2 * 98)


def test_work_that_nobody_shows_costs_nothing_and_needs_no_task() -> None:
    progress.advance(1)
    progress.skip(1)
    with progress.task("of unknown length") as at:
        progress.advance(1)
        assert at.seconds_left is None


def test_a_part_goes_to_its_own_task(told: Told) -> None:
    with progress.task("outer", 10), pytest.raises(KeyboardInterrupt):
        progress.advance(1)
        with progress.task("inner", 5):
            progress.advance(2)
            raise KeyboardInterrupt
    assert told.ended == [("inner", 2, 5), ("outer", 1, 10)]


def test_a_model_is_counted_while_it_runs_and_a_known_answer_is_free(
    toy_forms: Any, told: Told
) -> None:
    model = shared_model("gemma3")
    query = Query(
        toy_forms[:4], texts=("One text of some words, asked here alone.",), valid_mass=True
    )
    with progress.task("asking", 5) as at:
        model.ask(None, query)
        assert (at.done, at.free) == (pytest.approx(5), 0)
    assert told.changed.count("asking") > 2  # also while a single row runs
    with progress.task("asking", 5) as at:
        model.ask(None, query)
        assert (at.done, at.free) == (5, 5)


def test_measure_and_tune_show_all_they_ask(toy: Any, tmp_path: Path, told: Told) -> None:
    table = tmp_path / "toyland.csv"
    table.write_text("country,planning,company\nToyland,80,20\n")
    target = ac.load_countries(table)["Toyland"]
    model = FakeModel(4)
    ac.measure(model, toy, target=target)
    assert told.ended.pop() == ("asking 40 forms", 40, 40)
    for optimizer in ("adam", "gde3", "l-shade"):
        out = tmp_path / optimizer
        ac.tune(FakeModel(4), toy, target, optimizer=optimizer, budget=60, tokens=2, out=out)
        at = [what for what, _, _ in told.ended].index("measuring the result")
        written, *untouched = told.ended[:at]
        result, *others = told.ended[at:]
        assert written[0] == "writing 6 answers of the untouched model"
        assert {what for what, _, _ in untouched} == {"asking the untouched model"}
        assert all(done == total for _, done, total in (*untouched, result))
        assert others[0][0] == "continuing ordinary texts"
        assert others[1:] == [] or others[1][0].endswith("points of the frontier")
        told.ended.clear()
    assert any(note.startswith("60/60 evaluations") for note in told.notes)


def test_every_check_of_evaluate_is_shown(toy: Any, tmp_path: Path, told: Told) -> None:
    target = ac.load_countries()["China"]
    survey, model = ac.load_instrument("vsm13"), FakeModel(4)
    run = ac.tune(model, survey, target, budget=12, tokens=2, out=tmp_path / "run")
    told.began.clear()
    told.ended.clear()
    ac.evaluate(run, model, respondents=2)
    evaluate_fluency(run, model)
    for words in (
        "asking 96 forms: New wordings and frames",
        "asking 48 forms: in Arabic",
        "writing 24 answers",
        "asking 20 forms: Inglehart-Welzel",
        "asking 2 respondents",
        "reading .* texts: English",
        "answering .* everyday questions",
    ):
        assert any(re.match(words, what) for what in told.began), (words, told.began)
    asked = [(done, total) for what, done, total in told.ended if what.startswith("asking")]
    assert asked and all(done == total for done, total in asked)


def test_lines_come_at_most_every_few_seconds(clock: Clock, capsys: Any) -> None:
    bars = progress_bars.Bars(lines=True)
    progress_bars.progress.show_on(lambda: bars)
    try:
        for _ in range(160):
            with progress.task("asking 96 forms", 96):
                progress.advance(48)
                clock.now += 0.125
        with progress.task("tuning", 100) as at:
            for done in range(10, 101, 10):
                clock.now += 2.0
                at.reach(done, f"{done}/100 evaluations")
    finally:
        progress_bars.show_progress(False)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:4] == ["asking 96 forms"] * 4
    assert lines[4:] == [
        "tuning",
        "tuning, 10/100 evaluations, 2 seconds spent, about 18 seconds left",
        "tuning, 40/100 evaluations, 8 seconds spent, about 12 seconds left",
        "tuning, 70/100 evaluations, 14 seconds spent, about 6 seconds left",
        "tuning, 100/100 evaluations, 20 seconds spent",
    ]


@pytest.mark.parametrize(
    ("terminal", "notebook", "widgets", "everywhere", "expected"),
    [
        (True, False, False, False, "bars"),
        (False, False, False, False, None),
        (False, False, False, True, "lines"),
        (True, True, True, False, "bars"),
        (True, True, False, False, "lines"),
    ],
)
def test_where_it_is_shown(
    terminal: bool,
    notebook: bool,
    widgets: bool,
    everywhere: bool,
    expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Console:
        is_terminal, is_jupyter = terminal, notebook

    def find_spec(_: str) -> bool | None:
        return widgets or None

    def open_console(stderr: bool) -> type[Console]:
        assert stderr
        return Console

    monkeypatch.setattr(progress_bars, "open_console", open_console)
    monkeypatch.setattr(progress_bars, "find_spec", find_spec)
    found = progress_bars.find_display(everywhere)
    assert expected == (found and ("lines" if found.lines else "bars"))


def test_an_experiment_leaves_no_bar(tmp_path: Path) -> None:
    cell, *_ = prepare(load_experiment("smoke")).cells
    with progress_bars.experiment_bar(2, 30) as listener:
        listener.on_start(cell)
        with progress.task("asking", 3):
            progress.advance(1)
    bars = progress_bars.find_display(everywhere=True)
    assert bars is not None and not bars._shown  # pyright: ignore
