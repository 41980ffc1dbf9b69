"""A soft prompt that was tuned with a line of words is served with it, and a prefix in every layer."""

import numpy as np
import pytest
from openai import OpenAI
from serving_apps import server, tiny_chat_model

from acculturate.model import LanguageModel, SoftPrompt
from acculturate.serving import build_app
from acculturate.serving.conversation import chat_job
from acculturate.serving.variants import Variant
from tiny_models import tiny_network, tiny_tokenizer

LINE, TEXT = "Be tall.", "A short survey. Give one number."
PLACEMENTS = ("front", "after-bos", "before-answer", "prefix")


def test_the_line_is_in_front_of_a_conversation_and_the_virtual_tokens_are_too():
    model = LanguageModel("tiny", None, tiny_network("llama"), tiny_tokenizer())
    prompt = SoftPrompt(np.zeros((2, 32), np.float32), "after-bos", "tiny", line="Be tall.")
    job = chat_job(model, Variant("tiny+tall", prompt=prompt), [("user", "Who are you?")])
    assert job.virtual is not None and len(job.virtual) == 2
    assert model.tokenizer.decode(job.tokens).startswith("<bos>Be tall.\n")


@pytest.fixture(scope="module")
def model():
    return tiny_chat_model()


@pytest.fixture(scope="module")
def prompts(model):
    """A soft prompt in every placement, each tuned with the line."""
    noise = np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32)
    prefix = model.prefix_of(noise[None])[0]
    return {
        placement: SoftPrompt(
            prefix if placement == "prefix" else noise, placement, "tiny", line=LINE
        )
        for placement in PLACEMENTS
    }


@pytest.fixture(scope="module")
def client(model, prompts):
    variants = {name: Variant(name, prompt=prompt) for name, prompt in prompts.items()}
    with server(build_app(model, {"tiny": Variant("tiny"), **variants})) as url:
        yield OpenAI(base_url=f"{url}/v1", api_key="none")


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_completion_is_written_behind_the_line(client, model, prompts, placement):
    tokens = list(model.encode_text(TEXT))
    made = client.completions.create(
        model=placement, prompt=tokens, temperature=0, max_tokens=12, echo=True
    )
    wanted = model.continue_text(f"{LINE}\n{TEXT}", prompts[placement], max_tokens=12)
    assert made.choices[0].text == TEXT + wanted  # the line is not echoed
    assert made.usage.prompt_tokens == len(tokens)
    plain = client.completions.create(model="tiny", prompt=tokens, temperature=0, max_tokens=12)
    assert plain.choices[0].text != wanted


@pytest.mark.parametrize("placement", ["front", "after-bos", "prefix"])
def test_a_chat_is_replied_to_behind_the_line(client, model, prompts, placement):
    made = client.chat.completions.create(
        model=placement, messages=[{"role": "user", "content": "Why?"}], temperature=0, max_tokens=9
    )
    shown = f"{LINE}\nQuestion: Why?\nAnswer:"
    wanted = model.continue_text(shown, prompts[placement], max_tokens=9)
    assert made.choices[0].message.content == wanted.lstrip()


@pytest.mark.parametrize("placement", ["front", "after-bos", "prefix"])
def test_a_text_is_read_behind_the_line(client, model, prompts, placement):
    tokens = list(model.encode_text(TEXT))
    made = client.completions.create(
        model=placement, prompt=tokens, max_tokens=1, logprobs=1, echo=True, temperature=0
    )
    logs = made.choices[0].logprobs.token_logprobs[:-1]
    assert len(logs) == len(tokens) and None not in logs[1:]
    prompt = prompts[placement]
    (reading,) = model.read_texts([f"{LINE}\n{TEXT}"], prompt.embeddings, placement=placement)
    assert logs[1:] == pytest.approx(-reading.surprise[1 - len(tokens) :], abs=1e-3)


def test_nothing_follows_a_prefix_alone(client, model):
    bare = {"prompt": list(model.leading), "max_tokens": 1}
    assert client.completions.create(model="front", **bare).choices[0].text is not None
    noise = np.random.default_rng(0).normal(size=(1, 3, 32)).astype(np.float32)
    prefix = SoftPrompt(model.prefix_of(noise)[0], "prefix", "tiny")
    with server(build_app(model, {"tiny": Variant("tiny", prompt=prefix)})) as url:
        alone = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        with pytest.raises(Exception, match="the prompt is empty"):
            alone.completions.create(model="tiny", **bare)
        read = alone.completions.create(
            model="tiny", prompt=list(model.encode_text(TEXT)), max_tokens=1, logprobs=1, echo=True
        )
    logs = read.choices[0].logprobs.token_logprobs
    assert logs[:2] == [None, None] and None not in logs[2:]
