"""Several models in one experiment: cells beside each other, differences in pairs, and one more model later."""

from __future__ import annotations

import csv
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiment_runs import PLAN, plan, tables

import acculturate as ac
from acculturate.errors import UsageError
from acculturate.experiment import (
    Cell,
    ModelChoice,
    Published,
    collect,
    differences,
    planned_cells,
    prepare,
    run_experiment,
)
from acculturate.model import FakeModel

SECOND = '{ name = "org/other", revision = "b" }'
LABEL = "org/other, b"
BASE = Path("models") / "other,-b"
ONE = PLAN.replace("[0, 1]", "[0]").replace(
    '"de <b>&_%" = { optimizer = "de", population = 6 }\n', ""
)
TWO = ONE.replace('model = "fake"', f'models = ["fake", {SECOND}]')


def load(choice: ModelChoice) -> FakeModel:
    return FakeModel() if choice.name == "fake" else FakeModel(24, form_effect=0.5)


def run(folder: Path, text: str = TWO, load: Any = load, **options: Any) -> Published:
    return run_experiment(plan(folder, text), folder / "out", load=load, **options)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment on two models that no test changes."""
    folder = tmp_path_factory.mktemp("both")
    assert not run(folder).failed
    return folder


def losses(out: Path, measure: str = "held_out_loss") -> dict[tuple[str, ...], float]:
    with (out / "results.csv").open(newline="") as file:
        names = "model", "country", "method", "seed"
        return {
            tuple(row[name] for name in names): float(row["value"])
            for row in csv.DictReader(file)
            if row["measure"] == measure
        }


def test_cells_of_every_model_are_in_all_tables(both: Path):
    out = both / "out"
    frame = ac.results(out)
    assert list(frame["model"].unique()) == ["fake", LABEL]
    found = losses(out)
    assert sum(key[0] == LABEL for key in found) == sum(key[0] == "fake" for key in found) == 10
    assert found["fake", "Toyland", "adam", "0"] != found[LABEL, "Toyland", "adam", "0"]
    for row in (out / "cells", out / BASE / "cells"):
        assert (row / "toy" / "toyland" / "adam" / "seed-0" / "report.html").is_file()
    methods = [line.split(" | ")[1] for line in (out / "table.md").read_text().splitlines()[2:7]]
    assert methods == [
        *("naive, fake", "naive, other, b", "persona, fake"),
        *("persona, other, b", "constant, fake"),
    ]
    for figure in ("loss-toyland.svg", "map-toyland.svg", "scores-toyland.svg"):
        assert "adam, other, b" in (out / "figures" / figure).read_text()


def test_differences_between_models_by_hand(both: Path):
    prepared = prepare(plan(both, TWO))
    out, baselines = both / "out", prepared.experiment.baselines
    compared = differences(collect(out, prepared.cells, baselines))
    between = {(d.method, d.measure): d for d in compared if d.against is not None}
    assert {method for method, _ in between} == {"naive", "persona", "random", "adam"}
    found = losses(out)
    for method, seed in (("naive", ""), ("adam", "0")):
        changes = [
            found[LABEL, country, method, seed] - found["fake", country, method, seed]
            for country in prepared.experiment.countries
        ]
        difference = between[method, "held_out_loss"]
        assert (difference.pairs, difference.name) == (2, f"{method}, other, b")
        assert difference.mean == pytest.approx(np.mean(changes))
        assert difference.low == pytest.approx(min(changes)) and difference.p is not None
    with (out / "comparisons.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["against"]]
    assert {(row["model"], row["against"]) for row in rows} == {(LABEL, "fake")}


def test_the_untouched_models_are_compared_on_the_same_forms(both: Path):
    out = both / "out"
    page = " ".join((out / "report.html").read_text().split())
    assert "Models beside each other" in page
    scores = losses(out, "held_out_score:planning")
    naive = [scores[model, "Toyland", "naive", ""] for model in ("fake", LABEL)]
    told = f"<td>{naive[0]:.1f}</td><td>{naive[1]:.1f}</td>"
    assert f'<th scope="row">planning</th>{told}'.replace("-", "−") in page.replace(">-", ">−")
    assert "Untouched, other, b and fake" in page


def test_a_model_is_released_before_the_next_is_loaded(tmp_path: Path):
    alive: list[weakref.ref[FakeModel]] = []

    def load_alone(choice: ModelChoice) -> FakeModel:
        assert all(model() is None for model in alive)
        model = load(choice)
        vars(model)["itself"] = model  # as a model's caches refer to it
        alive.append(weakref.ref(model))
        return model

    run(tmp_path, load=load_alone)
    assert len(alive) == 2


def test_a_model_is_added_without_doing_anything_again(tmp_path: Path, both: Path):
    run(tmp_path, ONE)
    before = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / "out" / "cells").rglob("*")
        if path.is_file()
    }

    def load_new(choice: ModelChoice) -> FakeModel:
        assert choice.name != "fake"
        return load(choice)

    run(tmp_path, load=load_new)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert tables(tmp_path / "out") == tables(both / "out")
    run(tmp_path, load=None)
    with pytest.raises(UsageError, match=r"models is \[.*\] there and not set here"):
        run(tmp_path, ONE)
    with pytest.raises(UsageError, match=r"models is .*'org/other'.* there and .*'fake'.* here"):
        run(tmp_path, TWO.replace(f'"fake", {SECOND}', f'{SECOND}, "fake"'))


def test_one_model_in_a_list_is_one_model(tmp_path: Path):
    one, listed = (
        plan(tmp_path, ONE),
        plan(tmp_path, ONE.replace('"fake"', '["fake"]', 1).replace("model ", "models ")),
    )
    assert listed.to_dict() == one.to_dict() and prepare(listed).cells == prepare(one).cells


def test_a_dry_run_names_the_models(tmp_path: Path):
    cells = planned_cells(prepare(plan(tmp_path, TWO)), tmp_path)
    titles = [planned.cell.title for planned in cells]
    assert len(titles) == len(set(titles)) == 12
    assert titles[1] == "Toyland, random, fake, seed 0"
    assert titles[7] == "Toyland, random, other, b, seed 0"


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ('["fake", "fake"]', ["would share the folder fake"]),
        ('["fake", { nam = "x" }]', ["models[2].nam is not known", "name"]),
        (
            '["fake", "openai:http://localhost:1/v1#m"]',
            ["models openai", "no embeddings for random"],
        ),
        ("[]", ["model is missing"]),
    ],
)
def test_a_fault_is_named(models: str, words: list[str], tmp_path: Path):
    with pytest.raises(UsageError) as caught:
        prepare(plan(tmp_path, TWO.replace(f'["fake", {SECOND}]', models)))
    said = f"{caught.value} {caught.value.hint}"
    for word in words:
        assert word in said, said


def test_a_cell_is_of_one_model_unless_it_is_said():
    assert Cell("t", "China", "de", 0).title == "China, de, seed 0"
