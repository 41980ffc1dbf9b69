"""Virtual tokens in front of every text: in a tokenizer and in a chat template, checked on what they make.

In: a tokenizer, the tokens and a placement. Out: a tokenizer that puts them in their place by itself.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any

from tokenizers import AddedToken, processors

from acculturate.errors import FailureError, UsageError
from acculturate.model.soft_prompt import Placement

_TEXT = "Plan your day"
_TURNS = (
    [{"role": "user", "content": _TEXT}],
    [
        {"role": "user", "content": _TEXT},
        {"role": "assistant", "content": "Yes"},
        {"role": "user", "content": "Why?"},
    ],
)


@dataclass(frozen=True)
class VirtualTokens:
    """The tokens that stand for a soft prompt.

    Attributes:
        ids: Their ids by their names, in order.
        placement: Where they stand.
        leading: The tokens that the tokenizer puts before every text.
    """

    ids: dict[str, int]
    placement: Placement
    leading: tuple[int, ...]

    @property
    def text(self) -> str:
        """The text of all of them."""
        return "".join(self.ids)

    def among(self, ids: Sequence[int], cut: int | None = None) -> tuple[int, ...]:
        """Put them among a text's tokens.

        Args:
            ids: The text's tokens, with the leading ones or without.
            cut: Where a soft prompt before the answer stands, the end if None.
        """
        virtual = tuple(self.ids.values())
        if self.placement == "before-answer":
            return (*ids[:cut], *virtual, *ids[len(ids) if cut is None else cut :])
        rest = tuple(dropwhile(self.leading.__contains__, ids))
        first = (virtual, self.leading) if self.placement == "front" else (self.leading, virtual)
        return (*first[0], *first[1], *rest)


def place(tokenizer: Any, virtual: VirtualTokens) -> Any:
    """Return a copy of a tokenizer that puts virtual tokens in their place.

    Raises:
        UsageError: It has no fast form, its chat template has no such place, or there is no template and
            the place is before the answer.
    """
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise UsageError(
            f"the tokenizer, a {type(tokenizer).__name__}, cannot be told to put tokens in front of a text",
            "Export it --format vllm or peft instead.",
        )
    if virtual.placement == "before-answer" and not tokenizer.chat_template:
        raise UsageError(
            "the soft prompt stands before the answer, and without a chat template nothing says where one "
            "begins",
            "Tune with --placement after-bos or front, or export it --format vllm.",
        )
    placed = copy.deepcopy(tokenizer)
    placed.add_tokens(
        [AddedToken(name, special=True, normalized=False) for name in virtual.ids],
        special_tokens=True,
    )
    given = dict(zip(virtual.ids, placed.convert_tokens_to_ids(list(virtual.ids)), strict=True))
    if given != virtual.ids:
        raise UsageError(
            f"the tokenizer gives new tokens the ids {given}, and the free rows are {virtual.ids}",
            "Export it --format vllm or peft instead.",
        )
    if virtual.placement != "before-answer":
        placed.backend_tokenizer.post_processor = _post_processor(tokenizer, virtual)
    if tokenizer.chat_template:
        placed.chat_template = place_in_template(tokenizer, placed, virtual)
    return placed


def check_placed(tokenizer: Any, placed: Any, virtual: VirtualTokens) -> None:
    """Check that a tokenizer puts virtual tokens where they belong.

    Args:
        tokenizer: The tokenizer of the untouched model.
        placed: The other one.
        virtual: The virtual tokens.

    Raises:
        FailureError: A text or a conversation has other tokens.
    """
    found = list(placed(_TEXT)["input_ids"])
    wanted = list(tokenizer(_TEXT)["input_ids"])
    if virtual.placement != "before-answer":
        wanted = list(virtual.among(wanted))
    template = placed.chat_template
    if found != wanted or (template and not _is_right(template, tokenizer, placed, virtual)):
        raise FailureError(
            f"the tokenizer that was written does not put the virtual tokens in their place: {found} instead "
            f"of {wanted}",
            "Nothing was written. Export it --format vllm or peft instead.",
        )


def place_in_template(tokenizer: Any, placed: Any, virtual: VirtualTokens) -> str:
    """Return a tokenizer's chat template with virtual tokens in their place.

    Args:
        tokenizer: The tokenizer of the untouched model.
        placed: One that knows the virtual tokens.
        virtual: The virtual tokens.

    Raises:
        UsageError: The template has no such place.
    """
    template = str(tokenizer.chat_template)
    for changed in _ways(template, tokenizer, virtual):
        if _is_right(changed, tokenizer, placed, virtual):
            return changed
    raise UsageError(
        f"the chat template of the model has no place for virtual tokens at {virtual.placement!r}",
        "Tune with another --placement, or export it --format vllm.",
    )


def _ways(template: str, tokenizer: Any, virtual: VirtualTokens) -> tuple[str, ...]:
    """Return changed templates, one of which may be right: most write the leading token by its variable."""
    shown = json.dumps(virtual.text, ensure_ascii=False)
    if virtual.placement == "before-answer":
        end = f"{{% if add_generation_prompt %}}{{{{ {shown} }}}}{{% endif %}}"
        return (template.removesuffix("\n") + end,)
    leading = "".join(tokenizer.convert_ids_to_tokens(list(virtual.leading)))
    if not leading:
        return (f"{{{{ {shown} }}}}{template}",)
    in_order = (shown, "bos_token") if virtual.placement == "front" else ("bos_token", shown)
    ahead = virtual.text + leading if virtual.placement == "front" else leading + virtual.text
    return (
        f"{{% set bos_token = {' + '.join(in_order)} %}}{template}",
        template.replace(leading, ahead, 1),
        f"{{{{ {json.dumps(ahead, ensure_ascii=False)} }}}}{template}",
    )


def _is_right(template: str, tokenizer: Any, placed: Any, virtual: VirtualTokens) -> bool:
    compared = 0
    for turns in _TURNS:
        for generate in (True, False):
            try:
                plain = _ids(tokenizer, turns, generate, None)
            except Exception:  # some templates take no second turn, or no open end
                continue
            try:
                found = _ids(placed, turns, generate, template)
            except Exception:
                return False
            untouched = virtual.placement == "before-answer" and not generate
            if found != (tuple(plain) if untouched else virtual.among(plain)):
                return False
            compared += 1
    return compared > 0


def _ids(
    tokenizer: Any, turns: Sequence[dict[str, str]], generate: bool, template: str | None
) -> tuple[int, ...]:
    text = tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=generate, chat_template=template
    )
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def _post_processor(tokenizer: Any, virtual: VirtualTokens) -> Any:
    """Return what puts leading, virtual and trailing tokens around a text."""
    bare = list(tokenizer(_TEXT, add_special_tokens=False)["input_ids"])
    whole = list(tokenizer(_TEXT)["input_ids"])
    trailing = whole[len(virtual.leading) + len(bare) :]
    names = tokenizer.convert_ids_to_tokens
    ahead = [*virtual.among(())]
    known = {row: name for name, row in virtual.ids.items()}
    tokens = {row: known.get(row) or names(row) for row in (*ahead, *trailing)}
    around = [*(tokens[row] for row in ahead), "$A", *(tokens[row] for row in trailing)]
    return processors.TemplateProcessing(
        single=around,
        pair=[*around, "$B"],
        special_tokens=[(name, row) for row, name in tokens.items()],
    )
