"""The cost of asking an endpoint, before anything is sent.

In: a model's name. Out: a `RemoteModel` that sends nothing: its answers are made up, and what it
would have asked is counted. What is known already costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from zlib import crc32

from acculturate.io import fingerprint
from acculturate.model.answers import Chat
from acculturate.model.remote.abilities import Abilities, known_abilities
from acculturate.model.remote.address import Address, read_address
from acculturate.model.remote.cache import AnswerCache
from acculturate.model.remote.model import RemoteModel
from acculturate.model.remote.patience import Patience
from acculturate.model.remote.readings import rendered_text
from acculturate.model.remote.replies import (
    Json,
    Token,
    echoed_tokens,
    next_tokens,
    prompt_tokens,
    token_ids,
    written_tokens,
)
from acculturate.model.remote.token_count import estimate_tokens
from acculturate.model.remote.transport import Transport
from acculturate.progress import advance

T = TypeVar("T")
Item = TypeVar("Item")

_PIECE = 4


class CountingTransport(Transport):
    """Counts requests instead of sending them.

    Args:
        address: The endpoint's.

    Attributes:
        known: Requests whose answers are known.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address, Patience())
        self.known = 0
        self._counted: set[str] = set()

    @property
    def sentence(self) -> str:
        """The estimate, in words."""
        return (
            f"{self.sent:,} requests would be sent, with about {self.tokens:,} tokens; {self.known:,} answers "
            "are known. Nothing was sent."
        )

    def post(
        self,
        path: str,
        body: Json,
        read: Callable[[Json], T],
        *,
        faults: int = 0,
        keep: bool = True,
        draw: int = 0,
    ) -> T:
        """Count a request that is new, and make an answer up."""
        del faults, keep
        if (key := fingerprint([path, body, draw])) not in self._counted:
            self._counted.add(key)
            if self.cache and self.cache.find(path, body, draw):
                self.known += 1
            else:
                self.sent += 1
                self.tokens += estimate_tokens(body)
        return _made_up(read, body)

    def each(self, ask: Callable[[Item], T], items: Sequence[Item]) -> list[T]:
        """Ask one after the other."""
        answers = [ask(item) for item in items]
        advance(len(items))
        return answers


def counting_model(name: str, chat: Chat) -> tuple[RemoteModel, CountingTransport]:
    """Return a model that counts what it would ask, and where it does.

    Of an endpoint that was never asked, it takes for granted that it shows log-probabilities of texts.

    Raises:
        UsageError: It is no name of a model behind an endpoint.
    """
    address = read_address(name)
    transport = CountingTransport(address)
    known = known_abilities(address, chat)
    if known is not None:
        transport.cache = AnswerCache([address.url, known.identity])
    return RemoteModel(
        address.name, transport, known or Abilities(address.model, top=20, words="echo")
    ), transport


def _made_up(read: Callable[[Json], T], body: Json) -> T:
    made: dict[Any, Any] = {
        next_tokens: [Token("", 0.0)],
        written_tokens: [Token("", 0.0)] * int(body.get("max_tokens", 0)),
        token_ids: _pieces(str(body.get("content", ""))),
        rendered_text: str(body.get("messages", "")),
    }
    if read in (echoed_tokens, prompt_tokens):
        shown = str(body.get("prompt") or body.get("messages"))
        made[read] = [Token(str(piece), 0.0) for piece in _pieces(shown)]
    return made[read] if read in made else read({"choices": [{"text": ""}] * int(body.get("n", 1))})


def _pieces(text: str) -> list[int]:
    """Return a number for every few letters."""
    return [crc32(text[at : at + _PIECE].encode()) for at in range(0, len(text), _PIECE)]
