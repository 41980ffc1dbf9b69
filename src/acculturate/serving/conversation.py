"""Conversations with a variant: what its model reads, and one question to several variants at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from queue import SimpleQueue

from acculturate.errors import AcculturateError
from acculturate.model import NEXT_QUESTION, LanguageModel
from acculturate.serving.engine import Engine, Job, Piece
from acculturate.serving.variants import Variant


def chat_job(
    model: LanguageModel, variant: Variant, messages: Sequence[tuple[str, str]], reply: str = ""
) -> Job:
    """Return the job of a variant's reply.

    Args:
        model: The model.
        variant: The variant that replies.
        messages: Role and text of each message.
        reply: Beginning of the reply.

    Raises:
        UsageError: The model's template refuses the conversation.
    """
    tuned_with = variant.prompt.line if variant.prompt else ""
    encoded = model.encode_chat(messages, variant.line or tuned_with, reply)
    job = Job(encoded.tokens, stop=() if model.chat == "template" else (NEXT_QUESTION,))
    if variant.prompt is None or variant.line:
        return job
    placement, virtual = variant.prompt.placement, variant.prompt.embeddings
    at, in_layers = encoded.prompt_at(placement), placement == "prefix"
    # In front of the answer stands the whole conversation, which no other begins with.
    name = None if placement == "before-answer" else variant.name
    return replace(job, virtual=virtual, at=at, name=name, in_layers=in_layers)


def seed_of(seed: int, choice: int = 0) -> list[int]:
    """Return what starts the random numbers of a choice: those of one seed differ."""
    return [abs(seed), seed < 0, choice]


def write_all(engine: Engine, jobs: Iterable[Job]) -> Iterator[tuple[int, Piece]]:
    """Let an engine do jobs at once, and yield every piece with its job's number as it comes.

    Jobs that are not done are cancelled when the iterator is closed.

    Raises:
        FailureError: The engine failed.
        UsageError: A job is too long.
    """
    came: SimpleQueue[tuple[int, Piece | AcculturateError]] = SimpleQueue()

    def deliver(index: int, piece: Piece | AcculturateError) -> None:
        came.put((index, piece))

    given = [replace(job, deliver=partial(deliver, index)) for index, job in enumerate(jobs)]
    for job in given:
        engine.check(job)
    engine.submit(given)
    left = len(given)
    try:
        while left:
            index, piece = came.get()
            if isinstance(piece, AcculturateError):
                raise piece
            left -= piece.end is not None
            yield index, piece
    finally:
        for job in given:
            job.cancelled = True
