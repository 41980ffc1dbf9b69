"""`acculturate measure`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import acculturate as ac
from acculturate import display
from acculturate.commands import options as opt
from acculturate.commands.loading import load
from acculturate.commands.options import read_anchor, takes_settings

_CountryOption = Annotated[
    str | None,
    typer.Option("--country", "-c", help="Name or ISO code of a country to compare with."),
]
_PromptOption = Annotated[
    Path | None,
    typer.Option(
        "--prompt",
        "-p",
        help="Soft prompt in the model's context: a run directory, or a .safetensors file.",
    ),
]
_FormsOption = Annotated[
    Literal["all", "tuning", "held-out"],
    typer.Option(help="Forms to ask: all, or those of one split."),
]
_SeedOption = Annotated[
    int,
    typer.Option(min=0, help="Random seed for the bootstrap intervals and for reading sampled."),
]


@takes_settings("language", "anchor", "aggregate", "variant", "reading", "respondents")
def measure(
    *,
    model: opt.ModelOption = "embedded",
    country: _CountryOption = None,
    prompt: _PromptOption = None,
    forms: _FormsOption = "all",
    labels: opt.LabelsOption = "digits",
    instrument: opt.InstrumentOption = "vsm13",
    table: opt.TableOption = "hofstede-insights",
    seed: _SeedOption = 0,
    device: opt.DeviceOption = "auto",
    as_json: opt.JsonOption = False,
    revision: opt.RevisionOption = None,
    dtype: opt.DtypeOption = "auto",
    trust_remote_code: opt.TrustOption = False,
    **settings: Any,
) -> None:
    """Measure the values a model shows in a survey."""
    from acculturate.metrics.measure import choose_forms

    survey, countries = ac.load_instrument(instrument), ac.load_countries(table)
    anchor, reading = read_anchor(settings["anchor"]), settings["reading"]
    asked = choose_forms(survey, forms, settings["language"], labels)
    target = None if country is None else countries[country]
    scoring = ac.Scoring(survey, anchor, settings["aggregate"], settings["variant"])
    if target:
        target.vector(survey)
    soft_prompt = None
    if prompt is not None:
        soft_prompt = ac.SoftPrompt.load(prompt / "best.safetensors" if prompt.is_dir() else prompt)
    answering = load(model, revision, dtype, device, trust_remote_code)
    has_all = {d.key for d in survey.dimensions} <= set(countries.dimensions)
    result = ac.measure(
        answering,
        survey,
        soft_prompt=soft_prompt,
        forms=asked,
        target=target,
        table=countries if has_all else None,
        scoring=scoring,
        reading=reading,
        respondents=settings["respondents"],
        seed=seed,
    )
    display.print_result(
        as_json, result.to_dict(), lambda: display.show_profile(result, survey, target)
    )
