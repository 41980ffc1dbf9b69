"""Chat templates: the text up to a model's reply, proved on what the template makes.

In: a tokenizer with a template. Out: `ChatTemplate`, which puts questions into it. Templates differ in
names and habits, so a made-up conversation is rendered with and without a reply: where the reply stands
in it, there an answer belongs.
"""

from __future__ import annotations

import datetime
import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from transformers.utils import chat_template_utils

from acculturate.errors import UsageError
from acculturate.model.prefix_tree import shared_length

_DATE = datetime.datetime(2025, 1, 1)
_QUESTION, _REPLY, _THOUGHT = "QUESTION-5b1e", "REPLY-c47a", "THOUGHT-90d2"
_USUAL: dict[str, Any] = {"enable_thinking": False, "date_string": _DATE.strftime("%d %b %Y")}
# Where the usual switch leaves a thought open: those of Granite and DeepSeek, Cohere, Seed-OSS, Mistral.
_SWITCHES: tuple[dict[str, Any], ...] = (
    {},
    {"thinking": False},
    {"reasoning": False},
    {"thinking_budget": 0},
    {"reasoning_effort": "none"},
)
_TAG = re.compile(r"[<\[][^<>\[\]\s]*[>\]]")
_OF_THOUGHT = re.compile("think|thought|reason|reflect|scratchpad|analysis", re.IGNORECASE)
_CLOSING = re.compile(r"/|[\W_]end|^<\w+\|>$", re.IGNORECASE)
_WITHOUT = 'Ask without the template: --chat none, or load_model(..., chat="none").'

_CLOCK = threading.Lock()
"""Held while the clock stands: it is one for all threads."""

_Start = Callable[[str], str]
"""Gives everything up to the reply to a question; "" where the template shows no reply."""


class ChatTemplate:
    """A tokenizer's chat template, up to the reply.

    Args:
        tokenizer: A tokenizer that has one.
        system: A message in front of the question; empty for the template's own, or none.
        earlier: Messages between that and the question, as the template takes them.

    Raises:
        UsageError: The template fails, loses a message, or lets no reply begin outside a thought.
    """

    def __init__(
        self, tokenizer: Any, system: str = "", earlier: Sequence[dict[str, str]] = ()
    ) -> None:
        self._tokenizer = tokenizer
        first = [{"role": "system", "content": system}] if system else []
        self._earlier = [*first, *earlier]
        if self._prompted({}, _QUESTION) != self._prompted({}, _QUESTION):
            raise UsageError("the model's chat template makes another text every time", _WITHOUT)
        self._start = self._choose_start()
        shown = self._start(_QUESTION)
        if (count := shown.count(_QUESTION)) != 1:
            raise UsageError(
                f"the model's chat template shows the question {count} times in front of the reply, not "
                "once",
                _WITHOUT,
            )
        self._before, _, self._after = shown.partition(_QUESTION)
        if system.strip() not in self._before:  # many templates strip it
            raise UsageError("the model's chat template shows no system message", _WITHOUT)
        # In front of a reply, and not in the prompt for one, it is the first word's own.
        self._space = " " if not self._prompted({}, _QUESTION).endswith(" ") else ""

    def prompt(self, text: str) -> str:
        """Return everything up to the reply to a question.

        Raises:
            UsageError: The template fails on this question or changes it.
        """
        shown = self._start(text)
        inside = shown.removeprefix(self._before).removesuffix(self._after)
        # Many templates strip a message.
        if shown != self._before + inside + self._after or inside.strip() != text.strip():
            raise UsageError(
                f"the model's chat template changes the question {text!r}: it shows {shown!r}",
                _WITHOUT,
            )
        return shown

    def question(self, text: str) -> str:
        """Return the same for a reply whose first word the model writes, with the word's space."""
        return self.prompt(text).removesuffix(self._space)

    def _choose_start(self) -> _Start:
        for start in self._starts():
            shown = start(_QUESTION)
            if shown and _open_thought(shown) is None:
                return start
        prompt, reply = self._prompted({}, _QUESTION), _or_nothing(partial(self._replied, {}))
        ends = [repr(shown.rpartition(_QUESTION)[2]) for shown in (prompt, reply)]
        raise UsageError(
            "the model's chat template has no clear place for a reply outside a thought: it asks for one "
            f"with {ends[0]} and shows one behind {ends[1]}",
            _WITHOUT,
        )

    def _starts(self) -> Iterator[_Start]:
        """Yield ways to where a reply begins, the best first.

        The generation prompt, where replies follow it, or a thought that it has closed; else what the
        template writes in front of a reply, where that opens as the prompt does. A thought that stays open
        is closed as the template closes one, or by the tag that belongs to its own.
        """
        for switches in _SWITCHES:
            prompted, replied = partial(self._prompted, switches), partial(self._replied, switches)
            try:
                given, turn = prompted(_QUESTION), prompted(_QUESTION, generate=False)
            except UsageError:
                if not switches:
                    raise
                continue
            before = _or_nothing(replied)
            has_no_opening = not before or (given != turn and turn.startswith(before.rstrip()))
            is_continued = shared_length(given, before) > shared_length(given, turn)
            if has_no_opening or _is_closed(given, before):
                yield prompted
            elif before.startswith(given) or (
                is_continued and not given.startswith(before) and not _open_thought(given)
            ):
                yield replied
        given, turn = self._prompted({}, _QUESTION), self._prompted({}, _QUESTION, generate=False)
        thinking = partial(self._replied, {}, thought=_THOUGHT)
        if _or_nothing(thinking).startswith(given):
            yield thinking
        tag = _open_thought(given)
        if tag and "|" not in tag:
            yield lambda text: f"{self._prompted({}, text)}\n{tag[0]}/{tag[1:]}\n\n"
        replied = partial(self._replied, {})
        if shared_length(given, _or_nothing(replied)) > shared_length(given, turn):
            yield replied

    def _prompted(self, switches: dict[str, Any], text: str, generate: bool = True) -> str:
        """Return the generation prompt, or the user's turn alone."""
        return self._render([{"role": "user", "content": text}], generate, switches)

    def _replied(self, switches: dict[str, Any], text: str, thought: str | None = None) -> str:
        """Return what stands in front of a reply, with an empty thought if it had one."""
        reply = {"role": "assistant", "content": _REPLY}
        if thought:
            reply |= {"reasoning_content": thought, "thinking": thought}
        shown = self._render([{"role": "user", "content": text}, reply], False, switches)
        if shown.count(_REPLY) != 1 or (thought and thought not in shown):
            return ""
        return shown.partition(_REPLY)[0].replace(thought or _THOUGHT, "")

    def _render(
        self, messages: list[dict[str, str]], generate: bool, switches: dict[str, Any]
    ) -> str:
        messages = [*self._earlier, *messages]
        try:
            with _fixed_clock():
                return str(
                    self._tokenizer.apply_chat_template(
                        messages,
                        tokenize=False,
                        add_generation_prompt=generate,
                        **_USUAL | switches,
                    )
                )
        except Exception as error:
            first = str(error).strip().partition("\n")[0] or type(error).__name__
            raise UsageError(f"the model's chat template fails: {first}", _WITHOUT) from error


def _or_nothing(start: _Start) -> str:
    """Return what a way gives; nothing where the template fails on it."""
    try:
        return start(_QUESTION)
    except UsageError:
        return ""


def _open_thought(shown: str) -> str | None:
    """Return the tag of the thought that is open behind the question, or None."""
    behind = shown.rpartition(_QUESTION)[2]
    tags = [tag for tag in _TAG.findall(behind) if _OF_THOUGHT.search(tag)]
    return tags[-1] if tags and not _CLOSING.search(tags[-1]) else None


def _is_closed(prompt: str, reply: str) -> bool:
    """Return whether a prompt goes on from where replies stand with white space or a closed thought."""
    if not prompt.startswith(reply):
        return False
    behind = prompt[len(reply) :]
    tags = _TAG.findall(behind)
    return bool(_CLOSING.search(tags[-1])) if tags else not behind.strip()


class _FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _FixedClock:
        return cls(_DATE.year, _DATE.month, _DATE.day, tzinfo=tz)


@contextmanager
def _fixed_clock() -> Generator[None]:
    """Stop the clock of templates, which print today's date: a form gives the same tokens every day.

    It is transformers' own, a global of its module that no argument replaces.
    """
    module: Any = chat_template_utils
    with _CLOCK:
        real, module.datetime = module.datetime, _FixedClock
        try:
            yield
        finally:
            module.datetime = real
