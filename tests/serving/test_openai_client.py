"""The official client against the API: its answers are those of the model itself."""

import pytest
from openai import OpenAI
from serving_apps import CHAT_TEMPLATE, server, tiny_chat_model, tiny_variants

from acculturate.model import LanguageModel, SoftPrompt, dump_embeddings
from acculturate.serving import build_app

TEXT = "A short survey. Give one number."
NAMES = ["tiny", "tiny+china", "tiny+spain", "tiny+late", "tiny+persona:china"]


def prompt_of(model: LanguageModel, name: str) -> SoftPrompt | None:
    return tiny_variants(model)[name].prompt


def test_the_variants_are_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == NAMES
    assert client.models.retrieve("tiny+persona:china").owned_by == "acculturate"


@pytest.mark.parametrize("name", NAMES)
def test_a_completion_is_what_the_model_writes(
    client: OpenAI, tiny: LanguageModel, name: str
) -> None:
    made = client.completions.create(model=name, prompt=TEXT, temperature=0, max_tokens=12)
    assert made.choices[0].text == tiny.continue_text(TEXT, prompt_of(tiny, name), max_tokens=12)
    streamed = client.completions.create(
        model=name, prompt=TEXT, temperature=0, max_tokens=12, stream=True
    )
    assert "".join(chunk.choices[0].text for chunk in streamed) == made.choices[0].text


@pytest.mark.parametrize("name", NAMES[:4])
def test_a_chat_is_what_the_model_replies(client: OpenAI, tiny: LanguageModel, name: str) -> None:
    messages = [{"role": "user", "content": "Do you plan your day?"}]
    made = client.chat.completions.create(
        model=name, messages=messages, temperature=0, max_tokens=12
    )
    wanted = tiny.reply([messages[0]["content"]], prompt_of(tiny, name), max_tokens=12)[0]
    assert made.choices[0].message.content.strip() == wanted
    streamed = client.chat.completions.create(
        model=name, messages=messages, temperature=0, max_tokens=12, stream=True
    )
    parts = [chunk.choices[0] for chunk in streamed]
    assert "".join(part.delta.content or "" for part in parts) == made.choices[0].message.content
    assert [part.finish_reason for part in parts][-1] == "length"


def test_a_text_is_read_with_its_chances(client: OpenAI, tiny: LanguageModel) -> None:
    tokens = list(tiny.encode_text(TEXT))
    for name in NAMES[:3]:
        made = client.completions.create(
            model=name, prompt=[tokens, tokens], temperature=0, max_tokens=1, logprobs=3, echo=True
        )
        for choice in made.choices:
            logs = choice.logprobs
            assert len(logs.tokens) == len(tokens) + 1
            assert (logs.token_logprobs[0] is None) == (name != "tiny+spain")  # in front of all
            tops = zip(logs.token_logprobs[1:], logs.top_logprobs[1:], strict=True)
            assert all(log <= max(top.values()) + 1e-6 for log, top in tops)
            assert choice.text.startswith(TEXT)
        prompt = prompt_of(tiny, name)
        embeddings = None if prompt is None else prompt.embeddings
        reading = tiny.read_texts(
            [TEXT], embeddings, placement=prompt.placement if prompt else "front"
        )[0]
        count = len(reading.surprise)
        assert count >= len(tokens) - 2
        assert logs.token_logprobs[-1 - count : -1] == pytest.approx(-reading.surprise, abs=1e-3)


def test_tokens_are_told_where_they_stand_in_the_text(client: OpenAI) -> None:
    body = {"model": "tiny", "prompt": "é: €5", "echo": True, "logprobs": 0, "max_tokens": 0}
    choice = client.completions.create(**body).choices[0]
    broken = "\N{REPLACEMENT CHARACTER}"
    assert choice.logprobs.tokens == ["", broken, broken, ":", " ", broken, broken, broken, "5"]
    assert choice.logprobs.text_offset == [0, 0, 0, 1, 2, 3, 3, 3, 4]
    streamed = client.completions.create(**body | {"max_tokens": 3}, stream=True)
    logs = [chunk.choices[0].logprobs for chunk in streamed]
    offsets = [at for log in logs if log for at in log.text_offset]
    assert offsets[:10] == [0, 0, 0, 1, 2, 3, 3, 3, 4, 5]


def test_what_asks_for_nothing_changes_nothing(client: OpenAI) -> None:
    nothing = dict.fromkeys(
        ("temperature", "top_p", "n", "stream", "stop", "logit_bias", "logprobs", "frequency")
    )
    chat = {
        "tools": [],
        "tool_choice": "none",
        "logit_bias": {},
        "response_format": {"type": "text"},
        "store": False,
        "stream_options": {"include_usage": None, "include_obfuscation": False},
    }
    messages = [
        {"role": "user", "content": "Tea?"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": "Milk?"},
    ]
    for more in ({}, nothing | {"tools": None, "tool_choice": None}, chat):
        made = client.chat.completions.create(
            model="tiny", messages=messages, max_tokens=3, seed=1, extra_body=more
        )
        assert made.usage.completion_tokens == 3
    made = client.completions.create(
        model="tiny", prompt="a", extra_body=nothing | {"max_tokens": None, "echo": None}
    )
    assert made.usage.completion_tokens == 16


def test_given_embeddings_are_read(client: OpenAI, tiny: LanguageModel) -> None:
    tokens = tiny.encode_text(TEXT)
    plain = client.completions.create(
        model="tiny", prompt=list(tokens), temperature=0, max_tokens=8, logprobs=1
    )
    given = client.completions.create(
        model="tiny",
        prompt="",
        temperature=0,
        max_tokens=8,
        logprobs=1,
        extra_body={"prompt_embeds": dump_embeddings(tiny.embed_ids(tokens))},
    )
    assert given.choices[0].text == plain.choices[0].text
    assert given.choices[0].logprobs.token_logprobs == pytest.approx(
        plain.choices[0].logprobs.token_logprobs
    )
    behind = client.completions.create(
        model="tiny",
        prompt=list(tokens[4:]),
        temperature=0,
        max_tokens=0,
        logprobs=1,
        echo=True,
        extra_body={"prompt_embeds": [dump_embeddings(tiny.embed_ids(tokens[:4]))]},
    )
    whole = client.completions.create(
        model="tiny", prompt=list(tokens), temperature=0, max_tokens=0, logprobs=1, echo=True
    )
    assert behind.choices[0].logprobs.token_logprobs == pytest.approx(
        whole.choices[0].logprobs.token_logprobs[4:], abs=1e-5
    )


def test_a_conversation_is_shown_as_the_model_knows_it() -> None:
    said = [("system", "Be short."), ("user", "Tea?"), ("assistant", "Often."), ("user", "Milk?")]

    def shown(model: LanguageModel, messages: list[tuple[str, str]], line: str = "") -> str:
        return str(model.tokenizer.decode(model.encode_chat(messages, line).tokens))

    plain, chat = tiny_chat_model(), tiny_chat_model(CHAT_TEMPLATE)
    assert shown(plain, said, "As one.") == (
        "<bos>As one.\nBe short.\nQuestion: Tea?\nAnswer: Often.\nQuestion: Milk?\nAnswer:"
    )
    assert shown(chat, said, "As one.") == (
        "<bos>[system] As one.\nBe short.\n[user] Tea?\n[assistant] Often.\n[user] Milk?\n[assistant] "
    )
    deaf = tiny_chat_model(
        CHAT_TEMPLATE.replace("messages %}", "messages if message.role != 'system' %}")
    )
    assert shown(deaf, said[:2]) == "<bos>[user] Be short.\nTea?\n[assistant] "


def test_a_chat_model_replies_in_its_template() -> None:
    model = tiny_chat_model(CHAT_TEMPLATE)
    with (
        server(build_app(model, tiny_variants(model))) as url,
        OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60) as client,
    ):
        made = client.chat.completions.create(
            model="tiny+china",
            messages=[{"role": "user", "content": "Tea?"}],
            temperature=0,
            max_tokens=12,
        )
    wanted = model.reply(["Tea?"], prompt_of(model, "tiny+china"), max_tokens=12)[0]
    content = made.choices[0].message.content or ""
    assert content.split("\nQuestion:")[0].strip() == wanted
