"""Tokens to text while it is written: whole characters only, and nothing of a string that ends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_BROKEN = "\N{REPLACEMENT CHARACTER}"


class Writing:
    """A text that grows by tokens.

    Args:
        decode: Makes a text of tokens.
        before: Tokens in front of it, which may decide whether it begins with a space.
        stop: Strings that end it, and are not part of it.

    Attributes:
        stopped: Whether one of these was written.
    """

    def __init__(
        self, decode: Callable[[list[int]], str], before: Sequence[int], stop: Sequence[str]
    ) -> None:
        self._decode, self._stop = decode, stop
        # The shown tokens that are decoded again, so that what follows them is read in its place.
        self._context, self._new = list(before), list[int]()
        self._held = ""
        self.stopped = False

    def add(self, token: int) -> str:
        """Add a token, and return what can be shown now."""
        self._new.append(token)
        return self._show(self._decoded(), at_end=False)

    def finish(self) -> str:
        """Return the rest."""
        return self._show(self._decoded(at_end=True), at_end=True)

    def _decoded(self, at_end: bool = False) -> str:
        """Return the text of the new tokens where it is whole."""
        shown, whole = self._decode(self._context), self._decode(self._context + self._new)
        if not self._new or (whole.endswith(_BROKEN) and not at_end):
            return ""
        self._context, self._new = self._new, []
        return whole[len(shown.rstrip(_BROKEN)) :]

    def _show(self, text: str, at_end: bool) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        ends = [at for at in map(text.find, self._stop) if at >= 0]
        if ends:
            self.stopped, self._held = True, ""
            return text[: min(ends)]
        held = 0 if at_end else max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of a text that is a beginning of a string."""
    lengths = range(min(len(text), len(stop) - 1), 0, -1)
    return next((length for length in lengths if text.endswith(stop[:length])), 0)
