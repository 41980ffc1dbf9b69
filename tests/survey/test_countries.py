from pathlib import Path

import numpy as np
import pytest

from acculturate.errors import UsageError
from acculturate.survey import load_countries, load_instrument, table_names

VSM13 = load_instrument("vsm13")


@pytest.mark.parametrize("table", ["hofstede-2015", "hofstede-insights"])
@pytest.mark.parametrize(
    ("country", "scores"),
    [
        ("United States", [40, 91, 62, 46, 26, 68]),
        ("China", [80, 20, 66, 30, 87, 24]),
        ("India", [77, 48, 56, 40, 51, 26]),
    ],
)
def test_published_scores(table: str, country: str, scores: list[float]):
    assert load_countries(table)[country].vector(VSM13).tolist() == scores


def test_sizes_and_terms():
    old, new = load_countries("hofstede-2015"), load_countries()
    assert (len(old), len(old.complete())) == (111, 65)
    assert (len(new), len(new.complete())) == (118, 96)
    for table in (old, new):
        assert "Hofstede" in table.source
        assert table.terms
        assert table.dimensions == ("pdi", "idv", "mas", "uai", "lto", "ivr")


def test_saudi_arabia_is_complete_in_one_table_only():
    old, new = load_countries("hofstede-2015")["ksa"], load_countries("hofstede-insights")["ksa"]
    assert old.scores == {"lto": 36, "ivr": 52}
    assert new.vector(VSM13).tolist() == [72, 48, 43, 64, 27, 14]
    with pytest.raises(UsageError) as caught:
        old.vector(VSM13)
    assert str(caught.value) == "Saudi Arabia has no pdi, idv, mas, uai in table hofstede-2015"
    assert caught.value.hint == "Table hofstede-insights has them."


def test_a_country_complete_nowhere():
    with pytest.raises(UsageError) as caught:
        load_countries("hofstede-2015")["Mali"].vector(VSM13)
    assert "another country" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "iso"),
    [
        *((name, "US") for name in ("us", "USA", "U.S.A.", "america", "united states of america")),
        *((name, "GB") for name in ("UK", "u.k.", "Great Britain", "gbr")),
        *((name, "KR") for name in ("South Korea", "korea south", "Korea", "KOR")),
        *((name, "SA") for name in ("KSA", " Saudi  Arabia ", "sau")),
        *((name, "TR") for name in ("Turkey", "Türkiye", "TÜRKIYE", "turkiye")),
        *((name, "CZ") for name in ("Czechia", "Czech Rep", "czech republic")),
        *((name, "RU") for name in ("Russia", "russian federation")),
        *((name, "NL") for name in ("the Netherlands", "Holland")),
        *((name, "SK") for name in ("Slovak Rep", "Slovakia")),
        ("trinidad & tobago", "TT"),
        ("IN", "IN"),
        ("ire-land".replace("-", ""), "IE"),
    ],
)
def test_lookup(name: str, iso: str):
    assert len(table_names()) == 3
    for table in table_names():
        if iso in ("SA", "IE") and table == "inglehart-welzel-2024":
            continue
        assert load_countries(table)[name].iso == iso
        assert name in load_countries(table)
    assert load_countries("hofstede-insights")["uae"].iso == "AE"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("us", (1.506, -0.4251)),
        ("Great Britain", (2.3523, -0.2121)),
        ("TWN", (0.2668, 1.5513)),
        ("Hong Kong SAR", (0.8809, 1.3406)),
        ("Macau", (0.9361, 1.364)),
        ("Czechia", (1.4605, 1.0066)),
        ("North Ireland", (1.2287, -0.4018)),
        ("türkiye", (-0.809, -0.2087)),
    ],
)
def test_places_on_the_inglehart_welzel_map(name: str, place: tuple[float, float]):
    table, instrument = load_countries("inglehart-welzel-2024"), load_instrument("inglehart-welzel")
    assert tuple(table[name].vector(instrument)) == place
    assert len(table) == len(table.complete()) == 107
    assert [country.name for country in table if not country.iso] == [
        "Northern Cyprus",
        "Northern Ireland",
    ]
    assert "CC-BY" in table.terms and "Tao" in table.source


def test_a_table_of_other_dimensions_is_no_substitute():
    with pytest.raises(UsageError) as caught:
        load_countries("inglehart-welzel-2024")["Saudi Arabia"]
    assert "acculturate countries --table inglehart-welzel-2024" in (caught.value.hint or "")
    sweden = load_countries("hofstede-insights")["Sweden"]
    with pytest.raises(UsageError, match="no expression, secular in") as caught:
        sweden.vector(load_instrument("inglehart-welzel"))
    assert caught.value.hint == "Table inglehart-welzel-2024 has them."


def test_regions_have_no_iso_code_and_all_else_has():
    without = [country.name for country in load_countries("hofstede-2015") if not country.iso]
    assert without == [
        "Africa East",
        "Africa West",
        "Arab countries",
        "Belgium French",
        "Belgium Netherl",
        "Canada French",
        "Germany East",
        "South Africa white",
        "Switzerland French",
        "Switzerland German",
    ]
    assert all(country.iso for country in load_countries("hofstede-insights"))
    assert load_countries("hofstede-2015")["East Africa"].name == "Africa East"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Untied States", "United States"),
        ("Indai", "India"),
        ("Sweeden", "Sweden"),
        ("Sth Afrika", "South Africa"),
        ("Grate Britain", "United Kingdom"),
        ("qqqq", "acculturate countries"),
        ("", "acculturate countries"),
        ("Kenya", "Table hofstede-insights has it."),
        ("Ruritania", "Scores of your own come from a CSV file, with --table FILE."),
    ],
)
def test_a_name_not_there(name: str, hint: str):
    with pytest.raises(UsageError) as caught:
        load_countries("hofstede-2015")[name]
    assert f'"{name}"' in str(caught.value)
    assert hint in (caught.value.hint or "")
    assert name not in load_countries("hofstede-2015")


@pytest.mark.parametrize(("name", "hint"), [("hofstede2015", "hofstede-2015"), ("x", ".csv")])
def test_an_unknown_table(name: str, hint: str):
    with pytest.raises(UsageError) as caught:
        load_countries(name)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_users_own_table(tmp_path: Path, separator: str, encoding: str):
    path = tmp_path / "mine.csv"
    text = (
        "\nCountry,PDI,idv ,mas,uai,lto,ivr\r\nusa,1,2.5,-3,4,5,6\r\n\r\n"
        "Atlantis,1,,NA,#NULL!,2,3\r\n"
    )
    path.write_text(text.replace(",", separator), encoding=encoding, newline="")
    table = load_countries(str(path))
    assert table.key == "mine"
    assert np.array_equal(table["America"].vector(VSM13), [1, 2.5, -3, 4, 5, 6])
    assert table["atlantis"].iso is None
    assert table["atlantis"].scores == {"pdi": 1, "lto": 2, "ivr": 3}
    assert [country.name for country in table.complete()] == ["United States"]
    with pytest.raises(UsageError, match="Atlantis has no idv, mas, uai in table mine"):
        table["Atlantis"].vector(VSM13)


def test_a_name_with_the_separator_in_quotes(tmp_path: Path):
    path = tmp_path / "mine.csv"
    path.write_text('country,pdi\n"Korea, South",60\n<b>Ruritania</b>,5\n', encoding="utf-8")
    assert [country.name for country in load_countries(path)] == ["South Korea", "<b>Ruritania</b>"]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (b",,,\n,,\n", "no column country"),
        (b"land,pdi\nIndia,5\n", "no column country"),
        (b"country\nIndia\n", "no scores"),
        (b"country,pdi\n", "no countries"),
        (b"country,pdi,pdi\nIndia,1,2\n", 'the column "pdi" 2 times'),
        (b"country,pdi,\nIndia,1,2\n", 'the column "" 1 times'),
        (b"country,pdi\nIndia,high\n", 'line 2: pdi is "high"'),
        (b"country,pdi\n\nIndia,inf\n", 'line 3: pdi is "inf"'),
        (b'country,pdi\nIndia,"1,5"\n', 'line 2: pdi is "1,5"'),
        (b"country;pdi\nIndia;1.000,5\n", 'line 2: pdi is "1.000,5"'),
        (b"country,pdi\nIndia,1_0\n", 'line 2: pdi is "1_0"'),
        (b"country,pdi\nIndia,1,2\n", "line 2 has 3 cells"),
        (b"country,pdi\nIndia,1\n,2\n", "line 3 has no country"),
        (
            b"country,pdi\nUSA,1\nIndia,2\nAmerica,3\n",
            "line 4: America is the same country as on line 2",
        ),
        (b'country,pdi\n"India,1\n', "line 2"),
        (b"country,pdi\nCura\xe7ao,1\n", "not UTF-8 (line 2)"),
        ("country,pdi\nIndia,1\n".encode("utf-16-le"), "zero bytes"),
        ("country,pdi\nIndia,1\n".encode("utf-16")[:-1], "zero bytes"),
        (
            b"country,Power distance (practices),Power distance (values)\nIndia,1,2\n",
            "power distance (practices) and power distance (values) could both be pdi",
        ),
    ],
)
def test_a_broken_table_is_named(raw: bytes, message: str, tmp_path: Path):
    path = tmp_path / "mine.csv"
    path.write_bytes(raw)
    with pytest.raises(UsageError) as caught:
        load_countries(path)
    assert message in str(caught.value)
    assert "mine.csv" in str(caught.value)
    assert caught.value.hint


def test_paths_that_cannot_be_read(tmp_path: Path):
    for path, message in ((tmp_path, "directory"), (tmp_path / "none.csv", "does not exist")):
        with pytest.raises(UsageError, match=message):
            load_countries(path)
