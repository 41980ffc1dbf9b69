"""`acculturate measure`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from acculturate import display
from acculturate.commands.options import (
    AggregateOption,
    AnchorOption,
    DeviceOption,
    DtypeOption,
    InstrumentOption,
    JsonOption,
    LabelsOption,
    LanguageOption,
    ModelOption,
    ReadingOption,
    RespondentsOption,
    RevisionOption,
    TableOption,
    TrustOption,
    VariantOption,
)
from acculturate.commands.shared import load, print_json, read_anchor


def measure(
    model: ModelOption = "embedded",
    country: Annotated[
        str | None, typer.Option("--country", "-c", help="Compare with this country.")
    ] = None,
    prompt: Annotated[
        Path | None,
        typer.Option("--prompt", "-p", help="A run directory, or a soft prompt's file."),
    ] = None,
    forms: Annotated[
        Literal["all", "tuning", "held-out"], typer.Option(help="What to ask.")
    ] = "all",
    language: LanguageOption = "en",
    labels: LabelsOption = "digits",
    instrument: InstrumentOption = "vsm13",
    table: TableOption = "hofstede-insights",
    anchor: AnchorOption = "midpoint",
    aggregate: AggregateOption = None,
    variant: VariantOption = None,
    reading: ReadingOption = "expected",
    respondents: RespondentsOption = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals and of sampled.")] = 0,
    revision: RevisionOption = None,
    dtype: DtypeOption = "auto",
    device: DeviceOption = "auto",
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the values a model shows in a survey."""
    import acculturate as ac
    from acculturate.metrics.measure import choose_forms

    survey = ac.load_instrument(instrument)
    countries = ac.load_countries(table)
    asked = choose_forms(survey, forms, language, labels)
    target = None if country is None else countries[country]
    scoring = ac.Scoring(survey, read_anchor(anchor), aggregate, variant)
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
        respondents=respondents,
        seed=seed,
    )
    if as_json:
        print_json(result.to_dict())
    else:
        display.show_profile(result, survey, target)
