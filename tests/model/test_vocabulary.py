"""Sums over the vocabulary, taken part by part, have the values and gradients of the whole."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from transformers import PreTrainedModel

from acculturate.model import vocabulary
from acculturate.model.vocabulary import OwnLogits, Vocabulary

WIDTH, TOKENS, POSITIONS = 8, 50, 5


def _network(config: dict[str, float], bias: bool) -> Mock:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(TOKENS, WIDTH, generator=generator)
    head_bias = torch.randn(TOKENS, generator=generator) if bias else None
    network = Mock(spec=PreTrainedModel)
    network.get_output_embeddings.return_value = SimpleNamespace(weight=weight, bias=head_bias)
    network.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(**config))
    return network


@pytest.fixture(autouse=True)
def _several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "_SMALLEST_PART", 16)
    monkeypatch.setattr(vocabulary, "_LOGITS_IN_CACHE", 1)


def _check(tested: Vocabulary, width: int, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(2, POSITIONS, width, generator=generator, requires_grad=True)
    weights = torch.rand(POSITIONS, TOKENS, generator=generator) if weighted else None
    factors = torch.randn(2, 2, POSITIONS, generator=generator)

    found = tested.sums(states, weights)
    logits = tested.logits(states, slice(None))
    expected = logits.logsumexp(-1), (logits * (0 if weights is None else weights)).sum(-1)

    gradients = []
    for log_sum, weighted_sum in (found, expected):
        total = (factors[0] * log_sum + factors[1] * weighted_sum).sum()
        gradients.append(torch.autograd.grad(total, states)[0])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "config",
    [{}, {"final_logit_softcapping": 3.0}, {"logit_scale": 0.5, "final_logit_softcapping": 2.0}],
)
@pytest.mark.parametrize("bias", [False, True])
def test_sums_and_their_gradients_are_those_of_all_logits(
    config: dict[str, float], weighted: bool, bias: bool
) -> None:
    _check(Vocabulary(_network(config, bias)), WIDTH, weighted)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_models_own_logits_have_the_same_sums(weighted: bool) -> None:
    _check(OwnLogits(), TOKENS, weighted)


def test_no_positions_have_no_sums() -> None:
    total, weighted = Vocabulary(_network({}, False)).sums(torch.zeros(3, 0, WIDTH))
    assert total.shape == weighted.shape == (3, 0)
