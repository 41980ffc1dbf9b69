"""Experiments on a model behind an endpoint: baselines run, and what needs embeddings is refused at once."""

import json

import pytest
from experiment_runs import PLAN, plan

from acculturate.errors import UsageError
from acculturate.experiment import run_experiment
from openai_server import Endpoint, serving

BASELINES = """\
budget = 24
[settings]
guard = "sentences"
labels = "digits"
[methods]
naive = {}
persona = {}
in-context = {}
"""


def test_baselines_run_and_searches_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCULTURATE_CACHE", str(tmp_path / "cache"))
    with serving(Endpoint(chat=False)) as endpoint:
        text = PLAN.replace('"fake"', f'"openai:{endpoint.url}#toy"')
        with pytest.raises(UsageError, match="shows no embeddings for random, de"):
            plan(tmp_path, text)
        assert not endpoint.asked
        experiment = plan(tmp_path, text[: text.index("budget")] + BASELINES)
        run_experiment(experiment, tmp_path / "out")
    summaries = list((tmp_path / "out/cells").rglob("summary.json"))
    assert len(summaries) == 2
    for file in summaries:
        rows = {row["method"]: row for row in json.loads(file.read_text())["rows"]}
        assert {"naive", "persona", "in-context"} <= rows.keys()
        assert rows["naive"]["divergence"] == 0 and rows["naive"]["perplexity"] > 1
