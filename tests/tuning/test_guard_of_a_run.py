"""The guard of a run: a prompt that breaks longer texts is seen while searching; the same texts on resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tuning_runs import BUDGET, HIDDEN, TOY, Interrupter, contents, read_json, tune_toy

from acculturate.errors import FailureError, UnreachableError
from acculturate.metrics.guard import make_guard
from acculturate.metrics.texts import TUNING_PASSAGES, TUNING_TEXTS
from acculturate.model import Exchange, FakeModel, Query
from acculturate.model.generation import TextWriter
from acculturate.runs import GUARD
from acculturate.search import LSHADE, Adam, DifferentialEvolution
from acculturate.tuning.guard import open_guard
from acculturate.tuning.settings import Settings
from tiny_models import tiny_model

LIMIT = 0.3


class WritesJunk(FakeModel):
    """Reads short sentences as ever; later in a text, and in answers, a prompt does a hundredfold harm."""

    def __init__(self) -> None:
        super().__init__(HIDDEN, harm=0.01)
        self.queries: list[Query] = []
        self.asked = 0

    def model_hash(self) -> str:
        return "the harm is no part of it"

    def ask(self, prompts: Any, query: Query) -> Any:
        self.queries.append(query)
        longer = any(isinstance(text, Exchange) or len(text) > 200 for text in query.texts)
        self._harm = 1.0 if longer else 0.01
        return super().ask(prompts, query)

    def reply(self, questions: Any, prompt: Any = None, **options: Any) -> tuple[str, ...]:
        self.asked += 1
        return tuple(f"An answer to {question}" for question in questions)

    def read(self) -> set[tuple[Any, ...]]:
        """The texts that were read beside forms."""
        return {query.texts for query in self.queries if query.forms and query.texts}


SEARCHES = {
    "adam": lambda: Adam(240, step=0.3),
    "l-shade": lambda: LSHADE(240, 12),
    "de": lambda: DifferentialEvolution(12),
}


def test_a_lost_connection_ends_a_run_before_its_guard_is_written(tmp_path: Path) -> None:
    class Lost(WritesJunk):
        def reply(self, questions: Any, prompt: Any = None, **options: Any) -> tuple[str, ...]:
            raise UnreachableError("the server does not answer")

    with pytest.raises(UnreachableError, match="does not answer"):
        open_guard(tmp_path, Lost(), TOY, Settings())
    assert not (tmp_path / GUARD).exists()


@pytest.mark.parametrize("name", SEARCHES)
def test_a_prompt_that_writes_junk_is_caught_while_searching(name: str, tmp_path: Path) -> None:
    settings = {"budget": 240, "space": "full", "init": "gaussian", "init_scale": 1.0}
    settings |= {"max_divergence": LIMIT}
    runs = {
        guard: tune_toy(
            tmp_path / guard, WritesJunk(), optimizer=SEARCHES[name](), guard=guard, **settings
        )
        for guard in ("sentences", "texts")
    }
    # Sentences let it pass; what it does later in a text is a hundred times as much.
    assert runs["sentences"].outcome.violation == 0
    assert runs["sentences"].outcome.divergence * 100 > LIMIT
    assert runs["texts"].outcome.violation == 0
    assert runs["texts"].outcome.divergence <= LIMIT
    assert runs["texts"].outcome.held_out_divergence <= LIMIT + 1e-9


def test_a_limit_is_on_the_same_texts_all_the_time(tmp_path: Path) -> None:
    for optimizer in (Adam(60), LSHADE(60, 12)):
        model = WritesJunk()
        out = tmp_path / optimizer.name
        tune_toy(out, model, budget=60, optimizer=optimizer, max_divergence=LIMIT)
        (texts,) = model.read()
        assert texts == make_guard("texts", [texts[1]]).fixed
        assert texts[0] == TUNING_PASSAGES[0] and isinstance(texts[1], Exchange)


def test_a_descent_without_a_limit_reads_other_texts_at_every_step(tmp_path: Path) -> None:
    model = WritesJunk()
    run = tune_toy(tmp_path, model, budget=240, optimizer=Adam(240), divergence_weight=1.0)
    answers = [Exchange(*pair) for pair in read_json(run.directory / GUARD)["answers"]]
    assert len(answers) == 6
    assert {answer.question for answer in answers[1::2]} < {
        wordings[0] for wordings in TOY.languages["en"].wordings.values()
    }
    drawn = make_guard("texts", answers).drawn
    assert model.read() <= set(drawn) and len(model.read()) > len(drawn) / 2
    assert {query.read_every for query in model.queries if query.texts} == {4}


def test_the_guard_of_before_reads_every_token_of_its_sentences(tmp_path: Path) -> None:
    model = WritesJunk()
    run = tune_toy(
        tmp_path, model, optimizer=Adam(BUDGET), divergence_weight=1.0, guard="sentences"
    )
    assert model.read() == {TUNING_TEXTS}
    assert {query.read_every for query in model.queries} == {1}
    assert not (run.directory / GUARD).exists() and model.asked == 0
    assert "guard" not in (run.directory / "config.toml").read_text()


def test_a_resumed_run_reads_the_answers_of_its_beginning(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"optimizer": Adam(60), "divergence_weight": 1.0, "budget": 60}
    whole = contents(tune_toy(tmp_path / "whole", WritesJunk(), **settings).directory)
    out, settings["optimizer"] = tmp_path / "stopped", Adam(60)
    with pytest.raises(KeyboardInterrupt):
        tune_toy(out, WritesJunk(), **settings, on_generation=Interrupter(3))
    again, settings["optimizer"] = WritesJunk(), Adam(60)
    assert contents(tune_toy(out, again, **settings, resume=True).directory) == whole
    assert again.asked == 0


def test_a_model_that_writes_nothing_is_guarded_by_texts_alone(tmp_path: Path) -> None:
    class Silent(FakeModel):
        def reply(self, *args: Any, **kwargs: Any) -> tuple[str, ...]:
            raise FailureError("cannot write", "Ask it.")

    with pytest.warns(UserWarning, match="no answers of the model's own: cannot write"):
        run = tune_toy(tmp_path, Silent(HIDDEN), max_divergence=LIMIT)
    assert read_json(run.directory / GUARD) == {"answers": []}


def test_a_damaged_file_of_answers_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        tune_toy(tmp_path, on_generation=Interrupter(2))
    (tmp_path / GUARD).write_text('{"answers": [["question"]]}')
    with pytest.raises(FailureError, match=r"guard\.json"):
        tune_toy(tmp_path, resume=True)


def test_a_guard_without_answers_reads_texts() -> None:
    guard = make_guard("texts")
    assert guard.fixed == TUNING_PASSAGES[:1]
    assert guard == replace(guard, drawn=tuple((text,) for text in TUNING_PASSAGES))


def test_a_model_writes_its_answers_once_for_all_runs_with_its_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = {name: tmp_path / name for name in ("first", "anew", "second", "other")}
    for folder in runs.values():
        folder.mkdir()
    model, settings = tiny_model("llama"), Settings(seed=1)
    guard = open_guard(runs["first"], model, TOY, settings)
    assert open_guard(runs["anew"], tiny_model("llama"), TOY, settings) == guard
    monkeypatch.setattr(TextWriter, "_continue", None)
    assert open_guard(runs["second"], model, TOY, settings) == guard
    first, *others = ((runs[name] / GUARD).read_bytes() for name in ("first", "anew", "second"))
    assert others == [first, first]
    with pytest.raises(TypeError):
        open_guard(runs["other"], model, TOY, Settings(seed=2))
