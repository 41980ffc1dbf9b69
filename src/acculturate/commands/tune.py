"""`acculturate tune`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from acculturate import display, progress_bars
from acculturate.commands.options import (
    AggregateOption,
    AnchorOption,
    DeviceOption,
    DtypeOption,
    InstrumentOption,
    JsonOption,
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
from acculturate.formatting import slug


def tune(
    country: Annotated[str, typer.Option("--country", "-c", help="Where to move the model.")],
    model: ModelOption = "embedded",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run directory [runs/COUNTRY-SEED].")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    budget: Annotated[
        int, typer.Option(help="Evaluations; a candidate with its gradient counts for three.")
    ] = 400,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    optimizer: Annotated[
        str,
        typer.Option(
            help="adam (by gradients), or by answers alone: l-shade, de, de/rand/1, "
            "de/current-to-best/1, pso, cma-es, sep-cma-es, gde3, random."
        ),
    ] = "adam",
    population: Annotated[
        int | None, typer.Option(help="Candidates a generation [the optimiser's own].")
    ] = None,
    tokens: Annotated[int, typer.Option(help="Virtual tokens of the soft prompt.")] = 8,
    placement: Annotated[
        Literal["front", "after-bos", "before-answer"],
        typer.Option(help="Where the soft prompt goes."),
    ] = "front",
    space: Annotated[
        str | None,
        typer.Option(
            help="What is searched: full, low-rank:N, mixture:N "
            "[full by gradients, mixture:64 by answers]."
        ),
    ] = None,
    init: Annotated[
        Literal["gaussian", "tokens", "text", "run"] | None,
        typer.Option(help="How the first population is made [by optimiser]."),
    ] = None,
    init_scale: Annotated[
        float | None,
        typer.Option(help="Its spread, in standard deviations of the embeddings [by optimiser]."),
    ] = None,
    init_text: Annotated[str | None, typer.Option(help="Start text of --init text.")] = None,
    init_run: Annotated[
        str | None, typer.Option(help="Run directory or soft prompt of --init run.")
    ] = None,
    max_divergence: Annotated[
        float | None, typer.Option(help="Limit on the divergence on ordinary text, nats a token.")
    ] = None,
    min_valid_mass: Annotated[
        float | None,
        typer.Option(help="Least share of the options in the next token's probability."),
    ] = None,
    divergence_weight: Annotated[
        float | None,
        typer.Option(help="Points of loss that a nat of divergence counts for [by optimiser]."),
    ] = None,
    target_loss: Annotated[float | None, typer.Option(help="Stop at this loss.")] = None,
    stall: Annotated[
        int | None, typer.Option(help="Stop after so many candidates without a better one.")
    ] = None,
    forms: Annotated[
        int | None,
        typer.Option(
            help="Tuning forms of a generation: one an item (one order), or a multiple of twice the "
            "items [twice]."
        ),
    ] = None,
    sample: Annotated[
        bool | None,
        typer.Option(
            "--sample/--no-sample",
            help="Draw them anew for each generation from all tuning forms [by gradients].",
        ),
    ] = None,
    penalty: Annotated[
        Literal["mean", "worst", "spread"],
        typer.Option(help="What counts where frames and orders are answered differently."),
    ] = "mean",
    language: LanguageOption = "en",
    instrument: InstrumentOption = "vsm13",
    table: TableOption = "hofstede-insights",
    anchor: AnchorOption = "midpoint",
    aggregate: AggregateOption = None,
    variant: VariantOption = None,
    reading: ReadingOption = "expected",
    respondents: RespondentsOption = 100,
    revision: RevisionOption = None,
    dtype: DtypeOption = "auto",
    device: DeviceOption = "auto",
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Search a soft prompt that moves a model's survey scores towards a country's."""
    import acculturate as ac
    from acculturate.search import by_name, takes
    from acculturate.tuning import tuning_forms

    survey = ac.load_instrument(instrument)
    countries = ac.load_countries(table)
    target = countries[country]
    target.vector(survey)
    own: dict[str, int] = {} if population is None else {"population": population}
    chosen = by_name(optimizer, **own, **({"budget": budget} if takes(optimizer, "budget") else {}))
    settings: dict[str, Any] = {
        "budget": budget,
        "seed": seed,
        "tokens": tokens,
        "placement": placement,
        "space": space,
        "init": init,
        "init_scale": init_scale,
        "init_text": init_text,
        "init_run": init_run,
        "forms": forms,
        "sample": sample,
        "penalty": penalty,
        "language": language,
        "reading": reading,
        "respondents": respondents,
        "anchor": read_anchor(anchor),
        "aggregate": aggregate,
        "variant": variant,
        "max_divergence": max_divergence,
        "min_valid_mass": min_valid_mass,
        "divergence_weight": divergence_weight,
        "target_loss": target_loss,
        "stall": stall,
    }
    asked = ac.Settings(**settings)
    asked.resolved(chosen)
    ac.Scoring(survey, settings["anchor"], aggregate, variant)
    tuning_forms(survey, asked)
    folder = out or Path("runs") / f"{slug(target.name)}-{seed}"
    answering = load(model, revision, dtype, device, trust_remote_code)
    try:
        with progress_bars.progress_bar(budget) as on_generation:
            run = ac.tune(
                answering,
                survey,
                target,
                out=folder,
                table=countries,
                optimizer=chosen,
                resume=resume,
                on_generation=on_generation,
                command=shlex.join(["acculturate", *sys.argv[1:]]),
                **settings,
            )
    except KeyboardInterrupt:
        done = "What is done" if (folder / "state.npz").is_file() else "Nothing but the settings"
        display.say(f"Stopped. {done} is in {folder}; the same command with --resume goes on.")
        raise typer.Exit(130) from None
    if as_json:
        print_json({"run": str(run.directory), **run.outcome})
    else:
        display.show_run(run)
