"""Answers in words: every option is a continuation, scored as plain transformers score it alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plain_transformers import plain_answers, plain_guard

from acculturate.metrics import TUNING_TEXTS
from acculturate.model import LanguageModel, Placement, Query, vocabulary
from acculturate.survey import Form, Instrument, balanced_forms
from tiny_models import (
    ARCHITECTURES,
    shared_model,
)

TEXTS = TUNING_TEXTS[:2]
TOKENS = 3
every_architecture = pytest.mark.parametrize("name", ARCHITECTURES)
placements = pytest.mark.parametrize("placement", ["front", "after-bos", "before-answer"])


@pytest.fixture(autouse=True)
def several_slices_of_the_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "_SLICE", 150)


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
