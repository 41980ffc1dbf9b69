import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import evaluator
from acculturate.errors import UsageError
from acculturate.model import LanguageModel, Placement, Query
from acculturate.survey import Form, Instrument
from measuring import EMBEDDED, machine
from measuring import ways as benchmark
from measuring.random_weights import load_random_model
from measuring.scaling import scaling
from measuring.setting import bench_forms, gaussian_population
from measuring.ways import WAYS, evaluate


@pytest.fixture(autouse=True)
def small_multiplications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_LONG_ENOUGH", 1e-4)
    monkeypatch.setattr(benchmark, "_SQUARE", 64)


@pytest.fixture(scope="module")
def tiny(toy: Instrument) -> LanguageModel:
    return load_random_model("tiny", toy, dtype="float32", device="cpu")


@pytest.mark.parametrize("placement", EMBEDDED)
def test_all_ways_give_the_same_answers(
    tiny: LanguageModel, toy_forms: tuple[Form, ...], placement: Placement
) -> None:
    result = evaluate(tiny, toy_forms, candidates=2, rounds=2, new_tokens=2, placement=placement)
    assert result.placement == placement
    assert len(result.differences) == 6
    assert result.largest_difference is not None
    assert result.largest_difference < 1e-4
    assert {way: len(seconds) for way, seconds in result.seconds.items()} == dict.fromkeys(WAYS, 2)


def test_the_answers_depend_on_the_prompt(tiny: LanguageModel, toy_forms: tuple[Form, ...]) -> None:
    answers = tiny.ask(gaussian_population(tiny, 2), Query(toy_forms)).probabilities
    assert np.abs(answers[0] - answers[1]).max() > 0.01


def test_figures_follow_from_the_times(tiny: LanguageModel, toy_forms: tuple[Form, ...]) -> None:
    given = evaluate(tiny, toy_forms, candidates=2, rounds=1, ways=("padded", "population"))
    result = given.to_dict()
    ours, padded = given.seconds["population"][0], given.seconds["padded"][0]
    assert result["candidates_per_second"]["population"] == pytest.approx(2 / ours)
    assert result["candidates_per_second"]["generate"] is None
    assert result["ratios"]["padded"] == pytest.approx(padded / ours)
    assert result["population_gflops"] == pytest.approx(2 * given.work.computed / ours / 1e9)
    assert result["matmul_share"] == pytest.approx(
        result["population_gflops"] / result["matmul_gflops"]
    )
    lengths = [len(tiny.encode(form).tokens) + 8 for form in toy_forms]
    assert given.tokens_per_candidate == {
        "generate": sum(lengths) + 3 * len(lengths),
        "single": sum(lengths),
        "padded": max(lengths) * len(lengths),
        "population": given.work.tokens,
    }
    assert given.work.tokens < sum(lengths)


def test_a_usual_way_that_does_not_fit_is_left_out(
    tiny: LanguageModel, toy_forms: tuple[Form, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(benchmark.PlainWays, "padded", full)
    said: list[str] = []
    result = evaluate(
        tiny, toy_forms, candidates=1, rounds=1, ways=("padded", "population"), progress=said.append
    )
    assert result.to_dict()["candidates_per_second"]["padded"] is None
    assert result.candidates_per_second("population") is not None
    assert any("padded does not fit" in line for line in said)


def test_scaling_measures_every_cell(tiny: LanguageModel, toy: Instrument) -> None:
    result = scaling(tiny, toy, forms=(4, 8), candidates=(1, 2), rounds=1)
    assert [cell[:2] for cell in result.seconds] == [(4, 1), (4, 2), (8, 1), (8, 2)]
    assert all(seconds > 0 for _, _, seconds in result.seconds)
    assert result.tokens[4] < result.tokens[8]


def test_half_the_forms_ask_every_item_once_in_alternating_order(vsm13: Instrument) -> None:
    forms = bench_forms(vsm13, 24)
    assert [form.item for form in forms] == [item.id for item in vsm13.items]
    assert [form.order for form in forms] == ["forward", "reversed"] * 12
    assert {form.split for form in forms} == {"tuning"}
    assert len(bench_forms(vsm13, 96)) == 96
    with pytest.raises(UsageError, match="30 tuning forms"):
        bench_forms(vsm13, 30)


def test_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "--random-weights tiny --dtype float32 -i toy --forms 8 --candidates 1 --rounds 1"
    evaluator.app([*arguments.split(), "--json"], standalone_mode=False)
    result = json.loads(capsys.readouterr().out)
    assert set(result["candidates_per_second"]) == {"generate", "single", "padded", "population"}
    assert all(rate > 0 for rate in result["candidates_per_second"].values())
    assert result["matmul_gflops"] > 0
    assert 0 < result["matmul_share"] < 1
    assert result["peak_memory_mb"] > 0
    assert (result["dtype"], result["device"]) == ("float32", "cpu")
    assert {"torch", "transformers"} <= set(result["versions"])


def test_command_prints_tables(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "--random-weights tiny --dtype float32 -i toy --forms 4 --candidates 1 --rounds 1"
    evaluator.app([*arguments.split(), "--only", "population"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "(d) population" in shown
    assert "(a)" not in shown
    assert "of the matrix multiplication" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--model embedded --random-weights tiny", "two models"),
        ("--only guess", "unknown way 'guess'"),
        ("--rounds 0", "at least 1"),
        ("--forms 30", "cannot be balanced"),
        ("--model fake", "costs nothing"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluator.app([*arguments.split()], standalone_mode=False)


def test_peak_memory_sees_what_was_used() -> None:
    device = torch.device("cpu")
    machine.forget_peak(device)
    before = machine.peak_memory_mb(device)
    if not Path("/proc/self/clear_refs").exists() or before is None:
        pytest.skip("the system does not tell")
    np.ones(64 * 2**20, np.uint8).sum()
    after = machine.peak_memory_mb(device)
    assert after is not None
    assert after - before > 50
