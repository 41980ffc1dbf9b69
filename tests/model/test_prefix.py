"""A prefix: keys and values of its own in every layer, the same for candidates and forms together and alone."""

import numpy as np
import pytest
import torch
import transformers

from acculturate.errors import UsageError
from acculturate.model import (
    Cotangent,
    FakeModel,
    LanguageModel,
    PrefixedModel,
    Query,
    SoftPrompt,
    width_of,
)
from acculturate.survey import all_forms, load_instrument
from tiny_models import (
    ARCHITECTURES,
    CHAT_TEMPLATE,
    draw_weights,
    tiny_model,
    tiny_network,
    tiny_tokenizer,
)

TOY = load_instrument("toy")
FORMS = all_forms(TOY, labels="words")[::7]
TEXTS = ("We plan a day among many people.", "Always alone, and rarely a number.")
TOKENS = 3


def words(model: LanguageModel, count: int = 2) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(count, TOKENS, model.hidden_size))
    return (noise * model.embedding_scale()).astype(np.float32)


def asked(placement: str = "prefix", forms=FORMS, texts=TEXTS) -> Query:
    return Query(forms, texts=texts, placement=placement, valid_mass=True)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_keys_and_values_of_words_are_the_words_in_front(name: str):
    model = tiny_model(name)
    prefixes = model.prefix_of(words(model))
    assert prefixes.shape == (2, TOKENS, model.prefix_width())
    front, prefix = model.ask(words(model), asked("after-bos")), model.ask(prefixes, asked())
    for part in ("probabilities", "valid_mass"):
        np.testing.assert_allclose(getattr(prefix, part), getattr(front, part), atol=1e-5)
    # Behind a prefix nothing says what the first token is.
    read = model.read_texts(TEXTS, words(model)[0], placement="after-bos")
    for ours, theirs in zip(
        model.read_texts(TEXTS, prefixes[0], placement="prefix"), read, strict=True
    ):
        np.testing.assert_allclose(ours.divergence, theirs.divergence[1:], atol=1e-5)
        np.testing.assert_allclose(ours.surprise, theirs.surprise[1:], atol=1e-5)
    whole = np.concatenate([reading.divergence[1:] for reading in read]).mean()
    np.testing.assert_allclose(prefix.divergence[0], whole, atol=1e-5)
    assert model.read_texts(["a"], prefixes[0], placement="prefix")[0].divergence.size == 0


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
def test_together_is_alone_and_nothing_stays(name: str):
    model = tiny_model(name)
    weights, before = model.weights_hash(), model.ask(None, asked()).probabilities
    prefixes = model.prefix_of(words(model)) * 1.5
    together = model.ask(prefixes, asked())
    for row, prefix in enumerate(prefixes):
        for index, form in enumerate(FORMS):
            alone = model.ask(prefix[None], asked(forms=[form], texts=()))
            options = len(form.options)
            np.testing.assert_allclose(
                together.probabilities[row, index, :options],
                alone.probabilities[0, 0, :options],
                atol=1e-5,
            )
        read = [model.ask(prefix[None], asked(forms=(), texts=[text])).divergence for text in TEXTS]
        np.testing.assert_allclose(
            model.read_texts(TEXTS, prefix, placement="prefix")[0].divergence.mean(),
            read[0],
            atol=1e-5,
        )
    assert np.abs(together.probabilities[0] - before[0]).max() > 0.01
    assert model.weights_hash() == weights
    assert not any(
        part._forward_hooks or part._forward_pre_hooks for part in model.network.modules()
    )
    fresh = tiny_model(name)
    np.testing.assert_array_equal(fresh.ask(None, asked()).probabilities, before)
    np.testing.assert_array_equal(
        model.ask(words(model), asked("front")).probabilities,
        fresh.ask(words(model), asked("front")).probabilities,
    )


@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_the_gradient_is_the_slope(name: str):
    model = tiny_model(name)
    prefix = model.prefix_of(words(model, 1))
    rng = np.random.default_rng(1)
    weight = rng.normal(size=model.ask(prefix, asked()).probabilities.shape)

    def value(x: np.ndarray) -> float:
        answers = model.ask(x.astype(np.float32), asked())
        return float((answers.probabilities * weight).sum() + 3 * answers.divergence[0])

    _, backward = model.ask_with_gradient(prefix, asked())
    gradient = backward(Cotangent(weight, divergence=np.array([3.0])))
    assert gradient.shape == prefix.shape
    way = rng.normal(size=prefix.shape)
    slope = (value(prefix + 1e-2 * way) - value(prefix - 1e-2 * way)) / 2e-2
    np.testing.assert_allclose((gradient * way).sum(), slope, rtol=0.02)
    assert np.abs(gradient).max(axis=(0, 1)).min() >= 0
    # Every layer's keys and values are felt.
    parts = np.abs(gradient[0].reshape(TOKENS, 4, -1)).max(axis=(0, 2))
    assert (parts > 0).all()


@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_texts_are_written_behind_it_as_behind_the_words(name: str):
    model = tiny_model(name)
    embeddings = words(model, 1)
    front = SoftPrompt(embeddings[0], "after-bos", name)
    prefix = SoftPrompt(model.prefix_of(embeddings)[0].astype(np.float32), "prefix", name)
    text = TEXTS[0]
    assert model.continue_text(text, prefix) == model.continue_text(text, front)
    assert model.reply(TEXTS, prefix) == model.reply(TEXTS, front)
    drawn = [model.reply(TEXTS, prompt, seed=1) for prompt in (prefix, front, None)]
    assert drawn[0] == drawn[1] != drawn[2]
    digits = all_forms(TOY, labels="digits")[:3]
    assert model.generate_answers(digits, prefix) == model.generate_answers(digits, front)


def test_behind_a_prefix_alone_nothing_is_written():
    model = tiny_model("llama")
    prefix = SoftPrompt(model.prefix_of(words(model, 1))[0].astype(np.float32), "prefix", "llama")
    with pytest.raises(UsageError, match="no text follows it") as caught:
        model.continue_text("", prefix)
    assert caught.value.hint


def test_it_stands_behind_the_first_token_of_a_chat_too():
    model = LanguageModel(
        "chat", None, tiny_network("llama"), tiny_tokenizer(chat_template=CHAT_TEMPLATE)
    )
    front = model.ask(words(model), asked("after-bos"))
    np.testing.assert_allclose(
        model.ask(model.prefix_of(words(model)), asked()).probabilities,
        front.probabilities,
        atol=1e-5,
    )


def test_a_model_without_attention_takes_none():
    config = transformers.MambaConfig(
        vocab_size=len(tiny_tokenizer()), hidden_size=32, state_size=4, num_hidden_layers=2
    )
    network = transformers.MambaForCausalLM(config).float()
    draw_weights(network)
    model = LanguageModel("tiny-mamba", None, network, tiny_tokenizer())
    with pytest.warns(UserWarning, match="one by one"), pytest.raises(UsageError) as caught:
        width_of(model, "prefix")
    assert "MambaForCausalLM takes no prefix" in str(caught.value)
    assert caught.value.hint == "Use --placement after-bos."
    assert not isinstance(FakeModel(), PrefixedModel)
    with pytest.raises(UsageError, match="fake takes no prefix"):
        width_of(FakeModel(), "prefix")


def test_rows_of_another_width_are_refused():
    model = tiny_model("llama")
    with pytest.raises(UsageError, match="the soft prompt is 32 wide, llama needs 64"):
        model.ask(words(model), asked())


def test_bfloat16_and_layers_computed_twice(monkeypatch: pytest.MonkeyPatch):
    model = LanguageModel("half", None, tiny_network("llama").bfloat16(), tiny_tokenizer())
    prefix = model.prefix_of(words(model, 1))
    assert np.isfinite(model.ask(prefix, asked()).probabilities).all()
    exact = tiny_model("llama")
    prefix = exact.prefix_of(words(exact, 1))
    weight = np.ones((1, len(FORMS), 5)) * np.arange(5)
    kept = exact.ask_with_gradient(prefix, asked(texts=()))[1](Cotangent(weight))
    monkeypatch.setattr("acculturate.model.forward._ROWS_KEPT_FOR_GRADIENTS", 0)
    again = exact.ask_with_gradient(prefix, asked(texts=()))[1](Cotangent(weight))
    np.testing.assert_allclose(again, kept, rtol=1e-4, atol=1e-6)
    assert torch.is_grad_enabled()
