"""The engine: many clients at once, clients that go away, and a model that fails."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from serving_apps import server, tiny_chat_model, tiny_variants

from acculturate.errors import FailureError
from acculturate.model import Decoder, LanguageModel
from acculturate.serving import Engine, Job, Piece, build_app
from acculturate.serving.engine import QueueFullError
from acculturate.serving.writing import Writing

NAMES = ["tiny", "tiny+china", "tiny+spain", "tiny+late", "tiny+persona:china"]


def wait_for(happens: Any) -> None:
    ends = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < ends
        time.sleep(0.005)


def test_answers_beside_others_are_those_alone(client: OpenAI) -> None:
    asked = [
        {"model": NAMES[i % 5], "prompt": "number " * (1 + i % 7), "max_tokens": 5 + i % 11}
        | ({"temperature": 0} if i % 2 else {"temperature": 1.5, "top_p": 0.9, "seed": i})
        for i in range(60)
    ]

    def ask(body: dict[str, Any]) -> str:
        return client.completions.create(**body).choices[0].text

    alone = [ask(body) for body in asked]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, asked)) == alone


def test_choices_of_a_seed_repeat_and_differ(client: OpenAI) -> None:
    body: dict[str, Any] = {"model": "tiny", "prompt": "a", "max_tokens": 8, "seed": -3}
    texts = [c.text for c in client.completions.create(**body, n=3).choices]
    assert len(set(texts)) == 3
    assert [c.text for c in client.completions.create(**body, n=3).choices] == texts
    assert client.completions.create(**body).choices[0].text == texts[0]


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_string_ends_a_text(client: OpenAI, stream: bool) -> None:
    body: dict[str, Any] = {"model": "tiny", "prompt": "a", "max_tokens": 20, "temperature": 0}
    whole = client.completions.create(**body).choices[0].text
    stop = whole[5:8]
    made = client.completions.create(**body, stop=["never written", stop], stream=stream)
    choices = [chunk.choices[0] for chunk in made] if stream else made.choices
    assert "".join(choice.text for choice in choices) == whole[: whole.index(stop)]
    assert choices[-1].finish_reason == "stop"


def test_usage_counts_the_tokens_of_the_client(client: OpenAI, tiny: LanguageModel) -> None:
    body: dict[str, Any] = {"model": "tiny+china", "prompt": ["ab", "abc"], "max_tokens": 3, "n": 2}
    made = client.completions.create(**body, temperature=0)
    read = sum(len(tiny.encode_text(text)) for text in body["prompt"])
    assert made.usage is not None
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (read, 12)
    chunks = list(
        client.completions.create(
            **body, temperature=0, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].usage == made.usage
    assert chunks[-1].choices == []


@pytest.fixture
def slowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Writing waits until this is set."""
    go, write = threading.Event(), Decoder.write

    def waiting(*given: Any) -> Any:
        go.wait(20)
        return write(*given)

    monkeypatch.setattr(Decoder, "write", waiting)
    yield go
    go.set()


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_frees_its_place(stream: bool, slowed: threading.Event) -> None:
    model = tiny_chat_model()
    cancelled: list[Job] = []
    with server(build_app(model, tiny_variants(model))) as url, httpx2.Client(base_url=url) as http:
        body = {"model": "tiny", "prompt": "a", "max_tokens": 200, "stream": stream, "n": 3}
        submit = Engine.submit
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                Engine, "submit", lambda e, jobs: (cancelled.extend(jobs), submit(e, jobs))
            )
            with pytest.raises(httpx2.ReadTimeout):
                http.post("/v1/completions", json=body, timeout=httpx2.Timeout(60, read=0.3))
            wait_for(lambda: cancelled and all(job.cancelled for job in cancelled))
        slowed.set()
        answer = http.post("/v1/completions", json=body | {"stream": False, "max_tokens": 1})
        assert answer.status_code == 200


def test_too_many_texts_wait(slowed: threading.Event) -> None:
    engine = Engine(tiny_chat_model(), rows=2, waiting=3)
    ended = []
    jobs = [Job((0, 5), deliver=lambda p: ended.append(getattr(p, "end", p))) for _ in range(5)]
    engine.submit(jobs)
    with pytest.raises(QueueFullError):
        engine.submit([Job((0, 5)) for _ in range(4)])
    slowed.set()
    wait_for(lambda: sum(end is not None for end in ended) == 5)
    engine.close()
    with pytest.raises(QueueFullError):
        engine.submit(jobs[:1])


def test_a_model_that_fails_once_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(tiny_chat_model())
    given: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "write", lambda *_: 1 / 0)
        engine.submit([Job((0, 5), deliver=given.append)])
        wait_for(lambda: given and isinstance(given[-1], FailureError))
    assert "division by zero" in str(given[-1])
    engine.submit([Job((0, 5), deliver=given.append)])
    wait_for(lambda: isinstance(given[-1], Piece) and given[-1].end)
    engine.close()


def test_what_is_at_work_fails_at_the_end(slowed: threading.Event) -> None:
    engine = Engine(tiny_chat_model(), rows=1)
    given: list[Any] = []
    engine.submit([Job((0, 5), deliver=given.append, max_tokens=100) for _ in range(2)])
    slowed.set()
    engine.close()
    assert [str(g) for g in given if isinstance(g, FailureError)] == [
        "the server is shutting down"
    ] * 2


def test_text_is_shown_in_whole_characters_and_without_a_stop() -> None:
    alphabet = "Zürich ist schön. Ende".encode()

    def written(stop: tuple[str, ...]) -> list[str]:
        writing = Writing(lambda ids: bytes(ids).decode(errors="replace"), [65], stop)
        shown = [writing.add(byte) for byte in alphabet if not writing.stopped]
        return [*shown, writing.finish()]

    assert "".join(written(())) == alphabet.decode()
    assert written(())[:3] == ["Z", "", "ü"]
    assert "".join(written(("schöx", "n. E"))) == "Zürich ist schö"
    assert "".join(written(("nde!",))) == alphabet.decode()
    first, second = "é".encode()
    begun = Writing(lambda ids: bytes(ids).decode(errors="replace"), [65, first], ())
    assert begun.add(second) == "é"
