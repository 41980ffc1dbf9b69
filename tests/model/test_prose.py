"""Ordinary text: read token by token as plain transformers reads it, answered in whole replies."""

import numpy as np
import pytest
import torch
from plain_transformers import plain_logits

from acculturate.errors import UsageError
from acculturate.model import (
    LONGEST_READ,
    Exchange,
    FakeModel,
    LanguageModel,
    ProseModel,
    Query,
    SoftPrompt,
)
from tiny_models import CHAT_TEMPLATE, shared_model, tiny_model, tiny_network, tiny_tokenizer

TEXTS = (
    "A short survey.",
    "How often do you plan your day? Sometimes the bus comes late.",
    "قطار الصباح",
)
PLACEMENTS = ("front", "after-bos", "before-answer")


@pytest.fixture
def prompt():
    return np.random.default_rng(1).normal(size=(3, 32)).astype(np.float32)


def by_hand(model, text, soft, placement):
    """Divergence and surprise of each token behind the soft prompt's place, from whole softmaxes."""
    ids = model.tokenizer(text)["input_ids"]
    cut = {"front": 0, "after-bos": 1, "before-answer": 1 + max(1, (len(ids) - 1) // 3)}[placement]
    first = max(cut, 1)
    naive = plain_logits(model.network, ids, None, 0)[first - 1 : -1].double().log_softmax(-1)
    tuned = plain_logits(model.network, ids, soft, cut)[len(soft) + first - 1 : -1]
    tuned = tuned.double().log_softmax(-1)
    surprise = -tuned[torch.arange(len(tuned)), torch.tensor(ids[first:])]
    return (naive.exp() * (naive - tuned)).sum(-1).numpy(), surprise.numpy()


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt2"])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_every_token_is_what_plain_transformers_says(name, placement, prompt):
    model = shared_model(name)
    assert isinstance(model, ProseModel)
    found = model.read_texts(TEXTS, prompt, placement=placement)
    for text, reading in zip(TEXTS, found, strict=True):
        divergence, surprise = by_hand(model, text, prompt, placement)
        np.testing.assert_allclose(reading.divergence, divergence, atol=2e-5)
        np.testing.assert_allclose(reading.surprise, surprise, atol=2e-5)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_all_tokens_together_are_the_guard(placement, prompt):
    model = shared_model("gemma3")
    whole = model.ask(prompt[None], Query(texts=TEXTS, placement=placement))
    found = model.read_texts(TEXTS, prompt, placement=placement)
    divergence = np.concatenate([reading.divergence for reading in found])
    surprise = np.concatenate([reading.surprise for reading in found])
    assert divergence.mean() == pytest.approx(whole.divergence[0], rel=1e-5)
    assert np.exp(surprise.mean()) == pytest.approx(whole.perplexity[0], rel=1e-5)


@pytest.mark.parametrize("template", [None, CHAT_TEMPLATE])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_of_an_exchange_the_tokens_of_the_answer_are_read(template, placement, prompt):
    model = LanguageModel(
        "llama", None, tiny_network("llama"), tiny_tokenizer(chat_template=template)
    )
    shown = "<bos>Question: Why?\nAnswer:" if template is None else "<bos>[user] Why?\n[assistant] "
    whole = model.tokenizer(f"{shown}{' ' * (template is None)}Rain.", add_special_tokens=False)[
        "input_ids"
    ]
    asked = model.tokenizer(shown, add_special_tokens=False)["input_ids"]
    # A tokenizer may join the end of what is shown with the beginning of the answer.
    first = next(k for k, token in enumerate(whole) if asked[k : k + 1] != [token])
    stem = shown if template else "<bos>Question: Why?\n"
    before_answer = len(model.tokenizer(stem, add_special_tokens=False)["input_ids"])
    cut = {"front": 0, "after-bos": 1, "before-answer": min(before_answer, first)}[placement]
    naive = plain_logits(model.network, whole, None, 0)[first - 1 : -1].log_softmax(-1)
    tuned = plain_logits(model.network, whole, prompt, cut)[len(prompt) + first - 1 : -1]
    divergence = (naive.exp() * (naive - tuned.log_softmax(-1))).sum(-1).numpy()
    (reading,) = model.read_texts([Exchange("Why?", "Rain.")], prompt, placement=placement)
    assert len(reading.surprise) == len(whole) - first > 1
    np.testing.assert_allclose(reading.divergence, divergence, atol=2e-5)


def test_every_so_manieth_token_is_read(prompt):
    model = shared_model("llama")
    texts = (*TEXTS, Exchange("Why?", "Because it rains in the mountains."))
    readings = model.read_texts(texts, prompt)
    some = model.ask(prompt[None], Query(texts=texts, read_every=4))
    expected = np.concatenate([reading.divergence[::4] for reading in readings])
    assert some.divergence[0] == pytest.approx(expected.mean(), rel=1e-5)


def test_a_drawn_reply_depends_on_its_seed_alone():
    model = shared_model("llama")
    first, other = (model.reply(["Why?"], max_tokens=8, seed=seed) for seed in (1, 2))
    assert first == tiny_model("llama").reply(["Why?"], max_tokens=8, seed=1) != other


def test_the_untouched_model_does_not_diverge_anywhere():
    for reading in shared_model("llama").read_texts(TEXTS):
        np.testing.assert_allclose(reading.divergence, 0, atol=1e-5)
        assert len(reading.divergence) == len(reading.surprise) > 0


def test_a_long_text_is_read_to_a_limit_and_a_single_token_is_no_text(prompt):
    model = LanguageModel("llama", None, tiny_network("llama"), tiny_tokenizer(bos=False))
    long, single, empty = model.read_texts(("a b " * LONGEST_READ, "a", ""), prompt)
    assert len(long.surprise) == LONGEST_READ - 8
    assert len(single.divergence) == len(empty.surprise) == 0


@pytest.mark.parametrize("template", [None, CHAT_TEMPLATE])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_reply_is_what_a_whole_pass_for_every_token_would_write(template, placement, prompt):
    model = LanguageModel(
        "llama", None, tiny_network("llama"), tiny_tokenizer(chat_template=template)
    )
    asked = "Do you like to be alone?"
    shown = (
        f"<bos>Question: {asked}\n" if template is None else f"<bos>[user] {asked}\n[assistant] "
    )
    start = model.tokenizer(shown, add_special_tokens=False)["input_ids"]
    cue = "Answer:" if template is None else ""
    ids = model.tokenizer(shown + cue, add_special_tokens=False)["input_ids"]
    cut = {"front": 0, "after-bos": 1, "before-answer": len(start)}[placement]
    made: list[int] = []
    for _ in range(8):
        made.append(int(plain_logits(model.network, ids + made, prompt, cut)[-1].argmax()))
        if made[-1] == 1:
            break
    expected = model.tokenizer.decode(made, skip_special_tokens=True).strip()
    (reply,) = model.reply([asked], SoftPrompt(prompt, placement, "tiny"), max_tokens=8)
    assert reply == expected


def test_a_reply_ends_where_the_next_question_begins(monkeypatch):
    model = shared_model("llama")
    written = iter(model.tokenizer(" Tea.\n\nMilk.\nQuestion: And?")["input_ids"][1:])
    monkeypatch.setattr(
        "acculturate.model.generation._choose", lambda *_: torch.tensor([next(written)])
    )
    assert model.reply(["What?"], max_tokens=99) == ("Tea.\n\nMilk.",)


def test_a_prompt_of_another_width():
    model, narrow = shared_model("llama"), np.zeros((2, 31), np.float32)
    with pytest.raises(UsageError, match="wide"):
        model.read_texts(TEXTS, narrow)
    with pytest.raises(UsageError, match="wide"):
        model.reply(TEXTS, SoftPrompt(narrow, "front", "tiny"))


def test_the_fake_model_reads_as_its_guard_says():
    soft = np.full((2, 16), 2.0)
    found = FakeModel(harm=0.3).read_texts(("one", "", "o"), soft)
    assert [len(reading.divergence) for reading in found] == [2, 0, 0]
    np.testing.assert_allclose(found[0].divergence, 0.3 * 4)
    assert len(FakeModel().reply(("Why?", "How?"))) == 2


@pytest.mark.parametrize("template", [None, CHAT_TEMPLATE])
def test_a_line_stands_in_front_of_a_question_as_in_a_chat(template, prompt, monkeypatch):
    """Not inside of it: in the system message, or in front of the whole conversation."""
    tokenizer = tiny_tokenizer(chat_template=template)
    model = LanguageModel("tiny", None, tiny_network("llama"), tokenizer)
    soft = SoftPrompt(prompt, "front", "tiny", line="You come from China.")
    asked = []
    monkeypatch.setattr(model._writer, "_write", lambda rows, *_: asked.extend(rows) or ("",))
    model.reply(["What is bread?"], soft)
    assert asked == [model.encode_chat([("user", "What is bread?")], soft.line)]
    assert model.tokenizer.decode(asked[0].tokens).count("You come from China.") == 1
    assert asked != [model.encode_question("You come from China.\nWhat is bread?")]
