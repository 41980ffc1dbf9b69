"""Time the answers of an endpoint with 1, 4 and 16 requests at once, beside the same model here.

    acculturate serve --model embedded
    python benchmarks/endpoint.py "openai:http://127.0.0.1:8000/v1#embedded" --local embedded
    python benchmarks/endpoint.py "openai:http://127.0.0.1:8000/v1#embedded" --labels words --forms 6

Every row asks the same forms, and none of the answers is known; the model here was asked one of them before,
so that proving it is not timed. docs/large-models.md has figures.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer

from acculturate.model import AnswerModel, Query, load_model
from acculturate.model.remote.cache import AnswerCache
from acculturate.model.remote.model import RemoteModel
from acculturate.model.remote.patience import Patience
from acculturate.model.remote.transport import Transport
from acculturate.survey import Form, LabelKind, balanced_forms, load_instrument

app = typer.Typer(add_completion=False)


@app.command()
def main(
    endpoint: str, local: str | None = None, forms: int = 24, labels: LabelKind = "digits"
) -> None:
    """Print forms a second for each number of requests at once, and for the model here."""
    asked = balanced_forms(load_instrument("vsm13"), "tuning", 48, labels=labels)[:forms]
    model = load_model(endpoint)
    assert isinstance(model, RemoteModel)
    for at_once in (1, 4, 16):
        with tempfile.TemporaryDirectory() as folder:
            transport = Transport(
                model.transport.address, replace(Patience(), requests_at_once=at_once)
            )
            transport.cache = AnswerCache(at_once, Path(folder))
            _time(f"{at_once} at once", RemoteModel(endpoint, transport, model.abilities), asked)
    if local is not None:
        here = load_model(local)
        here.ask(None, Query(asked[:1]))
        _time("here", here, asked)


def _time(label: str, model: AnswerModel, asked: Sequence[Form]) -> None:
    began = time.perf_counter()
    model.ask(None, Query(asked))
    seconds = time.perf_counter() - began
    print(f"{label:12} {len(asked) / seconds:8.1f} forms a second", flush=True)


if __name__ == "__main__":
    app()
