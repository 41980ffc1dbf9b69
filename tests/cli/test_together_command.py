"""`acculturate tune` with several countries, and a new one beside them."""

from pathlib import Path

from cli_runs import CommandLine

TUNE = ("tune", "--model", "fake", "--tokens", 2, "--budget", 6, "--guard", "sentences")


def test_several_countries_and_a_new_one(cli: CommandLine):
    both = ("-c", "China", "-c", "us", "--out", "both")
    found = cli(*TUNE, *both, "--json").json
    assert [Path(run["run"]).name for run in found["runs"]] == ["china", "united-states"]
    assert set(found["separation"]) == {"spread", "ranks"}
    assert "already holds this multitask tuning" in cli(*TUNE, *both).message(2)
    again = cli(*TUNE, *both, "--resume")
    assert again.code == 0
    assert "2 are nearest to their own" in again.out
    new = ("-c", "Japan", "--space", "multitask:both", "--out", "japan")
    assert cli(*TUNE, *new, "--json").json["evaluations"] == 6
    assert cli("report", "both/china").code == 0
    exported = cli("export", "both", "--out", "adapter", "--model", "fake")
    assert "fake writes no text" in exported.message(2)
    assert "one prompt" in cli("export", "both", "--out", "a", "--format", "vllm").message(2)


def test_a_request_that_is_mended_takes_the_same_directory(cli: CommandLine):
    both = ("-c", "China", "-c", "us", "--out", "both")
    assert "gone" in cli(*TUNE, *both, "--init", "run", "--init-run", "gone").message(2)
    assert cli(*TUNE, *both).code == 0
    assert "it holds several countries" in cli("report", "both").message(2)
    assert "such as both/china" in cli("evaluate", "both").message(2)


def test_a_country_in_a_file_may_be_one_or_several(cli: CommandLine):
    for number, countries in enumerate(('"China"', '["China", "India"]')):
        Path("mine.toml").write_text(
            f'country = {countries}\nmodel = "fake"\nbudget = 6\ntokens = 2\n'
        )
        out = f"run-{number}"
        assert cli("tune", "--config", "mine.toml", "--guard", "sentences", "--out", out).code == 0
        assert Path(out, "config.toml").is_file() == (number == 0)


def test_together_needs_several(cli: CommandLine):
    assert "alone is not tuned together" in cli(*TUNE, "-c", "China", "--together", "sum").message(
        2
    )
