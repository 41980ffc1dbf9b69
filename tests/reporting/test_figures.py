"""Figures of a run hold its numbers: scores beside the target, the search, the frontier."""

import json
from dataclasses import replace

import pytest

from acculturate.drawing import draw
from acculturate.reporting import figures, read_run
from fake_run import write_fake_run


def names(chart):
    return [part.name for part in (*chart.series, *chart.levels)]


def test_scores_beside_the_target(tmp_path):
    drawing = figures.score_strips(read_run(write_fake_run(tmp_path / "r")).evaluation)
    assert [strip.name for strip in drawing.strips] == [
        "Power distance (PDI)",
        "Individualism (IDV)",
        "Masculinity (MAS)",
        "Uncertainty avoidance (UAI)",
        "Long-term orientation (LTO)",
        "Indulgence (IVR)",
    ]
    pdi = drawing.strips[0]
    assert (pdi.target, pdi.target_text) == (40.0, "target 40.0")
    tuning, held_out = pdi.lanes
    assert [dot.value for dot in tuning.dots] == [63.0, 44.0]
    assert [dot.value for dot in held_out.dots] == [64.5, 47.0]
    assert tuning.dots[1].interval == pytest.approx((38.0, 51.2))
    assert pdi.low == "←\xa0power should be shared"
    assert (
        "Power distance (PDI): target 40.0. Tuning forms: untouched 63.0 (57.0 to 70.2), tuned 44.0"
        in drawing.description
    )
    assert "95 % interval" in drawing.legend
    assert drawing.x_range == (0, 100)


def test_loss_with_the_lines_to_beat(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r"))
    chart = figures.loss_chart(run)
    best = f"best so far {run.text(run.history[-1].best_loss)}"
    lines = ["untouched 21.7", "constant answer 18.2"]
    assert names(chart) == ["median of a generation", best, *lines]
    median, line = chart.series
    assert list(line.x) == [g.evaluations for g in run.history]
    assert list(line.y) == [g.best_loss for g in run.history]
    assert [tuple(low) for low, _ in median.bands] == [
        tuple(g.quantiles[number] for g in run.history) for number in (0, 1)
    ]
    assert "cut off" not in chart.caption


def test_a_band_that_reaches_far_up_is_cut_off(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r"))
    first, *rest = run.history
    wide = replace(first, quantiles=(*first.quantiles[:4], 900.0))
    chart = figures.loss_chart(replace(run, history=(wide, *rest)))
    top = chart.y_range[1]
    assert top < 50
    assert all(high <= top for _, ends in chart.series[0].bands for high in ends)
    assert "cut off at the top" in chart.caption


def test_what_was_beyond_the_limit_is_told_apart(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r", limit=0.3))
    for chart in (figures.loss_chart(run), figures.divergence_chart(run)):
        beyond, within = [part for part in chart.series if part.steps]
        assert beyond.name == "nothing within the limit yet" and beyond.look.line == ":"
        assert within.look.line == "-"
        assert list(beyond.x) + list(within.x[1:]) == [g.evaluations for g in run.history]
        assert "dotted where nothing was within the divergence limit yet" in chart.caption
    assert "limit 0.30" in names(figures.divergence_chart(run))


def test_an_unfinished_run_shows_how_far_it_is(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r", finished=False, evaluated=False, generations=5))
    chart = figures.loss_chart(run)
    assert chart.x_range == (0, 400)
    assert max(chart.series[-1].x) == 100


def test_no_history_no_curve(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r", finished=False, evaluated=False, generations=0))
    assert figures.loss_chart(run) is None
    assert figures.divergence_chart(run) is None
    assert figures.figures_of(run) == ()


def test_a_frontier(tmp_path):
    path = write_fake_run(tmp_path / "r")
    assert figures.frontier_chart(read_run(path)) is None
    points = [
        {"loss": 5.0, "divergence": 0.4, "held_out_loss": 7.0, "held_out_divergence": 0.5},
        {"loss": 9.0, "divergence": 0.1, "held_out_loss": None, "held_out_divergence": 0.2},
    ]
    (path / "evaluation" / "frontier.json").write_text(json.dumps({"points": points}))
    run = read_run(path)
    tuning, held_out = figures.frontier_chart(run).series
    assert (list(tuning.x), list(tuning.y)) == ([0.4, 0.1], [5.0, 9.0])
    assert (list(held_out.x), list(held_out.y)) == ([0.5], [7.0])
    assert held_out.hovers == ["held-out: loss 7.0, divergence 0.50"]
    keys = [drawing.key for drawing in figures.figures_of(run)]
    assert keys == ["scores", "loss", "divergence", "frontier"]


def test_tradeoff_needs_two_runs(tmp_path):
    runs = [read_run(write_fake_run(tmp_path / name, seed=i)) for i, name in enumerate("ab")]
    assert figures.tradeoff_chart(runs[:1]) is None
    chart = figures.tradeoff_chart(runs)
    assert names(chart) == ["untouched", "a", "b"]
    assert chart.series[0].look.hollow
    assert chart.series[1].look != chart.series[2].look


def test_every_figure_can_be_drawn(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r", limit=0.3))
    single = replace(run, history=run.history[:1])
    for drawing in (*figures.figures_of(run), *figures.figures_of(single)):
        assert draw([drawing], "png").startswith(b"\x89PNG")
