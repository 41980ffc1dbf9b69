"""Tuning of a real architecture by the words of the answers, and its export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tuning_runs import TOY, TOYLAND

from acculturate.export import export_prompt
from acculturate.search import by_name, takes
from acculturate.tuning import in_context_line, tune
from tiny_models import tiny_model


@pytest.mark.parametrize("name", ["adam", "l-shade", "de/rand/1"])
def test_a_search_in_words_from_the_scores_in_words_behind_the_first_token(
    name: str, tmp_path: Path
):
    model = tiny_model("gemma3")
    own = {"budget": 12} if takes(name, "budget") else {}
    run = tune(
        model,
        TOY,
        TOYLAND,
        out=tmp_path / "run",
        optimizer=by_name(name, **own, **({} if name == "adam" else {"population": 6})),
        budget=12,
        labels="words",
        objective="shift",
        placement="after-bos",
        init="in-context",
        tokens=5,
    )
    assert run.outcome.best_loss is not None
    config = (run.directory / "config.toml").read_text()
    for line in ('labels = "words"', 'objective = "shift"', 'init = "in-context"'):
        assert line in config
    if name == "adam":
        start = model.embed_text(in_context_line(TOYLAND, TOY.dimensions))[:5]
        assert 0 < np.abs(run.soft_prompt.embeddings - start).max() < np.abs(start).max()
        assert (export_prompt(run.directory, model, tmp_path / "adapter") / "README.md").is_file()
