"""Finding out what an endpoint can do, with a few short requests.

In: a transport. Out: `Abilities`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from acculturate.errors import FailureError, UsageError
from acculturate.formatting import suggestion
from acculturate.model.answers import Chat
from acculturate.model.prefix_tree import shared_length
from acculturate.model.remote.abilities import (
    Abilities,
    Draws,
    Words,
    keep_abilities,
    known_abilities,
)
from acculturate.model.remote.address import Address
from acculturate.model.remote.cache import AnswerCache
from acculturate.model.remote.prompting import Engine, Shown, Style
from acculturate.model.remote.readings import SAMPLES, Reader, rendered_text, tokenize
from acculturate.model.remote.replies import (
    UnreadableError,
    as_list,
    as_object,
    choices,
    echoed_tokens,
    labels_seen,
    next_tokens,
    prompt_tokens,
    written_tokens,
)
from acculturate.model.remote.transport import RequestFailedError, RequestRefusedError, Transport

_FAULTS = 2
_TOPS = (100, 20, 5)
"""Numbers of likeliest tokens to ask for: llama.cpp shows any number, vLLM and OpenAI's chats 20, others 5."""
_OPENING = Shown("The capital of France is")
_LISTS = {
    "digits": "Answer with the number of one option.\nIs water wet?\n1. yes\n2. no",
    "letters": "Answer with the letter of one option.\nIs water wet?\nA. yes\nB. no",
}
_CUE = "Answer:"
_LASTING = ("id", "root", "parent", "owned_by", "meta", "max_model_len")
"""What a server says of a model that is not new with every request."""


def find_abilities(transport: Transport, chat: Chat) -> Abilities:
    """Find out what an endpoint can do, unless that is known of this very model.

    Where the endpoint cannot be reached, what is known is enough for all that was asked before.

    Raises:
        UsageError: It has no such model, or answers neither in a chat nor with text.
        FailureError: It cannot be reached and nothing is known of it, or it is too busy to be asked.
    """
    address = transport.address
    known = known_abilities(address, chat)
    attempts = 1 if known else transport.patience.attempts
    try:
        identity = _identify(transport, address, attempts)
    except FailureError:
        if known is None:
            raise
        identity = known.identity
    transport.cache = AnswerCache([address.url, identity])
    if known is not None and known.identity == identity:
        return known
    probe = _Probe(transport, str(identity["id"]), identity)
    found = probe.find(chat)
    if not probe.failed:
        keep_abilities(address, chat, found)
    return found


def _identify(transport: Transport, address: Address, attempts: int) -> dict[str, Any]:
    """Return what the server says of the model.

    Raises:
        UsageError: It serves no such model, or several, and none was named.
    """
    try:
        said = transport.get(f"{address.url}/models", attempts=attempts, faults=_FAULTS)
        listed = as_list(said.get("data"))
    except RequestRefusedError:
        if not address.model:
            raise
        listed = []  # not every endpoint lists its models
    entries = [entry for entry in map(as_object, listed) if "id" in entry]
    names = [str(entry["id"]) for entry in entries]
    if not entries and address.model:
        return {"id": address.model}
    if not address.model and len(names) == 1:
        return _lasting(entries[0])
    for entry in entries:
        if address.model in (entry["id"], *as_list(entry.get("aliases"))):
            return _lasting(entry)
    listing = "several models" if names else "no list of models"
    asked = f"no model {address.model!r}" if address.model else f"{listing}, and none is named"
    raise UsageError(
        f"{address.url} has {asked}", suggestion(address.model, names[:20], "Name one behind #")
    )


def _lasting(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in _LASTING if key in entry}


@dataclass
class _Probe:
    """Asks an endpoint for what it can do; keeps what it refused last, and whether it failed at any."""

    transport: Transport
    model: str
    identity: dict[str, Any]
    refusal: str = ""
    failed: bool = False

    def find(self, chat: Chat) -> Abilities:
        """Find out everything."""
        engine = cast("Engine", self.identity.get("owned_by", "other"))
        engine = engine if engine in ("vllm", "llamacpp", "acculturate") else "other"
        style = self._find_style(engine, chat)
        top = next((count for count in _TOPS if self._shows(style, count)), 0)
        words = self._find_words(style)
        draws = "many" if top and words != "none" else self._find_draws(style)
        found = Abilities(self.model, self.identity, style, top, words, draws=draws)
        gaps = {kind: self._find_gap(found, kind) for kind in _LISTS} if top else {}
        return replace(found, gaps=gaps)

    def _find_style(self, engine: Engine, chat: Chat) -> Style:
        plain, talk = Style(engine, chat=False), Style(engine, chat=True)
        if (
            chat != "none"
            and self._answers(talk, _OPENING)
            and (chat == "template" or self._has_own_template(engine))
        ):
            system = self._answers(talk, Shown(_OPENING.text, system="Be brief."))
            return Style(engine, chat=True, system=system)
        if chat != "template" and self._answers(plain, _OPENING):
            return plain
        wanted = {"none": "text to go on with", "template": "a chat"}.get(
            chat, "a chat or text to go on with"
        )
        raise UsageError(
            f"{self.transport.address.url} does not take {wanted}: {self.refusal}",
            "Check the address (most base URLs end in /v1), or ask the other way: --chat auto.",
        )

    def _has_own_template(self, engine: Engine) -> bool:
        """Return whether a chat is the model's own: some servers put one around a model without."""
        if engine == "acculturate":
            return bool(as_object(self.identity.get("meta")).get("chat_template"))
        if engine != "llamacpp":
            return True
        root = self.transport.address.root
        messages = [{"role": "user", "content": _OPENING.text}]
        shown = self.transport.post(
            f"{root}/apply-template",
            {"messages": messages},
            rendered_text,
        )
        sign = "<|im_start|>"
        return sign not in shown or len(tokenize(self.transport, sign, begins=False)) == 1

    def _answers(self, style: Style, shown: Shown) -> bool:
        return self._works(style.path, style.body(self.model, shown, 1), choices)

    def _shows(self, style: Style, count: int) -> bool:
        """Return whether it shows so many of the likeliest tokens, or at least some."""
        body = style.body(self.model, _OPENING, 1, **style.likeliest(count))
        return self._works(style.path, body, next_tokens)

    def _find_gap(self, found: Abilities, kind: str) -> str:
        """Return what stands between cue and label: the space, where it is a token of its own.

        Where no text can be read, it is that behind which labels are likelier.
        """
        style, labels = found.style, {"digits": "12", "letters": "AB"}[kind]
        if not style.continues:
            return ""
        shown = Shown(_LISTS[kind], reply=_CUE) if style.chat else Shown(f"{_LISTS[kind]}\n{_CUE}")
        if found.words != "none":
            read = Reader(self.transport, found).score(shown, ["", *(f" {x}" for x in labels)])
            stem, first, second = ([token.text for token in tokens] for tokens in read)
            return " " if shared_length(first, second) > len(stem) else ""

        def mass(gap: str) -> float:
            body = style.body(self.model, style.behind(shown, gap), 1, **style.likeliest(found.top))
            return sum(
                labels_seen(self.transport.post(style.path, body, next_tokens), labels).values()
            )

        return max(("", " "), key=mass)

    def _find_draws(self, style: Style) -> Draws:
        """Return how answers are drawn: some endpoints refuse several at once, or a seed."""
        body = style.body(self.model, _OPENING, 1, seed=0)
        if self._works(style.path, body | {"n": SAMPLES}, choices):
            return "many"
        return "one" if self._works(style.path, body, choices) else "unseeded"

    def _find_words(self, style: Style) -> Words:
        if style.engine == "llamacpp":
            body = style.body(self.model, Shown("a"), 1, **style.likeliest(1))
            body |= {"grammar": "root ::= <[0]>", "prompt": "a"}
            return "grammar" if self._works("completions", body, written_tokens) else "none"
        if style.chat:
            shown = style.behind(Shown(_LISTS["digits"]), "One of them")
            body = style.body(self.model, shown, 1, prompt_logprobs=0)
            return (
                "prompt_logprobs"
                if style.continues and self._works(style.path, body, prompt_tokens)
                else "none"
            )
        body = style.body(self.model, _OPENING, 1, logprobs=1, echo=True)
        return "echo" if self._works(style.path, body, echoed_tokens) else "none"

    def _works(self, path: str, body: dict[str, Any], read: Any) -> bool:
        try:
            return bool(self.transport.post(path, body, read, faults=_FAULTS))
        except (RequestRefusedError, UnreadableError) as error:
            self.refusal = str(error)
            self.failed |= isinstance(error, RequestFailedError)
            return False
