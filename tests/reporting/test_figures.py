"""Figures of a run hold its numbers: scores beside the target, the search, the frontier."""

import json
from dataclasses import replace

import pytest

from acculturate.drawing import draw
from acculturate.reporting import figures, narrative, read_run, write_report
from fake_run import write_fake_run


def names(chart):
    return [series.name for series in chart.series]


def test_scores_beside_the_target(tmp_path):
    chart = figures.score_chart(read_run(write_fake_run(tmp_path / "r")).evaluation)
    assert [row.name for row in chart.rows] == [
        "Power distance (PDI)",
        "Individualism (IDV)",
        "Masculinity (MAS)",
        "Uncertainty avoidance (UAI)",
        "Long-term orientation (LTO)",
        "Indulgence (IVR)",
    ]
    assert (chart.rows[0].note, chart.rows[0].low) == ("target 40.0", "←\xa0power should be shared")
    series = {series.name: series for series in chart.series}
    expected = {
        "target": 40.0,
        "untouched (tuning)": 63.0,
        "tuned (tuning)": 44.0,
        "untouched (held-out)": 64.5,
        "tuned (held-out)": 47.0,
    }
    assert {name: series[name].x[0] for name in expected} == expected
    upper, lower = (series[f"tuned ({forms})"].y[0] for forms in ("tuning", "held-out"))
    assert series["untouched (tuning)"].y[0] == upper < lower
    bars = [part for part in chart.series if part.look.width == 4]
    tuning = next(part for part in bars if part.look.colour == "blue")
    assert tuning.x[:2] == pytest.approx((38.0, 51.2))
    assert "untouched (tuning): Power distance 63.0 (57.0 to 70.2); Individ" in chart.description
    assert "target: Power distance (PDI) 40.0; Indiv" in chart.description
    assert chart.x_end == 100


def test_scores_of_one_form_set_alone(tmp_path):
    def change(values):
        for row in values["rows"]:
            row["held_out"] = None

    chart = figures.score_chart(read_run(write_fake_run(tmp_path / "r", change=change)).evaluation)
    assert [name for name in names(chart) if name] == [
        "target",
        "untouched (tuning)",
        "tuned (tuning)",
    ]


def test_loss_with_the_lines_to_beat(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r"))
    chart = figures.loss_chart(run)
    best = f"best so far {run.text(run.history[-1].best_loss)}"
    lines = ["untouched 21.7", "constant answer 18.2"]
    assert names(chart) == ["median objective of a generation", best, *lines]
    median, line, untouched, _ = chart.series
    assert list(line.x) == [g.evaluations for g in run.history]
    assert list(line.y) == [g.best_loss for g in run.history]
    assert untouched.x == (0, 400)
    assert [tuple(low) for low, _ in median.bands] == [
        tuple(g.quantiles[number] for g in run.history) for number in (0, 1)
    ]
    assert f"{best}: {run.text(line.y[0])} after 20 evaluations; " in chart.description


def test_forms_drawn_anew_have_no_best_so_far(tmp_path):
    path = write_fake_run(tmp_path / "r")
    config = (path / "config.toml").read_text()
    config = config.replace("forms = 48", "forms = 2880\nsample = 48")
    (path / "config.toml").write_text(config.replace("DE/best/1/bin", "adam"))
    run = read_run(path)
    alone = [replace(g, quantiles=(g.best_loss,) * 5) for g in run.history]
    run = replace(run, history=(*alone[:-1], replace(alone[-1], best_loss=30.0)))
    loss, divergence = figures.loss_chart(run), figures.divergence_chart(run)
    assert names(loss)[0] == "current prompt 30.0"
    assert loss.x_label == divergence.x_label == "evaluations (a gradient counts as 3)"
    assert loss.y_label == "loss on tuning forms, drawn anew for every step"
    shown = write_report([path]).read_text()
    for words in ("Thick line: the current prompt.", "Every step asks other forms"):
        assert words in shown
    for words in ("best so far", "candidates evaluated"):
        assert words not in shown
    (path / "DONE.json").unlink()
    (path / "evaluation" / "summary.json").unlink()
    words = "evaluations the loss of the current prompt to United States on the tuning forms of its step is"
    assert words in narrative.headline(read_run(path))


def test_a_band_that_reaches_far_up_is_cut_off(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r"))
    first, *rest = run.history
    wide = replace(first, quantiles=(*first.quantiles[:4], 900.0))
    chart = figures.loss_chart(replace(run, history=(wide, *rest)))
    assert max(high for _, ends in chart.series[0].bands for high in ends) < 50


def test_what_was_beyond_the_limit_is_told_apart(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r", limit=0.3))
    for chart in (figures.loss_chart(run), figures.divergence_chart(run)):
        beyond, within = [part for part in chart.series if part.steps]
        assert beyond.name == "nothing within the limit yet" and beyond.look.line == ":"
        assert within.look.line == "-"
        assert list(beyond.x) + list(within.x[1:]) == [g.evaluations for g in run.history]
    assert "limit 0.30" in names(figures.divergence_chart(run))


def test_an_unfinished_run_shows_how_far_it_is(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r", finished=False, evaluated=False, generations=5))
    chart = figures.loss_chart(run)
    best = next(series for series in chart.series if series.steps)
    assert max(best.x) == 100
    assert figures.divergence_chart(run).x_end == 400


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
    assert list(held_out.texts) == ["loss 7.0, divergence 0.50"]
    keys = [chart.key for chart in figures.figures_of(run)]
    assert keys == ["scores", "loss", "divergence", "frontier"]


def test_tradeoff_needs_two_runs(tmp_path):
    runs = [read_run(write_fake_run(tmp_path / name, seed=i)) for i, name in enumerate("ab")]
    assert figures.tradeoff_chart(runs[:1]) is None
    chart = figures.tradeoff_chart(runs)
    assert names(chart) == ["untouched", "a", "b"]
    assert [series.look.hollow for series in chart.series] == [True, False, False]
    assert chart.series[1].look != chart.series[2].look
    survey = replace(runs[1].config.survey, instrument="toy")
    other = replace(runs[1], config=replace(runs[1].config, survey=survey))
    assert figures.tradeoff_chart([runs[0], other]) is None  # their losses share no scale


def test_every_figure_can_be_drawn(tmp_path):
    run = read_run(write_fake_run(tmp_path / "r", limit=0.3))
    single = replace(run, history=run.history[:1])
    for chart in (*figures.figures_of(run), *figures.figures_of(single)):
        assert draw([chart], "png").startswith(b"\x89PNG")
