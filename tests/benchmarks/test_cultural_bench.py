"""CulturalBench's columns, and our own questions in them."""

from collections import Counter

import pytest

from acculturate.benchmarks import load_benchmark
from acculturate.errors import UsageError
from answering import EASY, HARD, easy_row, hard_rows_of, write_csv, write_json_lines


def easy(path, rows, columns=EASY):
    return load_benchmark(f"culturalbench-easy={write_csv(path / 'easy.csv', columns, rows)}")


def hard(path, rows, columns=HARD):
    return load_benchmark(f"culturalbench-hard={write_csv(path / 'hard.csv', columns, rows)}")


def test_easy(tmp_path):
    found = easy(tmp_path, [easy_row(1, "B", "China"), easy_row(2, "d", "South_Korea")])
    assert (found.origin.key, found.kind) == ("culturalbench-easy", "choice")
    assert [q.right.index(True) for q in found.questions] == [1, 3]
    assert [q.country for q in found.questions] == ["China", "South Korea"]


def test_hard_has_four_rows_a_question_and_more_than_one_may_be_true(tmp_path):
    rows = [*hard_rows_of(1, "TFFF", "China"), *hard_rows_of(2, "TTFF", "Atlantis")]
    found = hard(tmp_path, rows)
    assert [q.right for q in found.questions] == [
        (True, False, False, False),
        (True, True, False, False),
    ]
    assert found.questions[1].country == "Atlantis"
    lines = [dict(zip(HARD, row, strict=True)) for row in rows]
    same = write_json_lines(tmp_path / "hard.jsonl", lines)
    assert load_benchmark(f"culturalbench-hard={same}").questions == found.questions


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([easy_row(1, "E", "China")], "answer is 'E'"),
        ([easy_row(1, "A", "")], "country is empty"),
        ([easy_row(1, "A", "China")] * 2, "line 3: the question '1.1' is already at line 2"),
        ([], "has no questions"),
    ],
)
def test_easy_faults(tmp_path, rows, words):
    with pytest.raises(UsageError, match=words):
        easy(tmp_path, rows)


def test_hard_faults(tmp_path):
    rows = hard_rows_of(1, "TFFF", "China")
    with pytest.raises(UsageError, match="question_idx 1 has 3 rows instead of 4"):
        hard(tmp_path, rows[:3])
    with pytest.raises(UsageError, match="has 8 rows instead of 4"):
        hard(tmp_path, rows * 2)
    with pytest.raises(UsageError, match="line 3: country is not that of line 2"):
        hard(tmp_path, [rows[0], [*rows[1][:5], "India"], *rows[2:]])
    with pytest.raises(UsageError, match="answer is 'maybe'"):
        hard(tmp_path, [[*rows[0][:4], "maybe", "China"], *rows[1:]])
    with pytest.raises(UsageError, match="no column prompt_option;"):
        hard(tmp_path, [easy_row(1, "A", "China")], EASY)
    with pytest.raises(UsageError, match="no column prompt_option_a;"):
        easy(tmp_path, rows, HARD)


def test_our_own_questions_are_balanced_and_never_called_culturalbench():
    chosen, judged = (load_benchmark(f"acculturate-culture-{kind}") for kind in ("easy", "hard"))
    assert Counter(q.country for q in chosen.questions) == dict.fromkeys(
        ("United States", "China", "India", "Saudi Arabia"), 15
    )
    assert Counter(q.right.index(True) for q in chosen.questions) == dict.fromkeys(range(4), 15)
    assert len({q.text for q in chosen.questions}) == 60
    assert all(len(set(q.options)) == 4 for q in chosen.questions)
    for one in (chosen, judged):
        assert "CulturalBench" not in one.origin.title
        assert "not CulturalBench" in one.origin.note


def test_the_hard_file_is_the_easy_one_judged(tmp_path):
    chosen = load_benchmark("acculturate-culture-easy")
    rows = [
        [4 * k + place, q.id.partition(".")[0], q.text, option, right, q.country or ""]
        for k, q in enumerate(chosen.questions)
        for place, (option, right) in enumerate(zip(q.options, q.right, strict=True))
    ]
    written = write_csv(tmp_path / "hard.csv", HARD, rows)
    shipped = load_benchmark("acculturate-culture-hard")
    assert load_benchmark(f"acculturate-culture-hard={written}").questions == shipped.questions
