"""Small experiments of the fake model on the toy survey, and what of a directory has to be the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from acculturate.experiment import Experiment, Published, load_experiment, run_experiment
from acculturate.model import Answers, FakeModel

TOYLAND, ODD = "Toyland", 'A & B <i>"_%$#{x}|*'
PLAN = """\
name = "small"
model = "fake"
instrument = "toy"
tables = ["toy.csv"]
countries = ["Toyland", {odd}]
seeds = [0, 1]
budget = 24
[settings]
tokens = 2
[methods]
naive = {{}}
persona = {{}}
constant = {{}}
random = {{ population = 6 }}
"de <b>&_%" = {{ optimizer = "de", population = 6 }}
adam = {{}}
""".format(odd=f"'{ODD}'")
TABLES = ("results.csv", "table.md", "table.tex", "table.html", "comparisons.csv")


def write_plan(folder: Path, text: str = PLAN) -> Path:
    """An experiment file with its country table."""
    folder.mkdir(parents=True, exist_ok=True)
    odd = ODD.replace('"', '""')
    (folder / "toy.csv").write_text(f'country,planning,company\nToyland,80,20\n"{odd}",30,60\n')
    file = folder / "small.toml"
    file.write_text(text)
    return file


def plan(folder: Path, text: str = PLAN) -> Experiment:
    return load_experiment(write_plan(folder, text))


def run(
    folder: Path,
    out: str = "out",
    text: str = PLAN,
    model: Callable[[], Any] = FakeModel,
    **options: Any,
) -> Published:
    """An experiment that takes a second or two."""
    return run_experiment(plan(folder, text), folder / out, load=lambda _: model(), **options)


def tables(out: Path) -> dict[str, bytes]:
    """Everything that must be the same however often the experiment was stopped."""
    return {name: (out / name).read_bytes() for name in TABLES} | {
        f"figures/{file.name}": file.read_bytes() for file in sorted((out / "figures").iterdir())
    }


class Failing(FakeModel):
    """Breaks when it is asked so many candidates for the so-manieth time; counted outside its weights."""

    calls = 0
    fail_at: tuple[int, ...] = ()
    error: BaseException = RuntimeError("the machine is on fire")

    def ask(self, *arguments: Any, **options: Any) -> Answers:
        type(self).calls += 1
        if type(self).calls in type(self).fail_at:
            raise type(self).error
        return super().ask(*arguments, **options)
