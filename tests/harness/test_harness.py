"""The harness's model: likelihoods by hand through embeddings, batches as singles, its tasks as our own."""

import json
import os
import shutil
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

os.environ["HF_DATASETS_OFFLINE"] = "1"

import numpy as np
import pytest
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    lm_eval = pytest.importorskip("lm_eval")
    pytest.importorskip("accelerate")
    from lm_eval.api.instance import Instance
    from lm_eval.tasks import TaskManager

    from acculturate.harness.model import SoftPromptLM


from acculturate.errors import UsageError
from acculturate.harness.__main__ import main
from acculturate.model import FakeModel, Query, SoftPrompt, load_model
from acculturate.search import DifferentialEvolution
from acculturate.survey import Country, Form, load_instrument
from acculturate.tuning import tune
from tiny_models import CHAT_TEMPLATE, tiny_network, tiny_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore")
TOYLAND = Country("Toyland", "toy-table", {"planning": 80.0, "company": 20.0}, None)
PAIRS = [
    ("How often do you plan your day?", " Often"),
    ("A short survey. Give one number. Answer:", " 3"),
    ("Do you like to be alone among many people? Answer: ", "Never, or rarely so."),
    ("", "An interviewer asks."),
]
QUESTIONS = [
    {"question": f"Question number {k}: which do you like?", "options": options, "answer": k % 3}
    for k, options in enumerate([["tea", "milk", "water"], ["a day", "a page", "a survey"]] * 6)
]


def tuned(folder, placement="after-bos", template=None, network="llama"):
    """A finished run of a tiny model, with a random soft prompt that shows in every logit."""
    model_folder = folder / "model"
    tiny_network(network).save_pretrained(model_folder)
    tiny_tokenizer(chat_template=template).save_pretrained(model_folder)
    model = load_model(model_folder, dtype="float32")
    run = tune(
        model, load_instrument("toy"), TOYLAND, budget=4, tokens=3,
        optimizer=DifferentialEvolution(4), placement=placement, out=folder / "run",
    )  # fmt: skip
    noise = np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32)
    SoftPrompt(noise, placement, model.name).save(folder / "run" / "best.safetensors")
    return run.directory


@pytest.fixture(scope="module", params=["front", "after-bos"])
def run(request, tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuned(tmp_path_factory.mktemp("tiny"), request.param)


def requests(kind, arguments):
    return [Instance(kind, {}, given, index) for index, given in enumerate(arguments)]


def by_hand(lm, ids, start, prompt):
    """Log-likelihood of the tokens from `start` on, and whether each is the likeliest."""
    rows = lm.model.get_input_embeddings()(torch.tensor([ids]))
    virtual = 0
    if prompt is not None:
        cut, virtual = {"front": 0, "after-bos": 1}[lm._about["placement"]], len(prompt)
        rows = torch.cat([rows[:, :cut], torch.from_numpy(prompt)[None], rows[:, cut:]], dim=1)
    with torch.no_grad():
        logits = lm.model(inputs_embeds=rows, use_cache=False).logits[0]
    logged = logits[virtual + start - 1 : -1].double().log_softmax(-1)
    tokens = torch.tensor(ids[start:])
    greedy = bool((logged.argmax(-1) == tokens).all())
    return float(logged[torch.arange(len(tokens)), tokens].sum()), greedy


@pytest.mark.parametrize("untouched", [False, True])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_likelihoods_are_those_computed_by_hand(run, untouched, batch_size):
    lm = SoftPromptLM(str(run), untouched=untouched, batch_size=batch_size)
    prompt = None if untouched else SoftPrompt.load(run / "best.safetensors").embeddings
    found = lm.loglikelihood(requests("loglikelihood", PAIRS), disable_tqdm=True)
    for (context, continuation), (value, greedy) in zip(PAIRS, found, strict=True):
        context, spaces = context.rstrip(), " " * (len(context) - len(context.rstrip()))
        ids = lm.tokenizer(context + spaces + continuation)["input_ids"]
        expected = by_hand(lm, ids, len(lm.tokenizer(context)["input_ids"]), prompt)
        assert (value, greedy) == (pytest.approx(expected[0], abs=2e-4), expected[1])


def test_the_prompt_changes_the_likelihoods(run):
    values = [
        [value for value, _ in lm.loglikelihood(requests("loglikelihood", PAIRS), True)]
        for lm in (SoftPromptLM(str(run)), SoftPromptLM(str(run), untouched=True))
    ]
    assert np.abs(np.subtract(*values)).min() > 0.01


def test_the_line_that_a_prompt_was_tuned_with_is_in_front(run, tmp_path):
    line, prompt = "Be tall.", SoftPrompt.load(run / "best.safetensors")
    shutil.copytree(run, tmp_path / "run")
    replace(prompt, line=line).save(tmp_path / "run" / "best.safetensors")
    without, whole = SoftPromptLM(str(run), batch_size=2), PAIRS[:3]
    behind = [(f"{line}\n{context}", continuation) for context, continuation in whole]
    lm = SoftPromptLM(str(tmp_path / "run"), batch_size=2)
    found = lm.loglikelihood(requests("loglikelihood", whole), disable_tqdm=True)
    wanted = without.loglikelihood(requests("loglikelihood", behind), disable_tqdm=True)
    assert [value for value, _ in found] == pytest.approx([value for value, _ in wanted], abs=2e-4)
    assert lm.max_length == without.max_length - (len(lm.tok_encode(f"{line}\n")) - 1)
    assert SoftPromptLM(str(tmp_path / "run"), untouched=True).max_length == 256


def test_a_whole_text(run):
    lm = SoftPromptLM(str(run), batch_size=2)
    prompt = SoftPrompt.load(run / "best.safetensors").embeddings
    texts = [("A short survey.",), ("Give one number. Do you like to be alone?",)]
    found = lm.loglikelihood_rolling(requests("loglikelihood_rolling", texts), True)
    for (text,), value in zip(texts, found, strict=True):
        ids = [lm.prefix_token_id, *lm.tok_encode(text)]
        assert value == pytest.approx(by_hand(lm, ids, 1, prompt)[0], abs=2e-4)


def test_a_long_text_leaves_room_for_the_virtual_tokens(run):
    whole, short = SoftPromptLM(str(run)), SoftPromptLM(str(run), max_length=19)
    assert (whole.max_length, short.max_length) == (256 - 3, 16)
    (value,) = short.loglikelihood_rolling(
        requests("loglikelihood_rolling", [("How often do you plan your day? " * 9,)]), True
    )
    assert np.isfinite(value)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_generation_is_our_own_continuation(run, batch_size):
    lm = SoftPromptLM(str(run), batch_size=batch_size)
    prompt = SoftPrompt.load(run / "best.safetensors")
    model = load_model(Path(run).parent / "model", dtype="float32")
    contexts = [context for context, _ in PAIRS[:3]]
    given = [(context, {"until": ["\n\n"], "max_gen_toks": 8}) for context in contexts]
    found = lm.generate_until(requests("generate_until", given), disable_tqdm=True)
    for context, text in zip(contexts, found, strict=True):
        ours = model.continue_text(context, prompt, max_tokens=8)
        assert text == ours.split("\n\n")[0]


def test_generation_stops_where_it_is_told(run):
    lm = SoftPromptLM(str(run), batch_size=3)
    (free,) = lm.generate_until(
        requests("generate_until", [(PAIRS[0][0], {"until": [], "max_gen_toks": 12})]), True
    )
    stop = free[len(free) // 2]
    (cut,) = lm.generate_until(
        requests("generate_until", [(PAIRS[0][0], {"until": [stop], "max_gen_toks": 12})]), True
    )
    assert cut == free.split(stop)[0]


def as_form(question):
    listed = "".join(f"{k}. {option}\n" for k, option in enumerate(question["options"], 1))
    labels = tuple(str(k + 1) for k in range(len(question["options"])))
    return Form(
        item="q", wording=0, frame="f", language="en", order="forward", split="held-out",
        text=f"{question['question']}\n{listed}".rstrip("\n"), cue="Answer:", labels=labels,
        options=tuple(range(len(labels))),
    )  # fmt: skip


def test_a_local_task_has_the_accuracy_of_our_own_evaluation(run, tmp_path):
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(question) + "\n" for question in QUESTIONS))
    shipped = Path(__file__).parents[2] / "docs" / "harness" / "questions.yaml"
    task = shipped.read_text().replace("test: questions.jsonl", f"test: {file}")
    (tmp_path / "questions.yaml").write_text(task)
    found = lm_eval.simple_evaluate(
        model="acculturate",
        model_args={"run": str(run)},
        tasks=["local_questions"],
        task_manager=TaskManager(include_path=str(tmp_path), include_defaults=False),
        batch_size=4,
        device="cuda:0",  # what its command line says by itself
        bootstrap_iters=0,
        verbosity="ERROR",
    )
    prompt = SoftPrompt.load(run / "best.safetensors")
    model = load_model(Path(run).parent / "model", dtype="float32")
    answers = model.ask(
        prompt.embeddings[None],
        Query([as_form(one) for one in QUESTIONS], placement=prompt.placement),
    )
    chosen = answers.probabilities[0].argmax(axis=1)
    samples = sorted(found["samples"]["local_questions"], key=lambda sample: sample["doc_id"])
    theirs = [int(np.argmax([float(r[0]) for r in sample["filtered_resps"]])) for sample in samples]
    assert theirs == chosen.tolist()
    accuracy = float(np.mean(chosen == [one["answer"] for one in QUESTIONS]))
    assert found["results"]["local_questions"]["acc,none"] == pytest.approx(accuracy)
    assert found["config"]["acculturate"]["virtual_tokens"] == 3


def test_what_it_refuses(tmp_path, toy):
    run = tuned(tmp_path / "cue", "before-answer")
    with pytest.raises(UsageError, match="before the answer cue") as caught:
        SoftPromptLM(str(run))
    assert "--placement" in caught.value.hint
    fake = tune(
        FakeModel(), toy, TOYLAND, budget=4, tokens=2, optimizer=DifferentialEvolution(4),
        out=tmp_path / "fake",
    )  # fmt: skip
    with pytest.raises(UsageError, match="no language model"):
        SoftPromptLM(str(fake.directory))
    with pytest.raises(UsageError, match="no run in"):
        SoftPromptLM(str(tmp_path))
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "cue" / "model", other)
    tiny_network("qwen3").save_pretrained(other)
    tuned_run = tuned(tmp_path / "front", "front")
    with pytest.raises(UsageError, match="does not hold the weights"):
        SoftPromptLM(str(tuned_run), model=str(other))
    assert SoftPromptLM(str(tuned_run), model=str(other), any_model=True).max_length


def test_a_chat_model_is_asked_through_its_template(tmp_path):
    run = tuned(tmp_path, "after-bos", CHAT_TEMPLATE)
    lm = SoftPromptLM(str(run))
    shown = lm.apply_chat_template([{"role": "user", "content": "A short survey."}])
    prompt = SoftPrompt.load(run / "best.safetensors").embeddings
    ((value, _),) = lm.loglikelihood(requests("loglikelihood", [(shown, "Often")]), True)
    ids = lm.tokenizer(shown + "Often", add_special_tokens=False)["input_ids"]
    start = len(lm.tokenizer(shown.rstrip(), add_special_tokens=False)["input_ids"])
    assert ids[:2] != [lm.prefix_token_id] * 2
    assert value == pytest.approx(by_hand(lm, ids, start, prompt)[0], abs=2e-4)
    assert "/" not in lm.tokenizer_name


def test_virtual_tokens_stand_behind_all_leading_tokens_where_a_row_has_them():
    network, virtual = tiny_network("llama"), torch.ones(1, 32)
    embed = network.get_input_embeddings()
    lm = SimpleNamespace(_embed=embed, _virtual=virtual, _leading=(0, 2), _in_front=False)
    lm._line = torch.tensor([], dtype=torch.int64)
    rows = SoftPromptLM._prompted(lm, torch.tensor([[0, 2, 7], [0, 7, 7]]))
    assert torch.equal(rows[0], torch.cat([embed.weight[[0, 2]], virtual, embed.weight[[7]]]))
    assert torch.equal(rows[1], torch.cat([virtual, embed.weight[[0, 7, 7]]]))


def test_the_command_line_knows_the_model(run, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lm-eval", "run", "--help"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0 and "--model_args" in capsys.readouterr().out
    assert lm_eval.api.registry.get_model("acculturate") is SoftPromptLM


def test_without_the_harness_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "lm_eval.__main__", None)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "acculturate[lm-eval]" in capsys.readouterr().err
