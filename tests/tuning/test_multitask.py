"""Countries tuned together share a prompt; each gets a plain one, and a new one is tuned by its part alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuning_runs import (
    BY_DIGITS,
    HIDDEN,
    TOKENS,
    TOY,
    TOYLAND,
    Interrupter,
    Mortal,
    contents,
    kills_until_done,
    optimizer,
    read_history,
)

from acculturate.errors import FailureError, UsageError
from acculturate.model import FakeModel, SoftPrompt
from acculturate.runs import CONTENT, MULTITASK, Run, load_multitask
from acculturate.search import LSHADE, NewTask, SharedPrompt, Together
from acculturate.survey import Country, load_countries, load_instrument
from acculturate.tuning import Objective, Settings, make_task, tune, tune_together
from tiny_models import tiny_model

SHARINGS = ("product", "sum")
COUNTRIES = (
    TOYLAND,
    Country("Elsewhere", "toy-table", {"planning": 20.0, "company": 70.0}, None),
    Country("Nowhere", "toy-table", {"planning": 50.0, "company": 90.0}, None),
)
NEW = Country("Newland", "toy-table", {"planning": 70.0, "company": 60.0}, None)
BUDGET = 120


def together(out: Path, model: Any = None, countries: Any = COUNTRIES, **settings: Any) -> Any:
    chosen: dict[str, Any] = {"tokens": TOKENS, "budget": BUDGET, "out": out}
    chosen |= {"divergence_weight": 0.0} | settings
    return tune_together(model or FakeModel(HIDDEN), TOY, countries, **chosen)


def shared(sharing: Any = "product", tasks: int = 3) -> SharedPrompt:
    rng = np.random.default_rng(0)
    cols, rows = rng.normal(size=(tasks, TOKENS)), rng.normal(size=(tasks, HIDDEN))
    return SharedPrompt(rng.normal(size=(TOKENS, HIDDEN)), cols, rows, sharing)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together") / "shared"
    together(folder)
    return folder


@pytest.mark.parametrize("sharing", SHARINGS)
def test_at_the_start_every_country_has_the_shared_prompt(sharing: Any):
    start = np.random.default_rng(1).normal(size=(TOKENS, HIDDEN))
    space = Together(start, 3, sharing)
    for prompt in space.parts(np.zeros(space.width)).prompts:
        np.testing.assert_array_equal(prompt, start)
    assert space.width == start.size + 3 * (TOKENS + HIDDEN)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_the_gradient_is_that_of_the_mean_of_the_countries(sharing: Any):
    rng = np.random.default_rng(2)
    space = Together(rng.normal(size=(TOKENS, HIDDEN)) * 3, 3, sharing)
    weights, x = rng.normal(size=(3, TOKENS, HIDDEN)), rng.normal(size=space.width)

    def mean(vector: np.ndarray) -> float:
        return float((weights * space.parts(vector).prompts).sum(axis=(1, 2)).mean())

    steps = 1e-6 * np.eye(space.width)
    expected = [(mean(x + step) - mean(x - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(space.backward(x, weights), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_new_country_starts_from_the_mean_part_and_is_searched_with_few_numbers(sharing: Any):
    known = shared(sharing)
    space = NewTask(known, 1.0)
    first = space.first(2000, np.random.default_rng(0))
    assert space.width == TOKENS + HIDDEN
    part = known.cols.mean(axis=0)[:, None] * known.rows.mean(axis=0)
    base = known.shared * part if sharing == "product" else known.shared + part
    np.testing.assert_allclose(space.prompts(first)[0], base, rtol=1e-5)
    rng = np.random.default_rng(3)
    x, weights = rng.normal(size=(2, space.width)), rng.normal(size=(2, TOKENS, HIDDEN))

    def value(vectors: np.ndarray) -> np.ndarray:
        prompts = space._prompts(vectors)  # in float64
        return (weights * prompts).sum(axis=(1, 2))

    slopes = [(value(x + step) - value(x - step)) / 2e-6 for step in 1e-6 * np.eye(space.width)]
    np.testing.assert_allclose(space.backward(x, weights), np.array(slopes).T, rtol=1e-4, atol=1e-6)


def test_the_gradient_through_a_language_model():
    """Along the gradient the countries' mean loss rises as fast as it says."""
    model = tiny_model("llama")
    settings = Settings(**BY_DIGITS, tokens=3, forms=8)
    made = [Objective(model, make_task(TOY, c, settings), ("gradient",)) for c in COUNTRIES]
    start = model.embed_random_tokens(3, np.random.default_rng(0))
    space = Together(start, 3, "product")
    x = np.random.default_rng(1).normal(size=space.width) * 0.1

    def evaluate(vector: np.ndarray) -> list[Any]:
        prompts = space.parts(vector).prompts[:, None].astype(np.float32)
        rng = np.random.default_rng(0)
        return [m.evaluate(p, rng) for m, p in zip(made, prompts, strict=True)]

    gradient = space.backward(x, np.concatenate([e.gradient for e in evaluate(x)]))
    direction = gradient / np.linalg.norm(gradient)
    ahead, behind = (
        np.mean([e.objective[0] for e in evaluate(x + sign * 3e-3 * direction)]) for sign in (1, -1)
    )
    assert (ahead - behind) / 6e-3 == pytest.approx(np.linalg.norm(gradient), rel=0.02)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_every_country_is_a_plain_run(sharing: Any, tmp_path):
    model = FakeModel(HIDDEN)
    runs = together(tmp_path / "s", model, together=sharing)
    known = load_multitask(tmp_path / "s")
    assert known.names == tuple(country.name for country in COUNTRIES)
    assert (known.parts.sharing, known.model_hash) == (sharing, model.model_hash())
    for run, country, prompt in zip(runs, COUNTRIES, known.prompts, strict=True):
        assert run.directory == tmp_path / "s" / country.name.lower()
        np.testing.assert_allclose(run.soft_prompt.embeddings, prompt.embeddings, atol=1e-5)
        assert run.soft_prompt.model_hash == model.model_hash()
        assert run.outcome.evaluations == BUDGET
        assert run.summary.target.country == country.name
        assert f'together = "{sharing}"' in (run.directory / "config.toml").read_text()
        assert not (run.directory / "state.npz").exists()
    lines = [read_history(run.directory) for run in runs]
    first, last = (sum(line[at]["best_objective"] for line in lines) for at in (0, -1))
    assert last < 0.8 * first
    prompts = [run.soft_prompt.embeddings for run in runs]
    assert np.abs(prompts[0] - prompts[1]).max() > 0.1


def test_each_country_is_evaluated_as_if_it_was_alone(tmp_path):
    """The last line of a country's history is the evaluation of its prompt by itself."""
    runs = together(tmp_path / "s", sample=False)
    for run, country in zip(runs, COUNTRIES, strict=True):
        settings = Settings(tokens=TOKENS, budget=BUDGET, sample=False)
        task = make_task(TOY, country, settings.resolved(optimizer("adam")))
        alone = Objective(FakeModel(HIDDEN), task).evaluate(
            run.soft_prompt.embeddings[None], np.random.default_rng(0)
        )
        loss = task.scoring.loss(alone.scores, task.scores)[0]
        assert run.summary.method("tuned").tuning.loss == pytest.approx(loss, abs=1e-9)


def shown(folder: Path) -> dict[str, Any]:
    """All that countries which were tuned together left, wall times aside."""
    found: dict[str, Any] = {MULTITASK: (folder / MULTITASK).read_bytes()}
    for country in COUNTRIES:
        run = folder / country.name.lower()
        (run / "state.npz").write_bytes((folder / "state.npz").read_bytes())
        found[country.name] = contents(run)
        (run / "state.npz").unlink()
        del found[country.name]["state"]
    return found


def test_stopped_and_resumed_it_is_the_same(tmp_path, tuned: Path):
    interrupter, stops = Interrupter(3), 0
    while True:
        try:
            together(tmp_path / "s", resume=True, on_generation=interrupter)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops > 3
    assert shown(tmp_path / "s") == shown(tuned)
    together(tmp_path / "s", resume=True)  # finished: nothing is asked


def test_given_more_budget_it_goes_on(tmp_path):
    for name in ("whole", "stopped"):
        together(tmp_path / name, budget=60)
    runs = together(tmp_path / "whole", budget=90, resume=True)
    assert [run.outcome.earlier_budgets for run in runs] == [(60,)] * len(COUNTRIES)
    assert [run.outcome.evaluations for run in runs] == [90] * len(COUNTRIES)
    for run in runs:
        assert (run.directory / "evaluation-60/summary.json").is_file()
    interrupter = Interrupter(2)
    while True:
        try:
            together(tmp_path / "stopped", budget=90, resume=True, on_generation=interrupter)
            break
        except KeyboardInterrupt:
            pass
    assert shown(tmp_path / "stopped") == shown(tmp_path / "whole")
    with pytest.raises(UsageError, match="has a budget of 90, and 60 is less"):
        together(tmp_path / "whole", budget=60, resume=True)


@pytest.mark.slow
def test_killed_at_any_call_it_is_the_same(tmp_path, tuned: Path):
    def go_on() -> None:
        together(tmp_path / "s", Mortal(61), resume=True)

    assert kills_until_done(go_on, fewer_than=40) > 3
    assert shown(tmp_path / "s") == shown(tuned)


@pytest.mark.parametrize("name", ["adam", "l-shade"])
def test_a_new_country_beside_them(name: str, tmp_path, tuned: Path):
    space = f"multitask:{tuned}"

    def tuning(out: str, **more: Any) -> Run:
        chosen = optimizer("adam") if name == "adam" else LSHADE(120, 10)
        settings = {"optimizer": chosen, "budget": 120, "tokens": TOKENS, "space": space, **more}
        return tune(FakeModel(HIDDEN), TOY, NEW, out=tmp_path / out, **settings)

    run = tuning("run")
    assert run.outcome.best_loss < run.outcome.naive_loss
    interrupter = Interrupter(4)
    while True:
        try:
            again = tuning("again", resume=True, on_generation=interrupter)
            break
        except KeyboardInterrupt:
            continue
    np.testing.assert_array_equal(run.soft_prompt.embeddings, again.soft_prompt.embeddings)
    # P times a rank-one part: of all ratios to P only tokens + hidden - 1 are free.
    ratios = run.soft_prompt.embeddings / load_multitask(tuned).parts.shared
    assert np.linalg.matrix_rank(ratios, tol=1e-3) == 1


def test_countries_that_were_tuned_on_meanwhile_share_something_else(tmp_path, tuned: Path):
    together(tmp_path / "s", budget=30)
    given: dict[str, Any] = {
        "budget": 120,
        "tokens": TOKENS,
        "space": f"multitask:{tmp_path / 's'}",
    }

    def tuning(**more: Any) -> Run:
        chosen = LSHADE(120, 10)
        return tune(
            FakeModel(HIDDEN), TOY, NEW, out=tmp_path / "n", optimizer=chosen, **given, **more
        )

    with pytest.raises(KeyboardInterrupt):
        tuning(on_generation=Interrupter(2))
    before = (tmp_path / "n" / "state.npz").read_bytes()
    together(tmp_path / "s", budget=60, resume=True)
    with pytest.raises(UsageError, match="s has changed since") as caught:
        tuning(resume=True)
    assert caught.value.hint
    assert (tmp_path / "n" / "state.npz").read_bytes() == before


def test_a_start_of_all_countries_that_has_changed_is_another_one(tmp_path):
    start = tmp_path / "start.safetensors"
    prompt = SoftPrompt(np.ones((TOKENS, HIDDEN), np.float32), "after-bos", "fake")
    given = {"init": "run", "init_run": str(start), "any_model": True, "budget": 30}
    prompt.save(start)
    with pytest.raises(KeyboardInterrupt):
        together(tmp_path / "s", on_generation=Interrupter(2), **given)
    replace(prompt, embeddings=prompt.embeddings * 2).save(start)
    with pytest.raises(UsageError, match=f"{start} has changed since"):
        together(tmp_path / "s", resume=True, **given)
    prompt.save(start)
    assert together(tmp_path / "s", resume=True, **given)[0].outcome.evaluations == 30


def test_the_model_is_not_touched(tmp_path):
    model = tiny_model("llama")
    before = model.weights_hash()
    settings: dict[str, Any] = {"tokens": 2, "budget": 6, "guard": "sentences"}
    tune_together(model, TOY, COUNTRIES[:2], out=tmp_path / "s", **BY_DIGITS, **settings)
    assert model.weights_hash() == before


def refused(match: str, out: Path, **settings: Any) -> None:
    with pytest.raises(UsageError, match=match) as caught:
        together(out, **settings)
    assert caught.value.hint
    assert not out.exists() or not [*out.glob("*/config.toml")]


def test_what_cannot_be_tuned_together(tmp_path, tuned: Path):
    out = tmp_path / "s"
    lacking = replace(COUNTRIES[1], scores={"other": 20.0})
    refused("Elsewhere has no planning, company", out, countries=(TOYLAND, lacking))
    of_another = load_countries("hofstede-insights")["China"]
    refused("China has no", out, countries=(TOYLAND, of_another))
    refused("1 different countries", out, countries=(TOYLAND,))
    refused("1 different countries", out, countries=(TOYLAND, TOYLAND))
    refused("0 different countries", out, countries=())
    refused("one descent in the full space", out, space="mixture:2")
    refused("one descent in the full space", out, stall=5)
    with pytest.raises(UsageError, match="already holds this multitask tuning"):
        together(tuned)
    with pytest.raises(UsageError, match="alone is not tuned together"):
        tune(FakeModel(HIDDEN), TOY, TOYLAND, out=out, together="product")
    with pytest.raises(UsageError, match="holds another multitask tuning"):
        together(tuned, resume=True, seed=1)
    with pytest.raises(FailureError, match="state of the run"):
        (out / "x").mkdir(parents=True)
        (out / "x").rmdir()
        with pytest.raises(KeyboardInterrupt):
            together(out, on_generation=Interrupter(2))
        (out / "state.npz").write_bytes(b"x")
        together(out, resume=True)


def test_what_a_new_country_cannot_be_tuned_with(tmp_path, tuned: Path):
    def fails(match: str, folder: Path = tuned, kind: Any = UsageError, **settings: Any) -> None:
        chosen: dict[str, Any] = {"tokens": TOKENS, "space": f"multitask:{folder}", **settings}
        model = chosen.pop("model", FakeModel(HIDDEN))
        with pytest.raises(kind, match=match) as caught:
            tune(model, TOY, NEW, out=tmp_path / "new", **chosen)
        assert caught.value.hint

    fails("no countries were tuned together", tmp_path)
    fails("share 2 tokens at 'after-bos'", tokens=3)
    fails("share 2 tokens at 'after-bos'", placement="front")
    fails("has other weights", model=FakeModel(HIDDEN, seed=1))
    fails("starts from what the countries", init="text", init_text="x")
    fails("lacks a fitting number", Path(), space="multitask:")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / MULTITASK).write_bytes(b"x")
    fails("damaged or of another version", damaged, kind=FailureError)


def test_the_instrument_of_countries_decides(tmp_path):
    """A country whose scores are another survey's is refused before anything is asked."""
    vsm, china = load_instrument("vsm13"), load_countries("hofstede-insights")["China"]
    with pytest.raises(UsageError, match="Toyland has no"):
        tune_together(FakeModel(HIDDEN), vsm, [china, TOYLAND], out=tmp_path / "s", tokens=2)


def test_a_plain_prompt_of_one(tuned: Path):
    prompt = SoftPrompt.load(tuned / "toyland" / "best.safetensors")
    assert prompt.embeddings.shape == (TOKENS, HIDDEN)


def test_content_is_told_before_the_search_and_no_sharing_is_the_default(tmp_path):
    known: list[bool] = []

    def look(_: Any) -> None:
        known.append((tmp_path / "toyland" / CONTENT).is_file())

    together(tmp_path, together=None, on_generation=look)
    assert known[0]
    assert load_multitask(tmp_path).parts.sharing == "product"
