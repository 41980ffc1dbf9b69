"""`acculturate chat`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

import acculturate as ac
from acculturate import terminal
from acculturate.commands.loading import load_variants
from acculturate.commands.options import Seed
from acculturate.errors import UsageError

_NARROWEST = 26
"""Characters of a column; where there is no room for that, answers stand below each other."""

Answers = Mapping[str, str]
"""What was written so far, by the variant's name."""


def chat(
    runs: list[Path],
    *,
    plain: bool = False,
    temperature: Annotated[float, typer.Option(min=0, max=10)] = 0.7,
    top_p: Annotated[float, typer.Option(min=0.01, max=1)] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1)] = 160,
    seed: Seed = 0,
    model: str | None = None,
    device: str = "auto",
    trust_remote_code: bool = False,
    any_model: bool = False,
) -> None:
    """Ask the untouched model, a persona and finished runs the same questions, side by side.

    Every question stands alone. Questions come from the terminal, or a line each from standard input.

    Options:
        runs: Directories of finished runs, all on the same model.
        plain: Print lines "name: answer" instead of columns, as happens without a terminal.
        temperature: Temperature of sampling; 0 takes the likeliest token.
        top_p: Share of the probability that the sampled tokens hold together.
        max_tokens: Number of tokens of an answer, at most.
        seed: Random seed of every answer.
        model: Name or path of the model; the runs' own if it is not given.
    """
    from acculturate.serving import Engine, chat_job, seed_of, write_all

    loaded = [ac.Run.load(run, any_model=any_model) for run in runs]
    answering, variants = load_variants(loaded, model, device, trust_remote_code)
    sampled = partial(
        replace,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        seed=seed_of(seed),
    )

    def ask(question: str) -> Iterator[Answers]:
        """Yield what the variants have written so far."""
        asked = [("user", question)]
        jobs = [sampled(chat_job(answering, each, asked)) for each in variants.values()]
        answers, names = dict.fromkeys(variants, ""), list(variants)
        for index, piece in write_all(engine, jobs):
            answers[names[index]] += piece.text
            yield answers

    with closing(Engine(answering)) as engine:
        if plain or not all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout)):
            _answer_lines(ask)
        else:
            terminal.say(f"{', '.join(variants)}. Ctrl-D ends.")
            _answer_typed(ask)


def _answer_lines(ask: Callable[[str], Iterator[Answers]]) -> None:
    """Answer every line of standard input with a line for each variant."""
    if sys.stdin is None:
        raise UsageError("standard input is closed", "Give questions, a line each.")
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    refused = False
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            *_, answers = ask(line.strip())
        except UsageError as error:  # such as a question that is too long
            refused = True
            terminal.say_error(error)
            continue
        for name, answer in answers.items():
            print(f"{name}: {' '.join(answer.split())}", flush=True)
    if refused:
        raise UsageError("some questions were not answered", "Mend those that are named above.")


def _answer_typed(ask: Callable[[str], Iterator[Answers]]) -> None:
    """Answer what is typed in columns, until the terminal says that it is the end."""
    console = terminal.open_console()
    with suppress(ImportError):
        import_module("readline")  # lets `input` edit lines and remember them
    while True:
        try:
            typed = input("\n> ").strip()
            question = typed.encode("utf-8", "replace").decode()  # bytes that are no UTF-8
        except EOFError:
            print()
            return
        answers: Answers = {}
        try:
            with Live(console=console, transient=True, refresh_per_second=8) as live:
                for answers in ask(question) if question else ():
                    live.update(_side_by_side(answers, console.width))
        except UsageError as error:
            terminal.say_error(error)
        finally:
            if answers:
                console.print(_side_by_side(answers, console.width))


def _side_by_side(answers: Answers, width: int) -> RenderableType:
    """Return answers in columns, or below each other where the terminal is narrow."""
    texts = [Text(answer.strip()) for answer in answers.values()]
    if width < _NARROWEST * len(answers):
        parts = [
            (Text(name, "bold"), text, Text()) for name, text in zip(answers, texts, strict=True)
        ]
        return Group(*(each for part in parts for each in part))
    table = Table(box=None, expand=True, padding=(0, 2, 0, 0))
    for name in answers:
        table.add_column(Text(name), ratio=1, overflow="fold")
    table.add_row(*texts)
    return table
