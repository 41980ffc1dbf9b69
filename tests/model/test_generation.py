"""Written answers: in batches as alone, behind a soft prompt in every place, as transformers writes them."""

import numpy as np
import pytest
import torch

from acculturate.errors import FailureError, UsageError
from acculturate.model import FakeModel, GeneratingModel, LanguageModel, Query, SoftPrompt
from acculturate.model.generation import TextWriter
from acculturate.survey import all_forms
from tiny_models import ARCHITECTURES, shared_model, tiny_model

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
def test_it_writes_what_a_whole_pass_for_every_token_would(name, soft, forms, toy_words):
    """No cache, no batch: the text so far goes through the plain model again for every token."""
    model = shared_model(name)
    for form in (*forms[:2], toy_words[0]):
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


@pytest.mark.parametrize("seed", [None, 1])
def test_untouched_texts_are_written_once(seed, forms, monkeypatch):
    model = shared_model("llama")
    first = model.generate_answers(forms, max_tokens=3, seed=seed)
    monkeypatch.setattr(TextWriter, "_continue", None)
    assert model.generate_answers(forms, max_tokens=3, seed=seed) == first
    with pytest.raises(TypeError):
        model.generate_answers(forms, max_tokens=3, seed=77)
    with pytest.raises(TypeError):
        model.generate_answers(forms, prompt(), max_tokens=3)


def test_the_first_token_is_the_likeliest_of_the_probabilities(forms):
    """What is written and what is read from probabilities start from the same distribution."""
    model = shared_model("llama")
    answers = model.ask(prompt().embeddings[None], Query(forms))
    written = model.generate_answers(forms, prompt(), max_tokens=1)
    for form, text, p in zip(forms, written, answers.probabilities[0], strict=True):
        if text.strip() in form.labels:
            assert form.options[form.labels.index(text.strip())] == p.argmax()


def test_drawn_answers_repeat_with_their_seed(forms):
    model, fresh = shared_model("llama"), tiny_model("llama")
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, other = (model.generate_answers(forms, max_tokens=4, seed=seed) for seed in (1, 2))
    assert first == fresh.generate_answers(forms, max_tokens=4, seed=1) != other
    assert torch.equal(torch.get_rng_state(), state)


def test_drawn_tokens_come_from_the_plain_distribution(forms):
    """The same draws from whole passes through the plain model give the same words."""
    model, generator, made = shared_model("llama"), torch.Generator().manual_seed(3), []
    tokens = list(model.encode(forms[0]).tokens)
    for _ in range(4):
        with torch.no_grad():
            logits = model.network(input_ids=torch.tensor([tokens + made])).logits[0, -1]
        made.append(int(torch.multinomial(logits.softmax(-1), 1, generator=generator)))
        if made[-1] == 1 or "\n" in model.tokenizer.decode(made).lstrip():
            break
    expected = model.tokenizer.decode(made, skip_special_tokens=True)
    assert model.generate_answers(forms[:1], max_tokens=4, seed=3) == (expected,)


def test_no_setting_of_the_checkpoint_leaks_in(forms):
    model = tiny_model("llama")
    unchanged = tiny_model("llama")
    plain = [unchanged.generate_answers(forms, max_tokens=5, seed=seed) for seed in (None, 1)]
    config = model.network.generation_config
    first = model.tokenizer(plain[0][0])["input_ids"][1:]
    config.update(do_sample=True, temperature=0.1, top_k=1, repetition_penalty=9.0, num_beams=2)
    config.update(min_new_tokens=5, forced_eos_token_id=5, suppress_tokens=first, max_length=3)
    assert [model.generate_answers(forms, max_tokens=5, seed=seed) for seed in (None, 1)] == plain
    assert model.network.generation_config is config


def test_a_text_ends_at_an_end_token_whatever_follows_in_its_batch(forms):
    model = tiny_model("llama")
    whole = model.continue_text("How often", max_tokens=6)
    assert " among" in whole
    end = model.tokenizer.convert_tokens_to_ids("Ġamong")
    model.network.generation_config.eos_token_id = [end]
    ended = LanguageModel("ended", None, model.network, model.tokenizer)
    assert ended.continue_text("How often", max_tokens=6) == whole.partition(" among")[0]
    together = ended.generate_answers(forms, max_tokens=6)
    assert list(together) == [ended.generate_answers([form], max_tokens=6)[0] for form in forms]


@pytest.mark.parametrize("seed", [None, 1])
def test_a_model_that_gives_no_numbers_writes_something(forms, seed):
    model = tiny_model("llama")
    broken = SoftPrompt(np.full((2, 32), 1e30, np.float32), "front", "tiny")
    assert len(model.generate_answers(forms, broken, max_tokens=3, seed=seed)) == len(forms)


def test_a_model_that_cannot_generate_writes_by_whole_passes(forms, monkeypatch):
    model = tiny_model("llama")
    plain = shared_model("llama").generate_answers(forms, prompt(), max_tokens=5, seed=2)

    def refuse(**_):
        raise ValueError("no inputs_embeds here")

    monkeypatch.setattr(model.network, "generate", refuse)
    with pytest.warns(UserWarning, match="pass over the whole text.*no inputs_embeds here"):
        assert model.generate_answers(forms, prompt(), max_tokens=5, seed=2) == plain


def test_a_cache_that_forgets_is_noticed(forms, monkeypatch):
    model = tiny_model("llama")
    plain = shared_model("llama").generate_answers(forms, prompt(), max_tokens=5)
    forward = model.network.forward

    def forgetful(*arguments, past_key_values=None, **named):
        return forward(*arguments, **named)

    monkeypatch.setattr(model.network, "forward", forgetful)
    with pytest.warns(UserWarning, match="lies elsewhere"):
        assert model.generate_answers(forms, prompt(), max_tokens=5) == plain


def test_what_cannot_be_written_is_refused(forms, monkeypatch):
    model = tiny_model("llama")
    model.ask(None, Query(forms))

    def broken(*_, **__):
        raise RuntimeError("a kernel is missing\nmore lines")

    monkeypatch.setattr(model.network, "forward", broken)
    with (
        pytest.warns(UserWarning, match="whole text"),
        pytest.raises(FailureError, match=r"written answers cannot be had: a kernel is missing\n"),
    ):
        model.generate_answers(forms, max_tokens=3)


def test_a_prompt_of_another_width(forms):
    with pytest.raises(UsageError, match="wide"):
        narrow = SoftPrompt(np.zeros((2, 31), np.float32), "front", "tiny")
        shared_model("llama").generate_answers(forms, narrow)
    with pytest.raises(UsageError, match="wide"):
        shared_model("llama").continue_text("A cat", narrow)


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
