"""The page on an API without a model: answers are known, errors come when a question asks for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from acculturate.formatting import slug
from acculturate.model import SoftPrompt
from acculturate.runs import Run
from acculturate.serving.page import make_profiles, page_routes
from acculturate.serving.variants import Variant
from fake_run import RESULT, summary


def fake_run(country: str = "United States", path: str | Path = "runs/us", **changed: Any) -> Run:
    """A finished run without files."""
    prompt = SoftPrompt(np.zeros((1, 2), np.float32), "front", "embedded")
    return Run(Path(path), prompt, RESULT, replace(summary(country), **changed))


def variants_of(runs: Sequence[Run]) -> list[Variant]:
    """The variants of runs in the order of a server: the untouched model, tuned ones, personas."""
    countries = dict.fromkeys(run.summary.target.country for run in runs)
    tuned = [
        Variant(f"embedded+{run.directory.name}", run.summary.target.country, run=run.directory)
        for run in runs
    ]
    personas = [
        Variant(f"embedded+persona:{slug(country)}", country, line="Answer as ...")
        for country in countries
    ]
    return [Variant("embedded"), *tuned, *personas]


class FakeApi:
    """Answers every question with the variant's name and the seed, one word at a time.

    Args:
        runs: Finished runs.
        pause: Seconds between two words.

    Attributes:
        asked: Bodies of all requests.
        gone: Number of clients that went away in the middle of an answer.
    """

    def __init__(self, runs: Sequence[Run] = (), pause: float = 0.01) -> None:
        self.profiles = make_profiles(variants_of(runs or [fake_run()]), runs or [fake_run()])
        self._pause = pause
        self.asked: list[dict[str, Any]] = []
        self.gone = 0

    @property
    def app(self) -> Starlette:
        chat = Route("/v1/chat/completions", self._chat, methods=["POST"])
        return Starlette(routes=[chat, *page_routes(self.profiles)])

    async def _chat(self, request: Request) -> Response:
        asked = await request.json()
        self.asked.append(asked)
        question = asked["messages"][0]["content"]
        if "refuse" in question and asked["model"].endswith("+us"):
            return JSONResponse({"error": {"message": "<b>the queue</b> is full"}}, 429)
        return StreamingResponse(self._events(asked), media_type="text/event-stream")

    async def _events(self, asked: dict[str, Any]) -> AsyncIterator[str]:
        question, words = asked["messages"][0]["content"], 0
        answer = f"{asked['model']} says with seed {asked['seed']}: <i>{question}</i>"
        endless = " and so on" * 10_000 if "endless" in question else ""
        try:
            for word in (answer + endless).split(" "):
                delta = {"content": word if words == 0 else f" {word}"}
                yield self._event({"delta": delta, "finish_reason": None})
                await asyncio.sleep(self._pause)
                words += 1
                if "break" in question and words == 3:
                    yield f"data: {json.dumps({'error': {'message': 'out of memory'}})}\n\n"
                    return
            yield self._event({"delta": {}, "finish_reason": "length"})
            yield "data: [DONE]\n\n"
        except asyncio.CancelledError:
            self.gone += 1
            raise

    @staticmethod
    def _event(choice: dict[str, Any]) -> str:
        return f"data: {json.dumps({'choices': [{'index': 0, **choice}]})}\n\n"
