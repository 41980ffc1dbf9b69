"""Options that several commands share, each said once; those of `Settings` are made from its fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer
from pydantic import ConfigDict, create_model
from typer.core import TyperCommand

from acculturate.errors import UsageError
from acculturate.io import parse_toml, read_bytes
from acculturate.schema import validated
from acculturate.tuning import setting_fields

if TYPE_CHECKING:
    from acculturate.survey.scoring import Anchor

ADVANCED = "Advanced"
"""Title of the options that a newcomer does not need."""

advanced = partial(typer.Option, rich_help_panel=ADVANCED)

ModelOption = Annotated[
    str,
    typer.Option(
        "--model", "-m", help='Model: "embedded", a hub name, a folder, a .gguf file, or "fake".'
    ),
]
CountryOption = Annotated[
    str, typer.Option("--country", "-c", help="Name or ISO code of the country to tune towards.")
]
RevisionOption = Annotated[
    str | None, advanced(help="Branch, tag or commit of the model on the hub.")
]
DtypeOption = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"],
    advanced(help="Precision of the model; auto takes bfloat16 where the hardware computes in it."),
]
DeviceOption = Annotated[
    str, typer.Option(help="Device that runs the model: auto, cpu, cuda, cuda:1, mps.")
]
TrustOption = Annotated[
    bool, advanced("--trust-remote-code", help="Let a hub repository run its own code here.")
]
InstrumentOption = Annotated[
    str, typer.Option("--instrument", "-i", help="Questionnaire: its name, or a TOML file.")
]
RunModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Name or path of the model, where it is not the one in the run's settings.",
    ),
]
TableOption = Annotated[
    str, typer.Option("--table", "-t", help="Table of country scores: its name, or a CSV file.")
]
LabelsOption = Annotated[
    Literal["digits", "letters"],
    typer.Option(help="Labels of the answer options; ten options and more always get letters."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

Command = Callable[..., None]


def takes_settings(
    *names: str, basic: Collection[str] | None = None
) -> Callable[[Command], Command]:
    """Replace the parameter `settings` of a command by one option for each setting.

    Args:
        names: Names of the settings; none stands for all.
        basic: Names of those that are shown before the advanced options; None shows all of them.
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        for name in names or setting_fields():
            field = setting_fields()[name]
            kind = str if name == "anchor" else field.annotation
            panel = None if basic is None or name in basic else ADVANCED
            option = typer.Option(help=field.description, rich_help_panel=panel)
            parameters.append(
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=field.default,
                    annotation=Annotated[kind, option],
                )
            )
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        command.__dict__["__signature__"] = signature.replace(parameters=parameters)
        return command

    return decorate


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
    kinds: dict[str, Any] = {p.name: p.annotation for p in parameters.values()}
    kinds |= {"out": str, "anchor": Any}
    known: dict[str, Any] = {
        name: (kind, None) for name, kind in kinds.items() if name not in ("config", "as_json")
    }
    options = create_model("Options", __config__=ConfigDict(extra="forbid", strict=True), **known)
    values = parse_toml(read_bytes(file, "settings file"), file, "settings file")
    validated(options, values, file)
    anchor = values.get("anchor")
    if isinstance(anchor, dict):
        values["anchor"] = ",".join(f"{key}={value}" for key, value in anchor.items())
    context.default_map = values
    return file


class PanelCommand(TyperCommand):
    """A command whose plain help shows each panel of options as a section of its own."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options into the help, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                panel = getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault(panel, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)
