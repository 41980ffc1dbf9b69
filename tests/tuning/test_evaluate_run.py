"""`evaluate` on a run directory: what it writes, what it does not do twice, what it refuses."""

import json

import numpy as np
import pytest

from acculturate.errors import FailureError, UsageError
from acculturate.evaluation.evaluate import evaluate
from acculturate.model import FakeModel, Query
from acculturate.model.asking import ask
from acculturate.reporting import behaviour_narrative
from acculturate.runs import open_run, read_run
from acculturate.survey import Scoring, crossed_forms, load_countries, load_instrument
from acculturate.survey.scoring import item_values
from acculturate.tuning import tune

BY_DIGITS = {"labels": "digits", "objective": "scores"}


class Counting(FakeModel):
    """Counts what it is asked."""

    calls = 0

    def ask(self, *args, **kwargs):
        Counting.calls += 1
        return super().ask(*args, **kwargs)

    def provenance(self):
        return FakeModel().provenance()


@pytest.fixture
def run(tmp_path, vsm13):
    target = load_countries()["United States"]
    return tune(FakeModel(), vsm13, target, budget=40, tokens=2, out=tmp_path / "us", **BY_DIGITS)


def files(run):
    return {p.name: p.read_text() for p in (run.directory / "evaluation").iterdir()}


def test_it_writes_its_files_and_leaves_the_others(run):
    before = {p: p.read_bytes() for p in run.directory.rglob("*") if p.is_file()}
    found = evaluate(run, FakeModel())
    assert {p: p.read_bytes() for p in before} == before
    assert set(files(run)) == {
        "content.json",
        "summary.json",
        *(f"{name}.json" for name in found.computed),
    }
    assert found.to_dict()["run"] == str(run.directory)
    for name, part in found.parts.items():
        assert json.loads(files(run)[f"{name}.json"]) == part
    rows = {row["key"]: row for row in found.parts["held_out"]["rows"]}
    tuned = run.summary.method("tuned")
    assert rows["held-out"]["tuned"]["loss"] == tuned.held_out.loss


def test_a_run_with_few_forms_is_asked_all_of_them_again(tmp_path, vsm13):
    target = load_countries()["United States"]
    run = tune(
        FakeModel(),
        vsm13,
        target,
        budget=40,
        tokens=2,
        sample=False,
        out=tmp_path / "us",
        **BY_DIGITS,
    )
    rows = {row["key"]: row for row in evaluate(run, FakeModel()).parts["held_out"]["rows"]}
    tuned = run.summary.method("tuned")
    assert rows["tuning"]["tuned"]["loss"] == tuned.tuning.loss


def test_a_second_call_asks_nothing_and_changes_nothing(run):
    evaluate(run, FakeModel())
    before, Counting.calls = files(run), 0
    assert evaluate(run, Counting()).computed == ()
    assert Counting.calls == 0
    assert files(run) == before


def test_one_more_language_asks_only_that(run):
    evaluate(run, FakeModel(), languages=["ar"])
    Counting.calls = 0
    found = evaluate(run, Counting(), languages=["ar", "hi"])
    assert Counting.calls == 2
    assert found.computed == ("held_out",)
    assert [row["key"] for row in found.parts["held_out"]["rows"]][-2:] == ["ar", "hi"]


def test_fewer_languages_take_nothing_away(run):
    evaluate(run, FakeModel(), languages=["ar", "hi"])
    before = files(run)
    assert evaluate(run, FakeModel(), languages=["hi"]).computed == ()
    assert evaluate(run, FakeModel(), languages=[]).computed == ()
    assert files(run) == before


def test_another_seed_or_a_damaged_file_is_made_anew(run):
    evaluate(run, FakeModel())
    kept = files(run)
    assert "held_out" in evaluate(run, FakeModel(), seed=1).computed
    assert "held_out" in evaluate(run, FakeModel()).computed
    assert files(run) == kept
    for broken in ("[1, 2]", "{", '{"rows": [1, null]}', ""):
        (run.directory / "evaluation" / "held_out.json").write_text(broken)
        (run.directory / "evaluation" / "extremes.json").write_text(broken)
        evaluate(run, FakeModel())
        assert files(run) == kept


def test_a_run_that_sampled_its_forms(tmp_path, vsm13):
    target = load_countries()["India"]
    run = tune(FakeModel(), vsm13, target, budget=40, tokens=2, sample=True, out=tmp_path / "in")
    rows = evaluate(run, FakeModel(), languages=[]).parts["held_out"]["rows"]
    assert rows[0]["forms"] == 240
    assert rows[0]["gain_interval"] is not None


@pytest.mark.parametrize("reading", ["modal", "sampled"])
def test_the_runs_own_reading_and_language_are_kept(tmp_path, vsm13, reading):
    target = load_countries()["India"]
    settings = {
        "budget": 40,
        "tokens": 2,
        "reading": reading,
        "language": "hi",
        "sample": False,
        **BY_DIGITS,
    }
    run = tune(
        FakeModel(), vsm13, target, out=tmp_path / "in", placement="before-answer", **settings
    )
    found = evaluate(run, FakeModel(), languages=["en", "hi"], respondents=4)
    rows = {row["key"]: row for row in found.parts["held_out"]["rows"]}
    assert "hi" not in rows and "en" in rows
    tuned = run.summary.method("tuned")
    assert rows["tuning"]["tuned"]["loss"] == tuned.tuning.loss
    assert found.parts["respondents"]["language"] == "en"
    assert evaluate(run, FakeModel(), languages=["en", "hi"], respondents=4).computed == ()


def test_a_model_that_cannot_write_is_told_apart(run, told):
    class Silent(Counting):
        generate_answers = None

        def __getattribute__(self, name):
            if name == "generate_answers":
                raise AttributeError(name)
            return super().__getattribute__(name)

    found = evaluate(run, Silent())
    assert "generated" not in found.parts
    assert any("writes no text" in line for line in told.said)


def test_respondents_are_two_or_more(run):
    for count in (1, -1, 10**9):
        with pytest.raises(UsageError, match=f"survey of {count} respondents"):
            evaluate(run, FakeModel(), respondents=count)


def test_own_files_have_to_be_given(tmp_path, toy):
    from acculturate.survey import instrument

    file = tmp_path / "mine.toml"
    file.write_text((instrument.DATA / "toy.toml").read_text().replace('"toy"', '"mine"'))
    table = tmp_path / "lands.csv"
    table.write_text("country,planning,company\nFrance,60,40\nJapan,40,55\n")
    mine, lands = load_instrument(file), load_countries(table)
    run = tune(FakeModel(), mine, lands["Japan"], budget=20, out=tmp_path / "run", table=lands)
    with pytest.raises(UsageError, match="questionnaire mine is a file"):
        evaluate(run, FakeModel())
    with pytest.raises(UsageError, match="table lands is a file"):
        evaluate(run, FakeModel(), instrument=mine)
    with pytest.raises(UsageError, match="not the one that the run was tuned on"):
        evaluate(run, FakeModel(), instrument=toy, table=lands)
    table.write_text("country,planning,company\nFrance,60,40\nJapan,41,55\n")
    with pytest.raises(UsageError, match="table lands is not the one"):
        evaluate(run, FakeModel(), instrument=mine, table=load_countries(table))
    found = evaluate(run, FakeModel(), instrument=mine, table=lands)
    assert found.parts["specificity"]["countries"] == 2


def test_behaviour_stands_beside_the_survey(run, tmp_path):
    parts = evaluate(run, FakeModel(), languages=[]).parts
    found = parts["behaviour"]
    naive, tuned, persona = (
        run.summary.method(key).held_out.scores for key in ("naive", "tuned", "persona")
    )
    rows = {(row["kind"], row["method"]): row for row in found["rows"]}
    assert rows["words", "tuned"]["survey"] == {key: tuned[key] - naive[key] for key in tuned}
    assert rows["words", "persona"]["survey"] == {key: persona[key] - naive[key] for key in tuned}
    assert (
        found["wanted"] == parts["held_out"]["wanted"]
    )  # one wanted shift a run, of all tuning forms
    assert len(found["replies"]) == 24
    # What was written stays where it is not asked for again.
    again = evaluate(run, FakeModel(), languages=[], generated=False)
    assert again.computed == () and again.parts["behaviour"] == found


def test_actions_are_not_chosen_by_letters_that_say_nothing_in_the_survey(run):
    evaluate(run, FakeModel(), languages=[], generated=False)
    file = run.directory / "evaluation" / "held_out.json"
    record = json.loads(file.read_text())
    (letters,) = (row for row in record["rows"] if row["key"] == "letters")
    assert letters["shift"]["counts"]
    letters["shift"]["counts"] = False
    file.write_text(json.dumps(record))
    again = evaluate(run, FakeModel(), languages=[], generated=False)
    assert again.computed == ("behaviour",)
    assert not again.parts["behaviour"]["letters"]
    assert [row["kind"] for row in again.parts["behaviour"]["rows"]] == ["words", "words"]
    assert "not chosen by letters" in behaviour_narrative.behaviour(read_run(run.directory))


def test_scenarios_of_the_users_own(run, tmp_path):
    from acculturate.metrics.scenarios import DATA

    file = tmp_path / "mine.toml"
    file.write_text((DATA / "vsm13.toml").read_text().split("# Open questions")[0])
    found = evaluate(run, FakeModel(), languages=[], scenarios=file)
    assert not found.refused and found.parts["behaviour"]["judge"] is None
    assert evaluate(run, FakeModel(), languages=[]).computed == ("behaviour",)
    with pytest.raises(UsageError, match="scenarios for toy, not for vsm13"):
        evaluate(run, FakeModel(), languages=[], scenarios=DATA / "toy.toml")


def test_what_it_refuses(run):
    with pytest.raises(UsageError, match="fake has other weights"):
        evaluate(run, FakeModel(seed=5))
    with pytest.raises(UsageError, match="has no language"):
        evaluate(run, FakeModel(), languages=["xx"])
    config = (run.directory / "config.toml").read_text()
    (run.directory / "config.toml").write_text(config.replace("forms = 2880", "forms = 96"))
    with pytest.raises(FailureError, match="tuning forms"):
        evaluate(run, FakeModel())


def test_one_writer_at_a_time(run):
    import tomllib

    config = tomllib.loads((run.directory / "config.toml").read_text())
    with (
        open_run(run.directory, config, resume=True),
        pytest.raises(UsageError, match="another process"),
    ):
        evaluate(run, FakeModel())


def test_a_run_in_words_is_asked_for_its_shift_in_every_way(tmp_path, vsm13):
    """The wanted shift is that of all tuning forms; each way has its own untouched answers."""
    target = load_countries()["China"]
    settings = {"budget": 60, "tokens": 2, "labels": "words"}
    run = tune(FakeModel(), vsm13, target, out=tmp_path / "cn", **settings)
    part = evaluate(run, FakeModel(), languages=["hi"]).parts["held_out"]
    rows = {row["key"]: row for row in part["rows"]}
    assert list(rows) == [
        *("tuning", "wordings", "frames", "option-words", "held-out", "all-new"),
        *("digits", "shuffled", "letters", "hi"),
    ]
    keys = [dimension.key for dimension in vsm13.dimensions]
    forms = crossed_forms(vsm13, "tuning", "tuning", labels="words")
    answers = ask(FakeModel(), None, Query(forms)).probabilities
    untouched = Scoring(vsm13).scores_of(item_values(answers, "expected"), forms)[0]
    wanted = target.vector(vsm13) - untouched
    assert part["wanted"] == pytest.approx(dict(zip(keys, wanted, strict=True)))
    for row in rows.values():
        moved = [row["tuned"]["scores"][key] - row["naive"]["scores"][key] for key in keys]
        shift = row["shift"]
        assert shift["attained"] == pytest.approx(moved @ wanted / (wanted @ wanted))
        assert shift["correlation"] == pytest.approx(np.corrcoef(moved, wanted)[0, 1])
        assert shift["counts"] == (shift["content"]["coefficient"] >= 0.5)
    shares = [rows[key]["shift"]["attained"] for key in ("held-out", "tuning")]
    assert part["carry_over"] == pytest.approx(shares[0] / shares[1])
    low, high = part["carry_over_interval"]
    assert low < part["carry_over"] < high
    assert evaluate(run, FakeModel(), languages=["hi"]).computed == ()


def test_another_survey_has_a_wanted_shift_of_its_own(run):
    (check,) = evaluate(run, FakeModel()).parts["other_surveys"]["checks"]
    wanted = np.array([check["target"][k] - check["naive"]["scores"][k] for k in check["target"]])
    moved = [check["tuned"]["scores"][k] - check["naive"]["scores"][k] for k in check["target"]]
    assert check["shift"]["attained"] == pytest.approx(moved @ wanted / (wanted @ wanted))
    assert check["shift"]["correlation"] is None  # of two dimensions


def test_without_the_tuning_forms_it_is_not_known_what_was_wanted(run):
    class Unasked(FakeModel):
        def provenance(self):
            return FakeModel().provenance()

        def ask(self, prompts, query):
            if query.forms and query.forms[0].split == "tuning" and query.forms[0].word_set is None:
                raise UsageError("not these")
            return super().ask(prompts, query)

    part = evaluate(run, Unasked(), languages=[]).parts["held_out"]
    assert part["carry_over"] is None
    assert all(row["shift"] is None for row in part["rows"])
    part = evaluate(run, FakeModel(), languages=[]).parts["held_out"]
    assert all(row["shift"] for row in part["rows"])
