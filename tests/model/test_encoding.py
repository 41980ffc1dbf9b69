"""Forms as tokens: labels proved, the order of options, chat templates, one beginning-of-sequence token."""

import re
from dataclasses import replace
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from acculturate.errors import UsageError
from acculturate.model.encoding import FormEncoder
from acculturate.survey import Form, Instrument, all_forms
from tiny_models import CHAT_TEMPLATE, tiny_tokenizer


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
    assert [tokenizer.decode([token]) for token in encoded.options] == ["1", "2", "3", "4", "5"]


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
    text = (0,) * start + (7,) * words
    assert encoder.prompt_at(text, "before-answer") == start + before
    assert encoder.prompt_at(text[: start + 1], "before-answer") == start
    assert encoder.prompt_at(text, "front") == 0


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
