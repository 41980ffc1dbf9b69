"""The soft prompt's file, and the first population of a search."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors.numpy import save_file

from acculturate.errors import FailureError, UsageError
from acculturate.model import (
    FakeModel,
    LanguageModel,
    Placement,
    Query,
    SoftPrompt,
    start_population,
)
from acculturate.survey import Form
from tiny_models import shared_model, tiny_network, tiny_tokenizer

SIZE, TOKENS = 6, 5


@pytest.fixture
def prompt() -> SoftPrompt:
    embeddings = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
    return SoftPrompt(embeddings, "after-bos", "fake")


@pytest.mark.parametrize("placement", ["front", "after-bos", "before-answer"])
def test_what_is_saved_is_loaded(tmp_path: Path, prompt: SoftPrompt, placement: Placement) -> None:
    path = tmp_path / "deep" / "prompt.safetensors"
    SoftPrompt(prompt.embeddings, placement, "org/name").save(path)
    loaded = SoftPrompt.load(path)
    assert loaded.embeddings.tobytes() == prompt.embeddings.tobytes()
    assert loaded.embeddings.dtype == np.float32
    assert (loaded.placement, loaded.model) == (placement, "org/name")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_same_prompt_gives_the_same_bytes(tmp_path: Path, prompt: SoftPrompt) -> None:
    files = [tmp_path / f"{k}.safetensors" for k in range(8)]
    for file in files:
        prompt.save(file)
    assert len({file.read_bytes() for file in files}) == 1


def test_saving_again_replaces_the_file(tmp_path: Path, prompt: SoftPrompt) -> None:
    path = tmp_path / "prompt.safetensors"
    prompt.save(str(path))
    SoftPrompt(prompt.embeddings.astype(np.float64)[::2] * 2, "front", "fake").save(path)
    assert SoftPrompt.load(path).embeddings.tolist() == (prompt.embeddings[::2] * 2).tolist()


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no soft prompt at") as caught:
        SoftPrompt.load(tmp_path / "none.safetensors")
    assert caught.value.hint is not None
    with pytest.raises(UsageError):
        SoftPrompt.load(tmp_path)


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_a_damaged_file_is_a_failure(tmp_path: Path, prompt: SoftPrompt, kept: int) -> None:
    path = tmp_path / "prompt.safetensors"
    prompt.save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FailureError, match=r"prompt\.safetensors is damaged"):
        SoftPrompt.load(path)


@pytest.mark.parametrize(
    ("tensors", "about"),
    [
        ({"prompt_embeddings": np.zeros((2, 3), np.float32)}, {}),
        ({"prompt_embeddings": np.zeros((2, 3), np.float32)}, {"placement": "behind"}),
        ({"prompt_embeddings": np.zeros(3, np.float32)}, {"placement": "front"}),
        ({"prompt_embeddings": np.zeros((0, 3), np.float32)}, {"placement": "front"}),
        ({"prompt_embeddings": np.zeros((2, 0), np.float32)}, {"placement": "front"}),
        ({"prompt_embeddings": np.zeros((2, 3), np.int32)}, {"placement": "front"}),
        ({"prompt_embeddings": np.zeros((2, 3), np.complex64)}, {"placement": "front"}),
        ({"weight": np.zeros((2, 3), np.float32)}, {"placement": "front"}),
    ],
)
def test_a_file_of_something_else_is_refused(
    tmp_path: Path, tensors: dict[str, np.ndarray], about: dict[str, str]
) -> None:
    path = tmp_path / "other.safetensors"
    save_file(tensors, path, metadata=about)
    with pytest.raises((UsageError, FailureError), match=r"other\.safetensors.* soft prompt"):
        SoftPrompt.load(path)


def test_a_file_in_bfloat16_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    tensors = {"prompt_embeddings": torch.zeros(2, 3, dtype=torch.bfloat16)}
    safetensors.torch.save_file(tensors, path, metadata={"placement": "front"})
    with pytest.raises(FailureError, match=r"half\.safetensors.* soft prompt"):
        SoftPrompt.load(path)


@pytest.mark.parametrize("entry", [np.nan, np.inf, -np.inf, 1e300])
def test_entries_that_are_not_finite_are_refused(tmp_path: Path, entry: float) -> None:
    path = tmp_path / "broken.safetensors"
    embeddings = np.ones((2, 16))
    embeddings[1, 3] = entry
    save_file({"prompt_embeddings": embeddings}, path, metadata={"placement": "front"})
    with pytest.raises(UsageError, match=r"broken\.safetensors holds entries that are not finite"):
        SoftPrompt.load(path)


def test_double_precision_and_a_path_as_text_are_read(tmp_path: Path) -> None:
    path = tmp_path / "double.safetensors"
    save_file({"prompt_embeddings": np.full((2, 3), 0.1)}, path, metadata={"placement": "front"})
    loaded = SoftPrompt.load(str(path))
    assert loaded.embeddings.dtype == np.float32
    assert loaded.embeddings.tolist() == np.full((2, 3), 0.1, np.float32).tolist()
    assert (loaded.model, loaded.model_hash) == ("", "")


def start(model: Any, **named: Any) -> np.ndarray:
    return start_population(model, SIZE, TOKENS, np.random.default_rng(3), **named)


@pytest.mark.parametrize("init", ["gaussian", "tokens", "text"])
def test_a_start_has_its_shape_and_is_repeatable(init: Any) -> None:
    for model in (FakeModel(), shared_model("llama")):
        first = start(model, init=init, text="A short survey")
        assert first.shape == (SIZE, TOKENS, model.hidden_size)
        assert first.dtype == np.float32
        assert np.isfinite(first).all()
        assert first.tobytes() == start(model, init=init, text="A short survey").tobytes()
        other = start_population(
            model, SIZE, TOKENS, np.random.default_rng(4), init=init, text="A short survey"
        )
        assert not np.array_equal(first, other)
        assert len(np.unique(first.reshape(SIZE, -1), axis=0)) == SIZE


@pytest.mark.parametrize("scale", [0.5, 1.0, 5.0])
def test_a_gaussian_start_has_the_embeddings_scale(scale: float) -> None:
    model = shared_model("gemma3")
    drawn = start_population(model, 50, 8, np.random.default_rng(0), scale=scale)
    assert drawn.std() == pytest.approx(scale * model.embedding_scale(), rel=0.02)
    assert drawn.mean() == pytest.approx(0, abs=0.02 * scale * model.embedding_scale())


@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_the_scale_is_that_of_the_layers_output(name: str) -> None:
    model = shared_model(name)
    everything = model.embed_ids(range(0, 400))
    assert model.embedding_scale() == pytest.approx(everything.std(), rel=0.1)


def test_a_start_at_tokens_without_noise_holds_real_tokens_only() -> None:
    model = shared_model("gemma3")
    ordinary = model.embed_ids([i for i in range(400) if i > 2])
    drawn = start(model, init="tokens", scale=0).reshape(-1, 32)
    known = {row.tobytes() for row in ordinary}
    assert all(row.tobytes() in known for row in drawn)
    assert len({row.tobytes() for row in drawn}) > SIZE


@pytest.fixture
def model_of_fewer_tokens() -> LanguageModel:
    """A model whose tokenizer has 400 tokens more than its embedding layer."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([f"<extra{i}>" for i in range(400)])
    return LanguageModel("small", None, tiny_network("llama"), tokenizer)


def test_random_tokens_are_drawn_below_the_size_of_the_embedding(
    model_of_fewer_tokens: LanguageModel,
) -> None:
    drawn = start_population(
        model_of_fewer_tokens, 50, 8, np.random.default_rng(0), init="tokens", scale=0
    )
    assert (
        drawn.tobytes()
        == start_population(
            shared_model("llama"), 50, 8, np.random.default_rng(0), init="tokens", scale=0
        ).tobytes()
    )


def test_texts_with_tokens_that_the_model_lacks_are_refused(
    model_of_fewer_tokens: LanguageModel, toy_forms: tuple[Form, ...]
) -> None:
    model = model_of_fewer_tokens
    form = replace(toy_forms[0], text="Do you like <extra7>?")
    for ask in (
        lambda: model.embed_text("<extra7>"),
        lambda: model.ask(None, Query((form,))),
        lambda: model.ask(None, Query(texts=("A text with <extra7>.",))),
        lambda: model.generate_answers((form,)),
    ):
        with pytest.raises(
            UsageError, match=r"'<extra7>' with the id \d+, and the model has"
        ) as caught:
            ask()
        assert caught.value.hint is not None
    assert model.ask(None, Query(toy_forms)).probabilities == pytest.approx(
        shared_model("llama").ask(None, Query(toy_forms)).probabilities
    )


def test_noise_around_tokens_has_the_scale_asked_for() -> None:
    model = shared_model("llama")
    quiet, loud = (start(model, init="tokens", scale=scale) for scale in (0, 2.0))
    assert (loud - quiet).std() == pytest.approx(2 * model.embedding_scale(), rel=0.1)


def test_a_start_at_a_text_repeats_or_cuts_it() -> None:
    model = shared_model("llama")
    short = model.embed_text("one")
    long = model.embed_text("Do you like to be alone among many people in a short survey?")
    assert len(short) < TOKENS < len(long)
    repeated = start(model, init="text", text="one")[0]
    assert repeated.tobytes() == np.resize(short, (TOKENS, 32)).tobytes()
    population = start(
        model, init="text", text="Do you like to be alone among many people in a short survey?"
    )
    assert population[0].tobytes() == long[:TOKENS].tobytes()
    assert (population[1:] - long[:TOKENS]).std() == pytest.approx(
        model.embedding_scale(), rel=0.15
    )


def test_an_embedded_text_has_no_special_tokens() -> None:
    model = shared_model("llama")
    ids = model.tokenizer("alone", add_special_tokens=False)["input_ids"]
    assert model.embed_text("alone").tobytes() == model.embed_ids(ids).tobytes()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": 0}, "population of 0 prompts"),
        ({"tokens": 0}, "prompts of 0 tokens"),
        ({"scale": -1.0}, "init scale of -1.0"),
        ({"scale": 0.0}, "init scale of 0.0"),
        ({"scale": float("nan")}, "init scale of nan"),
        ({"scale": float("inf")}, "init scale of inf"),
        ({"init": "text"}, "start at a text"),
        ({"init": "text", "text": "  "}, "start at a text"),
    ],
)
def test_a_bad_start_is_refused(changes: dict[str, Any], said: str) -> None:
    arguments = {"size": SIZE, "tokens": TOKENS, **changes}
    with pytest.raises(UsageError, match=said) as caught:
        start_population(FakeModel(), rng=np.random.default_rng(0), **arguments)
    assert caught.value.hint is not None
