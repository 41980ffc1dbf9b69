"""Forms, questions and texts -> requests: the same words that a local model is shown.

A model without a chat reads a form and its answer cue and goes on. A chat model gets the form as the user's
message, what tells it who to be as the system's, answered examples as turns before, and begins its reply with
the cue where the server lets a reply be continued; elsewhere the cue ends the user's message.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from acculturate.model.answers import ANSWER, QUESTION
from acculturate.survey.forms import Form

Engine = Literal["vllm", "llamacpp", "acculturate", "other"]
"""The program that serves, as it says itself."""

_CONTINUED: dict[Engine, dict[str, Any]] = {
    "vllm": {"continue_final_message": True, "add_generation_prompt": False},
    "acculturate": {"continue_final_message": True, "add_generation_prompt": False},
    "llamacpp": {},  # it continues a last message of the assistant's by itself
}
"""Parameters that continue a reply, of the engines that can."""
_UNCHANGED: dict[Engine, dict[str, Any]] = {
    "vllm": {"top_p": 1, "top_k": -1, "min_p": 0, "repetition_penalty": 1},
    "llamacpp": {"top_p": 1, "top_k": -1, "min_p": 0, "repeat_penalty": 1},
}
"""Parameters that leave the model's own distribution as it is, where defaults change it."""


@dataclass(frozen=True)
class Shown:
    """Everything that a model is shown, and the beginning of what it writes.

    Attributes:
        text: Text to go on with, or the user's message.
        reply: Beginning of the reply in a chat; of a text it is a part.
        system: System message; empty for none.
        earlier: Turns of a chat before, the user's message and the reply of each.
    """

    text: str
    reply: str = ""
    system: str = ""
    earlier: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Style:
    """The way in which an endpoint is asked.

    Attributes:
        engine: The program that serves.
        chat: True for `/chat/completions`, False for `/completions`.
        system: Whether a chat takes a system message.
    """

    engine: Engine = "other"
    chat: bool = False
    system: bool = True

    @property
    def continues(self) -> bool:
        """True where what is written goes on from a beginning of ours."""
        return not self.chat or self.engine in _CONTINUED

    @property
    def path(self) -> str:
        """Path of its requests."""
        return "chat/completions" if self.chat else "completions"

    def form(self, form: Form) -> Shown:
        """Show a form, up to its answer."""
        if not self.chat:
            return Shown(f"{form.dialogue}{form.text}\n{form.cue}")
        system = form.line if form.told and self.system else ""
        text = form.plain.text if system else form.text
        cue = form.cue if form.word_set is None else ""
        end, begun = ("", cue) if self.continues else (f"\n{cue}" if cue else "", "")
        earlier = tuple(
            (f"{asked}{end}", f"{begun} {answer}".strip()) for asked, answer in form.examples
        )
        return Shown(f"{text}{end}", begun, system, earlier)

    def words(self, words: str) -> str:
        """Return an answer in words as it follows a form."""
        return words if self.chat else f" {words}"

    def question(self, question: str) -> Shown:
        """Show a question to answer in words."""
        return Shown(question) if self.chat else Shown(f"{QUESTION} {question}\n{ANSWER}")

    def behind(self, shown: Shown, continuation: str) -> Shown:
        """Add to what the model writes."""
        if self.chat:
            return replace(shown, reply=shown.reply + continuation)
        return replace(shown, text=shown.text + continuation)

    def body(self, model: str, shown: Shown, max_tokens: int, **options: Any) -> dict[str, Any]:
        """Return the body of a request: the model's own distribution, one token drawn after the other."""
        body: dict[str, Any] = {"model": model, "max_tokens": max_tokens, "temperature": 1}
        body |= _UNCHANGED.get(self.engine, {}) | options
        if not self.chat:
            return body | {"prompt": shown.text}
        messages = [{"role": "system", "content": shown.system}] if shown.system else []
        for asked, answer in shown.earlier:
            messages += [
                {"role": "user", "content": asked},
                {"role": "assistant", "content": answer},
            ]
        messages.append({"role": "user", "content": shown.text})
        if shown.reply:
            messages.append({"role": "assistant", "content": shown.reply})
            body |= _CONTINUED.get(self.engine, {})
        return body | {"messages": messages}

    def likeliest(self, count: int) -> dict[str, Any]:
        """Return the parameters that ask for the likeliest next tokens.

        llama.cpp shows none where it draws a part of a character, so that it takes the likeliest token; what it
        shows is from before any temperature.
        """
        drawn = {"temperature": 0} if self.engine == "llamacpp" else {}
        shown = {"logprobs": True, "top_logprobs": count} if self.chat else {"logprobs": count}
        return shown | drawn
