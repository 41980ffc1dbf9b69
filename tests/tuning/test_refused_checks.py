"""One refusal stops only itself: each way of asking, check and benchmark, named with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from acculturate.benchmarks import Exam, load_benchmarks
from acculturate.errors import UsageError, WriteError
from acculturate.evaluation.evaluate import evaluate
from acculturate.evaluation.examine import examine
from acculturate.model import FakeModel, Query
from acculturate.reporting.report import write_report
from acculturate.runs import Run, read_run
from acculturate.survey import load_countries, load_instrument
from acculturate.tuning import tune
from answering import EASY, easy_row, write_csv

REASON = "option label 'A' is two tokens"


class Picky(FakeModel):
    """Raises an error for queries that a function chooses."""

    def __init__(self, refuses: Any, error: BaseException) -> None:
        super().__init__()
        self.__dict__["_refuses"], self.__dict__["_error"] = refuses, error

    def provenance(self) -> dict[str, str]:
        return FakeModel().provenance()

    def ask(self, prompts: Any, query: Query) -> Any:
        if query.forms and self._refuses(query):
            raise self._error
        return super().ask(prompts, query)


def lettered(query: Query) -> bool:
    return query.forms[0].labels[0] == "A"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, vsm13: Any) -> Path:
    out = tmp_path_factory.mktemp("refused") / "us"
    target = load_countries()["United States"]
    return tune(FakeModel(), vsm13, target, budget=40, tokens=2, out=out).directory


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Run:
    import shutil

    return Run.load(shutil.copytree(finished, tmp_path / "us"))


def refusals(run: Run) -> list[dict[str, str]]:
    file = run.directory / "evaluation" / "refused.json"
    return json.loads(file.read_text())["refusals"] if file.exists() else []


def test_letters_that_a_model_cannot_read_leave_the_rest_as_it_is(run: Run):
    whole = evaluate(run, FakeModel(), respondents=2).parts
    (run.directory / "evaluation" / "held_out.json").unlink()
    found = evaluate(run, Picky(lettered, UsageError(REASON)), respondents=2)
    rows = {row["key"]: row for row in found.parts["held_out"]["rows"]}
    expected = {row["key"]: row for row in whole["held_out"]["rows"] if row["key"] != "letters"}
    assert rows == expected
    assert {**found.parts, "held_out": 0} == {**whole, "held_out": 0}
    letters = {"key": "asked:letters", "label": "options lettered", "reason": REASON}
    assert refusals(run) == [letters] == found.to_dict()["refused"]
    page = write_report([run.directory]).read_text()
    assert "Not asked: options lettered: option label &#39;A&#39; is two tokens." in page
    # What was refused is tried again, and nothing else.
    again = evaluate(run, FakeModel(), respondents=2)
    assert (again.computed, again.refused, again.parts) == (("held_out",), (), whole)
    assert refusals(run) == []
    assert "Not asked" not in write_report([run.directory]).read_text()


@pytest.mark.parametrize(
    ("refuses", "missing"),
    [
        (lambda query: query.forms[0].language == "ar", ["asked:ar"]),
        (lambda query: query.forms[0].item.startswith("iw_"), ["survey:inglehart-welzel"]),
        (lambda query: True, None),
    ],
)
def test_any_way_of_asking(run: Run, refuses: Any, missing: list[str] | None):
    if missing and missing[0].startswith("survey"):
        other = {item.id for item in load_instrument("inglehart-welzel").items}
        refuses = lambda query: query.forms[0].item in other  # noqa: E731
    found = evaluate(run, Picky(refuses, UsageError(REASON)), respondents=2)
    keys = [refusal.key for refusal in found.refused]
    if missing is None:
        assert "held_out" not in found.parts and len(keys) > 10
    else:
        assert keys == missing
        assert found.parts["held_out"]["rows"]
    assert read_run(run.directory).checks.refused == found.refused
    assert write_report([run.directory]).is_file()
    whole = evaluate(run, FakeModel(), respondents=2)
    assert whole.refused == () and refusals(run) == []
    assert len(whole.parts["other_surveys"]["checks"]) == 1


def test_written_answers_that_a_model_cannot_give(run: Run):
    class Mute(FakeModel):
        def provenance(self):
            return FakeModel().provenance()

        def generate_answers(self, *args: Any, **options: Any) -> Any:
            raise UsageError("no cache")

    found = evaluate(run, Mute())
    assert [(each.key, each.reason) for each in found.refused] == [("generated", "no cache")]
    assert {
        *("held_out", "responsiveness", "specificity", "extremes", "other_surveys", "behaviour")
    } == found.parts.keys()


def test_behaviour_that_can_be_asked_in_part(run: Run):
    def actions(query: Query) -> bool:
        """Whether actions are answered in words; one set of option words begins with I too."""
        return query.forms[0].item.startswith("scenario") and query.forms[0].word_set is not None

    found = evaluate(run, Picky(actions, UsageError(REASON)))
    assert [each.key for each in found.refused] == ["behaviour:words"]
    kinds = [row["kind"] for row in found.parts["behaviour"]["rows"]]
    assert kinds == ["labels", "written"]
    assert "Not asked: everyday situations by the words of actions" in write_report(
        [run.directory]
    ).read_text().replace("&#39;", "'")
    again = evaluate(run, FakeModel())
    assert (again.computed, again.refused) == (("behaviour",), ())
    assert [row["kind"] for row in again.parts["behaviour"]["rows"]] == [
        *("words", "words", "labels", "written")
    ]


def test_an_error_that_is_not_ours_is_raised_after_all_the_rest(run: Run):
    with pytest.raises(ZeroDivisionError):
        evaluate(run, Picky(lettered, ZeroDivisionError("by zero")))
    assert refusals(run)[0]["reason"] == "ZeroDivisionError: by zero"
    files = {path.stem for path in (run.directory / "evaluation").glob("*.json")}
    assert files >= {"held_out", "specificity", "extremes", "generated", "other_surveys"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), WriteError("cannot write: full")])
def test_what_ends_everything(run: Run, error: BaseException):
    with pytest.raises(type(error)):
        evaluate(run, Picky(lettered, error))
    assert refusals(run) == []
    rows = json.loads((run.directory / "evaluation" / "held_out.json").read_text())["rows"]
    assert [row["key"] for row in rows][:2] == ["tuning", "wordings"]  # what was asked is kept
    assert not (run.directory / "evaluation" / "specificity.json").exists()


def test_one_benchmark_of_several(run: Run, tmp_path: Path):
    good = write_csv(tmp_path / "a.csv", EASY, [easy_row(k, "ABCD"[k], "India") for k in range(4)])
    (tmp_path / "b.toml").write_text("[broken")
    unread: dict[str, Any] = {}
    names = [f"culturalbench-easy={good}", str(tmp_path / "b.toml"), "culturalbench-hard=none.csv"]
    exam = Exam(load_benchmarks(names, unread=unread), written=True, unread=unread)
    model = Picky(lambda query: False, UsageError(REASON))
    model.__dict__["generate_answers"] = None
    found = examine(run, model, exam)
    assert [result.benchmark for result in found.results] == ["culturalbench-easy"]
    keys = [refusal.key for refusal in found.refused]
    assert keys == [f"unread:{name}" for name in names[1:]] + [
        "benchmark:culturalbench-easy-written"
    ]
    assert "is not valid TOML" in found.refused[0].reason
    # Another check does not forget these; asked again, what can be read and asked now is no longer named.
    evaluate(run, FakeModel(), languages=[])
    assert [refusal["key"] for refusal in refusals(run)] == keys
    examine(run, FakeModel(), Exam(exam.benchmarks, written=True))
    assert refusals(run) == []
