"""The guard: ordinary texts, read under a soft prompt."""

import re

import numpy as np
import pytest

from acculturate.metrics import HELD_OUT_TEXTS, TUNING_TEXTS, guard, guard_fingerprint, read_guard
from acculturate.metrics.texts import OPENINGS
from acculturate.model import FakeModel, Query
from acculturate.survey import Instrument


def sentences(texts: tuple[str, ...]) -> set[str]:
    return {part.strip().lower() for text in texts for part in re.split(r"[.!?]", text)} - {""}


def test_tuning_and_held_out_texts_are_disjoint() -> None:
    assert not sentences(TUNING_TEXTS) & sentences(HELD_OUT_TEXTS)
    assert not sentences(OPENINGS) & sentences((*TUNING_TEXTS, *HELD_OUT_TEXTS))
    everything = (*TUNING_TEXTS, *HELD_OUT_TEXTS, *OPENINGS)
    assert len(set(everything)) == len(everything)
    assert len(TUNING_TEXTS) >= 4 and len(HELD_OUT_TEXTS) >= 4


def test_texts_share_no_run_of_five_words() -> None:
    def runs(texts: tuple[str, ...]) -> set[tuple[str, ...]]:
        words = [re.findall(r"\w+", text.lower()) for text in texts]
        return {tuple(w[k : k + 5]) for w in words for k in range(len(w) - 4)}

    assert not runs(TUNING_TEXTS) & runs(HELD_OUT_TEXTS)


def test_texts_have_nothing_to_do_with_the_survey(vsm13: Instrument) -> None:
    asked = {
        wording.lower()
        for wordings in vsm13.languages["en"].wordings.values()
        for wording in wordings
    }
    for text in sentences((*TUNING_TEXTS, *HELD_OUT_TEXTS)):
        assert not any(text in wording or wording in text for wording in asked)
        assert "answer" not in text and "survey" not in text


def test_the_untouched_model_does_not_diverge(fake: FakeModel) -> None:
    reading = read_guard(fake, None, "front")
    assert (reading.divergence, reading.perplexity) == (0, 17)


def test_a_prompt_is_read_on_the_texts_given() -> None:
    class Reading(FakeModel):
        def ask(self, prompts, query):
            self.read = query
            return super().ask(prompts, query)

    model = Reading(harm=0.3)
    prompt = np.full((2, 16), 2.0, np.float32)
    reading = read_guard(model, prompt, "after-bos", TUNING_TEXTS)
    assert reading.divergence == pytest.approx(0.3 * 4)
    assert reading.perplexity == pytest.approx(17 * np.exp(0.3 * 4))
    assert model.read == Query(texts=TUNING_TEXTS, placement="after-bos")
    read_guard(model, prompt, "front")
    assert model.read.texts == HELD_OUT_TEXTS


def test_a_guard_without_texts_is_a_mistake_of_the_program(fake: FakeModel) -> None:
    with pytest.raises(ValueError, match="at least one text"):
        read_guard(fake, None, "front", ())


def test_another_text_has_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = guard_fingerprint()
    assert re.fullmatch(r"[0-9a-f]{64}", before) and before == guard_fingerprint()
    monkeypatch.setattr(guard, "HELD_OUT_TEXTS", HELD_OUT_TEXTS[:-1])
    assert guard_fingerprint() != before
