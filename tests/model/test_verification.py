"""The proof of the forward pass: a fault of any kind is found in every precision, and none where none is."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from plain_transformers import plain_answers

from acculturate.errors import FailureError
from acculturate.model import Exchange, LanguageModel, Placement, Query, SoftPrompt
from acculturate.model import forward as forward_module
from acculturate.model.forward import Forward
from acculturate.model.layers import in_float32
from acculturate.model.prefix_tree import PrefixTree, Tile
from acculturate.model.probe import SHORTEST, Probe
from acculturate.model.tree_attention import TreeLayout
from acculturate.model.vocabulary import Vocabulary
from acculturate.survey import Form
from tiny_models import (
    ARCHITECTURES,
    common_sizes,
    random_network,
    tiny_network,
    tiny_tokenizer,
)

precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])


def model_of(name: str, dtype: torch.dtype, network: Any = None, **changes: Any) -> LanguageModel:
    network = tiny_network(name, **changes) if network is None else network
    return LanguageModel(name, None, network.to(dtype), tiny_tokenizer())


@pytest.fixture
def covered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths that are proved."""
    lengths: list[int] = []
    made = Probe.__init__

    def spied(self: Probe, encoder: Any, forward: Forward, length: int) -> None:
        if length > SHORTEST:
            lengths.append(length)
        made(self, encoder, forward, length)

    monkeypatch.setattr(Probe, "__init__", spied)
    return lengths


@precisions
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_is_right_runs_merged(
    name: str, dtype: torch.dtype, toy_forms: tuple[Form, ...]
) -> None:
    model = model_of(name, dtype)
    model.ask(None, Query(toy_forms[:2]))
    assert model.path == "merged"


def _wider_window(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = PrefixTree.mask

    def wider(self: PrefixTree, tile: Tile, window: int | None) -> np.ndarray:
        return mask(self, tile, window and window + 1)

    monkeypatch.setattr(PrefixTree, "mask", wider)


def _leak_between_branches(monkeypatch: pytest.MonkeyPatch) -> None:
    def mask(tree: PrefixTree, tile: Any, window: int | None) -> np.ndarray:
        queries = np.arange(tile.start, tile.stop)[:, None]
        seen = tile.keys[None, :] <= queries
        return seen if window is None else seen & (queries - tile.keys[None, :] < window)

    monkeypatch.setattr(PrefixTree, "mask", mask)


def _forgotten_ancestors(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = PrefixTree.tiles

    def without_first(self: PrefixTree, size: int) -> Any:
        return tuple(
            type(tile)(tile.start, tile.stop, tile.ancestors[1:]) for tile in tiles(self, size)
        )

    monkeypatch.setattr(PrefixTree, "tiles", without_first)


def _late_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    made = TreeLayout.__init__

    def init(self: TreeLayout, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **named)
        self.positions[self.positions > 40] += 1

    monkeypatch.setattr(TreeLayout, "__init__", init)


def _stale_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Forward.layout

    def spoiled(self: Forward, tree: PrefixTree) -> TreeLayout:
        made = layout(self, tree)
        for keys, _ in made.prefix_cache.values():
            keys[:, :, 0] = 0
        return made

    monkeypatch.setattr(Forward, "layout", spoiled)


def _options_without_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    of_tokens = Vocabulary.of_tokens

    def uncapped(self: Vocabulary, tokens: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        capped = of_tokens(self, tokens)
        return lambda states: 3 * torch.atanh(capped(states) / 3)

    monkeypatch.setattr(Vocabulary, "of_tokens", uncapped)


def _no_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    def stretched(_: Vocabulary, logits: torch.Tensor) -> torch.Tensor:
        return logits * 1.002

    monkeypatch.setattr(Vocabulary, "_cap", stretched)


FAULTS: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "a window wider by one": ("gemma3", _wider_window),
    "a leak between branches": ("llama", _leak_between_branches),
    "forgotten ancestors": ("llama", _forgotten_ancestors),
    "positions wrong far behind": ("llama", _late_positions),
    "a stale cache": ("qwen3", _stale_cache),
    "options without a cap": ("gemma2", _options_without_a_cap),
    "a scale off by 0.2 %": ("llama", _no_scale),
}


@precisions
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.filterwarnings("ignore:.*one by one")
def test_a_fault_is_found_and_the_answers_are_right(
    fault: str,
    dtype: torch.dtype,
    toy_forms: tuple[Form, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, break_it = FAULTS[fault]
    model = model_of(name, dtype)
    break_it(monkeypatch)
    if "ancestors" in fault:
        monkeypatch.setattr(forward_module, "_TILE_ON_CPU", 8)
    ours = model.ask(None, Query(toy_forms[:3])).probabilities[0]
    assert model.path != "merged"
    plain, _ = plain_answers(model.network, model.tokenizer, toy_forms[:3], None, "front")
    np.testing.assert_allclose(ours, plain, atol=1e-5 if dtype is torch.float32 else 0.03)


def test_a_model_is_proved_once_and_again_only_for_longer_sequences(
    toy_forms: tuple[Form, ...], covered: list[int]
) -> None:
    model = model_of("llama", torch.float32)
    short, longest = sorted(toy_forms, key=lambda form: len(form.text))[:: len(toy_forms) - 1]
    model.generate_answers([short], max_tokens=1)
    model.ask(None, Query([short]))
    for placement in ("front", "after-bos", "before-answer"):
        model.ask(np.zeros((2, 8, 32), np.float32), Query([longest], placement=placement))
        model.ask(None, Query([longest], texts=["A cat."], placement=placement))
    assert len(covered) <= 2
    model.read_texts(["a b c d " * 30])
    assert covered[-1] >= len(model.encode_text("a b c d " * 30))
    assert len(covered) <= 3


@precisions
def test_the_longest_sequence_is_covered(
    dtype: torch.dtype, toy_forms: tuple[Form, ...], covered: list[int]
) -> None:
    model = model_of("llama", dtype)
    prompts = np.zeros((1, 60, 32), np.float32)
    model.ask(prompts, Query(toy_forms))
    assert covered[-1] >= 60 + max(len(model.encode(form).tokens) for form in toy_forms)


def test_a_fault_that_only_longer_sequences_have_is_found_then(
    toy_forms: tuple[Form, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of("llama", torch.float32)
    made = TreeLayout.__init__

    def init(self: TreeLayout, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **named)
        self.positions[self.positions > 150] += 1

    monkeypatch.setattr(TreeLayout, "__init__", init)
    model.ask(None, Query(toy_forms))
    assert model.path == "merged"
    long = np.random.default_rng(0).normal(size=(1, 120, 32)).astype(np.float32)
    with pytest.warns(UserWarning, match="one by one"):
        ours = model.ask(long, Query(toy_forms[:2])).probabilities[0]
    plain, _ = plain_answers(model.network, model.tokenizer, toy_forms[:2], long[0], "front")
    np.testing.assert_allclose(ours, plain, atol=1e-5)
    ours = model.ask(None, Query(toy_forms[:2])).probabilities[0]
    plain, _ = plain_answers(model.network, model.tokenizer, toy_forms[:2], None, "front")
    np.testing.assert_allclose(ours, plain, atol=1e-5)


def test_a_sequence_longer_than_the_model_is_said(toy_forms: tuple[Form, ...]) -> None:
    model = model_of("gpt2", torch.float32)
    model.ask(None, Query(toy_forms))
    with pytest.raises(FailureError, match="reads 256 tokens at most") as caught:
        model.ask(np.zeros((1, 250, 32), np.float32), Query(toy_forms))
    assert caught.value.hint is not None and "--tokens" in caught.value.hint


def test_so_is_one_longer_than_all_positions_turn_alike() -> None:
    """Past its original length the model turns all of them otherwise, also those of before."""
    factors = {"short_factor": [1.0] * 4, "long_factor": [1.0, 2.0, 4.0, 8.0]}
    positions = {"max_position_embeddings": 1024, "original_max_position_embeddings": 100}
    config = transformers.Phi3Config(
        **common_sizes() | positions,
        rope_parameters={"rope_type": "longrope", "rope_theta": 1e4, **factors},
    )
    model = model_of("phi3", torch.float32, random_network(config))
    (fitting,) = model.read_texts(["a b c d " * 15])
    assert model.path == "merged" and 85 < len(fitting.surprise) < 100
    with pytest.raises(FailureError, match="reads 100 tokens at most"):
        model.read_texts(["a b c d " * 30])


@pytest.mark.filterwarnings("ignore:.*one by one")
def test_a_plan_is_made_anew_where_its_reference_leads_to_another_path() -> None:
    config = transformers.Llama4TextConfig(
        **common_sizes(),
        intermediate_size_mlp=48,
        head_dim=8,
        num_local_experts=2,
        moe_layers=[],
        attention_chunk_size=100,
        no_rope_layers=[1, 0],
    )
    model = model_of("llama4", torch.float32, random_network(config))
    prompts = np.random.default_rng(0).normal(size=(1, 2, 32)).astype(np.float32)
    asked = Exchange("Do you like to be alone?", " Often, among many people")
    told = asked._replace(question="A page of a diary asks for one number. " * 12 + asked.question)
    short = Query(texts=[asked], placement="before-answer")
    model.ask(prompts, short)
    assert model.path == "merged, own head"
    lesson = replace(short, reference=[told])
    first, _ = model.ask_with_gradient(prompts, lesson)
    assert model.path == "form by form"
    again, _ = model.ask_with_gradient(prompts, lesson)
    assert first.divergence == again.divergence > 0


@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_a_model_is_as_it_was_after_it_ran_in_float32(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acculturate.model.layers._KEPT_IN_FLOAT32", 10_000)
    network = tiny_network(name).to(torch.bfloat16)
    ids = torch.arange(12)[None]
    before = network(input_ids=ids).logits
    with in_float32(network):
        exact = network(input_ids=ids).logits
    assert exact.dtype == torch.float32
    reference = deepcopy(network).float()
    torch.testing.assert_close(exact, reference(input_ids=ids).logits, atol=1e-4, rtol=0)
    assert torch.equal(network(input_ids=ids).logits, before)
    assert all(weight.dtype == torch.bfloat16 for weight in network.parameters())
    with pytest.raises(IndexError), in_float32(network):
        network(input_ids=ids + 10**6)
    assert torch.equal(network(input_ids=ids).logits, before)


@pytest.mark.filterwarnings("ignore:.*one by one")
@pytest.mark.parametrize("placement", ["front", "before-answer"])
def test_half_precision_that_does_not_run_in_float32_is_held_to_its_own_rounding(
    placement: Placement, toy_forms: tuple[Form, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def no_float32(network: Any) -> Generator[None]:
        def refuse(*_: Any) -> None:
            raise RuntimeError("this kernel has no float32")

        handle = network.register_forward_pre_hook(refuse)
        try:
            yield
        finally:
            handle.remove()

    monkeypatch.setattr("acculturate.model.verification.in_float32", no_float32)
    model = model_of("llama", torch.bfloat16)
    model.ask(None, Query(toy_forms[:2], placement=placement))
    assert model.path == "merged"
    _leak_between_branches(monkeypatch)
    model = model_of("llama", torch.bfloat16)
    model.ask(None, Query(toy_forms[:2], placement=placement))
    assert model.path == "form by form"


def test_a_model_that_is_not_the_same_twice_is_refused(toy_forms: tuple[Form, ...]) -> None:
    network = tiny_network("llama")
    model = model_of("llama", torch.float32, network)

    def shake(_module: Any, _given: Any, rows: torch.Tensor) -> torch.Tensor:
        return rows + 0.1 * torch.randn_like(rows)

    network.model.embed_tokens.register_forward_hook(shake)
    with pytest.raises(FailureError):
        model.ask(None, Query(toy_forms))


def test_writing_is_proved_too(toy_forms: tuple[Form, ...]) -> None:
    network = tiny_network("llama")
    network.lm_head.weight.data[:] = torch.nan
    model = model_of("llama", torch.float32, network)
    with pytest.raises(FailureError, match="no finite numbers"):
        model.generate_answers(toy_forms[:1])
    with pytest.raises(FailureError, match="no finite numbers"):
        model.reply(["Why?"], SoftPrompt(np.zeros((1, 32), np.float32), "front", "llama"))
