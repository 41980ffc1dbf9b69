"""Populations: chunks, memory, broken candidates, a model left as it was."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from acculturate.errors import FailureError, UsageError
from acculturate.metrics import TUNING_TEXTS
from acculturate.model import Answers, LanguageModel, Placement, Query, SoftPrompt
from acculturate.survey import Form, Instrument, balanced_forms
from tiny_models import shared_model, tiny_model, tiny_network, tiny_tokenizer

TEXTS = TUNING_TEXTS[:2]
CANDIDATES = 5


@pytest.fixture
def prompts() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(CANDIDATES, 4, 32)).astype(np.float32)


def ask(
    model: LanguageModel,
    prompts: np.ndarray,
    forms: tuple[Form, ...],
    placement: Placement = "after-bos",
) -> Answers:
    return model.ask(prompts, Query(forms, texts=TEXTS, placement=placement, valid_mass=True))


def parts(answers: Answers) -> list[np.ndarray]:
    found = [answers.probabilities, answers.valid_mass, answers.divergence, answers.perplexity]
    return [part for part in found if part is not None]


def assert_same(left: Answers, right: Answers, tolerance: float = 1e-6) -> None:
    assert len(parts(left)) == len(parts(right)) == 4
    for a, b in zip(parts(left), parts(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "placement"),
    [
        *((name, "after-bos") for name in ("llama", "gemma3", "gpt2")),
        *((name, "before-answer") for name in ("llama", "mistral", "gemma2", "gemma3")),
    ],
)
def test_a_population_answers_as_its_candidates_do_alone(
    name: str, placement: Placement, prompts: np.ndarray, toy_forms: tuple[Form, ...]
) -> None:
    model = shared_model(name)
    together = ask(model, prompts, toy_forms, placement)
    alone = [parts(ask(model, prompt[None], toy_forms, placement)) for prompt in prompts]
    for part, singles in zip(parts(together), zip(*alone, strict=True), strict=True):
        np.testing.assert_allclose(part, np.concatenate(singles), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("placement", ["after-bos", "before-answer"])
def test_the_same_input_gives_the_same_bits(
    placement: Placement, prompts: np.ndarray, toy_forms: tuple[Form, ...]
) -> None:
    model = tiny_model("gemma2")
    first = ask(model, prompts, toy_forms, placement)
    ask(model, prompts[::-1].copy(), toy_forms[::-1], placement)
    again = ask(model, prompts, toy_forms, placement)
    anew = ask(tiny_model("gemma2"), prompts, toy_forms, placement)
    for a, b, c in zip(parts(first), parts(again), parts(anew), strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes()


@pytest.mark.parametrize("rows", [1, 1200])
def test_small_chunks_answer_as_one_big_one(
    rows: int, prompts: np.ndarray, toy_forms: tuple[Form, ...]
) -> None:
    small, big = tiny_model("mistral", rows=rows), tiny_model("mistral", rows=10**6)
    seen_by_small, seen_by_big = (chunks_through(model) for model in (small, big))
    assert_same(ask(small, prompts, toy_forms), ask(big, prompts, toy_forms))
    assert seen_by_big[-1] == CANDIDATES
    assert max(seen_by_small) < CANDIDATES


def chunks_through(model: LanguageModel, fits: int | None = None) -> list[int]:
    """Counts the candidates of each pass; more than `fits` run out of memory."""
    decoder: Any = model.network.get_decoder()
    compute: Callable[..., Any] = decoder.forward
    seen: list[int] = []

    def forward(*arguments: Any, inputs_embeds: torch.Tensor | None = None, **named: Any) -> Any:
        if inputs_embeds is not None:
            seen.append(len(inputs_embeds))
            if fits is not None and len(inputs_embeds) > fits:
                raise torch.OutOfMemoryError("pretend")
        return compute(*arguments, inputs_embeds=inputs_embeds, **named)

    decoder.forward = forward
    return seen


def test_too_big_a_chunk_is_halved_until_it_fits(
    prompts: np.ndarray, toy_forms: tuple[Form, ...]
) -> None:
    model = tiny_model("qwen3", rows=10**6)
    expected = ask(model, prompts, toy_forms)
    seen = chunks_through(model, fits=1)
    assert_same(ask(model, prompts, toy_forms), expected)
    assert seen[0] == CANDIDATES
    assert seen[-CANDIDATES:] == [1] * CANDIDATES


def test_one_candidate_that_does_not_fit_is_said(
    prompts: np.ndarray, toy_forms: tuple[Form, ...]
) -> None:
    model = tiny_model("qwen3")
    model.ask(prompts, Query(toy_forms))
    before = model.network.config._attn_implementation
    chunks_through(model, fits=0)
    with pytest.raises(FailureError, match="does not fit") as caught:
        model.ask(prompts, Query(toy_forms))
    assert caught.value.hint is not None and "--forms" in caught.value.hint
    assert model.network.config._attn_implementation == before


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_broken_candidate_breaks_nobody_else(
    poison: float, prompts: np.ndarray, toy_forms: tuple[Form, ...]
) -> None:
    model = shared_model("gemma3")
    whole = ask(model, prompts, toy_forms)
    broken = prompts.copy()
    broken[2, 1, 5] = poison
    found = ask(model, broken, toy_forms)
    others = [0, 1, 3, 4]
    for part, expected in zip(parts(found), parts(whole), strict=True):
        np.testing.assert_allclose(part[others], expected[others], rtol=1e-6, atol=1e-6)
    shown = np.array([[k < len(form.options) for k in range(5)] for form in toy_forms])
    assert np.isnan(found.probabilities[2][shown]).all()
    assert found.divergence is not None and np.isnan(found.divergence[2])
    assert found.perplexity is not None and np.isnan(found.perplexity[2])


def test_probabilities_sum_to_one_over_the_options_an_item_has(
    prompts: np.ndarray, toy_forms: tuple[Form, ...]
) -> None:
    answers = shared_model("llama").ask(prompts, Query(toy_forms))
    assert answers.probabilities.shape == (CANDIDATES, len(toy_forms), 5)
    np.testing.assert_allclose(answers.probabilities.sum(axis=2), 1, atol=1e-6)
    for row, form in enumerate(toy_forms):
        assert (answers.probabilities[:, row, len(form.options) :] == 0).all()
    assert answers.valid_mass is answers.divergence is answers.perplexity is None
    assert answers.forms == toy_forms


def test_a_reversed_form_is_answered_in_the_items_own_order(toy_forms: tuple[Form, ...]) -> None:
    """The same shown text, read as the other order, gives the same numbers the other way round."""
    model = shared_model("llama")
    form = next(form for form in toy_forms if form.order == "forward")
    turned = Form(**{**vars(form), "order": "reversed", "options": form.options[::-1]})
    answers = model.ask(None, Query((form, turned))).probabilities[0]
    count = len(form.options)
    assert answers[1, :count].tolist() == answers[0, :count][::-1].tolist()


def test_forms_answer_alike_in_any_company(
    prompts: np.ndarray, toy: Instrument, toy_forms: tuple[Form, ...]
) -> None:
    model = shared_model("gemma2")
    together = model.ask(prompts, Query(toy_forms, texts=TEXTS)).probabilities
    others = balanced_forms(toy, "held-out")
    for row, form in enumerate(toy_forms):
        company = model.ask(prompts, Query((*others[:2], form))).probabilities[:, 2]
        np.testing.assert_allclose(company, together[:, row], atol=2e-6)


def test_texts_without_forms_and_forms_without_texts(
    prompts: np.ndarray, toy_forms: tuple[Form, ...]
) -> None:
    model = shared_model("llama")
    both = ask(model, prompts, toy_forms)
    texts = model.ask(prompts, Query(texts=TEXTS, placement="after-bos", valid_mass=True))
    assert texts.probabilities.shape[:2] == (CANDIDATES, 0)
    assert texts.divergence is not None and both.divergence is not None
    np.testing.assert_allclose(texts.divergence, both.divergence, rtol=1e-5)
    forms = model.ask(prompts, Query(toy_forms, placement="after-bos"))
    np.testing.assert_allclose(forms.probabilities, both.probabilities, atol=1e-6)


def test_the_model_is_left_as_it_was(prompts: np.ndarray, toy_forms: tuple[Form, ...]) -> None:
    model = tiny_model("gemma3")
    weights, attention = model.weights_hash(), model.network.config._attn_implementation
    ask(model, prompts, toy_forms)
    assert model.weights_hash() == weights == model.provenance()["weights_hash"]
    assert model.network.config._attn_implementation == attention
    assert not model.network.training
    assert not any(parameter.requires_grad for parameter in model.network.parameters())


def test_another_weight_gives_another_hash() -> None:
    model = tiny_model("llama")
    before = model.weights_hash()
    model.network.get_output_embeddings().weight[3, 4] += 1e-4
    assert model.weights_hash() != before


def test_a_weight_of_no_axes_is_hashed_too() -> None:
    hashes: set[str] = set()
    for gain in (1.0, 2.0):
        network = tiny_network("llama")
        scalar = torch.nn.Parameter(torch.tensor(gain))
        network.model.layers[0].register_parameter("gain", scalar)
        hashes.add(LanguageModel("tiny", None, network, tiny_tokenizer()).weights_hash())
    assert len(hashes) == 2


def test_a_prompt_of_another_width_is_refused(toy_forms: tuple[Form, ...]) -> None:
    with pytest.raises(UsageError, match=r"48 wide.*32"):
        shared_model("llama").ask(np.zeros((1, 2, 48), np.float32), Query(toy_forms))


@pytest.mark.parametrize("placement", ["front", "after-bos", "before-answer"])
def test_a_text_goes_on_behind_a_soft_prompt(placement: Any, prompts: np.ndarray) -> None:
    model = shared_model("llama")
    plain = model.continue_text("A short survey.", max_tokens=8)
    soft = SoftPrompt(prompts[0], placement, model.name)
    prompted = model.continue_text("A short survey.", soft, max_tokens=8)
    ids = torch.tensor([model.encode_text("A short survey.")])
    with torch.inference_mode():
        for _ in range(8):
            following = model.network(input_ids=ids).logits[0, -1].argmax()
            ids = torch.cat([ids, following[None, None]], dim=1)
    continued = ids[0, len(model.encode_text("A short survey.")) :]
    assert plain == model.tokenizer.decode(continued, skip_special_tokens=True)
    assert prompted != plain


def test_untouched_answers_are_asked_once(toy_forms):
    model = tiny_model("gemma2")
    first = model.ask(None, Query(toy_forms, texts=TEXTS, valid_mass=True))
    passes = chunks_through(model)
    again = model.ask(None, Query(list(toy_forms), texts=list(TEXTS), valid_mass=True))
    assert again is first and not passes
    model.ask(None, Query(toy_forms[1:], texts=TEXTS, valid_mass=True))
    model.ask(None, Query(toy_forms, valid_mass=True))
    model.ask(np.zeros((1, 2, model.hidden_size), np.float32), Query(toy_forms))
    assert len(passes) == 3


@pytest.mark.parametrize("asked", [None, "prompts"])
def test_many_forms_are_asked_frame_by_frame(asked, toy_forms, prompts, monkeypatch):
    model = tiny_model("gemma2")
    given = None if asked is None else prompts
    texts = TEXTS if asked else ()
    query = Query(toy_forms, texts, valid_mass=True)
    whole = model._evaluator.ask(given, query)
    monkeypatch.setattr("acculturate.model.evaluator._FORMS_IN_CACHE", 3)
    parts = model._evaluator.ask(given, query)
    assert parts.forms == whole.forms == toy_forms
    assert parts.tokens > whole.tokens  # beginnings that several rows share are computed in each
    for name in ("probabilities", "valid_mass", "divergence", "perplexity"):
        one, other = getattr(parts, name), getattr(whole, name)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
