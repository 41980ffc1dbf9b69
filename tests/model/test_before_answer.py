"""Behind the question: what stands before the soft prompt runs once, and a candidate runs only the rest."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from plain_transformers import plain_answers, plain_guard

from acculturate.errors import FailureError
from acculturate.metrics import TUNING_TEXTS
from acculturate.model import Answers, LanguageModel, Query, SoftPrompt
from acculturate.model.prefix_tree import PrefixTree
from acculturate.model.tree_attention import TreeLayout, tree_attention
from acculturate.survey import Form
from tiny_models import WINDOW, shared_model, tiny_model

TEXTS = TUNING_TEXTS[:2]
CANDIDATES, TOKENS = 4, 3


@pytest.fixture
def prompts() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(CANDIDATES, TOKENS, 32)).astype(np.float32)


def ask(model: LanguageModel, prompts: np.ndarray | None, forms: tuple[Form, ...]) -> Answers:
    return model.ask(prompts, Query(forms, texts=TEXTS, placement="before-answer", valid_mass=True))


def parts(answers: Answers) -> list[np.ndarray]:
    found = [answers.probabilities, answers.valid_mass, answers.divergence, answers.perplexity]
    return [part for part in found if part is not None]


def passes_through(model: LanguageModel) -> list[tuple[int, int]]:
    """Candidates and rows of each pass from now on."""
    decoder: Any = model.network.get_decoder()
    compute: Callable[..., Any] = decoder.forward
    seen: list[tuple[int, int]] = []

    def forward(*arguments: Any, inputs_embeds: torch.Tensor, **named: Any) -> Any:
        seen.append((inputs_embeds.shape[0], inputs_embeds.shape[1]))
        return compute(*arguments, inputs_embeds=inputs_embeds, **named)

    decoder.forward = forward
    return seen


def expected_rows(model: LanguageModel, forms: tuple[Form, ...]) -> tuple[int, int]:
    """Rows before and behind the soft prompts, read off the sequences: a row for each beginning."""
    cut = [(f.tokens, len(f.tokens) - f.cue) for f in map(model.encode, forms)]
    for text in TEXTS:
        ids = model.encode_text(text)
        cut.append((ids, 1 + (len(ids) - 1) // 3))
    fixed = {ids[:length] for ids, at in cut for length in range(1, at + 1)}
    questions = {ids[:at] for ids, at in cut}
    endings = {ids[:length] for ids, at in cut for length in range(at + 1, len(ids) + 1)}
    return len(fixed), len(questions) * TOKENS + len(endings)


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
def test_a_candidate_runs_only_what_the_soft_prompt_changes(
    name: str, prompts: np.ndarray, toy_forms: tuple[Form, ...]
) -> None:
    model = tiny_model(name, rows=10**6)
    ask(model, None, toy_forms)
    before, behind = expected_rows(model, toy_forms)
    assert before > behind
    seen = passes_through(model)
    first = ask(model, prompts, toy_forms)
    assert seen == [(1, before), (CANDIDATES, behind)]
    assert first.tokens == behind
    ask(model, prompts[:3], toy_forms)
    assert seen[2:] == [(3, behind)]


@pytest.mark.parametrize("name", ["mistral", "gemma3"])
def test_kept_rows_answer_as_running_everything_does(
    name: str, prompts: np.ndarray, toy_forms: tuple[Form, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ask(shared_model(name), prompts, toy_forms)
    monkeypatch.setattr(PrefixTree, "cacheable", property(lambda tree: np.zeros(len(tree), bool)))
    model = tiny_model(name)
    everything = ask(model, prompts, toy_forms)
    assert everything.tokens == sum(expected_rows(model, toy_forms))
    for left, right in zip(parts(kept), parts(everything), strict=True):
        np.testing.assert_allclose(left, right, rtol=5e-6, atol=2e-6)


def test_windows_end_inside_what_is_kept(toy_forms: tuple[Form, ...]) -> None:
    """Some rows see a part of the question, and the question is longer than that."""
    encoded = [shared_model("gemma3").encode(form) for form in toy_forms]
    assert all(len(form.tokens) - form.cue > 2 * WINDOW for form in encoded)
    assert TOKENS < WINDOW


def test_the_guard_is_read_behind_the_prompt_alone(prompts: np.ndarray) -> None:
    """A text of two words leaves one token to predict, and the untouched model is read there too."""
    model = shared_model("llama")
    texts = ("a", "number", TEXTS[0])
    found = model.ask(prompts, Query(texts=texts, placement="before-answer"))
    assert found.divergence is not None and found.perplexity is not None
    untouched = model.ask(None, Query(texts=texts, placement="before-answer"))
    assert untouched.divergence == pytest.approx([0], abs=1e-6)
    network, tokenizer = model.network, model.tokenizer
    longer = [text for text in texts if len(model.encode_text(text)) > 2]
    assert len(longer) < len(texts)
    for candidate, prompt in enumerate(prompts):
        divergence, perplexity = plain_guard(network, tokenizer, longer, prompt, "before-answer")
        read = sum(reads(model, text) for text in longer)
        # The one-token text is read behind the soft prompt, which then follows the beginning.
        single, surprise = plain_guard(network, tokenizer, ["a"], prompt, "after-bos")
        mean = (divergence * read + single) / (read + 1)
        assert found.divergence[candidate] == pytest.approx(mean, abs=1e-5)
        nats = (np.log(perplexity) * read + np.log(surprise)) / (read + 1)
        assert np.log(found.perplexity[candidate]) == pytest.approx(nats, abs=1e-5)


def reads(model: LanguageModel, text: str) -> int:
    ids = model.encode_text(text)
    return len(ids) - 1 - max(1, (len(ids) - 1) // 3)


def test_many_virtual_tokens_leave_little_to_keep(toy_forms: tuple[Form, ...]) -> None:
    model = tiny_model("llama")
    long = np.random.default_rng(6).normal(size=(1, 150, 32)).astype(np.float32)
    ours = model.ask(long, Query(toy_forms, placement="before-answer"))
    assert ours.tokens > 150 * len(toy_forms) + 100
    plain, _ = plain_answers(model.network, model.tokenizer, toy_forms, long[0], "before-answer")
    np.testing.assert_allclose(ours.probabilities[0], plain, atol=1e-5)


@pytest.mark.parametrize("placement", ["front", "after-bos"])
def test_other_placements_keep_nothing(
    placement: Any, prompts: np.ndarray, toy_forms: tuple[Form, ...]
) -> None:
    model = tiny_model("llama", rows=10**6)
    ask(model, None, toy_forms)
    seen = passes_through(model)
    model.ask(prompts, Query(toy_forms, placement=placement))
    assert [candidates for candidates, _ in seen] == [CANDIDATES]


def test_what_is_kept_that_does_not_fit_is_said(
    prompts: np.ndarray, toy_forms: tuple[Form, ...]
) -> None:
    model = tiny_model("llama")
    ask(model, None, toy_forms)

    def forward(*arguments: Any, **named: Any) -> Any:
        raise torch.OutOfMemoryError("pretend")

    decoder = model.network.get_decoder()
    compute, decoder.forward = decoder.forward, forward
    with pytest.raises(FailureError, match="does not fit"):
        ask(model, prompts, toy_forms)
    decoder.forward = compute
    assert np.isfinite(ask(model, prompts, toy_forms).divergence).all()


def test_a_layer_that_runs_twice_cannot_be_kept() -> None:
    tree = PrefixTree.build([(0, 1, 2, -1, 3), (0, 1, 4, -1, 3)])
    layout = TreeLayout(tree, torch.device("cpu"), 8, tree.cacheable)
    beginning = layout.prefix_layout()
    assert beginning is not None
    layer, rows = torch.nn.Identity(), torch.randn(1, 2, len(beginning.tree), 4)
    tree_attention(layer, rows, rows, rows, None, tree_layout=beginning)
    assert [key.shape for key, _ in layout.prefix_cache.values()] == [rows.shape]
    with pytest.raises(FailureError, match="twice"):
        tree_attention(layer, rows, rows, rows, None, tree_layout=beginning)


def test_a_text_goes_on_behind_the_soft_prompt(prompts: np.ndarray) -> None:
    model = shared_model("llama")
    soft = SoftPrompt(prompts[0], "before-answer", model.name)
    found = model.continue_text("A short survey.", soft, max_tokens=5)
    words = model.embed_ids(model.encode_text("A short survey."))
    rows = torch.from_numpy(np.concatenate([words, prompts[0]]))[None]
    made: list[int] = []
    with torch.inference_mode():
        for _ in range(5):
            made.append(int(model.network(inputs_embeds=rows).logits[0, -1].argmax()))
            rows = torch.cat([rows, torch.from_numpy(model.embed_ids(made[-1:]))[None]], dim=1)
    assert found == model.tokenizer.decode(made, skip_special_tokens=True)
