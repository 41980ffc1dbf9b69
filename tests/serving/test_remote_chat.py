"""A chat model behind chat completions: the answers that it gives here, persona and demonstrations included."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from openai import OpenAI
from serving_apps import CHAT_TEMPLATE, server

from acculturate.metrics.measure import measure
from acculturate.model import Exchange, LanguageModel, Query, load_model
from acculturate.model.remote.model import RemoteModel
from acculturate.serving import Variant, build_app
from acculturate.survey import (
    Demonstrations,
    Form,
    LabelKind,
    balanced_forms,
    load_instrument,
    telling,
    with_line,
)
from tiny_models import tiny_network, tiny_tokenizer

TOY = load_instrument("toy")
DEAF = CHAT_TEMPLATE.replace("messages %}", "messages if message.role != 'system' %}")


def chat_model(template: str) -> LanguageModel:
    network = tiny_network("llama", max_position_embeddings=1024)
    return LanguageModel("tiny", None, network, tiny_tokenizer(chat_template=template))


@pytest.fixture(scope="module", params=[CHAT_TEMPLATE, DEAF], ids=["system", "no system"])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LanguageModel, RemoteModel]]:
    model = chat_model(request.param)
    with (
        pytest.MonkeyPatch.context() as patch,
        server(build_app(model, {"tiny": Variant("tiny")})) as url,
    ):
        patch.setenv("ACCULTURATE_CACHE", str(tmp_path_factory.mktemp("cache")))
        # Of a random model, labels are not among the likeliest hundred of 400 tokens.
        patch.setattr("acculturate.model.remote.probing._TOPS", (1000,))
        remote = load_model(f"openai:{url}/v1#tiny")
        assert isinstance(remote, RemoteModel)
        yield model, remote


def test_it_is_asked_in_a_chat(both: tuple[LanguageModel, RemoteModel]) -> None:
    found = both[1].abilities
    assert found.style.chat and found.style.continues and found.words == "prompt_logprobs"
    assert found.top == 1000


def test_log_probabilities_whole_and_streamed(both: tuple[LanguageModel, RemoteModel]) -> None:
    address = both[1].transport.address.url
    asked: Any = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Tea?"}, {"role": "assistant", "content": "Of"}],
        "logprobs": True,
        "top_logprobs": 3,
        "max_tokens": 4,
        "temperature": 0,
        "extra_body": {"continue_final_message": True, "add_generation_prompt": False},
    }
    with OpenAI(base_url=address, api_key="none", max_retries=0, timeout=60) as client:
        whole = client.chat.completions.create(**asked).choices[0]
        chunks = list(client.chat.completions.create(**asked, stream=True))
        asked["extra_body"] |= {"prompt_logprobs": 1}
        read: Any = client.chat.completions.create(**asked).model_dump()["prompt_logprobs"]
    assert whole.logprobs and whole.logprobs.content
    for place in whole.logprobs.content:
        assert len(place.top_logprobs) == 3 and place.top_logprobs[0].logprob == place.logprob
    streamed = [
        place
        for chunk in chunks
        if chunk.choices[0].logprobs
        for place in chunk.choices[0].logprobs.content or ()
    ]
    assert streamed == whole.logprobs.content
    tokens = both[0].encode_chat([("user", "Tea?")], "", "Of").tokens
    assert read[0] is None and [int(next(iter(place))) for place in read[1:]] == [*tokens[1:]]


SHOWN = Demonstrations(TOY, {"plans": 1, "whims": 5, "crowd": 3, "alone": 1}, 2)
IN_FRONT: dict[str, Callable[[tuple[Form, ...]], tuple[Form, ...]]] = {
    "nothing": lambda forms: forms,
    "a persona": lambda forms: telling(forms, "You are from Peru."),
    "a context": lambda forms: with_line(forms, "Peru is a country."),
    "demonstrations": SHOWN.before,
}


@pytest.mark.parametrize("labels", ["digits", "words"])
@pytest.mark.parametrize("name", IN_FRONT)
def test_forms_are_answered_as_here(
    both: tuple[LanguageModel, RemoteModel], name: str, labels: LabelKind
) -> None:
    forms: tuple[Form, ...] = IN_FRONT[name](balanced_forms(TOY, "tuning", 4, labels=labels))
    query = Query(forms, valid_mass=True, calibrated=False)
    here, there = (model.ask(None, query) for model in both)
    assert there.probabilities == pytest.approx(here.probabilities, abs=1e-5)
    assert there.valid_mass == pytest.approx(here.valid_mass, abs=1e-5)


@pytest.mark.parametrize("labels", ["digits", "words"])
def test_a_profile_is_the_same(both: tuple[LanguageModel, RemoteModel], labels: LabelKind) -> None:
    forms = balanced_forms(TOY, "tuning", 8, labels=labels)
    here, there = (measure(model, TOY, forms=forms) for model in both)
    assert there.scores == pytest.approx(here.scores, abs=1e-3)
    assert there.valid_mass == pytest.approx(here.valid_mass, abs=1e-5)


def test_it_replies_and_reads_as_here(both: tuple[LanguageModel, RemoteModel]) -> None:
    forms = balanced_forms(TOY, "tuning", 4, labels="digits")
    here, there = both
    assert there.reply(["Why?"], max_tokens=8) == here.reply(["Why?"], max_tokens=8)
    written = [[text.strip() for text in m.generate_answers(forms)] for m in both]
    assert written[0] == written[1]
    texts = [Exchange("Why?", "Because of the rain."), "A plain text for everybody to read."]
    for one, other in zip(here.read_texts(texts), there.read_texts(texts), strict=True):
        np.testing.assert_allclose(other.surprise, one.surprise, atol=1e-4)
