"""Chat templates of many habits: where the reply begins, what is in front of it, and what is refused."""

from __future__ import annotations

import datetime
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from transformers.utils import chat_template_utils

from acculturate.errors import UsageError
from acculturate.model.encoding import FormEncoder
from acculturate.survey import Form, telling
from tiny_models import CHAT_TEMPLATE, tiny_tokenizer

SAID = "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
NAMED = (
    "{% for m in messages %}{% if m.role == 'assistant' %}<|start|>assistant<|channel|>final<|message|>"
    "{{ m.content }}<|end|>{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)


def when_asked(start: str) -> str:
    return "{% if add_generation_prompt %}" + start + "{% endif %}"


def shown(template: str, form: Form, **options: Any) -> str:
    """Everything in front of the answer, without the beginning-of-sequence token."""
    tokenizer = tiny_tokenizer(chat_template=template)
    tokens = FormEncoder(tokenizer, **options).encode(form).tokens
    assert tokens[0] == 0 and tokens.count(0) == 1
    return str(tokenizer.decode(tokens[1:]))


@pytest.fixture
def form(toy_forms: tuple[Form, ...]) -> Form:
    return next(form for form in toy_forms if form.order == "forward" and len(form.labels) == 5)


REPLIES = {
    "an ordinary one": (SAID + when_asked("[assistant] "), "[assistant] "),
    "a thought is always open": (
        SAID + when_asked("[assistant]<think>\n"),
        "[assistant]<think>\n\n</think>\n\n",
    ),
    "a thought in other brackets": (
        SAID + when_asked("[assistant] [THINK]"),
        "[assistant] [THINK]\n[/THINK]\n\n",
    ),
    "the switch is called thinking": (
        SAID
        + when_asked(
            "[assistant] {% if thinking is defined and not thinking %}</think>{% else %}<think>{% endif %}"
        ),
        "[assistant] </think>",
    ),
    "the switch is an effort": (
        SAID
        + when_asked("[assistant] {% if reasoning_effort != 'none' %}<reasoning>\n{% endif %}"),
        "[assistant] ",
    ),
    "the usual switch closes it": (
        SAID
        + when_asked(
            "[assistant] {% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
        ),
        "[assistant] <think>\n\n</think>\n\n",
    ),
    "a thought is closed in tags of no known name": (
        SAID + when_asked("[assistant] <|quiet>\n<quiet|>"),
        "[assistant] <|quiet>\n<quiet|>",
    ),
    "something of no known name is open": (
        SAID + when_asked("[assistant] <|musing|>\n"),
        "[assistant] ",
    ),
    "replies show an empty thought": (
        "{% for m in messages %}[{{ m.role }}]{{ ' <think></think>' if m.role == 'assistant' }} "
        "{{ m.content }}\n{% endfor %}" + when_asked("[assistant]"),
        "[assistant] <think></think> ",
    ),
    "replies show a thought where they have one": (
        "{% for m in messages %}[{{ m.role }}]{% if m.reasoning_content %}<|musing|>"
        "{{ m.reasoning_content }}<|done|>{% endif %}{{ m.content }}\n{% endfor %}"
        + when_asked("[assistant]<|musing|>"),
        "[assistant]<|musing|><|done|>",
    ),
    "replies name a channel": (NAMED, "<|start|>assistant<|channel|>final<|message|>"),
    "another channel is open": (
        NAMED.replace(
            "<|start|>assistant{% endif %}",
            "<|start|>assistant<|channel|>analysis<|message|>{% endif %}",
        ),
        "<|start|>assistant<|channel|>final<|message|>",
    ),
    "no turn is opened": (SAID, "[assistant] "),
    "replies are shown without an opening": (
        "{% for m in messages %}{{ m.content }}\n{% endfor %}" + when_asked("Assistant:\n"),
        "Assistant:\n",
    ),
    "the reply's space is missing": (
        "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %}"
        " {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}",
        " [/INST] ",
    ),
    "replies cannot be shown": (
        "{% for m in messages %}{% if m.role != 'user' %}{{ raise_exception('one turn') }}{% endif %}"
        "[user] {{ m.content }}\n{% endfor %}[assistant] ",
        "[assistant] ",
    ),
}


@pytest.mark.parametrize("name", REPLIES)
def test_the_answer_cue_is_where_the_reply_begins(name: str, form: Form) -> None:
    template, start = REPLIES[name]
    text = shown(template, form)
    assert text.endswith(f"{start}{form.cue} ")
    assert text.count(form.text) == 1
    assert (
        text.removesuffix(f"{start}{form.cue} ")
        .rstrip()
        .removesuffix("<|end|>")
        .endswith(form.text)
    )


def test_a_question_in_words_is_answered_outside_a_thought() -> None:
    tokenizer = tiny_tokenizer(chat_template=REPLIES["a thought is always open"][0])
    tokens = FormEncoder(tokenizer).encode_question("What is bread?").tokens
    assert tokenizer.decode(tokens) == (
        "<bos>[user] What is bread?\n[assistant]<think>\n\n</think>\n\n"
    )


@pytest.mark.parametrize(
    ("name", "end"),
    [("the reply's space is missing", " [/INST]"), ("an ordinary one", "[assistant] ")],
)
def test_a_written_word_brings_its_own_space(name: str, end: str) -> None:
    tokenizer = tiny_tokenizer(chat_template=REPLIES[name][0])
    tokens = FormEncoder(tokenizer).encode_question("What is bread?").tokens
    assert tokenizer.decode(tokens).endswith(f"{end}")


REFUSED = {
    "shows the question 0 times": when_asked("[assistant] "),
    "shows the question 2 times": SAID + SAID + when_asked("[assistant] "),
    "has no clear place for a reply outside a thought: it asks for one with ''": "[assistant] "
    "{% for m in messages if m.role == 'assistant' %}{{ m.content }}{% endfor %}"
    "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}",
    "changes the question 'Answer": SAID.replace("m.content", "m.content | replace('.', '')")
    + when_asked("[assistant] "),
    "changes the question 'Answer with": SAID.replace("m.content", "m.content[:40]")
    + when_asked("[assistant] "),
    "fails: a system message, please": "{{ raise_exception('a system message, please') }}",
    "fails: 'nothing' is undefined": SAID + "{{ nothing.at.all }}",
    "makes another text every time": "{{ range(10 ** 5) | random }}" + SAID + when_asked("[a] "),
    "has no clear place for a reply outside a thought: it asks for one with '\\n<|start|>assistant'": SAID
    + when_asked("<|start|>assistant"),
    "has no clear place for a reply outside a thought": "{% for m in messages %}[{{ m.role }}]"
    "{{ '<|think|>' if m.role == 'assistant' }}{{ m.content }}{% endfor %}"
    + when_asked("[assistant]<|think|>"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_template_that_cannot_ask_is_refused_with_its_reason(reason: str, form: Form) -> None:
    with pytest.raises(UsageError) as caught:
        shown(REFUSED[reason], form)
    assert f"the model's chat template {reason.strip()}" in str(caught.value)
    assert "--chat none" in str(caught.value.hint)
    assert shown(REFUSED[reason], form, chat="none") == f"{form.text}\n{form.cue} "


def test_a_template_may_strip_the_question(form: Form) -> None:
    from dataclasses import replace

    template = SAID.replace("m.content", "m.content | trim") + when_asked("[assistant] ")
    spaced = replace(form, text=f"{form.text}\n")
    assert shown(template, spaced) == shown(template, form)


@pytest.mark.parametrize("format", ["%d %B %Y", "%H:%M:%S.%f"])
def test_a_template_gives_the_same_tokens_every_day(
    format: str, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = "{{ bos_token }}{{ strftime_now('" + format + "') }}\n" + CHAT_TEMPLATE[15:]
    texts: list[str] = []
    for day in (1, 2):

        class Calendar(datetime.datetime):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
                return datetime.datetime(2026, 11, day, day)  # noqa: B023

        monkeypatch.setattr(chat_template_utils, "datetime", Calendar)
        texts.append(shown(template, form))
        assert chat_template_utils.datetime is Calendar
    assert texts[0] == texts[1]
    assert texts[0].startswith(datetime.datetime(2025, 1, 1).strftime(format))


def test_the_clock_stands_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template_utils, "datetime", clock := datetime.datetime)
    said = SAID.replace("{% for", "{{ strftime_now('%Y') }}\n{% for", 1)
    encoder = FormEncoder(tiny_tokenizer(chat_template=said + when_asked("[assistant] ")))
    expected, interval = encoder.encode_question("Why?"), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as threads:
            assert {*threads.map(encoder.encode_question, ["Why?"] * 400)} == {expected}
    finally:
        sys.setswitchinterval(interval)
    assert chat_template_utils.datetime is clock


def test_a_template_is_used_where_there_is_one_and_can_be_left_out(form: Form) -> None:
    chat, plain = tiny_tokenizer(chat_template=CHAT_TEMPLATE), tiny_tokenizer()
    with_template, without = FormEncoder(chat), FormEncoder(plain)
    assert (with_template.chat, without.chat) == ("template", "auto")
    assert FormEncoder(chat, chat="template").encode(form) == with_template.encode(form)
    assert FormEncoder(chat, chat="none").encode(form) == without.encode(form)
    question = FormEncoder(chat, chat="none").encode_question("What is bread?")
    assert question == without.encode_question("What is bread?")
    with pytest.raises(UsageError, match="no chat template"):
        FormEncoder(plain, chat="template")


def test_a_model_is_told_what_to_be_in_its_system_message(form: Form) -> None:
    (told,) = telling((form,), "You are tall.")
    reply = when_asked("[assistant] ")
    assert shown(SAID + reply, told).startswith(f"[system] You are tall.\n[user] {form.text}")
    refused = "{% if messages[0].role == 'system' %}{{ raise_exception('none') }}{% endif %}"
    lost = SAID.replace("in messages %}", "in messages if m.role != 'system' %}")
    for template in (refused + SAID + reply, lost + reply):
        assert shown(template, told).startswith(f"[user] You are tall.\n{form.text}")
    plain = shown(SAID + reply, told, chat="none")
    assert plain.startswith(f"You are tall.\n{form.text}\n")
