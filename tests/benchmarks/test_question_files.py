"""Questions from files: every format, every way to say what is right, and every fault by name."""

import json
import re
from pathlib import Path

import pytest

from acculturate.benchmarks import load_benchmark, load_benchmarks
from acculturate.benchmarks.mapping import load_mapping
from acculturate.benchmarks.tables import read_rows
from acculturate.errors import UsageError
from answering import write_csv, write_json_lines

COLUMNS = ["q", "a", "b", "c", "gold", "land"]
ROWS = [
    ["Which festival?", "Diwali", "Nowruz", "Obon", "B", "Iran"],
    ["أي مدينة؟", "مكة", "جدة", "الرياض", "C", "saudi arabia"],
    ["Which of two?", "this", "that", "", "A", ""],
]
MAPPING = """
title = "Mine"
licence = "CC0"
file = "rows.csv"
[columns]
question = "q"
options = ["a", "b", "c"]
answer = "gold"
country = "land"
"""


@pytest.fixture
def mapped(tmp_path):
    """Writes a mapping and its table, and loads it."""

    def load(text=MAPPING, columns=COLUMNS, rows=ROWS, name="my test.toml"):
        write_csv(tmp_path / "rows.csv", columns, rows)
        (tmp_path / name).write_text(text, "utf-8")
        return load_mapping(tmp_path / name)

    return load


def test_a_table_becomes_questions(mapped):
    found = mapped()
    assert (found.kind, found.origin.key, found.origin.title) == ("choice", "my-test", "Mine")
    assert [q.country for q in found.questions] == ["Iran", "Saudi Arabia", None]
    arabic = found.questions[1]
    assert (arabic.text, arabic.options) == ("أي مدينة؟", ("مكة", "جدة", "الرياض"))
    assert arabic.right == (False, False, True)
    assert found.questions[2].options == ("this", "that")


@pytest.mark.parametrize(
    ("answer", "golds"),
    [
        ("label", ["B", "(c)", "a."]),
        ("index", ["1", "2", "0"]),
        ("number", ["2", "3", "1"]),
        ("text", ["Nowruz", "الرياض", "this"]),
    ],
)
def test_what_is_right_can_be_said_in_four_ways(mapped, answer, golds):
    rows = [[*row[:4], gold, row[5]] for row, gold in zip(ROWS, golds, strict=True)]
    found = mapped(f'answer = "{answer}"\n{MAPPING}', rows=rows)
    assert [q.right.index(True) for q in found.questions] == [1, 2, 0]


@pytest.mark.parametrize(
    "listed", ['["this", "that", 3]', "['this', 'that', 3]", ["this", "that", 3]]
)
def test_options_in_one_column_and_other_formats(tmp_path, listed):
    rows = [{"q": "Which?", "list": listed, "gold": 2, "id": "one", "w": 2.5}]
    (tmp_path / "own.toml").write_text(
        'file = "rows.jsonl"\nanswer = "index"\nkey = "Own Test!"\n[columns]\n'
        'question = "q"\noptions = "list"\nanswer = "gold"\nid = "id"\nweight = "w"\n'
    )
    write_json_lines(tmp_path / "rows.jsonl", rows)
    found = load_benchmark(str(tmp_path / "own.toml"))
    assert found.origin.key == "own-test"
    (question,) = found.questions
    assert (question.options, question.id, question.weight) == (("this", "that", "3"), "one", 2.5)
    assert question.right == (False, False, True)


def test_the_documented_example_is_one(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.S)
    (tmp_path / "mine.toml").write_text(block, "utf-8")
    columns = ["prompt", "choice_a", "choice_b", "choice_c", "gold", "about", "id", "weight"]
    rows = [["Which?", "this", "that", "", "B", "Iran", "q1", "2"]]
    write_csv(tmp_path / "questions.csv", columns, rows)
    (question,) = load_mapping(tmp_path / "mine.toml").questions
    assert (question.right, question.weight) == ((False, True), 2.0)


def test_parquet_gives_what_csv_gives(tmp_path, mapped):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").table
    plain = mapped()
    parquet.write_table(
        table({name: [row[k] for row in ROWS] for k, name in enumerate(COLUMNS)}),
        tmp_path / "rows.parquet",
    )
    (tmp_path / "my test.toml").write_text(MAPPING.replace("rows.csv", "rows.parquet"))
    found = load_mapping(tmp_path / "my test.toml")
    assert [q.text for q in found.questions] == [q.text for q in plain.questions]
    assert [q.right for q in found.questions] == [q.right for q in plain.questions]
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(UsageError, match="no Parquet file"):
        read_rows(tmp_path / "bad.parquet")


def changed(row, column, value):
    rows = [list(one) for one in ROWS]
    rows[row][column] = value
    return rows


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": []}, "has no questions"),
        ({"rows": changed(0, 4, "D")}, "line 2: gold is 'D', which is none of its options"),
        ({"rows": changed(1, 0, " ")}, "line 3: q is empty"),
        ({"rows": changed(0, 2, "")}, "line 2: option 2 is empty"),
        ({"rows": changed(0, 2, "Diwali")}, "has the option 'Diwali' twice"),
        ({"rows": changed(2, 2, "")}, "line 4 has 1 options"),
        ({"rows": [*ROWS, ROWS[0]]}, "line 5 repeats the question of line 2"),
        ({"columns": ["q", "a", "b", "c", "golden", "land"]}, "no column gold; its columns: q, a"),
        ({"columns": ["q", "a", "a", "c", "gold", "land"]}, "column 'a' 2 times"),
        ({"text": MAPPING.replace('"gold"', '"land"')}, "land is 'Iran'"),
        ({"text": MAPPING.replace("question", "questions")}, "questions is not known"),
        ({"text": MAPPING.replace('answer = "gold"', "")}, "answer is missing"),
        ({"text": MAPPING.replace("rows.csv", "gone.csv")}, "gone.csv does not exist"),
        ({"text": MAPPING.replace("rows.csv", "rows.xlsx")}, "by its ending"),
        ({"text": f'answer = "letter"\n{MAPPING}'}, 'answer is "letter"'),
        ({"text": f'key = "..."\n{MAPPING}'}, "no letter or digit"),
        ({"text": f'key = "mine-written"\n{MAPPING}'}, "ends in -written"),
    ],
)
def test_faults_are_named(mapped, change, words):
    with pytest.raises(UsageError, match=words) as caught:
        mapped(**change)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("e.csv", b"", "is empty"),
        ("e.csv", b"\xef\xbb\xbf", "is empty"),
        ("e.csv", b",,\n", "has no questions"),
        ("e.csv", b"q,a\n1\n", "line 2 has 1 cells and the first line 2"),
        ("e.csv", b'q,a\n"open,1\n', "line"),
        ("e.csv", b"q,a\n\xff,1\n", "not UTF-8"),
        ("e.jsonl", b"{}\n[1]\n", "line 2 is .1., not an object"),
        ("e.jsonl", b'{"a": 1}\n{"a"\n', "line 2 is no valid JSON"),
    ],
)
def test_broken_files_are_named(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=words):
        read_rows(tmp_path / name)


def test_a_quoted_text_may_hold_lines_and_is_shown_on_one(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text('q;a\n"two\nlines";x\nthree;y\n', "utf-8-sig")
    rows = read_rows(file).rows
    assert rows[0].text("q") == "two lines"
    assert [row.place for row in rows] == ["line 2", "line 4"]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("culturalbench", "no benchmark 'culturalbench'"),
        ("culturalbench-easy=", "names no file"),
        ("nothing=rows.csv", "no benchmark 'nothing'"),
        ("gone.toml", "does not exist"),
    ],
)
def test_unknown_benchmarks(named, words):
    with pytest.raises(UsageError, match=words):
        load_benchmark(named)


def test_a_mapping_may_lie_at_any_path(mapped, tmp_path):
    mapped(name="lr=0.1.toml")
    assert load_benchmark(str(tmp_path / "lr=0.1.toml")).origin.title == "Mine"


def test_na_is_no_country_beside_names(mapped):
    assert mapped(rows=changed(0, 5, "NA")).questions[0].country is None


@pytest.mark.parametrize("cell", ["{[1]: 2}", "{{1}}", '["half \\ud83d"]'])
def test_odd_literals_are_refused(tmp_path, cell):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"q": cell}), "utf-8")
    with pytest.raises(UsageError, match="line 1: q is"):
        read_rows(tmp_path / "rows.jsonl").rows[0].options("q")


def test_a_test_of_ones_own_is_never_taken_for_another(tmp_path, mapped):
    mapped()
    twice = [str(tmp_path / "my test.toml")] * 2
    with pytest.raises(UsageError, match="two benchmarks are called my-test"):
        load_benchmarks(twice)
    (tmp_path / "x.toml").write_text(f'key = "CulturalBench-Easy"\n{MAPPING}')
    with pytest.raises(UsageError, match="is that of another benchmark"):
        load_benchmark(str(tmp_path / "x.toml"))


def test_without_a_network_a_local_file_is_asked_for(monkeypatch):
    from acculturate.errors import FailureError

    def no_network(*_arguments, **_settings):
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", no_network)
    with pytest.raises(FailureError, match="kellycyy/CulturalBench cannot be fetched") as caught:
        load_benchmark("culturalbench-hard")
    assert "--on culturalbench-hard=FILE.csv" in str(caught.value.hint)


def test_what_the_hub_gives_is_named_with_its_commit(monkeypatch, tmp_path):
    from answering import EASY, easy_row

    folder = tmp_path / "snapshots" / "abc123"
    folder.mkdir(parents=True)

    def fetch(repository, file, repo_type):
        assert (repository, repo_type) == ("kellycyy/CulturalBench", "dataset")
        return str(write_csv(folder / file, EASY, [easy_row(1, "B", "South_Korea")]))

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    found = load_benchmark("culturalbench-easy")
    assert found.origin.source == "kellycyy/CulturalBench@abc123"
    assert json.dumps(found.questions[0].country) == '"South Korea"'
