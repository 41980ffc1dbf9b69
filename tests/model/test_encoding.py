"""Forms as tokens: labels proved, the order of options, chat templates, one beginning-of-sequence token."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from plain_transformers import plain_logits, plain_tokens
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from acculturate.errors import UsageError
from acculturate.model import LanguageModel, Query
from acculturate.model.encoding import FormEncoder
from acculturate.survey import Form, Instrument, all_forms
from tiny_models import CHAT_TEMPLATE, tiny_network, tiny_tokenizer


def word_tokenizer(*labels: str, text: str = "") -> Any:
    """Whole words: those of the text and the labels are known, every other is the unknown one."""
    words = dict.fromkeys(["<unk>", "Answer", ":", *labels, *re.findall(r"[^\W\d]+", text)])
    tokenizer = Tokenizer(
        models.WordLevel({word: k for k, word in enumerate(words)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


@pytest.fixture
def form(toy_forms: tuple[Form, ...]) -> Form:
    return next(form for form in toy_forms if form.order == "forward" and len(form.labels) == 5)


def test_the_answer_is_the_very_next_token(form: Form) -> None:
    tokenizer = tiny_tokenizer()
    encoded = FormEncoder(tokenizer).encode(form)
    assert tokenizer.decode(encoded.tokens[1:]) == f"{form.text}\n{form.cue} "
    assert [tokenizer.decode(option) for option in encoded.options] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("chat_template", [None, CHAT_TEMPLATE])
def test_the_cue_ends_the_tokens(form: Form, chat_template: str | None) -> None:
    tokenizer = tiny_tokenizer(chat_template=chat_template)
    encoded = FormEncoder(tokenizer).encode(form)
    # This template ends in a space, which the cue's first token takes in.
    joined = " " if chat_template else ""
    assert tokenizer.decode(encoded.tokens[-encoded.cue :]) == f"{joined}{form.cue} "
    assert encoded.prompt_at("front") == 0
    assert encoded.prompt_at("after-bos") == 1
    assert encoded.prompt_at("before-answer") == len(encoded.tokens) - encoded.cue


def test_a_token_that_joins_question_and_cue_is_the_cues(form: Form) -> None:
    tokenizer = Tokenizer(
        models.BPE({"a": 0, "\n": 1, "b": 2, "1": 3, " ": 4, "\nb": 5}, [("\n", "b")])
    )
    encoded = FormEncoder(PreTrainedTokenizerFast(tokenizer_object=tokenizer)).encode(
        replace(form, text="aa", cue="b", labels=("1",), options=(0,))
    )
    assert (encoded.tokens, encoded.cue) == ((0, 0, 5, 4), 2)


@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize(("words", "before"), [(2, 1), (3, 1), (5, 1), (6, 2), (20, 6)])
def test_a_text_has_the_soft_prompt_behind_its_first_third(
    bos: bool, words: int, before: int
) -> None:
    encoder, start = FormEncoder(tiny_tokenizer(bos=bos)), int(bos)
    text = encoder.encode_passage("a" + " a" * (words - 1))
    assert len(text.tokens) == start + words
    assert text.prompt_at("before-answer") == start + before
    assert encoder.encode_passage("a").prompt_at("before-answer") == start
    assert text.prompt_at("front") == 0


@pytest.mark.parametrize(("words", "first"), [(1, 1), (2, 1), (5, 4), (9, 8), (40, 8)])
def test_the_beginning_of_a_text_counts_where_a_token_stands_in_front_of_it(words: int, first: int):
    text = "a" + " a" * (words - 1)
    assert FormEncoder(tiny_tokenizer(bos=False)).encode_passage(text).first == first
    assert FormEncoder(tiny_tokenizer()).encode_passage(text).first == 1
    assert FormEncoder(tokenizer_that_starts("<bos> <pad> $A")).encode_passage(text).first == 2


def test_every_form_of_both_surveys_is_encoded(toy: Instrument, vsm13: Instrument) -> None:
    encoder = FormEncoder(tiny_tokenizer())
    for form in (*all_forms(toy), *all_forms(vsm13)[::17]):
        encoded = encoder.encode(form)
        assert len(set(encoded.options)) == len(form.labels)


def test_options_are_in_the_items_own_order(form: Form) -> None:
    encoder = FormEncoder(tiny_tokenizer())
    turned = encoder.encode(replace(form, order="reversed", options=(4, 3, 2, 1, 0)))
    assert turned.options == encoder.encode(form).options[::-1]
    mixed = encoder.encode(replace(form, options=(2, 0, 1, 4, 3)))
    shown = encoder.encode(form).options
    assert mixed.options == (shown[1], shown[2], shown[0], shown[4], shown[3])


@pytest.mark.parametrize("chat_template", [None, CHAT_TEMPLATE])
def test_one_beginning_of_sequence_token(form: Form, chat_template: str | None) -> None:
    encoder = FormEncoder(tiny_tokenizer(chat_template=chat_template))
    assert encoder.leading == (0,)
    for tokens in (encoder.encode(form).tokens, encoder.encode_text(form.text)):
        assert tokens[0] == 0
        assert tokens.count(0) == 1


def test_a_template_without_the_beginning_gets_it(form: Form) -> None:
    template = CHAT_TEMPLATE.replace("{{ bos_token }}", "")
    without = FormEncoder(tiny_tokenizer(chat_template=template)).encode(form)
    assert without == FormEncoder(tiny_tokenizer(chat_template=CHAT_TEMPLATE)).encode(form)


@pytest.mark.parametrize("chat_template", [None, CHAT_TEMPLATE.replace("{{ bos_token }}", "")])
def test_a_tokenizer_without_a_beginning_gets_none(form: Form, chat_template: str | None) -> None:
    encoder = FormEncoder(tiny_tokenizer(bos=False, chat_template=chat_template))
    assert encoder.leading == ()
    assert 0 not in encoder.encode(form).tokens
    assert 0 not in encoder.encode_text(form.text)


def test_a_beginning_that_the_tokenizer_never_puts_is_none_either() -> None:
    tokenizer = tiny_tokenizer(bos=False)
    tokenizer.bos_token = "<bos>"
    assert FormEncoder(tokenizer).leading == ()


def test_a_chat_model_reads_the_form_as_a_message_and_answers_behind_the_cue(form: Form) -> None:
    tokenizer = tiny_tokenizer(chat_template=CHAT_TEMPLATE)
    encoder = FormEncoder(tokenizer)

    shown = tokenizer.decode(encoder.encode(form).tokens)
    assert shown == f"<bos>[user] {form.text}\n[assistant] {form.cue} "


def test_a_template_gives_the_same_tokens_every_day_and_opens_no_thought(form: Form) -> None:
    template = (
        "{{ bos_token }}{{ date_string }}{% if enable_thinking %}<think>{% endif %}" + CHAT_TEMPLATE
    )
    tokenizer = tiny_tokenizer(chat_template=template.replace(CHAT_TEMPLATE, CHAT_TEMPLATE[15:]))
    shown = tokenizer.decode(FormEncoder(tokenizer).encode(form).tokens)
    assert "01 Jan 2025" in shown
    assert "<think>" not in shown


def test_a_label_of_two_tokens_is_named_with_its_tokens(form: Form) -> None:
    two = replace(form, labels=("1", "2", "3", "4", "55"))
    with pytest.raises(UsageError, match=r"'55' is not a single token after 'Answer:'") as caught:
        FormEncoder(tiny_tokenizer()).encode(two)
    assert "'5', '5'" in str(caught.value)
    assert caught.value.hint is not None


def test_labels_that_share_a_first_token_are_not_single_tokens(form: Form) -> None:
    """Told apart by their last token, and yet no label is one."""
    tens = replace(form, labels=("11", "12", "13", "14", "15"))
    with pytest.raises(UsageError, match=r"'11' is not a single token"):
        FormEncoder(tiny_tokenizer()).encode(tens)


def test_a_tokenizer_without_the_labels_is_refused(form: Form) -> None:
    with pytest.raises(UsageError, match=r"'1' is not a single token.*<unk>"):
        FormEncoder(word_tokenizer()).encode(form)


def test_a_tokenizer_without_one_label_is_refused(form: Form) -> None:
    known = word_tokenizer("1", "2", "3", "4", "5", text=form.text)
    assert len(set(FormEncoder(known).encode(form).options)) == 5
    with pytest.raises(UsageError, match=r"'5' is not a single token.*<unk>"):
        FormEncoder(word_tokenizer("1", "2", "3", "4", text=form.text)).encode(form)


def test_two_labels_of_one_token_are_refused(form: Form) -> None:
    twice = replace(form, labels=("1", "2", "3", "4", "4"))
    with pytest.raises(UsageError, match="not told apart") as caught:
        FormEncoder(tiny_tokenizer()).encode(twice)
    assert "['1', '2', '3', '4', '4']" in str(caught.value)


def tokenizer_that_starts(single: str, chat_template: str | None = None) -> Any:
    """The tiny tokenizer, which puts other tokens around a text `$A`."""
    tokenizer = tiny_tokenizer(chat_template=chat_template)
    named = [
        (token, tokenizer.convert_tokens_to_ids(token)) for token in ("<bos>", "<eos>", "<pad>")
    ]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=named
    )
    return tokenizer


@pytest.mark.parametrize(
    "chat_template", [None, CHAT_TEMPLATE, CHAT_TEMPLATE.replace("{{ bos_token }}", "")]
)
@pytest.mark.parametrize(
    ("single", "leading"),
    [
        ("<bos> $A", (0,)),
        ("<bos> $A <eos>", (0,)),
        ("<bos> <bos> $A", (0, 0)),
        ("<bos> <pad> $A", (0, 2)),
        ("<pad> $A", (2,)),
        ("<eos> $A <eos>", (1,)),
    ],
)
def test_everything_starts_as_the_tokenizer_starts_a_text(
    single: str, leading: tuple[int, ...], chat_template: str | None, form: Form
) -> None:
    tokenizer = tokenizer_that_starts(single, chat_template)
    if 0 not in leading:
        tokenizer.bos_token = tokenizer.convert_ids_to_tokens(leading[0])
    encoder = FormEncoder(tokenizer)
    assert encoder.leading == leading
    encoded = encoder.encode(form)
    for tokens in (
        encoded.tokens,
        encoder.encode_text(form.text),
        encoder.encode_question(form.text).tokens,
    ):
        assert tokens[: len(leading)] == leading
        assert not {0, 1, 2} & set(tokens[len(leading) :])
    text = list(encoder.encode_text(form.text))
    assert tokenizer(form.text)["input_ids"] in (text, [*text, 1])
    assert encoded.prompt_at("after-bos") == len(leading)
    assert encoded.prompt_at("front") == 0
    assert encoder.encode_passage(form.text).prompt_at("after-bos") == len(leading)


@pytest.mark.parametrize("chat_template", [None, CHAT_TEMPLATE.replace("{{ bos_token }}", "")])
def test_the_first_word_has_its_space(chat_template: str | None, form: Form) -> None:
    """SentencePiece puts a space before a text, and puts none behind a token that is written in it."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="first"), pre_tokenizers.Digits(True)]
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "<unk>"], show_progress=False
    )
    tokenizer.train_from_iterator([form.text, f"[user]\n[assistant]\n{form.cue} 1"] * 2, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")
    made.chat_template = chat_template
    encoder = FormEncoder(made)
    assert list(encoder.encode_text(form.text)) == made(form.text)["input_ids"]
    first = made.convert_ids_to_tokens(encoder.encode(form).tokens[:2])
    assert first[0] == "<s>" and first[1].startswith("▁")


def test_a_text_that_the_tokenizer_does_not_know_is_refused(form: Form) -> None:
    with pytest.raises(UsageError, match="does not know all of 'Answer with the number") as caught:
        FormEncoder(word_tokenizer("1", "2", "3", "4", "5")).encode(form)
    assert "another language" in str(caught.value.hint)


def test_a_soft_prompt_after_bos_stands_behind_all_that_leads(toy_forms: tuple[Form, ...]) -> None:
    tokenizer, network = tokenizer_that_starts("<bos> <pad> $A"), tiny_network("llama")
    model = LanguageModel("two", None, network, tokenizer)
    prompt = np.random.default_rng(0).normal(size=(2, 32)).astype(np.float32)
    ours = model.ask(prompt[None], Query(toy_forms[:2], placement="after-bos")).probabilities[0]
    for row, form in enumerate(toy_forms[:2]):
        ids, options = plain_tokens(tokenizer, form)
        chosen = plain_logits(network, ids, prompt, cut=2, last=1)[-1][options].softmax(-1)
        assert ours[row, : len(options)] == pytest.approx(chosen.numpy(), abs=1e-5)
