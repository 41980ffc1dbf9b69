"""Ray workers: the same bits as without them, also where one dies in the middle of a generation."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiment_runs import run, tables

from acculturate.errors import FailureError, UsageError
from acculturate.experiment.ray_pool import PooledModel, ray_workers
from acculturate.metrics.guard import TUNING_TEXTS
from acculturate.model.answers import Answers, Cotangent, Query
from acculturate.model.fake import FakeModel
from acculturate.survey.forms import Form

ray = pytest.importorskip("ray")


pytestmark = [pytest.mark.filterwarnings("ignore")]


class Mortal(FakeModel):
    """Kills its own process at the first gradient or population after a file was put there."""

    def __init__(self, flag: Path) -> None:
        super().__init__()
        _FLAGS[self._seed] = flag

    def chunk(self, *given: Any, **named: Any) -> int:
        """Fewer than a population, and several gradients: two cells share each step of a descent."""
        return 4

    def ask(self, prompts: Any, query: Query) -> Answers:
        flag = _FLAGS[self._seed]
        if prompts is not None and flag.exists():
            flag.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().ask(prompts, query)


_FLAGS: dict[int, Path] = {}  # outside the model, whose weights it is no part of
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker can import a test


@pytest.fixture(scope="module")
def flag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flag") / "die"


@pytest.fixture(scope="module")
def pool(flag: Path) -> Iterator[PooledModel]:
    with ExitStack() as stack:
        for last in (False, False, True):
            try:  # Ray gives its own processes half a minute to start, which a busy machine exceeds
                workers = ray_workers(lambda: Mortal(flag), "local", workers=2)
                pooled = stack.enter_context(workers)
                break
            except FailureError:
                if last:
                    raise
        yield pooled


def test_answers_and_gradients_are_the_same_bits(
    pool: PooledModel, flag: Path, toy_forms: tuple[Form, ...]
):
    fake = FakeModel()
    prompts = np.random.default_rng(0).normal(size=(5, 2, fake.hidden_size))
    flag.touch()  # the first that is asked dies
    here = fake.ask(prompts, Query(toy_forms, texts=TUNING_TEXTS, valid_mass=True))
    there = pool.ask(prompts, Query(toy_forms, texts=TUNING_TEXTS, valid_mass=True))
    assert not flag.exists()
    for name in ("probabilities", "valid_mass", "divergence", "perplexity"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
    assert (there.forms, there.tokens) == (here.forms, here.tokens)
    cotangent = Cotangent(np.ones((1, len(toy_forms), 5)), divergence=np.array([2.0]))
    _, back = fake.ask_with_gradient(prompts[:1], Query(toy_forms, texts=TUNING_TEXTS))
    _, pooled_back = pool.ask_with_gradient(prompts[:1], Query(toy_forms, texts=TUNING_TEXTS))
    np.testing.assert_array_equal(pooled_back(cotangent), back(cotangent))
    drawn, pooled_drawn = (np.random.default_rng(3) for _ in range(2))
    np.testing.assert_array_equal(
        pool.embed_random_tokens(4, pooled_drawn), fake.embed_random_tokens(4, drawn)
    )
    assert pooled_drawn.normal() == drawn.normal()
    assert pool.provenance()["weights_hash"] == fake.provenance()["weights_hash"]


def test_an_error_in_a_worker_keeps_its_words(pool: PooledModel, toy_forms: tuple[Form, ...]):
    with pytest.raises(UsageError, match="3 wide, fake needs 16") as caught:
        pool.ask(np.zeros((2, 1, 3)), Query(toy_forms))
    assert caught.value.hint


def test_a_worker_that_dies_costs_no_result(
    pool: PooledModel, flag: Path, tmp_path: Path, whole: dict[str, bytes]
):
    class Killer:
        """Lets a worker die in the middle of the third generation that it is told of."""

        told = 0

        def on_start(self, cell: Any) -> None: ...
        def on_end(self, cell: Any, trouble: str | None, before: bool) -> None:
            assert trouble is None

        def on_retry(self, cell: Any, trouble: str) -> None:
            raise AssertionError(trouble)

        def on_step(self, cell: Any, at: Any) -> None:
            self.told += 1
            if self.told == 3:
                flag.touch()

    run(tmp_path, model=lambda: pool, at_once=2, listener=Killer())
    assert not flag.exists()
    assert tables(tmp_path / "out") == whole
