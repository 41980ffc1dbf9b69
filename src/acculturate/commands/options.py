"""Options that several commands share, each said once."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

ModelOption = Annotated[
    str,
    typer.Option(
        "--model", "-m", help='"embedded", a hub name, a folder, a .gguf file, or "fake".'
    ),
]
RevisionOption = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub name.")]
DtypeOption = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"],
    typer.Option(help="Precision; auto takes bfloat16 where the hardware computes in it."),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
TrustOption = Annotated[
    bool, typer.Option("--trust-remote-code", help="Let a hub repository run its own code here.")
]
InstrumentOption = Annotated[
    str, typer.Option("--instrument", "-i", help="Name of a questionnaire, or a TOML file.")
]
TableOption = Annotated[
    str, typer.Option("--table", "-t", help="Name of a table of country scores, or a CSV file.")
]
AnchorOption = Annotated[
    str, typer.Option(help="Constants C: midpoint, zero, or numbers such as pdi=50,idv=40,...")
]
AggregateOption = Annotated[
    Literal["mean", "sum", "distance"] | None,
    typer.Option(help="Of the differences to the target [the questionnaire's own]."),
]
VariantOption = Annotated[
    str | None, typer.Option(help='A named variant of a formula, such as "cat".')
]
ReadingOption = Annotated[
    Literal["expected", "modal", "sampled"], typer.Option(help="How answers become numbers.")
]
RespondentsOption = Annotated[int, typer.Option(help="Draws a form for the reading sampled.")]
LanguageOption = Annotated[
    str, typer.Option("--language", help="Language code of the forms, such as en, ar, es, hi, zh.")
]
LabelsOption = Annotated[
    Literal["digits", "letters"], typer.Option(help="Of the options; from ten on letters.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
