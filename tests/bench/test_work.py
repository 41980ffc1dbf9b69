from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from transformers import AutoModelForCausalLM

from acculturate.model import LanguageModel, Placement, Query
from acculturate.model.prefix_tree import PrefixTree
from acculturate.survey import Instrument, LabelKind, all_forms
from measuring import EMBEDDED
from measuring.random_weights import load_random_model, shape_config
from measuring.setting import VIRTUAL_TOKENS, gaussian_population
from measuring.work import linear_weights, population_work, tree_work


@pytest.fixture(scope="module")
def tiny(toy: Instrument) -> LanguageModel:
    return load_random_model("tiny", toy, dtype="float32", device="cpu")


# The tiny shape, a layer: q and o 64 x 64, k and v 64 x 32, gate, up and down 64 x 128.
LINEAR = 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128)
# Score and value, a multiply-add each, of 4 heads of 16, in 2 layers.
A_PAIR = 2 * 2 * 4 * 16 * 2


@pytest.mark.parametrize(
    ("tile", "pairs"),
    [
        (96, 5 * 5),  # all in one tile
        (2, 2 * 2 + 2 * 4 + 1 * 3),  # stem; its branch of two behind it; its branch of one
    ],
)
def test_operations_counted_by_hand(tiny: LanguageModel, tile: int, pairs: int) -> None:
    tree = PrefixTree.build([(3, 4, 5, 6), (3, 4, 7)])
    work = tree_work(tiny.network, tree, tile, logits=10)
    assert work.tokens == 5
    assert work.linear == 2 * 5 * LINEAR
    assert work.attention == A_PAIR * pairs
    assert work.attention_needed == A_PAIR * (1 + 2 + 3 + 4 + 3)
    assert work.options == 2 * 10 * 64
    assert work.computed - work.needed == A_PAIR * (pairs - 13)


class Executed(TorchFunctionMode):
    """Operations of the linear layers and the attention that really run."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = 0
        self.attention = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.nn.functional.linear:
            given, weight = args[:2]
            self.linear += 2 * weight.numel() * (given.numel() // given.shape[-1])
        if func is torch.nn.functional.scaled_dot_product_attention:
            query, key = args[:2]
            self.attention += 4 * query.numel() * key.shape[2]
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("labels", ["digits", "words"])
@pytest.mark.parametrize("placement", EMBEDDED)
def test_what_is_counted_is_what_runs(
    tiny: LanguageModel, toy: Instrument, labels: LabelKind, placement: Placement
) -> None:
    forms = all_forms(toy, split="held-out", labels=labels, words="held-out")
    population = gaussian_population(tiny, 2)
    tiny.ask(population, Query(forms, placement=placement))  # whatever is done once
    with Executed() as executed:
        tiny.ask(population, Query(forms, placement=placement))
    work = population_work(tiny, forms, VIRTUAL_TOKENS, placement)
    assert (work.vocabulary > 0) == (labels == "words")
    assert executed.linear == 2 * (work.linear + work.vocabulary)
    assert executed.attention == 2 * work.attention


@pytest.mark.parametrize(
    ("shape", "parameters", "linear"),
    [
        ("llama-3-8b", 8_030_261_248, 6_979_321_856),
        ("gemma-3-270m", 268_098_176, 100_270_080),
    ],
)
def test_shapes_are_those_of_the_models(shape: Any, parameters: int, linear: int) -> None:
    with torch.device("meta"):
        network: Any = AutoModelForCausalLM.from_config(shape_config(shape), dtype=torch.bfloat16)
    assert sum(weight.numel() for weight in network.parameters()) == parameters
    assert linear_weights(network) == linear
