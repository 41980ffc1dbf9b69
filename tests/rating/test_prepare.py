"""Preparing pairs: who answers what, blind files, a key that fits, and requests that cannot be met."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted import Writer

import acculturate as ac
from acculturate.errors import FailureError, UsageError
from acculturate.metrics.questions import load_questions
from acculturate.rating.folder import AGAIN, NAIVE, PERSONA, read_key, read_pairs
from acculturate.rating.prepare import _draw_pairs, prepare


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two short runs towards one country, and one towards another."""
    survey, countries = ac.load_instrument("vsm13"), ac.load_countries("hofstede-insights")
    folder = tmp_path_factory.mktemp("runs")

    def tuned(name, country):
        model = Writer()
        options = {"optimizer": "random", "budget": 20, "tokens": 2}
        return ac.tune(model, survey, countries[country], out=folder / name, **options)

    return tuned("china", "China"), tuned("other", "China"), tuned("mexico", "Mexico")


@pytest.fixture
def questions():
    return load_questions("everyday")


def test_the_shipped_questions_are_forty_in_ten_domains(questions):
    assert len(questions.questions) == 40 and questions.licence == "CC0-1.0"
    assert set(Counter(question.domain for question in questions.questions).values()) == {4}
    assert all(question.text.endswith("?") for question in questions.questions)


def test_pairs_are_blind_balanced_and_their_key_fits(runs, questions, tmp_path):
    model = Writer()
    made = prepare(runs[:1], model, questions, pairs=60, out=tmp_path / "rating", seed=3)
    assert made.contrasts == {
        (NAIVE, PERSONA): 18, (NAIVE, "china"): 18, (PERSONA, "china"): 18, (NAIVE, AGAIN): 6
    }  # fmt: skip
    pairs = read_pairs(tmp_path / "rating")
    key = read_key(tmp_path / "rating", pairs)
    text = (tmp_path / "rating" / "pairs.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert all(set(line) == {"id", "country", "question", "first", "second"} for line in lines)
    seeds = {variant.name: variant.seed for variant in key.variants}
    assert len(set(seeds.values())) == 4
    for pair in pairs:
        origin = key.origins[pair.id]
        for name, answer in ((origin.first, pair.first), (origin.second, pair.second)):
            mind = "tuned" if name == "china" else "untouched"
            line = "Answer as a person from China would.\n" if name == PERSONA else ""
            assert answer == f"{mind} {seeds[name]}: {line}{pair.question}"
    firsts = Counter(origin.first for origin in key.origins.values())
    assert 0.3 < firsts["china"] / 36 < 0.7  # which of the two comes first says nothing
    uses = Counter(pair.question for pair in pairs)
    assert set(uses.values()) <= {1, 2} and len(uses) == 40
    assert (tmp_path / "rating" / "key.json").stat().st_mode & 0o077 == 0


def test_questions_with_marks_of_direction_can_be_reported(runs, questions, tmp_path, monkeypatch):
    texts = [q.model_copy(update={"text": f"\u202b{q.text}"}) for q in questions.questions]
    marked = questions.model_copy(update={"questions": tuple(texts)})
    monkeypatch.chdir(runs[0].directory)
    inside = replace(runs[0], directory=Path())
    prepare([inside], Writer(), marked, pairs=60, out=tmp_path / "rating")
    key = read_key(tmp_path / "rating", read_pairs(tmp_path / "rating"))
    assert {variant.name for variant in key.variants} == {NAIVE, AGAIN, PERSONA, "china"}


def test_the_same_seed_gives_the_same_files_and_another_seed_other_ones(runs, questions, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        prepare(runs[:2], Writer(), questions, pairs=30, out=tmp_path / name, seed=seed)
    same = [
        (tmp_path / name / file).read_bytes()
        for file in ("pairs.jsonl", "key.json")
        for name in "ab"
    ]
    assert same[0] == same[1] and same[2] == same[3]
    assert (tmp_path / "c" / "pairs.jsonl").read_bytes() != same[0]


def test_only_what_pairs_need_is_written(runs, questions, tmp_path):
    model = Writer()
    prepare(runs[:1], model, questions, pairs=8, out=tmp_path / "rating")
    counts = dict.fromkeys((True, False), 0)
    for asked, tuned, seed in model.asked:
        counts[tuned] += len(asked)
        assert seed is not None
    assert counts[True] <= 5 and sum(counts.values()) <= 16


@pytest.mark.parametrize("pairs", [1, 3, 500])
def test_pairs_that_cannot_be_made_are_refused_with_what_can(runs, questions, tmp_path, pairs):
    with pytest.raises(UsageError, match=f"{pairs} pairs cannot be made") as told:
        prepare(runs[:1], Writer(), questions, pairs=pairs, out=tmp_path / "rating")
    assert "4 to 133 pairs" in told.value.hint
    assert not (tmp_path / "rating").exists()


@pytest.mark.parametrize("pairs", [4, 133])
def test_the_least_and_the_most_pairs_that_are_said_can_be_made(runs, questions, tmp_path, pairs):
    prepare(runs[:1], Writer(), questions, pairs=pairs, out=tmp_path / "rating")
    assert len(read_pairs(tmp_path / "rating")) == pairs


@pytest.mark.parametrize("variants", [2, 4, 6, 7])
def test_as_few_pairs_as_are_said_can_be_made(variants):
    names, rng = [NAIVE, AGAIN, *map(str, range(variants))], np.random.default_rng(0)
    with pytest.raises(UsageError) as told:
        _draw_pairs(names, 40, 1, rng)
    least = int(re.findall("[0-9]+", told.value.hint or "")[0])
    assert len(_draw_pairs(names, 40, least, rng)) == least


@pytest.mark.parametrize(("variants", "questions"), [(3, 1), (3, 5), (5, 1), (7, 3), (4, 40)])
def test_the_ends_that_are_said_are_those_that_there_are(variants, questions):
    names, rng = [NAIVE, AGAIN, *map(str, range(variants - 1))], np.random.default_rng(0)
    made, hints = [], set()
    for pairs in range(1, 500):
        try:
            made.append(len(_draw_pairs(names, questions, pairs, rng)))
        except UsageError as error:
            hints.add(error.hint)
    said = f"Ask for {made[0]} to {made[-1]} pairs, or give" if made else "Give"
    assert hints == {f"{said} more questions."}


def test_wrong_requests_are_one_message(runs, questions, tmp_path):
    def refused(chosen, match, model=None, out="rating"):
        with pytest.raises(UsageError, match=match):
            prepare(chosen, model or Writer(), questions, pairs=12, out=tmp_path / out)

    refused(runs[1:], "runs are of China, Mexico")
    refused((runs[0], runs[0]), 'two variants are called "china"')
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    refused(runs[:1], "is not empty", out="taken")
    other = Writer()
    other._seed = 9  # pyright: ignore
    refused(runs[:1], "made for", model=other)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('language = "en"', "questions"),
        ('language="en"\nlicence="x"\nsource="x"\nquestions=[]', "questions is empty"),
        (
            'language="en"\nlicence="x"\nsource="x"\n'
            + '[[questions]]\ndomain="d"\ntext="Why?"\n' * 2,
            r"questions\[2\].text repeats",
        ),
        (
            'language="en"\nlicence="x"\nsource="x"\n[[questions]]\ndomian="d"\ntext="Why?"\n',
            r"questions\[1\].domian is not known",
        ),
    ],
)
def test_wrong_files_of_questions_name_the_place(tmp_path, text, match):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=match):
        load_questions(str(path))


def test_a_key_of_other_pairs_or_a_damaged_one_is_refused(runs, questions, tmp_path):
    for name, seed in (("a", 1), ("b", 2)):
        prepare(runs[:1], Writer(), questions, pairs=12, out=tmp_path / name, seed=seed)
    pairs = read_pairs(tmp_path / "a")
    key = (tmp_path / "a" / "key.json").read_text()
    (tmp_path / "a" / "key.json").write_text((tmp_path / "b" / "key.json").read_text())
    with pytest.raises(FailureError, match=r"is not the key to"):
        read_key(tmp_path / "a", pairs)
    (tmp_path / "a" / "key.json").write_text(key[: len(key) // 2])
    with pytest.raises(FailureError, match=r"key.json is no valid JSON"):
        read_key(tmp_path / "a", pairs)
    (tmp_path / "a" / "key.json").unlink()
    with pytest.raises(UsageError, match=r"key.json is missing"):
        read_key(tmp_path / "a", pairs)
    (tmp_path / "a" / "pairs.jsonl").write_text(json.dumps({"id": "x"}) + "\n")
    with pytest.raises(FailureError, match=r"pairs.jsonl, line 1: country is missing"):
        read_pairs(tmp_path / "a")
    with pytest.raises(UsageError, match="there are no pairs"):
        read_pairs(tmp_path)
