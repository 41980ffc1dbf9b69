"""How many operations a candidate takes, counted from the tree of tokens and the shape of the model.

Two operations for a multiply-add. For one candidate whose forms merge into a row of T tokens, those left
out that are computed once for all candidates:

- linear layers: 2 x T x their weights, the head left out;
- attention: 4 x pairs x heads x width x layers, two for the score of a query with a key and two for the
  value that it brings. *Computed* pairs are the area of all tiles, keys times queries, what the mask
  throws away included; *needed* pairs are those that the mask leaves, windows aside;
- options: 2 x forms x distinct first tokens of options x hidden;
- vocabulary: 2 x rows inside options x vocabulary x hidden, for answers in words.

Norms, rotary positions, activations, softmax and the sums of residuals are not counted, as usual: they
take time and hardly an operation. Experts of a mixture are not linear layers here and are left out too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch.nn import Linear
from transformers.pytorch_utils import Conv1D

from acculturate.model.answers import Placement
from acculturate.model.forward import tile_size
from acculturate.model.language_model import LanguageModel
from acculturate.model.prefix_tree import PrefixTree
from acculturate.survey.forms import Form


@dataclass(frozen=True)
class Work:
    """Operations of one candidate.

    Attributes:
        tokens: Tokens computed for each candidate, each once.
        linear: Operations of the linear layers.
        attention: Operations of the attention, those that a mask throws away included.
        attention_needed: Those that no mask throws away.
        options: Operations of the options' logits.
        vocabulary: Operations of all logits where an answer in words goes on.
    """

    tokens: int
    linear: int
    attention: int
    attention_needed: int
    options: int
    vocabulary: int

    @property
    def computed(self) -> int:
        """All that is computed."""
        return self.linear + self.attention + self.options + self.vocabulary

    @property
    def needed(self) -> int:
        """All that is computed, less what masks throw away."""
        return self.computed - self.attention + self.attention_needed


def population_work(
    model: LanguageModel, forms: Sequence[Form], virtual_tokens: int, placement: Placement
) -> Work:
    """Operations that `LanguageModel.ask` spends on one candidate."""
    encoded = [model.encode(form).without_mass() for form in forms]
    prompt = tuple(-1 - index for index in range(virtual_tokens))
    branches = [(form, option[:-1]) for form in encoded for option in form.options]
    placed = [(form.tokens + ids, form.prompt_at(placement)) for form, ids in branches]
    tree = PrefixTree.build([ids[:cut] + prompt + ids[cut:] for ids, cut in placed])
    inside = {
        row
        for path, (_, ids) in zip(tree.paths, branches, strict=True)
        for row in path[len(path) - len(ids) :].tolist()
    }
    distinct = len({option[0] for form in encoded for option in form.options})
    tile = tile_size(model.network.device)
    return tree_work(model.network, tree, tile, len(forms) * distinct, len(inside))


def tree_work(network: Any, tree: PrefixTree, tile: int, logits: int, inside: int = 0) -> Work:
    """Operations of one row.

    Args:
        network: The transformers model.
        tree: The row.
        tile: Tokens an attention tile holds at most.
        logits: Logits computed, over all forms.
        inside: Rows inside options.
    """
    config = network.config.get_text_config()
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    a_pair = 4 * config.num_attention_heads * width * config.num_hidden_layers
    run = ~tree.cacheable
    computed = sum(int(run[one.start : one.stop].sum()) * len(one.keys) for one in tree.tiles(tile))
    tokens = int(run.sum())
    return Work(
        tokens=tokens,
        linear=2 * tokens * linear_weights(network),
        attention=a_pair * computed,
        attention_needed=a_pair * int((tree.positions[run] + 1).sum()),
        options=2 * logits * config.hidden_size,
        vocabulary=2 * inside * config.vocab_size * config.hidden_size,
    )


def linear_weights(network: Any) -> int:
    """Weights of the linear layers that every token goes through."""
    layers = network.get_decoder().modules()
    return sum(layer.weight.numel() for layer in layers if isinstance(layer, Linear | Conv1D))
