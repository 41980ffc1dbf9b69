"""The three readings, the divergence limit, and candidates whose answers are not finite."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tuning_runs import (
    HIDDEN,
    TOKENS,
    TOY,
    TOYLAND,
    Broken,
    Recorder,
    by_digits,
    optimizer,
    read_history,
    read_json,
    tune_toy,
)

from acculturate.errors import FailureError
from acculturate.metrics.measure import measure
from acculturate.model import Answers, FakeModel, Query, SoftPrompt
from acculturate.reporting import write_report
from acculturate.search import OPTIMIZERS
from acculturate.survey import all_forms, balanced_forms
from acculturate.tuning import Objective, make_task

HARM = 0.2


def objective(model: FakeModel, **settings: Any) -> Objective:
    forms = settings.pop("forms", balanced_forms(TOY, "tuning"))
    task = make_task(TOY, TOYLAND, by_digits(**settings))
    return Objective(model, replace(task, forms=forms))


def population(count: int = 8, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(count, TOKENS, HIDDEN)) * scale).astype(np.float32)


@pytest.mark.parametrize("reading", ["expected", "modal", "sampled"])
def test_every_reading_tunes(reading: str, tmp_path):
    run = tune_toy(tmp_path, reading=reading, budget=120, respondents=50)
    assert run.summary.reading == reading
    assert run.outcome.best_loss < run.outcome.naive_loss
    if reading == "modal":
        assert run.summary.floor is not None
    else:
        assert run.summary.floor is None


def test_modal_and_sampled_answers_are_whole_numbers_read_from_the_probabilities():
    model, prompts = FakeModel(HIDDEN), population()
    modal = objective(model, reading="modal").evaluate(prompts, np.random.default_rng(0))
    # planning = 12.5 (whims - plans) + 50 with two forms an item: steps of 6.25.
    assert np.allclose(modal.scores[:, 0] % 6.25, 0)
    expected = objective(model).evaluate(prompts, np.random.default_rng(0))
    one, again, other = (
        objective(model, reading="sampled", respondents=5000).evaluate(
            prompts, np.random.default_rng(seed)
        )
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one.scores, again.scores)
    assert not np.array_equal(one.scores, other.scores)
    assert np.allclose(one.scores, expected.scores, atol=2.0)


def test_respondents_are_drawn_anew_in_every_generation(tmp_path):
    """The same population asked twice gets other respondents: each generation has its own stream."""
    run = tune_toy(tmp_path, reading="sampled", respondents=3, optimizer=optimizer("random"))
    again = tune_toy(
        tmp_path / "b", reading="sampled", respondents=3, optimizer=optimizer("random")
    )
    first, second = read_history(tmp_path), read_history(again.directory)
    for line, other in zip(first, second, strict=True):
        assert line["quantiles"] == other["quantiles"]
    assert run.summary == again.summary


def test_a_point_of_the_frontier_is_measured_as_the_table_measures_it(tmp_path):
    chosen = optimizer("gde3", budget=30)
    run = tune_toy(tmp_path, reading="sampled", respondents=3, optimizer=chosen)
    points = read_json(tmp_path / "evaluation/frontier.json")["points"]
    prompts = load_file(tmp_path / "evaluation/frontier.safetensors")["prompts"]
    assert len(points) == len(prompts) > 1
    for point, prompt in zip(points, prompts, strict=True):
        measured = measure(
            FakeModel(HIDDEN),
            TOY,
            soft_prompt=SoftPrompt(prompt, "front", "fake"),
            forms=all_forms(TOY, split="held-out"),
            target=TOYLAND,
            reading="sampled",
            respondents=3,
        )
        assert point["held_out_loss"] == pytest.approx(measured.loss)
    row = run.summary.method("tuned")
    assert row.held_out.loss in [pytest.approx(point["held_out_loss"]) for point in points]


@pytest.mark.parametrize("choice", ["held-out", "all"])
def test_the_objective_refuses_held_out_forms(choice: str):
    forms = tuple(form for form in all_forms(TOY) if choice == "all" or form.split == choice)
    with pytest.raises(ValueError, match="never sees a held-out form"):
        objective(FakeModel(HIDDEN), forms=forms)


def test_a_limit_costs_its_excess_and_no_limit_reads_no_text():
    model, prompts = Recorder(HIDDEN), population()
    free = objective(model).evaluate(prompts, np.random.default_rng(0))
    assert free.divergence is None
    assert model.record[-1].answers.divergence is None
    assert not free.violation.any()
    limited = objective(model, max_divergence=0.2).evaluate(prompts, np.random.default_rng(0))
    divergence = HARM * (prompts.astype(float) ** 2).mean(axis=(1, 2))
    assert np.allclose(limited.divergence, divergence)
    assert np.allclose(limited.violation, np.maximum(0, divergence - 0.2))
    assert np.array_equal(limited.loss, free.loss)
    assert (limited.violation > 0).any()
    assert (limited.violation == 0).any()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("limit", [0.05, 0.2])
def test_the_best_is_within_the_limit_when_any_candidate_is(name: str, limit: float, tmp_path):
    model = Recorder(HIDDEN)
    run = tune_toy(
        tmp_path,
        model,
        budget=60,
        optimizer=optimizer(name, budget=60),
        max_divergence=limit,
        sample=False,
    )
    best, within = (np.inf, np.inf), False
    for (_, answers), line in zip(model.populations, read_history(tmp_path), strict=True):
        assert answers.divergence is not None
        excess = np.maximum(0.0, answers.divergence - limit)
        within = within or bool((excess == 0).any())
        assert (line["best_violation"] == 0) == within
        assert (line["best_violation"], line["best_loss"]) <= best
        assert line["best_divergence"] == pytest.approx(limit + line["best_violation"]) or within
        best = line["best_violation"], line["best_loss"]
    assert (run.outcome.divergence <= limit) == within
    assert run.outcome.violation == best[0]
    assert limit < 0.15 or within, "no candidate within the limit: weak test"


def test_where_no_candidate_is_within_the_limit_the_smallest_excess_wins(tmp_path):
    model = Recorder(HIDDEN)
    run = tune_toy(tmp_path, model, max_divergence=0.0)
    smallest = min(answers.divergence.min() for _, answers in model.populations)
    assert run.outcome.divergence == pytest.approx(smallest)
    assert run.outcome.violation == pytest.approx(smallest)


def test_broken_candidates_are_counted_and_never_win(tmp_path):
    model = Broken(HIDDEN)
    run = tune_toy(tmp_path, model, budget=60, optimizer=optimizer("random"))
    broken = [int((prompts[:, 0, 0] > 0).sum()) for prompts, _ in model.populations]
    history = read_history(tmp_path)
    assert [line["invalid"] for line in history] == broken
    assert 0 < sum(broken) < 60
    assert run.soft_prompt.embeddings[0, 0] <= 0
    assert np.isfinite(run.outcome.best_loss)
    for line in history:
        assert line["quantiles"] is None or np.isfinite(line["quantiles"]).all()


def test_a_first_generation_of_broken_candidates_leaves_nothing_to_show(tmp_path):
    class LateStarter(Broken):
        """Breaks every candidate of the first two populations."""

        def ask(self, prompts: Any, query: Query) -> Answers:
            answers = super().ask(prompts, query)
            if len(self.populations) <= 2 and prompts is not None and len(prompts) > 1:
                gone = np.full_like(answers.probabilities, np.nan)
                return replace(answers, probabilities=gone)
            return answers

    model = LateStarter(HIDDEN)
    model.threshold = np.inf
    run = tune_toy(tmp_path, model, optimizer=optimizer("random"))
    first, second, third = read_history(tmp_path)[:3]
    for line in (first, second):
        assert line["best_loss"] is line["mean_loss"] is line["quantiles"] is None
        assert line["invalid"] == 6
        assert set(line["scores"].values()) == {None}
    assert third["best_loss"] is not None
    assert third["invalid"] == 0
    assert run.outcome.best_loss < np.inf


def test_a_run_of_broken_candidates_alone_fails_with_a_next_step(tmp_path):
    model = Broken(HIDDEN)
    model.threshold = -np.inf
    for resume in (False, True):
        with pytest.raises(
            FailureError, match="none of 30 candidates gave finite answers"
        ) as caught:
            tune_toy(tmp_path, model, resume=resume)
        assert "--init-scale" in (caught.value.hint or "")
    assert not (tmp_path / "DONE.json").exists()
    assert len(read_history(tmp_path)) == 5


def test_a_divergence_that_is_not_finite_is_past_every_limit(tmp_path):
    class Unreadable(Recorder):
        """Some prompts make the guard texts unreadable; their answers are fine."""

        def ask(self, prompts: Any, query: Query) -> Answers:
            answers = super().ask(prompts, query)
            if prompts is None or answers.divergence is None:
                return answers
            bad = prompts[:, 0, 0] > 0
            return replace(answers, divergence=np.where(bad, np.nan, answers.divergence))

    model = Unreadable(HIDDEN)
    run = tune_toy(tmp_path, model, max_divergence=10.0, optimizer=optimizer("random"))
    broken = [int((prompts[:, 0, 0] > 0).sum()) for prompts, _ in model.populations]
    assert [line["invalid"] for line in read_history(tmp_path)] == broken
    assert run.soft_prompt.embeddings[0, 0] <= 0


def test_files_hold_json_even_where_a_number_is_not_finite(tmp_path):
    class NoBaselines(Recorder):
        """The untouched model gives NaN; a soft prompt heals it."""

        def ask(self, prompts: Any, query: Query) -> Answers:
            answers = super().ask(prompts, query)
            if prompts is None and len(query.forms):
                gone = np.full_like(answers.probabilities, np.nan)
                return replace(answers, probabilities=gone)
            return answers

    run = tune_toy(tmp_path, NoBaselines(HIDDEN))
    assert write_report([run.directory]).is_file()
    for name in ("DONE.json", "evaluation/summary.json"):
        assert "NaN" not in (tmp_path / name).read_text()
        assert "Infinity" not in (tmp_path / name).read_text()
    assert read_json(tmp_path / "DONE.json")["naive_loss"] is None


def test_a_model_whose_weights_change_makes_the_results_void(tmp_path):
    calls: list[int] = []

    class Drifting(FakeModel):
        def provenance(self) -> dict[str, str]:
            calls.append(1)
            return super().provenance() | {"weights_hash": str(len(calls))}

    with pytest.raises(FailureError, match="weights changed during the run; its results are void"):
        tune_toy(tmp_path, Drifting(HIDDEN))
    assert not (tmp_path / "DONE.json").exists()
    with pytest.raises(FailureError, match="weights are not those that the run"):
        tune_toy(tmp_path, Drifting(HIDDEN), resume=True)
