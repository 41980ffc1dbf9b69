"""How questions are put: what is shown, in which order, and what is read back."""

from dataclasses import replace

import numpy as np
import pytest

from acculturate.benchmarks import OpinionSet, Prompting, QuestionSet, ask, load_benchmark
from acculturate.benchmarks.asking import rounds, with_method
from acculturate.benchmarks.questions import Opinion, Origin, Question
from acculturate.model import Query, SoftPrompt
from acculturate.progress import task
from answering import Oracle

ORIGIN = Origin("mine", "Mine", "here", "CC0")
CHOICE = QuestionSet(
    ORIGIN,
    "choice",
    (
        Question("1", "What is {drunk}?", ("tea", "ink", "tar"), (True, False, False)),
        Question("2", "ماذا يؤكل؟", ("خبز", "حبر"), (True, False)),
    ),
)
JUDGED = QuestionSet(ORIGIN, "judged", CHOICE.questions)


def test_what_a_model_is_shown():
    ((first, second),) = rounds(CHOICE, 0, 0)
    assert first.text.endswith("Question: What is {drunk}?\nA. tea\nB. ink\nC. tar")
    assert (first.labels, first.options, first.cue) == (("A", "B", "C"), (0, 1, 2), "Answer:")
    assert "\nA. خبز\nB. حبر" in second.text
    ((judged, *rest),) = rounds(JUDGED, 0, 0)
    assert len(rest) == 4
    assert judged.text.endswith("Question: What is {drunk}?\nProposed answer: tea")
    assert judged.labels == ("True", "False")
    line = "Answer as a person from China would."
    assert with_method([first], Prompting("persona", line=line))[0].text == f"{line}\n{first.text}"


@pytest.mark.parametrize("benchmark", [CHOICE, JUDGED])
@pytest.mark.parametrize("how", ["probability", "text"])
def test_answers_come_back_in_the_files_order_whatever_is_shown(benchmark, how):
    asked = rounds(benchmark, 5, seed=1)
    assert len({form.options for forms in asked for form in forms}) >= 2
    shares = ask(Oracle(lambda form, _: 1), asked, None, how)
    assert (shares.argmax(axis=1) == 1).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_orders_are_the_seeds():
    first, again, other = (
        [form.options for forms in rounds(CHOICE, 8, seed) for form in forms] for seed in (1, 1, 2)
    )
    assert first == again != other
    # Fewer orders are the first of more.
    assert first[:4] == [form.options for forms in rounds(CHOICE, 2, 1) for form in forms]


def test_a_liking_for_the_first_option_averages_out():
    liking = Oracle(lambda form, _: form.options[0])
    own = ask(liking, rounds(CHOICE, 0, 0), None, "probability")
    assert own.argmax(axis=1).tolist() == [0, 0]
    mixed = ask(liking, rounds(CHOICE, 60, 0), None, "probability")
    assert mixed[0].max() - mixed[0].min() < 0.2


def test_a_soft_prompt_is_where_it_was_tuned():
    placements = []

    class Placed(Oracle):
        def ask(self, prompts, query):
            placements.append((prompts is not None, query.placement))
            return super().ask(prompts, query)

    prompt = SoftPrompt(np.zeros((2, 16), np.float32), "before-answer", "fake")
    ask(Placed(lambda _form, tuned: int(tuned)), rounds(CHOICE, 0, 0), prompt, "probability")
    assert placements == [(True, "before-answer")]


def test_many_questions_go_through_in_parts():
    many = tuple(
        Question(str(k), f"{k}. Why?" + " Why?" * 40, ("a", "b"), (True, False)) for k in range(300)
    )
    oracle = Oracle(lambda form, _: int(form.item) % 2)
    asked = rounds(QuestionSet(ORIGIN, "choice", many), 2, 0)
    with task("asking", 600) as at:
        shares = ask(oracle, asked, None, "probability")
    assert shares.argmax(axis=1).tolist() == [k % 2 for k in range(300)]
    assert len(oracle.asked) > 3 and sum(oracle.asked) == 600
    assert at.done == 600


def test_what_cannot_be_read_is_nothing_and_what_is_broken_stays_so():
    asked = rounds(CHOICE, 0, 0)
    lost = Oracle(lambda form, _: None if form.item == "1" else 0)
    np.testing.assert_array_equal(ask(lost, asked, None, "text")[:, :2], [[0, 0], [1, 0]])
    assert np.isnan(ask(lost, asked, None, "probability")[0]).all()


def test_opinions_may_have_26_options():
    wide = Opinion("1", "How much?", tuple(str(k) for k in range(26)), {"China": (1 / 26,) * 26})
    ((form,),) = rounds(OpinionSet(ORIGIN, (wide,), {}), 0, 0)
    assert form.labels[-1] == "Z"
    assert form.text.endswith("\nZ. 25")


def test_a_real_network_takes_it():
    from tiny_models import shared_model

    model = shared_model("llama")
    own = load_benchmark("acculturate-culture-easy")
    three = QuestionSet(ORIGIN, "choice", own.questions[:3])
    # Digits are what the small tokenizer has as single tokens.
    asked = [[replace(f, labels=tuple("1234")) for f in forms] for forms in rounds(three, 2, 0)]
    prompt = SoftPrompt(np.ones((2, model.hidden_size), np.float32), "front", "llama")
    for soft in (None, prompt):
        shares = ask(model, asked, soft, "probability")
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
        alone = [
            model.ask(
                None if soft is None else soft.embeddings[None], Query([form], placement="front")
            ).probabilities[0, 0]
            for forms in asked
            for form in forms
        ]
        expected = (np.stack(alone[:3]) + np.stack(alone[3:])) / 2
        np.testing.assert_allclose(shares, expected, atol=1e-5)
