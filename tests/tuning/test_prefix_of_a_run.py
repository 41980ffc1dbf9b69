"""A prefix is tuned, kept, resumed, evaluated and exported as a soft prompt is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuning_runs import TOY, TOYLAND, contents, same, tune_interrupted

from acculturate.errors import UsageError
from acculturate.evaluation.evaluate import evaluate
from acculturate.export import export_prompt
from acculturate.model import FakeModel, Query, SoftPrompt, ask
from acculturate.runs import Run
from acculturate.search import Adam
from acculturate.survey import CountryTable
from acculturate.tuning import Settings, in_context_line, make_task, start_search, tune
from tiny_models import tiny_model

SETTINGS: dict[str, Any] = {"placement": "prefix", "tokens": 4, "budget": 12, "guard": "sentences"}


def tuned(out: Path, **more: Any) -> Run:
    return tune(tiny_model("gemma3"), TOY, TOYLAND, out=out, **SETTINGS | more)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tuned(tmp_path_factory.mktemp("prefix") / "run")


def test_it_begins_as_the_words_and_moves(run: Run):
    model = tiny_model("gemma3")
    words = model.embed_text(in_context_line(TOYLAND, TOY.dimensions))[:4]
    start = model.prefix_of(words[None])[0]
    prompt = run.soft_prompt
    assert prompt.placement == "prefix" and prompt.embeddings.shape == (4, model.prefix_width())
    assert 0 < np.abs(prompt.embeddings - start).max() < np.abs(start).max()
    task = make_task(TOY, TOYLAND, Settings(**SETTINGS).resolved(Adam(12)))
    space, first = start_search(model, task, 1, np.random.default_rng(0))
    assert np.array_equal(first, np.zeros((1, start.size)))
    forms = task.measured
    ours = ask(model, space.prompts(first), Query(forms, placement="prefix"))
    front = ask(model, words[None], Query(forms, placement="after-bos"))
    np.testing.assert_allclose(ours.probabilities, front.probabilities, atol=1e-5)


def test_interrupted_it_goes_on(run: Run, tmp_path: Path):
    again, interruptions = tune_interrupted(lambda **more: tuned(tmp_path / "run", **more))
    assert interruptions > 1
    same(again.directory, contents(run.directory))


def test_it_is_evaluated_and_exported(run: Run, tmp_path: Path):
    model = tiny_model("gemma3")
    table = CountryTable(
        TOYLAND.table, "Toys", "a test", "none", ("planning", "company"), (TOYLAND,)
    )
    evaluate(run, model, instrument=TOY, table=table)
    assert (run.directory / "evaluation" / "held_out.json").is_file()
    config = (
        export_prompt(run.directory, model, tmp_path / "a") / "adapter_config.json"
    ).read_text()
    assert "PREFIX_TUNING" in config


def test_a_single_token_is_tuned_in_the_unit_of_its_entries(tmp_path: Path):
    run = tuned(tmp_path, tokens=1)
    start = Settings(**SETTINGS | {"tokens": 1}).resolved(Adam(12))
    model = tiny_model("gemma3")
    space, first = start_search(model, make_task(TOY, TOYLAND, start), 1, np.random.default_rng(0))
    begin = space.prompts(first)[0]
    moved = run.soft_prompt.embeddings - begin
    assert moved.shape == (1, model.prefix_width())
    assert 0 < np.abs(moved).max() < 3 * begin.std()


def test_what_cannot_be_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="fake takes no prefix"):
        tune(FakeModel(), TOY, TOYLAND, out=tmp_path / "a", placement="prefix")
    for more in ({"optimizer": "de", "budget": 40}, {"space": "mixture:2"}):
        with pytest.raises(UsageError, match="too many numbers"):
            tuned(tmp_path / "b", **more)
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_a_prefix_is_no_start_for_embeddings(tmp_path):
    model = tiny_model("llama")
    keys = np.zeros((2, model.prefix_width()), np.float32)
    SoftPrompt(keys, "prefix", model.name).save(tmp_path / "prefix.safetensors")
    with pytest.raises(UsageError, match="holds keys and values") as caught:
        begin = Settings(
            **SETTINGS | {"init": "run", "init_run": str(tmp_path / "prefix.safetensors")}
        )
        task = make_task(TOY, TOYLAND, begin.resolved(Adam(12)))
        start_search(model, task, 1, np.random.default_rng(0))
    assert caught.value.hint
