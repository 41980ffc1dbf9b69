"""`evaluate --on fluency` on a run directory: what it writes, what it does not do twice, what it refuses."""

import json

import pytest

from acculturate.errors import UsageError
from acculturate.evaluation.fluency import evaluate_fluency, read_own_texts
from acculturate.model import FakeModel
from acculturate.survey import load_countries
from acculturate.tuning import tune


class Counting(FakeModel):
    calls = 0

    def read_texts(self, *args, **kwargs):
        Counting.calls += 1
        return super().read_texts(*args, **kwargs)

    def provenance(self):
        return FakeModel().provenance()


@pytest.fixture(scope="module")
def made(tmp_path_factory, vsm13):
    target = load_countries()["United States"]
    out = tmp_path_factory.mktemp("runs") / "us"
    return tune(FakeModel(), vsm13, target, budget=40, tokens=2, out=out)


@pytest.fixture
def run(made):
    (made.directory / "evaluation" / "fluency.json").unlink(missing_ok=True)
    Counting.calls = 0
    return made


def on_disk(run):
    return json.loads((run.directory / "evaluation" / "fluency.json").read_text("utf-8"))


def test_it_writes_one_file_and_leaves_the_others(run):
    before = {p: p.read_bytes() for p in run.directory.rglob("*") if p.is_file()}
    found = evaluate_fluency(run, FakeModel())
    assert {p: p.read_bytes() for p in before} == before
    assert found.computed == ("fluency",)
    assert found.parts["fluency"] == on_disk(run)
    assert [one["key"] for one in on_disk(run)["sets"]] == [
        "en",
        "ar",
        "es",
        "hi",
        "zh",
        "passages",
        "answers",
    ]
    tuned = run.summary.method("tuned")
    english = on_disk(run)["sets"][0]["divergence"]["value"]
    assert english == pytest.approx(tuned.held_out_divergence)


def test_only_what_changed_is_measured_again(run):
    first = evaluate_fluency(run, Counting()).parts
    asked = Counting.calls
    assert evaluate_fluency(run, Counting()).computed == ()
    assert Counting.calls == asked
    own = evaluate_fluency(run, Counting(), texts=("Tea is hot.", "Ice is cold."))
    assert own.parts["fluency"]["sets"][:-1] == first["fluency"]["sets"]
    asked = Counting.calls
    for texts in ((), ("Tea is hot.", "Ice is cold.")):
        again = evaluate_fluency(run, Counting(), texts=texts)
        assert (again.computed, again.parts) == ((), own.parts)
    assert Counting.calls == asked
    assert evaluate_fluency(run, Counting(), texts=("Other.",)).computed == ("fluency",)
    assert evaluate_fluency(run, Counting(), seed=1).computed == ("fluency",)
    (run.directory / "evaluation" / "fluency.json").write_text("[")
    assert evaluate_fluency(run, Counting()).parts == first


def test_what_it_refuses(run, told):
    with pytest.raises(UsageError, match="fake has other weights"):
        evaluate_fluency(run, FakeModel(seed=5))

    class Silent(Counting):
        def __getattribute__(self, name):
            if name == "read_texts":
                raise AttributeError(name)
            return super().__getattribute__(name)

    assert evaluate_fluency(run, Silent()).parts == {}
    assert told.said == ["not asked: ordinary text: fake reads and writes no text"]


def test_a_file_of_texts(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_bytes("\ufeffOne line.\r\n\r\n  Zwei Zeilen. \nثلاثة أسطر".encode())
    assert read_own_texts(file) == ("One line.", "Zwei Zeilen.", "ثلاثة أسطر")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\n\t\n", "is empty"),
        ("\u00a0\n".encode(), "holds 0 texts"),
        (b"abc\n\xff\xfe", r"not UTF-8 \(line 2\)"),
        (b"a b\n" * 501, "501 texts; 1 to 500 are read"),
        (b"x" * 4_000_001, "4,000,001 bytes; at most 4,000,000"),
    ],
)
def test_a_file_of_texts_that_cannot_be_read(tmp_path, content, words):
    file = tmp_path / "texts.txt"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=words) as caught:
        read_own_texts(file)
    assert caught.value.hint
    for missing, words in ((tmp_path, "is a directory"), (tmp_path / "no.txt", "does not exist")):
        with pytest.raises(UsageError, match=words):
            read_own_texts(missing)
