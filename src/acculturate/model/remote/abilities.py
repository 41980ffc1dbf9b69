"""The abilities of an endpoint: chat or plain text, how many of the likeliest tokens it shows, and more.

It is found out once (`probing.py`) and written down.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from acculturate.errors import AcculturateError
from acculturate.io import fingerprint
from acculturate.model.answers import Chat
from acculturate.model.remote.address import Address
from acculturate.model.remote.cache import answers_folder
from acculturate.model.remote.prompting import Style
from acculturate.record_files import parse_record, write_record

Words = Literal["echo", "prompt_logprobs", "grammar", "none"]
"""Ways to the probability of a text: OpenAI's `echo`, vLLM's `prompt_logprobs`, or llama.cpp's grammar, which
lets it write the text and says how likely it was."""

Draws = Literal["many", "one", "unseeded"]
"""How answers are drawn: many a request with a seed, one a request with a seed, or one without."""


@dataclass(frozen=True)
class Abilities:
    """The abilities of an endpoint.

    Attributes:
        model: Name of the model there.
        identity: What its server says of the model: answers of another one are other answers.
        style: The way in which it is asked.
        top: Number of likeliest next tokens that it shows; 0 for none.
        words: The way to the probability of an answer in words.
        gaps: What stands between the answer cue and a label, by the kind of labels: tokens of some models
            begin with the space before them, those of others do not.
        draws: How answers are drawn where it shows no probabilities.
    """

    model: str
    identity: dict[str, Any] = field(default_factory=dict[str, Any])
    style: Style = field(default_factory=Style)
    top: int = 0
    words: Words = "none"
    gaps: dict[str, str] = field(default_factory=dict[str, str])
    draws: Draws = "many"

    @property
    def of_texts(self) -> Abilities:
        """The abilities for ordinary text, which is read without a chat around it."""
        if not self.style.chat:
            return self
        words: Words = "echo" if self.words == "prompt_logprobs" else self.words
        return replace(self, style=replace(self.style, chat=False), words=words)

    @property
    def sentence(self) -> str:
        """The abilities in words."""
        way = "a chat" if self.style.chat else "text to go on with"
        cue = "" if self.style.continues else ", whose replies cannot be begun for it"
        labels = (
            f"labels from the {self.top} likeliest tokens"
            if self.top
            else "labels from sampled answers"
        )
        words = "sampled answers" if self.words == "none" else "log-probabilities of whole answers"
        return f"{self.model} is asked as {way}{cue}; {labels}, words from {words}."


def _file(address: Address, chat: Chat) -> Path:
    name = fingerprint([address.url, address.model, chat])
    return answers_folder() / "endpoints" / f"{name}.json"


def known_abilities(address: Address, chat: Chat) -> Abilities | None:
    """Return what was found out of an endpoint before; None where that is nothing."""
    file = _file(address, chat)
    try:
        return parse_record(Abilities, json.loads(file.read_text("utf-8")), file)
    except (OSError, ValueError, AcculturateError):
        return None


def keep_abilities(address: Address, chat: Chat, found: Abilities) -> None:
    """Write down what an endpoint can do."""
    write_record(_file(address, chat), found)
