"""Soft prompts over the wire: answers and searches as on the model itself."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from serving_apps import server, tiny_variants

import acculturate as ac
from acculturate.cli import main
from acculturate.errors import FailureError, UsageError
from acculturate.metrics.measure import measure
from acculturate.model import Exchange, LanguageModel, Query, SoftPrompt, load_model
from acculturate.model.remote.patience import Patience
from acculturate.model.remote.promptable import PromptableModel, coarse_divergence
from acculturate.serving import build_app
from acculturate.survey import Country, balanced_forms, load_instrument
from tiny_models import tiny_network

TOY = load_instrument("toy")
QUICK = Patience(attempts=3, first_wait=0.01)
TOYLAND = Country("Toyland", "toy-table", {"planning": 80.0, "company": 20.0}, None)
TEXTS = (
    "A short plain text for everybody to read.",
    Exchange("Why is it so?", "Because of the rain."),
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCULTURATE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def folder(tiny: LanguageModel, tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny")
    tiny.network.save_pretrained(path)
    tiny.tokenizer.save_pretrained(path)
    return path


def remote(address, folder) -> PromptableModel:
    model = load_model(
        f"openai:{address}/v1#tiny", embeddings=str(folder), dtype="float32", patience=QUICK
    )
    assert isinstance(model, PromptableModel)
    return model


def test_embeddings_are_those_of_the_whole_model(tiny, address, folder):
    model = remote(address, folder)
    assert model.hidden_size == tiny.hidden_size
    assert np.array_equal(model.embed_text("How often?"), tiny.embed_text("How often?"))
    assert model.provenance()["dtype"] == "float32"
    drawn = [m.embed_random_tokens(3, np.random.default_rng(0)) for m in (model, tiny)]
    assert np.array_equal(*drawn) and model.embedding_scale() == tiny.embedding_scale()


@pytest.mark.parametrize("placement", ["front", "after-bos", "before-answer"])
@pytest.mark.parametrize("labels", ["digits", "words"])
def test_a_population_answers_as_it_does_here(tiny, address, folder, labels, placement):
    forms = balanced_forms(TOY, "tuning", 4, labels=labels)
    prompts = np.random.default_rng(0).normal(size=(2, 3, 32)).astype(np.float32)
    query = Query(
        forms, TEXTS, placement, valid_mass=labels == "digits", read_every=2, calibrated=False
    )
    model = remote(address, folder)
    for given in (prompts, None):
        here, there = tiny.ask(given, query), model.ask(given, query)
        for name in ("probabilities", "valid_mass", "divergence", "perplexity"):
            one, other = getattr(here, name), getattr(there, name)
            assert (one is None) == (other is None)
            assert one is None or other == pytest.approx(one, abs=1e-4, rel=1e-4), name


def test_texts_are_read_and_written_as_here(tiny, address, folder):
    model = remote(address, folder)
    prompt = np.random.default_rng(1).normal(size=(3, 32)).astype(np.float32)
    for given in (None, prompt):
        for here, there in zip(
            tiny.read_texts(TEXTS, given), model.read_texts(TEXTS, given), strict=True
        ):
            assert there.surprise == pytest.approx(here.surprise, abs=1e-4)
            assert there.divergence == pytest.approx(here.divergence, abs=1e-4)
    soft = SoftPrompt(prompt, "after-bos", "tiny")
    forms = balanced_forms(TOY, "tuning", 8, labels="digits")
    assert model.reply(["Why?"], soft, max_tokens=8) == tiny.reply(["Why?"], soft, max_tokens=8)
    assert model.continue_text("How", soft, max_tokens=8) == tiny.continue_text(
        "How", soft, max_tokens=8
    )
    assert model.generate_answers(forms, soft) == tiny.generate_answers(forms, soft)


def test_what_is_written_has_the_line_that_the_prompt_was_tuned_with(tiny, address, folder):
    model, forms = remote(address, folder), balanced_forms(TOY, "tuning", 4)
    embeddings = np.random.default_rng(1).normal(size=(3, 32)).astype(np.float32)
    prompt = SoftPrompt(embeddings, "after-bos", "tiny", line="Be tall. Be very tall.")
    here, there = (m.generate_answers(forms, prompt) for m in (tiny, model))
    assert [text.strip() for text in there] == [text.strip() for text in here]
    questions = ["Why?", "How often do you plan your day?"]
    told = tiny.reply(questions, prompt, max_tokens=8)
    assert model.reply(questions, prompt, max_tokens=8) == told
    assert told != tiny.reply(questions, replace(prompt, line=""), max_tokens=8)


def test_a_server_without_echo_is_asked_place_by_place(tiny, address, folder):
    model = remote(address, folder)
    model._echoes, model._likeliest = False, 1000
    query = Query((), TEXTS[:1])
    prompts = np.random.default_rng(0).normal(size=(1, 3, 32)).astype(np.float32)
    here, there = tiny.ask(prompts, query), model.ask(prompts, query)
    assert there.divergence == pytest.approx(here.divergence, abs=1e-4)
    assert there.perplexity == pytest.approx(here.perplexity, rel=1e-4)


def test_a_profile_is_the_same(tiny, address, folder):
    forms = balanced_forms(TOY, "tuning", 8, labels="digits")
    here, there = (
        measure(tiny, TOY, forms=forms),
        measure(remote(address, folder), TOY, forms=forms),
    )
    for key, score in here.scores.items():
        assert there.scores[key] == pytest.approx(score, abs=1e-3)
    assert there.valid_mass == pytest.approx(here.valid_mass, abs=1e-3)


def history(run):
    lines = (run / "history.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["de/rand/1", "l-shade"])
def test_a_search_over_the_wire_is_the_search_here(tiny, address, folder, tmp_path, optimizer):
    settings = {
        "budget": 60, "tokens": 2, "labels": "digits", "forms": 8, "guard": "sentences", "max_divergence": 1.0,
    }  # fmt: skip
    runs = [tmp_path / "here", tmp_path / "there"]
    for model, out in zip((tiny, remote(address, folder)), runs, strict=True):
        ac.tune(model, TOY, TOYLAND, out=out, optimizer=optimizer, **settings)
    here, there = map(history, runs)
    assert len(here) == len(there) > 1
    for one, other in zip(here, there, strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            if isinstance(value, float):
                assert other[key] == pytest.approx(value, rel=1e-3, abs=1e-3) or "seconds" in key, (
                    key
                )


def test_embeddings_of_another_model_are_refused(address, folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "config.json").write_text(json.dumps(config | {"hidden_size": 16, "head_dim": 4}))
    with pytest.raises(ac.errors.AcculturateError):
        remote(address, other)
    network = tiny_network("llama")
    with torch.no_grad():
        network.get_input_embeddings().weight.mul_(-1)
    network.save_pretrained(folder_of_others := shutil.copytree(folder, tmp_path / "others"))
    with pytest.raises(UsageError, match=r"are not those of openai:.* lies elsewhere"):
        remote(address, folder_of_others)
    with pytest.raises(UsageError, match="its own embeddings"):
        load_model("embedded", embeddings=str(folder))


def test_a_server_that_is_gone_is_not_taken_for_one_without_embeddings(tiny, folder):
    with server(build_app(tiny, tiny_variants(tiny))) as address:
        remote(address, folder)
    with pytest.raises(FailureError, match="cannot be reached") as caught:
        remote(address, folder)
    assert "Start the server" in (caught.value.hint or "")


def test_coarse_divergence_is_at_most_the_whole_one():
    rng = np.random.default_rng(0)
    p, q = (rng.dirichlet(np.ones(20)) for _ in range(2))
    whole = float((p * np.log(p / q)).sum())
    logs = [dict(enumerate(np.log(side))) for side in (p, q)]
    assert coarse_divergence(*logs) == pytest.approx(whole)
    top = [dict(sorted(side.items(), key=lambda pair: -pair[1])[:8]) for side in logs]
    assert 0 <= coarse_divergence(*top) <= whole
    broad = np.log([0.6, *[0.01] * 19])
    sure = np.log([1 - 5e-5, *[2e-6] * 19])
    assert coarse_divergence(dict(enumerate(broad)), dict(enumerate(sure))) > 2
    assert coarse_divergence(logs[0], logs[0]) == 0 and math.isfinite(
        coarse_divergence({1: -1.0}, {2: -1.0})
    )


@pytest.mark.slow
def test_an_experiment_and_an_evaluation_from_the_command_line(
    address, folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.csv").write_text("country,planning,company\nToyland,80,20\n")
    model = f'{{ name = "openai:{address}/v1#tiny", embeddings = "{folder}", dtype = "float32" }}'
    (tmp_path / "wire.toml").write_text(
        f'model = {model}\ninstrument = "toy"\ntables = ["toy.csv"]\ncountries = ["Toyland"]\n'
        'seeds = [0]\nbudget = 12\n[settings]\ntokens = 2\nlabels = "digits"\nguard = "sentences"\n'
        "[methods]\nnaive = {}\npersona = {}\nin-context = {}\nl-shade = { population = 6 }\n"
    )

    def command(*given: str) -> int:
        with pytest.raises(SystemExit) as end:
            main(given)
        return int(end.value.code or 0)

    assert command("experiment", "wire.toml", "--out", "out") == 0, capsys.readouterr().err
    (run,) = (tmp_path / "out/cells").rglob("l-shade*/seed-0")
    assert json.loads((run / "provenance.json").read_text())["model"]["dtype"] == "float32"
    asked = ("evaluate", str(run), "--table", "toy.csv", "--languages", "none")
    assert command(*asked) == 2 and "--embeddings" in capsys.readouterr().err
    assert command(*asked, "--embeddings", str(folder)) == 0, capsys.readouterr().err
    assert (run / "evaluation/held_out.json").exists()
