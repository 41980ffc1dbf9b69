"""Answers to be paired: written side by side as they would be alone, and kept when the writing is killed."""

import numpy as np
import pytest

from acculturate.errors import WriteError
from acculturate.model import LanguageModel, SoftPrompt
from acculturate.rating import answers
from acculturate.rating.answers import DRAFTS, Asked, write_answers
from acculturate.rating.folder import Variant
from acculturate.serving import Piece
from tiny_models import tiny_network, tiny_tokenizer

QUESTIONS = ("Why?", "What is a good day?", "Who cooks?")


@pytest.fixture(scope="module")
def model():
    return LanguageModel("tiny", None, tiny_network("llama"), tiny_tokenizer())


@pytest.fixture(scope="module")
def asked():
    """Three questions to three variants."""
    noise = np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32)
    prompt = SoftPrompt(noise, "after-bos", "tiny", line="Be tall.")
    variants = (
        (Variant("naive", "naive", 1), None),
        (Variant("persona", "persona", 2, line="Be small."), None),
        (Variant("china", "tuned", 3, prompt=prompt.fingerprint), prompt),
    )
    return [
        Asked(variant, soft, question, number)
        for variant, soft in variants
        for number, question in enumerate(QUESTIONS)
    ]


def test_answers_are_those_of_each_question_alone(model, asked, tmp_path):
    together = write_answers(model, "hash", asked, tmp_path / "together")
    assert list(together) == [(each.variant.name, each.number) for each in asked]
    assert len(set(together.values())) == len(asked)
    for index, each in enumerate(asked):
        alone = write_answers(model, "hash", [each], tmp_path / str(index))
        assert alone == {(each.variant.name, each.number): together[each.variant.name, each.number]}


def test_the_lines_of_persona_and_prompt_are_read(model, asked, tmp_path, monkeypatch):
    read = []

    def noted(_, jobs):
        read.extend(model.tokenizer.decode(job.tokens) for job in jobs)
        yield from ((index, Piece("So.", end="stop")) for index in range(len(jobs)))

    monkeypatch.setattr(answers, "write_all", noted)
    assert set(write_answers(model, "hash", asked, tmp_path).values()) == {"So."}
    assert [text.count("Be tall.") for text in read] == [0] * 6 + [1] * 3
    assert [text.count("Be small.") for text in read] == [0] * 3 + [1] * 3 + [0] * 3


def test_what_was_written_before_a_kill_is_not_written_again(model, asked, tmp_path, monkeypatch):
    whole = write_answers(model, "hash", asked, tmp_path / "whole")
    write_all, started = answers.write_all, []

    def killed(engine, jobs):
        started.append(len(jobs))
        ended = 0
        for index, piece in write_all(engine, jobs):
            yield index, piece
            ended += piece.end is not None
            if ended == 4:
                raise KeyboardInterrupt

    monkeypatch.setattr(answers, "write_all", killed)
    with pytest.raises(KeyboardInterrupt):
        write_answers(model, "hash", asked, tmp_path)
    with (tmp_path / DRAFTS).open("a") as file:
        file.write('{"mark": "cut o')
    with pytest.raises(KeyboardInterrupt):
        write_answers(model, "hash", asked, tmp_path)
    assert write_answers(model, "hash", asked, tmp_path) == whole
    assert started == [9, 5, 1]
    with pytest.raises(KeyboardInterrupt):  # of other weights nothing is known
        write_answers(model, "another", asked, tmp_path)
    assert started[-1] == 9


def test_a_full_disk_is_said(model, asked, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(answers, "_line", full)
    with pytest.raises(WriteError, match="the disk is full"):
        write_answers(model, "hash", asked[:1], tmp_path)
