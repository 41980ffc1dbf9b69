"""The Python API refuses what does not fit before anything is spent, in one sentence with what to pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import acculturate as ac
from acculturate.errors import FailureError, UsageError
from acculturate.model import Answers, FakeModel, Query
from acculturate.model.asking import ask, ask_with_gradient, one_each, provenance
from acculturate.reporting.relate import relate

TOY = ac.load_instrument("toy")
TOYLAND = ac.Country("Toyland", "toy-table", {"planning": 80.0, "company": 20.0}, None)
FORMS = ac.balanced_forms(TOY, "tuning")


def tune(folder: Path, **changed: Any) -> ac.Run:
    given = {"model": FakeModel(4), "instrument": TOY, "target": TOYLAND, "out": folder}
    return ac.tune(**{**given, "budget": 20, "tokens": 2, **changed})


class Unfinished:
    name, hidden_size = "mine", 4

    def ask(self, prompts: Any, query: Query) -> Any: ...


@pytest.mark.parametrize(
    ("changed", "message", "hint"),
    [
        ({"model": "fake"}, "model of tune() is 'fake'", 'load_model("embedded")'),
        (
            {"model": Unfinished()},
            "is an Unfinished, which has no continue_text, embed_",
            "AnswerModel",
        ),
        ({"instrument": "vsm13"}, "instrument of tune() is 'vsm13'", 'load_instrument("vsm13")'),
        ({"target": "China"}, "target of tune() is 'China'", '("hofstede-insights")["China"]'),
        ({"target": TOY}, "target of tune() is an Instrument", "Country"),
        ({"table": "hofstede-insights"}, "table of tune() is", "load_countries"),
        (
            {"optimizer": 3},
            "optimizer of tune() is 3",
            "Optimizer (Adam(budget=400)) or str or None",
        ),
        ({"optimizer": "addam"}, "there is no optimiser 'addam'", "Did you mean 'adam'?"),
        ({"out": 5}, "out of tune() is 5", "str or Path"),
        ({"resume": "no"}, "resume of tune() is 'no'", "bool"),
        ({"on_generation": 1}, "on_generation of tune() is 1", "Callable"),
        (
            {"placement": "back"},
            "placement cannot be 'back'",
            "front, after-bos, before-answer or prefix",
        ),
        ({"reading": "mode"}, "reading cannot be 'mode'", "expected, modal or sampled"),
        ({"init": "words"}, "init cannot be 'words'", "gaussian, tokens"),
        ({"max_divergence": np.nan}, "max divergence nan is out of range", "a number from 0"),
        ({"target_loss": np.inf}, "target loss inf is out of range", "a number from 0"),
        ({"anchor": {"planning": np.nan, "company": 1.0}}, "anchor", ""),
        ({"budget": 0}, "a budget of 0 does not hold one population", "--budget"),
        ({"language": "xx"}, 'has no language "xx"', "Languages it has: en"),
        ({"space": "fool"}, "fool", ""),
    ],
)
def test_tune_refuses_before_anything_is_asked(
    changed: dict[str, Any], message: str, hint: str, tmp_path: Path
):
    class Silent(FakeModel):
        def ask(self, *_arguments: Any, **_options: Any) -> Any:
            raise AssertionError("nothing was to be asked")

    with pytest.raises(UsageError) as caught:
        tune(tmp_path / "run", **{"model": Silent(4), **changed})
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")
    assert not (tmp_path / "run").exists()


def test_an_optimiser_by_its_name_and_a_start_by_its_path(tmp_path: Path):
    first = tune(tmp_path / "first", optimizer="random", init="gaussian")
    assert 'optimizer = "random"' in (first.directory / "config.toml").read_text()
    again = tune(tmp_path / "again", optimizer=ac.RandomSearch(), init="gaussian")
    assert again.soft_prompt.fingerprint == first.soft_prompt.fingerprint
    tune(tmp_path / "third", init="run", init_run=first.directory)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": "fake"}, "model of measure() is 'fake'"),
        ({"instrument": "vsm13"}, "instrument of measure() is 'vsm13'"),
        ({"forms": []}, "forms ask nothing"),
        ({"forms": "some"}, "forms of measure() is 'some'"),
        ({"forms": ["a"]}, "forms of measure() is ['a']"),
        ({"forms": ac.balanced_forms(ac.load_instrument("vsm13"), "tuning")}, "no item of toy"),
        ({"scoring": ac.Scoring(ac.load_instrument("vsm13"))}, "that of vsm13, not of toy"),
        ({"target": "Toyland"}, "target of measure() is 'Toyland'"),
        ({"table": {}}, "table of measure() is {}"),
        ({"reading": "mode"}, "reading of measure() is 'mode'"),
        ({"seed": -1}, "seed of measure() is -1"),
        ({"respondents": 0}, "respondents of measure() is 0"),
        ({"soft_prompt": "run"}, "soft_prompt of measure() is 'run'"),
    ],
)
def test_measure_refuses(changed: dict[str, Any], message: str):
    with pytest.raises(UsageError) as caught:
        ac.measure(**{"model": FakeModel(), "instrument": TOY, **changed})
    assert message in str(caught.value)
    assert caught.value.hint


def test_paths_may_be_texts(tmp_path: Path):
    run = str(tune(tmp_path / "run").directory)
    assert ac.Run.load(run).directory == Path(run)
    assert ac.write_report([run]) == tmp_path / "run" / "report.html"
    assert ac.write_report([run], str(tmp_path / "page.html")) == tmp_path / "page.html"
    assert ac.SoftPrompt.load(str(tmp_path / "run" / "best.safetensors")).embeddings.shape == (2, 4)
    ac.evaluate(run, FakeModel(4), table=ac.load_countries(toy_table(tmp_path)))
    ac.examine(run, FakeModel(4), ac.Exam((ac.load_benchmark("acculturate-culture-easy"),)))
    related = [benchmark.name for benchmark in relate([run]).benchmarks]
    assert related == ["acculturate-culture-easy", "behaviour"]


def toy_table(folder: Path) -> str:
    file = folder / "toy-table.csv"
    file.write_text("country,planning,company\nToyland,80,20\nElsewhere,10,90\n")
    return str(file)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ac.write_report("run"), "runs of write_report() is 'run'"),
        (lambda: ac.write_report([3]), "runs of write_report() is [3]"),
        (lambda: ac.Run.load(None), "directory of Run.load() is None"),
        (lambda: ac.evaluate(3, FakeModel()), "run of evaluate() is 3"),
        (lambda: ac.evaluate("run", "fake"), "model of evaluate() is 'fake'"),
        (
            lambda: ac.evaluate("run", FakeModel(), languages="ar"),
            "languages of evaluate() is 'ar'",
        ),
        (lambda: ac.examine("run", FakeModel(), "easy"), "exam of examine() is 'easy'"),
        (lambda: ac.run_experiment("smoke", "out"), "experiment of run_experiment() is 'smoke'"),
        (lambda: ac.load_experiment(3), "name_or_path of load_experiment() is 3"),
        (lambda: ac.load_instrument(None), "name_or_path of load_instrument() is None"),
        (lambda: ac.load_countries(TOY), "name_or_path of load_countries() is an Instrument"),
        (lambda: ac.load_model(None), "name of load_model() is None"),
        (
            lambda: ac.export_prompt("run", FakeModel(), "out"),
            "model of export_prompt() is a FakeModel",
        ),
        (lambda: ac.balanced_forms("toy", "tuning"), "instrument of balanced_forms() is 'toy'"),
        (lambda: ac.all_forms(TOY, "en"), "languages of all_forms() is 'en'"),
        (lambda: ac.Scoring("vsm13"), "instrument of Scoring() is 'vsm13'"),
        (lambda: ac.Scoring(TOY, "middle"), "anchor of Scoring() is 'middle'"),
        (lambda: ac.Scoring(TOY, {"planning": "x"}), "anchor of Scoring() is {'planning': 'x'}"),
        (lambda: ac.Scoring(TOY, aggregate="max"), "aggregate of Scoring() is 'max'"),
        (lambda: relate("run"), "directories of relate() is 'run'"),
    ],
)
def test_every_public_function_refuses_another_type(call: Any, message: str):
    with pytest.raises(UsageError) as caught:
        call()
    assert message in str(caught.value)
    assert (caught.value.hint or "").startswith("Pass ")


def answers(**changed: Any) -> Any:
    """The fake model's answers to forms and a text, changed."""
    query = Query(FORMS, texts=("a text",), valid_mass=True)
    return replace(FakeModel(4).ask(None, query), **changed), query


GOOD = answers()[0]


@pytest.mark.wrong_types
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"probabilities": GOOD.probabilities[:, :-1]},
            "probabilities as float64 of shape (1, 7, 5)",
        ),
        ({"probabilities": GOOD.probabilities[0]}, "not numbers of shape (1, 8, 5)"),
        ({"probabilities": None}, "probabilities as NoneType of shape ()"),
        ({"probabilities": GOOD.probabilities.astype(complex)}, "probabilities as complex128"),
        ({"probabilities": GOOD.probabilities * 2}, "probabilities that sum to 2, not 1"),
        ({"probabilities": -GOOD.probabilities}, "below 0 or infinite"),
        ({"probabilities": GOOD.probabilities + np.inf}, "below 0 or infinite"),
        (
            {"probabilities": np.where(np.arange(5) == 1, np.nan, GOOD.probabilities)},
            "some are NaN and others are not",
        ),
        ({"forms": FORMS[1:]}, "answers to other forms"),
        ({"valid_mass": None}, "valid_mass as NoneType"),
        ({"divergence": GOOD.divergence[:0]}, "divergence as float64 of shape (0,)"),
        ({"perplexity": None}, "perplexity as NoneType"),
    ],
)
def test_answers_of_a_plugged_in_model_are_checked(changed: dict[str, Any], message: str):
    wrong, query = answers(**changed)

    class Mine(FakeModel):
        def ask(self, prompts: Any, query: Query) -> Answers:
            return wrong

    with pytest.raises(FailureError) as caught:
        ask(Mine(4), None, query)
    assert str(caught.value).startswith("Mine.ask() gave ")
    assert message in str(caught.value)
    assert caught.value.hint


def test_broken_answers_are_no_fault_of_the_model():
    whole = np.where(np.arange(8)[:, None] == 2, np.nan, GOOD.probabilities)
    right, query = answers(probabilities=whole)

    class Mine(FakeModel):
        def ask(self, prompts: Any, query: Query) -> Answers:
            return right

    assert ask(Mine(4), None, query) is right


@pytest.mark.wrong_types
def test_what_else_a_plugged_in_model_gives_is_checked():
    class Mine(FakeModel):
        def ask(self, prompts: Any, query: Query) -> Any:
            return {"probabilities": []}

        def ask_with_gradient(self, prompts: Any, query: Query) -> Any:
            answers, _ = FakeModel(4).ask_with_gradient(prompts, query)
            return answers, lambda _: prompts[0]

        def provenance(self) -> dict[str, str]:
            return {"name": "mine"}

    prompts, query = np.zeros((1, 2, 4)), Query(FORMS)
    with pytest.raises(FailureError, match=r"Mine.ask\(\) gave a dict, not Answers"):
        ask(Mine(4), prompts, query)
    _, backward = ask_with_gradient(Mine(4), prompts, query)
    with pytest.raises(FailureError, match=r"a gradient of shape \(2, 4\), not \(1, 2, 4\)"):
        backward(None)  # type: ignore[arg-type]
    with pytest.raises(FailureError, match=r"Mine.provenance\(\) gave revision as None"):
        provenance(Mine(4))
    with pytest.raises(FailureError, match=r"Mine.reply\(\) gave 1 results for 2"):
        one_each(Mine(4), "reply", ("a", "b"), ("c",))
