"""Write the pages that are made from the code anew: python docs/generate.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from typer.main import get_command

from acculturate.cli import app
from acculturate.commands.examples import EXAMPLES
from acculturate.tuning import allowed_values, setting_fields

DOCS = Path(__file__).parent
START, END = "<!-- table -->\n", "<!-- end of table -->\n"


def settings_table() -> str:
    """Return the settings of `acculturate tune` as a Markdown table."""
    lines = ["| Setting | Values | Default | Meaning |", "|---|---|---|---|"]
    for name, field in setting_fields().items():
        default = "" if field.default is None else f"`{field.default}`"
        lines.append(f"| `{name}` | {allowed_values(name)} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def command_line() -> str:
    """Return a section a command: its help, and a table of its options."""
    return "\n".join(_sections(get_command(app), "acculturate"))


def _sections(group: Any, name: str) -> Iterator[str]:
    for key, command in group.commands.items():
        full = f"{name} {key}"
        if hasattr(command, "commands"):
            yield from _sections(command, full)
            continue
        context = click.Context(command, info_name=full)
        panels: dict[str, list[str]] = {}
        for parameter in command.get_params(context):
            record = parameter.get_help_record(context)
            if record and "--help" not in parameter.opts:
                panel = getattr(parameter, "rich_help_panel", None) or "Options"
                option, text = (part.replace("|", "\\|") for part in record)
                panels.setdefault(panel, []).append(f"| `{option}` | {' '.join(text.split())} |")
        examples = "\n".join(EXAMPLES[full.partition(" ")[2]])
        yield f"## {full}\n\n{command.help.strip()}\n\n```sh\n{examples}\n```\n"
        for panel, rows in panels.items():
            yield "\n".join([f"| {panel} | Meaning |", "|---|---|", *rows]) + "\n"


def page_with(page: Path, made: str) -> str:
    """Return the text of a page with what stands between its marks replaced."""
    before, _, rest = page.read_text("utf-8").partition(START)
    return f"{before}{START}{made}{END}{rest.partition(END)[2]}"


PAGES = {"settings.md": settings_table, "reference/command-line.md": command_line}
"""Function that makes what stands between the marks of a page."""


if __name__ == "__main__":
    for name, make in PAGES.items():
        (DOCS / name).write_text(page_with(DOCS / name, make()), "utf-8")
