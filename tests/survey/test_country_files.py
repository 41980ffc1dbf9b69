"""Tables of scores as Hofstede's site, Kaggle, Excel, pandas and SPSS write them."""

from pathlib import Path

import pytest

from acculturate.errors import UsageError
from acculturate.survey import CountryTable, load_countries, load_instrument
from acculturate.survey.instrument import DATA

VSM13 = load_instrument("vsm13")
MAP = load_instrument("inglehart-welzel")
GERMANY = [35, 67, 66, 65, 83, 40]


def load(path: Path, text: str, encoding: str = "utf-8") -> CountryTable:
    file = path / "mine.csv"
    file.write_bytes(text.encode(encoding))
    return load_countries(file)


# geerthofstede.com, 6-dimensions-for-website-2015-08-16.csv.
PUBLISHED = (
    "ctr;country;pdi;idv;mas;uai;ltowvs;ivr\r\nAFE;Africa East;64;27;41;52;32;40\r\n"
    "ALB;Albania;#NULL!;#NULL!;#NULL!;#NULL!;61;15\r\nGER;Germany;35;67;66;65;83;40\r\n"
    "KOR;Korea South;60;18;39;85;100;29\r\n"
)


def test_the_publishers_own_layout(tmp_path: Path):
    table = load(tmp_path, PUBLISHED)
    assert table.dimensions == ("pdi", "idv", "mas", "uai", "lto", "ivr")
    assert [country.name for country in table] == [
        "Africa East",
        "Albania",
        "Germany",
        "South Korea",
    ]
    assert table["Germany"].vector(VSM13).tolist() == GERMANY
    assert table["Albania"].scores == {"lto": 61, "ltowvs": 61, "ivr": 15}
    (warning,) = table.warnings
    assert warning.endswith("#NULL! is read as missing: 1 in pdi, 1 in idv, 1 in mas, 1 in uai.")


@pytest.mark.parametrize(
    "text",
    [
        "Country,Power Distance,Individualism,Masculinity,Uncertainty Avoidance,Long Term Orientation,"
        "Indulgence\nGermany,35,67,66,65,83,40\n",
        "country name,Power distance index (PDI),Individualism vs. Collectivism (IDV),Motivation towards "
        "Achievement and Success,Uncertainty avoidance index,Long Term Orientation vs. Short Term Normative "
        "Orientation,Indulgence versus Restraint\nGermany,35,67,66,65,83,40\n",
        "country,region,pdi,idv,mas,uai,lto,ivr\nGermany,Europe,35,67,66,65,83,40\n",
        ",country,iso3,pdi,idv,mas,uai,lto,ivr\n0,Germany,DEU,35,67,66,65,83,40\n",
        "iso3,hofstede_pdi,hofstede_idv,hofstede_mas,hofstede_uai,hofstede_lto,hofstede_ivr\n"
        "DEU,35,67,66,65,83,40\n",
        "country,PDI,PDI rank,idv,mas,uai,ltowvs,ivr,\nGermany,35,1st,67,66,65,83,40,\n",
        "sep=;\r\ncountry;pdi;idv;mas;uai;lto;ivr\r\nGermany;35;67;66;65;83;40\r\n",
        '"sep=,"\ncountry,pdi,idv,mas,uai,lto,ivr\nGermany,35,67,66,65,83,40\n',
        "country\tpdi\tidv\tmas\tuai\tlto\tivr\r\nGermany\t35\t67\t66\t65\t83\t40\r\n",
        "country;pdi;idv;mas;uai;lto;ivr\r\nGermany;35,0;67,00;66;65;83;40\r\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_layouts(tmp_path: Path, text: str, encoding: str):
    table = load(tmp_path, text, encoding)
    assert table["Germany"].vector(VSM13).tolist() == GERMANY
    assert table.warnings_for(VSM13) == ()


@pytest.mark.parametrize("column", ["pdi_rnk", "PDI z-score", "pdi change", "PDI (n)"])
def test_a_column_about_a_score_is_not_the_score(tmp_path: Path, column: str):
    table = load(tmp_path, f"country,{column},idv\nGermany,1,67\nNorway,2,69\n")
    assert "pdi" not in table["Germany"].scores


@pytest.mark.parametrize("key", ["individualism", "Planning", "power distance"])
def test_a_survey_may_call_its_dimension_as_the_column_is_called(tmp_path: Path, key: str):
    text = (DATA / "toy.toml").read_text("utf-8")
    for planning in ("[dimensions.planning", "\nplanning"):
        text = text.replace(planning, planning.replace("planning", f'"{key}"'))
    (tmp_path / "own.toml").write_text(text, "utf-8")
    own = load_instrument(tmp_path / "own.toml")
    table = load(tmp_path, f"country,{key},company,{key} at home\nPeru,40,20,1\n")
    assert table["Peru"].vector(own).tolist() == [40, 20]


@pytest.mark.parametrize("cell", ["NA", "nan", "#N/A"])
def test_a_missing_country_is_no_country(tmp_path: Path, cell: str):
    with pytest.raises(UsageError, match="line 3 has no country"):
        load(tmp_path, f"country,pdi\nGermany,35\n{cell},40\n")
    table = load(tmp_path, "iso2,pdi\nDE,35\nNA,40\n")
    assert table["Namibia"].scores == {"pdi": 40}


def test_commas_are_decimal_points_where_they_separate_no_cells(tmp_path: Path):
    table = load(tmp_path, "country;expression;secular\nSweden;1,506;-0,4251\n")
    assert table["Sweden"].vector(MAP).tolist() == [1.506, -0.4251]


def test_a_line_keeps_its_number_below_a_separator_line(tmp_path: Path):
    with pytest.raises(UsageError, match="line 3: pdi is"):
        load(tmp_path, "sep=;\r\ncountry;pdi\r\nGermany;high\r\n")


@pytest.mark.parametrize(
    "code", ["-99", "-99.0", "-9", "-1", "999", "-999", "9999", "#NULL!", "NA", ".", "-"]
)
def test_codes_are_missing_scores_and_said(tmp_path: Path, code: str):
    table = load(tmp_path, f"country,pdi,idv,mas,uai,lto,ivr\nGermany,35,67,66,65,{code},40\n")
    (warning,) = table.warnings
    assert warning.endswith(f"{code.removesuffix('.0')} is read as missing: 1 in lto.")
    with pytest.raises(UsageError, match="Germany has no lto in table mine"):
        table["Germany"].vector(VSM13)


def test_a_negative_score_among_others_is_a_score(tmp_path: Path):
    text = "country,pdi\nPeru,-9\nChile,-20\nIndia,61\n"
    assert load(tmp_path, text)["Peru"].scores == {"pdi": -9}
    text = "country,expression\nPeru,-9\nChile,-1.2\nIndia,1.3\n"
    assert load(tmp_path, text)["Peru"].scores == {}
    assert load(tmp_path, "country,pdi\nPeru,99\n")["Peru"].scores == {"pdi": 99}


def test_scores_from_0_to_1_are_refused_where_published_ones_run_to_100(tmp_path: Path):
    table = load(tmp_path, "country,pdi,idv,mas,uai,lto,ivr\nGermany,0.35,0.67,0.66,0.65,1,0\n")
    with pytest.raises(
        UsageError, match="all scores of Germany in table mine lie between 0"
    ) as caught:
        table["Germany"].vector(VSM13)
    assert caught.value.hint == "Multiply the scores of the table by 100."
    assert load(tmp_path, "country,expression,secular\nPeru,0.1,0.9\n")["Peru"].vector(MAP).any()


def test_scores_of_another_size_are_doubted(tmp_path: Path):
    seven = load(tmp_path, "country,pdi,idv,mas,uai,lto,ivr\nGermany,5.1,4,3,5,6.5,1\n")
    assert (
        "lie between 1 and 6.5, published ones of vsm13 between about 0 and 100"
        in (seven.warnings_for(VSM13)[0])
    )
    assert load(tmp_path, "country,expression,secular\nPeru,1,99\n").warnings_for(MAP)
    for name in ("hofstede-2015", "hofstede-insights"):
        assert load_countries(name).warnings_for(VSM13) == ()
    assert load_countries("inglehart-welzel-2024").warnings_for(MAP) == ()


def test_other_columns_do_not_make_a_country_incomplete(tmp_path: Path):
    table = load(
        tmp_path,
        "country,year,pdi,idv,mas,uai,lto,ivr\nGermany,,35,67,66,65,83,40\nPeru,1990,1,2,3,4,5,60\n",
    )
    assert [country.name for country in table.complete(VSM13)] == ["Germany", "Peru"]


def test_a_file_with_the_name_of_a_packaged_table_is_refused(tmp_path: Path):
    file = tmp_path / "hofstede-insights.csv"
    file.write_text("country,pdi,idv,mas,uai,lto,ivr\nGermany,1,2,3,4,5,6\n")
    with pytest.raises(UsageError, match="the name of a table that comes with the package"):
        load_countries(file)
