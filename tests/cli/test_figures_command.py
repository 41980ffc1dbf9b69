"""`acculturate figures` writes every figure of a run as a file of its own."""

from pathlib import Path

from cli_runs import CommandLine

from fake_run import write_fake_run


def test_figures_of_a_run(cli: CommandLine):
    write_fake_run(Path("us"))
    written = cli("figures", "us").out.splitlines()
    assert written == [f"us/figures/{key}.pdf" for key in ("scores", "loss", "divergence")]
    assert all(Path(file).read_bytes().startswith(b"%PDF") for file in written)


def test_another_format_and_folder(cli: CommandLine):
    write_fake_run(Path("us"))
    shown = cli("figures", "us", "--format", "png", "--out", "paper", "--json")
    assert "paper/loss.png" in shown.json["figures"]
    assert Path("paper/loss.png").read_bytes().startswith(b"\x89PNG")
    assert not Path("us/figures").exists()


def test_what_has_no_figures(cli: CommandLine):
    write_fake_run(Path("new"), finished=False, evaluated=False, generations=0)
    assert "new has no figures yet" in cli("figures", "new").message(2)
    assert "no run in" in cli("figures", "nowhere").message(2)
