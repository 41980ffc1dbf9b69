"""`ac.results`: runs and experiments as one data frame."""

from __future__ import annotations

import json
from pathlib import Path

import pandas
import pytest

import acculturate as ac
from acculturate.experiment.results import COLUMNS


def test_an_experiment(finished: Path):
    frame = ac.results(finished)
    written = pandas.read_csv(finished / "results.csv")
    assert list(frame.columns) == list(written.columns) == list(COLUMNS)
    assert set(frame["model"]) == {"fake"}
    for name in ("measure", "method", "country"):
        assert frame[name].tolist() == written[name].tolist()
    for name in ("value", "low", "high", "seed"):
        pandas.testing.assert_series_equal(
            frame[name], written[name], check_dtype=False, check_exact=True
        )


def test_runs_of_an_experiment_and_alone_say_the_same(finished: Path):
    folder = next(path.parent for path in finished.rglob("seed-*/DONE.json"))
    alone = ac.results(folder)
    assert set(alone["experiment"]) == {folder.name}
    tuned = alone[(alone["method"] == "tuned") & (alone["measure"] == "held_out_loss")]
    summary = json.loads((folder / "evaluation" / "summary.json").read_text())
    row = next(row for row in summary["rows"] if row["method"] == "tuned")
    assert tuned["value"].tolist() == [row["held_out"]["loss"]]
    assert tuned["source"].tolist() == [str(folder / "evaluation" / "summary.json")]
    both = ac.results([finished, folder])
    cell = both[both["source"].str.startswith(str(folder))]
    values = cell.groupby("measure")["value"].nunique()
    assert (values[["held_out_loss", "tuning_loss"]] >= 1).all()
    assert len(both) == len(ac.results(finished)) + len(alone)


def test_without_results(tmp_path: Path):
    (tmp_path / "experiment.toml").touch()
    with pytest.raises(ac.UsageError, match=r"has no results\.csv yet"):
        ac.results(tmp_path)
    with pytest.raises(ac.UsageError, match="no run in"):
        ac.results(tmp_path / "nowhere")
