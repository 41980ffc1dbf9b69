"""Steering: a vector behind one layer, the same for forms together and alone, and no trace of it afterwards."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from acculturate.errors import UsageError
from acculturate.metrics.guard import read_guard
from acculturate.metrics.treatments import ask_state
from acculturate.model import (
    LanguageModel,
    Query,
    SteerableModel,
    SteeringVector,
    ask,
    ask_with_gradient,
)
from acculturate.survey import Country, Line, all_forms, load_instrument
from acculturate.tuning import Settings, find_steering, make_task
from acculturate.tuning.baselines import values_text
from tiny_models import tiny_network, tiny_tokenizer

TOY = load_instrument("toy")
TOYLAND = Country("Toyland", "toys", {"planning": 80.0, "company": 20.0}, None)
FORMS = all_forms(TOY, labels="words")[::7]


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request: pytest.FixtureRequest) -> LanguageModel:
    network = tiny_network(request.param)
    return LanguageModel("tiny", None, network, tiny_tokenizer())


def vector(layer: int = 0, strength: float = 1.0) -> SteeringVector:
    direction = np.random.default_rng(3).normal(size=32)
    return SteeringVector(layer, tuple(direction.tolist()), strength)


def hooks(network: torch.nn.Module) -> int:
    return sum(len(part._forward_hooks) for part in network.modules())


def test_together_is_alone_and_nothing_stays(model: LanguageModel):
    before, weights = ask(model, None, Query(FORMS)).probabilities, model.weights_hash()
    hooked = hooks(model.network)
    steered = ask_state(model, vector(), FORMS)
    assert np.abs(steered.probabilities - before).max() > 0.01
    for index, form in enumerate(FORMS):
        alone = model.ask(None, Query([form], steering=vector())).probabilities[0, 0]
        raw = model.ask(None, Query(FORMS, steering=vector())).probabilities[0, index]
        np.testing.assert_allclose(raw[: len(alone)], alone, atol=1e-5)
    assert model.weights_hash() == weights and hooks(model.network) == hooked
    np.testing.assert_array_equal(ask(model, None, Query(FORMS)).probabilities, before)


def test_it_is_what_a_hook_on_the_plain_network_adds(model: LanguageModel):
    (form,) = [f for f in all_forms(TOY, labels="digits") if f.item == "plans"][:1]
    encoded, steering = model.encode(form), vector(1, 2.0)
    added = torch.tensor(steering.direction) * 2
    layers = getattr(model.network, "model", None) or model.network.transformer
    block = (layers.layers if hasattr(layers, "layers") else layers.h)[1]

    def add(_, __, output):
        return (output[0] + added, *output[1:]) if isinstance(output, tuple) else output + added

    handle = block.register_forward_hook(add)
    with torch.no_grad():
        logits = model.network(torch.tensor([encoded.tokens])).logits[0, -1]
    handle.remove()
    plain = logits[[option[0] for option in encoded.options]].softmax(-1).numpy()
    ours = model.ask(None, Query([form], steering=steering)).probabilities[0, 0]
    np.testing.assert_allclose(ours, plain, atol=1e-5)


def test_strength_zero_is_the_untouched_model_and_ordinary_text_feels_it(model: LanguageModel):
    still = ask_state(model, vector(strength=0.0), FORMS).probabilities
    np.testing.assert_allclose(still, ask_state(model, None, FORMS).probabilities, atol=1e-6)
    assert read_guard(model, vector(strength=0.0), "front").divergence < 1e-5
    assert read_guard(model, vector(), "front").divergence > 0.01


def test_under_soft_prompts_it_is_refused(model: LanguageModel):
    prompts, query = np.zeros((1, 2, 32), np.float32), Query(FORMS, steering=vector())
    for asked in (ask, ask_with_gradient):
        with pytest.raises(UsageError, match="not steered under soft prompts") as caught:
            asked(model, prompts, query)
        assert caught.value.hint


def test_states_are_those_of_the_last_token(model: LanguageModel):
    forms = FORMS[:2]
    with torch.no_grad():
        own = [
            model.network(torch.tensor([model.encode(form).tokens]), output_hidden_states=True)
            for form in forms
        ]
    first = np.mean([output.hidden_states[1][0, -1].numpy() for output in own], axis=0)
    np.testing.assert_allclose(model.mean_states(forms)[0], first, atol=1e-5)


def test_the_vector_of_a_country_points_from_no_words_to_its_words():
    network = tiny_network("llama", max_position_embeddings=2048)
    large = LanguageModel("tiny", None, network, tiny_tokenizer())
    task = make_task(TOY, TOYLAND, Settings(forms=8, guard="sentences"))
    found = find_steering(large, task)
    words = Line(values_text(TOYLAND, TOY), told=True)
    forms = list({form.item: form for form in task.measured}.values())
    difference = large.mean_states(words.before(forms)) - large.mean_states(forms)
    np.testing.assert_allclose(found.direction, difference[found.layer], atol=1e-5)
    assert found.strength in (0.25, 0.5, 1.0, 2.0, 4.0)


def test_a_model_without_states_is_refused():
    class Opaque:
        name = "opaque"

        def ask(self, prompts, query):
            raise AssertionError

        def continue_text(self, text, prompt=None, *, max_tokens=40):
            return ""

        def embed_text(self, text):
            return np.zeros((1, 1))

    assert not isinstance(Opaque(), SteerableModel)
    with pytest.raises(UsageError, match="no states that can be steered"):
        ask(Opaque(), None, replace(Query(FORMS), steering=vector()))
