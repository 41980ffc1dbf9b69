"""One thread that runs the model: texts wait, are read, and are written side by side.

In: jobs, from any thread. Out: pieces of text, to whoever gave the job. Several texts, of whatever variants,
are written in one pass; each gets the numbers that it would get alone (`model/decoding.py`). A job that is
cancelled leaves its place to the next.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from acculturate.errors import AcculturateError, FailureError, UsageError
from acculturate.formatting import first_line
from acculturate.model import Chance, LanguageModel, Prompt, Text, chances, choose
from acculturate.serving.writing import Writing

ROWS = 16
"""Texts that are written at once."""
WAITING = 128
"""Texts that wait for a place, at most."""
LONGEST = 8192
"""Tokens of a text, at most, whatever the model has positions for: memory is bounded by it."""
_PLACES = 16
"""Places whose logits of the whole vocabulary are held at once."""
_CONTEXT = 8
"""Tokens in front of a text that decide whether it begins with a space."""


@dataclass(frozen=True)
class Piece:
    """The text written since the last piece.

    Attributes:
        text: The text.
        chances: Of its tokens, or of those of the prompt, where they were asked for.
        end: Why it is the last: "stop" or "length"; None where it is not.
        written: Number of tokens that were written so far.
    """

    text: str
    chances: tuple[Chance, ...] = ()
    end: str | None = None
    written: int = 0


class ShuttingDownError(FailureError):
    """The server ends while a job waits."""


@dataclass(eq=False)
class Job:
    """A text to go on with.

    Attributes:
        tokens: What it goes on with.
        deliver: Is given every piece, or the error that ended it, in the engine's thread.
        virtual: Embeddings that stand in it, if any.
        embedded: Whether these are the client's own.
        at: Number of tokens that stand before these.
        name: Of the embeddings where many texts have them; see `Decoder.text`.
        in_layers: Whether they are no embeddings but a prefix, the keys and values of all layers.
        line: First and last place (exclusive) of tokens that are not the client's but the variant's line, of
            which nothing is told.
        max_tokens: Number of tokens to write, at most.
        temperature: See `choose`.
        top_p: See `choose`.
        seed: Starts the random numbers that choose.
        stop: Strings that end the text.
        likeliest: Number of likeliest tokens to tell of at each place; None tells of no chances.
        reads_prompt: Whether to tell of the chances of the prompt's tokens too.
        cancelled: Whether nobody waits for it any more; may be set at any time.
    """

    tokens: Sequence[int]
    deliver: Callable[[Piece | AcculturateError], None] = lambda _: None
    virtual: Prompt | None = None
    embedded: bool = False
    at: int = 0
    name: str | None = None
    in_layers: bool = False
    line: tuple[int, int] = (0, 0)
    max_tokens: int = 16
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | list[int] | None = None
    stop: tuple[str, ...] = ()
    likeliest: int | None = None
    reads_prompt: bool = False
    cancelled: bool = False

    @property
    def virtual_count(self) -> int:
        """Number of embeddings that stand in it."""
        return 0 if self.virtual is None else len(self.virtual)

    @property
    def given(self) -> tuple[int, ...]:
        """The tokens without those of the variant's line."""
        return (*self.tokens[: self.line[0]], *self.tokens[self.line[1] :])

    @property
    def context(self) -> Sequence[int]:
        """The last tokens, which decide whether what follows begins with a space."""
        return self.tokens[-_CONTEXT:]


class QueueFullError(Exception):
    """No place to wait in is left."""


class _Place:
    """A job at work: its text, and what of it was written."""

    def __init__(self, job: Job, text: Text, ids: list[int | None], decode: Any) -> None:
        self.job, self.text = job, text
        self.ids = ids
        """Tokens of the prompt; None for virtual ones and those of a variant's line."""
        self.token: int | None = None
        self.written = 0
        self.writing = Writing(decode, job.context, job.stop)
        self.random = np.random.default_rng(job.seed)
        self.done = self.told = False


def _failure(error: Exception) -> FailureError:
    return FailureError(f"the model failed: {first_line(error)}")


class Engine:
    """The thread that runs a model.

    Args:
        model: The model.
        rows: Number of texts that are written at once.
        waiting: Number of texts that may wait for a place.

    Attributes:
        longest: Tokens that a text may have, the virtual ones and those to be written among them.
    """

    def __init__(self, model: LanguageModel, rows: int = ROWS, waiting: int = WAITING) -> None:
        self._model, self._decoder = model, model.decoder(rows)
        self.longest = min(self._decoder.longest, LONGEST)
        self.most = waiting
        self._ends = model.end_tokens()
        self._waiting: deque[Job] = deque()
        self._places: list[_Place] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def check(self, job: Job) -> None:
        """Refuse a job that there is no room for.

        Raises:
            UsageError: It is too long.
        """
        length = len(job.tokens) + job.virtual_count
        if length + job.max_tokens > self.longest:
            raise UsageError(
                f"the prompt has {length} tokens, virtual ones among them, and {job.max_tokens} are to be "
                f"written; there is room for {self.longest}",
                "Send less, or ask for fewer.",
            )

    def submit(self, jobs: Sequence[Job]) -> None:
        """Let jobs wait for places: all of them, or none.

        Raises:
            QueueFullError: There is no room for them.
        """
        with self._changed:
            free = self._decoder.rows - len(self._places)
            self._waiting = deque(job for job in self._waiting if not job.cancelled)
            if self._closing or len(self._waiting) + len(jobs) > self.most + free:
                raise QueueFullError
            self._waiting.extend(jobs)
            self._changed.notify()

    def close(self) -> None:
        """End the thread; what is at work fails."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, without special ones."""
        return str(self._model.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def _run(self) -> None:
        while self._wait():
            self._places = [place for place in self._places if not place.job.cancelled]
            try:
                self._admit()
                self._read()
                self._write()
            except Exception as error:
                self._fail(_failure(error))
            self._places = [place for place in self._places if not place.done]
        self._fail(ShuttingDownError("the server is shutting down"))

    def _wait(self) -> bool:
        """Wait until there is something to do; False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._waiting or self._places)
            return not self._closing

    def _admit(self) -> None:
        """Give waiting jobs the free places."""
        while len(self._places) < self._decoder.rows:
            with self._changed:
                if not self._waiting:
                    return
                job = self._waiting.popleft()
            if not job.cancelled:
                try:
                    self._places.append(self._start(job))
                except Exception as error:
                    job.deliver(_failure(error))

    def _fail(self, error: AcculturateError) -> None:
        with self._changed:
            jobs = [place.job for place in self._places]
            if self._closing:
                jobs += self._waiting
                self._waiting.clear()
            self._places = []
        for job in jobs:
            job.deliver(error)

    def _start(self, job: Job) -> _Place:
        first, behind = job.line
        told = [*job.tokens[:first], *[None] * (behind - first), *job.tokens[behind:]]
        ids = [*told[: job.at], *[None] * job.virtual_count, *told[job.at :]]
        if job.in_layers and job.virtual is not None:
            text = self._decoder.behind_prefix(job.tokens, job.virtual, job.at, job.name)
        else:
            # Of what is read once for all nothing can be told.
            name = None if job.reads_prompt else job.name
            text = self._decoder.text(job.tokens, job.virtual, job.at, name)
        return _Place(job, text, ids, self.decode)

    def _read(self) -> None:
        """Read the next part of the text that came first and is not read yet."""
        place = next((place for place in self._places if len(place.text.unread)), None)
        if place is None:
            return
        start = place.text.length
        states = self._decoder.read(place.text, every=place.job.reads_prompt)
        if place.job.reads_prompt:
            self._tell(place, states, start)
        if not len(place.text.unread):
            if place.job.max_tokens == 0:
                self._end(place, "length")
            else:
                self._take(place, self._decoder.logits(states[-1:])[0])

    def _tell(self, place: _Place, states: Any, start: int) -> None:
        """Tell of the chances of the prompt's tokens behind the states of a part of it."""
        likeliest = place.job.likeliest or 0
        told: list[Chance] = []
        if not place.told:  # the first token, and the one behind a prefix, follow from nothing
            told += [Chance(token, None) for token in place.ids[: start + 1] if token is not None]
            place.told = True
        following = place.ids[start + 1 : start + 1 + len(states)]
        for first in range(0, len(following), _PLACES):
            ids = following[first : first + _PLACES]
            wanted = [index for index, token in enumerate(ids) if token is not None]
            if wanted:
                logits = self._decoder.logits(states[first : first + len(ids)][wanted])
                told += chances(logits, [ids[index] or 0 for index in wanted], likeliest)
        place.job.deliver(Piece("", tuple(told)))

    def _write(self) -> None:
        """Write one token in every text that is read."""
        places = [place for place in self._places if place.token is not None and not place.done]
        if not places:
            return
        tokens = [place.token or 0 for place in places]
        states = self._decoder.write([place.text for place in places], tokens)
        for place, logits in zip(places, self._decoder.logits(states, len(places)), strict=True):
            self._take(place, logits)

    def _take(self, place: _Place, logits: Any) -> None:
        """Choose a text's next token, and deliver what can be shown of it."""
        job = place.job
        uniform = float(place.random.random())
        token = place.token = choose(logits, job.temperature, job.top_p, uniform)
        place.written += 1
        told: tuple[Chance, ...] = ()
        if job.likeliest is not None:
            told = tuple(chances(logits[None], [token], job.likeliest))
        if token in self._ends:
            return self._end(place, "stop", told)
        text = place.writing.add(token)
        if place.writing.stopped:
            return self._end(place, "stop", told, text)
        if place.written == job.max_tokens:
            return self._end(place, "length", told, text)
        if text or told:
            job.deliver(Piece(text, told, written=place.written))
        return None

    def _end(self, place: _Place, why: str, told: tuple[Chance, ...] = (), text: str = "") -> None:
        place.done = True
        text += place.writing.finish()
        why = "stop" if place.writing.stopped else why
        place.job.deliver(Piece(text, told, why, place.written))
