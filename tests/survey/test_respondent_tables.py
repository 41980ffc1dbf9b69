"""Files of respondents: which answers are read, which are missing, and which are refused."""

from pathlib import Path

import numpy as np
import pytest

from acculturate.errors import UsageError
from acculturate.survey import Respondents, load_instrument, read_respondents

VSM13 = load_instrument("vsm13")
TOY = load_instrument("toy")
MAP = load_instrument("inglehart-welzel")
TOY_FILE = "plans,whims,crowd,alone,land,w\n1,2,3,1,Norway,1\n5,9,,2,us,0.5\n,NA,-1,99,us,1\n"


def read(path: Path, text: str, instrument=TOY, **options) -> Respondents:
    file = path / "people.csv"
    file.write_text(text, encoding="utf-8")
    return read_respondents(file, instrument, **options)


def test_answers_and_missing_ones(tmp_path: Path):
    people = read(tmp_path, TOY_FILE, by=["LAND"], weight="w")
    assert np.array_equal(people.answers, [[1, 2, 3, 1], [5, np.nan, np.nan, 2]], equal_nan=True)
    assert people.weights.tolist() == [1, 0.5]
    assert people.groups == ("Norway", "us")
    assert [warning.partition(": ")[2] for warning in people.warnings] == [
        "9 is read as missing: 1 in whims.",
        "-1 is read as missing: 1 in crowd.",
        "99 is read as missing: 1 in alone.",
        "1 respondents without an answer or weight are left out.",
    ]


def test_groups_are_countries_where_the_column_says_so(tmp_path: Path):
    text = "Country,dept,plans\nU.S.A.,IT,1\nusa,HR,2\nS. Africa,IT,2\n"
    assert read(tmp_path, text, by=["country"]).groups == (
        "United States",
        "United States",
        "South Africa",
    )
    people = read(tmp_path, text, by=["dept", "country"])
    assert people.groups == ("IT, United States", "HR, United States", "IT, South Africa")
    assert "has no whims, crowd, alone" in people.warnings[0]


def test_none_and_na_are_answers_where_they_can_be(tmp_path: Path):
    text = "code,faith,plans\nNA,None,1\nZA,Islam,2\n"
    people = read(tmp_path, text, by=["code", "faith"])
    assert people.groups == ("Namibia, None", "South Africa, Islam")
    with pytest.raises(UsageError, match='line 2: country is "NA"'):
        read(tmp_path, "country,plans\nNA,1\nPeru,2\n", by=["country"])


@pytest.mark.parametrize("heads", ["m01;m02;M24", "M1;m2;m24", "M01;M02;M24"])
def test_columns_of_items(tmp_path: Path, heads: str):
    people = read(tmp_path, f"{heads}\n1;2,0;9\n", VSM13)
    assert people.answers[0, :2].tolist() == [1, 2]
    assert np.isnan(people.answers[0, 2:]).all()


def test_numbers_of_the_surveys_own(tmp_path: Path):
    people = read(tmp_path, "A008,F063,Y003\n4,9,-2\n1,10,2\n-1,-2,-5\n", MAP)
    items = [item.id for item in MAP.items]
    assert people.answers[:, items.index("y003")].tolist() == [1, 5]
    assert people.answers[:, items.index("f063")].tolist() == [9, 10]  # 9 is an answer here


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("plans\n6\n", {}, 'line 2: plans is "6"; its answers run from 1 to 5'),
        ("plans\n1\n2.5\n", {}, 'line 3: plans is "2.5"'),
        ("plans\nAlways\n", {}, 'line 2: plans is "Always"'),
        ("plans\n0\n", {}, 'line 2: plans is "0"'),
        ("plans,PLANS\n1,1\n", {}, "has the column plans twice"),
        ("a,b\n1,2\n", {}, "has no item of toy; its columns: a, b"),
        ("plans\n", {}, "has no respondents"),
        ("plans,w\n9,1\n", {}, "has no answers"),
        ("plans,w\n1,0\n", {"weight": "w"}, "has no answers with a w above 0"),
        ("plans,w\n1,-1\n", {"weight": "w"}, 'line 2: w is "-1"'),
        ("plans,w\n1,NA\n", {"weight": "w"}, 'line 2: w is "NA"'),
        ("plans,w\n1,2\n", {"weight": "v"}, "has no column v"),
        ("plans,g\n1,x\n1,\n", {"by": ["g"]}, 'line 3: g is ""'),
        ("plans,g,G\n1,x,y\n", {"by": ["g"]}, "has more than one column g"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, options, message: str):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text, **options)
    assert message in str(caught.value)
    assert caught.value.hint


def test_a_file_of_spss(tmp_path: Path):
    pyreadstat, pandas = pytest.importorskip("pyreadstat"), pytest.importorskip("pandas")
    columns = {
        "M01": [1.0, 2, 9, 7, 3],
        "M02": [5.0] * 5,
        "land": [1.0, 2, 2, 1, 1],
        "w": [0.5] * 5,
    }
    file = tmp_path / "people.sav"
    pyreadstat.write_sav(
        pandas.DataFrame(columns),
        str(file),
        variable_value_labels={"land": {1.0: "Norway", 2.0: "U.S.A."}, "M01": {1.0: "of utmost"}},
        missing_ranges={"M01": [7.0]},
    )
    people = read_respondents(file, VSM13, ["land"], "w")
    assert np.array_equal(people.answers[:, 0], [1, 2, np.nan, np.nan, 3], equal_nan=True)
    assert people.groups == ("Norway", "U.S.A.", "U.S.A.", "Norway", "Norway")
    assert people.weights.tolist() == [0.5] * 5
    assert read_respondents(file, VSM13, ["M02"]).groups == ("5",) * 5
    pyreadstat.write_sav(pandas.DataFrame({"M01": [1.0, 6.0]}), str(file))
    with pytest.raises(UsageError, match=r'row 2: m01 is "6"; its answers run from 1 to 5'):
        read_respondents(file, VSM13)
    file.write_bytes(b"$FL2 no such file")
    with pytest.raises(UsageError, match="is no SPSS file that can be read"):
        read_respondents(file, VSM13)
