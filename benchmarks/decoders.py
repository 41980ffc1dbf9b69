"""Compare acculturate with plain transformers on every type of decoder.

    python benchmarks/decoders.py

Each type is built small and with random weights (`measuring/small_decoders.py`), in a process of its own,
and asked in float32 and in bfloat16 (`measuring/decoder_check.py`). docs/decoders.md holds the table and is
written anew when all types ran.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import typer
from rich.console import Console
from rich.markdown import Markdown

from acculturate.commands.options import with_options
from acculturate.display import print_result
from acculturate.errors import AcculturateError, UsageError
from measuring.decoder_check import Check, check_decoder
from measuring.small_decoders import DECODERS

PAGE = Path(__file__).parents[1] / "docs" / "decoders.md"
_START, _END = "<!-- table -->\n", "<!-- end of table -->\n"
_SECONDS = 120
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

app = typer.Typer(add_completion=False)


@app.command()
@with_options
def main(*, only: list[str] | None = None, as_json: bool = False) -> None:
    """Compare acculturate with plain transformers on every type of decoder.

    Options:
        only: A type, such as llama; may be repeated. The page in docs is then left as it is.
    """
    for name in only or ():
        if name not in DECODERS:
            raise UsageError(
                f"transformers knows no decoder {name!r}", "Give a type such as llama."
            )
    checks = check_all(only or DECODERS)
    table = decoder_table(checks)
    if not only:
        before, _, rest = PAGE.read_text("utf-8").partition(_START)
        PAGE.write_text(f"{before}{_START}{table}{_END}{rest.partition(_END)[2]}", "utf-8")
    result = {name: [asdict(check) for check in found] for name, found in checks.items()}
    print_result(as_json, result, lambda: Console().print(Markdown(table)))


def check_all(names: Sequence[str]) -> dict[str, list[Check]]:
    """Check types, each in a process of its own, as many at once as there are processors."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["measuring.decoder_check"])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(partial(_check_apart, context), names)
        return dict(zip(names, found, strict=True))


def _check_apart(context: Any, name: str) -> list[Check]:
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_checks, args=(name, sender), daemon=True)
    process.start()
    sender.close()
    checks: list[Check] = []
    try:
        while len(checks) < len(_DTYPES) and receiver.poll(_SECONDS):
            checks.append(receiver.recv())
    except EOFError:
        pass
    process.kill()
    process.join()
    said = f"nothing came within {_SECONDS} s, or the process ended ({process.exitcode})"
    missing = len(_DTYPES) - len(checks)
    return [*checks, *(Check(name, "cannot be built small", reason=said) for _ in range(missing))]


def _send_checks(name: str, sender: Any) -> None:
    os.nice(10)
    torch.set_num_threads(1)
    for dtype in _DTYPES.values():
        try:
            sender.send(check_decoder(name, dtype))
        except Exception as error:  # a user would see a traceback
            sender.send(Check(name, "WRONG", reason=f"{type(error).__name__}: {error}"))


def decoder_table(checks: dict[str, list[Check]]) -> str:
    """Return the results as a Markdown table, with the versions and how often each result came."""
    lines = [
        f"torch {version('torch')}, transformers {version('transformers')}, {len(checks)} types.",
        "",
        "| Type | float32 | Probabilities | Gradient | Written answers | bfloat16 | Probabilities |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (exact, half) in checks.items():
        lines.append(
            f"| {name} | {_told(exact)} | {_number(exact.answers)} | {_number(exact.gradient)} | "
            f"{_cell(exact.written)} | {_told(half)} | {_number(half.answers)} |"
        )
    return "\n".join(lines) + "\n"


def _told(check: Check) -> str:
    return _cell(f"{check.result}: {check.reason}" if check.reason else check.result)


def _cell(text: str) -> str:
    shown = text if len(text) <= 160 else f"{text[:159]}…"
    return shown.replace("|", "\\|").replace("<", "&lt;")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0e}"


if __name__ == "__main__":
    try:
        app()
    except AcculturateError as error:
        raise SystemExit(f"{error}\n{error.hint or ''}".strip()) from None
