"""A country without a score on some dimension is measured, tuned towards and evaluated on the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuning_runs import HIDDEN, TOKENS, TOY, TOYLAND, read_json

from acculturate.errors import UsageError
from acculturate.evaluation.evaluate import evaluate
from acculturate.metrics.measure import measure
from acculturate.metrics.model_comparison import compare_profiles
from acculturate.model import FakeModel
from acculturate.reporting.profile_files import write_profile
from acculturate.reporting.report import write_report
from acculturate.reporting.separation import separation
from acculturate.runs import read_provenance
from acculturate.search import Adam
from acculturate.survey import Country, Scoring, load_countries, load_instrument
from acculturate.tuning import Settings, make_task, tune, tune_together
from acculturate.tuning.task import with_first_budget

VSM13 = load_instrument("vsm13")
CHINA = load_countries()["China"]
LACKING = replace(CHINA, scores={k: v for k, v in CHINA.scores.items() if k not in ("idv", "ivr")})
LEFT_OUT = "China has no idv, ivr in table hofstede-insights: left out"


def test_a_part_scores_less_and_asks_the_same():
    part = LACKING.part_of(VSM13)
    assert [dimension.key for dimension in part.dimensions] == ["pdi", "mas", "uai", "lto"]
    assert part.left_out == ("idv", "ivr")
    assert part.items == VSM13.items
    assert part.warnings[:-1] == VSM13.warnings
    assert part.warnings[-1].startswith(LEFT_OUT)
    assert part.warnings[-1].endswith("Table hofstede-2015 has them.")
    assert part.fingerprint == VSM13.fingerprint
    assert LACKING.part_of(part) is part
    assert CHINA.part_of(VSM13) is VSM13


def test_a_country_without_any_score_is_refused():
    with pytest.raises(UsageError, match="China has no pdi, idv, mas, uai, lto, ivr") as caught:
        replace(CHINA, scores={"other": 1.0}).part_of(VSM13)
    assert caught.value.hint == "Table hofstede-2015 has them."


def test_the_scoring_of_a_part_keeps_anchors_and_what_variant_it_has():
    anchors = {dimension.key: float(i) for i, dimension in enumerate(VSM13.dimensions)}
    part = LACKING.part_of(VSM13)
    scoring = Scoring(VSM13, anchors, variant=next(iter(VSM13.variants))).towards(LACKING)
    assert scoring.constants.tolist() == [anchors[each.key] for each in part.dimensions]
    kept = {variant.key for variant in VSM13.variants.values()} & set(LACKING.scores)
    assert (scoring.variant is not None) == bool(kept)


def test_a_profile_is_that_of_the_dimensions_there_are(tmp_path):
    model, table = FakeModel(HIDDEN), load_countries()
    whole = measure(model, VSM13, target=CHINA, table=table)
    part = measure(model, VSM13, target=LACKING, table=table)
    assert part.scores == {key: whole.scores[key] for key in LACKING.scores}
    errors = [abs(part.scores[key] - LACKING.scores[key]) for key in part.scores]
    assert part.loss == pytest.approx(np.mean(errors))
    assert part.warnings[-1].startswith(LEFT_OUT)
    assert (part.item_means, part.content) == (whole.item_means, whole.content)
    other = measure(FakeModel(HIDDEN, seed=1), VSM13, target=LACKING, table=table)
    compared = compare_profiles(part, other, VSM13, target=LACKING)
    assert list(compared.differences) == list(part.scores)
    assert compared.loss_difference is not None
    write_profile(part, VSM13, tmp_path, LACKING)
    assert "(IDV)" not in (tmp_path / "profile.tex").read_text()


def test_ranks_are_among_countries_with_these_dimensions():
    table = load_countries("hofstede-2015")
    part = replace(table["China"], scores={"lto": 87.0, "ivr": 24.0}).part_of(VSM13)
    assert len(table.complete(part)) > len(table.complete(VSM13))


def test_a_task_knows_only_the_dimensions_there_are():
    task = make_task(VSM13, LACKING, Settings(budget=60))
    assert task.scores.tolist() == [LACKING.scores[d.key] for d in task.scoring.dimensions]
    assert task.forms == make_task(VSM13, CHINA, Settings(budget=60)).forms


@pytest.mark.slow
def test_a_run_says_so_and_is_evaluated_and_reported(tmp_path: Path):
    settings: dict[str, Any] = {"budget": 60, "tokens": 2, "optimizer": "adam"}
    with pytest.warns(UserWarning, match="China has no idv, ivr"):
        run = tune(FakeModel(), VSM13, LACKING, out=tmp_path / "run", **settings)
    assert list(run.summary.target.scores) == list(LACKING.scores)
    assert read_provenance(run.directory).instrument.warnings[-1].startswith(LEFT_OUT)
    parts = evaluate(run, FakeModel(), languages=[], generated=False).parts
    headline = next(row for row in parts["held_out"]["rows"] if row["key"] == "held-out")
    assert list(headline["tuned"]["scores"]) == list(LACKING.scores)
    assert parts["specificity"]["countries"] > 1
    asked = {check["instrument"] for check in parts["other_surveys"]["checks"]}
    assert "vsm13" not in asked
    report = write_report([run.directory]).read_text()
    assert LEFT_OUT in report


def test_countries_with_different_dimensions_are_tuned_together_and_told_apart(tmp_path: Path):
    lacking = Country("Elsewhere", "toy-table", {"planning": 20.0}, None)
    settings: dict[str, Any] = {"tokens": TOKENS, "budget": 30, "divergence_weight": 0.0}
    with pytest.warns(UserWarning, match="Elsewhere has no company"):
        runs = tune_together(
            FakeModel(HIDDEN), TOY, (TOYLAND, lacking), out=tmp_path / "s", **settings
        )
    assert [len(run.summary.dimensions) for run in runs] == [2, 1]
    found = separation([run.summary for run in runs])
    assert found is not None
    assert len(found.ranks) == 2
    assert read_json(runs[1].directory / "provenance.json")["target"]["scores"] == lacking.scores


def test_it_is_given_more_budget_with_an_anchor_of_every_dimension():
    anchor = {dimension.key: 40.0 for dimension in VSM13.dimensions}
    settings = Settings(anchor=anchor, budget=12).resolved(Adam(12))
    task = make_task(VSM13, LACKING, settings)
    larger = make_task(VSM13, LACKING, replace(settings, budget=2000))
    assert with_first_budget(larger, 12).measured == task.measured != larger.measured
