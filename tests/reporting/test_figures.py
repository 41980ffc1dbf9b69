"""Everything in a figure stands where its number says, inside the figure."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acculturate.reporting import curves, figures, read_run
from acculturate.reporting.scales import scale_for
from fake_run import write_fake_run


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8))
def test_a_scale_holds_its_values(values):
    scale = scale_for(values)
    assert scale.low <= min(values) + 1e-6
    assert scale.high >= max(values) - 1e-6
    assert all(0 <= scale.percent(value) <= 100 for value in values)
    assert 2 <= len(scale.ticks) <= 12


def test_scores_beside_the_target(tmp_path):
    figure = figures.score_figure(read_run(write_fake_run(tmp_path / "r")).evaluation)
    assert [strip.key for strip in figure.strips] == ["pdi", "idv", "mas", "uai", "lto", "ivr"]
    pdi = figure.strips[0]
    tuning, held_out = pdi.lanes
    assert pdi.target < tuning.tuned < held_out.tuned < tuning.naive
    assert tuning.tuned_interval[0] < tuning.tuned < tuning.tuned_interval[1]
    assert "Target 40.0. Tuning forms: untouched 63.0 (57.0 to 70.2), tuned 44.0" in pdi.description


def test_loss_curve(tmp_path):
    figure = curves.loss_curve(read_run(write_fake_run(tmp_path / "r")))
    assert {level.key for level in figure.levels} == {"naive", "constant", "best"}
    assert figure.end[0] == 100
    assert figure.beyond == ""
    assert figure.best.startswith("M50.0 ")
    assert all(0 <= level.at <= 100 and 0 <= level.label_at <= 100 for level in figure.levels)


def test_labels_make_room_for_each_other(tmp_path):
    def change(values):
        values["constant_answer_loss"] = values["rows"][0]["tuning"]["loss"] - 0.2
        values["floor"] = 3.7

    figure = curves.loss_curve(read_run(write_fake_run(tmp_path / "r", change=change)))
    places = sorted(level.label_at for level in figure.levels)
    gaps = [after - before for before, after in pairwise(places)]
    assert min(gaps) * figure.height / 100 > 13


def test_what_was_beyond_the_limit_is_told_apart(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r", limit=0.3))
    for figure in (curves.loss_curve(run), curves.divergence_curve(run)):
        assert figure.beyond.startswith("M50.0 ")
        assert figure.best
    assert "limit" in {level.key for level in curves.divergence_curve(run).levels}


def test_an_unfinished_run_leaves_room_for_the_rest(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r", finished=False, evaluated=False, generations=5))
    assert curves.loss_curve(run).end[0] == pytest.approx(25)


def test_no_history_no_curve(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r", finished=False, evaluated=False, generations=0))
    assert curves.loss_curve(run) is None
    assert curves.divergence_curve(run) is None


def test_tradeoff_needs_two_runs(tmp_path):
    runs = [read_run(write_fake_run(tmp_path / name, seed=i)) for i, name in enumerate("ab")]
    assert figures.tradeoff(runs[:1]) is None
    assert [spot.label for spot in figures.tradeoff(runs).spots if not spot.untouched] == ["a", "b"]
