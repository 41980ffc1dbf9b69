"""OpenAI's API over the variants of one model, with vLLM's `prompt_embeds`.

In: requests. Out: answers whole, or as a stream of server-sent events. Every choice is a job of the engine's;
when a client goes away, its jobs give up their places.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from acculturate.errors import AcculturateError, UsageError
from acculturate.model import EncodedForm, LanguageModel, load_embeddings
from acculturate.serving.answers import Answer, ChatAnswer, CompletionAnswer
from acculturate.serving.conversation import chat_job, seed_of
from acculturate.serving.engine import Engine, Job, Piece, QueueFullError, ShuttingDownError
from acculturate.serving.requests import ChatRequest, CompletionRequest, Sampled, read_body
from acculturate.serving.variants import Variant
from acculturate.serving.web import AccessControl, ApiError, error_handlers

_CHAT_TOKENS = 256
"""Tokens of a reply, at most, where a request does not say."""
_LETTERS = 64
"""Letters of a token, at most, for a text that is still counted."""


class Api:
    """The endpoints.

    Args:
        engine: Runs the model.
        model: The model.
        variants: Its variants by name.
    """

    def __init__(
        self, engine: Engine, model: LanguageModel, variants: Mapping[str, Variant]
    ) -> None:
        self._engine, self._model, self._variants = engine, model, variants
        self._started = int(time.time())
        self._weights = {"weights": model.model_hash(), "dtype": str(model.network.dtype)}

    @property
    def routes(self) -> list[BaseRoute]:
        """The endpoints by their paths."""
        return [
            Route("/v1/models", self._models),
            Route("/v1/models/{name:path}", self._one_model),
            Route("/v1/completions", self._completions, methods=["POST"]),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
        ]

    async def _models(self, _: Request) -> Response:
        data = [self._about(variant) for variant in self._variants.values()]
        return JSONResponse({"object": "list", "data": data})

    async def _one_model(self, request: Request) -> Response:
        return JSONResponse(self._about(self._variant(request.path_params["name"])))

    async def _completions(self, request: Request) -> Response:
        asked = await read_body(request, CompletionRequest)
        variant = self._variant(asked.model)
        self._check_count(asked)
        prompts = self._given(asked) + self._prompts(asked, variant)
        if not prompts:
            raise ApiError(400, "there is no prompt", "prompt")
        if asked.echo and asked.logprobs is not None and _is_late(variant):
            raise ApiError(
                400,
                f"the prompt of {variant.name} stands before an answer, and a text to be read has none",
                "model",
            )
        limits: dict[str, Any] = {
            "max_tokens": asked.max_tokens,
            "likeliest": asked.logprobs,
            "reads_prompt": asked.echo and asked.logprobs is not None,
        }
        jobs = self._jobs(asked, [replace(prompt, **limits) for prompt in prompts])
        return await self._answer(request, CompletionAnswer(asked, jobs, self._engine.decode))

    async def _chat(self, request: Request) -> Response:
        asked = await read_body(request, ChatRequest)
        variant = self._variant(asked.model)
        self._check_count(asked)
        messages, reply = asked.conversation
        for _, text in (*messages, ("assistant", reply)):
            self._check_size(text, "messages")
        try:
            job = chat_job(self._model, variant, messages, reply)
        except UsageError as error:
            raise ApiError(400, _words(error), "messages") from error
        most = asked.max_completion_tokens or asked.max_tokens
        room = self._engine.longest - len(job.tokens) - job.virtual_count
        job = replace(
            job,
            max_tokens=most or max(1, min(_CHAT_TOKENS, room)),
            likeliest=asked.likeliest,
            reads_prompt=asked.prompt_logprobs is not None,
        )
        jobs = self._jobs(asked, [job])
        return await self._answer(request, ChatAnswer(asked, jobs, self._engine.decode))

    def _about(self, variant: Variant) -> dict[str, Any]:
        return {
            "id": variant.name,
            "object": "model",
            "created": self._started,
            "owned_by": "acculturate",
            "max_model_len": self._engine.longest,
            "meta": {
                "chat_template": self._model.chat == "template",
                **self._weights,
                "prompt": "" if variant.prompt is None else variant.prompt.fingerprint,
            },
        }

    def _variant(self, name: str) -> Variant:
        if name not in self._variants:
            raise ApiError(
                404,
                f"there is no model {name[:100]!r}; there are {', '.join(self._variants)}",
                "model",
                "model_not_found",
            )
        return self._variants[name]

    def _prompts(self, asked: CompletionRequest, variant: Variant) -> list[Job]:
        """Return the prompts of a request that stand behind no embeddings."""
        if asked.prompt_embeds is not None and asked.echo:
            return []
        prompt, leading = variant.prompt, self._model.leading
        if prompt is None:
            return [Job(tokens) for tokens in self._tokens(asked)]
        line = self._model.encode_line(prompt.line)
        late, jobs = prompt.placement == "before-answer", list[Job]()
        for given in self._tokens(asked):
            behind = len(leading) if tuple(given[: len(leading)]) == leading else 0
            tokens = (*given[:behind], *line, *given[behind:])
            at = EncodedForm(tokens, (), 0, behind).prompt_at(prompt.placement)
            jobs.append(
                Job(
                    tokens,
                    virtual=prompt.embeddings,
                    at=at,
                    name=None if late else variant.name,
                    in_layers=prompt.placement == "prefix",
                    line=(behind, behind + len(line)),
                )
            )
        return jobs

    def _given(self, asked: CompletionRequest) -> list[Job]:
        """Return the embeddings of a request, with `echo` with each of its prompts behind them."""
        if asked.prompt_embeds is None:
            return []
        if self._variant(asked.model).prompt is not None:
            raise ApiError(
                400,
                "prompt_embeds go to the untouched model: what they hold is all it reads",
                "model",
            )
        try:
            given = [load_embeddings(t, self._model.hidden_size) for t in asked.prompt_embeds]
        except UsageError as error:
            raise ApiError(400, _words(error), "prompt_embeds") from error
        behind = self._tokens(asked) if asked.echo else [()]
        return [
            Job(tokens, virtual=each, embedded=True) for each in given for tokens in behind or [()]
        ]

    def _tokens(self, asked: CompletionRequest) -> list[tuple[int, ...]]:
        """Return the tokens of a request's prompts."""
        bare = asked.prompt_embeds is not None or not asked.add_special_tokens
        return [self._ids(prompt, bare) for prompt in asked.prompts]

    def _ids(self, prompt: str | list[int], bare: bool) -> tuple[int, ...]:
        try:
            if not isinstance(prompt, str):
                self._model.check_ids(prompt)
                return tuple(prompt)
            self._check_size(prompt, "prompt")
            tokens = self._model.encode_text(prompt)
            return tokens[len(self._model.leading) :] if bare else tokens
        except UsageError as error:
            raise ApiError(400, _words(error), "prompt") from error

    def _check_count(self, asked: Sampled) -> None:
        """Refuse more texts than may wait before time is spent on their tokens."""
        most = self._engine.most
        if asked.count * asked.n > most:
            param = "prompt" if asked.n == 1 else "n"
            raise ApiError(400, f"more than {most} texts in one request", param)

    def _check_size(self, text: str, param: str) -> None:
        """Refuse a text that is too long by far before time is spent on its tokens."""
        most = _LETTERS * self._engine.longest
        if len(text) > most:
            raise ApiError(
                400, f"a text is longer than {most} letters", param, "context_length_exceeded"
            )

    def _jobs(self, asked: Sampled, prompts: Sequence[Job]) -> list[Job]:
        """Return the jobs of a request, `n` for each prompt, after checking that there is room for them."""
        for job in prompts:
            if len(job.tokens) + job.virtual_count == 0 or (
                job.in_layers and job.at == len(job.tokens)
            ):
                raise ApiError(400, "the prompt is empty", "prompt")
            try:
                self._engine.check(job)
            except UsageError as error:
                raise ApiError(400, _words(error), "prompt", "context_length_exceeded") from error
        return [
            replace(
                job,
                temperature=asked.temperature,
                top_p=asked.top_p,
                seed=None if asked.seed is None else seed_of(asked.seed, index),
                stop=(*job.stop, *(asked.stop or ())),
            )
            for job in prompts
            for index in range(asked.n)
        ]

    async def _answer(self, request: Request, answer: Answer) -> Response:
        """Let the engine write, and answer whole or as a stream."""
        pieces = self._submit(answer.jobs)
        if answer.asked.stream:
            return StreamingResponse(_events(answer, pieces), media_type="text/event-stream")
        gone = asyncio.ensure_future(_wait_until_gone(request))
        collected = asyncio.ensure_future(_collect(answer, pieces))
        try:
            await asyncio.wait((gone, collected), return_when=asyncio.FIRST_COMPLETED)
            if not collected.done():
                return Response(status_code=499)  # nobody reads it
            collected.result()
            return JSONResponse(answer.whole())
        finally:
            gone.cancel()
            collected.cancel()
            _cancel(answer.jobs)

    def _submit(self, jobs: Sequence[Job]) -> asyncio.Queue[tuple[int, Piece | AcculturateError]]:
        """Let jobs wait, and return where their pieces come in, each with its job's number."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[int, Piece | AcculturateError]] = asyncio.Queue()

        def deliver(index: int, piece: Piece | AcculturateError) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(pieces.put_nowait, (index, piece))

        for index, job in enumerate(jobs):
            job.deliver = lambda piece, index=index: deliver(index, piece)
        try:
            self._engine.submit(jobs)
        except QueueFullError as error:
            raise ApiError(
                429,
                "too many texts wait already: try again in a moment",
                code="rate_limit_exceeded",
            ) from error
        return pieces


async def _received(
    pieces: asyncio.Queue[tuple[int, Piece | AcculturateError]], count: int
) -> AsyncGenerator[tuple[int, Piece]]:
    """Yield pieces until as many jobs have come to their end.

    Raises:
        ApiError: The engine failed.
    """
    while count:
        index, piece = await pieces.get()
        if isinstance(piece, AcculturateError):
            raise ApiError(503 if isinstance(piece, ShuttingDownError) else 500, str(piece))
        count -= piece.end is not None
        yield index, piece


async def _collect(answer: Answer, pieces: asyncio.Queue[Any]) -> None:
    async for index, piece in _received(pieces, len(answer.jobs)):
        answer.add(index, piece)


async def _events(answer: Answer, pieces: asyncio.Queue[Any]) -> AsyncGenerator[str]:
    """Yield an answer as server-sent events; closed early, it cancels the jobs."""
    try:
        for chunk in answer.first():
            yield _event(chunk)
        async for index, piece in _received(pieces, len(answer.jobs)):
            for chunk in answer.add(index, piece):
                yield _event(chunk)
        for chunk in answer.last():
            yield _event(chunk)
    except ApiError as error:
        yield _event(error.body())
    finally:
        _cancel(answer.jobs)
    yield "data: [DONE]\n\n"


def _event(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _cancel(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.cancelled = True


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _is_late(variant: Variant) -> bool:
    return variant.prompt is not None and variant.prompt.placement == "before-answer"


def _words(error: AcculturateError) -> str:
    return " ".join(filter(None, (str(error).rstrip(".") + ".", error.hint)))


def build_app(
    model: LanguageModel,
    variants: Mapping[str, Variant],
    *,
    host: str = "127.0.0.1",
    key: str | None = None,
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Make the app that serves a model; its engine runs from here on until the app is shut down.

    Args:
        model: The model.
        variants: Its variants by name, as `load_variants` gives them.
        host: Address that it is served on; see `AccessControl`.
        key: Key that requests need, if any.
        routes: Further endpoints.

    Raises:
        FailureError: The model cannot be run our way.
    """
    engine = Engine(model)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await asyncio.to_thread(engine.close)

    return Starlette(
        routes=[*Api(engine, model, variants).routes, *routes],
        middleware=[Middleware(AccessControl, host=host, key=key)],
        exception_handlers=error_handlers,
        lifespan=lifespan,
    )
