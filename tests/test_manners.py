"""Objects introduce themselves in a shell and in a notebook, and errors bring their next step."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path

import pytest

import acculturate as ac
from tuning.tuning_runs import tune_toy


def test_public_names_are_listed():
    assert {"measure", "tune", "results", "Fitness", "State", "write_profile"} <= set(dir(ac))


def test_an_error_that_nobody_catches_shows_its_hint():
    with pytest.raises(ac.UsageError) as caught:
        ac.load_instrument("vsm31")
    shown = "".join(traceback.format_exception(caught.value))
    assert shown.endswith(f"{caught.value}\n{caught.value.hint}\n")
    assert str(caught.value.hint) not in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  as Ray does
    assert (again.hint, again.__notes__) == (caught.value.hint, [caught.value.hint])


def test_reprs_are_one_short_line(tmp_path: Path):
    survey, table = ac.load_instrument("vsm13"), ac.load_countries()
    assert repr(survey) == "Instrument('vsm13', 24 items: pdi, idv, mas, uai, lto, ivr)"
    assert repr(table["China"]).startswith("Country('China', hofstede-insights: pdi=80, idv=")
    assert repr(table).startswith("CountryTable('hofstede-insights', ")
    profile = ac.measure(ac.FakeModel(), survey, target=table["China"])
    assert repr(profile).startswith("Profile('fake' in vsm13: pdi=")
    assert "; content 1.00; loss to China " in repr(profile)
    run = tune_toy(tmp_path / "run")
    assert repr(run).startswith(f"Run('{tmp_path / 'run'}', Toyland: held-out loss ")
    for each in (survey, table, table["China"], profile, run):
        assert len(repr(each)) < 200
        assert "\n" not in repr(each)


def test_notebooks_get_escaped_tables(tmp_path: Path):
    survey = ac.load_instrument("toy")
    target = ac.Country("<b>A & B</b>", "own", {d.key: 50.0 for d in survey.dimensions}, None)
    profile = ac.measure(ac.FakeModel(), survey, target=target)
    page = profile._repr_html_()
    assert "loss to &lt;b&gt;A &amp; B&lt;/b&gt;" in page
    assert page.count("<tr>") == 1 + len(survey.dimensions)
    run = tune_toy(tmp_path / "<i>")
    page = run._repr_html_()
    assert page.count("<tr>") == 1 + len(run.summary.rows)
    assert "<i>" not in page
    assert "Loss to Toyland (toy-table)" in page
