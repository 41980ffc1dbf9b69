"""Several questionnaires in one objective weigh the same, each in units of the shift that is wanted in it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuning_runs import Interrupter

from acculturate.errors import UsageError
from acculturate.evaluation.evaluate import evaluate
from acculturate.model import FakeModel
from acculturate.reporting import read_run
from acculturate.reporting.checks_narrative import other_surveys
from acculturate.runs import Run
from acculturate.search import Adam
from acculturate.survey import load_countries, load_instrument
from acculturate.tuning import Objective, Settings, make_task, tune, tune_together
from acculturate.tuning.several import make_objective

VSM, MAP = load_instrument("vsm13"), load_instrument("inglehart-welzel")
TABLE, OF_MAP = load_countries("hofstede-insights"), load_countries("inglehart-welzel-2024")
ALSO = {"also": "inglehart-welzel"}
HIDDEN, TOKENS = 4, 2


def task(also: str | None = "inglehart-welzel", **settings: Any) -> Any:
    chosen = Settings(tokens=TOKENS, also=also, sample=False, guard="sentences", **settings)
    return make_task(VSM, TABLE["China"], chosen.resolved(Adam(60)), TABLE)


def stream() -> np.random.Generator:
    return np.random.default_rng(0)


def prompts(count: int = 2) -> np.ndarray:
    return np.random.default_rng(4).normal(size=(count, TOKENS, HIDDEN))


def test_each_counts_in_units_of_its_wanted_shift():
    model, x = FakeModel(HIDDEN), prompts()
    both = task(divergence_weight=3.0)
    found = make_objective(model, both, (), model).evaluate(x, stream())
    own = Objective(model, task(None, divergence_weight=0.0))
    other = Objective(model, both.others[0])
    alone, beside = own.evaluate(x, stream()), other.evaluate(x, stream())
    # Lost by doing nothing: the mean of the absolute differences there, a distance on the map here.
    units = np.abs(own.aim.shift).mean(), np.linalg.norm(other.aim.shift)
    expected = (alone.objective + beside.objective * units[0] / units[1]) / 2
    assert found.divergence is not None
    np.testing.assert_allclose(found.objective, expected + 3 * found.divergence, rtol=1e-9)
    np.testing.assert_array_equal(found.loss, alone.loss)
    assert found.scores.shape[1] == len(VSM.dimensions)


def test_the_gradient_is_that_of_the_objective():
    model, x = FakeModel(HIDDEN), prompts(1)
    made = make_objective(model, task(), ("gradient",), model)
    gradient = made.evaluate(x, stream()).gradient
    assert gradient is not None
    for place in np.ndindex(1, TOKENS, HIDDEN):
        step = np.zeros_like(x)
        step[place] = 1e-6
        ahead, behind = (made.evaluate(x + sign * step, stream()).objective for sign in (1, -1))
        assert gradient[place] == pytest.approx((ahead - behind)[0] / 2e-6, rel=1e-3, abs=1e-4)


def test_a_limit_is_as_steep_beside_other_questionnaires():
    """Past it, what it adds to the gradient is that of the questionnaire by itself."""
    model, x = FakeModel(HIDDEN, harm=5.0), prompts(1)

    def slope(also: str | None, limit: float | None) -> Any:
        limited = task(also, max_divergence=limit, divergence_weight=0.0)
        return make_objective(model, limited, ("gradient",), model).evaluate(x, stream()).gradient

    alone, beside = (slope(also, 0.01) - slope(also, None) for also in (None, ALSO["also"]))
    assert np.abs(alone).max() > 1
    np.testing.assert_allclose(beside, alone, rtol=1e-6, atol=1e-6)


def tuning(folder: Path, **more: Any) -> Run:
    given: dict[str, Any] = {"budget": 30, "tokens": TOKENS, "guard": "sentences", **ALSO, **more}
    return tune(FakeModel(HIDDEN), VSM, TABLE["China"], out=folder, table=TABLE, **given)


def test_a_run_goes_on_where_it_was_stopped_and_says_what_was_in_its_objective(tmp_path: Path):
    whole = tuning(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        tuning(tmp_path / "run", on_generation=Interrupter(4))
    run = tuning(tmp_path / "run", resume=True)
    np.testing.assert_array_equal(run.soft_prompt.embeddings, whole.soft_prompt.embeddings)
    config = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert config["survey"]["also"] == "inglehart-welzel"
    with pytest.raises(UsageError, match=r"survey\.also is 'inglehart-welzel' there"):
        tuning(tmp_path / "run", also=None, resume=True)
    evaluate(run, FakeModel(HIDDEN), table=TABLE, languages=[], respondents=2)
    text = other_surveys(read_run(run.directory))
    assert text is not None
    assert "was in the objective" in text and "knew nothing of" not in text


def test_the_second_questionnaire_is_moved_too(tmp_path: Path):
    """With it in the objective a prompt is nearer to the country on the map than without."""
    other = Objective(FakeModel(HIDDEN), task().others[0])
    losses: list[float] = []
    for also in (None, "inglehart-welzel"):
        settings: dict[str, Any] = {"also": also, "budget": 150, "divergence_weight": 0.0}
        prompt = tuning(tmp_path / str(also), **settings).soft_prompt.embeddings
        losses.append(float(other.evaluate(prompt[None], stream()).objective[0]))
    assert losses[1] < losses[0]


def test_countries_together_in_several_questionnaires(tmp_path: Path):
    given: dict[str, Any] = {"budget": 9, "tokens": TOKENS, "guard": "sentences", **ALSO}
    countries = [TABLE["China"], TABLE["India"]]
    runs = tune_together(FakeModel(HIDDEN), VSM, countries, out=tmp_path / "s", **given)
    assert [run.outcome.evaluations for run in runs] == [9, 9]


def refused(match: str, country: str = "China", **settings: Any) -> None:
    with pytest.raises(UsageError, match=match) as caught:
        make_task(VSM, TABLE[country], Settings(**settings), TABLE)
    assert caught.value.hint


def test_what_cannot_be_in_one_objective():
    refused("a questionnaire twice: vsm13, vsm13", also="vsm13")
    refused("a questionnaire twice", also="inglehart-welzel,inglehart-welzel")
    refused("no country table comes with the questionnaire portrait-values", also="portrait-values")
    refused("no instrument", also="nonsense")
    lacking = next(c.name for c in TABLE.complete(VSM) if c.name not in OF_MAP)
    refused(lacking, country=lacking, also="inglehart-welzel")
