"""`acculturate serve`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

import acculturate as ac
from acculturate import terminal
from acculturate.commands.loading import check_server, load_variants
from acculturate.commands.options import Dtype
from acculturate.errors import UsageError


def serve(
    runs: list[Path] | None = None,
    *,
    model: str | None = None,
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    device: str = "auto",
    dtype: Dtype = "auto",
    trust_remote_code: bool = False,
    any_model: bool = False,
) -> None:
    """Serve a model and finished runs on it behind OpenAI's API, with a page to compare them.

    Names of models there: embedded, embedded+china (name of the run directory), embedded+persona:china.

    Options:
        runs: Directories of finished runs, all on the same model.
        model: Name or path of the model; the runs' own if it is not given.
        host: Address to listen on; beyond this machine, requests need the key in ACCULTURATE_API_KEY.
        port: Port to listen on; 0 takes one that is free.
    """
    check_server("serve")
    from acculturate.serving import (
        API_KEY,
        build_app,
        make_profiles,
        open_socket,
        page_routes,
        run_app,
    )
    from acculturate.serving.web import check_key, url_of

    if not runs and model is None:
        raise UsageError("nothing to serve", "Give run directories, or --model embedded.")
    key = check_key(host, os.environ.get(API_KEY))
    loaded = [ac.Run.load(run, any_model=any_model) for run in runs or ()]
    with open_socket(host, port) as listening:
        answering, variants = load_variants(loaded, model, device, trust_remote_code, dtype)
        routes = page_routes(make_profiles(variants.values(), loaded))
        app = build_app(answering, variants, host=host, key=key, routes=routes)
        url = url_of(host, listening)
        terminal.say(
            f"Serving {', '.join(variants)} at {url}/v1; {url} compares them. Ctrl-C stops."
        )
        run_app(app, listening)
