"""Experiment files: presets that load, and every fault named with its key."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_runs import PLAN, plan, write_plan

from acculturate.errors import UsageError
from acculturate.experiment import load_experiment, prepare, preset_names
from acculturate.search import by_name
from acculturate.tuning import Settings


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_can_run(name: str):
    prepared = prepare(load_experiment(name))
    experiment = prepared.experiment
    searching = len(experiment.methods) * len(experiment.seeds)
    assert len(prepared.cells) == len(experiment.countries) * (1 + searching)


def test_the_paper_is_its_four_countries_on_its_model():
    experiment = load_experiment("paper")
    assert experiment.model.name == "meta-llama/Meta-Llama-3-8B-Instruct"
    assert experiment.countries == ("Saudi Arabia", "United States", "China", "India")
    assert {"naive", "in-context"} <= set(experiment.baselines)
    assert "de/rand/1" in [method.optimizer for method in experiment.methods]


@pytest.mark.parametrize("name", ["paper", "paper-embedded"])
def test_the_papers_way_and_its_baselines_are_by_digits_beside_the_default_of_tune(name: str):
    experiment = load_experiment(name)
    methods = {method.label: method for method in experiment.methods}
    asked = ("labels", "objective", "placement", "tokens")
    own = methods["de/rand/1"].chosen(experiment.settings, experiment.budget)
    for settings in (own, Settings(**experiment.settings)):
        assert [getattr(settings, x) for x in asked] == ["digits", "scores", "front", 8]
    assert (own.space, own.forms) == ("full", 24)
    default = methods["adam"].chosen(experiment.settings, experiment.budget)
    of_tune = Settings().resolved(by_name("adam", budget=400))
    for x in (*asked, "init", "init_scale", "sample", "guard", "divergence_weight"):
        assert getattr(default, x) == getattr(of_tune, x), x


@pytest.mark.parametrize(
    ("written", "instrument", "tables"),
    [
        ("", "vsm13", ("hofstede-insights",)),
        ('instrument = "inglehart-welzel"', "inglehart-welzel", ("inglehart-welzel-2024",)),
        ('tables = ["hofstede-2015"]', "vsm13", ("hofstede-2015",)),
    ],
)
def test_questionnaire_and_table_have_defaults(
    written: str, instrument: str, tables: tuple[str, ...], tmp_path: Path
):
    text = f'model = "fake"\n{written}\ncountries = ["China"]\n[methods]\nnaive = {{}}\n'
    experiment = plan(tmp_path, text)
    assert (experiment.instrument, experiment.tables) == (instrument, tables)
    assert prepare(experiment).places == [(tables[0], "China")]
    assert experiment.to_dict()["tables"] == list(tables)


def test_a_method_is_a_name_and_settings(tmp_path: Path):
    text = (
        PLAN
        + '"long" = { optimizer = "cma-es", tokens = 16, space = "mixture:2", population = 8 }\n'
    )
    prepared = prepare(plan(tmp_path, text))
    method = prepared.experiment.methods[-1]
    assert (method.label, method.optimizer, method.own) == ("long", "cma-es", {"population": 8})
    chosen = prepared.settings(method, 5)
    assert (chosen.tokens, chosen.space, chosen.seed, chosen.budget) == (16, "mixture:2", 5, 24)
    assert prepared.settings(prepared.experiment.methods[0], 0).tokens == 2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("budget = 24", "budgte = 24", ["budgte is not known", "budget"]),
        ("budget = 24", "", ["budget is missing"]),
        ("budget = 24", 'budget = "24"', ["budget is '24'", "whole number"]),
        ("budget = 24", "budget = 3", ["budget of 3 does not hold"]),
        ("tokens = 2", "token = 2", ["settings.token is not known", "tokens"]),
        ("tokens = 2", "tokens = 2.5", ["tokens cannot be 2.5", "settings"]),
        ("tokens = 2", "seed = 2", ["settings.seed", "top"]),
        ("[0, 1]", "[0, 0]", ["seeds[2] is 0 again", "once"]),
        ("[0, 1]", "3", ["seeds is 3", "seeds = [...]"]),
        ("[0, 1]", "[-1]", ["seeds[1] is -1"]),
        ("budget = 24", 'budget = 24\ngoal = "adma"', ["goal is 'adma'", "adam"]),
        ("budget = 24", "budget = 24\ngoal = true", ["goal is True"]),
        ("budget = 24", "budget = 24\ngoal = nan", ["goal is nan"]),
        ('["Toyland",', '["Toyland", "toyland",', ["would share the folder"]),
        ('["Toyland",', '["Toiland",', ["no country", "Toyland"]),
        ('"toy.csv"', '"no.csv"', ["no.csv", "does not exist"]),
        ('instrument = "toy"', 'instrument = "tov"', ["tov", "toy"]),
        ("naive = {}", "naive = { tokens = 2 }", ["methods.naive takes no settings"]),
        ("adam = {}", "adma = {}", ["methods.adma", "no optimiser 'adma'", "adam"]),
        ("adam = {}", "adam = { populaton = 3 }", ["methods.adam", "populaton"]),
        ("adam = {}", "adam = { budget = 3 }", ["methods.adam.budget", "same for all"]),
        ("adam = {}", "adam = 3", ["methods.adam", "table"]),
        ("adam = {}", '"de <b>&_!" = { optimizer = "de" }', ["would share the folder"]),
        ("adam = {}", '"baselines" = { optimizer = "de" }', ["would share the folder"]),
        ("adam = {}", '"a\\u0007" = { optimizer = "de" }', ["control character"]),
        ("budget = 24", 'budget = 24\nlanguages = ["en"]', ["languages", "evaluate"]),
        ("budget = 24", "budget = 24\nevaluate = 1", ["evaluate is 1", "true or false"]),
        ('tables = ["toy.csv"]', "", ["tables is missing", "none", "toy"]),
        ('model = "fake"', "", ["model is missing", "models = [...]"]),
        ("budget = 24", "budget = ", ["not valid TOML", "line 7"]),
        ('model = "fake"', 'model = { name = "fake", dtype = "int3" }', ["dtype", "bfloat16"]),
        ('model = "fake"', 'model = { name = "fake", chat = "no" }', ["chat", "template"]),
    ],
)
def test_a_fault_is_named(old: str, new: str, words: list[str], tmp_path: Path):
    assert old in PLAN
    with pytest.raises(UsageError) as caught:
        prepare(plan(tmp_path, PLAN.replace(old, new)))
    said = f"{caught.value} {caught.value.hint}"
    for word in words:
        assert word in said, said


@pytest.mark.parametrize(
    ("search", "words"),
    [
        (
            'method = "eda"\ntrials = 2\nranges = {F = {low = 0.3, high = 0.9}}',
            ["search.method", "adam"],
        ),
        (
            'method = "adam"\ntrials = 0\nranges = {tokens = {low = 1, high = 2}}',
            ["search.trials is 0"],
        ),
        ('method = "adam"\ntrials = 1', ["search.ranges is missing"]),
        ('method = "adam"\ntrials = 1\nranges = {fun = {low = 1, high = 2}}', ["ranges.fun"]),
        ('method = "adam"\ntrials = 1\nranges = {seed = {low = 1, high = 2}}', ["ranges.seed"]),
        ('method = "adam"\ntrials = 1\nranges = {tokens = {low = 3, high = 2}}', ["low < high"]),
        ('method = "adam"\ntrials = 1\nranges = {tokens = {low = 1.5, high = 2}}', ["tokens"]),
        ('method = "adam"\ntrials = 1\nranges = {space = {choices = []}}', ["choices"]),
    ],
)
def test_a_fault_in_a_search_is_named(search: str, words: list[str], tmp_path: Path):
    with pytest.raises(UsageError) as caught:
        prepare(plan(tmp_path, f"{PLAN}[search]\n{search}\n"))
    said = f"{caught.value} {caught.value.hint}"
    for word in words:
        assert word in said, said


def test_an_unknown_preset_is_refused():
    with pytest.raises(UsageError, match="no experiment 'papre'") as caught:
        load_experiment("papre")
    assert "paper" in (caught.value.hint or "")


def test_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_plan(tmp_path / "plans")
    monkeypatch.chdir(tmp_path)
    assert load_experiment("plans/small.toml").tables == ("plans/toy.csv",)


def test_a_name_may_have_the_joiners_of_its_script(tmp_path: Path):
    text = PLAN.replace("adam = {}", '"کره\u200cی" = { optimizer = "de" }')
    assert plan(tmp_path, text).methods[-1].label == "کره\u200cی"


def test_a_trial_shares_no_folder_with_its_method(tmp_path: Path):
    label = "x" * 60
    search = f'[search]\nmethod = "{label}"\ntrials = 2\n[search.ranges]\ninit_scale.low = 0.1\n'
    search += "init_scale.high = 1.0\n"
    method = f'"{label}" = {{ optimizer = "de", population = 6 }}'
    with pytest.raises(UsageError, match="would share the folder"):
        prepare(plan(tmp_path, PLAN.replace("adam = {}", method) + search))
