"""Written answers: in batches as alone, behind a soft prompt in every place, as transformers writes them."""

import numpy as np
import pytest
import torch

from acculturate.errors import UsageError
from acculturate.model import FakeModel, GeneratingModel, Query, SoftPrompt
from acculturate.survey import all_forms
from tiny_models import ARCHITECTURES, shared_model

PLACEMENTS = ("front", "after-bos", "before-answer")


@pytest.fixture(scope="module")
def forms(toy):
    return all_forms(toy)[::5]


def prompt(placement="front"):
    embeddings = np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32)
    return SoftPrompt(embeddings, placement, "tiny")


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2", "qwen2", "mistral"])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_batch_writes_what_each_form_writes_alone(name, placement, forms):
    model = shared_model(name)
    assert isinstance(model, GeneratingModel)
    soft = prompt(placement)
    together = model.generate_answers(forms, soft, max_tokens=6)
    alone = [model.generate_answers([form], soft, max_tokens=6)[0] for form in forms]
    assert list(together) == alone
    if placement != "before-answer":  # just before the cue this random prompt drowns the question
        assert len(set(together)) > 1


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
@pytest.mark.parametrize("soft", [None, prompt("after-bos")], ids=["untouched", "tuned"])
def test_it_writes_what_a_whole_pass_for_every_token_would(name, soft, forms):
    """No cache, no batch: the text so far goes through the plain model again for every token."""
    model = shared_model(name)
    for form in forms[:3]:
        tokens, made = list(model.encode(form).tokens), []
        for _ in range(5):
            rows = model.network.get_input_embeddings()(torch.tensor([tokens + made]))
            if soft is not None:
                rows = torch.cat(
                    [rows[:, :1], torch.from_numpy(soft.embeddings)[None], rows[:, 1:]], dim=1
                )
            with torch.no_grad():
                made.append(int(model.network(inputs_embeds=rows).logits[0, -1].argmax()))
            text = model.tokenizer.decode(made, skip_special_tokens=True)
            if made[-1] == 1 or "\n" in text.lstrip():
                break
        written = model.generate_answers([form], soft, max_tokens=5)
        assert written == (model.tokenizer.decode(made, skip_special_tokens=True),)


def test_the_first_token_is_the_likeliest_of_the_probabilities(forms):
    """What is written and what is read from probabilities start from the same distribution."""
    model = shared_model("llama")
    answers = model.ask(prompt().embeddings[None], Query(forms))
    written = model.generate_answers(forms, prompt(), max_tokens=1)
    for form, text, p in zip(forms, written, answers.probabilities[0], strict=True):
        if text.strip() in form.labels:
            assert form.options[form.labels.index(text.strip())] == p.argmax()


def test_drawn_answers_repeat_with_their_seed(forms):
    model = shared_model("llama")
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (
        model.generate_answers(forms, max_tokens=4, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)


def test_a_prompt_of_another_width(forms):
    with pytest.raises(UsageError, match="wide"):
        narrow = SoftPrompt(np.zeros((2, 31), np.float32), "front", "tiny")
        shared_model("llama").generate_answers(forms, narrow)


def test_the_fake_model_writes_its_likeliest_label(forms):
    model = FakeModel()
    soft = SoftPrompt(np.random.default_rng(0).normal(size=(2, 16)), "front", "fake")
    likeliest = model.ask(soft.embeddings[None], Query(forms)).probabilities[0].argmax(axis=1)
    for form, text, option in zip(
        forms, model.generate_answers(forms, soft), likeliest, strict=True
    ):
        assert form.options[form.labels.index(text)] == option
    drawn = [model.generate_answers(forms, soft, seed=seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
