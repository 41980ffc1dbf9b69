"""Demonstrations as a model reads them: text in front, or earlier turns of a chat."""

import numpy as np
import pytest

from acculturate.model import LanguageModel, Query
from acculturate.model.encoding import FormEncoder
from acculturate.survey import Demonstrations, Form, all_forms, load_instrument
from tiny_models import CHAT_TEMPLATE, tiny_network, tiny_tokenizer

TOY = load_instrument("toy")
SHOWN = Demonstrations(TOY, {"plans": 1, "whims": 5, "crowd": 3, "alone": 1}, 2)


def form_of(labels: str) -> Form:
    return SHOWN.before([f for f in all_forms(TOY, labels=labels) if f.item == "plans"])[0]


def shown(form: Form, template: str | None) -> str:
    tokenizer = tiny_tokenizer(chat_template=template)
    return tokenizer.decode(FormEncoder(tokenizer).encode(form).tokens)


@pytest.mark.parametrize("labels", ["words", "digits"])
def test_a_base_model_reads_them_as_text_and_a_chat_model_as_turns(labels: str):
    form = form_of(labels)
    (first, second), cue = form.examples, "" if labels == "words" else "Answer: "
    assert "crowd" not in first.question and len(form.examples) == 2
    plain = shown(form, None)
    assert plain.startswith(f"<bos>{first.question}\nAnswer: {first.answer}\n\n{second.question}")
    assert form.text in plain.rpartition("\n\n")[2]
    assert shown(form, CHAT_TEMPLATE).startswith(
        f"<bos>[user] {first.question}\n[assistant] {cue}{first.answer}\n"
        f"[user] {second.question}\n[assistant] {cue}{second.answer}\n[user] {form.text}\n[assistant]"
    )


def test_a_template_that_loses_earlier_turns_gets_them_as_text():
    last = CHAT_TEMPLATE.replace(
        "{% for message in messages %}",
        "{% for message in messages[-2:] %}{% if message.role == 'user' or loop.last %}",
    ).replace("{% endfor %}", "{% endif %}{% endfor %}")
    form = form_of("digits")
    assert shown(form, last).startswith(f"<bos>[user] {form.dialogue}{form.text}")


@pytest.mark.parametrize("template", [None, CHAT_TEMPLATE])
def test_forms_together_answer_as_each_by_itself(template: str | None):
    tokenizer = tiny_tokenizer(chat_template=template)
    model = LanguageModel(
        "tiny", None, tiny_network("llama", max_position_embeddings=1024), tokenizer
    )
    forms = SHOWN.before(all_forms(TOY, labels="words")[::5])
    together = model.ask(None, Query(forms)).probabilities[0]
    alone = [model.ask(None, Query([form])).probabilities[0, 0] for form in forms]
    for row, one in zip(together, alone, strict=True):
        np.testing.assert_allclose(row[: len(one)], one, atol=1e-5)
    plain = model.ask(None, Query([form.plain for form in forms])).probabilities[0]
    assert np.abs(together - plain).max() > 0.01
