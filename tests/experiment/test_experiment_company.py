"""Cells that share forwards: fewer of them, and the same bits whoever else is there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from experiment_runs import PLAN, Failing, plan, run, tables

from acculturate.errors import UsageError
from acculturate.experiment.company import Company, Seat
from acculturate.experiment.prepared import prepare
from acculturate.experiment.sharing import companies
from acculturate.metrics.guard import TUNING_TEXTS
from acculturate.model.answers import Answers, Backward, Cotangent, Query
from acculturate.model.fake import FakeModel
from acculturate.model.language_model import LanguageModel
from acculturate.survey.forms import Form
from tiny_models import tiny_network, tiny_tokenizer

TEXTS = TUNING_TEXTS[:1]


class Roomy(Failing):
    """A fake model that takes many candidates together and counts how many it is asked."""

    fits = 24
    asked: list[int]
    differentiated: list[int]

    def chunk(self, *given: Any, **named: Any) -> int:
        return type(self).fits

    def ask(self, *given: Any, **named: Any) -> Answers:
        if given[0] is not None and len(given[0]) > 1:
            type(self).asked.append(len(given[0]))
        return super().ask(*given, **named)

    def ask_with_gradient(self, *given: Any, **named: Any) -> tuple[Answers, Backward]:
        type(self).differentiated.append(len(given[0]))
        return super().ask_with_gradient(*given, **named)


def roomy(*fail_at: int) -> Callable[[], Roomy]:
    Roomy.asked, Roomy.differentiated = [], []
    Roomy.calls, Roomy.fail_at = 0, fail_at
    return Roomy


def test_cells_that_ask_the_same_share_their_forwards(tmp_path: Path, whole: dict[str, bytes]):
    run(tmp_path, model=roomy())
    assert tables(tmp_path / "out") == whole
    # Two countries and two seeds with four generations of six, twice: random search and evolution.
    assert Roomy.asked.count(24) == 8
    assert 6 not in Roomy.asked
    # The descent draws its forms by the seed, so that two countries share each of its eight steps.
    assert Roomy.differentiated == [2] * 16


@pytest.mark.parametrize(("fits", "sizes"), [(23, [2]), (12, [2]), (11, [1]), (18, [2]), (30, [4])])
def test_companies_are_as_large_as_a_chunk_and_alike(fits: int, sizes: list[int], tmp_path: Path):
    prepared = prepare(plan(tmp_path, PLAN))
    Roomy.fits = fits
    try:
        methods = {method.label: method for method in prepared.experiment.methods}
        found = companies(prepared, Roomy(), prepared.cells, methods)
    finally:
        Roomy.fits = 24
    assert sorted(cell.title for one in found for cell in one) == sorted(
        cell.title for cell in prepared.cells
    )
    evolving = [one for one in found if one[0].method.startswith("de")]
    assert sorted({len(one) for one in evolving}) == sizes
    assert all(len({cell.method for cell in one}) == 1 for one in found)
    assert all(len({c.seed for c in one}) == 1 for one in found if one[0].method == "adam")


def test_trials_that_are_dropped_early_are_alone(tmp_path: Path):
    text = PLAN.replace('optimizer = "de",', 'optimizer = "de", stages = 2,')
    prepared = prepare(plan(tmp_path, text))
    methods = {method.label: method for method in prepared.experiment.methods}
    found = companies(prepared, Roomy(), prepared.cells, methods)
    assert {len(one) for one in found if one[0].method.startswith("de")} == {1}


def test_what_the_model_cannot_be_asked_fails_in_its_own_cells(tmp_path: Path):
    class Picky(Roomy):
        """Refuses what a descent asks, before and when it is asked."""

        def chunk(self, *given: Any, **named: Any) -> int:
            if named["gradient"]:
                raise UsageError("no gradients today")
            return super().chunk(*given, **named)

        def ask_with_gradient(self, *given: Any, **named: Any) -> tuple[Answers, Backward]:
            raise UsageError("no gradients today")

    roomy()
    found = run(tmp_path, model=Picky)
    assert len(found.failed) == 4
    assert all("adam" in name for name in found.failed)
    assert set(found.failed.values()) == {"no gradients today"}


class StopAfter:
    """Stops the experiment after so many generations of whatever cell."""

    def __init__(self, generations: int) -> None:
        self._left, self._lock = generations, threading.Lock()

    def on_start(self, cell: Any) -> None: ...
    def on_end(self, cell: Any, trouble: str | None, before: bool) -> None: ...
    def on_retry(self, cell: Any, trouble: str) -> None: ...

    def on_step(self, cell: Any, at: Any) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize("generations", [1, 6, 11, 30])
def test_a_company_that_was_stopped_goes_on(
    generations: int, tmp_path: Path, whole: dict[str, bytes]
):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, model=roomy(), listener=StopAfter(generations))
    run(tmp_path, model=roomy())
    assert tables(tmp_path / "out") == whole
    # Whoever was behind has caught up: no cell went on alone to its end.
    assert Roomy.asked.count(24) + Roomy.differentiated.count(2) >= 4


def test_a_forward_that_fails_is_asked_again(tmp_path: Path, whole: dict[str, bytes]):
    found = run(tmp_path, model=roomy(20))
    assert not found.failed
    assert tables(tmp_path / "out").keys() == whole.keys()


def seated(company: Company, places: Sequence[int], work: Callable[[Seat, int], Any]) -> list[Any]:
    """What some places of a company come to side by side."""
    together = threading.Barrier(len(places))

    def one(place: int) -> Any:
        with company.seat(place) as seat:
            together.wait()
            return work(seat, place)

    with ThreadPoolExecutor(len(places)) as threads:
        return list(threads.map(one, places))


def prompts_of(model: LanguageModel, place: int, count: int) -> np.ndarray:
    drawn = np.random.default_rng(place).normal(size=(count, 2, model.hidden_size))
    return (drawn * model.embedding_scale()).astype(np.float32)


@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_an_answer_has_the_same_bits_whoever_is_there(name: str, toy_forms: tuple[Form, ...]):
    model = LanguageModel(name, None, tiny_network(name), tiny_tokenizer(), rows=100_000)
    company = Company(model, 4, Event())

    def ask(seat: Seat, place: int) -> tuple[bytes, ...]:
        prompts = prompts_of(model, place, 3)
        answers = seat.ask(prompts, Query(toy_forms, texts=TEXTS, valid_mass=True))
        near, back = seat.ask_with_gradient(
            prompts[:1], Query(toy_forms, texts=TEXTS, valid_mass=True)
        )
        rng = np.random.default_rng(place)
        gradient = back(
            Cotangent(
                rng.normal(size=near.probabilities.shape),
                rng.normal(size=(1, len(toy_forms))),
                rng.normal(size=1),
            )
        )
        parts = answers.probabilities, answers.valid_mass, answers.divergence, near.probabilities
        assert gradient.shape == (1, 2, model.hidden_size)
        return *(np.asarray(part).tobytes() for part in parts), gradient.tobytes()

    everybody = seated(company, (0, 1, 2, 3), ask)
    assert seated(company, (0, 2), ask) == [everybody[0], everybody[2]]
    assert seated(company, (3,), ask) == [everybody[3]]
    assert len({bits[0] for bits in everybody}) == 4


def test_a_share_is_what_the_model_says_alone(toy_forms: tuple[Form, ...]):
    model = LanguageModel("llama", None, tiny_network("llama"), tiny_tokenizer(), rows=100_000)
    company = Company(model, 3, Event())

    def ask(seat: Seat, place: int) -> Answers:
        return seat.ask(prompts_of(model, place, 2), Query(toy_forms, texts=TEXTS))

    for place, shared in enumerate(seated(company, (0, 1, 2), ask)):
        alone = model.ask(prompts_of(model, place, 2), Query(toy_forms, texts=TEXTS))
        assert (shared.forms, shared.tokens) == (alone.forms, alone.tokens)
        np.testing.assert_allclose(shared.probabilities, alone.probabilities, atol=1e-5)
        np.testing.assert_allclose(shared.divergence, alone.divergence, rtol=1e-4, atol=1e-6)


def test_who_is_behind_goes_first(toy_forms: tuple[Form, ...]):
    Roomy.asked, Roomy.differentiated, Roomy.fail_at = [], [], ()
    company = Company(Roomy(), 2, Event())
    told: list[tuple[int, int]] = []

    def search(seat: Seat, place: int) -> None:
        for evaluations in range(6 if place == 0 else 0, 24, 6):
            seat.reached(evaluations)
            seat.ask(np.ones((6, 1, seat.hidden_size)), Query(toy_forms))
            told.append((place, evaluations))

    seated(company, (0, 1), search)
    assert told[0] == (1, 0)
    assert len(Roomy.asked) == 4


def test_what_a_cell_asks_beside_its_search_is_the_models_own(toy_forms: tuple[Form, ...]):
    fake = FakeModel()
    with Company(fake, 2, Event()).seat(1) as seat:
        assert seat.provenance() == fake.provenance()
        assert (seat.name, seat.hidden_size) == (fake.name, fake.hidden_size)
        assert seat.embedding_scale() == fake.embedding_scale()
        np.testing.assert_array_equal(seat.embed_text("a b"), fake.embed_text("a b"))
        drawn = [one.embed_random_tokens(3, np.random.default_rng(1)) for one in (seat, fake)]
        np.testing.assert_array_equal(*drawn)
        np.testing.assert_array_equal(
            seat.ask(None, Query(toy_forms)).probabilities,
            fake.ask(None, Query(toy_forms)).probabilities,
        )
        assert seat.generate_answers(toy_forms, seed=1) == fake.generate_answers(toy_forms, seed=1)
        assert seat.continue_text("a") == fake.continue_text("a")


def test_who_asks_after_a_stop_is_interrupted(toy_forms: tuple[Form, ...]):
    stop = Event()
    company = Company(FakeModel(), 2, stop)

    def ask(seat: Seat, place: int) -> str:
        """The second place stops everything while the first waits for it."""
        try:
            if place == 1:
                seat.embed_text("still there")
                stop.set()
                seat.embed_text("no more")
            seat.ask(np.ones((3, 1, seat.hidden_size)), Query(toy_forms))
        except KeyboardInterrupt:
            return "interrupted"
        return "answered"

    assert seated(company, (0, 1), ask) == ["interrupted", "interrupted"]
