"""Answers in words: every option is a continuation, scored as plain transformers score it alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from plain_transformers import plain_answers, plain_guard, plain_logits
from tokenizers import Tokenizer, models, normalizers
from transformers import PreTrainedTokenizerFast

from acculturate.errors import UsageError
from acculturate.metrics import TUNING_TEXTS
from acculturate.model import LanguageModel, Placement, Query, forward, vocabulary
from acculturate.model.encoding import FormEncoder
from acculturate.survey import Form, Instrument, balanced_forms
from tiny_models import (
    ARCHITECTURES,
    CHAT_TEMPLATE,
    shared_model,
    tiny_model,
    tiny_network,
    tiny_tokenizer,
)

TEXTS = TUNING_TEXTS[:2]
TOKENS = 3
LINES = (
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>\n{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>\n{% endif %}"
)
every_architecture = pytest.mark.parametrize("name", ARCHITECTURES)
placements = pytest.mark.parametrize("placement", ["front", "after-bos", "before-answer"])


@pytest.fixture(autouse=True)
def several_parts_of_the_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "_SMALLEST_PART", 150)


@pytest.fixture(scope="module")
def forms(
    toy: Instrument, toy_forms: tuple[Form, ...], toy_words: tuple[Form, ...]
) -> tuple[Form, ...]:
    """Answers in words of two sets, and by digits, mixed; two forms with one text and other words."""
    held_out = balanced_forms(toy, "held-out", labels="words")
    again = replace(toy_words[0], labels=held_out[0].labels, word_set=held_out[0].word_set)
    return (*toy_words[:2], *toy_forms, *toy_words[2:], *held_out, again)


@pytest.fixture
def form(toy_words: tuple[Form, ...]) -> Form:
    return next(form for form in toy_words if len(form.labels) == 5)


def draw(model: LanguageModel, candidates: int) -> np.ndarray:
    drawn = np.random.default_rng(1).normal(size=(candidates, TOKENS, model.hidden_size))
    return (drawn * model.embedding_scale()).astype(np.float32)


@every_architecture
@placements
def test_they_equal_plain_transformers_one_continuation_at_a_time(
    name: str, placement: Placement, forms: tuple[Form, ...]
) -> None:
    model = shared_model(name)
    prompts = draw(model, 2)
    query = Query(forms, texts=TEXTS, placement=placement, valid_mass=True)
    untouched, ours = model.ask(None, query), model.ask(prompts, query)
    for answers, prompt, at in [(untouched, None, 0), (ours, prompts[0], 0), (ours, prompts[1], 1)]:
        plain, mass = plain_answers(model.network, model.tokenizer, forms, prompt, placement)
        np.testing.assert_allclose(answers.probabilities[at], plain, atol=1e-5)
        assert answers.valid_mass is not None and answers.perplexity is not None
        np.testing.assert_allclose(answers.valid_mass[at], mass, rtol=1e-3, atol=1e-6)
        _, perplexity = plain_guard(model.network, model.tokenizer, TEXTS, prompt, placement)
        assert answers.perplexity[at] == pytest.approx(perplexity, rel=1e-5)


@placements
@pytest.mark.parametrize("tile", [1, 7, 1000])
@pytest.mark.parametrize("name", ["gemma3", "gpt2"])
def test_any_cut_into_tiles(
    name: str,
    tile: int,
    placement: Placement,
    forms: tuple[Form, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prompts, query = draw(shared_model(name), 2), Query(forms, placement=placement)
    expected = shared_model(name).ask(prompts, query).probabilities
    monkeypatch.setattr(forward, "_TILE_ON_CPU", tile)
    np.testing.assert_allclose(
        tiny_model(name).ask(prompts, query).probabilities, expected, atol=2e-6
    )


@placements
def test_chunks_and_rows_by_frame_answer_alike(
    placement: Placement, forms: tuple[Form, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shared_model("llama")
    prompts, query = draw(model, 5), Query(forms, TEXTS, placement, valid_mass=True)
    one_by_one = model.ask(prompts, query)
    monkeypatch.setattr("acculturate.model.evaluator._FORMS_IN_CACHE", 3)
    for rows, asked in ((1, query), (10**6, query), (10**6, replace(query, valid_mass=False))):
        ours = tiny_model("llama", rows=rows).ask(prompts, asked)
        np.testing.assert_allclose(ours.probabilities, one_by_one.probabilities, atol=2e-6)


def test_the_vocabulary_is_summed_only_inside_answers(
    form: Form, toy_forms: tuple[Form, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    summed: list[int] = []
    sums = vocabulary.Vocabulary.sums

    def counted(self: Any, states: Any, weights: Any = None) -> Any:
        summed.append(states.shape[1])
        return sums(self, states, weights)

    monkeypatch.setattr(vocabulary.Vocabulary, "sums", counted)
    model = shared_model("llama")
    model.ask(None, Query(toy_forms))
    assert not summed  # a label is one token
    alike = replace(form, labels=tuple(f"in fact {words}" for words in form.labels))
    for asked in (form, alike):
        summed.clear()
        model.ask(None, Query((asked, *toy_forms, asked)))
        options = model.encode(asked).options
        shared = next(
            at for at, tokens in enumerate(zip(*options, strict=False)) if len(set(tokens)) > 1
        )
        inside = {option[:k] for option in options for k in range(shared + 1, len(option))}
        assert summed == [len(inside)]


@pytest.mark.parametrize(
    ("chat_template", "stem", "before", "space"),
    [
        (None, "{text}\n{cue}", "{text}\n", " "),
        (CHAT_TEMPLATE, "[user] {text}\n[assistant]", None, " "),
        (CHAT_TEMPLATE.replace("] {%", "]{%"), "[user] {text}\n[assistant]", None, " "),
        (LINES, "<user>\n{text}\n<assistant>\n", None, ""),
    ],
)
def test_an_answer_stands_behind_the_cue_or_begins_the_reply(
    chat_template: str | None, stem: str, before: str | None, space: str, form: Form
) -> None:
    tokenizer = tiny_tokenizer(chat_template=chat_template)
    encoded = FormEncoder(tokenizer).encode(form)
    stem, before = (
        f"<bos>{part.format(text=form.text, cue=form.cue)}" for part in (stem, before or stem)
    )
    assert tokenizer.decode(encoded.tokens) == stem
    assert encoded.prompt_at("front") == 0
    assert encoded.prompt_at("after-bos") == 1
    assert tokenizer.decode(encoded.tokens[: encoded.prompt_at("before-answer")]) == before
    read = [tokenizer.decode(option) for option in encoded.options]
    assert read == [space + words for words in form.labels]
    turned = replace(form, labels=form.labels[::-1], options=form.options[::-1])
    assert FormEncoder(tokenizer).encode(turned) == encoded


@placements
def test_a_chat_model_equals_plain_transformers(placement: Placement, form: Form) -> None:
    network, tokenizer = tiny_network("gemma3"), tiny_tokenizer(chat_template=CHAT_TEMPLATE)
    model = LanguageModel("chat", None, network, tokenizer)
    (prompt,) = draw(model, 1)
    ours = model.ask(prompt[None], Query((form,), placement=placement, valid_mass=True))
    before = tokenizer.apply_chat_template(
        [{"role": "user", "content": form.text}], tokenize=False, add_generation_prompt=True
    ).rstrip(" ")
    stem = len(tokenizer(before, add_special_tokens=False)["input_ids"])
    cut, chosen = {"front": 0, "after-bos": 1, "before-answer": stem}[placement], []
    for words in form.labels:
        ids = tokenizer(f"{before} {words}", add_special_tokens=False)["input_ids"]
        logits = plain_logits(network, ids, prompt, cut, last=len(ids) - stem + 1)[:-1]
        follows = logits.double().log_softmax(-1)[range(len(ids) - stem), ids[stem:]]
        chosen.append(float(follows.sum().exp()))
    assert ours.probabilities[0, 0] == pytest.approx(np.array(chosen) / sum(chosen), abs=1e-5)
    assert ours.valid_mass is not None
    assert ours.valid_mass[0, 0] == pytest.approx(sum(chosen), rel=1e-3)


@pytest.mark.parametrize(
    ("labels", "first", "second"),
    [
        (("Agree", "Agree a little", "No"), "Agree", "Agree a little"),
        (("Never", "Yes, now", "Yes"), "Yes", "Yes, now"),
        (("Often", "Never", "Often"), "Often", "Often"),
    ],
)
def test_an_answer_that_begins_another_is_refused_and_both_are_named(
    labels: tuple[str, ...], first: str, second: str, form: Form
) -> None:
    given = replace(form, labels=labels, options=(0, 1, 2))
    with pytest.raises(UsageError, match=f"'{first}' is the beginning of '{second}'") as caught:
        FormEncoder(tiny_tokenizer()).encode(given)
    assert "none begins with the whole of another" in str(caught.value.hint)


def test_answers_that_a_tokenizer_does_not_tell_apart_are_refused(form: Form) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    given = replace(form, labels=("Always", "ALWAYS", "Never"), options=(0, 1, 2))
    with pytest.raises(UsageError, match="'ALWAYS' is the beginning of 'Always', or the same"):
        FormEncoder(tokenizer).encode(given)


def test_an_answer_that_cannot_be_read_from_its_tokens_is_refused(form: Form) -> None:
    letters = [*dict.fromkeys("x" + form.text + form.cue + "\n Alwys")]
    known = models.BPE({letter: k for k, letter in enumerate(letters)}, [])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(known))
    given = replace(form, labels=("Always", "Зря"), options=(0, 1))
    with pytest.raises(UsageError, match="does not know all of 'Зря'"):
        FormEncoder(tokenizer).encode(given)


def test_an_answer_above_the_embeddings_is_refused(form: Form) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["Always"])
    given = replace(form, labels=("Always", "Never"), options=(0, 1))
    with pytest.raises(UsageError, match=r"holds the token 'Always' with the id 4\d\d"):
        FormEncoder(tokenizer, embeddings=len(tokenizer) - 1).encode(given)


def test_what_a_tokenizer_joins_to_an_answer_is_the_answers() -> None:
    """Here the cue's end and the space are one token in front of one of the answers."""
    ids = {"a": 0, "\n": 1, "b": 2, ":": 3, " ": 4, "c": 5, "d": 6, " c": 7, ": c": 8}
    merged = models.BPE(ids, [(" ", "c"), (":", " c")])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(merged))
    form = Form(
        "x", 0, "f", "en", "unlisted", "tuning", "aa", "b:", ("cd", "dd"), (0, 1), word_set=0
    )
    encoded = FormEncoder(tokenizer).encode(form)
    assert (encoded.tokens, encoded.cue) == ((0, 0, 1, 2), 1)
    assert encoded.options == ((8, 6), (3, 4, 6, 6))
