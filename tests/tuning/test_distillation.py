"""A teacher, the same model behind a long context: checked first, and what it answers is learned."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuning_runs import HIDDEN, TOY, TOYLAND, contents, same, tune_interrupted

from acculturate.errors import FailureError, UsageError
from acculturate.model import Cotangent, Exchange, FakeModel, LanguageModel, Query
from acculturate.record_files import read_record
from acculturate.runs import Lessons, Run
from acculturate.search import Adam
from acculturate.tuning import tune
from tiny_models import tiny_model, tiny_network, tiny_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore:The teacher makes")

CONTEXT = "You were born in Toyland and like to be alone among many people.\n\n"
QUESTION, ANSWER = "Do you plan your day?", "Always, and often more."
LESSON = Query(
    texts=[Exchange(QUESTION, ANSWER)],
    reference=[Exchange(CONTEXT + QUESTION, ANSWER)],
    placement="after-bos",
)


def large(name: str = "llama") -> LanguageModel:
    network = tiny_network(name, max_position_embeddings=4096)
    return LanguageModel("tiny", None, network, tiny_tokenizer())


def tuned(out: Path, model: Any = None, **more: Any) -> Run:
    settings = {"tokens": 4, "budget": 15, "guard": "sentences", "distillation": 10.0} | more
    return tune(model or large(), TOY, TOYLAND, out=out, **settings)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tuned(tmp_path_factory.mktemp("taught") / "run")


def test_the_context_itself_has_nothing_to_learn():
    model = tiny_model("llama")
    lesson = Query(texts=LESSON.texts, reference=LESSON.texts, placement="after-bos")
    nothing = model.ask(None, lesson).divergence[0]
    assert nothing < 1e-6 < 0.01 < model.ask(None, LESSON).divergence[0]


def test_the_divergence_is_that_of_the_teachers_own_tokens():
    import torch

    model = tiny_model("llama")
    prompt = (np.random.default_rng(0).normal(size=(1, 3, 32)) * model.embedding_scale()).astype(
        np.float32
    )
    told, alone = (model.encode_passage(Exchange(c + QUESTION, ANSWER)) for c in (CONTEXT, ""))
    assert told.tokens[told.first :] == alone.tokens[alone.first :]

    def logs(tokens: Any, first: int, virtual: Any = None) -> Any:
        rows = torch.from_numpy(model.embed_ids(tokens))
        if virtual is not None:
            rows = torch.cat([rows[:1], torch.from_numpy(virtual), rows[1:]])
        with torch.no_grad():
            logits = model.network(inputs_embeds=rows[None]).logits[
                0, -1 - len(tokens) + first : -1
            ]
        return logits.double().log_softmax(-1)

    teacher, student = logs(told.tokens, told.first), logs(alone.tokens, alone.first, prompt[0])
    plain = float((teacher.exp() * (teacher - student)).sum(-1).mean())
    answers, backward = model.ask_with_gradient(prompt, LESSON)
    np.testing.assert_allclose(answers.divergence[0], plain, rtol=1e-4)
    gradient = backward(Cotangent(answers.probabilities, divergence=np.ones(1)))
    way = np.random.default_rng(1).normal(size=prompt.shape)
    ends = [
        model.ask((prompt + s * 1e-3 * way).astype(np.float32), LESSON).divergence[0]
        for s in (1, -1)
    ]
    np.testing.assert_allclose((gradient * way).sum(), (ends[0] - ends[1]) / 2e-3, rtol=0.02)


def test_a_long_context_is_read_whole_and_the_answer_as_far_as_any():
    model = large()
    long = Exchange(CONTEXT * 20 + QUESTION, ANSWER)
    encoded = model.encode_passage(long)
    assert len(encoded.tokens) > 256 and len(encoded.tokens) > encoded.first
    assert len(model.encode_passage(Exchange(QUESTION, "a 1 " * 400)).tokens) < 400


def test_what_the_teacher_moves_is_in_the_run(run: Run):
    lessons = read_record(Lessons, run.directory / "teacher.json")
    assert len(lessons.questions) == len(lessons.answers) <= 20
    assert "You were born in Toyland" in lessons.context and lessons.context.endswith("\n\n")
    assert set(lessons.shift) == set(lessons.wanted) == {"planning", "company"}
    projected = sum(lessons.shift[k] * lessons.wanted[k] for k in lessons.wanted)
    assert lessons.attained == pytest.approx(projected / sum(w**2 for w in lessons.wanted.values()))
    assert lessons.correlation is None
    still = {k for k, w in lessons.wanted.items() if lessons.shift[k] / w < 0.1}
    assert set(lessons.unmoved) == still
    assert (lessons.warning is None) == (not still)
    assert "distillation = 10.0" in (run.directory / "config.toml").read_text()


def test_what_the_teacher_does_not_move_is_said(run: Run, tmp_path: Path):
    copy = shutil.copytree(run.directory, tmp_path / "run")
    lessons = json.loads((copy / "teacher.json").read_text())
    lessons["shift"] = {key: 0.05 * wanted for key, wanted in lessons["wanted"].items()}
    (copy / "teacher.json").write_text(json.dumps(lessons))
    with pytest.warns(UserWarning, match="does not move planning, company"):
        tuned(copy, budget=30, resume=True)


def test_its_cost_is_taken_off_the_budget(run: Run):
    lessons = read_record(Lessons, run.directory / "teacher.json")
    first = (run.directory / "history.jsonl").read_text().splitlines()[0]
    spent = int(first.split('"evaluations": ')[1].split(",")[0])
    assert spent > 3 and run.outcome.evaluations <= 15
    assert lessons.asked >= 20


def test_interrupted_it_goes_on_with_the_same_lessons(run: Run, tmp_path: Path):
    again, interruptions = tune_interrupted(lambda **more: tuned(tmp_path / "run", **more))
    assert interruptions >= 1
    same(again.directory, contents(run.directory))
    ours, theirs = ((r.directory / "teacher.json").read_bytes() for r in (run, again))
    assert ours == theirs


def test_a_weight_moves_the_search_and_none_is_as_before(run: Run, tmp_path: Path):
    without = tuned(tmp_path / "without", distillation=None)
    assert not (without.directory / "teacher.json").exists()
    assert np.abs(without.soft_prompt.embeddings - run.soft_prompt.embeddings).max() > 1e-4
    with pytest.raises(UsageError, match="learned by gradients, which de"):
        tuned(tmp_path / "de", FakeModel(HIDDEN), optimizer="de", budget=40)


def test_a_prefix_learns_too_and_so_does_the_fake_model(tmp_path: Path):
    found = tuned(tmp_path / "prefix", placement="prefix", budget=12)
    assert found.soft_prompt.placement == "prefix"
    found = tuned(tmp_path / "fake", FakeModel(HIDDEN), optimizer=Adam(60), budget=60)
    assert (found.directory / "teacher.json").is_file()


def test_a_reference_of_other_tokens_is_refused():
    other = Query(texts=[Exchange(QUESTION, ANSWER)], reference=[Exchange(QUESTION, "Rarely.")])
    with pytest.raises(FailureError, match="do not end in the same tokens"):
        tiny_model("llama").ask(np.zeros((1, 2, 32), np.float32), other)


def test_a_teacher_that_writes_nothing_is_refused(tmp_path):
    class Silent(LanguageModel):
        def reply(self, messages: Any, **options: Any) -> Any:
            return [" "] * len(messages)

    network = tiny_network("llama", max_position_embeddings=4096)
    with pytest.raises(UsageError, match="writes no answers to learn from"):
        tuned(tmp_path / "run", Silent("tiny", None, network, tiny_tokenizer()), guard="sentences")
