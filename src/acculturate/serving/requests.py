"""The bodies of requests, in the names of OpenAI and vLLM; a field that is not known is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from starlette.requests import Request

from acculturate.schema import place
from acculturate.serving.web import ApiError

T = TypeVar("T", bound="Sampled")

_CHOICES = ("list[", "function-")
"""Begin what pydantic puts into a place to say which of several types it tried."""

_Stop = Annotated[str, Field(min_length=1, max_length=200)]
_Ids = list[Annotated[int, Field(ge=0)]]


def _listed(given: Any) -> Any:
    """Make a list of a single value."""
    return [given] if isinstance(given, str) else given


class Fields(BaseModel):
    """Fields of a body: null is as good as none, and one that is not known is refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        fields = cast("dict[str, Any]", given)
        return {name: value for name, value in fields.items() if value is not None}


class StreamOptions(Fields):
    """Options of a stream."""

    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class Sampled(Fields):
    """The fields that both kinds of request have."""

    model: str
    temperature: float = Field(1.0, ge=0, le=10)
    top_p: float = Field(1.0, gt=0, le=1)
    n: int = Field(1, ge=1)
    seed: int | None = None
    stop: Annotated[list[_Stop] | None, BeforeValidator(_listed)] = Field(None, max_length=16)
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: str | None = None
    frequency_penalty: Literal[0] | None = None
    presence_penalty: Literal[0] | None = None
    logit_bias: dict[str, float] = Field({}, max_length=0)

    @property
    def count(self) -> int:
        """Number of texts to go on with."""
        return 1


class CompletionRequest(Sampled):
    """The body of /v1/completions."""

    prompt: str | _Ids | list[str] | list[_Ids] | None = None
    prompt_embeds: Annotated[list[str] | None, BeforeValidator(_listed)] = None
    max_tokens: int = Field(16, ge=0)
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=1000)
    best_of: Literal[1] | None = None
    suffix: Literal[""] | None = None
    add_special_tokens: bool = True
    return_tokens_as_token_ids: bool = False

    @property
    def prompts(self) -> list[str | list[int]]:
        """The prompts one by one, an empty one beside embeddings aside."""
        given = self.prompt
        if given is None or (self.prompt_embeds is not None and given in ("", [], [""])):
            return []
        if isinstance(given, str) or not given or isinstance(given[0], int):
            return [cast("str | list[int]", given)]
        return cast("list[str | list[int]]", given)

    @property
    def count(self) -> int:
        """Number of embeddings and prompts; with `echo` each of these stands behind each of those."""
        embedded, prompts = len(self.prompt_embeds or ()), len(self.prompts)
        return embedded * max(1, prompts) if self.echo and embedded else embedded + prompts


class TextFormat(Fields):
    """The form of a reply; only plain text is written."""

    type: Literal["text"]


class TextPart(Fields):
    """A part of a message; only text is understood."""

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """A message of a conversation."""

    model_config = ConfigDict(extra="ignore")
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] | None = None

    @model_validator(mode="after")
    def _check(self) -> ChatMessage:
        """Refuse a message without content, unless the assistant said nothing."""
        if self.content is None and self.role != "assistant":
            raise ValueError("content is missing")
        return self

    def told(self) -> tuple[str, str]:
        """Return role and text."""
        role = "system" if self.role == "developer" else self.role
        content = self.content or ""
        return role, content if isinstance(content, str) else "".join(p.text for p in content)


class ChatRequest(Sampled):
    """The body of /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=1000)
    prompt_logprobs: int | None = Field(None, ge=0, le=1000)
    continue_final_message: bool = False
    add_generation_prompt: bool = True
    tools: list[Any] = Field([], max_length=0)
    tool_choice: Literal["none"] | None = None
    response_format: TextFormat | None = None
    store: Literal[False] = False

    @model_validator(mode="after")
    def _check(self) -> ChatRequest:
        """Refuse what would be ignored, as vLLM does."""
        if self.continue_final_message == self.add_generation_prompt:
            raise ValueError(
                "one of continue_final_message and add_generation_prompt is to be true"
            )
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs to be true")
        if self.prompt_logprobs is not None and self.stream:
            raise ValueError("prompt_logprobs are in no stream")
        return self

    @property
    def likeliest(self) -> int | None:
        """Number of likeliest tokens that are told of; None for no log-probabilities."""
        written = (self.top_logprobs or 0) if self.logprobs else None
        told = [count for count in (written, self.prompt_logprobs) if count is not None]
        return max(told, default=None)

    @property
    def conversation(self) -> tuple[list[tuple[str, str]], str]:
        """Role and text of each message, and the beginning of the reply that is to be continued."""
        messages = [message.told() for message in self.messages]
        if not self.continue_final_message:
            return messages, ""
        role, reply = messages.pop()
        if role != "assistant":
            raise ApiError(400, "the final message is not the assistant's", "messages")
        return messages, reply


async def read_body(request: Request, kind: type[T]) -> T:
    """Return the body of a request.

    Raises:
        ApiError: It is no JSON, or not of this kind.
    """
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        # Of the types that a value may have, the one that fits best fails deepest.
        told = max(errors, key=lambda each: len(each["loc"]))
        steps = [
            step for step in told["loc"] if step != "str" and not str(step).startswith(_CHOICES)
        ]
        param = place(steps) or None
        unknown = told["type"] == "extra_forbidden"
        what = "is not known here" if unknown else told["msg"].removeprefix("Value error, ")
        raise ApiError(400, f"{param or 'the body'}: {what}", param) from error
