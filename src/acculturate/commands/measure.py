"""`acculturate measure`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from acculturate import display
from acculturate.commands import options as opt
from acculturate.commands.options import takes_settings
from acculturate.commands.shared import load, print_json, read_anchor

_CountryOption = Annotated[
    str | None, typer.Option("--country", "-c", help="Country to compare with.")
]
_PromptOption = Annotated[
    Path | None,
    typer.Option("--prompt", "-p", help="Soft prompt: a run directory, or a file."),
]
_FormsOption = Annotated[
    Literal["all", "tuning", "held-out"], typer.Option(help="Set of forms to ask.")
]
_SeedOption = Annotated[
    int, typer.Option(min=0, help="Random seed for intervals and for reading sampled.")
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
    import acculturate as ac
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
    if as_json:
        print_json(result.to_dict())
    else:
        display.show_profile(result, survey, target)
