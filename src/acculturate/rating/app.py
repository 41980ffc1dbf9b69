"""The server that shows pairs and takes judgements: a page, its files, and two calls that the page makes.

In: the pairs of a folder and its log. Out: a Starlette app. It never opens the key. A judgement is
answered when it is on the disk and not before, so that the page can keep what is not and send it again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from acculturate.errors import UsageError, WriteError
from acculturate.io import lock_folder, parse_plain
from acculturate.rating.folder import Pair, read_pairs
from acculturate.rating.log import Event, Marked, Rating, RatingLog, Side, last_ratings
from acculturate.rating.schedule import schedule
from acculturate.schema import Section, validated
from acculturate.serving.web import AccessControl, ApiError, error_handlers, file_routes

MOST_RATERS = 2000
MAX_BODY = 20_000
"""Bytes of a request."""
LETTERS = "ACDEFHJKLMNPRTUVWXY3479"
"""Signs of a code, which nobody takes for one another."""
_FILES = {
    "/": ("acculturate.rating", "rate.html", "text/html"),
    "/rate.css": ("acculturate.rating", "rate.css", "text/css"),
    "/rate.js": ("acculturate.rating", "rate.js", "text/javascript"),
    "/colours.css": ("acculturate.reporting", "colours.css", "text/css"),
}

T = TypeVar("T", bound=Section)

_Token = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w-]+$")]


class Opening(Section):
    """A rater who comes: without a code to get one, with a code to go on.

    Attributes:
        window: Drawn by the rater's browser.
        code: The rater's.
    """

    window: _Token
    code: _Token | None = None


class Judging(Section):
    """A judgement, of what stands at a place of the rater's own order."""

    window: _Token
    code: _Token
    place: Annotated[int, Field(ge=0)]
    typical: Side
    better: Side
    marked: Marked
    reason: Annotated[str, Field(max_length=2000)] = ""


class RatingDesk:
    """Pairs, raters and their judgements, while the server runs.

    Args:
        pairs: The pairs.
        log: Keeps the judgements.
    """

    def __init__(self, pairs: Sequence[Pair], log: RatingLog) -> None:
        self._pairs, self._log = tuple(pairs), log
        self._windows = {event.rater: event.window for event in log.events}
        self._shown = lru_cache(MOST_RATERS)(partial(schedule, self._pairs))

    def open(self, opening: Opening) -> dict[str, Any]:
        """Let a rater begin or go on; from now on this window alone may judge under the code.

        Raises:
            ApiError: The code is unknown, there are too many raters, or the disk is full.
        """
        code = self._new_code() if opening.code is None else opening.code.upper()
        if opening.code is not None:
            self._check(code)
        self._append(Event(_now(), code, opening.window))
        self._windows[code] = opening.window
        last = last_ratings(event for event in self._log.events if event.rater == code)
        items: list[dict[str, Any]] = []
        for shown in self._shown(code):
            left, right = shown.answers
            event = last.get((code, shown.pair.id, shown.again))
            given = asdict(event.rating) if event and event.rating else None
            rating = given and {
                key: given[key] for key in ("typical", "better", "marked", "reason")
            }
            question = shown.pair.question
            items.append({"question": question, "left": left, "right": right, "rating": rating})
        return {"code": code, "country": self._pairs[0].country, "items": items}

    def judge(self, judging: Judging) -> dict[str, Any]:
        """Keep a judgement.

        Raises:
            ApiError: The code or the place is unknown, the code was opened in another window since, or the disk
                is full.
        """
        self._check(judging.code)
        if self._windows[judging.code] != judging.window:
            raise ApiError(
                409, "This code was opened in another window, perhaps by another person."
            )
        all_shown = self._shown(judging.code)
        if judging.place >= len(all_shown):
            raise ApiError(
                400, f"there is no place {judging.place} among {len(all_shown)}", "place"
            )
        shown = all_shown[judging.place]
        rating = Rating(
            pair=shown.pair.id,
            again=shown.again,
            first_left=shown.first_left,
            typical=judging.typical,
            better=judging.better,
            marked=judging.marked,
            reason=judging.reason,
        )
        self._append(Event(_now(), judging.code, judging.window, rating))
        return {"kept": True}

    def _new_code(self) -> str:
        if len(self._windows) >= MOST_RATERS:
            raise ApiError(429, f"there are {MOST_RATERS} raters already")
        signs = [secrets.choice(LETTERS) for _ in range(8)]
        return f"{''.join(signs[:4])}-{''.join(signs[4:])}"

    def _check(self, code: str) -> None:
        if code not in self._windows:
            raise ApiError(404, "This code is not known here. Check it, or begin anew without one.")

    def _append(self, event: Event) -> None:
        try:
            self._log.append(event)
        except WriteError as error:
            raise ApiError(507, f"The server could not keep this: {error}.") from error


@contextmanager
def open_app(folder: Path, host: str = "127.0.0.1", key: str | None = None) -> Generator[ASGIApp]:
    """Hold a folder, and give the app that shows its pairs, guarded.

    Args:
        folder: Folder of the rating.
        host: Address that it will listen on.
        key: See `AccessControl`.

    Raises:
        UsageError: There are no pairs, or another server holds the folder.
        FailureError: A file is damaged or cannot be written.
    """
    pairs = read_pairs(folder)
    with lock_folder(folder), closing(RatingLog(folder)) as log:
        desk = RatingDesk(pairs, log)
        routes = [
            *file_routes(_FILES),
            Route("/api/open", _call(Opening, desk.open), methods=["POST"]),
            Route("/api/ratings", _call(Judging, desk.judge), methods=["POST"]),
        ]
        yield Starlette(
            routes=routes,
            middleware=[Middleware(AccessControl, host=host, key=key, most=MAX_BODY)],
            exception_handlers=error_handlers,
        )


def _call(kind: type[T], act: Callable[[T], dict[str, Any]]) -> Any:
    """Return an endpoint that takes JSON of a kind; the work waits for the disk in a thread."""

    async def answer(request: Request) -> Response:
        raw = await request.body()
        try:
            given = validated(kind, parse_plain(json.loads, raw.decode()), "request")
        except (UsageError, ValueError) as error:
            raise ApiError(400, f"not understood: {error}") from error
        return JSONResponse(await run_in_threadpool(act, given))

    return answer


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
