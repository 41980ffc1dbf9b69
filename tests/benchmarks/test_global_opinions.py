"""GlobalOpinionQA's columns: read as literals and never run, with what cannot be asked counted."""

import numpy as np
import pytest

from acculturate.benchmarks import load_benchmark
from acculturate.errors import UsageError
from answering import write_csv, write_json_lines

COLUMNS = ["question", "selections", "options", "source"]


def selections(shares):
    return f"defaultdict(<class 'list'>, {shares!r})"


def load(path, rows):
    file = write_csv(path / "opinions.csv", COLUMNS, [[*row, "GAS"] for row in rows])
    return load_benchmark(f"global-opinions={file}")


def test_shares_are_read_by_country(tmp_path):
    shares = {
        "Britain": [0.2, 0.8],
        "India (Current national sample)": [0.1, 0.3],
        "Utopia": [1, 0],
    }
    found = load(tmp_path, [("Is it good?", selections(shares), "['Yes', \"No, it isn't\"]")])
    (question,) = found.questions
    assert question.options == ("Yes", "No, it isn't")
    assert question.shares == {
        "United Kingdom": (0.2, 0.8),
        "India": pytest.approx((0.25, 0.75)),
        "Utopia": (1.0, 0.0),
    }
    assert "not for commercial use" in found.origin.licence
    assert found.countries == ("India", "United Kingdom", "Utopia")
    assert found.left_out == {}


def test_samples_of_one_country_are_averaged(tmp_path):
    shares = {"India (Current national sample)": [1, 0], "India (Old national sample)": [0.5, 0.5]}
    found = load(tmp_path, [("Is it?", selections(shares), "['Yes', 'No']")])
    assert found.questions[0].shares == {"India": (0.75, 0.25)}


def test_spellings_of_one_country_are_one_country(tmp_path):
    shares = {"S. Africa": [1, 0], "Taiwan ROC": [1, 0], "Taiwan": [0, 1], "Palest. ter.": [1, 0]}
    shares |= {"S. Africa (Non-national sample)": [0, 1], "Macau SAR": [0, 1], "S. Korea": [0, 1]}
    found = load(tmp_path, [("Is it?", selections(shares), "['Yes', 'No']")])
    assert found.questions[0].shares == {
        "South Africa": (0.5, 0.5),
        "Taiwan": (0.5, 0.5),
        "Palestine": (1, 0),
        "Macao": (0, 1),
        "South Korea": (0, 1),
    }


def test_what_cannot_be_asked_is_counted(tmp_path):
    good = {"China": [0.5, 0.5]}
    odd = {
        "China": [1.0],
        "Iran": [0, 0],
        "India": [-1, 2],
        "Peru": [float("inf"), 1],
        **{"Chad": [1, 1]},
    }
    found = load(
        tmp_path,
        [
            ("", selections(good), "['Yes', 'No']"),
            ("No options?", selections(good), "[]"),
            ("Too many?", selections(good), str([str(k) for k in range(27)])),
            ("Some?", selections(odd).replace("inf", "1e999"), "['Yes', 'No']"),
            ("Nobody?", selections({"China": [1]}), "['Yes', 'No']"),
        ],
    )
    assert [q.text for q in found.questions] == ["Some?"]
    assert list(found.questions[0].shares) == ["Chad"]
    assert sorted(found.left_out.values()) == [1, 1, 2, 5]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch owned')",
        "defaultdict(<class 'list'>, {'China': __import__('os').getcwd()})",
        "{'China': [1, 0]} or 1",
        "[('China', [1, 0])]",
        "{1: [1, 0]}",
        "{'China': [1, 0]",
        "",
    ],
)
def test_nothing_is_run(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="line 2: selections is"):
        load(tmp_path, [("Is it?", text, "['Yes', 'No']")])
    assert [path.name for path in tmp_path.iterdir()] == ["opinions.csv"]


def test_lists_and_objects_need_no_quoting(tmp_path):
    row = {
        "question": "Is it?",
        "selections": {"China": [3, 1], "Iran": None},
        "options": ["a", "b"],
    }
    file = write_json_lines(tmp_path / "o.jsonl", [row])
    found = load_benchmark(f"global-opinions={file}")
    np.testing.assert_allclose(found.questions[0].shares["China"], [0.75, 0.25])
    with pytest.raises(UsageError, match="no column selections"):
        load_benchmark(
            f"global-opinions={write_json_lines(tmp_path / 'p.jsonl', [{'question': 'Is it?'}])}"
        )
