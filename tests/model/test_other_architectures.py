"""Models whose layers are not attention alone, or attention of their own: right, or refused, never wrong."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from plain_transformers import plain_answers

from acculturate.errors import FailureError
from acculturate.model import LanguageModel, Placement, Query
from acculturate.model.verification import TEXTS
from acculturate.survey import Form
from tiny_models import tiny_tokenizer

SHARED: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
WIDTHS: dict[str, Any] = {
    **SHARED,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
LAYERS: dict[str, Any] = {**SHARED, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}


def random_model(config: Any) -> LanguageModel:
    network: Any = transformers.AutoModelForCausalLM.from_config(config).float()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(1.5 * noise / parameter.shape[-1] ** 0.5)
            else:
                parameter.add_(0.2 * noise)
    return LanguageModel(config.model_type, None, network, tiny_tokenizer())


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(transformers.GPTJConfig(vocab_size=400, rotary_dim=4, **LAYERS), id="gpt-j"),
        pytest.param(
            transformers.BloomConfig(vocab_size=400, n_layer=2, n_head=4, hidden_size=32, **SHARED),
            id="bloom",
        ),
        pytest.param(transformers.FalconConfig(vocab_size=400, **WIDTHS), id="falcon"),
        pytest.param(
            transformers.StableLmConfig(vocab_size=400, num_key_value_heads=2, **WIDTHS),
            id="stablelm",
        ),
        pytest.param(
            transformers.MambaConfig(vocab_size=400, num_hidden_layers=2, hidden_size=32, **SHARED),
            id="mamba",
        ),
        pytest.param(
            transformers.Lfm2Config(
                vocab_size=400,
                **WIDTHS,
                num_key_value_heads=2,
                layer_types=["conv", "full_attention"],
            ),
            id="lfm2",
        ),
        pytest.param(
            transformers.GptOssConfig(
                vocab_size=400, **WIDTHS, num_key_value_heads=2, num_local_experts=4, head_dim=8
            ),
            id="gpt-oss",
        ),
    ],
)
@pytest.mark.parametrize("placement", ["after-bos", "before-answer"])
@pytest.mark.filterwarnings("ignore:.*one by one")
def test_attention_of_its_own_answers_right(
    config: Any, placement: Placement, toy_forms: tuple[Form, ...]
) -> None:
    model = random_model(config)
    prompts = np.random.default_rng(0).normal(size=(2, 3, 32)).astype(np.float32)
    ours = model.ask(prompts, Query(toy_forms, placement=placement)).probabilities
    for candidate, prompt in enumerate(prompts):
        plain, _ = plain_answers(model.network, model.tokenizer, toy_forms, prompt, placement)
        np.testing.assert_allclose(ours[candidate], plain, atol=1e-5)


def test_that_forms_are_asked_one_by_one_is_said(toy_forms: tuple[Form, ...]) -> None:
    model = random_model(
        transformers.MambaConfig(vocab_size=400, num_hidden_layers=2, hidden_size=32, **SHARED)
    )
    with pytest.warns(UserWarning, match="one by one"):
        model.ask(None, Query(toy_forms))


def test_a_head_with_a_step_of_its_own_is_refused(toy_forms: tuple[Form, ...]) -> None:
    config = transformers.LlamaConfig(vocab_size=400, num_key_value_heads=2, **WIDTHS)
    model = random_model(config)
    scored = model.network.forward

    def forward(*arguments: Any, **named: Any) -> Any:
        outcome = scored(*arguments, **named)
        outcome.logits = outcome.logits / 3
        return outcome

    model.network.forward = forward
    with pytest.raises(FailureError, match="nats a token") as caught:
        model.ask(None, Query(toy_forms))
    assert caught.value.hint is not None and "Llama" in caught.value.hint


def test_a_decoder_without_hidden_states_is_refused(toy_forms: tuple[Form, ...]) -> None:
    model = random_model(transformers.LlamaConfig(vocab_size=400, num_key_value_heads=2, **WIDTHS))
    model.network.get_decoder = lambda: model.network
    with pytest.raises(FailureError, match="LlamaForCausalLM"):
        model.ask(None, Query(toy_forms))


def test_numbers_that_are_not_finite_are_refused(toy_forms: tuple[Form, ...]) -> None:
    model = random_model(transformers.LlamaConfig(vocab_size=400, num_key_value_heads=2, **WIDTHS))
    model.network.get_output_embeddings().weight[7] = torch.inf
    with pytest.raises(FailureError, match="no finite numbers in float32"):
        model.ask(None, Query(toy_forms))


def test_the_verification_reads_texts_that_would_foretell_each_other() -> None:
    first, second = (text.split(maxsplit=1)[1] for text in TEXTS)
    assert first == second and TEXTS[0] != TEXTS[1]
