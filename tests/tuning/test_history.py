"""What a run leaves behind: the files, their fields, and that the numbers in them agree."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest
from safetensors import safe_open
from tuning_runs import (
    BUDGET,
    HIDDEN,
    METHODS,
    POPULATION,
    TOKENS,
    TOY,
    TOYLAND,
    WITHOUT_PARENTS,
    Recorder,
    optimizer,
    read_history,
    read_json,
    tune_toy,
)

import acculturate
from acculturate.model import FakeModel, SoftPrompt
from acculturate.runs import FILES, Run
from acculturate.search import OPTIMIZERS, DifferentialEvolution
from acculturate.survey import (
    Scoring,
    balanced_forms,
    fingerprint,
    item_means,
    item_values,
    load_countries,
    load_instrument,
)
from acculturate.tuning import tune

LINE = [
    "generation",
    "evaluations",
    "best_loss",
    "best_objective",
    "best_violation",
    "best_divergence",
    "best_perplexity",
    "mean_loss",
    "quantiles",
    "invalid",
    "seconds",
    "search_seconds",
    "scores",
]
DONE = {
    "stop_reason",
    "stop_code",
    "evaluations",
    "naive_loss",
    "best_loss",
    "held_out_naive_loss",
    "held_out_loss",
    "divergence",
    "perplexity",
    "naive_perplexity",
    "seconds",
}
CELL = {"loss", "interval", "scores", "intervals", "valid_mass", "content"}
TARGET = TOYLAND.vector(TOY)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tune_toy(tmp_path_factory.mktemp("run") / "toy", command="acculturate tune ...")


def losses_of(model: Recorder) -> list[np.ndarray]:
    """The losses of every generation, computed here from the answers that were given."""
    scoring = Scoring(TOY)
    return [
        scoring.loss(
            scoring.scores(
                item_means(item_values(answers.probabilities, "expected"), answers.forms, TOY)
            ),
            TARGET,
        )
        for _, answers in model.populations
    ]


def test_the_directory_holds_these_files_and_no_others(run: Run):
    found = {str(p.relative_to(run.directory)) for p in run.directory.rglob("*") if p.is_file()}
    assert found == {*FILES, ".lock"}


def test_every_line_has_the_fields_of_the_format(run: Run):
    for number, line in enumerate(read_history(run.directory), 1):
        assert list(line) == LINE
        assert line["generation"] == number
        assert line["evaluations"] == number * POPULATION
        assert set(line["scores"]) == {"planning", "company"}
        assert line["quantiles"] == sorted(line["quantiles"])
        assert len(line["quantiles"]) == 5
        assert line["quantiles"][0] <= line["mean_loss"] <= line["quantiles"][4]
        assert line["invalid"] == 0
        assert line["best_objective"] == line["best_loss"]  # divergence has no weight here
        assert 0 < line["search_seconds"] < line["seconds"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_best_never_gets_worse_and_its_scores_are_its_own(name: str, tmp_path):
    model = Recorder(HIDDEN)
    prompts: list[np.ndarray] = []
    tune_toy(
        tmp_path,
        model,
        budget=60,
        optimizer=optimizer(name, budget=60),
        sample=False,
        on_generation=lambda _: prompts.append(
            SoftPrompt.load(tmp_path / "best.safetensors").embeddings
        ),
    )
    losses = losses_of(model)
    history = read_history(tmp_path)
    assert len(losses) == len(history) == len(prompts) >= 5
    best, population = np.inf, losses[0]
    for line, generation, prompt in zip(history, losses, prompts, strict=True):
        best = min(best, generation.min())
        assert line["best_loss"] == pytest.approx(best, rel=1e-9)
        differences = [abs(line["scores"][key] - TOYLAND.scores[key]) for key in line["scores"]]
        assert np.mean(differences) == pytest.approx(best, rel=1e-9)
        assert line["best_divergence"] == pytest.approx(0.2 * np.mean(prompt**2), rel=1e-5)
        assert line["best_perplexity"] == pytest.approx(17 * np.exp(line["best_divergence"]))
        if name == "l-shade":  # whose population shrinks
            continue
        alone = name in WITHOUT_PARENTS
        population = generation if alone else np.minimum(population, generation)
        assert line["mean_loss"] == pytest.approx(population.mean())
        assert line["quantiles"] == pytest.approx(
            np.quantile(population, [0.05, 0.25, 0.5, 0.75, 0.95])
        )
    losses_seen = [line["best_loss"] for line in history]
    assert losses_seen == sorted(losses_seen, reverse=True)
    if name == "random":
        assert len(set(losses_seen)) < len(losses_seen), (
            "no generation without a new best: weak test"
        )


def test_the_best_prompt_is_a_small_safetensors_file(run: Run):
    with safe_open(run.directory / "best.safetensors", framework="numpy") as file:
        assert list(file.keys()) == ["prompt_embeddings"]
        tensor = file.get_tensor("prompt_embeddings")
        about = file.metadata()
    assert tensor.dtype == np.float32
    assert tensor.shape == (TOKENS, HIDDEN)
    assert about["placement"] == "front"
    assert about["model"] == "fake"
    assert np.array_equal(tensor, run.soft_prompt.embeddings)


def test_done_has_the_keys_of_the_issue_and_agrees_with_the_table(run: Run):
    done = read_json(run.directory / "DONE.json")
    rows = {row.method: row for row in run.summary.rows}
    assert set(done) >= DONE
    assert done["stop_code"] == "budget"
    assert done["stop_reason"] == "the budget is used up"
    assert done["evaluations"] == BUDGET == rows["tuned"].evaluations
    assert done["best_loss"] == rows["tuned"].tuning.loss
    assert done["held_out_loss"] == rows["tuned"].held_out.loss
    assert done["naive_loss"] == rows["naive"].tuning.loss
    assert done["held_out_naive_loss"] == rows["naive"].held_out.loss
    assert done["perplexity"] == rows["tuned"].perplexity
    assert done["naive_perplexity"] == rows["naive"].perplexity == 17.0
    last = read_history(run.directory)[-1]
    assert done["best_loss"] == pytest.approx(last["best_loss"], rel=1e-6)
    assert done["divergence"] == pytest.approx(last["best_divergence"], rel=1e-6)
    assert done["best_loss"] < done["naive_loss"]


def test_the_summary_has_every_row_and_every_cell(run: Run):
    summary = read_json(run.directory / "evaluation" / "summary.json")
    assert [row["method"] for row in summary["rows"]] == METHODS
    for row in summary["rows"]:
        for split in ("tuning", "held_out"):
            assert set(row[split]) == CELL
            loss = np.mean(
                [abs(row[split]["scores"][k] - TOYLAND.scores[k]) for k in row[split]["scores"]]
            )
            assert row[split]["loss"] == pytest.approx(loss)
        guarded = row["method"] in ("naive", "random start", "tuned")
        for guard in ("divergence", "perplexity", "held_out_divergence", "held_out_perplexity"):
            assert (row[guard] is not None) == guarded
    random_start = summary["rows"][4]
    assert random_start["evaluations"] == POPULATION
    assert f"best of {POPULATION} " in random_start["label"]
    assert random_start["tuning"]["loss"] == pytest.approx(
        read_history(run.directory)[0]["best_loss"], rel=1e-6
    )
    assert summary["target"] == {
        "country": "Toyland",
        "table": "toy-table",
        "scores": dict(TOYLAND.scores),
    }
    assert [d["key"] for d in summary["dimensions"]] == ["planning", "company"]
    assert summary["floor"] is None
    assert summary["reading"] == "expected"
    assert summary["forms"] == {"tuning": 8, "held_out": 8}
    assert len(summary["continuations"]) == 2
    assert summary["baselines"]["persona"] == "Answer as a person from Toyland would."
    assert "planning is very high (80): plans ahead" in summary["baselines"]["in_context"]


def test_a_shrinking_population_is_named_as_it_started(tmp_path):
    run = tune_toy(tmp_path, budget=60, optimizer=optimizer("l-shade", 10, 60))
    assert run.summary.rows[4].evaluations == 10
    assert "best of 10 " in run.summary.rows[4].label


def test_settings_and_provenance_say_what_ran(run: Run):
    config = tomllib.loads((run.directory / "config.toml").read_text())
    assert config["model"] == {"name": "fake", "revision": "seed 0", "dtype": "float64"}
    assert config["survey"] == {
        "instrument": "toy",
        "table": "toy-table",
        "country": "Toyland",
        "anchor": "midpoint",
        "aggregate": "mean",
        "reading": "expected",
        "forms": 8,
        "language": "en",
    }
    search = {
        "optimizer": DifferentialEvolution().name,
        "budget": BUDGET,
        "seed": 0,
        "tokens": TOKENS,
        "placement": "front",
        "space": "mixture:64",
        "init_scale": 1.0,
        "settings": {"population": POPULATION, "F": 0.5, "CR": 0.9},
    }
    assert {key: config["search"][key] for key in search} == search
    assert not set(config["search"]) & {"max_divergence", "target_loss", "stall", "init_text"}
    record = read_json(run.directory / "provenance.json")
    assert record["acculturate"] == acculturate.__version__
    assert record["numpy"] == np.__version__
    assert record["model"] == FakeModel(HIDDEN).provenance()
    for split, name in (("tuning", "tuning"), ("held-out", "held_out")):
        assert record["forms"][name] == fingerprint(balanced_forms(TOY, split))
    assert len(record["forms"]["guard"]) == 64
    assert record["instrument"]["fingerprint"] == TOY.fingerprint
    assert record["instrument"]["warnings"] == list(TOY.warnings)
    assert record["target"] == {"country": "Toyland", "scores": dict(TOYLAND.scores)}
    assert record["anchor"] == {"planning": 50.0, "company": 50.0}
    assert record["command"] == "acculturate tune ..."


def test_every_part_of_the_seed_matters_and_nothing_else_does(tmp_path):
    state = np.random.get_state()[1].tolist()  # noqa: NPY002 the global state, which must not move
    first, again, other = (
        tune_toy(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert np.array_equal(first.soft_prompt.embeddings, again.soft_prompt.embeddings)
    assert first.summary == again.summary
    assert not np.array_equal(first.soft_prompt.embeddings, other.soft_prompt.embeddings)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_vsm13_towards_a_country_of_a_table_that_comes_with_the_package(tmp_path):
    survey = load_instrument("vsm13")
    table = load_countries("hofstede-2015")
    run = tune(
        FakeModel(), survey, table["United States"], out=tmp_path, budget=400, max_divergence=None
    )
    assert run.outcome.best_loss < run.outcome.naive_loss / 2
    assert run.outcome.held_out_loss < run.outcome.held_out_naive_loss / 2
    assert len(run.summary.nearest["tuned"]) == 5
    record = read_json(tmp_path / "provenance.json")
    assert record["table"] == {
        "key": "hofstede-2015",
        "source": table.source,
        "terms": table.terms,
    }
    assert read_json(tmp_path / "evaluation" / "summary.json")["target"]["table"] == "hofstede-2015"


def test_the_variant_and_the_sum_reach_the_table(tmp_path):
    run = tune_toy(
        tmp_path, variant="crowd-only", aggregate="sum", anchor={"planning": 0.0, "company": 1.0}
    )
    record = read_json(tmp_path / "provenance.json")
    assert record["anchor"] == {"planning": 0.0, "company": 1.0}
    row = run.summary.rows[-1].tuning
    total = sum(abs(row.scores[key] - TOYLAND.scores[key]) for key in row.scores)
    assert row.loss == pytest.approx(total)
    config = tomllib.loads((tmp_path / "config.toml").read_text())
    assert config["survey"]["variant"] == "crowd-only"
    assert config["survey"]["anchor"] == {"planning": 0, "company": 1}
