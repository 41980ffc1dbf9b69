"""Options of the commands, made from their signatures and docstrings.

A parameter behind `*` is an option, any other an argument. The help of each stands in the docstring's
section "Options", in `SHARED`, or in the docstring of a setting.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args, get_origin

import typer
from pydantic import ConfigDict, create_model
from typer.core import TyperCommand, TyperGroup

from acculturate.commands.examples import EXAMPLES
from acculturate.errors import UsageError
from acculturate.io import parse_toml, read_bytes
from acculturate.schema import validated
from acculturate.tuning import setting_fields

if TYPE_CHECKING:
    from acculturate.survey.scoring import Anchor

SHARED = {
    "model": 'Model: "embedded", a hub name, a folder, a .gguf file, openai:BASE_URL#NAME, or "fake".',
    "revision": "Branch, tag or commit of the model on the hub.",
    "dtype": "Precision of the model; auto takes bfloat16 where the hardware computes in it.",
    "chat": "Show forms in the model's chat template; auto does so where it has one, none never.",
    "any_model": "Give the soft prompt to another model than the one it was made for.",
    "device": "Device that runs the model: auto, cpu, cuda, cuda:1, mps.",
    "trust_remote_code": "Let a hub repository run its own code here.",
    "instrument": "Questionnaire: its name, or a TOML file.",
    "table": "Table of country scores: its name, or a CSV file of country,pdi,idv,... and a line a country; "
    "by default that of the questionnaire's dimensions.",
    "labels": "Labels of the answer options; ten options and more always get letters.",
    "embeddings": "Folder or name of the model that an endpoint serves, for soft prompts over prompt_embeds.",
    "as_json": "Print the result as JSON.",
}
"""Help of options that mean the same for several commands."""

ADVANCED = "Advanced"
"""Title of the options that a newcomer does not need."""

_ADVANCED = (
    *("population", "step", "revision", "dtype", "chat", "trust_remote_code", "any_model"),
    *("embeddings", "dry_run", "max_requests", "max_tokens"),
)
_BASIC_SETTINGS = ("budget", "seed", "tokens", "max_divergence", "language")
_WITH_LETTER = ("country", "model", "out", "prompt", "instrument", "table")
_NAMES = {"as_json": "json", "presets": "list"}

Command = Callable[..., None]
Split = Literal["all", "tuning", "held-out"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Seed = Annotated[int, typer.Option(min=0)]


def takes_settings(*names: str) -> Callable[[Command], Command]:
    """Replace the parameter `settings` of a command by one for each setting; without names by all."""

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        for name in names or setting_fields():
            field = setting_fields()[name]
            panel = None if name in _BASIC_SETTINGS else ADVANCED
            option = typer.Option(help=field.description, rich_help_panel=panel)
            kind: Any = str if name == "anchor" else field.annotation
            parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
            parameters.append(
                parameter.replace(default=field.default, annotation=Annotated[kind, option])
            )
        return _with_parameters(command, parameters)

    return decorate


def with_options(command: Command) -> Command:
    """Make arguments and options of a command's parameters, with the help in its docstring."""
    command.__doc__, _, section = (inspect.getdoc(command) or "").partition("\n\nOptions:\n")
    described = SHARED | dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE))
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        is_option = parameter.kind is parameter.KEYWORD_ONLY
        kind, info = parameter.annotation, typer.Option() if is_option else typer.Argument()
        if get_origin(kind) is Annotated:
            kind, info = get_args(kind)[0], copy(get_args(kind)[1])
        info.help = " ".join((info.help or described[name]).split())
        if is_option:
            info.param_decls = _flags(name, kind, parameter.default)
        if name in _ADVANCED:
            info.rich_help_panel = ADVANCED
        parameters.append(parameter.replace(annotation=Annotated[kind, info]))
    return _with_parameters(command, parameters)


def _flags(name: str, kind: Any, default: Any) -> tuple[str, ...]:
    """Return the flags of an option; a switch that is off has none to turn it off."""
    long = _NAMES.get(name, name.replace("_", "-"))
    off = f"/--no-{long}" if kind in (bool, bool | None) and default is not False else ""
    return (f"--{long}{off}", *([f"-{name[0]}"] if name in _WITH_LETTER else []))


def _with_parameters(command: Command, parameters: Sequence[inspect.Parameter]) -> Command:
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__dict__["__signature__"] = inspect.Signature(parameters)
    return command


def read_anchor(given: str) -> Anchor:
    """Read the value of --anchor.

    Raises:
        UsageError: It is neither a name nor numbers.
    """
    if given in ("midpoint", "zero"):
        return cast("Anchor", given)
    try:
        pairs = [part.split("=") for part in given.split(",")]
        return {key.strip().lower(): float(value) for key, value in pairs}
    except ValueError as error:
        raise UsageError(
            f"anchor {given!r} is not understood",
            "Use midpoint, zero, or a number for every dimension: pdi=50,idv=50,...",
        ) from error


def read_config(context: Any, file: Path | None) -> Path | None:
    """Take the options in a TOML file as defaults of a command; those on the command line win.

    Raises:
        UsageError: The file cannot be read, or an option in it is unknown or of the wrong type.
    """
    if file is None or context.command.callback is None:
        return file
    parameters = inspect.signature(context.command.callback, eval_str=True).parameters
    known: dict[str, Any] = {p.name: (p.annotation, None) for p in parameters.values()}
    known |= {"out": (str, None), "anchor": (Any, None)}
    if "country" in known:
        known["country"] = (str | list[str], None)
    del known["config"], known["as_json"]
    options = create_model("Options", __config__=ConfigDict(extra="forbid", strict=True), **known)
    values = parse_toml(read_bytes(file, "settings file"), file, "settings file")
    validated(options, values, file)
    anchor = values.get("anchor")
    if isinstance(anchor, dict):
        values["anchor"] = ",".join(f"{key}={value}" for key, value in anchor.items())
    if isinstance(values.get("country"), str):
        values["country"] = [values["country"]]
    context.default_map = values
    return file


class PanelCommand(TyperCommand):
    """A command whose plain help shows each panel of options as a section of its own, and examples."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options into the help, section by section, and the examples."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                panel = getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault(panel, []).append(record)
        _write_sections(formatter, sections)
        verb = ctx.command_path.partition(" ")[2]
        with formatter.section("Examples"):
            for line in EXAMPLES.get(verb, ()):
                formatter.write(f"  {line}\n")


class PanelGroup(TyperGroup):
    """Commands whose plain help shows each panel of them as a section of its own."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands into the help, section by section, each with its whole first sentence."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            panel = getattr(command, "rich_help_panel", None)
            title = panel if isinstance(panel, str) else "Commands"
            sections.setdefault(title, []).append((name, command.get_short_help_str(200)))
        _write_sections(formatter, sections)


def _write_sections(formatter: Any, sections: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    for title, records in sections.items():
        with formatter.section(title):
            formatter.write_dl(records)
