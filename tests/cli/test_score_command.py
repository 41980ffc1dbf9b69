"""`acculturate score`: people beside models and countries."""

from pathlib import Path

from cli_runs import CommandLine

from acculturate.survey import load_countries
from fake_run import write_fake_run

HEAD = ",".join(["country", *(f"m{number:02}" for number in range(1, 25))])


def write_people() -> None:
    rows = [
        [name, *(1 + (row + k) % 5 for k in range(24))]
        for row in range(25)
        for name in ("us", "NO")
    ]
    lines = [HEAD, *(",".join(map(str, row)) for row in rows)]
    Path("people.csv").write_text("\n".join(lines), encoding="utf-8")


def test_a_table_that_other_commands_read(cli: CommandLine):
    write_people()
    shown = cli(
        "score", "people.csv", "--by", "country", "--out", "mine.csv", "--country", "Norway"
    )
    assert shown.code == 0 and shown.err == ""
    assert "United States" in shown.out and "Norway, published" in shown.out.replace("\n", " ")
    table = load_countries("mine.csv")
    found = cli("score", "people.csv", "--by", "country", "--json").json
    assert [group["group"] for group in found["groups"]] == ["United States", "Norway"]
    assert found["groups"][0]["respondents"] == 25
    scores = {key: round(value, 4) for key, value in found["groups"][1]["scores"].items()}
    assert table["Norway"].scores == scores
    measured = cli("measure", "-m", "fake", "-t", "mine.csv", "-c", "usa", "--json")
    assert measured.json["country"] == "United States"


def test_people_models_and_a_country_in_one_figure(cli: CommandLine):
    write_people()
    write_fake_run(Path("run"))
    Path("model.json").write_text(cli("measure", "-m", "fake", "--json").out, encoding="utf-8")
    figure = ("--figure", "all.svg", "--beside", "model.json", "--beside", "run", "-c", "Norway")
    assert cli("score", "people.csv", "--by", "country", *figure).code == 0
    text = Path("all.svg").read_text(encoding="utf-8")
    for name in (
        "United States (25 people)",
        "Norway (25 people)",
        "fake",
        "Norway, published",
        "tuned to",
    ):
        assert name in text
    assert cli("score", "people.csv", "--figure", "all.pdf").code == 0
    assert Path("all.pdf").read_bytes().startswith(b"%PDF")


def test_what_does_not_fit_together(cli: CommandLine):
    write_people()
    Path("other.json").write_text(
        cli("measure", "-m", "fake", "--anchor", "zero", "--json").out, encoding="utf-8"
    )
    Path("broken.json").write_text("{", encoding="utf-8")
    figure = ("score", "people.csv", "--figure", "f.svg", "--beside")
    assert "Use the same --instrument" in cli(*figure, "other.json").message(2)
    assert "is no valid JSON" in cli(*figure, "broken.json").message(2)
    assert "does not exist" in cli(*figure, "none.json").message(2)
    assert "no figure can be written to f.gif" in cli(
        "score", "people.csv", "--figure", "f.gif"
    ).message(2)
    assert "Add --figure" in cli("score", "people.csv", "--beside", "other.json").message(2)
    assert 'line 2: m01 is "7"' in _of(cli, HEAD + "\nus" + ",7" * 24)


def _of(cli: CommandLine, text: str) -> str:
    Path("bad.csv").write_text(text, encoding="utf-8")
    return cli("score", "bad.csv").message(2)


def test_the_file_of_the_respondents_is_not_overwritten(cli: CommandLine):
    write_people()
    before = Path("people.csv").read_bytes()
    shown = cli("score", "people.csv", "--out", "./people.csv")
    assert shown.code == 2 and "is the file of the respondents" in shown.err
    assert Path("people.csv").read_bytes() == before
