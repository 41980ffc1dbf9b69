"""A run given more budget: it goes on from where it is, and nothing is asked or lost twice."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuning_runs import (
    HIDDEN,
    Interrupter,
    Mortal,
    Recorder,
    contents,
    files,
    kills_until_done,
    optimizer,
    read_history,
    read_json,
    refused,
    same,
    tune_interrupted,
    tune_toy,
)

from acculturate.errors import FailureError, UsageError
from acculturate.model import SoftPrompt
from acculturate.reporting.narrative import resume_command
from acculturate.reporting.report import write_report
from acculturate.runs import Run, read_run
from acculturate.search import LSHADE, Fitness
from acculturate.tuning import Settings, make_task
from acculturate.tuning.task import with_first_budget

PLANNED = ("l-shade", "adam")


def tune_to(budget: int, out: Path, name: str = "de", model: Any = None, **settings: Any) -> Run:
    chosen: dict[str, Any] = {"optimizer": optimizer(name, budget=budget), "budget": budget}
    return tune_toy(out, model, **chosen, **settings)


def untimed(directory: Path) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in line.items() if "seconds" not in name}
        for line in read_history(directory)
    ]


def test_a_search_that_plans_nothing_is_the_one_of_the_larger_budget(tmp_path):
    whole, out = contents(tune_to(60, tmp_path / "whole").directory), tmp_path / "run"
    first = tune_to(30, out)
    before = files(out)
    asked = Recorder(HIDDEN)
    run = tune_to(60, out, model=asked, resume=True)
    assert sum(call.evaluations for call in asked.searched) == 30
    found = contents(out)
    for part in ("history", "best", "summary", "provenance"):
        assert found[part] == whole[part], part
    assert found["config"]["search"].pop("earlier_budgets") == [30]
    assert found["config"] == whole["config"]
    assert run.outcome.earlier_budgets == (30,)
    assert run.outcome.evaluations == 60
    for name in ("summary", "content"):
        kept = (out / f"evaluation-30/{name}.json").read_bytes()
        assert kept == before[f"evaluation/{name}.json"]
    kept_prompt = SoftPrompt.load(out / "best-30.safetensors")
    np.testing.assert_array_equal(kept_prompt.embeddings, first.soft_prompt.embeddings)


@pytest.mark.parametrize("name", PLANNED)
@pytest.mark.parametrize("finished", [True, False])
def test_interrupted_on_its_way_it_is_the_same(name: str, finished: bool, tmp_path):
    def begin(out: Path) -> None:
        if finished:
            tune_to(30, out, name)
        else:
            with pytest.raises(KeyboardInterrupt):
                tune_to(30, out, name, on_generation=stop)

    def stop(at: Any) -> None:
        if at.evaluations >= 12:
            raise KeyboardInterrupt

    begin(tmp_path / "whole")
    head = untimed(tmp_path / "whole")
    tune_to(60, tmp_path / "whole", name, resume=True)
    assert untimed(tmp_path / "whole")[: len(head)] == head
    begin(tmp_path / "run")
    _, stops = tune_interrupted(lambda **more: tune_to(60, tmp_path / "run", name, **more))
    assert stops > 3
    same(tmp_path / "run", contents(tmp_path / "whole"))
    assert (tmp_path / "run/evaluation-30").exists() == finished


@pytest.mark.parametrize("sample", [False, True])
def test_killed_on_its_way_it_is_the_same(sample: bool, tmp_path):
    settings = {"sample": sample}
    tune_to(30, tmp_path / "whole", "adam", **settings)
    shutil.copytree(tmp_path / "whole", tmp_path / "run")
    whole = tune_to(60, tmp_path / "whole", "adam", resume=True, **settings)

    def go_on() -> None:
        tune_to(60, tmp_path / "run", "adam", Mortal(9), resume=True, **settings)

    assert kills_until_done(go_on, fewer_than=30) > 1
    same(tmp_path / "run", contents(whole.directory))


@pytest.mark.parametrize("at", ["copy", "rename", "unlink", "settings"])
def test_killed_before_it_goes_on_it_still_goes_on(at: str, tmp_path, monkeypatch):
    tune_to(30, tmp_path / "run")
    tune_to(60, tmp_path / "whole")

    def killed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    place = {
        "copy": "acculturate.runs.opening.write_bytes",
        "rename": "pathlib.Path.rename",
        "unlink": "pathlib.Path.unlink",
        "settings": "acculturate.runs.opening.write_text",
    }[at]
    with monkeypatch.context() as patched:
        patched.setattr(place, killed)
        with pytest.raises(KeyboardInterrupt):
            tune_to(60, tmp_path / "run", resume=True)
    tune_to(30, tmp_path / "run", resume=True)  # it may as well stay as it was
    tune_to(60, tmp_path / "run", resume=True)
    assert untimed(tmp_path / "run") == untimed(tmp_path / "whole")
    assert read_json(tmp_path / "run/DONE.json")["earlier_budgets"] == [30]
    assert (tmp_path / "run/evaluation-30/summary.json").is_file()


def test_more_and_more(tmp_path):
    whole = tune_to(90, tmp_path / "whole").directory
    for budget in (30, 60, 90):
        run = tune_to(budget, tmp_path / "run", resume=True)
    assert untimed(tmp_path / "run") == untimed(whole)
    assert run.outcome.earlier_budgets == (30, 60)
    assert tune_to(90, tmp_path / "run", resume=True).outcome == run.outcome
    assert (run.outcome.more_budget or "").startswith("It began with a budget of 30, then 60")
    report = write_report([run.directory]).read_text()
    assert "It began with a budget of 30, then 60 evaluations and was given more" in report
    assert read_run(whole).done.more_budget is None  # type: ignore[union-attr]


def test_a_smaller_budget_or_another_run_is_refused(tmp_path):
    tune_to(60, tmp_path)
    refused(tmp_path, UsageError, "has a budget of 60, and 36 is less", **at_budget(36))
    refused(tmp_path, UsageError, "already holds this run", **at_budget(90), resume=False)
    refused(tmp_path, UsageError, "search.seed is 0 there and 1 here", **at_budget(90), seed=1)
    refused(tmp_path, UsageError, "search.seed is 0 there and 1 here", **at_budget(36), seed=1)


def at_budget(budget: int) -> dict[str, Any]:
    return {"budget": budget, "optimizer": optimizer(budget=budget)}


@pytest.mark.parametrize("damage", [lambda state: state.unlink(), lambda s: s.write_bytes(b"x")])
def test_without_its_state_a_finished_run_stays_as_it_is(damage: Any, tmp_path):
    tune_to(30, tmp_path)
    damage(tmp_path / "state.npz")
    refused(tmp_path, FailureError, "state.npz", **at_budget(60))


def test_of_sampled_forms_the_result_of_the_smaller_budget_is_compared_too(tmp_path):
    """On the same forms, whatever the larger budget would pay for."""
    settings: dict[str, Any] = {"sample": True, "divergence_weight": 0.0}
    first = tune_to(30, tmp_path, "adam", **settings)
    # Steps that lead away: the first result stays the best.
    worse = tune_to(36, tmp_path, "adam", resume=True, **settings)
    assert worse.summary.forms == first.summary.forms
    before, after = (run.summary.method("naive") for run in (first, worse))
    assert before == after
    assert (worse.outcome.best_loss or 0.0) <= (first.outcome.best_loss or 0.0)


def test_the_forms_of_the_result_are_those_of_the_first_budget():
    from acculturate.survey import load_countries, load_instrument

    survey, target = load_instrument("vsm13"), load_countries()["China"]
    small, large = (
        make_task(survey, target, Settings(budget=budget, sample=True, objective="shift"))
        for budget in (12, 2000)
    )
    assert len(small.measured) < len(large.measured)
    assert with_first_budget(large, 12).measured == small.measured


def test_a_population_that_has_shrunk_does_not_grow_again():
    def told(search: LSHADE, upto: int) -> list[int]:
        sizes, told = [], 0
        while told < upto:
            sizes.append(len(x := search.ask()))
            search.tell(Fitness.unconstrained((x**2).sum(axis=1)))
            told += len(x)
        return sizes

    first = LSHADE(200, population=16)
    rng = np.random.default_rng(0)
    first.start(rng.normal(size=(16, 3)), rng)
    sizes = told(first, 200)
    longer = LSHADE(400, population=16)
    longer.restore(first.state())
    later = told(longer, 200)
    assert sizes[-1] >= later[0]
    assert [*later] == sorted(later, reverse=True)
    assert later[-1] == 4


def test_the_report_of_an_interrupted_one_names_the_larger_budget(tmp_path):
    tune_to(30, tmp_path, command="acculturate tune --country Toyland --budget 30")
    with pytest.raises(KeyboardInterrupt):
        tune_to(60, tmp_path, resume=True, on_generation=Interrupter(1))
    command = "acculturate tune --country Toyland --budget 30 --budget 60 --resume"
    assert resume_command(read_run(tmp_path)) == command
    assert "of 60 evaluations" in write_report([tmp_path]).read_text()
