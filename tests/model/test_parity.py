"""Our pass gives what transformers gives one form and one candidate at a time, to 1e-5 in float32."""

import numpy as np
import pytest
from plain_transformers import plain_answers, plain_guard

from acculturate.metrics import TUNING_TEXTS
from acculturate.model import Placement, Query, forward, vocabulary
from acculturate.survey import Form
from tiny_models import ARCHITECTURES, WINDOW, shared_model, tiny_model, tiny_network

every_architecture = pytest.mark.parametrize("name", ARCHITECTURES)
placements = pytest.mark.parametrize("placement", ["front", "after-bos", "before-answer"])
TEXTS = TUNING_TEXTS[:3]
TOKENS = 3


@pytest.fixture(autouse=True)
def several_parts_of_the_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "_SMALLEST_PART", 150)


@pytest.fixture
def prompts() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, TOKENS, 32)).astype(np.float32)


@every_architecture
@placements
def test_answers_and_guard_behind_a_soft_prompt(
    name: str, placement: Placement, prompts: np.ndarray, toy_forms: tuple[Form, ...]
) -> None:
    model = shared_model(name)
    prompts = prompts * model.embedding_scale()
    ours = model.ask(prompts, Query(toy_forms, texts=TEXTS, placement=placement, valid_mass=True))
    assert ours.valid_mass is not None
    assert ours.divergence is not None and ours.perplexity is not None
    for candidate, prompt in enumerate(prompts):
        probabilities, mass = plain_answers(
            model.network, model.tokenizer, toy_forms, prompt, placement
        )
        divergence, perplexity = plain_guard(
            model.network, model.tokenizer, TEXTS, prompt, placement
        )
        np.testing.assert_allclose(ours.probabilities[candidate], probabilities, atol=1e-5)
        np.testing.assert_allclose(ours.valid_mass[candidate], mass, atol=1e-5)
        assert ours.divergence[candidate] == pytest.approx(divergence, abs=1e-5)
        assert ours.perplexity[candidate] == pytest.approx(perplexity, rel=1e-5)


@every_architecture
@placements
def test_the_untouched_model(name: str, placement: Placement, toy_forms: tuple[Form, ...]) -> None:
    model = shared_model(name)
    ours = model.ask(None, Query(toy_forms, texts=TEXTS, placement=placement, valid_mass=True))
    probabilities, mass = plain_answers(model.network, model.tokenizer, toy_forms, None, placement)
    _, perplexity = plain_guard(model.network, model.tokenizer, TEXTS, None, placement)
    assert ours.valid_mass is not None
    assert ours.divergence is not None and ours.perplexity is not None
    np.testing.assert_allclose(ours.probabilities, probabilities[None], atol=1e-5)
    np.testing.assert_allclose(ours.valid_mass, mass[None], atol=1e-5)
    assert ours.divergence == pytest.approx([0], abs=1e-6)
    assert ours.perplexity == pytest.approx([perplexity], rel=1e-5)


@placements
@pytest.mark.parametrize("tile", [1, 7, 1000])
@pytest.mark.parametrize("name", ["llama", "mistral", "gemma2", "gemma3"])
def test_any_cut_into_tiles(
    name: str,
    tile: int,
    placement: Placement,
    prompts: np.ndarray,
    toy_forms: tuple[Form, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = shared_model(name).ask(prompts, Query(toy_forms, placement=placement)).probabilities
    monkeypatch.setattr(forward, "_TILE_ON_CPU", tile)
    ours = tiny_model(name).ask(prompts, Query(toy_forms, placement=placement)).probabilities
    np.testing.assert_allclose(ours, expected, atol=2e-6)


# What follows makes sure that the comparison above would notice.


@pytest.mark.parametrize("name", ["mistral", "gemma2", "gemma3", "cohere2", "qwen2"])
def test_the_window_shows_in_the_answers(name: str, toy_forms: tuple[Form, ...]) -> None:
    windowed = shared_model(name)
    assert min(len(windowed.encode(form).tokens) for form in toy_forms) > 2 * WINDOW
    wide = tiny_network(name, sliding_window=200)
    with_window = windowed.ask(None, Query(toy_forms)).probabilities[0]
    without, _ = plain_answers(wide, windowed.tokenizer, toy_forms, None, "front")
    assert np.abs(with_window - without).max() > 0.01


@pytest.mark.parametrize(
    ("name", "setting", "off"),
    [
        ("gemma2", "attn_logit_softcapping", None),
        ("gemma2", "final_logit_softcapping", None),
        ("cohere2", "logit_scale", 1.0),
        ("granite", "logits_scaling", 1.0),
        ("granite", "embedding_multiplier", 1.0),
    ],
)
def test_caps_and_scales_show_in_the_answers(
    name: str, setting: str, off: float | None, toy_forms: tuple[Form, ...]
) -> None:
    model = shared_model(name)
    without, _ = plain_answers(
        tiny_network(name, **{setting: off}), model.tokenizer, toy_forms, None, "front"
    )
    assert np.abs(model.ask(None, Query(toy_forms)).probabilities[0] - without).max() > 0.01


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3"])
def test_query_heads_share_key_heads(name: str) -> None:
    config = shared_model(name).network.config
    assert config.num_attention_heads == 2 * config.num_key_value_heads


@every_architecture
def test_answers_are_neither_flat_nor_certain(name: str, toy_forms: tuple[Form, ...]) -> None:
    answers = shared_model(name).ask(None, Query(toy_forms)).probabilities[0]
    assert answers.max(axis=1).mean() < 0.95
    assert answers.std(axis=0).min() > 0.01
